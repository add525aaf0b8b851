//! Security groups, their rules, endpoints and flow logs, each through its whole life against the
//! sandbox.

use super::harness::{Before, Known, World};
use super::kinds_identity::{key_for_logs, role};
use super::kinds_net::made;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, SecurityGroupRuleRequest, SecurityGroupRuleUpdate, UserIdGroupPair,
};
use coderctl::aws::ec2::flow_log::{self, FlowLog};
use coderctl::aws::ec2::security_group::SecurityGroup;
use coderctl::aws::ec2::security_group_rule::{Direction, Peer, SecurityGroupRule, Traffic};
use coderctl::aws::ec2::vpc::{DefaultSecurityGroup, Vpc};
use coderctl::aws::ec2::vpc_endpoint::{Via, VpcEndpoint};
use coderctl::aws::iam::role::Role;
use coderctl::aws::kms::key::Key;
use coderctl::aws::logs::log_group::{LogGroup, StorageClass};
use coderctl::kind::{Class, Cx, Effect, Found, Kind, StepCx, Wanted, changes};
use coderctl::name::PhysicalId;
use coderctl::sandbox::{Effect as Fate, Fault, Faults};
use coderctl::value::{Id, In, Text};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

async fn vpc(world: &World) -> Found<Vpc> {
    let desired = Vpc {
        cidr: "10.0.0.0/16".into(),
        dns_hostnames: true,
        dns_support: true,
        default_security_group: DefaultSecurityGroup::Leave,
    };
    world.make("network/vpc", &desired).await
}

async fn subnet(world: &World, vpc: &Found<Vpc>, cidr: &str, zone: &str) -> String {
    let call = world.ec2().create_subnet().vpc_id(vpc.id.as_str()).cidr_block(cidr);
    let made = call.availability_zone(zone).send().await.unwrap();
    made.subnet().unwrap().subnet_id().unwrap().to_owned()
}

async fn table(world: &World, vpc: &Found<Vpc>) -> String {
    let made = world.ec2().create_route_table().vpc_id(vpc.id.as_str()).send().await.unwrap();
    made.route_table().unwrap().route_table_id().unwrap().to_owned()
}

fn group_in(vpc: &Found<Vpc>, name: &str) -> SecurityGroup {
    SecurityGroup {
        vpc: vpc.live.id.clone().into(),
        name: name.to_owned(),
        description: format!("{name} of coder"),
    }
}

fn everything() -> IpPermission {
    let anywhere = IpRange::builder().cidr_ip("0.0.0.0/0").build();
    IpPermission::builder().ip_protocol("-1").ip_ranges(anywhere).build()
}

fn parents<K: Kind>(found: &Found<K>) -> BTreeSet<String> {
    found.parents.iter().map(ToString::to_string).collect()
}

fn ids<K>(ids: &[&String]) -> Vec<In<Id<K>>> {
    ids.iter().map(|id| In::Literal(Id::new(id.as_str()))).collect()
}

fn effects<K: Kind>(desired: &K, found: &Found<K>) -> Vec<(String, Effect)> {
    let differs = changes(desired, &found.live, &Known::default());
    differs.into_iter().map(|change| (change.field, change.effect)).collect()
}

fn at_generation(world: &World, address: &str, generation: u32) -> Cx {
    world.cx.in_step(StepCx {
        address: world.address(address),
        generation,
        token: format!("generation-{generation}"),
        progress: Arc::new(|_: &str| {}),
    })
}

#[tokio::test(start_paused = true)]
async fn a_security_group_lives_without_its_default_egress() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let desired = group_in(&vpc, "coder-nodes");
    let found = world.make("network/sg/nodes", &desired).await;
    assert_eq!(found.live.default_egress, None);
    assert_eq!(parents(&found), BTreeSet::from([vpc.id.to_string()]));
    assert_eq!(world.only::<SecurityGroup>().await.id, found.id);

    // Somebody lets everything out again; what is tagged is somebody's, and is left.
    let let_out = || {
        let call = world.ec2().authorize_security_group_egress().group_id(found.id.as_str());
        call.ip_permissions(everything()).send()
    };
    let_out().await.unwrap();
    let found = world.drifted(&desired, &found, &["default_egress"]).await;
    let made = let_out().await.unwrap();
    let rule = made.security_group_rules()[0].security_group_rule_id().unwrap();
    let tag = aws_sdk_ec2::types::Tag::builder().key("team").value("net").build();
    world.ec2().create_tags().resources(rule).tags(tag).send().await.unwrap();
    let found = world.drifted(&desired, &found, &[]).await;

    let found = world.retag(&desired, &found).await;
    let renamed = SecurityGroup { description: "other".into(), ..group_in(&vpc, "other") };
    let replace = |field: &str| (field.to_owned(), Effect::Replace);
    assert_eq!(effects(&renamed, &found), [replace("name"), replace("description")]);
    world.delete(&found).await;
    world.assert_actions_of(&[Vpc::NATURE, SecurityGroup::NATURE]);
}

