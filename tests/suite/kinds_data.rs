//! Secrets, databases, load balancers, certificates and records, each through its whole life:
//! made, unchanged, changed in each field, unchanged again, gone.
//!
//! Each life takes the world that it is lived in, so that another implementation of AWS can
//! witness it too.

use super::harness::{Before, Known, World};
use coderctl::aws::acm::certificate::{Certificate, KeyKind};
use coderctl::aws::elbv2::listener::{Listener, Tls};
use coderctl::aws::elbv2::load_balancer::{LoadBalancer, Scheme};
use coderctl::aws::elbv2::target_group::{HealthCheck, TargetGroup};
use coderctl::aws::rds::cluster::{Backup, Capacity, Cluster, Master};
use coderctl::aws::rds::cluster_parameter_group::ClusterParameterGroup;
use coderctl::aws::rds::instance::{Instance, SERVERLESS};
use coderctl::aws::rds::subnet_group::SubnetGroup;
use coderctl::aws::route53::record::{Record, RecordType, Target};
use coderctl::aws::secretsmanager::secret::{Charset, Content, Fields, ManagedSecret};
use coderctl::kind::{Class, Effect, Found, Kind, Status, Wanted, changes};
use coderctl::value::{Id, In};
use std::collections::{BTreeMap, BTreeSet};

/// A VPC with subnets and security groups, made behind the kinds' back.
pub(crate) struct Net {
    vpc: String,
    /// Two, with which everything begins.
    subnets: Vec<String>,
    /// A third.
    subnet: String,
    /// What everything begins with.
    group: String,
    /// What it has later.
    other_group: String,
}

impl Net {
    pub(crate) async fn new(world: &World) -> Net {
        let ec2 = world.ec2();
        let made = ec2.create_vpc().cidr_block("10.9.0.0/16").send().await.unwrap();
        let vpc = made.vpc().unwrap().vpc_id().unwrap().to_owned();
        let mut subnets = Vec::new();
        for (zone, cidr) in [
            ("us-east-1a", "10.9.0.0/24"),
            ("us-east-1b", "10.9.1.0/24"),
            ("us-east-1c", "10.9.2.0/24"),
        ] {
            let call = ec2.create_subnet().vpc_id(&vpc).cidr_block(cidr).availability_zone(zone);
            let made = call.send().await.unwrap();
            subnets.push(made.subnet().unwrap().subnet_id().unwrap().to_owned());
        }
        let subnet = subnets.split_off(2).remove(0);
        let mut groups = Vec::new();
        for name in ["data", "other"] {
            let call = ec2.create_security_group().vpc_id(&vpc).group_name(name).description(name);
            groups.push(call.send().await.unwrap().group_id().unwrap().to_owned());
        }
        let [group, other_group] = groups.try_into().unwrap();
        Net { vpc, subnets, subnet, group, other_group }
    }

    fn subnets<K>(&self) -> Vec<In<Id<K>>> {
        self.subnets.iter().map(|id| In::Literal(Id::new(id))).collect()
    }

    /// The two and the third.
    fn three_subnets<K>(&self) -> Vec<In<Id<K>>> {
        self.subnets().into_iter().chain([In::Literal(Id::new(&self.subnet))]).collect()
    }
}

fn ids<K: Kind>(found: &Found<K>) -> BTreeSet<String> {
    found.parents.iter().map(ToString::to_string).collect()
}

fn password() -> ManagedSecret {
    ManagedSecret {
        name: "coder-test/database".to_owned(),
        description: "the database's master user".to_owned(),
        key: None,
        recovery_window_days: 7,
        content: Content::Generated {
            length: 40,
            charset: Charset::Alphanumeric,
            as_json: Some(Fields {
                key: "password".to_owned(),
                beside: BTreeMap::from([("username".to_owned(), "coder".to_owned())]),
            }),
        },
    }
}

