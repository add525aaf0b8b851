//! The control plane.

use super::super::harness::{Before, World};
use super::super::kinds_identity::key_for_logs;
use super::site::{Site, assert_replaces, differs, effects};
use coderctl::aws::ec2::security_group::SecurityGroup;
use coderctl::aws::eks::access_entry::AccessEntry;
use coderctl::aws::eks::cluster::{
    AuthenticationMode, Cluster, Endpoint, LogType, Phase, SupportType, log_group,
};
use coderctl::aws::kms::key::Key;
use coderctl::aws::logs::log_group::LogGroup;
use coderctl::kind::{Cause, Change, Class, Effect, Kind, Listed, Status, Wanted};
use coderctl::name::PhysicalId;
use coderctl::sandbox::{Effect as Fate, Fault, Faults};
use coderctl::value::In;
use std::collections::BTreeSet;

#[tokio::test(start_paused = true)]
async fn a_cluster_lives_and_changes_one_thing_after_the_other() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let desired = site.cluster();
    let began = world.now();
    let cx = world.step("cluster/cluster");
    let made = desired.create(&cx).await.unwrap();
    assert_eq!(made.status, Status::Busy("CREATING".into()));
    assert_eq!(made.live.phase, Phase::Creating);
    assert_eq!(made.live.access, None, "a cluster that is being made has no endpoint");
    let found = Cluster::settle(&cx, made).await.unwrap();
    assert!(world.now() - began > 400, "a control plane takes minutes");
    let found = world.mend(&cx, &desired, &found).await;
    assert_eq!(found.id.as_str(), "cluster/coder-test");
    let access = found.live.access.clone().unwrap();
    assert_eq!(access.cluster, "coder-test");
    assert!(access.endpoint.starts_with("https://"));
    assert!(!access.certificate_authority.is_empty());
    assert!(found.live.cluster_security_group.is_some());
    let parents: BTreeSet<&str> = found.parents.iter().map(PhysicalId::as_str).collect();
    let logs = log_group("coder-test");
    let mut expected = BTreeSet::from(["coder-test-cluster", site.vpc.as_str(), logs.as_str()]);
    expected.extend(site.subnets.iter().map(|id| id.as_str()));
    assert_eq!(parents, expected);
    assert_eq!(world.only::<Cluster>().await.live, found.live);

    // Nobody but who made it and who has an access entry may use it, and nothing runs in it.
    let entries = eks.list_access_entries().cluster_name("coder-test").send().await.unwrap();
    assert_eq!(entries.access_entries(), ["arn:aws:iam::123456789012:user/sandbox"]);
    let addons = eks.list_addons().cluster_name("coder-test").send().await.unwrap();
    assert_eq!(addons.addons(), [""; 0]);

    let group = SecurityGroup {
        vpc: site.vpc.clone().into(),
        name: "coder-test-cluster".into(),
        description: "the control plane".into(),
    };
    let group = world.make("network/sg/cluster", &group).await.live.id;
    let desired = Cluster { security_groups: vec![group.into()], ..desired };
    let found = world.drifted(&desired, &found, &["security_groups"]).await;
    let endpoint = Endpoint {
        private: true,
        public: true,
        public_cidrs: BTreeSet::from(["198.51.100.0/24".to_owned()]),
    };
    let desired = Cluster { endpoint, ..desired };
    let found = world.drifted(&desired, &found, &["endpoint.public_cidrs"]).await;
    let endpoint = Endpoint { public: false, ..desired.endpoint.clone() };
    let private = Cluster { endpoint, ..desired.clone() };
    let found = world.drifted(&private, &found, &["endpoint.public"]).await;
    let found = world.drifted(&desired, &found, &["endpoint.public"]).await;
    let desired = Cluster { log_types: LogType::ALL.into_iter().collect(), ..desired };
    let found = world.drifted(&desired, &found, &["log_types"]).await;
    let desired = Cluster { log_types: BTreeSet::new(), ..desired };
    let found = world.drifted(&desired, &found, &["log_types"]).await;
    let extended = Cluster { support: SupportType::Extended, ..desired.clone() };
    let found = world.drifted(&extended, &found, &["support"]).await;
    let found = world.drifted(&desired, &found, &["support"]).await;
    let found = world.retag(&desired, &found).await;

    let other = Cluster { name: "other".into(), ..desired.clone() };
    assert_replaces(&other, &found, "name");
    let other = Cluster { role: site.node_role.clone().into(), ..desired.clone() };
    assert_replaces(&other, &found, "role");
    let other = Cluster { service_cidr: Some("172.21.0.0/16".into()), ..desired.clone() };
    assert_replaces(&other, &found, "service_cidr");
    // What is left open is what is live, and access entries do not go back to a config map.
    let open = Cluster { version: None, service_cidr: None, ..desired.clone() };
    assert_eq!(effects(&open, &found), []);
    let both = Cluster { authentication: AuthenticationMode::ApiAndConfigMap, ..desired };
    assert_eq!(effects(&both, &found), []);

    world.delete(&found).await;
    world.assert_actions_of(&[
        Cluster::NATURE,
        SecurityGroup::NATURE,
        coderctl::aws::ec2::vpc::Vpc::NATURE,
        coderctl::aws::ec2::subnet::Subnet::NATURE,
        coderctl::aws::ec2::internet_gateway::InternetGateway::NATURE,
        coderctl::aws::ec2::route_table::RouteTable::NATURE,
        coderctl::aws::iam::role::Role::NATURE,
    ]);
}

