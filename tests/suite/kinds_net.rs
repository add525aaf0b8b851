//! The network kinds, each through its whole life against the sandbox.

use super::harness::{Before, Known, World};
use aws_sdk_ec2::types::{DomainType, Tag};
use coderctl::aws::ec2::elastic_ip::ElasticIp;
use coderctl::aws::ec2::internet_gateway::InternetGateway;
use coderctl::aws::ec2::nat_gateway::NatGateway;
use coderctl::aws::ec2::route_table::{RouteTable, Target};
use coderctl::aws::ec2::subnet::Subnet;
use coderctl::aws::ec2::vpc::{DefaultSecurityGroup, Vpc};
use coderctl::graph::Graph;
use coderctl::kind::{
    Cause, Change, Class, Cx, Effect, Found, Kind, Status, TAG_ADDRESS, TAG_DEPLOYMENT, Tags,
    changes,
};
use coderctl::name::PhysicalId;
use coderctl::sandbox::{Effect as Fate, Fault, Faults, Knobs};
use coderctl::value::{Id, In, Need};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Somebody else's network, made without the kinds.
struct Theirs {
    ec2: aws_sdk_ec2::Client,
}

impl Theirs {
    fn of(world: &World) -> Theirs {
        Theirs { ec2: world.ec2() }
    }

    async fn vpc(&self, cidr: &str) -> String {
        let made = self.ec2.create_vpc().cidr_block(cidr).send().await.unwrap();
        made.vpc().unwrap().vpc_id().unwrap().to_owned()
    }

    async fn subnet(&self, vpc: &str, cidr: &str) -> String {
        let made = self.ec2.create_subnet().vpc_id(vpc).cidr_block(cidr).send().await.unwrap();
        made.subnet().unwrap().subnet_id().unwrap().to_owned()
    }

    async fn gateway(&self, vpc: &str) -> String {
        let made = self.ec2.create_internet_gateway().send().await.unwrap();
        let id = made.internet_gateway().unwrap().internet_gateway_id().unwrap().to_owned();
        self.ec2
            .attach_internet_gateway()
            .internet_gateway_id(&id)
            .vpc_id(vpc)
            .send()
            .await
            .unwrap();
        id
    }

    async fn address(&self) -> String {
        let made = self.ec2.allocate_address().domain(DomainType::Vpc).send().await.unwrap();
        made.allocation_id().unwrap().to_owned()
    }

    async fn nat(&self, subnet: &str, address: &str) -> String {
        let call = self.ec2.create_nat_gateway().subnet_id(subnet).allocation_id(address);
        let made = call.send().await.unwrap();
        made.nat_gateway().unwrap().nat_gateway_id().unwrap().to_owned()
    }

    async fn table(&self, vpc: &str) -> String {
        let made = self.ec2.create_route_table().vpc_id(vpc).send().await.unwrap();
        made.route_table().unwrap().route_table_id().unwrap().to_owned()
    }
}

fn id<K>(id: &str) -> In<Id<K>> {
    In::Literal(Id::new(id))
}

fn parents<K: Kind>(found: &Found<K>) -> Vec<String> {
    let mut parents: Vec<String> = found.parents.iter().map(ToString::to_string).collect();
    parents.sort();
    parents
}

fn sorted<'a>(ids: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.into_iter().cloned().collect();
    ids.sort();
    ids
}

fn removal(field: &str) -> Change {
    Change {
        field: field.to_owned(),
        from: serde_json::Value::Null,
        to: Some(serde_json::Value::Null),
        effect: Effect::InPlace,
        cause: Cause::Spec,
    }
}

