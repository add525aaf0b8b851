//! Target groups attached to node groups.

use super::super::harness::{Before, World};
use super::site::{Site, assert_replaces, differs};
use coderctl::aws::autoscaling::attachment::{Attachment, address};
use coderctl::aws::eks::cluster::Cluster;
use coderctl::aws::eks::node_group::NodeGroup;
use coderctl::kind::{Found, Kind, Listed, Ownership, Seen, Status};
use coderctl::name::{Address, PhysicalId};
use coderctl::sandbox::{Effect as Fate, Fault, Faults};
use std::any::Any;

/// What earlier waves found, and target groups of ours: their kind is nobody's business here.
struct WithTargets {
    before: Before,
    targets: Vec<(PhysicalId, Ownership)>,
}

impl Seen for WithTargets {
    fn of(&self, name: &str) -> Vec<(&PhysicalId, &Ownership, &(dyn Any + Send + Sync))> {
        if name != "aws.elbv2.target_group" {
            return self.before.of(name);
        }
        let forgotten: &(dyn Any + Send + Sync) = &();
        self.targets.iter().map(|(arn, owner)| (arn, owner, forgotten)).collect()
    }

    fn ids(&self) -> Vec<&PhysicalId> {
        self.before.ids()
    }
}

/// All that is attached, if these target groups are ours.
async fn attached(world: &World, targets: &[(&str, &str, u32)]) -> Listed<Attachment> {
    let clusters = Before::default().with(&world.list::<Cluster>().await);
    let groups = NodeGroup::list(&world.cx, &[], &clusters).await.unwrap();
    let targets = targets
        .iter()
        .map(|(arn, address, generation)| {
            let owner = Ownership { generation: *generation, ..world.owner(address) };
            (PhysicalId::new(*arn), owner)
        })
        .collect();
    let seen = WithTargets { before: Before::default().with(&groups), targets };
    Attachment::list(&world.cx, &[], &seen).await.unwrap()
}

#[test]
fn its_address_is_that_of_its_ends() {
    let node_group = Address::parse("us-east-1/cluster/node-group/control").unwrap();
    let target = Address::parse("us-east-1/ingress/target-group/https").unwrap();
    let both = address(&node_group, &target);
    assert_eq!(both.as_str(), "us-east-1/cluster/node-group/control/https");
    assert!(both.is_covered_by(node_group.as_str()), "who targets the group targets this too");
}

const ARN: &str = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup";

#[tokio::test(start_paused = true)]
async fn an_attachment_lives_between_its_two_ends() {
    let world = World::new();
    let site = Site::new(&world).await;
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let group = world.make("cluster/node-group/control", &site.node_group(&cluster)).await;
    let name = group.live.auto_scaling_group.clone().unwrap();
    let ours = format!("{ARN}/coder-test-https/0123456789abcdef");
    let theirs = format!("{ARN}/theirs/fedcba9876543210");
    let desired =
        Attachment { auto_scaling_group: name.clone().into(), target_group: ours.clone().into() };
    let lost = Fault::on_operation("autoscaling:AttachTrafficSources", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let at = "cluster/node-group/control/https";
    let made = world.make(at, &desired).await;
    assert_eq!(made.status, Status::Ready);
    let foreign = Attachment { target_group: theirs.clone().into(), ..desired.clone() };
    world.make("elsewhere", &foreign).await;

    // Whose it is, its ends say; the generations of both are in its own.
    let target = (ours.as_str(), "ingress/target-group/https", 3);
    let listed = attached(&world, &[target]).await;
    let [found] = listed.ours.as_slice() else { panic!("{:?}", listed.ours) };
    assert_eq!(found.id, made.id);
    assert_eq!(found.owner.address, world.address(at));
    assert_eq!(found.owner.generation, 3);
    assert_eq!(found.parents, [group.id.clone(), PhysicalId::new(ours.as_str())]);
    assert_eq!(differs(&desired, found), []);
    let elsewhere = Attachment { target_group: theirs.into(), ..desired.clone() };
    assert_replaces(&elsewhere, found, "target_group");
    let elsewhere = Attachment { auto_scaling_group: "eks-other".into(), ..desired };
    assert_replaces(&elsewhere, found, "auto_scaling_group");
    assert!(attached(&world, &[]).await.ours.is_empty(), "none of it is ours without its end");

    gone(&world, found).await;
    assert!(attached(&world, &[target]).await.ours.is_empty());
}

async fn gone(world: &World, found: &Found<Attachment>) {
    let cx = world.step("cluster/node-group/control/https");
    Attachment::delete(&cx, found).await.unwrap();
    assert!(Attachment::read(&cx, found).await.unwrap().is_none());
    Attachment::delete(&cx, found).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_node_groups_nothing_is_asked() {
    let world = World::new();
    assert!(attached(&world, &[(ARN, "ingress/target-group/https", 1)]).await.ours.is_empty());
    assert_eq!(world.count("autoscaling:DescribeAutoScalingGroups"), 0);
}

#[tokio::test(start_paused = true)]
async fn an_attachment_goes_with_its_group() {
    let world = World::new();
    let site = Site::new(&world).await;
    let cluster = site.ready_for_nodes(&world).await.live.name;
    let group = world.make("cluster/node-group/control", &site.node_group(&cluster)).await;
    let desired = Attachment {
        auto_scaling_group: group.live.auto_scaling_group.clone().unwrap().into(),
        target_group: format!("{ARN}/coder-test-https/0123456789abcdef").into(),
    };
    let found = world.make("cluster/node-group/control/https", &desired).await;
    NodeGroup::delete(&world.step("cluster/node-group/control"), &group).await.unwrap();
    gone(&world, &found).await;
}
