//! What is not ours stays as it is, whatever it is called; what was ours and lost its tags is
//! neither replaced nor made a second time.

use super::binary::Folder;
use super::deployment::{REGION, World, destroy, small, spec};
use aws_sdk_ec2::types::{
    DomainType, Filter, FlowLogsResourceType, NatGatewayState, ResourceType, Tag, TagSpecification,
    TrafficType,
};
use coderctl::clock::Clock;
use coderctl::plan::{Action, Item, Options, Plan};
use coderctl::sandbox::Sandbox;
use serde_json::Value;
use std::time::{Duration, SystemTime};

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;

fn named(kind: ResourceType, name: &str) -> TagSpecification {
    let tag = Tag::builder().key("Name").value(name).build();
    let owner = Tag::builder().key("owner").value("platform-team@example.com").build();
    TagSpecification::builder().resource_type(kind).tags(tag).tags(owner).build()
}

/// Asserts that everything that `before` has is in `after`, just so.
fn assert_kept(before: &Value, after: &Value, at: &str) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in before {
                let at = format!("{at}/{key}");
                match after.get(key) {
                    Some(now) => assert_kept(value, now, &at),
                    None => panic!("{at} is gone"),
                }
            }
        }
        (before, after) => assert_eq!(before, after, "{at} changed"),
    }
}

/// A network, a role, a log group and a key that look like ours and are not.
async fn decoys(world: &World) {
    let ec2 = world.ec2();
    let vpc = ec2
        .create_vpc()
        .cidr_block("10.0.0.0/16")
        .tag_specifications(named(ResourceType::Vpc, "coder-prod-vpc"))
        .send()
        .await
        .unwrap();
    let vpc = vpc.vpc().unwrap().vpc_id().unwrap();
    for (range, zone) in [("10.0.0.0/24", "us-east-1a"), ("10.0.1.0/24", "us-east-1b")] {
        ec2.create_subnet()
            .vpc_id(vpc)
            .cidr_block(range)
            .availability_zone(zone)
            .tag_specifications(named(ResourceType::Subnet, "coder-prod-public-a"))
            .send()
            .await
            .unwrap();
    }
    ec2.create_security_group()
        .vpc_id(vpc)
        .group_name("coder-prod-nodes")
        .description("nodes")
        .tag_specifications(named(ResourceType::SecurityGroup, "coder-prod-nodes"))
        .send()
        .await
        .unwrap();
    ec2.create_route_table()
        .vpc_id(vpc)
        .tag_specifications(named(ResourceType::RouteTable, "coder-prod-public"))
        .send()
        .await
        .unwrap();
    ec2.create_internet_gateway()
        .tag_specifications(named(ResourceType::InternetGateway, "coder-prod"))
        .send()
        .await
        .unwrap();
    ec2.allocate_address()
        .domain(aws_sdk_ec2::types::DomainType::Vpc)
        .tag_specifications(named(ResourceType::ElasticIp, "coder-prod-nat-a"))
        .send()
        .await
        .unwrap();
    let iam = aws_sdk_iam::Client::new(&world.config());
    iam.create_role()
        .role_name("coder-prod-application")
        .path("/coderctl/coder-prod/")
        .assume_role_policy_document(TRUST)
        .send()
        .await
        .unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&world.config());
    logs.create_log_group().log_group_name("/coder/prod/app2").send().await.unwrap();
    let kms = aws_sdk_kms::Client::new(&world.config());
    let key = kms.create_key().description("data of coder-prod").send().await.unwrap();
    kms.create_alias()
        .alias_name("alias/coderctl/coder-prod/data2")
        .target_key_id(key.key_metadata().unwrap().key_id())
        .send()
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_looks_like_ours_survives_every_run() {
    let world = World::new();
    decoys(&world).await;
    // Another deployment whose name begins like ours.
    let other = spec(
        small(),
        &["environment=prod2", "log_groups.app.name=/coder/prod2/app", "kubernetes=null"],
    );
    world.apply(&other).await;
    world.sandbox.clock().sleep(Duration::from_secs(700)).await;
    let before = world.sandbox.dump()["accounts"].take();

    let wanted = spec(small(), &[]);
    world.apply(&wanted).await;
    assert_kept(&before, &world.sandbox.dump()["accounts"], "applied");
    let changed = spec(
        small(),
        &[
            "log_groups.app.retention_days=60",
            "network.security_groups.nodes.description=other",
            "network.security_groups.nodes.ingress.mesh=null",
            "network.endpoints.sts=null",
        ],
    );
    world.apply(&changed).await;
    assert_kept(&before, &world.sandbox.dump()["accounts"], "changed");
    world.destroy(&changed).await;
    assert_kept(&before, &world.sandbox.dump()["accounts"], "destroyed");
    world.assert_converged(&other).await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_is_refused_with_the_way_to_adopt() {
    let world = World::new();
    let iam = aws_sdk_iam::Client::new(&world.config());
    iam.create_role()
        .role_name("coder-prod-app")
        .assume_role_policy_document(TRUST)
        .send()
        .await
        .unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&world.config());
    logs.create_log_group().log_group_name("/coder/prod/app").send().await.unwrap();
    let kms = aws_sdk_kms::Client::new(&world.config());
    let key = kms.create_key().send().await.unwrap();
    kms.create_alias()
        .alias_name("alias/coderctl/coder-prod/data")
        .target_key_id(key.key_metadata().unwrap().key_id())
        .send()
        .await
        .unwrap();
    let before = world.sandbox.dump();
    let plan = world.plan(&spec(small(), &[]), &Options::default()).await;
    for address in [
        "global/identity/role/app",
        "us-east-1/observability/log-group/app",
        "us-east-1/security/key/data",
    ] {
        let refusal = plan
            .refusals
            .iter()
            .find(|refusal| refusal.address.as_ref().is_some_and(|at| at.as_str() == address));
        let refusal = refusal.unwrap_or_else(|| panic!("{address}: {:?}", plan.refusals));
        let adopt = format!("coderctl adopt {address}");
        assert!(refusal.hint.contains(&adopt), "{}", refusal.hint);
    }
    assert_eq!(plan.refusals.len(), 3, "{:?}", plan.refusals);
    assert_eq!(world.sandbox.dump(), before);
}