#[tokio::test(start_paused = true)]
async fn a_vpc_lives_with_its_default_group_closed() {
    let world = World::new();
    let ec2 = world.ec2();
    let desired = Vpc {
        cidr: "10.0.0.0/16".into(),
        dns_hostnames: true,
        dns_support: true,
        default_security_group: DefaultSecurityGroup::Closed,
    };
    let found = world.make("network/vpc", &desired).await;
    assert_eq!(found.status, Status::Ready);
    assert_eq!(found.tags[TAG_ADDRESS], "us-east-1/network/vpc");
    assert_eq!(found.tags["owner"], "platform");

    // A second one, so that reading the groups of all must take one call.
    let leave = Vpc { default_security_group: DefaultSecurityGroup::Leave, ..desired.clone() };
    let second = world.make("network/second", &leave).await;
    let summary = second.live.default_group.as_ref().unwrap().summary();
    assert_eq!(summary, "ingress all from its members, egress all to 0.0.0.0/0");
    let before = world.count("ec2:DescribeSecurityGroups");
    assert_eq!(world.list::<Vpc>().await.ours.len(), 2);
    assert_eq!(world.count("ec2:DescribeSecurityGroups") - before, 1);
    world.cx.clock.sleep(Duration::from_secs(1)).await;
    Vpc::delete(&world.step("network/second"), &second).await.unwrap();

    let on = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(false).build();
    let modify = || ec2.modify_vpc_attribute().vpc_id(found.id.as_str());
    modify().enable_dns_hostnames(on.clone()).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["dns_hostnames"]).await;
    modify().enable_dns_hostnames(on.clone()).send().await.unwrap();
    modify().enable_dns_support(on).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["dns_hostnames", "dns_support"]).await;

    let groups = ec2
        .describe_security_groups()
        .filters(
            aws_sdk_ec2::types::Filter::builder().name("vpc-id").values(found.id.as_str()).build(),
        )
        .send()
        .await
        .unwrap();
    let permission = aws_sdk_ec2::types::IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(22)
        .to_port(22)
        .ip_ranges(aws_sdk_ec2::types::IpRange::builder().cidr_ip("0.0.0.0/0").build())
        .build();
    let group = groups.security_groups()[0].group_id().unwrap();
    let authorize = ec2.authorize_security_group_ingress().group_id(group);
    authorize.ip_permissions(permission).send().await.unwrap();
    let opened = Vpc::read(&world.cx, &found).await.unwrap().unwrap();
    let differs = changes(&desired, &opened.live, &Known::default());
    assert_eq!(differs[0].from, "ingress tcp 22 from 0.0.0.0/0");
    let found = world.drifted(&desired, &found, &["default_security_group"]).await;

    let found = world.retag(&desired, &found).await;
    world.delete(&found).await;
    world.assert_actions::<Vpc>();
}

#[tokio::test(start_paused = true)]
async fn a_vpc_that_can_not_go_names_what_is_left_in_it() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let desired = Vpc {
        cidr: "10.0.0.0/16".into(),
        dns_hostnames: true,
        dns_support: true,
        default_security_group: DefaultSecurityGroup::Leave,
    };
    let found = world.make("network/vpc", &desired).await;
    let subnet = theirs.subnet(found.id.as_str(), "10.0.0.0/24").await;
    let table = theirs.table(found.id.as_str()).await;
    let error = Vpc::delete(&world.step("network/vpc"), &found).await.unwrap_err();
    assert_eq!(error.class, Class::InUse);
    let hint = error.hint.unwrap();
    assert_eq!(hint, format!("delete what is left in it: {subnet}, {table}"));
    world.assert_actions::<Vpc>();
}

#[tokio::test(start_paused = true)]
async fn a_vpc_create_without_an_answer_is_ambiguous_and_found_by_tag() {
    let world = World::new();
    let fate = Fault::on_operation("ec2:CreateVpc", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([fate]));
    let desired = Vpc {
        cidr: "10.0.0.0/16".into(),
        dns_hostnames: false,
        dns_support: true,
        default_security_group: DefaultSecurityGroup::Leave,
    };
    let error = desired.create(&world.step("network/vpc")).await.unwrap_err();
    assert_eq!(error.class, Class::Ambiguous);
    assert_eq!(world.count("ec2:CreateVpc"), 1);
    assert_eq!(world.only::<Vpc>().await.owner, world.owner("network/vpc"));
}

#[tokio::test(start_paused = true)]
async fn a_subnet_lives() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let role = "kubernetes.io/role/elb";
    let desired = Subnet {
        vpc: id(&vpc),
        cidr: "10.0.0.0/20".into(),
        zone: "us-east-1a".into(),
        public_ips: true,
        extra_tags: Tags::from([(role.to_owned(), "1".to_owned())]),
    };
    assert_eq!(Kind::summary(&desired), "10.0.0.0/20  us-east-1a");
    let found = world.make("network/subnet/public-a", &desired).await;
    assert_eq!(parents(&found), sorted([&vpc]));
    assert_eq!(found.tags[role], "1");
    // It was on it from the first call.
    assert_eq!(world.count("ec2:CreateTags"), 0);
    assert_eq!(world.only::<Subnet>().await.live, found.live);

    let off = aws_sdk_ec2::types::AttributeBooleanValue::builder().value(false).build();
    let modify = theirs.ec2.modify_subnet_attribute().subnet_id(found.id.as_str());
    modify.map_public_ip_on_launch(off).send().await.unwrap();
    let untag = theirs.ec2.delete_tags().resources(found.id.as_str());
    untag.tags(Tag::builder().key(role).build()).send().await.unwrap();
    let found =
        world.drifted(&desired, &found, &["public_ips", "extra_tags.kubernetes.io/role/elb"]).await;

    // An entry that an earlier apply made, and that the spec no longer has.
    let bare = Subnet { extra_tags: Tags::new(), ..desired.clone() };
    assert_eq!(changes(&bare, &found.live, &Known::default()), []);
    let gone = [removal("extra_tags.kubernetes.io/role/elb")];
    bare.update(&world.step("network/subnet/public-a"), &found, &gone).await.unwrap();
    let found = Subnet::read(&world.cx, &found).await.unwrap().unwrap();
    assert!(!found.tags.contains_key(role));

    for moved in [
        Subnet { cidr: "10.0.16.0/20".into(), ..bare.clone() },
        Subnet { zone: "us-east-1b".into(), ..bare.clone() },
    ] {
        let differs = changes(&moved, &found.live, &Known::default());
        assert_eq!(differs.len(), 1);
        assert_eq!(differs[0].effect, Effect::Replace);
    }

    let found = world.retag(&bare, &found).await;
    world.delete(&found).await;
    world.assert_actions::<Subnet>();
}

