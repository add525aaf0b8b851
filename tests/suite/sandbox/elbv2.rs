//! Load balancers, certificates and records of the sandbox, and what holds them together.

use super::*;
use aws_sdk_elasticloadbalancingv2::Client as Elb;
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate, LoadBalancerAttribute, LoadBalancerTypeEnum, ProtocolEnum,
    TargetDescription, TargetTypeEnum,
};

fn elb(sandbox: &Sandbox) -> Elb {
    Elb::new(&config(sandbox, "AKIDSANDBOX", "us-east-1"))
}

fn forward(group: &str) -> Action {
    let action = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(group);
    action.build()
}

struct Place {
    vpc: String,
    subnets: Vec<String>,
    group: String,
    balancer: String,
    targets: String,
}

async fn place(sandbox: &Sandbox) -> Place {
    let (ec2, elb) = (client(sandbox), elb(sandbox));
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let subnets = vec![
        subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1a").await,
        subnet(&ec2, &vpc, "10.0.1.0/24", "us-east-1b").await,
    ];
    let group = ec2.create_security_group().group_name("lb").description("d").vpc_id(&vpc);
    let group = group.send().await.unwrap().group_id.unwrap();
    let create = elb.create_load_balancer().name("edge").r#type(LoadBalancerTypeEnum::Network);
    let create = create.set_subnets(Some(subnets.clone())).security_groups(&group);
    assert_eq!(code(create.clone().send().await), "InvalidSubnet");
    gateway(&ec2, &vpc).await;
    let made = create.clone().send().await.unwrap();
    let again = create.clone().send().await.unwrap();
    assert_eq!(made.load_balancers(), again.load_balancers());
    let other = create.scheme("internal".into()).send().await;
    assert_eq!(code(other), "DuplicateLoadBalancerName");
    let balancer = made.load_balancers()[0].load_balancer_arn().unwrap().to_owned();
    let targets = elb.create_target_group().name("coder").protocol(ProtocolEnum::Tcp).port(8080);
    let targets = targets.vpc_id(&vpc).target_type(TargetTypeEnum::Ip).send().await.unwrap();
    let targets = targets.target_groups()[0].target_group_arn().unwrap().to_owned();
    Place { vpc, subnets, group, balancer, targets }
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_comes_stays_and_goes() {
    let sandbox = sandbox();
    let (ec2, elb) = (client(&sandbox), elb(&sandbox));
    let place = place(&sandbox).await;
    let found = || async {
        let found = elb.describe_load_balancers().names("edge").send().await.unwrap();
        found.load_balancers()[0].clone()
    };
    let state = found().await.state().unwrap().code().unwrap().as_str().to_owned();
    assert_eq!(state, "provisioning");
    sandbox.clock().sleep(Duration::from_secs(150)).await;
    assert_eq!(found().await.state().unwrap().code().unwrap().as_str(), "active");
    let nics = ec2.describe_network_interfaces().filters(filter("group-id", &place.group));
    let nics = nics.send().await.unwrap();
    assert_eq!(nics.network_interfaces().len(), 2);
    assert!(nics.network_interfaces()[0].description().unwrap().starts_with("ELB net/edge/"));

    let set = |on: &str| {
        let key = LoadBalancerAttribute::builder().key("deletion_protection.enabled").value(on);
        let call = elb.modify_load_balancer_attributes().load_balancer_arn(&place.balancer);
        call.attributes(key.build()).send()
    };
    set("true").await.unwrap();
    assert_eq!(code(set("perhaps").await), "InvalidConfigurationRequest");
    let delete = || elb.delete_load_balancer().load_balancer_arn(&place.balancer).send();
    assert_eq!(code(delete().await), "OperationNotPermitted");
    set("false").await.unwrap();
    delete().await.unwrap();
    let gone = elb.describe_load_balancers().names("edge").send().await;
    assert_eq!(code(gone), "LoadBalancerNotFound");
    let held = || ec2.delete_security_group().group_id(&place.group).send();
    assert_eq!(code(held().await), "DependencyViolation");
    sandbox.clock().sleep(Duration::from_secs(120)).await;
    held().await.unwrap();
    ec2.delete_subnet().subnet_id(&place.subnets[0]).send().await.unwrap();
    assert!(!place.vpc.is_empty());
}

#[tokio::test(start_paused = true)]
async fn security_groups_can_only_be_set_where_there_were_some() {
    let sandbox = sandbox();
    let elb = elb(&sandbox);
    let place = place(&sandbox).await;
    let bare = elb.create_load_balancer().name("bare").r#type(LoadBalancerTypeEnum::Network);
    let bare = bare.scheme("internal".into()).subnets(&place.subnets[0]).send().await.unwrap();
    let bare = bare.load_balancers()[0].load_balancer_arn().unwrap().to_owned();
    let set = |arn: &str, group: &str| {
        elb.set_security_groups().load_balancer_arn(arn).security_groups(group).send()
    };
    assert_eq!(code(set(&bare, &place.group).await), "InvalidConfigurationRequest");
    assert_eq!(code(set(&place.balancer, "sg-0123456789abcdef0").await), "InvalidSecurityGroup");
    set(&place.balancer, &place.group).await.unwrap();
    let subnets = elb.set_subnets().load_balancer_arn(&bare);
    let subnets = subnets.set_subnets(Some(place.subnets.clone())).send().await.unwrap();
    assert_eq!(subnets.availability_zones().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn listeners_hold_target_groups_and_targets_become_healthy() {
    let sandbox = sandbox();
    let elb = elb(&sandbox);
    let place = place(&sandbox).await;
    let target = || TargetDescription::builder().id("10.0.0.9").build();
    let register = elb.register_targets().target_group_arn(&place.targets);
    register.targets(target()).send().await.unwrap();
    let state = || async {
        let call = elb.describe_target_health().target_group_arn(&place.targets);
        let found = call.send().await.unwrap();
        let first = found.target_health_descriptions().first().cloned();
        first.map(|one| one.target_health().unwrap().state().unwrap().as_str().to_owned())
    };
    assert_eq!(state().await.as_deref(), Some("unused"));
    let create = elb.create_listener().load_balancer_arn(&place.balancer).port(80);
    let create = create.protocol(ProtocolEnum::Tcp).default_actions(forward(&place.targets));
    let listener = create.clone().send().await.unwrap();
    let listener = listener.listeners()[0].listener_arn().unwrap().to_owned();
    let other = create.protocol(ProtocolEnum::Udp).send().await;
    assert_eq!(code(other), "IncompatibleProtocols");
    assert_eq!(state().await.as_deref(), Some("initial"));
    sandbox.clock().sleep(Duration::from_secs(60)).await;
    assert_eq!(state().await.as_deref(), Some("healthy"));
    let deregister = elb.deregister_targets().target_group_arn(&place.targets);
    deregister.targets(target()).send().await.unwrap();
    assert_eq!(state().await.as_deref(), Some("draining"));
    sandbox.clock().sleep(Duration::from_secs(300)).await;
    assert_eq!(state().await, None);

    let delete = || elb.delete_target_group().target_group_arn(&place.targets).send();
    assert_eq!(code(delete().await), "ResourceInUse");
    elb.delete_listener().listener_arn(&listener).send().await.unwrap();
    delete().await.unwrap();
    let gone = elb.describe_listeners().listener_arns(&listener).send().await;
    assert_eq!(code(gone), "ListenerNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_tls_listener_needs_a_certificate_that_was_issued() {
    let sandbox = sandbox();
    let elb = elb(&sandbox);
    let place = place(&sandbox).await;
    let arn = super::acm::requested(&sandbox, "coder.example.com").await;
    let create = |certificate: &str| {
        let certificate = Certificate::builder().certificate_arn(certificate).build();
        let call = elb.create_listener().load_balancer_arn(&place.balancer).port(443);
        let call = call.protocol(ProtocolEnum::Tls).certificates(certificate);
        call.default_actions(forward(&place.targets)).send()
    };
    assert_eq!(code(create(&format!("{arn}0")).await), "CertificateNotFound");
    assert_eq!(code(create(&arn).await), "UnsupportedCertificate");
    super::acm::prove(&sandbox, &arn).await;
    sandbox.clock().sleep(Duration::from_secs(240)).await;
    let made = create(&arn).await.unwrap();
    let made = &made.listeners()[0];
    assert_eq!(made.ssl_policy(), Some("ELBSecurityPolicy-2016-08"));
    let listener = made.listener_arn().unwrap();
    let acm = super::acm::acm(&sandbox);
    let delete = || acm.delete_certificate().certificate_arn(&arn).send();
    assert_eq!(code(delete().await), "ResourceInUseException");
    let change = elb.modify_listener().listener_arn(listener).ssl_policy("nonsense");
    assert_eq!(code(change.send().await), "SSLPolicyNotFound");
    elb.delete_listener().listener_arn(listener).send().await.unwrap();
    delete().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tags_of_at_most_twenty_things_at_once() {
    let sandbox = sandbox();
    let elb = elb(&sandbox);
    let place = place(&sandbox).await;
    let tag = aws_sdk_elasticloadbalancingv2::types::Tag::builder().key("a").value("b");
    let add = elb.add_tags().resource_arns(&place.balancer).resource_arns(&place.targets);
    add.tags(tag.build()).send().await.unwrap();
    let found = elb.describe_tags().resource_arns(&place.targets).send().await.unwrap();
    assert_eq!(found.tag_descriptions()[0].tags()[0].value(), Some("b"));
    let many = vec![place.targets.clone(); 21];
    let many = elb.describe_tags().set_resource_arns(Some(many)).send().await;
    assert_eq!(code(many), "ValidationError");
}