/// A secret that is made with a value, changes, goes, and is brought back with the same value.
pub(crate) async fn a_secret(world: &World) {
    let client = aws_sdk_secretsmanager::Client::new(&world.config());
    let desired = password();
    let found = world.make("database/password", &desired).await;
    assert!(found.live.version.is_some());
    let value = || async {
        let answer = client.get_secret_value().secret_id("coder-test/database").send().await;
        answer.unwrap().secret_string().unwrap().to_owned()
    };
    let first = value().await;
    let members: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(members["username"], "coder");
    assert_eq!(members["password"].as_str().unwrap().len(), 40);
    let spoken = format!("{found:?}{desired:?}{:?}", world.said.lock().unwrap());
    assert!(!spoken.contains(members["password"].as_str().unwrap()));

    let desired = ManagedSecret { description: "x".into(), recovery_window_days: 9, ..desired };
    let found = world.drifted(&desired, &found, &["description", "recovery_window_days"]).await;
    let found = world.retag(&desired, &found).await;
    assert_eq!(value().await, first, "a change leaves the value alone");
    assert_eq!(world.only::<ManagedSecret>().await.id, found.id);

    let cx = world.step("database/password");
    ManagedSecret::delete(&cx, &found).await.unwrap();
    let left = ManagedSecret::read(&world.cx, &found).await.unwrap().unwrap();
    assert_eq!(left.status, Status::Leaving);
    ManagedSecret::delete(&cx, &left).await.unwrap();
    let back = world.make("database/password", &desired).await;
    assert_eq!(back.status, Status::Ready);
    assert_eq!(value().await, first, "what is brought back is what it was");

    // Nobody else's secret is taken over, not even one that is on its way out.
    let call = client.create_secret().name("coder-test/other").secret_string("theirs");
    call.send().await.unwrap();
    let other = ManagedSecret { name: "coder-test/other".into(), ..password() };
    let address = world.address("database/other");
    let wanted = [Wanted { address: &address, desired: &other }];
    let listed = ManagedSecret::list(&world.cx, &wanted, &Before::default()).await.unwrap();
    assert_eq!((listed.ours.len(), listed.clashes.len()), (1, 1));
    let refused = other.create(&world.step("database/other")).await.unwrap_err();
    assert_eq!(refused.class, Class::Exists);
    client.delete_secret().secret_id("coder-test/other").send().await.unwrap();
    let refused = other.create(&world.step("database/other")).await.unwrap_err();
    assert_eq!(refused.class, Class::Exists);
    assert!(refused.hint.unwrap().contains("restore-secret"));
}

/// A secret without a value takes none, and is gone at once when nothing is to be brought back.
pub(crate) async fn an_empty_secret(world: &World) {
    let desired = ManagedSecret {
        name: "coder-test/token".into(),
        recovery_window_days: 0,
        content: Content::Empty,
        ..password()
    };
    let found = world.make("coder/token", &desired).await;
    assert_eq!(found.live.version, None);
    let cx = world.step("coder/token");
    ManagedSecret::delete(&cx, &found).await.unwrap();
}

fn parameters(name: &str, family: &str) -> ClusterParameterGroup {
    ClusterParameterGroup {
        name: name.to_owned(),
        family: family.to_owned(),
        description: "coder".to_owned(),
        parameters: BTreeMap::from([
            ("log_connections".to_owned(), "1".to_owned()),
            ("rds.force_ssl".to_owned(), "1".to_owned()),
        ]),
    }
}

/// A cluster with its master password, in its groups.
fn wanted_cluster(
    net: &Net,
    secret: &Found<ManagedSecret>,
    subnets: &Found<SubnetGroup>,
    parameters: &Found<ClusterParameterGroup>,
) -> Cluster {
    Cluster {
        name: "coder-test-database".to_owned(),
        version: Some("16.4".to_owned()),
        capacity: Capacity { min: 0.5, max: 4.0 },
        database: "coder".to_owned(),
        master: Master {
            username: "coder".to_owned(),
            secret: secret.live.arn.clone().into(),
            version: secret.live.version.clone().unwrap().into(),
            key: Some("password".to_owned()),
        },
        subnet_group: subnets.live.name.clone().into(),
        security_groups: vec![In::Literal(Id::new(&net.group))],
        parameter_group: parameters.live.name.clone().into(),
        key: None,
        backup: Backup {
            retention_days: 7,
            window: None,
            final_snapshot: true,
            delete_automated: true,
        },
        maintenance_window: None,
        deletion_protection: true,
        iam_authentication: false,
        log_exports: BTreeSet::from(["postgresql".to_owned()]),
        performance_insights_days: None,
        from_snapshot: None,
    }
}