#[tokio::test(start_paused = true)]
async fn versions_go_up_one_at_a_time_and_never_down() {
    let world = World::new();
    let site = Site::new(&world).await;
    let desired = Cluster { version: Some("1.33".into()), ..site.cluster() };
    let found = world.make("cluster/cluster", &desired).await;
    let two_ahead = Cluster { version: Some("1.35".into()), ..desired.clone() };
    let found = world.drifted(&two_ahead, &found, &["version"]).await;
    assert_eq!(found.live.version, "1.35");
    assert_eq!(world.count("eks:UpdateClusterVersion"), 2);
    // EKS has upgraded what the spec left behind: that is no drift.
    assert_eq!(effects(&desired, &found), []);
}

#[tokio::test(start_paused = true)]
async fn secrets_are_encrypted_once_and_for_all() {
    let world = World::new();
    let site = Site::new(&world).await;
    let key = world.make("security/key/eks", &key_for_logs()).await;
    let plain = site.cluster();
    let found = world.make("cluster/cluster", &plain).await;
    assert_eq!(found.live.secrets_key, None);
    let encrypted =
        Cluster { secrets_key: Some(In::Literal(key.live.arn.clone())), ..plain.clone() };
    let found = world.drifted(&encrypted, &found, &["secrets_key"]).await;
    assert!(found.parents.contains(&key.id));
    assert_eq!(effects(&plain, &found), [], "it can not be taken back, and nobody tries");
    let arn = key.live.arn.replace(key.id.as_str(), "11111111-2222-3333-4444-555555555555");
    let other = Cluster { secrets_key: Some(In::Literal(arn)), ..plain };
    assert_replaces(&other, &found, "secrets_key");
    world.delete(&found).await;
    let listed: Listed<Key> = world.list().await;
    assert_eq!(listed.ours.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_protected_cluster_goes_only_by_its_own_delete() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let desired = Cluster { deletion_protection: true, ..site.cluster() };
    let found = world.make("cluster/cluster", &desired).await;
    eks.delete_cluster().name("coder-test").send().await.unwrap_err();
    const { assert!(Cluster::NATURE.holds_data) };
    world.delete(&found).await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_with_nodes_in_it_names_them() {
    let world = World::new();
    let site = Site::new(&world).await;
    let found = site.ready_for_nodes(&world).await;
    let group = site.node_group(&found.live.name);
    world.make("cluster/node-group/control", &group).await;
    let cx = world.step("cluster/cluster");
    let error = Cluster::delete(&cx, &found).await.unwrap_err();
    assert_eq!(error.class, Class::InUse);
    assert_eq!(error.hint.as_deref(), Some("delete its node groups first: control"));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_one_cluster_and_a_foreign_name_is_a_clash() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let lost = Fault::on_operation("eks:CreateCluster", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let desired = site.cluster();
    let found = world.make("cluster/cluster", &desired).await;
    assert_eq!(world.count("eks:CreateCluster"), 2);
    // Another run that comes back to it under another token finds the name taken, by itself.
    let again = desired.create(&world.step("cluster/cluster")).await.unwrap();
    assert_eq!(again.id, found.id);
    assert_eq!(world.list::<Cluster>().await.ours.len(), 1);

    let arn = found.live.arn.as_str();
    eks.untag_resource().resource_arn(arn).tag_keys("coderctl:deployment").send().await.unwrap();
    let address = world.address("cluster/cluster");
    let wanted = [Wanted { address: &address, desired: &desired }];
    let listed = Cluster::list(&world.cx, &wanted, &Before::default()).await.unwrap();
    assert_eq!((listed.ours.len(), listed.clashes.len()), (0, 1));
    assert_eq!(listed.clashes[0].id, found.id);
    let error = desired.create(&world.step("cluster/cluster")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    let owner = world.owner("cluster/cluster");
    for id in ["cluster/coder-test", "coder-test"] {
        let id = PhysicalId::new(id);
        let adopted = Cluster::find_foreign(&world.cx, &id, &owner).await.unwrap().unwrap();
        assert_eq!(adopted.id, found.id);
        assert_eq!(differs(&desired, &adopted), []);
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_of_somebody_else_is_waited_for() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let found = world.make("cluster/cluster", &site.cluster()).await;
    eks.update_cluster_version().name("coder-test").version("1.35").send().await.unwrap();
    let extended = Cluster { support: SupportType::Extended, ..site.cluster() };
    let cx = world.step("cluster/cluster");
    extended.update(&cx, &found, &differs(&extended, &found)).await.unwrap();
    let now = Cluster::read(&world.cx, &found).await.unwrap().unwrap();
    assert_eq!((now.live.version.as_str(), now.live.support.as_str()), ("1.35", "EXTENDED"));
    let said = world.said.lock().unwrap().clone();
    assert!(
        said.iter().any(|line| line == "waiting for another update in the cluster"),
        "{said:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_whose_network_is_made_anew_is_too() {
    let world = World::new();
    let site = Site::new(&world).await;
    let found = world.make("cluster/cluster", &site.cluster()).await;
    let mut graph = coderctl::graph::Graph::default();
    let vpc = coderctl::aws::ec2::vpc::Vpc {
        cidr: "10.1.0.0/16".into(),
        dns_hostnames: true,
        dns_support: true,
        default_security_group: coderctl::aws::ec2::vpc::DefaultSecurityGroup::Closed,
    };
    let vpc = graph.add(&world.cx.region, world.address("network/vpc"), "network", vpc);
    let desired = Cluster { vpc: vpc.id(), ..site.cluster() };
    assert_replaces(&desired, &found, "vpc");
    assert_eq!(effects(&desired, &found)[0].1, Effect::Replace);
}

#[tokio::test(start_paused = true)]
async fn the_log_group_of_a_cluster_is_found_with_nothing_wanted() {
    let world = World::new();
    let site = Site::new(&world).await;
    let logs = LogGroup {
        name: log_group("coder-test"),
        retention_days: Some(30),
        key: None,
        class: coderctl::aws::logs::log_group::StorageClass::Standard,
    };
    let logs = world.make("cluster/log-group/control-plane", &logs).await;
    let found = world.make("cluster/cluster", &site.cluster()).await;
    assert!(found.parents.contains(&logs.id), "the cluster goes before what it writes to");
    let seen = Before::default().with(&world.list::<Cluster>().await);
    let listed = LogGroup::list(&world.cx, &[], &seen).await.unwrap();
    assert_eq!(listed.ours.len(), 1);
    assert_eq!(listed.ours[0].id, logs.id);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_cluster_leaves_its_config_map_step_by_step() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let network = aws_sdk_eks::types::VpcConfigRequest::builder()
        .set_subnet_ids(Some(site.subnets.iter().map(ToString::to_string).collect()));
    // As the API makes one that is told nothing.
    eks.create_cluster()
        .name("coder-test")
        .role_arn(&site.cluster_role)
        .resources_vpc_config(network.build())
        .send()
        .await
        .unwrap();
    world.pass(1200).await;
    let owner = world.owner("cluster/cluster");
    let id = PhysicalId::new("coder-test");
    let found = Cluster::find_foreign(&world.cx, &id, &owner).await.unwrap().unwrap();
    assert_eq!(found.live.authentication, "CONFIG_MAP");
    let desired = Cluster { version: None, ..site.cluster() };
    let changes = differs(&desired, &found);
    let fields: Vec<&str> = changes.iter().map(|change| change.field.as_str()).collect();
    let expected =
        ["endpoint.private", "endpoint.public_cidrs", "log_types", "authentication", "support"];
    assert_eq!(fields, expected);
    let cx = world.step("cluster/cluster");
    let tags = cx.tags().unwrap().into_iter().map(|(key, value)| Change {
        field: format!("tags.{key}"),
        from: serde_json::Value::Null,
        to: Some(value.into()),
        effect: Effect::InPlace,
        cause: Cause::Spec,
    });
    desired.update(&cx, &found, &tags.collect::<Vec<_>>()).await.unwrap();
    // It is ours now, and has no access entries to list.
    let seen = Before::default().with(&world.list::<Cluster>().await);
    assert!(AccessEntry::list(&world.cx, &[], &seen).await.unwrap().ours.is_empty());
    assert_eq!(world.count("eks:ListAccessEntries"), 0);
    desired.update(&cx, &found, &changes).await.unwrap();
    assert_eq!(world.count("eks:UpdateClusterConfig"), 5, "the mode takes two, the endpoint one");
    let found = Cluster::read(&cx, &found).await.unwrap().unwrap();
    assert_eq!(differs(&desired, &found), []);
}