#[tokio::test(start_paused = true)]
async fn a_range_that_is_taken_names_who_has_it() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let rival = theirs.subnet(&vpc, "10.0.64.0/18").await;
    let desired = Subnet {
        vpc: id(&vpc),
        cidr: "10.0.64.0/20".into(),
        zone: "us-east-1a".into(),
        public_ips: false,
        extra_tags: Tags::new(),
    };
    let error = desired.create(&world.step("network/subnet/a")).await.unwrap_err();
    assert!(error.is_code("InvalidSubnet.Conflict"));
    let expected =
        format!("{rival} (not managed by coderctl) uses 10.0.64.0/18; choose another CIDR");
    assert_eq!(error.hint.as_deref(), Some(expected.as_str()));

    let same = Subnet { cidr: "10.0.64.0/18".into(), ..desired };
    let error = same.create(&world.step("network/subnet/a")).await.unwrap_err();
    let adopt = format!("or adopt it: coderctl adopt us-east-1/network/subnet/a {rival}");
    assert!(error.hint.unwrap().ends_with(&adopt));
    // Adopting reads it under the owner that it will have.
    let owner = world.owner("network/subnet/a");
    let adopted =
        Subnet::find_foreign(&world.cx, &PhysicalId::new(&rival), &owner).await.unwrap().unwrap();
    assert_eq!((adopted.owner, adopted.live.cidr), (owner, "10.0.64.0/18".to_owned()));
    world.assert_actions::<Subnet>();
}

#[tokio::test(start_paused = true)]
async fn an_internet_gateway_lives() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let (vpc, other) = (theirs.vpc("10.0.0.0/16").await, theirs.vpc("10.1.0.0/16").await);
    let desired = InternetGateway { vpc: id(&vpc) };

    // Its maker dies between the two calls.
    desired.create(&world.step("network/igw")).await.unwrap();
    let found = world.only::<InternetGateway>().await;
    assert_eq!((found.live.vpc.as_ref(), parents(&found)), (None, vec![]));
    let cx = world.step("network/igw");
    let found = world.mend(&cx, &desired, &found).await;
    assert_eq!(parents(&found), sorted([&vpc]));

    let detach = theirs.ec2.detach_internet_gateway().internet_gateway_id(found.id.as_str());
    detach.vpc_id(&vpc).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["vpc"]).await;
    let moved = InternetGateway { vpc: id(&other) };
    let found = world.drifted(&moved, &found, &["vpc"]).await;
    assert_eq!(found.live.vpc, Some(Id::new(&other)));

    // The answer of an attach was lost: the second finds it attached.
    let fate = Fault::on_operation("ec2:AttachInternetGateway", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([fate]));
    let found = world.drifted(&desired, &found, &["vpc"]).await;
    assert_eq!(found.live.vpc, Some(Id::new(&vpc)));

    let found = world.retag(&desired, &found).await;
    world.delete(&found).await;
    world.assert_actions::<InternetGateway>();
}

#[tokio::test(start_paused = true)]
async fn a_vpc_with_another_internet_gateway_refuses_the_second_with_advice() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    theirs.gateway(&vpc).await;
    let desired = InternetGateway { vpc: id(&vpc) };
    let cx = world.step("network/igw");
    let found = desired.create(&cx).await.unwrap();
    let differs = changes(&desired, &found.live, &Known::default());
    let error = desired.update(&cx, &found, &differs).await.unwrap_err();
    assert!(error.hint.unwrap().contains(&vpc));
}

#[tokio::test(start_paused = true)]
async fn an_internet_gateway_waits_for_public_addresses_to_go() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let subnet = theirs.subnet(&vpc, "10.0.0.0/24").await;
    let found = world.make("network/igw", &InternetGateway { vpc: id(&vpc) }).await;
    let nat = theirs.nat(&subnet, &theirs.address().await).await;
    world.pass(120).await;

    let error = InternetGateway::delete(&world.step("network/igw"), &found).await.unwrap_err();
    assert_eq!(error.class, Class::InUse);
    let hint = error.hint.unwrap();
    assert!(hint.contains("network interface eni-") && hint.contains(&nat), "{hint}");

    theirs.ec2.delete_nat_gateway().nat_gateway_id(&nat).send().await.unwrap();
    let started = world.now();
    world.delete(&found).await;
    assert!((30..120).contains(&(world.now() - started)));
    assert!(world.said.lock().unwrap().iter().any(|said| said.contains("waiting for network")));
    world.assert_actions::<InternetGateway>();
}