/// A database: its groups, the cluster, an instance.
pub(crate) async fn a_database(world: &World) {
    let net = Net::new(world).await;
    let secret = world.make("database/password", &password()).await;
    let group = SubnetGroup {
        name: "coder-test-database".to_owned(),
        description: "coder".to_owned(),
        subnets: net.subnets(),
    };
    let subnets = world.make("database/subnet-group", &group).await;
    assert_eq!(ids(&subnets), net.subnets.iter().cloned().collect());
    let group = SubnetGroup { description: "other".into(), ..group };
    let subnets = world.drifted(&group, &subnets, &["description"]).await;
    let group = SubnetGroup { subnets: net.three_subnets(), ..group };
    let subnets = world.drifted(&group, &subnets, &["subnets"]).await;
    assert!(ids(&subnets).contains(&net.subnet));
    let subnets = world.retag(&group, &subnets).await;
    assert_eq!(world.only::<SubnetGroup>().await.id, subnets.id);

    let mut wanted = parameters("coder-test-postgres", "aurora-postgresql16");
    let parameters = world.make("database/parameters", &wanted).await;
    wanted.parameters.remove("log_connections");
    wanted.parameters.insert("rds.force_ssl".to_owned(), "0".to_owned());
    let fields = ["parameters.rds.force_ssl", "parameters.log_connections"];
    world.drifted(&wanted, &parameters, &fields).await;
    assert_eq!(world.only::<ClusterParameterGroup>().await.id, parameters.id);

    let desired = wanted_cluster(&net, &secret, &subnets, &parameters);
    let cluster = world.make("database/cluster", &desired).await;
    assert_eq!(cluster.status, Status::Ready);
    assert!(cluster.live.endpoint.is_some() && cluster.live.port == Some(5432));
    assert_eq!(cluster.live.password_version, secret.live.version);
    assert!(ids(&cluster).is_superset(&BTreeSet::from([
        subnets.id.to_string(),
        parameters.id.to_string(),
        net.group.clone()
    ])));

    let member = Instance {
        name: "coder-test-database-1".to_owned(),
        cluster: cluster.live.name.clone().into(),
        class: SERVERLESS.to_owned(),
        promotion_tier: 1,
        performance_insights: false,
        minor_upgrades: true,
        monitoring: None,
    };
    let instance = world.make("database/instance/1", &member).await;
    assert_eq!(ids(&instance), BTreeSet::from([cluster.id.to_string()]));
    let member = Instance { promotion_tier: 0, ..member };
    let instance = world.drifted(&member, &instance, &["promotion_tier"]).await;
    let instance = world.retag(&member, &instance).await;
    assert_eq!(world.only::<Instance>().await.id, instance.id);

    let desired = Cluster {
        capacity: Capacity { min: 1.0, max: 8.0 },
        backup: Backup { retention_days: 14, final_snapshot: true, ..desired.backup.clone() },
        iam_authentication: true,
        ..desired
    };
    let fields = ["min_capacity", "max_capacity", "backup_retention_days", "iam_authentication"];
    let cluster = world.drifted(&desired, &cluster, &fields).await;
    let cluster = world.retag(&desired, &cluster).await;
    let other = self::parameters("coder-test-other", "aurora-postgresql16");
    let other = world.make("database/other-parameters", &other).await;
    let cluster = a_database_in_other_hands(world, &net, desired, cluster, &other).await;

    world.delete(&instance).await;
    let cx = world.step("database/cluster");
    Cluster::delete(&cx, &cluster).await.unwrap();
    assert!(Cluster::read(&world.cx, &cluster).await.unwrap().is_none());
    let rds = aws_sdk_rds::Client::new(&world.config());
    let snapshots = rds.describe_db_cluster_snapshots().send().await.unwrap();
    let names: Vec<&str> = snapshots
        .db_cluster_snapshots()
        .iter()
        .filter(|one| one.snapshot_type() == Some("manual"))
        .filter_map(|one| one.db_cluster_snapshot_identifier())
        .collect();
    assert_eq!(names.len(), 1, "one last snapshot");
    assert!(names[0].starts_with("coder-test-database-final-"), "{names:?}");
    // Gone already is fine, and takes no second snapshot.
    Cluster::delete(&cx, &cluster).await.unwrap();

    ClusterParameterGroup::delete(&cx, &other).await.unwrap();
    world.delete(&parameters).await;
    world.delete(&subnets).await;
}

