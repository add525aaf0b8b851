//! What is in a cluster beside nodes: add-ons, access entries, pod identity associations.

use super::super::harness::{Before, World};
use super::site::{Site, assert_replaces, differs, effects, role};
use coderctl::aws::eks::access_entry::{AccessEntry, EntryType, Scope};
use coderctl::aws::eks::addon::Addon;
use coderctl::aws::eks::cluster::Cluster;
use coderctl::aws::eks::pod_identity_association::PodIdentityAssociation;
use coderctl::kind::{Class, Effect, Found, Kind, Status, Wanted};
use coderctl::name::PhysicalId;
use coderctl::sandbox::{Effect as Fate, Fault, Faults};
use coderctl::value::Id;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

async fn found_of<K: Kind>(world: &World) -> Vec<Found<K>> {
    let before = Before::default().with(&world.list::<Cluster>().await);
    K::list(&world.cx, &[], &before).await.unwrap().ours
}

async fn gone<K: Kind>(world: &World, address: &str, found: &Found<K>) {
    let cx = world.step(address);
    K::delete(&cx, found).await.unwrap();
    assert!(K::read(&cx, found).await.unwrap().is_none());
    K::delete(&cx, found).await.unwrap();
    assert!(found_of::<K>(world).await.is_empty());
}

fn addon(cluster: &Id<Cluster>, name: &str) -> Addon {
    Addon { cluster: cluster.clone().into(), name: name.into(), version: None, configuration: None }
}

#[tokio::test(start_paused = true)]
async fn an_add_on_lives_with_its_configuration() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let cluster = world.make("cluster/cluster", &site.cluster()).await.live.name;
    let lost = Fault::on_operation("eks:CreateAddon", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let open = addon(&cluster, "vpc-cni");
    let found = world.make("cluster/addon/vpc-cni", &open).await;
    assert_eq!(found.id.as_str(), "addon/coder-test/vpc-cni");
    assert_eq!(found.parents, [PhysicalId::new("cluster/coder-test")]);
    assert_eq!(found.live.configuration, json!({}));
    assert_eq!(found_of::<Addon>(&world).await[0].live, found.live);
    // A version that was chosen for it is what is live; one that is asked for is compared.
    let asked = Addon { version: Some(found.live.version.clone()), ..open.clone() };
    assert_eq!(effects(&asked, &found), []);
    let newer = Addon { version: Some("v9.9.9-eksbuild.1".into()), ..open.clone() };
    assert_eq!(effects(&newer, &found), [("version".to_owned(), Effect::InPlace)]);

    let desired =
        Addon { configuration: Some(json!({"enableNetworkPolicy": "true"})), ..open.clone() };
    let found = world.drifted(&desired, &found, &["configuration"]).await;
    // Somebody writes the same in other words.
    let update = eks.update_addon().cluster_name("coder-test").addon_name("vpc-cni");
    let spaced = "{ \"enableNetworkPolicy\":\n\"true\" }";
    update.configuration_values(spaced).send().await.unwrap();
    world.pass(300).await;
    let found = world.drifted(&desired, &found, &[]).await;
    let found = world.drifted(&open, &found, &["configuration"]).await;
    let found = world.retag(&open, &found).await;
    assert_replaces(&addon(&cluster, "coredns"), &found, "name");
    gone(&world, "cluster/addon/vpc-cni", &found).await;
}

#[tokio::test(start_paused = true)]
async fn coredns_waits_for_nodes() {
    let world = World::new();
    let site = Site::new(&world).await;
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let desired = addon(&cluster, "coredns");
    let cx = world.step("cluster/addon/coredns");
    let made = desired.create(&cx).await.unwrap();
    world.pass(120).await;
    let now = Addon::read(&cx, &made).await.unwrap().unwrap();
    let Status::Busy(status) = &now.status else { panic!("{:?} without nodes", now.status) };
    assert!(status.starts_with("DEGRADED: "), "{status}");
    // Nobody brings nodes: the wait ends, and says what EKS says.
    let error = Addon::settle(&cx, made.clone()).await.unwrap_err();
    assert_eq!(error.class, Class::TimedOut);
    assert!(error.message.contains("DEGRADED: "), "{}", error.message);
    let group = site.node_group(&cluster);
    world
        .make(
            "cluster/node-group/control",
            &coderctl::aws::eks::node_group::NodeGroup { taints: Vec::new(), ..group },
        )
        .await;
    let found = Addon::settle(&cx, made).await.unwrap();
    assert_eq!(found.status, Status::Ready);
}