#[tokio::test(start_paused = true)]
async fn an_elastic_ip_lives() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let desired = ElasticIp {};
    let found = world.make("network/eip/a", &desired).await;
    assert!(found.live.public_ip.parse::<std::net::Ipv4Addr>().is_ok());
    assert_eq!(world.only::<ElasticIp>().await.live, found.live);

    let vpc = theirs.vpc("10.0.0.0/16").await;
    let subnet = theirs.subnet(&vpc, "10.0.0.0/24").await;
    theirs.gateway(&vpc).await;
    let nat = theirs.nat(&subnet, found.id.as_str()).await;
    world.pass(120).await;
    let error = ElasticIp::delete(&world.step("network/eip/a"), &found).await.unwrap_err();
    assert!(error.hint.unwrap().starts_with("disassociate it from network interface eni-"));

    // Released while the gateway is still going: it waits.
    theirs.ec2.delete_nat_gateway().nat_gateway_id(&nat).send().await.unwrap();
    world.pass(30).await;
    let found = world.retag(&desired, &found).await;
    world.delete(&found).await;
    world.assert_actions::<ElasticIp>();
}

#[tokio::test(start_paused = true)]
async fn a_nat_gateway_lives() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let subnet = theirs.subnet(&vpc, "10.0.0.0/24").await;
    let igw = world.make("network/igw", &InternetGateway { vpc: id(&vpc) }).await;
    let eip = theirs.address().await;
    let desired = NatGateway { subnet: id(&subnet), eip: id(&eip) };

    let started = world.now();
    let found = world.make("network/nat/a", &desired).await;
    assert!((106..112).contains(&(world.now() - started)), "it polls every five seconds");
    assert!(world.said.lock().unwrap().contains(&"pending".to_owned()));
    assert_eq!(found.status, Status::Ready);
    assert!(found.live.public_ip.is_some());
    assert_eq!(parents(&found), sorted([&vpc, &subnet, &eip]));

    // A later wave sees the internet gateway that must stay longer.
    let before = Before::default().with(&world.list::<InternetGateway>().await);
    let listed = NatGateway::list(&world.cx, &[], &before).await.unwrap();
    let expected = sorted([&vpc, &subnet, &eip, &igw.id.to_string()]);
    assert_eq!(parents(&listed.ours[0]), expected);
    let read = NatGateway::read(&world.cx, &listed.ours[0]).await.unwrap().unwrap();
    assert_eq!(parents(&read), expected);

    let other = theirs.subnet(&vpc, "10.0.1.0/24").await;
    let moved = NatGateway { subnet: id(&other), ..desired.clone() };
    let differs = changes(&moved, &found.live, &Known::default());
    assert_eq!((differs.len(), differs[0].effect), (1, Effect::Replace));

    let found = world.retag(&desired, &found).await;
    // Somebody else began to delete it: it counts as leaving, and the wait goes on.
    theirs.ec2.delete_nat_gateway().nat_gateway_id(found.id.as_str()).send().await.unwrap();
    let leaving = world.only::<NatGateway>().await;
    assert_eq!(leaving.status, Status::Leaving);
    let started = world.now();
    world.delete(&leaving).await;
    assert!((55..70).contains(&(world.now() - started)));
    assert_eq!(world.count("ec2:DeleteNatGateway"), 0);
    // AWS still lists it, with its tags.
    let listed = theirs.ec2.describe_nat_gateways().send().await.unwrap();
    assert_eq!(listed.nat_gateways().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_nat_gateway_is_made_once_although_the_answer_is_lost() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let subnet = theirs.subnet(&vpc, "10.0.0.0/24").await;
    theirs.gateway(&vpc).await;
    let desired = NatGateway { subnet: id(&subnet), eip: id(&theirs.address().await) };
    let fate = Fault::on_operation("ec2:CreateNatGateway", Fate::LoseAnswer).times(2);
    world.sandbox.set_faults(Faults::script([fate]));
    let found = world.make("network/nat/a", &desired).await;
    assert_eq!(world.count("ec2:CreateNatGateway"), 3);
    assert_eq!(world.only::<NatGateway>().await.id, found.id);
    world.delete(&found).await;
    world.assert_actions::<NatGateway>();
}

#[tokio::test(start_paused = true)]
async fn a_nat_gateway_without_a_way_out_fails_with_the_reason() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let subnet = theirs.subnet(&vpc, "10.0.0.0/24").await;
    let desired = NatGateway { subnet: id(&subnet), eip: id(&theirs.address().await) };
    let cx = world.step("network/nat/a");
    let made = desired.create(&cx).await.unwrap();
    let error = NatGateway::settle(&cx, made).await.unwrap_err();
    assert_eq!(error.class, Class::Failed);
    assert!(error.message.contains("failed: Gateway.NotAttached: "), "{}", error.message);
    let failed = world.only::<NatGateway>().await;
    assert!(
        matches!(&failed.status, Status::Failed(why) if why.starts_with("Gateway.NotAttached"))
    );
    world.delete(&failed).await;
}

