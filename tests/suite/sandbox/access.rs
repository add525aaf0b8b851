//! Security groups, endpoints and flow logs.

use super::*;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
    VpcEndpointType,
};

#[tokio::test(start_paused = true)]
async fn security_groups_and_their_rules() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let (a, b) = (group(&ec2, &vpc, "a").await, group(&ec2, &vpc, "b").await);
    let again = ec2.create_security_group().vpc_id(&vpc).group_name("A").description("x");
    assert_eq!(code(again.send().await), "InvalidGroup.Duplicate");
    let rules = async |group: &str| {
        let call = ec2.describe_security_group_rules().filters(filter("group-id", group));
        call.send().await.unwrap().security_group_rules().to_vec()
    };
    let first = &rules(&a).await[0];
    assert_eq!((first.is_egress(), first.ip_protocol()), (Some(true), Some("-1")));

    let world = tcp(443)
        .ip_ranges(IpRange::builder().cidr_ip("10.0.0.9/16").description("from inside").build());
    let allow = ec2
        .authorize_security_group_ingress()
        .group_id(&a)
        .ip_permissions(world.build())
        .tag_specifications(tagged("security-group-rule", "k", "v"));
    let made = allow.clone().send().await.unwrap();
    let rule = &made.security_group_rules()[0];
    let id = rule.security_group_rule_id().unwrap().to_owned();
    assert_eq!(rule.cidr_ipv4(), Some("10.0.0.0/16"));
    assert_eq!(rule.description(), Some("from inside"));
    assert_eq!(rule.tags()[0].value(), Some("v"));
    assert_eq!(code(allow.send().await), "InvalidPermission.Duplicate");
    let found = ec2.describe_security_group_rules().filters(filter("tag:k", "v"));
    assert_eq!(found.send().await.unwrap().security_group_rules().len(), 1);

    let change = SecurityGroupRuleUpdate::builder()
        .security_group_rule_id(&id)
        .security_group_rule(
            SecurityGroupRuleRequest::builder()
                .ip_protocol("tcp")
                .from_port(80)
                .to_port(80)
                .cidr_ipv4("10.0.0.0/16")
                .build(),
        )
        .build();
    let modify = ec2.modify_security_group_rules().group_id(&a).security_group_rules(change);
    modify.send().await.unwrap();
    let seen = rules(&a).await.into_iter().find(|rule| rule.is_egress() == Some(false)).unwrap();
    assert_eq!((seen.from_port(), seen.description()), (Some(80), None));
    assert_eq!(seen.tags().len(), 1);

    // A group that another names can't go; all of a request or nothing of it happens.
    let pair = UserIdGroupPair::builder().group_id(&a).build();
    let peer = tcp(5432).user_id_group_pairs(pair).build();
    let missing = UserIdGroupPair::builder().group_id("sg-0123456789abcdef0").build();
    let allow = ec2.authorize_security_group_ingress().group_id(&b).ip_permissions(peer.clone());
    let half = allow.clone().ip_permissions(tcp(1).user_id_group_pairs(missing).build());
    assert_eq!(code(half.send().await), "InvalidGroup.NotFound");
    assert_eq!(rules(&b).await.len(), 1);
    allow.send().await.unwrap();
    let seen = ec2.describe_security_groups().group_ids(&b).send().await.unwrap();
    let shown = &seen.security_groups()[0].ip_permissions()[0];
    assert_eq!(shown.user_id_group_pairs()[0].group_id(), Some(a.as_str()));
    let delete = ec2.delete_security_group().group_id(&a);
    assert_eq!(code(delete.clone().send().await), "DependencyViolation");
    let revoke = ec2.revoke_security_group_ingress().group_id(&b).ip_permissions(peer);
    let revoked = revoke.clone().send().await.unwrap();
    assert_eq!(revoked.revoked_security_group_rules()[0].referenced_group_id(), Some(a.as_str()));
    assert_eq!(code(revoke.send().await), "InvalidPermission.NotFound");
    let revoke = ec2.revoke_security_group_ingress().group_id(&a).security_group_rule_ids(&id);
    revoke.clone().send().await.unwrap();
    assert_eq!(code(revoke.send().await), "InvalidSecurityGroupRuleId.NotFound");
    delete.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn endpoints() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let subnet_a = subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1a").await;
    let same_zone = subnet(&ec2, &vpc, "10.0.1.0/24", "us-east-1a").await;
    let table = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap();
    let table = table.route_table().unwrap().route_table_id().unwrap().to_owned();
    let create = |service: &str| {
        ec2.create_vpc_endpoint()
            .vpc_id(&vpc)
            .service_name(format!("com.amazonaws.us-east-1.{service}"))
    };
    let id = |made: aws_sdk_ec2::operation::create_vpc_endpoint::CreateVpcEndpointOutput| {
        made.vpc_endpoint().unwrap().vpc_endpoint_id().unwrap().to_owned()
    };
    let s3 = create("s3").route_table_ids(&table).client_token("s3");
    let gateway = id(s3.clone().send().await.unwrap());
    assert_eq!(id(s3.send().await.unwrap()), gateway);
    let seen = ec2.describe_route_tables().route_table_ids(&table).send().await.unwrap();
    let route = &seen.route_tables()[0].routes()[1];
    assert_eq!(route.gateway_id(), Some(gateway.as_str()));
    assert_eq!(route.destination_prefix_list_id(), Some("pl-63a5400a"));
    assert_eq!(code(create("nonsense").send().await), "InvalidServiceName");

    let kms = create("kms").vpc_endpoint_type(VpcEndpointType::Interface).subnet_ids(&subnet_a);
    // Private DNS is on by default, and this VPC can't have it yet.
    assert_eq!(code(kms.clone().send().await), "InvalidParameter");
    let on = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
    let modify = ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on);
    modify.send().await.unwrap();
    let two = kms.clone().subnet_ids(&same_zone);
    assert_eq!(code(two.send().await), "DuplicateSubnetsInSameZone");
    let interface = id(kms.clone().send().await.unwrap());
    assert_eq!(code(kms.send().await), "InvalidParameter");
    let state = async || {
        let seen = ec2.describe_vpc_endpoints().vpc_endpoint_ids(&interface).send().await;
        seen.unwrap().vpc_endpoints()[0].state().unwrap().as_str().to_owned()
    };
    assert_eq!(state().await, "pending");
    wait(&sandbox, 91).await;
    assert_eq!(state().await, "available");
    let firewall = group(&ec2, &vpc, "endpoints").await;
    let modify = ec2.modify_vpc_endpoint().vpc_endpoint_id(&interface);
    modify.add_security_group_ids(&firewall).send().await.unwrap();
    let delete_group = ec2.delete_security_group().group_id(&firewall);
    assert_eq!(code(delete_group.clone().send().await), "DependencyViolation");

    let delete = ec2
        .delete_vpc_endpoints()
        .vpc_endpoint_ids(&interface)
        .vpc_endpoint_ids(&gateway)
        .vpc_endpoint_ids("vpce-0123456789abcdef0");
    let deleted = delete.send().await.unwrap();
    assert_eq!(deleted.unsuccessful().len(), 1);
    assert_eq!(
        deleted.unsuccessful()[0].error().unwrap().code(),
        Some("InvalidVpcEndpointId.NotFound")
    );
    assert_eq!(state().await, "deleting");
    let delete = ec2.delete_subnet().subnet_id(&subnet_a);
    assert_eq!(code(delete.clone().send().await), "DependencyViolation");
    wait(&sandbox, 61).await;
    delete.send().await.unwrap();
    delete_group.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn flow_logs_fail_one_by_one() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    use aws_sdk_ec2::types::{FlowLogsResourceType, TrafficType};
    let create = ec2
        .create_flow_logs()
        .resource_type(FlowLogsResourceType::Vpc)
        .resource_ids(&vpc)
        .resource_ids("vpc-0123456789abcdef0")
        .traffic_type(TrafficType::All);
    // Log groups need a role, buckets take none.
    assert_eq!(code(create.clone().log_group_name("/flow").send().await), "InvalidParameter");
    let create = create
        .log_destination_type(aws_sdk_ec2::types::LogDestinationType::S3)
        .log_destination("arn:aws:s3:::flow");
    let role = "arn:aws:iam::123456789012:role/flow";
    let with_role = create.clone().deliver_logs_permission_arn(role).send().await;
    assert_eq!(code(with_role), "InvalidParameter");
    let made = create.clone().send().await.unwrap();
    assert_eq!((made.flow_log_ids().len(), made.unsuccessful().len()), (1, 1));
    let again = create.send().await.unwrap();
    assert_eq!((again.flow_log_ids().len(), again.unsuccessful().len()), (0, 2));
    let first = again.unsuccessful()[0].error().unwrap();
    assert_eq!(first.code(), Some("FlowLogAlreadyExists"));
    let found = ec2.describe_flow_logs().filter(filter("resource-id", &vpc)).send().await.unwrap();
    assert_eq!(found.flow_logs()[0].log_destination(), Some("arn:aws:s3:::flow"));
    let id = &made.flow_log_ids()[0];
    let delete = ec2.delete_flow_logs().flow_log_ids(id);
    assert_eq!(delete.clone().send().await.unwrap().unsuccessful().len(), 0);
    assert_eq!(delete.send().await.unwrap().unsuccessful().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_rule_may_be() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let id = group(&ec2, &vpc, "a").await;
    let range = |cidr: &str| IpRange::builder().cidr_ip(cidr).build();
    let any = |protocol: &str| IpPermission::builder().ip_protocol(protocol);
    let cases = [
        (tcp(443).ip_ranges(range("10.0.0.0/33")), "InvalidParameterValue"),
        (tcp(443), "MissingParameter"),
        (any("tcp").ip_ranges(range("10.0.0.0/8")), "InvalidParameterValue"),
        (tcp(70_000).ip_ranges(range("10.0.0.0/8")), "InvalidParameterValue"),
        (tcp(443).to_port(1).ip_ranges(range("10.0.0.0/8")), "InvalidParameterValue"),
        (any("odd").ip_ranges(range("10.0.0.0/8")), "InvalidParameterValue"),
        (any("-1").ip_ranges(range("0.0.0.0/0")), "InvalidPermission.Duplicate"),
    ];
    for (permission, expected) in cases {
        let permission = permission.build();
        let call = ec2.authorize_security_group_egress().group_id(&id);
        let call = call.ip_permissions(permission.clone()).send().await;
        assert_eq!(code(call), expected, "{permission:?}");
    }
    // AWS's own forms: a number for a protocol, ports where there are none.
    let forms = any("6").from_port(1).to_port(2).ip_ranges(range("10.0.0.0/8")).build();
    let all = any("-1").from_port(0).to_port(0).ip_ranges(range("10.0.0.0/8")).build();
    let call = ec2.authorize_security_group_egress().group_id(&id);
    let made = call.ip_permissions(forms).ip_permissions(all).send().await.unwrap();
    let shown: Vec<_> = made
        .security_group_rules()
        .iter()
        .map(|rule| (rule.ip_protocol().unwrap(), rule.from_port(), rule.to_port()))
        .collect();
    assert_eq!(shown, [("tcp", Some(1), Some(2)), ("-1", Some(-1), Some(-1))]);
    let mut knobs = sandbox.knobs();
    knobs.rules_per_security_group = 3;
    sandbox.set_knobs(knobs);
    let call = ec2.authorize_security_group_egress().group_id(&id);
    let more = call.ip_permissions(tcp(9).ip_ranges(range("10.0.0.0/8")).build());
    assert_eq!(code(more.send().await), "RulesPerSecurityGroupLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_endpoint_changes() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let mut tables = Vec::new();
    for _ in 0..2 {
        let made = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap();
        tables.push(made.route_table().unwrap().route_table_id().unwrap().to_owned());
    }
    let create = ec2
        .create_vpc_endpoint()
        .vpc_id(&vpc)
        .service_name("com.amazonaws.us-east-1.s3")
        .route_table_ids(&tables[0]);
    let bad = create.clone().policy_document("{}");
    assert_eq!(code(bad.send().await), "InvalidPolicyDocument");
    let made = create.clone().send().await.unwrap();
    let id = made.vpc_endpoint().unwrap().vpc_endpoint_id().unwrap();
    assert_eq!(code(create.send().await), "RouteAlreadyExists");
    let policy = "{\"Statement\":[]}";
    let modify = ec2.modify_vpc_endpoint().vpc_endpoint_id(id);
    let moved = modify.clone().add_route_table_ids(&tables[1]).remove_route_table_ids(&tables[0]);
    moved.policy_document(policy).send().await.unwrap();
    let seen = async || {
        let seen = ec2.describe_vpc_endpoints().vpc_endpoint_ids(id).send().await.unwrap();
        seen.vpc_endpoints()[0].clone()
    };
    assert_eq!(seen().await.route_table_ids(), [tables[1].clone()]);
    assert_eq!(seen().await.policy_document(), Some(policy));
    let wrong = modify.clone().add_subnet_ids("subnet-0123456789abcdef0");
    assert_eq!(code(wrong.send().await), "InvalidParameter");
    modify.reset_policy(true).send().await.unwrap();
    assert!(seen().await.policy_document().unwrap().contains("\"Action\":\"*\""));
    let services = ec2
        .describe_vpc_endpoint_services()
        .service_names("com.amazonaws.us-east-1.kms")
        .send()
        .await
        .unwrap();
    assert_eq!(services.service_details()[0].availability_zones().len(), 6);
    let lists = ec2
        .describe_managed_prefix_lists()
        .filters(filter("prefix-list-name", "com.amazonaws.us-east-1.s3"))
        .send()
        .await
        .unwrap();
    assert_eq!(lists.prefix_lists()[0].prefix_list_id(), Some("pl-63a5400a"));
}