fn policy(name: &str) -> String {
    format!("arn:aws:eks::aws:cluster-access-policy/{name}")
}

#[tokio::test(start_paused = true)]
async fn an_access_entry_lives_with_its_policies() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let principal = role(&world, "admin", "ec2.amazonaws.com", &[]).await;
    world.pass(60).await;
    let lost = Fault::on_operation("eks:CreateAccessEntry", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let desired = AccessEntry {
        cluster: cluster.clone().into(),
        principal: principal.clone().into(),
        entry_type: EntryType::Standard,
        groups: BTreeSet::from(["coder:admins".to_owned()]),
        policies: BTreeMap::from([(policy("AmazonEKSClusterAdminPolicy"), Scope::Cluster)]),
    };
    let found = world.make("cluster/access/admin", &desired).await;
    let parents: Vec<&str> = found.parents.iter().map(PhysicalId::as_str).collect();
    assert_eq!(parents, ["cluster/coder-test", "coder-test-admin"]);

    // EKS makes one for who made the cluster and one for the nodes; they are not ours.
    world.make("cluster/node-group/control", &site.node_group(&cluster)).await;
    let all = eks.list_access_entries().cluster_name("coder-test").send().await.unwrap();
    assert_eq!(all.access_entries().len(), 3);
    let ours = found_of::<AccessEntry>(&world).await;
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].live, found.live);

    let desired = AccessEntry { groups: BTreeSet::new(), ..desired };
    let found = world.drifted(&desired, &found, &["groups"]).await;
    let admin = policy("AmazonEKSClusterAdminPolicy");
    let view = policy("AmazonEKSViewPolicy");
    let within = Scope::Namespaces(BTreeSet::from(["coder".to_owned()]));
    let policies = BTreeMap::from([(view.clone(), within)]);
    let desired = AccessEntry { policies, ..desired };
    let fields = [format!("policies.{view}"), format!("policies.{admin}")];
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let found = world.drifted(&desired, &found, &fields).await;
    let wider = BTreeMap::from([(view, Scope::Cluster)]);
    let desired = AccessEntry { policies: wider, ..desired };
    let found = world.drifted(&desired, &found, &fields[..1]).await;
    let found = world.retag(&desired, &found).await;

    let other = AccessEntry { principal: site.node_role.clone().into(), ..desired.clone() };
    assert_replaces(&other, &found, "principal");
    let other = AccessEntry { entry_type: EntryType::Ec2Linux, ..desired.clone() };
    assert_replaces(&other, &found, "entry_type");

    let untag = eks.untag_resource().resource_arn(&found.live.arn);
    untag.tag_keys("coderctl:deployment").send().await.unwrap();
    let address = world.address("cluster/access/admin");
    let wanted = [Wanted { address: &address, desired: &desired }];
    let before = Before::default().with(&world.list::<Cluster>().await);
    let listed = AccessEntry::list(&world.cx, &wanted, &before).await.unwrap();
    assert_eq!((listed.ours.len(), listed.clashes.len()), (0, 1));
    let error = desired.create(&world.step("cluster/access/admin")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    gone(&world, "cluster/access/admin", &found).await;
}

#[tokio::test(start_paused = true)]
async fn an_access_entry_waits_for_a_fresh_role_and_goes_with_it() {
    let world = World::new();
    let site = Site::new(&world).await;
    let cluster = world.make("cluster/cluster", &site.cluster()).await.live.name;
    let principal = role(&world, "fresh", "ec2.amazonaws.com", &[]).await;
    let desired = AccessEntry {
        cluster: cluster.into(),
        principal: principal.into(),
        entry_type: EntryType::Standard,
        groups: BTreeSet::new(),
        policies: BTreeMap::new(),
    };
    let found = world.make("cluster/access/fresh", &desired).await;
    // Its role has vanished and is made anew: an entry that names the old one lets in nobody.
    let mut graph = coderctl::graph::Graph::default();
    let anew = graph.add(
        &world.cx.region,
        world.address("identity/role/fresh"),
        "roles.fresh",
        super::super::kinds_identity::role(),
    );
    let desired = AccessEntry { principal: anew.arn(), ..desired };
    assert_replaces(&desired, &found, "principal");
}