#[tokio::test(start_paused = true)]
async fn a_security_group_that_replaces_another_has_another_name_and_no_difference() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let desired = group_in(&vpc, "coder-nodes");
    let first = world.make("network/sg/nodes", &desired).await;
    let cx = at_generation(&world, "network/sg/nodes", 2);
    let second = desired.create(&cx).await.unwrap();
    let second = SecurityGroup::settle(&cx, second).await.unwrap();
    assert_eq!(second.live.name, "coder-nodes-2");
    assert_ne!(second.id, first.id);
    assert_eq!(effects(&desired, &second), []);
}

#[tokio::test(start_paused = true)]
async fn a_security_group_survives_lost_answers_and_a_failed_revoke() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let denied = Fate::Error {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
        message: "no".to_owned(),
    };
    world.sandbox.set_faults(Faults::script([
        Fault::on_operation("ec2:CreateSecurityGroup", Fate::LoseAnswer),
        Fault::on_operation("ec2:RevokeSecurityGroupEgress", denied),
    ]));
    let found = world.make("network/sg/nodes", &group_in(&vpc, "coder-nodes")).await;
    assert_eq!(found.live.default_egress, None);
    assert_eq!(world.only::<SecurityGroup>().await.id, found.id);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_security_group_with_the_name_is_a_clash() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let call = world.ec2().create_security_group().vpc_id(vpc.id.as_str());
    let made = call.group_name("coder-nodes").description("theirs").send().await.unwrap();
    let theirs = made.group_id().unwrap();
    let desired = group_in(&vpc, "coder-nodes");

    let address = world.address("network/sg/nodes");
    let wanted = [Wanted { address: &address, desired: &desired }];
    let before = Before::default().with(&world.list::<Vpc>().await);
    let listed = SecurityGroup::list(&world.cx, &wanted, &before).await.unwrap();
    assert_eq!(listed.ours.len(), 0);
    assert_eq!(listed.clashes.len(), 1);
    assert_eq!(listed.clashes[0].id.as_str(), theirs);
    assert_eq!(listed.clashes[0].owner, "not managed by coderctl");

    let error = desired.create(&world.step("network/sg/nodes")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    let adopt = format!("coderctl adopt us-east-1/network/sg/nodes {theirs}");
    assert!(error.hint.unwrap().contains(&adopt));

    let owner = world.owner("network/sg/nodes");
    let id = PhysicalId::new(theirs);
    let found = SecurityGroup::find_foreign(&world.cx, &id, &owner).await.unwrap().unwrap();
    let differs = effects(&desired, &found);
    assert_eq!(differs[0], ("description".to_owned(), Effect::Replace));
}

#[tokio::test(start_paused = true)]
async fn a_security_group_that_others_name_says_who() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let found = world.make("network/sg/nodes", &group_in(&vpc, "coder-nodes")).await;
    let call = world.ec2().create_security_group().vpc_id(vpc.id.as_str());
    let made = call.group_name("theirs").description("theirs").send().await.unwrap();
    let theirs = made.group_id().unwrap();
    let pair = UserIdGroupPair::builder().group_id(found.id.as_str()).build();
    let rule = IpPermission::builder().ip_protocol("-1").user_id_group_pairs(pair).build();
    let call = world.ec2().authorize_security_group_ingress().group_id(theirs);
    call.ip_permissions(rule).send().await.unwrap();

    let cx = world.step("network/sg/nodes");
    let error = SecurityGroup::delete(&cx, &found).await.unwrap_err();
    assert_eq!(error.class, Class::InUse);
    assert!(error.hint.unwrap().contains(theirs));
}