/// What somebody else puts into our network, without a tag.
async fn guests(world: &World, vpc: &str) -> Vec<String> {
    let ec2 = world.ec2();
    let subnets = ec2.describe_subnets().filters(in_vpc(vpc)).send().await.unwrap();
    let subnet = subnets.subnets()[0].subnet_id().unwrap();
    let address = ec2.allocate_address().domain(DomainType::Vpc).send().await.unwrap();
    let address = address.allocation_id().unwrap().to_owned();
    let nat = ec2.create_nat_gateway().subnet_id(subnet).allocation_id(&address);
    let nat = nat.send().await.unwrap().nat_gateway.unwrap().nat_gateway_id.unwrap();
    let endpoint = ec2.create_vpc_endpoint().vpc_id(vpc);
    let endpoint = endpoint.service_name("com.amazonaws.us-east-1.dynamodb").send().await.unwrap();
    let endpoint = endpoint.vpc_endpoint.unwrap().vpc_endpoint_id.unwrap();
    let table = ec2.create_route_table().vpc_id(vpc).send().await.unwrap();
    let table = table.route_table.unwrap().route_table_id.unwrap();
    let group = ec2.create_security_group().vpc_id(vpc).group_name("theirs").description("theirs");
    let group = group.send().await.unwrap().group_id.unwrap();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&world.config());
    logs.create_log_group().log_group_name("theirs").send().await.unwrap();
    let flow_log = ec2
        .create_flow_logs()
        .resource_type(FlowLogsResourceType::Vpc)
        .resource_ids(vpc)
        .traffic_type(TrafficType::All)
        .log_group_name("theirs")
        .deliver_logs_permission_arn(
            "arn:aws:iam::123456789012:role/coderctl/coder-prod/coder-prod-flow-logs",
        )
        .send()
        .await
        .unwrap();
    let flow_log = flow_log.flow_log_ids()[0].clone();
    vec![address, nat, endpoint, table, group, flow_log]
}

fn in_vpc(vpc: &str) -> Filter {
    Filter::builder().name("vpc-id").values(vpc).build()
}

#[tokio::test(start_paused = true)]
async fn guests_without_a_tag_survive_in_our_own_network() {
    let world = World::new();
    let wanted = spec(small(), &[]);
    world.apply(&wanted).await;
    let vpc = our_vpc(&world.ec2()).await;
    let guests = guests(&world, &vpc).await;
    world.sandbox.clock().sleep(Duration::from_secs(700)).await;
    world.assert_converged(&wanted).await;
    let plan = world.plan(&wanted, &destroy()).await;
    for guest in &guests {
        let is_named = |item: &Item| item.id.as_ref().is_some_and(|id| id.as_str() == guest);
        assert!(!plan.items.iter().any(is_named), "{guest} is in the plan");
    }
    // The network can not go while they are in it, and what stands in the way is named: what uses it
    // before anything goes, the rest as soon as that is gone.
    let [refusal] = plan.refusals.as_slice() else { panic!("{:?}", plan.refusals) };
    let in_the_way = format!("Interface for NAT Gateway {}", guests[1]);
    assert!(refusal.why.contains(&in_the_way), "{}", refusal.why);
    let nats = world.ec2().describe_nat_gateways().send().await.unwrap();
    let theirs = nats.nat_gateways().iter().find(|nat| nat.nat_gateway_id() == Some(&guests[1]));
    assert_eq!(theirs.unwrap().state(), Some(&NatGatewayState::Available));
    world.ec2().delete_nat_gateway().nat_gateway_id(&guests[1]).send().await.unwrap();
    world.sandbox.clock().sleep(Duration::from_secs(700)).await;
    let carried = world.run(&wanted, &destroy()).await.unwrap();
    let said = format!("{:?}", carried.outcome.failed);
    assert!(said.contains("DependencyViolation"), "{said}");
    assert!(guests.iter().any(|guest| said.contains(guest.as_str())), "{said}");
    let dump = world.sandbox.dump().to_string();
    for guest in guests.iter().filter(|guest| **guest != guests[1]) {
        assert!(dump.contains(guest.as_str()), "{guest} is gone");
    }
}