#[tokio::test(start_paused = true)]
async fn a_route_table_lives() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let (a, b) =
        (theirs.subnet(&vpc, "10.0.0.0/24").await, theirs.subnet(&vpc, "10.0.1.0/24").await);
    let igw = theirs.gateway(&vpc).await;
    let nat = theirs.nat(&a, &theirs.address().await).await;
    world.pass(120).await;

    // `b` uses another table so far, and is moved.
    let other = theirs.table(&vpc).await;
    let associate = |table: &str, subnet: &str| {
        theirs.ec2.associate_route_table().route_table_id(table).subnet_id(subnet).send()
    };
    associate(&other, &b).await.unwrap();

    let desired = RouteTable {
        vpc: id(&vpc),
        routes: BTreeMap::from([("0.0.0.0/0".to_owned(), Target::Nat(id(&nat)))]),
        subnets: vec![id(&a), id(&b)],
    };
    let found = world.make("network/route_table/private", &desired).await;
    assert_eq!(found.live.routes, BTreeMap::from([("0.0.0.0/0".to_owned(), nat.clone())]));
    // What its routes lead to can go before it: the routes become black holes.
    assert_eq!(parents(&found), sorted([&vpc, &a, &b]));
    assert_eq!(world.count("ec2:ReplaceRouteTableAssociation"), 1);
    assert_eq!(world.only::<RouteTable>().await.live, found.live);

    // Drift: the target moved, a route went, a subnet left, another came.
    let table = found.id.as_str();
    let route =
        |cidr: &str| theirs.ec2.replace_route().route_table_id(table).destination_cidr_block(cidr);
    route("0.0.0.0/0").gateway_id(&igw).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["routes.0.0.0.0/0"]).await;
    let delete = theirs.ec2.delete_route().route_table_id(table);
    delete.destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    let found = world.drifted(&desired, &found, &["routes.0.0.0.0/0"]).await;
    let association = &found.live.associations[&Id::new(&a)];
    let leave = theirs.ec2.disassociate_route_table().association_id(association);
    leave.send().await.unwrap();
    let found = world.drifted(&desired, &found, &["subnets"]).await;
    let extra = theirs.subnet(&vpc, "10.0.2.0/24").await;
    associate(table, &extra).await.unwrap();
    let found = world.drifted(&desired, &found, &["subnets"]).await;
    assert!(!found.live.associations.contains_key(&Id::new(&extra)));

    // Another team's route is none of ours.
    let create = theirs.ec2.create_route().route_table_id(table);
    create.destination_cidr_block("10.9.0.0/16").gateway_id(&igw).send().await.unwrap();
    let found = world.drifted(&desired, &found, &[]).await;
    assert_eq!(found.live.routes["10.9.0.0/16"], igw);

    // A route that an earlier apply made, and that the spec no longer has.
    let bare = RouteTable { routes: BTreeMap::new(), ..desired.clone() };
    let cx = world.step("network/route_table/private");
    bare.update(&cx, &found, &[removal("routes.0.0.0.0/0")]).await.unwrap();
    let found = RouteTable::read(&world.cx, &found).await.unwrap().unwrap();
    assert_eq!(found.live.routes.keys().collect::<Vec<_>>(), ["10.9.0.0/16"]);

    let found = world.retag(&bare, &found).await;
    world.delete(&found).await;
    world.assert_actions::<RouteTable>();
}

#[tokio::test(start_paused = true)]
async fn a_route_is_set_although_it_came_or_went_since_it_was_read() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let igw = theirs.gateway(&vpc).await;
    let bare = RouteTable { vpc: id(&vpc), routes: BTreeMap::new(), subnets: vec![] };
    let without = world.make("network/route_table/public", &bare).await;
    let desired = RouteTable {
        routes: BTreeMap::from([("0.0.0.0/0".to_owned(), Target::Gateway(id(&igw)))]),
        ..bare
    };
    let cx = world.step("network/route_table/public");
    let differs = changes(&desired, &without.live, &Known::default());
    let with = world.mend(&cx, &desired, &without).await;

    // It is there, and was not when it was read.
    desired.update(&cx, &without, &differs).await.unwrap();
    let now = RouteTable::read(&cx, &with).await.unwrap().unwrap();
    assert_eq!(now.live.routes["0.0.0.0/0"], igw);

    // It is not there, and was when it was read.
    let delete = theirs.ec2.delete_route().route_table_id(with.id.as_str());
    delete.destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    desired.update(&cx, &with, &differs).await.unwrap();
    let now = RouteTable::read(&cx, &with).await.unwrap().unwrap();
    assert_eq!(now.live.routes["0.0.0.0/0"], igw);
}