fn https(group: &Found<SecurityGroup>) -> SecurityGroupRule {
    SecurityGroupRule {
        group: group.live.id.clone().into(),
        direction: Direction::Ingress,
        traffic: Traffic::tcp(443),
        // Not as AWS writes it.
        peer: Peer::Range("10.1.2.3/16".into()),
        description: "https".into(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_lives_and_keeps_its_id_through_changes() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let group = world.make("network/sg/nodes", &group_in(&vpc, "coder-nodes")).await;
    let other = world.make("network/sg/lb", &group_in(&vpc, "coder-lb")).await;
    let desired = https(&group);
    assert_eq!(Kind::summary(&desired), "tcp 443 from 10.1.2.3/16");
    let found = world.make("network/sg/nodes/https", &desired).await;
    assert_eq!(found.live.peer, "10.1.0.0/16");
    assert_eq!(parents(&found), BTreeSet::from([group.id.to_string()]));
    assert_eq!(world.only::<SecurityGroupRule>().await.id, found.id);

    let theirs = SecurityGroupRuleRequest::builder()
        .ip_protocol("udp")
        .from_port(53)
        .to_port(54)
        .cidr_ipv4("10.9.0.0/16")
        .build();
    let update = SecurityGroupRuleUpdate::builder()
        .security_group_rule_id(found.id.as_str())
        .security_group_rule(theirs)
        .build();
    let call = world.ec2().modify_security_group_rules().group_id(group.id.as_str());
    call.security_group_rules(update).send().await.unwrap();
    let fields = ["traffic", "peer", "description"];
    let mended = world.drifted(&desired, &found, &fields).await;
    assert_eq!(mended.id, found.id);
    let found = world.retag(&desired, &mended).await;

    // What can not be changed.
    let replace = |field: &str| vec![(field.to_owned(), Effect::Replace)];
    let egress = SecurityGroupRule { direction: Direction::Egress, ..desired.clone() };
    assert_eq!(effects(&egress, &found), replace("direction"));
    let peer = Peer::Group(other.live.id.clone().into());
    let by_group = SecurityGroupRule { peer, ..desired.clone() };
    assert_eq!(effects(&by_group, &found), replace("peer"));
    let elsewhere = SecurityGroupRule { group: other.live.id.clone().into(), ..desired.clone() };
    assert_eq!(effects(&elsewhere, &found), replace("group"));
    world.delete(&found).await;

    let among = SecurityGroupRule { peer: Peer::Itself, traffic: Traffic::all(), ..desired };
    let found = world.make("network/sg/nodes/among", &among).await;
    assert_eq!(parents(&found), BTreeSet::from([group.id.to_string()]));
    world.delete(&found).await;
    let found = world.make("network/sg/nodes/from-lb", &by_group).await;
    let both = BTreeSet::from([group.id.to_string(), other.id.to_string()]);
    assert_eq!(parents(&found), both);
    let out = SecurityGroupRule { direction: Direction::Egress, ..by_group };
    let out = world.make("network/sg/nodes/to-lb", &out).await;
    let cx = world.step("network/sg/nodes/from-lb");
    SecurityGroupRule::delete(&cx, &found).await.unwrap();
    world.delete(&out).await;
}

#[tokio::test(start_paused = true)]
async fn an_equal_rule_is_ours_or_awss_default_or_refused() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let group = world.make("network/sg/nodes", &group_in(&vpc, "coder-nodes")).await;

    // A lost answer.
    let lost = Fault::on_operation("ec2:AuthorizeSecurityGroupIngress", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let mine = world.make("network/sg/nodes/https", &https(&group)).await;
    assert_eq!(world.only::<SecurityGroupRule>().await.id, mine.id);

    // Another address of ours.
    let error = https(&group).create(&world.step("network/sg/nodes/twice")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    assert!(error.message.contains("us-east-1/network/sg/nodes/https of this deployment"));

    // Somebody's.
    world.delete(&mine).await;
    let range = IpRange::builder().cidr_ip("10.1.0.0/16").description("theirs").build();
    let rule = IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443);
    let call = world.ec2().authorize_security_group_ingress().group_id(group.id.as_str());
    call.ip_permissions(rule.ip_ranges(range).build()).send().await.unwrap();
    let error = https(&group).create(&world.step("network/sg/nodes/https")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    assert!(error.hint.unwrap().contains("coderctl adopt us-east-1/network/sg/nodes/https sgr-"));

    // The one that AWS gives every group: it becomes ours.
    let call = world.ec2().authorize_security_group_egress().group_id(group.id.as_str());
    call.ip_permissions(everything()).send().await.unwrap();
    let out = SecurityGroupRule {
        direction: Direction::Egress,
        traffic: Traffic::all(),
        peer: Peer::Range("0.0.0.0/0".into()),
        description: "anywhere".into(),
        ..https(&group)
    };
    let found = world.make("network/sg/nodes/out", &out).await;
    assert_eq!(world.only::<SecurityGroupRule>().await.id, found.id);
    let group = SecurityGroup::read(&world.cx, &group).await.unwrap().unwrap();
    assert_eq!(group.live.default_egress, None);
}

const NO_DELETES: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Principal":"*","Action":["s3:PutObject","s3:GetObject"],"Resource":"*"}]}"#;

#[tokio::test(start_paused = true)]
async fn a_gateway_endpoint_lives_with_its_tables_and_policy() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let (a, b) = (table(&world, &vpc).await, table(&world, &vpc).await);
    let desired = VpcEndpoint {
        vpc: vpc.live.id.clone().into(),
        service: "com.amazonaws.us-east-1.s3".into(),
        via: Via::Gateway { route_tables: ids(&[&a, &b]) },
        policy: None,
    };
    let lost = Fault::on_operation("ec2:CreateVpcEndpoint", Fate::LoseAnswer).times(2);
    world.sandbox.set_faults(Faults::script([lost]));
    let found = world.make("network/endpoint/s3", &desired).await;
    assert_eq!(world.only::<VpcEndpoint>().await.id, found.id);
    assert_eq!(parents(&found), BTreeSet::from([vpc.id.to_string(), a.clone(), b.clone()]));

    let modify = || world.ec2().modify_vpc_endpoint().vpc_endpoint_id(found.id.as_str());
    modify().remove_route_table_ids(&a).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["route_tables"]).await;
    modify().policy_document(NO_DELETES).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["policy"]).await;

    // The same policy, written otherwise, is no difference.
    modify().policy_document(NO_DELETES).send().await.unwrap();
    let other = r#"{"Statement":{"Resource":["*"],"Action":["s3:getobject","s3:PutObject"],
        "Principal":{"AWS":"*"},"Effect":"Allow"},"Version":"2012-10-17"}"#;
    let with_policy = VpcEndpoint { policy: Some(Text::new(other)), ..desired.clone() };
    let found = world.drifted(&with_policy, &found, &[]).await;

    let fewer = VpcEndpoint { via: Via::Gateway { route_tables: ids(&[&b]) }, ..desired.clone() };
    let found = world.drifted(&fewer, &found, &["route_tables", "policy"]).await;
    let found = world.retag(&fewer, &found).await;
    let replace = vec![("service".to_owned(), Effect::Replace)];
    let dynamodb = VpcEndpoint { service: "com.amazonaws.us-east-1.dynamodb".into(), ..fewer };
    assert_eq!(effects(&dynamodb, &found), replace);
    world.delete(&found).await;
}