/// One change of what is wanted.
type Step<'a> = &'a dyn Fn(&mut Cluster);

/// A cluster that gets other security groups, other parameters, other times and a newer version,
/// each by itself, and is protected as before in the end.
async fn a_database_in_other_hands(
    world: &World,
    net: &Net,
    mut desired: Cluster,
    mut cluster: Found<Cluster>,
    parameters: &Found<ClusterParameterGroup>,
) -> Found<Cluster> {
    let steps: [(&str, Step<'_>); 7] = [
        ("security_groups", &|it| {
            it.security_groups = vec![In::Literal(Id::new(&net.other_group))];
        }),
        ("parameter_group", &|it| it.parameter_group = parameters.live.name.clone().into()),
        ("backup_window", &|it| it.backup.window = Some("03:00-04:00".to_owned())),
        ("maintenance_window", &|it| {
            it.maintenance_window = Some("sun:05:00-sun:06:00".to_owned());
        }),
        ("version", &|it| it.version = Some("16.6".to_owned())),
        ("deletion_protection", &|it| it.deletion_protection = false),
        ("deletion_protection", &|it| it.deletion_protection = true),
    ];
    for (field, change) in steps {
        change(&mut desired);
        cluster = world.drifted(&desired, &cluster, &[field]).await;
    }
    let above = ids(&cluster);
    assert!(above.contains(&net.other_group) && !above.contains(&net.group), "{above:?}");
    assert!(above.contains(parameters.id.as_str()), "{above:?}");
    assert_eq!(cluster.live.version, "16.6");
    cluster
}

/// A certificate with the record that validates it.
pub(crate) async fn a_certificate(world: &World, zone: &str) -> Found<Certificate> {
    let desired = Certificate {
        domain: "coder.example.com".to_owned(),
        alternatives: BTreeSet::from(["*.coder.example.com".to_owned()]),
        key: KeyKind::EcP256,
    };
    let cx = world.step("ingress/certificate");
    let made = desired.create(&cx).await.unwrap();
    assert!(!made.live.validation.is_empty(), "a certificate exists when its records are named");
    let first = made.live.validation[0].clone();
    let record = Record {
        zone: zone.to_owned(),
        name: first.name.clone().into(),
        kind: RecordType::Cname,
        target: Target::Values { ttl: 300, values: vec![first.value.clone().into()] },
        shared: true,
    };
    let validating = world.make("dns/validation", &record).await;
    let found = Certificate::settle(&cx, made).await.unwrap();
    assert_eq!(found.status, Status::Ready);
    let before = Before::default().with(&world.list_wanting("dns/validation", &record).await);
    let listed = Certificate::list(&world.cx, &[], &before).await.unwrap();
    let listed = listed.ours.iter().find(|one| one.id == found.id).unwrap();
    assert!(ids(listed).contains(validating.id.as_str()), "the record goes after it");

    // While a certificate looks for it, the record stays when its owner goes.
    let cx = world.step("dns/validation");
    Record::delete(&cx, &validating).await.unwrap();
    assert!(Record::read(&world.cx, &validating).await.unwrap().is_none());
    let route53 = aws_sdk_route53::Client::new(&world.config());
    let sets = route53.list_resource_record_sets().hosted_zone_id(zone).send().await.unwrap();
    let left = sets.resource_record_sets().iter();
    assert!(left.clone().any(|set| set.name().trim_end_matches('.') == first.name));
    assert!(!left.clone().any(|set| set.name().starts_with("coderctl-owner")));
    // And is joined again by whoever says the same.
    let joined = world.make("dns/validation", &record).await;
    Record::delete(&cx, &joined).await.unwrap();
    world.retag(&desired, &found).await
}

/// The zone of `example.com`; made behind the kinds' back where the account has none.
pub(crate) async fn zone(world: &World) -> String {
    let route53 = aws_sdk_route53::Client::new(&world.config());
    let there = route53.list_hosted_zones_by_name().dns_name("example.com").send().await.unwrap();
    if let Some(zone) = there.hosted_zones().first() {
        return zone.id().rsplit('/').next().unwrap().to_owned();
    }
    let call = route53.create_hosted_zone().name("example.com").caller_reference("tests");
    let made = call.send().await.unwrap();
    made.hosted_zone().unwrap().id().rsplit('/').next().unwrap().to_owned()
}

/// Records, with somebody else's beside them.
pub(crate) async fn records(world: &World) {
    let zone = zone(world).await;
    let record = |name: &str, values: &[&str]| Record {
        zone: zone.clone(),
        name: name.to_owned().into(),
        kind: RecordType::A,
        target: Target::Values {
            ttl: 60,
            values: values.iter().map(|value| (*value).to_owned().into()).collect(),
        },
        shared: false,
    };
    let desired = record("*.Coder.example.com", &["192.0.2.1"]);
    let found = world.make("dns/wildcard", &desired).await;
    assert_eq!(found.id.as_str(), format!("{zone}/*.coder.example.com/A"));
    let desired = record("*.coder.example.com", &["192.0.2.1", "192.0.2.2"]);
    let found = world.drifted(&desired, &found, &["values"]).await;
    let listed = world.list_wanting("dns/wildcard", &desired).await;
    assert_eq!((listed.ours.len(), listed.clashes.len()), (1, 0));
    assert_eq!(listed.ours[0].owner, found.owner);

    // A second create of the same step finds what the first has made.
    let again = desired.create(&world.step("dns/wildcard")).await.unwrap();
    assert_eq!(again.id, found.id);
    // Another address of ours may not have it, and somebody else's record is left alone.
    let refused = desired.create(&world.step("dns/other")).await.unwrap_err();
    assert_eq!(refused.class, Class::Exists);
    let theirs = record("theirs.example.com", &["192.0.2.9"]);
    foreign(world, &zone, "theirs.example.com").await;
    let listed = world.list_wanting("dns/theirs", &theirs).await;
    assert_eq!(listed.clashes.len(), 1);
    let refused = theirs.create(&world.step("dns/theirs")).await.unwrap_err();
    assert_eq!(refused.class, Class::Exists);

    // It is remembered for longer, says what another record says, then what a third does, and is
    // itself again in the end.
    foreign(world, &zone, "others.example.com").await;
    let mut longer = desired.clone();
    let Target::Values { ttl, .. } = &mut longer.target else { panic!("{longer:?}") };
    *ttl = 300;
    let found = world.drifted(&longer, &found, &["ttl"]).await;
    let alias = |name: &str, evaluate_health| Record {
        target: Target::Alias {
            name: name.to_owned().into(),
            zone: zone.clone().into(),
            evaluate_health,
        },
        ..desired.clone()
    };
    let fields = ["alias", "alias_zone"];
    let found = world.drifted(&alias("theirs.example.com", false), &found, &fields).await;
    let found = world.drifted(&alias("others.example.com", false), &found, &fields[..1]).await;
    let evaluated = alias("others.example.com", true);
    let found = world.drifted(&evaluated, &found, &["evaluate_health"]).await;
    let found = world.drifted(&desired, &found, &["ttl", "values", "alias"]).await;

    let cx = world.step("dns/wildcard");
    Record::delete(&cx, &found).await.unwrap();
    assert!(Record::read(&world.cx, &found).await.unwrap().is_none());
    Record::delete(&cx, &found).await.unwrap();
    let route53 = aws_sdk_route53::Client::new(&world.config());
    let sets = route53.list_resource_record_sets().hosted_zone_id(&zone).send().await.unwrap();
    let left: Vec<&str> = sets
        .resource_record_sets()
        .iter()
        .filter(|set| !matches!(set.r#type().as_str(), "NS" | "SOA"))
        .map(|set| set.name().trim_end_matches('.'))
        .collect();
    assert_eq!(left, ["others.example.com", "theirs.example.com"]);
}

async fn foreign(world: &World, zone: &str, name: &str) {
    use aws_sdk_route53::types::{Change, ChangeAction, ChangeBatch, ResourceRecord};
    use aws_sdk_route53::types::{ResourceRecordSet, RrType};
    let value = ResourceRecord::builder().value("192.0.2.7").build().unwrap();
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::A).ttl(60);
    let set = set.resource_records(value).build().unwrap();
    let change = Change::builder().action(ChangeAction::Create).resource_record_set(set);
    let batch = ChangeBatch::builder().changes(change.build().unwrap()).build().unwrap();
    let route53 = aws_sdk_route53::Client::new(&world.config());
    let call = route53.change_resource_record_sets().hosted_zone_id(zone).change_batch(batch);
    call.send().await.unwrap();
}

/// A load balancer with its listener and target group, in front of a certificate.
pub(crate) async fn a_load_balancer(world: &World) {
    let net = Net::new(world).await;
    let zone = zone(world).await;
    // A second one of the same names is proved by the same record.
    let rsa = Certificate {
        domain: "coder.example.com".to_owned(),
        alternatives: BTreeSet::from(["*.coder.example.com".to_owned()]),
        key: KeyKind::Rsa2048,
    };
    let rsa_cx = world.step("ingress/other-certificate");
    let rsa = rsa.create(&rsa_cx).await.unwrap();
    let certificate = a_certificate(world, &zone).await;
    let rsa = Certificate::settle(&rsa_cx, rsa).await.unwrap();
    let desired = LoadBalancer {
        name: "coder-test".to_owned(),
        scheme: Scheme::Internal,
        subnets: net.subnets(),
        security_groups: vec![In::Literal(Id::new(&net.group))],
        cross_zone: true,
        deletion_protection: true,
    };
    let balancer = world.make("ingress/load-balancer", &desired).await;
    assert!(ids(&balancer).is_superset(&net.subnets.iter().cloned().collect()));
    let desired = LoadBalancer { cross_zone: false, ..desired };
    let balancer = world.drifted(&desired, &balancer, &["cross_zone"]).await;
    let desired = LoadBalancer { subnets: net.three_subnets(), ..desired };
    let balancer = world.drifted(&desired, &balancer, &["subnets"]).await;
    let security_groups = vec![In::Literal(Id::new(&net.other_group))];
    let desired = LoadBalancer { security_groups, ..desired };
    let balancer = world.drifted(&desired, &balancer, &["security_groups"]).await;
    let above = [net.subnets.clone(), vec![net.subnet.clone(), net.other_group.clone()]].concat();
    assert_eq!(ids(&balancer), above.into_iter().collect());
    let bare = LoadBalancer { deletion_protection: false, ..desired.clone() };
    let balancer = world.drifted(&bare, &balancer, &["deletion_protection"]).await;
    let balancer = world.drifted(&desired, &balancer, &["deletion_protection"]).await;
    let balancer = world.retag(&desired, &balancer).await;
    assert_eq!(world.only::<LoadBalancer>().await.id, balancer.id);

    let group = TargetGroup {
        name: "coder-test".to_owned(),
        vpc: In::Literal(Id::new(&net.vpc)),
        port: 30_080,
        health: HealthCheck {
            path: "/healthz".to_owned(),
            port: Some(30_081),
            interval: 10,
            healthy: 2,
            unhealthy: 2,
        },
        deregistration_delay: 30,
        preserve_client_ip: false,
    };
    let target = world.make("ingress/target-group", &group).await;
    let group = TargetGroup {
        health: HealthCheck { interval: 30, ..group.health.clone() },
        deregistration_delay: 60,
        ..group
    };
    let fields = ["health_check", "deregistration_delay"];
    let target = world.drifted(&group, &target, &fields).await;
    let group = TargetGroup { preserve_client_ip: true, ..group };
    let target = world.drifted(&group, &target, &["preserve_client_ip"]).await;
    let target = world.retag(&group, &target).await;
    assert_eq!(world.only::<TargetGroup>().await.id, target.id);

    let desired = Listener {
        load_balancer: balancer.live.arn.clone().into(),
        port: 443,
        tls: Some(Tls {
            certificate: certificate.live.arn.clone().into(),
            policy: "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned(),
        }),
        target_group: target.live.arn.clone().into(),
    };
    let listener = world.make("ingress/listener", &desired).await;
    let above = [balancer.id.to_string(), target.id.to_string(), certificate.id.to_string()];
    assert_eq!(ids(&listener), BTreeSet::from(above));
    let again = desired.create(&world.step("ingress/listener")).await.unwrap();
    assert_eq!(again.id, listener.id, "the second create finds the first");
    let desired = Listener { port: 8443, ..desired };
    let listener = world.drifted(&desired, &listener, &["port"]).await;
    // A target group's port is fixed: another group takes its place, and the listener moves over.
    let other = TargetGroup { name: "coder-test-other".to_owned(), port: 30_090, ..group };
    let differs = changes(&other, &target.live, &Known::default());
    let replaces = differs.iter().filter(|change| change.effect == Effect::Replace);
    let replaces: Vec<&str> = replaces.map(|change| change.field.as_str()).collect();
    assert_eq!(replaces, ["name", "port"]);
    let other = world.make("ingress/other-target-group", &other).await;
    let target_group = other.live.arn.clone().into();
    let desired = Listener { target_group, ..desired };
    let listener = world.drifted(&desired, &listener, &["target_group"]).await;
    TargetGroup::delete(&world.step("ingress/target-group"), &target).await.unwrap();
    let tls = desired.tls.clone().unwrap();
    let tls = Some(Tls { certificate: rsa.live.arn.clone().into(), ..tls });
    let desired = Listener { tls, ..desired };
    let listener = world.drifted(&desired, &listener, &["certificate"]).await;
    let listener = world.retag(&desired, &listener).await;
    let above = [balancer.id.to_string(), other.id.to_string(), rsa.id.to_string()];
    assert_eq!(ids(&listener), BTreeSet::from(above));
    let before = Before::default().with(&world.list::<LoadBalancer>().await);
    let listed = Listener::list(&world.cx, &[], &before).await.unwrap();
    assert_eq!(listed.ours.len(), 1);

    world.delete(&listener).await;
    world.delete(&other).await;
    world.delete(&balancer).await;
    Certificate::delete(&rsa_cx, &rsa).await.unwrap();
    world.delete(&certificate).await;
}

#[tokio::test(start_paused = true)]
async fn secrets_live() {
    let world = World::new();
    a_secret(&world).await;
    an_empty_secret(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_database_lives() {
    a_database(&World::new()).await;
}

#[tokio::test(start_paused = true)]
async fn records_live() {
    records(&World::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_load_balancer_and_its_certificate_live() {
    a_load_balancer(&World::new()).await;
}

/// A snapshot is restored in its own version unless a newer one is wanted; RDS's default, which is
/// what it takes when none is named, is 16.6, and 16.13 when a major version alone is.
#[tokio::test(start_paused = true)]
async fn a_snapshot_is_restored_in_its_own_version_or_a_newer_one() {
    let world = World::new();
    let net = Net::new(&world).await;
    let secret = world.make("database/password", &password()).await;
    let group = SubnetGroup {
        name: "coder-test-database".to_owned(),
        description: "coder".to_owned(),
        subnets: net.subnets(),
    };
    let subnets = world.make("database/subnet-group", &group).await;
    let group = world
        .make("database/parameters", &parameters("coder-test-postgres", "aurora-postgresql16"))
        .await;
    let desired = wanted_cluster(&net, &secret, &subnets, &group);
    let first = Cluster { version: Some("16.9".to_owned()), ..desired.clone() };
    world.make("database/cluster", &first).await;
    let rds = aws_sdk_rds::Client::new(&world.config());
    let take = rds.create_db_cluster_snapshot().db_cluster_identifier(&first.name);
    take.db_cluster_snapshot_identifier("taken").send().await.unwrap();
    world.cx.clock.sleep(std::time::Duration::from_secs(600)).await;
    let wanted = [("older", Some("16.4")), ("major", Some("16")), ("none", None)];
    let wanted = wanted.map(|(name, version)| (name, version, "16.9"));
    for (name, version, restored) in wanted.into_iter().chain([("newer", Some("16.13"), "16.13")]) {
        let back = Cluster {
            name: format!("coder-test-{name}"),
            version: version.map(str::to_owned),
            from_snapshot: Some("taken".to_owned()),
            ..desired.clone()
        };
        let made = back.create(&world.step(&format!("database/{name}"))).await.unwrap();
        assert_eq!(made.live.version, restored, "{name}");
    }
    let missing = Cluster {
        name: "coder-test-missing".to_owned(),
        from_snapshot: Some("missing".to_owned()),
        ..desired
    };
    let refused = missing.create(&world.step("database/missing")).await.unwrap_err();
    assert!(refused.is_code("DBClusterSnapshotNotFoundFault"), "{refused}");
}