#[tokio::test(start_paused = true)]
async fn the_routes_of_a_gateway_endpoint_are_passed_over() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let desired = RouteTable { vpc: id(&vpc), routes: BTreeMap::new(), subnets: vec![] };
    let found = world.make("network/route_table/private", &desired).await;
    let endpoint = theirs.ec2.create_vpc_endpoint().vpc_id(&vpc);
    let endpoint = endpoint.service_name("com.amazonaws.us-east-1.s3");
    endpoint.route_table_ids(found.id.as_str()).send().await.unwrap();
    let described = theirs.ec2.describe_route_tables().route_table_ids(found.id.as_str());
    let described = described.send().await.unwrap();
    assert_eq!(described.route_tables()[0].routes().len(), 2, "the local one and the endpoint's");
    let found = RouteTable::read(&world.cx, &found).await.unwrap().unwrap();
    assert_eq!(found.live.routes, BTreeMap::new());
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_wait_is_taken_up_again() {
    let world = World::new();
    let theirs = Theirs::of(&world);
    let vpc = theirs.vpc("10.0.0.0/16").await;
    let subnet = theirs.subnet(&vpc, "10.0.0.0/24").await;
    theirs.gateway(&vpc).await;
    let desired = NatGateway { subnet: id(&subnet), eip: id(&theirs.address().await) };
    let cx = world.step("network/nat/a");
    let made = desired.create(&cx).await.unwrap();
    let cancel = cx.cancel.clone();
    let (started, clock) = (world.now(), cx.clock);
    let interrupt = async {
        clock.sleep(Duration::from_secs(12)).await;
        cancel.cancel();
    };
    let (settled, ()) = tokio::join!(NatGateway::settle(&cx, made), interrupt);
    assert_eq!(settled.unwrap_err().class, Class::Interrupted);
    assert_eq!(world.now() - started, 12);

    // The next run finds it on its way, and waits for the rest.
    let next = Cx::new((*cx.deployment).clone(), clock, world.connectors());
    let listed = NatGateway::list(&next, &[], &Before::default()).await.unwrap();
    let found = listed.ours.into_iter().next().unwrap();
    assert_eq!(found.status, Status::Busy("pending".to_owned()));
    let settled = NatGateway::settle(&next, found).await.unwrap();
    assert_eq!(settled.status, Status::Ready);
}

#[tokio::test(start_paused = true)]
async fn lists_read_every_page_and_nothing_but_read() {
    let world = World::new();
    let vpc = Theirs::of(&world).vpc("10.0.0.0/16").await;
    for (index, zone) in ["us-east-1a", "us-east-1b", "us-east-1c"].into_iter().enumerate() {
        let subnet = Subnet {
            vpc: id(&vpc),
            cidr: format!("10.0.{index}.0/24"),
            zone: zone.to_owned(),
            public_ips: false,
            extra_tags: Tags::new(),
        };
        let subnet = world.make(&format!("network/subnet/{index}"), &subnet).await;
        let eip = world.make(&format!("network/eip/{index}"), &ElasticIp {}).await;
        let table = RouteTable { vpc: id(&vpc), routes: BTreeMap::new(), subnets: vec![] };
        world.make(&format!("network/table/{index}"), &table).await;
        let nat = NatGateway { subnet: subnet.live.id.into(), eip: eip.live.id.into() };
        nat.create(&world.step(&format!("network/nat/{index}"))).await.unwrap();
        let igw = InternetGateway { vpc: id(&vpc) };
        igw.create(&world.step(&format!("network/igw/{index}"))).await.unwrap();
        let own = Vpc {
            cidr: "10.1.0.0/16".into(),
            dns_hostnames: false,
            dns_support: true,
            default_security_group: DefaultSecurityGroup::Leave,
        };
        world.make(&format!("network/vpc/{index}"), &own).await;
    }
    // A namesake of ours that another deployment made.
    let other = world.ec2().create_tags().resources(&vpc);
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    other.tags(tag(TAG_DEPLOYMENT, "coder-other")).send().await.unwrap();

    world.sandbox.set_knobs(Knobs { page_size: 2, ..world.sandbox.knobs() });
    world.clients.set_planning(true);
    async fn all<K: Kind>(world: &World) -> Vec<String> {
        let listed = world.list::<K>().await;
        assert!(listed.damaged.is_empty() && listed.clashes.is_empty());
        let mut all: Vec<String> =
            listed.ours.iter().map(|found| found.owner.address.rest().to_owned()).collect();
        all.sort();
        all
    }
    assert_eq!(all::<Vpc>(&world).await, ["vpc/0", "vpc/1", "vpc/2"]);
    assert_eq!(all::<Subnet>(&world).await, ["subnet/0", "subnet/1", "subnet/2"]);
    assert_eq!(all::<InternetGateway>(&world).await, ["igw/0", "igw/1", "igw/2"]);
    assert_eq!(all::<ElasticIp>(&world).await, ["eip/0", "eip/1", "eip/2"]);
    assert_eq!(all::<NatGateway>(&world).await, ["nat/0", "nat/1", "nat/2"]);
    assert_eq!(all::<RouteTable>(&world).await, ["table/0", "table/1", "table/2"]);
    let error = ElasticIp {}.create(&world.step("network/eip/9")).await.unwrap_err();
    assert!(error.message.contains("not a read"), "{}", error.message);
}