#[tokio::test(start_paused = true)]
async fn interface_endpoints_take_their_time_and_go_together() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let a = subnet(&world, &vpc, "10.0.0.0/24", "us-east-1a").await;
    let b = subnet(&world, &vpc, "10.0.1.0/24", "us-east-1b").await;
    let group = world.make("network/sg/endpoints", &group_in(&vpc, "endpoints")).await;
    let second = world.make("network/sg/more", &group_in(&vpc, "more")).await;
    let desired = VpcEndpoint {
        vpc: vpc.live.id.clone().into(),
        service: "com.amazonaws.us-east-1.logs".into(),
        via: Via::Interface {
            subnets: ids(&[&a, &b]),
            security_groups: vec![group.live.id.clone().into()],
            private_dns: true,
        },
        policy: None,
    };
    let started = world.now();
    let found = world.make("network/endpoint/logs", &desired).await;
    assert!(world.now() - started >= 90);
    assert!(world.said.lock().unwrap().iter().any(|said| said == "pending"));
    assert_eq!(
        parents(&found),
        [vpc.id.as_str(), &a, &b, group.id.as_str()].map(str::to_owned).into()
    );

    let modify = || world.ec2().modify_vpc_endpoint().vpc_endpoint_id(found.id.as_str());
    modify().remove_subnet_ids(&b).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["subnets"]).await;
    modify().add_security_group_ids(second.id.as_str()).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["security_groups"]).await;
    modify().private_dns_enabled(false).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["private_dns"]).await;
    let found = world.retag(&desired, &found).await;

    let sts = VpcEndpoint { service: "com.amazonaws.us-east-1.sts".into(), ..desired };
    let sts = world.make("network/endpoint/sts", &sts).await;
    let before = world.count("ec2:DeleteVpcEndpoints");
    let cx = world.step("network/endpoint/logs");
    let results = VpcEndpoint::delete_many(&cx, &[&found, &sts]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(world.count("ec2:DeleteVpcEndpoints") - before, 1);
    assert!(world.list::<VpcEndpoint>().await.ours.is_empty());
    // Their interfaces are gone too.
    SecurityGroup::delete(&world.step("network/sg/endpoints"), &group).await.unwrap();
    let results = VpcEndpoint::delete_many(&cx, &[&found, &sts]).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
}

