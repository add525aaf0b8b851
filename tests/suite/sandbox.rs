//! The embedded AWS, through the real SDK clients on virtual time.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::SharedCredentialsProvider;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types::{
    Filter, IpPermission, IpRange, ResourceType, SecurityGroupRuleRequest, SecurityGroupRuleUpdate,
    Tag, TagSpecification, UserIdGroupPair, VpcEndpointType,
};
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use coderctl::clock::Clock;
use coderctl::sandbox::{
    Effect, Fault, Faults, Matching, OpenError, Outcome, Profile, Sandbox, SandboxHttp, Stop,
};
use std::time::{Duration, SystemTime};

/// A clock that starts at a fixed day.
fn clock() -> Clock {
    Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), 1)
}

fn sandbox() -> Sandbox {
    Sandbox::in_memory(clock(), 7)
}

fn config(sandbox: &Sandbox, access_key: &str, region: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(SandboxHttp::new(sandbox.clone()))
        .sleep_impl(sandbox.clock())
        .time_source(sandbox.clock())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            access_key, "secret", None, None, "test",
        )))
        .retry_config(RetryConfig::disabled())
        .timeout_config(
            TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(60)).build(),
        )
        .build()
}

fn ec2(sandbox: &Sandbox) -> Client {
    Client::new(&config(sandbox, "AKIDSANDBOX", "us-east-1"))
}

/// The code on the wire of a call that must fail.
fn code<T, E: ProvideErrorMetadata>(result: Result<T, SdkError<E>>) -> String {
    let Err(error) = result else { panic!("the call succeeded") };
    error.code().expect("an error without a code").to_owned()
}

fn tagged(resource_type: &str, key: &str, value: &str) -> TagSpecification {
    TagSpecification::builder()
        .resource_type(ResourceType::from(resource_type))
        .tags(Tag::builder().key(key).value(value).build())
        .build()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

async fn vpc(ec2: &Client, cidr: &str) -> String {
    let made = ec2.create_vpc().cidr_block(cidr).send().await.unwrap();
    made.vpc().unwrap().vpc_id().unwrap().to_owned()
}

async fn subnet(ec2: &Client, vpc: &str, cidr: &str, zone: &str) -> String {
    let call = ec2.create_subnet().vpc_id(vpc).cidr_block(cidr).availability_zone(zone);
    call.send().await.unwrap().subnet().unwrap().subnet_id().unwrap().to_owned()
}

async fn gateway(ec2: &Client, vpc: &str) -> String {
    let made = ec2.create_internet_gateway().send().await.unwrap();
    let id = made.internet_gateway().unwrap().internet_gateway_id().unwrap().to_owned();
    ec2.attach_internet_gateway().internet_gateway_id(&id).vpc_id(vpc).send().await.unwrap();
    id
}

async fn address(ec2: &Client) -> String {
    ec2.allocate_address().send().await.unwrap().allocation_id().unwrap().to_owned()
}

async fn nat(ec2: &Client, subnet: &str, address: &str) -> String {
    let call = ec2.create_nat_gateway().subnet_id(subnet).allocation_id(address);
    call.send().await.unwrap().nat_gateway().unwrap().nat_gateway_id().unwrap().to_owned()
}

async fn nat_state(ec2: &Client, id: &str) -> String {
    let seen = ec2.describe_nat_gateways().nat_gateway_ids(id).send().await.unwrap();
    seen.nat_gateways()[0].state().unwrap().as_str().to_owned()
}

async fn group(ec2: &Client, vpc: &str, name: &str) -> String {
    let call = ec2.create_security_group().vpc_id(vpc).group_name(name).description(name);
    call.send().await.unwrap().group_id().unwrap().to_owned()
}

async fn wait(sandbox: &Sandbox, seconds: u64) {
    sandbox.clock().sleep(Duration::from_secs(seconds)).await;
}

fn tcp(port: i32) -> aws_sdk_ec2::types::builders::IpPermissionBuilder {
    IpPermission::builder().ip_protocol("tcp").from_port(port).to_port(port)
}

#[test]
fn the_law_and_the_world_have_the_same_operations() {
    let (mistakes, unchecked) = coderctl::sandbox::law_problems();
    assert_eq!(mistakes, Vec::<String>::new());
    assert_eq!(unchecked, Vec::<String>::new());
    assert!(coderctl::sandbox::operations().len() > 50);
}

#[tokio::test(start_paused = true)]
async fn sts_says_who_calls_and_gives_roles() {
    let sandbox = sandbox();
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, "AKIDSANDBOX", "us-east-1"));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("123456789012"));
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, "210987654321", "us-east-1"));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("210987654321"));

    let role = "arn:aws:iam::111122223333:role/path/deployer";
    let call = sts.assume_role().role_arn(role).role_session_name("run");
    let taken = call.clone().send().await.unwrap();
    let key = taken.credentials().unwrap().access_key_id();
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, key, "us-east-1"));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("111122223333"));
    assert_eq!(who.arn(), Some("arn:aws:sts::111122223333:assumed-role/deployer/run"));
    wait(&sandbox, 3601).await;
    assert_eq!(code(sts.get_caller_identity().send().await), "ExpiredTokenException");
    assert_eq!(code(call.role_session_name("?").send().await), "ValidationError");
}