#[tokio::test(start_paused = true)]
async fn tags_that_do_not_say_whose_it_is_are_damage() {
    let world = World::new();
    let found = world.make("network/eip/a", &ElasticIp {}).await;
    let untag = world.ec2().delete_tags().resources(found.id.as_str());
    untag.tags(Tag::builder().key(TAG_ADDRESS).build()).send().await.unwrap();
    let listed = world.list::<ElasticIp>().await;
    assert!(listed.ours.is_empty());
    assert_eq!(listed.damaged[0].id, found.id);
    assert!(listed.damaged[0].why.contains(TAG_ADDRESS));
}

#[tokio::test(start_paused = true)]
async fn a_quota_says_what_to_do() {
    let world = World::new();
    world.sandbox.set_knobs(Knobs { addresses_per_region: 1, ..world.sandbox.knobs() });
    world.make("network/eip/a", &ElasticIp {}).await;
    let error = ElasticIp {}.create(&world.step("network/eip/b")).await.unwrap_err();
    assert_eq!(error.class, Class::Quota);
    assert!(error.hint.unwrap().contains("quota"));
}

#[tokio::test(start_paused = true)]
async fn references_are_edges_and_unknown_until_made() {
    let world = World::new();
    let region = &world.cx.region;
    let mut graph = Graph::default();
    let vpc = graph.add(
        region,
        world.address("network/vpc"),
        "network",
        Vpc {
            cidr: "10.0.0.0/16".into(),
            dns_hostnames: true,
            dns_support: true,
            default_security_group: DefaultSecurityGroup::Closed,
        },
    );
    let subnet = Subnet {
        vpc: vpc.id(),
        cidr: "10.0.0.0/20".into(),
        zone: "us-east-1a".into(),
        public_ips: true,
        extra_tags: Tags::new(),
    };
    let subnet = graph.add(region, world.address("network/subnet/a"), "network", subnet);
    let igw = InternetGateway { vpc: vpc.id() };
    let igw = graph.add(region, world.address("network/igw"), "network", igw);
    let eip = graph.add(region, world.address("network/eip/a"), "network", ElasticIp {});
    let nat = NatGateway { subnet: subnet.id(), eip: eip.id() };
    let nat = graph.add(region, world.address("network/nat/a"), "network", nat);
    let table = RouteTable {
        vpc: vpc.id(),
        routes: BTreeMap::from([
            ("0.0.0.0/0".to_owned(), Target::from(nat)),
            ("192.0.2.0/24".to_owned(), Target::from(igw)),
        ]),
        subnets: vec![subnet.id()],
    };
    let node = graph.add(region, world.address("network/table"), "network", table.clone());
    let edges: Vec<_> = graph.node(node.node()).edges().iter().map(|e| (e.node, e.need)).collect();
    assert_eq!(
        edges,
        [
            (vpc.node(), Need::Exists),
            (subnet.node(), Need::Exists),
            (igw.node(), Need::Ready),
            (nat.node(), Need::Ready),
        ]
    );

    // The VPC stays; the NAT gateway is being replaced.
    let live = |routes: &[(&str, &str)]| coderctl::aws::ec2::route_table::Live {
        id: Id::new("rtb-1"),
        vpc: Id::new("vpc-1"),
        routes: routes.iter().map(|(to, via)| ((*to).to_owned(), (*via).to_owned())).collect(),
        associations: BTreeMap::from([(Id::new("subnet-1"), "rtbassoc-1".to_owned())]),
        main: false,
    };
    let mut known = Known::default();
    known.facts.insert(
        vpc.node(),
        Arc::new(coderctl::aws::ec2::vpc::Live {
            id: Id::new("vpc-1"),
            cidr: "10.0.0.0/16".into(),
            dns_hostnames: true,
            dns_support: true,
            default_group: None,
        }),
    );
    known.facts.insert(
        subnet.node(),
        Arc::new(coderctl::aws::ec2::subnet::Live {
            id: Id::new("subnet-1"),
            vpc: Id::new("vpc-1"),
            cidr: "10.0.0.0/20".into(),
            zone: "us-east-1a".into(),
            public_ips: true,
            tags: Tags::new(),
        }),
    );
    let gateway = |vpc: Option<&str>| coderctl::aws::ec2::internet_gateway::Live {
        id: Id::new("igw-1"),
        vpc: vpc.map(Id::new),
    };
    known.facts.insert(igw.node(), Arc::new(gateway(Some("vpc-1"))));
    let differs =
        changes(&table, &live(&[("0.0.0.0/0", "nat-1"), ("192.0.2.0/24", "igw-1")]), &known);
    assert_eq!(differs.len(), 1);
    assert_eq!((differs[0].field.as_str(), &differs[0].to), ("routes.0.0.0.0/0", &None));

    // Without its VPC, a gateway that is attached to something is not moved behind anyone's back.
    let missing = Known { missing: vec![vpc.node()], ..Known::default() };
    let desired = InternetGateway { vpc: vpc.id() };
    assert_eq!(changes(&desired, &gateway(Some("vpc-0")), &missing), []);
    // A gateway that lost its VPC for good is attached to the new one.
    let differs = changes(&desired, &gateway(None), &missing);
    assert_eq!((differs.len(), differs[0].effect), (1, Effect::InPlace));
    // When the VPC is replaced, the gateway goes with it: it would hold the old one.
    let differs = changes(&desired, &gateway(Some("vpc-0")), &Known::default());
    assert_eq!((differs.len(), differs[0].effect), (1, Effect::Replace));
}