pub(crate) fn trust(service: &str) -> Text {
    Text::new(format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",
        "Principal":{{"Service":"{service}"}},"Action":"sts:AssumeRole"}}]}}"#
    ))
}

#[tokio::test(start_paused = true)]
async fn a_flow_log_waits_for_its_role_and_goes_before_its_group() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let desired = LogGroup {
        name: "/coder/test/vpc-flow-logs".into(),
        retention_days: Some(30),
        key: None,
        class: StorageClass::Standard,
    };
    let group = world.make("security/flow-logs/group", &desired).await;
    let desired = Role {
        name: "coder-test-flow-logs".into(),
        path: "/coderctl/coder-test/".into(),
        trust: trust("vpc-flow-logs.amazonaws.com"),
        inline: BTreeMap::new(),
        managed: BTreeSet::new(),
        boundary: None,
        max_session: 3600,
        description: String::new(),
    };
    let role = world.make("security/flow-logs/role", &desired).await;
    let desired = FlowLog {
        vpc: vpc.live.id.clone().into(),
        log_group: group.live.name.clone().into(),
        role: role.live.arn.clone().into(),
        traffic: flow_log::Traffic::All,
        aggregation_seconds: 60,
    };
    let lost = Fault::on_operation("ec2:CreateFlowLogs", Fate::LoseAnswer).times(2);
    world.sandbox.set_faults(Faults::script([lost]));
    let found = world.make("security/flow-logs/vpc", &desired).await;
    // Two lost answers, and refusals for the ten seconds in which the role is fresh.
    assert!(world.count("ec2:CreateFlowLogs") > 3);
    assert_eq!(world.only::<FlowLog>().await.id, found.id);
    assert_eq!(
        parents(&found),
        [vpc.id.as_str(), "/coder/test/vpc-flow-logs", "coder-test-flow-logs"]
            .map(str::to_owned)
            .into()
    );

    let other =
        FlowLog { traffic: flow_log::Traffic::Reject, aggregation_seconds: 600, ..desired.clone() };
    let replace = |field: &str| (field.to_owned(), Effect::Replace);
    assert_eq!(effects(&other, &found), [replace("traffic"), replace("aggregation_seconds")]);

    // An equal one that is not this step's.
    let error = desired.create(&world.step("security/flow-logs/twice")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);

    let found = world.retag(&desired, &found).await;
    world.delete(&found).await;
}

#[tokio::test(start_paused = true)]
async fn a_flow_log_whose_role_can_not_be_assumed_fails_in_the_end() {
    let world = World::new();
    let vpc = vpc(&world).await;
    let desired = FlowLog {
        vpc: vpc.live.id.clone().into(),
        log_group: Id::new("/coder/test/vpc-flow-logs").into(),
        role: In::Literal("arn:aws:iam::123456789012:role/nobody".to_owned()),
        traffic: flow_log::Traffic::All,
        aggregation_seconds: 600,
    };
    let started = world.now();
    let error = desired.create(&world.step("security/flow-logs/vpc")).await.unwrap_err();
    assert_eq!(error.class, Class::Refused);
    assert!(error.to_string().contains("Unable to assume given IAM role"));
    assert!((120..200).contains(&(world.now() - started)));
}