#[tokio::test(start_paused = true)]
async fn accounts_and_regions_are_apart_and_start_with_a_default_vpc() {
    let sandbox = sandbox();
    let here = ec2(&sandbox);
    let elsewhere = Client::new(&config(&sandbox, "AKIDSANDBOX", "eu-west-1"));
    let stranger = Client::new(&config(&sandbox, "210987654321", "us-east-1"));
    vpc(&here, "10.0.0.0/16").await;
    let count = async |client: &Client| client.describe_vpcs().send().await.unwrap().vpcs().len();
    assert_eq!((count(&here).await, count(&elsewhere).await, count(&stranger).await), (2, 1, 1));
    let subnets = here.describe_subnets().send().await.unwrap();
    assert_eq!(subnets.subnets().len(), 6);
    assert!(subnets.subnets().iter().all(|subnet| subnet.default_for_az() == Some(true)));
    let zones = here.describe_availability_zones().send().await.unwrap();
    let ids: Vec<_> = zones.availability_zones().iter().filter_map(|z| z.zone_id()).collect();
    assert_eq!(ids[..2], ["use1-az1", "use1-az2"]);
    let regions = here.describe_regions().send().await.unwrap();
    assert!(regions.regions().iter().any(|region| region.region_name() == Some("us-east-1")));
}

#[tokio::test(start_paused = true)]
async fn a_vpc_lives() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let id = vpc(&ec2, "10.0.0.7/16").await;
    let seen = async || {
        let seen = ec2.describe_vpcs().vpc_ids(&id).send().await.unwrap();
        let vpc = &seen.vpcs()[0];
        assert_eq!(vpc.cidr_block(), Some("10.0.0.0/16"));
        vpc.state().unwrap().as_str().to_owned()
    };
    assert_eq!(seen().await, "pending");
    wait(&sandbox, 2).await;
    assert_eq!(seen().await, "available");

    use aws_sdk_ec2::types::{AttributeBooleanValue, VpcAttributeName};
    let on = AttributeBooleanValue::builder().value(true).build();
    let modify = ec2.modify_vpc_attribute().vpc_id(&id).enable_dns_hostnames(on.clone());
    let both = modify.clone().enable_dns_support(on);
    assert_eq!(code(both.send().await), "InvalidParameterCombination");
    modify.send().await.unwrap();
    let attribute = ec2
        .describe_vpc_attribute()
        .vpc_id(&id)
        .attribute(VpcAttributeName::EnableDnsHostnames)
        .send()
        .await
        .unwrap();
    assert_eq!(attribute.enable_dns_hostnames().and_then(|value| value.value()), Some(true));

    // What comes with it, and goes with it.
    let own = || filter("vpc-id", &id);
    let tables = ec2.describe_route_tables().filters(own()).send().await.unwrap();
    assert_eq!(tables.route_tables()[0].associations()[0].main(), Some(true));
    assert_eq!(tables.route_tables()[0].routes()[0].gateway_id(), Some("local"));
    let groups = ec2.describe_security_groups().filters(own()).send().await.unwrap();
    let default = &groups.security_groups()[0];
    assert_eq!(default.group_name(), Some("default"));
    assert_eq!((default.ip_permissions().len(), default.ip_permissions_egress().len()), (1, 1));
    let group = default.group_id().unwrap();
    let delete = ec2.delete_security_group().group_id(group);
    assert_eq!(code(delete.send().await), "CannotDelete");
    let table = tables.route_tables()[0].route_table_id().unwrap();
    let delete = ec2.delete_route_table().route_table_id(table);
    assert_eq!(code(delete.send().await), "DependencyViolation");
    ec2.delete_vpc().vpc_id(&id).send().await.unwrap();
    let gone = ec2.describe_vpcs().vpc_ids(&id).send().await;
    assert_eq!(code(gone), "InvalidVpcID.NotFound");
    assert_eq!(code(ec2.delete_vpc().vpc_id(&id).send().await), "InvalidVpcID.NotFound");
    let groups = ec2.describe_security_groups().filters(own()).send().await.unwrap();
    assert_eq!(groups.security_groups().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn calls_without_a_token_duplicate_until_the_quota() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    for _ in 0..4 {
        vpc(&ec2, "10.0.0.0/16").await;
    }
    let create = ec2.create_vpc().cidr_block("10.0.0.0/16");
    assert_eq!(code(create.send().await), "VpcLimitExceeded");
    for _ in 0..5 {
        address(&ec2).await;
    }
    assert_eq!(code(ec2.allocate_address().send().await), "AddressLimitExceeded");
    let mut knobs = sandbox.knobs();
    knobs.addresses_per_region = 6;
    sandbox.set_knobs(knobs);
    address(&ec2).await;
}