#[tokio::test(start_paused = true)]
async fn a_whole_network_comes_up_and_goes_while_aws_lags_and_throttles() {
    let world = World::new();
    let fates = [
        Fault::on_operation("ec2:CreateSubnet", Fate::Throttle).times(3),
        Fault::on_operation("ec2:CreateRoute", Fate::ServerError500).times(2),
        Fault::on_operation("ec2:AttachInternetGateway", Fate::LoseAnswer),
        Fault::on_operation("ec2:AssociateRouteTable", Fate::LoseAnswer),
        Fault::on_operation("ec2:DeleteSubnet", Fate::LoseAnswer),
        Fault::on_operation("ec2:ReleaseAddress", Fate::LoseAnswer),
        Fault::on_operation("ec2:DetachInternetGateway", Fate::LoseAnswer),
    ];
    let mut faults = Faults::script(fates).with_lag(Duration::from_secs(3));
    faults.fresh_ids_not_found = true;
    world.sandbox.set_faults(faults);
    let desired = Vpc {
        cidr: "10.0.0.0/16".into(),
        dns_hostnames: true,
        dns_support: true,
        default_security_group: DefaultSecurityGroup::Closed,
    };
    let vpc = made(&world, "network/vpc", &desired).await;
    let desired = InternetGateway { vpc: vpc.live.id.clone().into() };
    let igw = made(&world, "network/igw", &desired).await;
    let desired = Subnet {
        vpc: vpc.live.id.clone().into(),
        cidr: "10.0.0.0/20".into(),
        zone: "us-east-1a".into(),
        public_ips: true,
        extra_tags: Tags::new(),
    };
    let subnet = made(&world, "network/subnet/a", &desired).await;
    let eip = made(&world, "network/eip/a", &ElasticIp {}).await;
    let desired =
        NatGateway { subnet: subnet.live.id.clone().into(), eip: eip.live.id.clone().into() };
    let nat = made(&world, "network/nat/a", &desired).await;
    let desired = RouteTable {
        vpc: vpc.live.id.clone().into(),
        routes: BTreeMap::from([
            ("0.0.0.0/0".to_owned(), Target::Gateway(igw.live.id.clone().into())),
            ("192.0.2.0/24".to_owned(), Target::Nat(nat.live.id.clone().into())),
        ]),
        subnets: vec![subnet.live.id.clone().into()],
    };
    let table = made(&world, "network/table", &desired).await;
    assert_eq!(table.live.routes.len(), 2);
    // The association whose answer was lost was recognised, not made again.
    assert_eq!(world.count("ec2:ReplaceRouteTableAssociation"), 0);

    RouteTable::delete(&world.step("network/table"), &table).await.unwrap();
    NatGateway::delete(&world.step("network/nat/a"), &nat).await.unwrap();
    ElasticIp::delete(&world.step("network/eip/a"), &eip).await.unwrap();
    InternetGateway::delete(&world.step("network/igw"), &igw).await.unwrap();
    Subnet::delete(&world.step("network/subnet/a"), &subnet).await.unwrap();
    Vpc::delete(&world.step("network/vpc"), &vpc).await.unwrap();
    world.pass(10).await;
    let ec2 = world.ec2();
    let ours = aws_sdk_ec2::types::Filter::builder()
        .name(format!("tag:{TAG_DEPLOYMENT}"))
        .values("coder-test")
        .build();
    let vpcs = ec2.describe_vpcs().filters(ours.clone()).send().await.unwrap();
    let addresses = ec2.describe_addresses().filters(ours.clone()).send().await.unwrap();
    let gateways = ec2.describe_internet_gateways().filters(ours).send().await.unwrap();
    assert!(vpcs.vpcs().is_empty());
    assert!(addresses.addresses().is_empty());
    assert!(gateways.internet_gateways().is_empty());
}

/// [`World::make`] where reads lag behind: what was set is looked at a moment later.
pub(crate) async fn made<K: Kind>(world: &World, address: &str, desired: &K) -> Found<K> {
    let cx = world.step(address);
    let found = desired.create(&cx).await.unwrap();
    let found = K::settle(&cx, found).await.unwrap();
    let differs = changes(desired, &found.live, &Known::default());
    desired.update(&cx, &found, &differs).await.unwrap();
    world.pass(5).await;
    let found = K::read(&cx, &found).await.unwrap().unwrap();
    assert_eq!(changes(desired, &found.live, &Known::default()), []);
    found
}