#[tokio::test(start_paused = true)]
async fn all_of_it_comes_up_and_goes_while_aws_lags_and_throttles() {
    let world = World::new();
    let fates = [
        Fault::on_operation("ec2:CreateSecurityGroup", Fate::LoseAnswer),
        Fault::on_operation("ec2:AuthorizeSecurityGroupIngress", Fate::LoseAnswer),
        Fault::on_operation("ec2:CreateVpcEndpoint", Fate::NeverAnswer),
        Fault::on_operation("ec2:CreateFlowLogs", Fate::ServerError500).times(3),
        Fault::on_operation("iam:CreateRole", Fate::LoseAnswer),
        Fault::on_operation("iam:PutRolePolicy", Fate::LoseAnswer),
        Fault::on_operation("iam:DeleteRole", Fate::LoseAnswer),
        Fault::on_operation("kms:CreateKey", Fate::Throttle).times(3),
        Fault::on_operation("kms:CreateAlias", Fate::LoseAnswer),
        Fault::on_operation("kms:ScheduleKeyDeletion", Fate::LoseAnswer),
        Fault::on_operation("kms:DeleteAlias", Fate::LoseAnswer),
        Fault::on_operation("logs:CreateLogGroup", Fate::LoseAnswer),
        Fault::on_operation("logs:PutRetentionPolicy", Fate::ServerError500),
        Fault::on_operation("ec2:DeleteFlowLogs", Fate::LoseAnswer),
        Fault::on_operation("ec2:DeleteVpcEndpoints", Fate::LoseAnswer),
        Fault::on_operation("ec2:RevokeSecurityGroupIngress", Fate::LoseAnswer),
        Fault::on_operation("ec2:DeleteSecurityGroup", Fate::LoseAnswer),
    ];
    let mut faults = Faults::script(fates).with_lag(Duration::from_secs(3));
    faults.fresh_ids_not_found = true;
    world.sandbox.set_faults(faults);

    let desired = Vpc {
        cidr: "10.0.0.0/16".into(),
        dns_hostnames: true,
        dns_support: true,
        default_security_group: DefaultSecurityGroup::Leave,
    };
    let vpc = made(&world, "network/vpc", &desired).await;
    let group = made(&world, "network/sg/nodes", &group_in(&vpc, "coder-nodes")).await;
    let rule = made(&world, "network/sg/nodes/https", &https(&group)).await;
    let table = table(&world, &vpc).await;
    let desired = VpcEndpoint {
        vpc: vpc.live.id.clone().into(),
        service: "com.amazonaws.us-east-1.s3".into(),
        via: Via::Gateway { route_tables: ids(&[&table]) },
        policy: None,
    };
    let endpoint = made(&world, "network/endpoint/s3", &desired).await;
    let key = made(&world, "security/key/logs", &key_for_logs()).await;
    let desired = LogGroup {
        name: "/coder/test/vpc-flow-logs".into(),
        retention_days: Some(30),
        key: Some(In::Literal(key.live.arn.clone())),
        class: StorageClass::Standard,
    };
    let logs = made(&world, "security/flow-logs/group", &desired).await;
    let desired = Role { trust: trust("vpc-flow-logs.amazonaws.com"), ..role() };
    let role = made(&world, "security/flow-logs/role", &desired).await;
    let desired = FlowLog {
        vpc: vpc.live.id.clone().into(),
        log_group: logs.live.name.clone().into(),
        role: role.live.arn.clone().into(),
        traffic: flow_log::Traffic::All,
        aggregation_seconds: 60,
    };
    let flow_log = made(&world, "security/flow-logs/vpc", &desired).await;

    world.pass(5).await;
    assert_eq!(world.list::<SecurityGroup>().await.ours.len(), 1);
    assert_eq!(world.list::<VpcEndpoint>().await.ours.len(), 1);
    assert_eq!(world.list::<FlowLog>().await.ours.len(), 1);
    assert_eq!(world.list::<Key>().await.ours.len(), 1);

    let step = |address: &str| world.step(address);
    FlowLog::delete(&step("security/flow-logs/vpc"), &flow_log).await.unwrap();
    Role::delete(&step("security/flow-logs/role"), &role).await.unwrap();
    LogGroup::delete(&step("security/flow-logs/group"), &logs).await.unwrap();
    Key::delete(&step("security/key/logs"), &key).await.unwrap();
    VpcEndpoint::delete(&step("network/endpoint/s3"), &endpoint).await.unwrap();
    SecurityGroupRule::delete(&step("network/sg/nodes/https"), &rule).await.unwrap();
    SecurityGroup::delete(&step("network/sg/nodes"), &group).await.unwrap();
    world.pass(60).await;
    assert!(world.list::<FlowLog>().await.ours.is_empty());
    assert!(world.list::<Role>().await.ours.is_empty());
    assert!(world.list::<LogGroup>().await.ours.is_empty(), "nothing makes it again");
    assert!(world.list::<Key>().await.ours.is_empty(), "its alias is gone");
    assert!(world.list::<VpcEndpoint>().await.ours.is_empty());
    assert!(world.list::<SecurityGroupRule>().await.ours.is_empty());
    assert!(world.list::<SecurityGroup>().await.ours.is_empty());
}