#[tokio::test(start_paused = true)]
async fn subnets_lie_in_their_vpc_and_do_not_overlap() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let first = subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1b").await;
    let create = |cidr: &str| ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr);
    assert_eq!(code(create("10.1.0.0/24").send().await), "InvalidSubnet.Range");
    assert_eq!(code(create("10.0.0.0/29").send().await), "InvalidSubnet.Range");
    assert_eq!(code(create("10.0.0.128/25").send().await), "InvalidSubnet.Conflict");
    let nowhere = create("10.0.1.0/24").availability_zone("us-east-1z");
    assert_eq!(code(nowhere.send().await), "InvalidParameterValue");
    let seen = ec2.describe_subnets().subnet_ids(&first).send().await.unwrap();
    let seen = &seen.subnets()[0];
    assert_eq!(seen.availability_zone_id(), Some("use1-az2"));
    assert_eq!(seen.available_ip_address_count(), Some(251));
    assert_eq!(seen.map_public_ip_on_launch(), Some(false));
    let on = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(true).build();
    let modify = ec2.modify_subnet_attribute().subnet_id(&first).map_public_ip_on_launch(on);
    modify.send().await.unwrap();
    let seen = ec2.describe_subnets().subnet_ids(&first).send().await.unwrap();
    assert_eq!(seen.subnets()[0].map_public_ip_on_launch(), Some(true));
}

#[tokio::test(start_paused = true)]
async fn a_nat_gateway_takes_its_time_and_holds_what_it_uses() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let subnet = subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1a").await;
    let gateway = gateway(&ec2, &vpc).await;
    let address = address(&ec2).await;
    let id = nat(&ec2, &subnet, &address).await;
    let table = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap();
    let table = table.route_table().unwrap().route_table_id().unwrap().to_owned();
    let route = ec2.create_route().route_table_id(&table).destination_cidr_block("0.0.0.0/0");
    route.clone().nat_gateway_id(&id).send().await.unwrap();
    let again = route.nat_gateway_id(&id).send().await;
    assert_eq!(code(again), "RouteAlreadyExists");
    let route_state = async || {
        let seen = ec2.describe_route_tables().route_table_ids(&table).send().await.unwrap();
        seen.route_tables()[0].routes()[1].state().unwrap().as_str().to_owned()
    };
    assert_eq!(nat_state(&ec2, &id).await, "pending");
    assert_eq!(route_state().await, "blackhole");
    wait(&sandbox, 100).await;
    assert_eq!(nat_state(&ec2, &id).await, "pending");
    wait(&sandbox, 10).await;
    assert_eq!(nat_state(&ec2, &id).await, "available");
    assert_eq!(route_state().await, "active");
    let seen = ec2.describe_nat_gateways().nat_gateway_ids(&id).send().await.unwrap();
    let used = &seen.nat_gateways()[0].nat_gateway_addresses()[0];
    assert_eq!(used.allocation_id(), Some(address.as_str()));
    let nics = ec2.describe_network_interfaces().filters(filter("subnet-id", &subnet));
    let nics = nics.send().await.unwrap();
    assert_eq!(nics.network_interfaces()[0].network_interface_id(), used.network_interface_id());
    assert_eq!(
        nics.network_interfaces()[0].interface_type().map(|kind| kind.as_str()),
        Some("nat_gateway")
    );

    // Everything that it uses is held, until it is deleted.
    ec2.delete_nat_gateway().nat_gateway_id(&id).send().await.unwrap();
    assert_eq!(nat_state(&ec2, &id).await, "deleting");
    let release = ec2.release_address().allocation_id(&address);
    assert_eq!(code(release.clone().send().await), "InvalidIPAddress.InUse");
    let detach = ec2.detach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc);
    assert_eq!(code(detach.clone().send().await), "DependencyViolation");
    let delete = ec2.delete_subnet().subnet_id(&subnet);
    assert_eq!(code(delete.clone().send().await), "DependencyViolation");
    wait(&sandbox, 61).await;
    assert_eq!(nat_state(&ec2, &id).await, "deleted");
    assert_eq!(route_state().await, "blackhole");
    release.send().await.unwrap();
    detach.send().await.unwrap();
    delete.send().await.unwrap();
    ec2.delete_internet_gateway().internet_gateway_id(&gateway).send().await.unwrap();
    let delete_vpc = ec2.delete_vpc().vpc_id(&vpc);
    assert_eq!(code(delete_vpc.clone().send().await), "DependencyViolation");
    ec2.delete_route_table().route_table_id(&table).send().await.unwrap();
    delete_vpc.send().await.unwrap();
    // It stays listed for an hour.
    assert_eq!(nat_state(&ec2, &id).await, "deleted");
    wait(&sandbox, 3600).await;
    let gone = ec2.describe_nat_gateways().nat_gateway_ids(&id).send().await;
    assert_eq!(code(gone), "NatGatewayNotFound");
}

