//! Managed node groups.

use super::super::harness::{Before, World};
use super::site::{Site, assert_replaces, data, differs, effects};
use coderctl::aws::ec2::launch_template::{Data, LaunchTemplate, RootVolume};
use coderctl::aws::eks::cluster::Cluster;
use coderctl::aws::eks::node_group::{
    CapacityType, MaxUnavailable, NodeGroup, Taint, TaintEffect, Template,
};
use coderctl::kind::{Change, Class, Cx, Effect, Found, Kind, Status, StepCx, Tags, Wanted};
use coderctl::name::PhysicalId;
use coderctl::sandbox::{Effect as Fate, Fault, Faults};
use coderctl::value::{Id, In};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What earlier waves find.
async fn before(world: &World) -> Before {
    Before::default()
        .with(&world.list::<Cluster>().await)
        .with(&world.list::<LaunchTemplate>().await)
}

async fn found_of(world: &World) -> Vec<Found<NodeGroup>> {
    NodeGroup::list(&world.cx, &[], &before(world).await).await.unwrap().ours
}

#[tokio::test(start_paused = true)]
async fn a_node_group_lives_and_changes() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let desired = site.node_group(&cluster);
    let lost = Fault::on_operation("eks:CreateNodegroup", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let found = world.make("cluster/node-group/control", &desired).await;
    assert_eq!(found.id.as_str(), "nodegroup/coder-test/control");
    assert_eq!(found.live.desired, 2);
    assert!(found.live.auto_scaling_group.is_some());
    for parent in ["cluster/coder-test", "coder-test-node", "addon/coder-test/vpc-cni"] {
        assert!(found.parents.contains(&PhysicalId::new(parent)), "{parent}");
    }
    for subnet in &site.subnets {
        assert!(found.parents.contains(&PhysicalId::new(subnet.as_str())));
    }
    let ours = found_of(&world).await;
    assert_eq!(ours.len(), 1);
    assert_eq!(ours[0].live, found.live);

    // Somebody scales: the number is not ours, and stays within what is ours.
    let scaling = aws_sdk_eks::types::NodegroupScalingConfig::builder().desired_size(4).build();
    let update = eks.update_nodegroup_config().cluster_name("coder-test").nodegroup_name("control");
    update.scaling_config(scaling).send().await.unwrap();
    world.pass(300).await;
    let found = world.drifted(&desired, &found, &[]).await;
    assert_eq!(found.live.desired, 4);
    let desired = NodeGroup { min: 1, max: 3, ..desired };
    let found = world.drifted(&desired, &found, &["min", "max"]).await;
    assert_eq!(found.live.desired, 3);
    let desired = NodeGroup { min: 5, max: 6, ..desired };
    let found = world.drifted(&desired, &found, &["min", "max"]).await;
    assert_eq!(found.live.desired, 5);

    let labels = [("coder.com/node-type", "server"), ("more", "yes")];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let desired = NodeGroup { labels: BTreeMap::from(labels), ..desired };
    let fields = ["labels.coder.com/node-type", "labels.more"];
    let found = world.drifted(&desired, &found, &fields).await;
    let desired = NodeGroup { labels: BTreeMap::new(), ..desired };
    let found = world.drifted(&desired, &found, &fields).await;
    let taint =
        |value: &str, effect| Taint { key: "coder-control".into(), value: value.into(), effect };
    let taints = vec![taint("yes", TaintEffect::NoSchedule), taint("", TaintEffect::NoExecute)];
    let desired = NodeGroup { taints, ..desired };
    let fields = ["taints.coder-control:NoExecute", "taints.coder-control:NoSchedule"];
    let found = world.drifted(&desired, &found, &fields).await;
    let desired = NodeGroup { taints: Vec::new(), ..desired };
    let found = world.drifted(&desired, &found, &fields).await;
    let desired = NodeGroup { max_unavailable: MaxUnavailable::Percentage(33), ..desired };
    let found = world.drifted(&desired, &found, &["max_unavailable"]).await;
    let found = world.retag(&desired, &found).await;

    for (other, field) in [
        (NodeGroup { name: "other".into(), ..desired.clone() }, "name"),
        (NodeGroup { role: site.cluster_role.clone().into(), ..desired.clone() }, "role"),
        (NodeGroup { subnets: site.subnets()[..1].to_vec(), ..desired.clone() }, "subnets"),
        (
            NodeGroup { instance_types: vec!["m5.xlarge".into()], ..desired.clone() },
            "instance_types",
        ),
        (NodeGroup { capacity: CapacityType::Spot, ..desired.clone() }, "capacity"),
        (NodeGroup { ami_type: "AL2023_ARM_64_STANDARD".into(), ..desired.clone() }, "ami_type"),
    ] {
        assert_replaces(&other, &found, field);
    }
    let open = NodeGroup { version: None, ..desired };
    assert_eq!(effects(&open, &found), []);

    let cx = world.step("cluster/node-group/control");
    NodeGroup::delete(&cx, &found).await.unwrap();
    assert!(NodeGroup::read(&cx, &found).await.unwrap().is_none());
    NodeGroup::delete(&cx, &found).await.unwrap();
    assert!(found_of(&world).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nodes_follow_the_content_of_their_template() {
    let world = World::new();
    let site = Site::new(&world).await;
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let template = LaunchTemplate { name: "coder-test-control".into(), data: data() };
    let made = world.make("cluster/launch-template/control", &template).await;
    let of = |found: &Found<LaunchTemplate>, data: &Data| Template {
        id: found.live.id.clone().into(),
        version: found.live.version.into(),
        data: data.clone(),
    };
    let desired = NodeGroup { template: Some(of(&made, &data())), ..site.node_group(&cluster) };
    let found = world.make("cluster/node-group/control", &desired).await;
    assert_eq!(found.live.template, Some((made.live.id.clone(), 1)));
    assert!(found.parents.contains(&made.id));

    // A plan that asks nothing anew reads no version of a template for the node group's sake.
    let seen = before(&world).await;
    let reads = world.count("ec2:DescribeLaunchTemplateVersions");
    let listed = NodeGroup::list(&world.cx, &[], &seen).await.unwrap();
    assert_eq!(listed.ours[0].live, found.live);
    assert_eq!(world.count("ec2:DescribeLaunchTemplateVersions"), reads);

    let volume = RootVolume { size_gib: 100, ..data().root_volume };
    let bigger = Data { root_volume: volume, ..data() };
    let template = LaunchTemplate { data: bigger.clone(), ..template };
    let cx = world.step("cluster/launch-template/control");
    let made = world.mend(&cx, &template, &made).await;
    assert_eq!(made.live.version, 2);
    // Now the group runs another version than the default one.
    let listed = NodeGroup::list(&world.cx, &[], &before(&world).await).await.unwrap();
    assert_eq!(listed.ours[0].live.settings["volume./dev/xvda.size_gib"], "50");
    let desired = NodeGroup { template: Some(of(&made, &bigger)), ..desired };
    let fields = ["template.data.volume./dev/xvda.size_gib"];
    let found = world.drifted(&desired, &found, &fields).await;
    assert_eq!(found.live.template, Some((made.live.id.clone(), 2)));

    // A tag makes a new version of the template, and no new nodes.
    let tagged =
        Data { tags: Tags::from([("owner".to_owned(), "security".to_owned())]), ..bigger.clone() };
    let template = LaunchTemplate { data: tagged.clone(), ..template };
    let made = world.mend(&cx, &template, &made).await;
    assert_eq!(made.live.version, 3);
    let desired = NodeGroup { template: Some(of(&made, &tagged)), ..desired };
    assert_eq!(effects(&desired, &found), []);

    let other = Template { id: In::Literal(Id::new("lt-0123456789abcdef0")), ..of(&made, &tagged) };
    assert_replaces(&NodeGroup { template: Some(other), ..desired.clone() }, &found, "template");
    let cx = world.step("cluster/node-group/control");
    NodeGroup::delete(&cx, &found).await.unwrap();
    LaunchTemplate::delete(&cx, &made).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nodes_are_upgraded_behind_their_control_plane() {
    let world = World::new();
    let site = Site::new(&world).await;
    let made = site.ready_for_nodes(&world).await;
    let desired = site.node_group(&made.live.name);
    let found = world.make("cluster/node-group/control", &desired).await;
    let ahead = Cluster { version: Some("1.35".into()), ..site.cluster() };
    world.drifted(&ahead, &made, &["version"]).await;
    assert_eq!(effects(&desired, &found), [], "nodes stay behind until the spec says otherwise");
    let desired = NodeGroup { version: Some("1.35".into()), ..desired };
    let found = world.drifted(&desired, &found, &["version"]).await;
    assert_eq!(found.live.version, "1.35");
    let back = NodeGroup { version: Some("1.34".into()), ..desired };
    assert_eq!(effects(&back, &found), []);
}

/// A step that makes the second of its address.
fn second(world: &World, address: &str) -> Cx {
    world.cx.in_step(StepCx {
        address: world.address(address),
        generation: 2,
        token: "second-token".into(),
        progress: Arc::new(|_: &str| {}),
    })
}

#[tokio::test(start_paused = true)]
async fn the_new_one_of_a_replace_stands_beside_the_old_one() {
    let world = World::new();
    let site = Site::new(&world).await;
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let old = site.node_group(&cluster);
    world.make("cluster/node-group/control", &old).await;
    let new = NodeGroup { instance_types: vec!["m5.xlarge".into()], ..old.clone() };
    let cx = second(&world, "cluster/node-group/control");
    let made = new.create(&cx).await.unwrap();
    let made = NodeGroup::settle(&cx, made).await.unwrap();
    assert_eq!(made.id.as_str(), "nodegroup/coder-test/control-2");
    assert_eq!(differs(&new, &made), []);
    let ours = found_of(&world).await;
    let mut generations: Vec<u32> = ours.iter().map(|found| found.owner.generation).collect();
    generations.sort_unstable();
    assert_eq!(generations, [1, 2]);
    // Named by its own spec, a number at the end of a name is no generation.
    let numbered = NodeGroup { name: "control-3".into(), ..old };
    let found = world.make("cluster/node-group/control-3", &numbered).await;
    assert_eq!(found.live.base_name, "control-3");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_deletes_is_made_again_under_its_name() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let desired = site.node_group(&cluster);
    let found = world.make("cluster/node-group/control", &desired).await;
    let delete = eks.delete_nodegroup().cluster_name("coder-test").nodegroup_name("control");
    delete.send().await.unwrap();
    let leaving = NodeGroup::read(&world.cx, &found).await.unwrap().unwrap();
    assert_eq!(leaving.status, Status::Leaving);
    let cx = world.step("cluster/node-group/control");
    NodeGroup::delete(&cx, &leaving).await.unwrap();
    world.make("cluster/node-group/control", &desired).await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_node_group_is_a_clash_and_can_be_adopted() {
    let world = World::new();
    let site = Site::new(&world).await;
    let eks = aws_sdk_eks::Client::new(&world.config());
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let desired = site.node_group(&cluster);
    let found = world.make("cluster/node-group/control", &desired).await;
    let untag = eks.untag_resource().resource_arn(&found.live.arn);
    untag.tag_keys("coderctl:deployment").send().await.unwrap();
    let address = world.address("cluster/node-group/control");
    let wanted = [Wanted { address: &address, desired: &desired }];
    let listed = NodeGroup::list(&world.cx, &wanted, &before(&world).await).await.unwrap();
    assert_eq!((listed.ours.len(), listed.clashes.len()), (0, 1));
    assert_eq!(listed.clashes[0].id, found.id);
    let error = desired.create(&world.step("cluster/node-group/control")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    let owner = world.owner("cluster/node-group/control");
    for id in ["nodegroup/coder-test/control", "coder-test/control"] {
        let id = PhysicalId::new(id);
        let adopted = NodeGroup::find_foreign(&world.cx, &id, &owner).await.unwrap().unwrap();
        assert_eq!(adopted.live, found.live);
    }
    let error = NodeGroup::find_foreign(&world.cx, &PhysicalId::new("control"), &owner).await;
    assert_eq!(error.unwrap_err().class, Class::Local);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_alone_as_drift_is_not_sent_either() {
    let world = World::new();
    let site = Site::new(&world).await;
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let desired = site.node_group(&cluster);
    let found = world.make("cluster/node-group/control", &desired).await;
    let both = NodeGroup { min: 1, max: 9, ..desired };
    let max: Vec<Change> =
        differs(&both, &found).into_iter().filter(|change| change.field == "max").collect();
    assert_eq!(max.len(), 1);
    assert_eq!(max[0].effect, Effect::InPlace);
    both.update(&world.step("cluster/node-group/control"), &found, &max).await.unwrap();
    let now = NodeGroup::read(&world.cx, &found).await.unwrap().unwrap();
    assert_eq!((now.live.min, now.live.max), (2, 9));
}

#[tokio::test(start_paused = true)]
async fn nodes_that_never_join_say_so_and_are_made_again() {
    let world = World::new();
    let site = Site::new(&world).await;
    // Nothing gives pods addresses.
    let cluster = world.make("cluster/cluster", &site.cluster()).await.live.name;
    let desired = site.node_group(&cluster);
    let cx = world.step("cluster/node-group/control");
    let made = desired.create(&cx).await.unwrap();
    let error = NodeGroup::settle(&cx, made.clone()).await.unwrap_err();
    assert_eq!(error.class, Class::Failed);
    assert!(error.message.contains("NodeCreationFailure: "), "{}", error.message);
    let now = NodeGroup::read(&cx, &made).await.unwrap().unwrap();
    assert!(matches!(&now.status, Status::Failed(why) if why.starts_with("CREATE_FAILED: ")));
    NodeGroup::delete(&cx, &now).await.unwrap();
}