fn violent(plan: &Plan) -> Vec<&str> {
    plan.items
        .iter()
        .filter(|item| matches!(item.action, Action::Replace | Action::Delete))
        .map(|item| item.address.as_str())
        .collect()
}

async fn our_vpc(ec2: &aws_sdk_ec2::Client) -> String {
    let vpcs = ec2.describe_vpcs().send().await.unwrap();
    let ours = vpcs.vpcs().iter().find(|vpc| !vpc.is_default().unwrap_or(false)).unwrap();
    ours.vpc_id().unwrap().to_owned()
}

async fn untag(ec2: &aws_sdk_ec2::Client, id: &str, keys: &[&str]) {
    let tags = keys.iter().map(|key| Tag::builder().key(*key).build()).collect();
    ec2.delete_tags().resources(id).set_tags(Some(tags)).send().await.unwrap();
}

const IDENTITY: [&str; 4] =
    ["coderctl:deployment", "coderctl:uid", "coderctl:address", "coderctl:generation"];

#[tokio::test(start_paused = true)]
async fn a_vpc_without_its_address_is_refused_and_not_replaced() {
    let world = World::new();
    let wanted = spec(small(), &[]);
    world.apply(&wanted).await;
    let vpc = our_vpc(&world.ec2()).await;
    untag(&world.ec2(), &vpc, &["coderctl:address"]).await;
    let before = world.sandbox.dump();
    for options in [Options::default(), destroy()] {
        let plan = world.plan(&wanted, &options).await;
        let refusal = plan.refusals.iter().find(|refusal| refusal.why.contains(&vpc)).unwrap();
        assert!(refusal.hint.contains("tags"), "{}", refusal.hint);
        if !options.destroy {
            assert_eq!(violent(&plan), Vec::<&str>::new());
        }
    }
    assert_eq!(world.sandbox.dump()["accounts"], before["accounts"]);
    let tag = Tag::builder().key("coderctl:address").value("us-east-1/network/vpc").build();
    world.ec2().create_tags().resources(&vpc).tags(tag).send().await.unwrap();
    world.assert_converged(&wanted).await;
}

#[tokio::test(start_paused = true)]
async fn a_vpc_without_any_tag_is_refused_with_the_way_to_adopt_it() {
    let world = World::new();
    let wanted = spec(small(), &[]);
    world.apply(&wanted).await;
    let vpc = our_vpc(&world.ec2()).await;
    untag(&world.ec2(), &vpc, &IDENTITY).await;
    let plan = world.plan(&wanted, &Options::default()).await;
    let adopt = format!("coderctl adopt us-east-1/network/vpc {vpc}");
    assert!(
        plan.refusals.iter().any(|refusal| refusal.hint.contains(&adopt)),
        "{:?}",
        plan.refusals
    );
    assert_eq!(violent(&plan), Vec::<&str>::new());
}

#[test]
fn adopting_brings_a_vpc_back() {
    let folder = Folder::new();
    folder.write(
        "coderctl.yaml",
        "version: 1\nproject_name: coder\nenvironment: prod\nowner: platform\n\
         account: \"123456789012\"\nhome_region: us-east-1\nnetwork:\n  azs: [us-east-1a]\n  \
         tiers:\n    database: {prefix_length: 24, egress: none}\n  endpoints: {}\n  \
         flow_logs: {enabled: false}\n",
    );
    folder.run(&["apply", "--yes"]).exits(0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let vpc = runtime.block_on(async {
        let clock = Clock::starting_at(SystemTime::now(), 45);
        let sandbox = Sandbox::open(&folder.path("account.json"), clock, 1).unwrap();
        let ec2 = World { sandbox, ..World::new() }.ec2();
        let vpc = our_vpc(&ec2).await;
        untag(&ec2, &vpc, &IDENTITY).await;
        vpc
    });
    let address = format!("{REGION}/network/vpc");
    folder.run(&["plan"]).exits(13).says(&format!("coderctl adopt {address} {vpc}"));
    folder.run(&["adopt", &address, &vpc]).exits(13).says("--yes");
    folder.run(&["adopt", &address, &vpc, "--yes"]).exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(0);
    // Drift is told apart from changes: somebody turns names off.
    runtime.block_on(async {
        let clock = Clock::starting_at(SystemTime::now(), 45);
        let sandbox = Sandbox::open(&folder.path("account.json"), clock, 1).unwrap();
        let ec2 = World { sandbox, ..World::new() }.ec2();
        let off = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(false).build();
        ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(off).send().await.unwrap();
    });
    folder.run(&["plan", "--detailed-exitcode"]).exits(3);
    folder.run(&["plan", "--detailed-exitcode", "--overwrite-drift"]).exits(2);
}