#[tokio::test(start_paused = true)]
async fn a_nat_gateway_that_can_not_work_fails_in_its_state() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let subnet = subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1a").await;
    let address = address(&ec2).await;
    let id = nat(&ec2, &subnet, &address).await;
    wait(&sandbox, 11).await;
    let seen = ec2.describe_nat_gateways().nat_gateway_ids(&id).send().await.unwrap();
    assert_eq!(seen.nat_gateways()[0].state().unwrap().as_str(), "failed");
    assert_eq!(seen.nat_gateways()[0].failure_code(), Some("Gateway.NotAttached"));
    ec2.release_address().allocation_id(&address).send().await.unwrap();
    ec2.delete_subnet().subnet_id(&subnet).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_client_token_makes_one_thing() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let create = ec2.create_route_table().vpc_id(&vpc).client_token("once");
    let id = async || {
        let made = create.clone().send().await.unwrap();
        made.route_table().unwrap().route_table_id().unwrap().to_owned()
    };
    let first = id().await;
    assert_eq!(id().await, first);
    let other = create.clone().tag_specifications(tagged("route-table", "a", "b"));
    assert_eq!(code(other.send().await), "IdempotentParameterMismatch");
    ec2.delete_route_table().route_table_id(&first).send().await.unwrap();
    // The token outlives what it made.
    assert_eq!(id().await, first);
    let seen = ec2.describe_route_tables().route_table_ids(&first).send().await;
    assert_eq!(code(seen), "InvalidRouteTableID.NotFound");
}