#[tokio::test(start_paused = true)]
async fn a_pod_identity_association_lives_and_changes_its_role() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let cluster = world.make("cluster/cluster", &site.cluster()).await.live.name;
    let first = role(&world, "ebs", "pods.eks.amazonaws.com", &[]).await;
    let lost = Fault::on_operation("eks:CreatePodIdentityAssociation", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let desired = PodIdentityAssociation {
        cluster: cluster.into(),
        namespace: "kube-system".into(),
        service_account: "ebs-csi-controller-sa".into(),
        role: first.into(),
    };
    let found = world.make("cluster/pod-identity/ebs", &desired).await;
    assert!(found.id.as_str().starts_with("podidentityassociation/coder-test/a-"));
    let again = desired.create(&world.step("cluster/pod-identity/ebs")).await.unwrap();
    assert_eq!(again.id, found.id);
    assert_eq!(found_of::<PodIdentityAssociation>(&world).await[0].live, found.live);
    let parents: Vec<&str> = found.parents.iter().map(PhysicalId::as_str).collect();
    assert_eq!(parents, ["cluster/coder-test", "coder-test-ebs"]);

    let second = role(&world, "second", "pods.eks.amazonaws.com", &[]).await;
    let desired = PodIdentityAssociation { role: second.into(), ..desired };
    let found = world.drifted(&desired, &found, &["role"]).await;
    let found = world.retag(&desired, &found).await;
    let other = PodIdentityAssociation { namespace: "other".into(), ..desired.clone() };
    assert_replaces(&other, &found, "namespace");
    let other = PodIdentityAssociation { service_account: "other".into(), ..desired.clone() };
    assert_replaces(&other, &found, "service_account");

    let untag = eks.untag_resource().resource_arn(&found.live.arn);
    untag.tag_keys("coderctl:deployment").send().await.unwrap();
    let address = world.address("cluster/pod-identity/ebs");
    let wanted = [Wanted { address: &address, desired: &desired }];
    let before = Before::default().with(&world.list::<Cluster>().await);
    let listed = PodIdentityAssociation::list(&world.cx, &wanted, &before).await.unwrap();
    assert_eq!((listed.ours.len(), listed.clashes.len()), (0, 1));
    let error = desired.create(&world.step("cluster/pod-identity/ebs")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    let owner = world.owner("cluster/pod-identity/ebs");
    let adopted = PodIdentityAssociation::find_foreign(&world.cx, &found.id, &owner).await;
    assert_eq!(differs(&desired, &adopted.unwrap().unwrap()), []);
    gone(&world, "cluster/pod-identity/ebs", &found).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_in_a_cluster_that_is_being_made_or_is_gone() {
    let world = World::new();
    let site = Site::new(&world).await;
    let cx = world.step("cluster/cluster");
    let made = site.cluster().create(&cx).await.unwrap();
    let lists = || world.count("eks:ListAddons") + world.count("eks:ListAccessEntries");
    assert!(found_of::<Addon>(&world).await.is_empty());
    assert!(found_of::<AccessEntry>(&world).await.is_empty());
    assert_eq!(lists(), 0, "it is not asked at all");
    let made = Cluster::settle(&cx, made).await.unwrap();
    let before = Before::default().with(&world.list::<Cluster>().await);
    Cluster::delete(&cx, &made).await.unwrap();
    // Gone between the two waves.
    assert!(Addon::list(&world.cx, &[], &before).await.unwrap().ours.is_empty());
    assert!(AccessEntry::list(&world.cx, &[], &before).await.unwrap().ours.is_empty());
    let listed = PodIdentityAssociation::list(&world.cx, &[], &before).await.unwrap();
    assert!(listed.ours.is_empty());
    assert_eq!(lists(), 2);
}
