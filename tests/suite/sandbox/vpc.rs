//! VPCs, subnets, gateways and routes: lifecycles, what blocks what, tokens, quotas.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_vpc_lives() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
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
    let ec2 = client(&sandbox);
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
    let ec2 = client(&sandbox);
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
    let ec2 = client(&sandbox);
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
    let ec2 = client(&sandbox);
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
    let ec2 = client(&sandbox);
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
    let ec2 = client(&sandbox);
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
async fn a_vpc_has_one_internet_gateway() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let (one, two) = (vpc(&ec2, "10.0.0.0/16").await, vpc(&ec2, "10.1.0.0/16").await);
    let first = gateway(&ec2, &one).await;
    let attach = ec2.attach_internet_gateway().internet_gateway_id(&first);
    assert_eq!(code(attach.vpc_id(&two).send().await), "Resource.AlreadyAssociated");
    let second = ec2.create_internet_gateway().send().await.unwrap();
    let second = second.internet_gateway().unwrap().internet_gateway_id().unwrap();
    let attach = ec2.attach_internet_gateway().internet_gateway_id(second);
    assert_eq!(code(attach.vpc_id(&one).send().await), "InvalidParameterValue");
    let delete = ec2.delete_internet_gateway().internet_gateway_id(&first);
    assert_eq!(code(delete.send().await), "DependencyViolation");
    assert_eq!(code(ec2.delete_vpc().vpc_id(&one).send().await), "DependencyViolation");
    let detach = ec2.detach_internet_gateway().internet_gateway_id(&first).vpc_id(&two);
    assert_eq!(code(detach.send().await), "Gateway.NotAttached");
}

#[tokio::test(start_paused = true)]
async fn nat_gateways_share_no_address_and_count() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let subnet = subnet(&ec2, &vpc, "10.0.0.0/28", "us-east-1a").await;
    gateway(&ec2, &vpc).await;
    let address = address(&ec2).await;
    nat(&ec2, &subnet, &address).await;
    let second = nat(&ec2, &subnet, &address).await;
    wait(&sandbox, 11).await;
    let seen = ec2.describe_nat_gateways().nat_gateway_ids(&second).send().await.unwrap();
    assert_eq!(seen.nat_gateways()[0].failure_code(), Some("Resource.AlreadyAssociated"));
    let unknown = ec2.create_nat_gateway().subnet_id(&subnet);
    let unknown = unknown.allocation_id("eipalloc-0123456789abcdef0");
    assert_eq!(code(unknown.send().await), "InvalidAllocationID.NotFound");
    let seen = ec2.describe_subnets().subnet_ids(&subnet).send().await.unwrap();
    assert_eq!(seen.subnets()[0].available_ip_address_count(), Some(10));
    let mut knobs = sandbox.knobs();
    knobs.nat_gateways_per_zone = 1;
    sandbox.set_knobs(knobs);
    let more = ec2.create_nat_gateway().subnet_id(&subnet);
    let more = more.connectivity_type(aws_sdk_ec2::types::ConnectivityType::Private);
    assert_eq!(code(more.send().await), "NatGatewayLimitExceeded");
}