#[tokio::test(start_paused = true)]
async fn routes_and_associations() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let subnet = subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1a").await;
    let gateway = gateway(&ec2, &vpc).await;
    let mut tables = Vec::new();
    for _ in 0..2 {
        let made = ec2.create_route_table().vpc_id(&vpc).send().await.unwrap();
        tables.push(made.route_table().unwrap().route_table_id().unwrap().to_owned());
    }
    let create = ec2.create_route().route_table_id(&tables[0]).destination_cidr_block("0.0.0.0/0");
    assert_eq!(code(create.clone().send().await), "MissingParameter");
    let lost = create.clone().nat_gateway_id("nat-0123456789abcdef0");
    assert_eq!(code(lost.send().await), "InvalidNatGatewayID.NotFound");
    let replace = ec2
        .replace_route()
        .route_table_id(&tables[0])
        .destination_cidr_block("0.0.0.0/0")
        .gateway_id(&gateway);
    assert_eq!(code(replace.clone().send().await), "InvalidParameterValue");
    create.gateway_id(&gateway).send().await.unwrap();
    replace.send().await.unwrap();
    let delete = ec2.delete_route().route_table_id(&tables[0]);
    let local = delete.clone().destination_cidr_block("10.0.0.0/16");
    assert_eq!(code(local.send().await), "InvalidParameterValue");
    let delete = delete.destination_cidr_block("0.0.0.0/0");
    delete.clone().send().await.unwrap();
    assert_eq!(code(delete.send().await), "InvalidRoute.NotFound");

    let associate = ec2.associate_route_table().route_table_id(&tables[0]).subnet_id(&subnet);
    let made = associate.clone().send().await.unwrap();
    let association = made.association_id().unwrap().to_owned();
    assert_eq!(code(associate.send().await), "Resource.AlreadyAssociated");
    let delete = ec2.delete_route_table().route_table_id(&tables[0]);
    assert_eq!(code(delete.clone().send().await), "DependencyViolation");
    let replace = ec2.replace_route_table_association().association_id(&association);
    let replaced = replace.route_table_id(&tables[1]).send().await.unwrap();
    let new = replaced.new_association_id().unwrap().to_owned();
    assert_ne!(new, association);
    delete.send().await.unwrap();
    let old = ec2.disassociate_route_table().association_id(&association).send().await;
    assert_eq!(code(old), "InvalidAssociationID.NotFound");
    ec2.disassociate_route_table().association_id(&new).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn security_groups_and_their_rules() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
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
    let ec2 = ec2(&sandbox);
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
    let ec2 = ec2(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    use aws_sdk_ec2::types::{FlowLogsResourceType, TrafficType};
    let create = ec2
        .create_flow_logs()
        .resource_type(FlowLogsResourceType::Vpc)
        .resource_ids(&vpc)
        .resource_ids("vpc-0123456789abcdef0")
        .traffic_type(TrafficType::All)
        .log_group_name("/flow");
    assert_eq!(code(create.clone().send().await), "InvalidParameter");
    let create = create.deliver_logs_permission_arn("arn:aws:iam::123456789012:role/flow");
    let made = create.clone().send().await.unwrap();
    assert_eq!((made.flow_log_ids().len(), made.unsuccessful().len()), (1, 1));
    let again = create.send().await.unwrap();
    assert_eq!((again.flow_log_ids().len(), again.unsuccessful().len()), (0, 2));
    let first = again.unsuccessful()[0].error().unwrap();
    assert_eq!(first.code(), Some("FlowLogAlreadyExists"));
    let found = ec2.describe_flow_logs().filter(filter("resource-id", &vpc)).send().await.unwrap();
    assert_eq!(found.flow_logs()[0].log_group_name(), Some("/flow"));
    let id = &made.flow_log_ids()[0];
    let delete = ec2.delete_flow_logs().flow_log_ids(id);
    assert_eq!(delete.clone().send().await.unwrap().unsuccessful().len(), 0);
    assert_eq!(delete.send().await.unwrap().unsuccessful().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn tags_and_filters() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let create = ec2.create_vpc().cidr_block("10.0.0.0/16");
    let ours = create.clone().tag_specifications(tagged("vpc", "Name", "my vpc"));
    let id = ours.send().await.unwrap().vpc().unwrap().vpc_id().unwrap().to_owned();
    let wrong = create.clone().tag_specifications(tagged("subnet", "Name", "x"));
    assert_eq!(code(wrong.send().await), "InvalidParameterValue");
    let reserved = create.tag_specifications(tagged("vpc", "aws:x", "x"));
    assert_eq!(code(reserved.send().await), "InvalidParameterValue");
    let found = async |name: &str, value: &str| {
        let seen = ec2.describe_vpcs().filters(filter(name, value)).send().await.unwrap();
        seen.vpcs().iter().map(|vpc| vpc.vpc_id().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for (name, value, expected) in [
        ("tag:Name", "my vpc", 1),
        ("tag:Name", "my*", 1),
        ("tag:Name", "m? vp?", 1),
        ("tag:Name", "my", 0),
        ("tag:name", "my vpc", 0),
        ("tag-key", "Name", 1),
        ("is-default", "true", 1),
        ("cidr", "10.*", 1),
    ] {
        assert_eq!(found(name, value).await.len(), expected, "{name}={value}");
    }
    let unknown = ec2.describe_vpcs().filters(filter("tags:Name", "x")).send().await;
    assert_eq!(code(unknown), "InvalidParameterValue");

    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    ec2.create_tags().resources(&id).tags(tag("Name", "new")).send().await.unwrap();
    ec2.create_tags().resources(&id).tags(tag("other", "1")).send().await.unwrap();
    let all = ec2.describe_tags().filters(filter("resource-id", &id)).send().await.unwrap();
    assert_eq!(all.tags().len(), 2);
    let keep = ec2.delete_tags().resources(&id).tags(tag("other", "not this"));
    keep.send().await.unwrap();
    assert_eq!(found("tag:other", "1").await.len(), 1);
    ec2.delete_tags().resources(&id).tags(tag("other", "1")).send().await.unwrap();
    assert_eq!(found("tag:other", "1").await.len(), 0);
    assert_eq!(found("tag:Name", "new").await.len(), 1);
    let missing = ec2.create_tags().resources("vpc-0123456789abcdef0").tags(tag("a", "b"));
    assert_eq!(code(missing.send().await), "InvalidVpcID.NotFound");
    for number in 0..49 {
        let tag = tag(&format!("k{number}"), "");
        ec2.create_tags().resources(&id).tags(tag).send().await.unwrap();
    }
    let more = ec2.create_tags().resources(&id).tags(tag("too", "many"));
    assert_eq!(code(more.send().await), "TagLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn pages() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let mut knobs = sandbox.knobs();
    knobs.page_size = 4;
    sandbox.set_knobs(knobs);
    let first = ec2.describe_subnets().send().await.unwrap();
    assert_eq!(first.subnets().len(), 4);
    let token = first.next_token().unwrap();
    let second = ec2.describe_subnets().next_token(token).send().await.unwrap();
    assert_eq!((second.subnets().len(), second.next_token()), (2, None));
    let pages = ec2.describe_subnets().into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    assert_eq!(all.len(), 6);
    let large = ec2.describe_subnets().max_results(1000).send().await.unwrap();
    assert_eq!(large.subnets().len(), 6);
    let small = ec2.describe_subnets().max_results(2).send().await;
    assert_eq!(code(small), "InvalidParameterValue");
    let bad = ec2.describe_subnets().next_token("?").send().await;
    assert_eq!(code(bad), "InvalidNextToken");
}

#[tokio::test(start_paused = true)]
async fn the_law_refuses() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let dry = ec2.create_vpc().cidr_block("10.0.0.0/16").dry_run(true);
    assert_eq!(code(dry.send().await), "DryRunOperation");
    let enumeration = ec2.create_vpc().cidr_block("10.0.0.0/16").instance_tenancy("odd".into());
    assert_eq!(code(enumeration.send().await), "InvalidParameterValue");
    assert_eq!(code(ec2.delete_vpc().vpc_id("").send().await), "InvalidVpcID.NotFound");
    assert_eq!(code(ec2.describe_instances().send().await), "InvalidAction");

    let raw = async |body: &'static str, signed: bool| {
        let mut request = http::Request::post("https://ec2.us-east-1.amazonaws.com/")
            .header("content-type", "application/x-www-form-urlencoded");
        if signed {
            let scope = "AKID/20270115/us-east-1/ec2/aws4_request";
            let header =
                format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0");
            request = request.header("authorization", header);
        }
        let answer = sandbox.handle(request.body(body.into()).unwrap()).await.unwrap();
        assert_eq!(answer.headers()["date"], "Fri, 15 Jan 2027 08:00:00 GMT");
        let text = String::from_utf8(answer.body().to_vec()).unwrap();
        (answer.status().as_u16(), text)
    };
    for (body, expected) in [
        ("Action=DeleteVpc&Version=2016-11-15", "<Code>MissingParameter</Code>"),
        ("Action=DeleteVpc&VpcId=vpc-1&Odd=1", "<Code>UnknownParameter</Code>"),
        ("Action=DescribeVpcs&Filters.1.Name=x", "<Code>UnknownParameter</Code>"),
        ("Action=DescribeVpcs&MaxResults=ten", "<Code>InvalidParameterValue</Code>"),
        ("Action=Nonsense", "<Code>InvalidAction</Code>"),
        ("", "<Code>InvalidAction</Code>"),
    ] {
        let (status, text) = raw(body, true).await;
        assert_eq!(status, 400, "{body}");
        assert!(text.contains(expected), "{body}: {text}");
    }
    // A call that the law refuses is a call.
    let refused = sandbox.calls().pop().unwrap();
    assert_eq!((refused.operation.as_str(), refused.mutating), ("DescribeVpcs", false));
    assert!(matches!(refused.outcome, Outcome::Refused { status: 400, .. }), "{refused:?}");
    let (status, text) = raw("Action=DescribeVpcs", false).await;
    assert_eq!(status, 403);
    assert!(text.contains("<Code>MissingAuthenticationToken</Code>"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn faults_by_script() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let create = ec2.create_vpc().cidr_block("10.0.0.0/16");
    let count = async || ec2.describe_vpcs().send().await.unwrap().vpcs().len();

    let on = |effect| Fault::on_operation("ec2:CreateVpc", effect);
    sandbox.set_faults(Faults::script([on(Effect::Throttle).nth(2).times(2)]));
    create.clone().send().await.unwrap();
    assert_eq!(code(create.clone().send().await), "RequestLimitExceeded");
    assert_eq!(code(create.clone().send().await), "RequestLimitExceeded");
    create.clone().send().await.unwrap();
    assert_eq!(count().await, 3);

    let denied = Effect::Error {
        status: 403,
        code: "UnauthorizedOperation".to_owned(),
        message: "no".to_owned(),
    };
    sandbox.set_faults(Faults::script([
        Fault::on(Matching::Mutating, denied),
        on(Effect::LoseRequest).nth(2),
        on(Effect::LoseAnswer).nth(3),
        on(Effect::NeverAnswer).nth(4),
        Fault::on(Matching::Read, Effect::Delay(Duration::from_secs(5))),
    ]));
    assert_eq!(code(create.clone().send().await), "UnauthorizedOperation");
    let before = sandbox.clock().now();
    assert_eq!(count().await, 3);
    assert_eq!(sandbox.clock().now().duration_since(before).unwrap(), Duration::from_secs(5));
    let lost = create.clone().send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    assert_eq!(count().await, 3);
    let lost = create.clone().send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    assert_eq!(count().await, 4);
    let before = sandbox.clock().now();
    let silent = create.send().await.unwrap_err();
    assert!(matches!(silent, SdkError::TimeoutError(_)), "{silent:?}");
    assert_eq!(sandbox.clock().now().duration_since(before).unwrap(), Duration::from_secs(60));
    assert_eq!(count().await, 5);

    let calls = sandbox.calls();
    assert_eq!(sandbox.counts()["ec2:CreateVpc"], 8);
    let lost: Vec<_> = calls
        .iter()
        .filter_map(|call| match call.outcome {
            Outcome::Lost { acted } => Some(acted),
            _ => None,
        })
        .collect();
    assert_eq!(lost, [false, true, true]);
    assert!(calls.iter().all(|call| call.mutating == (call.operation == "CreateVpc")));
}

#[tokio::test(start_paused = true)]
async fn a_client_dies_before_or_after_a_call() {
    for (stop, expected) in [(Stop::Before, 1), (Stop::After, 2)] {
        let sandbox = sandbox();
        let client = ec2(&sandbox);
        let create = client.create_vpc().cidr_block("10.0.0.0/16");
        let fault = Fault::on(Matching::Mutating, Effect::Stop(stop));
        sandbox.set_faults(Faults::script([fault]));
        tokio::select! {
            () = sandbox.stopped() => {}
            _ = create.send() => panic!("the call was answered"),
        }
        let dead = tokio::time::timeout(Duration::from_secs(9), client.describe_vpcs().send());
        assert!(dead.await.is_err(), "a dead client was answered");
        sandbox.set_faults(Faults::none());
        let seen = ec2(&sandbox).describe_vpcs().send().await.unwrap();
        assert_eq!(seen.vpcs().len(), expected, "{stop:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_by_chance_are_the_same_for_the_same_seed() {
    let run = async |seed: u64| {
        let sandbox = sandbox();
        let ec2 = ec2(&sandbox);
        sandbox.set_faults(Faults::random(seed, Profile::ROUGH));
        for _ in 0..200 {
            let _ = ec2.describe_vpcs().send().await;
        }
        sandbox.calls().into_iter().map(|call| call.outcome).collect::<Vec<_>>()
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    let trouble = first.iter().filter(|outcome| **outcome != Outcome::Done).count();
    assert!((10..80).contains(&trouble), "{trouble}");
}

#[tokio::test(start_paused = true)]
async fn reads_lag() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    sandbox.set_faults(Faults::none().with_lag(Duration::from_secs(3)));
    let id = vpc(&ec2, "10.0.0.0/16").await;
    let seen = ec2.describe_vpcs().vpc_ids(&id);
    assert_eq!(code(seen.clone().send().await), "InvalidVpcID.NotFound");
    assert_eq!(ec2.describe_vpcs().send().await.unwrap().vpcs().len(), 1);
    wait(&sandbox, 2).await;
    assert_eq!(code(seen.clone().send().await), "InvalidVpcID.NotFound");
    wait(&sandbox, 2).await;
    seen.clone().send().await.unwrap();
    ec2.delete_vpc().vpc_id(&id).send().await.unwrap();
    seen.clone().send().await.unwrap();
    wait(&sandbox, 4).await;
    assert_eq!(code(seen.send().await), "InvalidVpcID.NotFound");

    let mut faults = Faults::none().with_lag(Duration::from_secs(3));
    faults.fresh_ids_not_found = true;
    sandbox.set_faults(faults);
    let id = vpc(&ec2, "10.0.0.0/16").await;
    let create = ec2.create_subnet().vpc_id(&id).cidr_block("10.0.0.0/24");
    assert_eq!(code(create.clone().send().await), "InvalidVpcID.NotFound");
    wait(&sandbox, 4).await;
    create.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn two_handles_share_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let one = Sandbox::open(&path, clock(), 7).unwrap();
    let two = Sandbox::open(&path, clock(), 8).unwrap();
    let first = vpc(&ec2(&one), "10.0.0.0/16").await;
    let second = vpc(&ec2(&two), "10.0.0.0/16").await;
    assert_ne!(first, second);
    for sandbox in [&one, &two] {
        let seen = ec2(sandbox).describe_vpcs().vpc_ids(&first).vpc_ids(&second).send().await;
        assert_eq!(seen.unwrap().vpcs().len(), 2);
    }
    // A third process comes later, with a clock that is behind.
    wait(&one, 1000).await;
    address(&ec2(&one)).await;
    let latest = coderctl::sandbox::last_time(&path).unwrap().unwrap();
    let early = Clock::starting_at(SystemTime::UNIX_EPOCH, 1);
    let three = Sandbox::open(&path, early, 7).unwrap();
    assert!(three.clock().now() >= latest);
    assert_eq!(ec2(&three).describe_vpcs().send().await.unwrap().vpcs().len(), 3);

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "only the file and its lock: {names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_changes_nothing_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let sandbox = Sandbox::open(&path, clock(), 7).unwrap();
    let client = ec2(&sandbox);
    vpc(&client, "10.0.0.0/16").await;
    let before = std::fs::read(&path).unwrap();
    assert_eq!(code(client.delete_vpc().vpc_id("vpc-1").send().await), "InvalidVpcID.NotFound");
    client.describe_vpcs().send().await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), before);

    // Where the file can't be replaced, the call fails and nothing has happened.
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let failed = client.create_vpc().cidr_block("10.0.0.0/16").send().await;
    assert_eq!(code(failed), "InternalError");
    std::fs::remove_dir(&path).unwrap();
    std::fs::write(&path, &before).unwrap();
    assert_eq!(client.describe_vpcs().send().await.unwrap().vpcs().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_file_is_not_a_new_world() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let sandbox = Sandbox::open(&path, clock(), 7).unwrap();
    vpc(&ec2(&sandbox), "10.0.0.0/16").await;
    let whole = std::fs::read(&path).unwrap();
    for damaged in [&whole[..whole.len() - 1], b"", b"{}", b"{\"format\":1}", b"\xff"] {
        std::fs::write(&path, damaged).unwrap();
        let error = Sandbox::open(&path, clock(), 7).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("world.json"), "{error}");
        assert!(error.hint().contains("coderctl sandbox reset"));
        let answer = ec2(&sandbox).describe_vpcs().send().await;
        assert_eq!(code(answer), "InternalError");
    }
    std::fs::write(&path, b"{\"format\":99}").unwrap();
    let error = Sandbox::open(&path, clock(), 7).unwrap_err();
    assert!(matches!(error, OpenError::OtherFormat { found: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn over_http() {
    let sandbox = sandbox();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(coderctl::sandbox::serve(sandbox.clone(), listener, async {
        let _ = stopped.await;
    }));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIDSANDBOX",
            "secret",
            None,
            None,
            "test",
        )))
        .retry_config(RetryConfig::disabled())
        .build();
    let client = Client::new(&config);
    let subnets = client.describe_subnets().send().await.unwrap();
    assert_eq!(subnets.subnets()[0].vpc_id().map(|id| id.len()), Some(21));
    assert_eq!(subnets.subnets().len(), 3);
    sandbox.set_faults(Faults::script([Fault::on(Matching::Any, Effect::LoseAnswer)]));
    let lost = client.describe_vpcs().send().await.unwrap_err();
    assert!(matches!(lost, SdkError::DispatchFailure(_)), "{lost:?}");
    client.describe_vpcs().send().await.unwrap();
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_ids() {
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(vpc(&ec2(&sandbox()), "10.0.0.0/16").await);
    }
    assert_eq!(ids[0], ids[1]);
    assert!(ids[0].starts_with("vpc-0") && ids[0].len() == 21);
    let other = Sandbox::in_memory(clock(), 8);
    assert_ne!(vpc(&ec2(&other), "10.0.0.0/16").await, ids[0]);
}

mod any_request {
    use super::sandbox;
    use proptest::prelude::*;

    fn word() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "Action",
            "VpcId",
            "CreateVpc",
            "CidrBlock",
            "Filter",
            "IpPermissions",
            "Tag",
            "1",
            "2",
            "0",
            "99999999999999999999",
            "member",
            "Value",
            "Name",
            "Key",
            "GroupId",
            "NextToken",
            "MaxResults",
            "DescribeVpcs",
            "CreateSecurityGroup",
            "AuthorizeSecurityGroupIngress",
            "CreateTags",
            "ClientToken",
            "TagSpecification",
            "10.0.0.0/16",
            "::/0",
            "-1",
            "true",
        ]);
        prop_oneof![8 => known.prop_map(str::to_owned), 1 => ".{0,12}"]
    }

    fn parameter() -> impl Strategy<Value = String> {
        let name = prop::collection::vec(word(), 1..5).prop_map(|words| words.join("."));
        (name, word()).prop_map(|(name, value)| {
            let encoded =
                |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            format!("{}={}", encoded(&name), encoded(&value))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn is_answered(
            operation in prop::sample::select(coderctl::sandbox::operations()),
            parameters in prop::collection::vec(parameter(), 0..6),
            noise in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        ) {
            let (service, action) = operation.split_once(':').unwrap();
            let mut body = format!("Action={action}&{}", parameters.join("&")).into_bytes();
            if let Some(noise) = noise {
                body.extend(noise);
            }
            let header = format!(
                "AWS4-HMAC-SHA256 Credential=AKID/20270115/us-east-1/{service}/aws4_request"
            );
            let request = http::Request::post("https://localhost/")
                .header("authorization", header)
                .body(body.into())
                .unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let status = runtime.block_on(async {
                sandbox().handle(request).await.unwrap().status().as_u16()
            });
            prop_assert!(status < 500, "{}", status);
        }
    }
}
