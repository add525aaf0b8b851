//! All of a cluster at once: while AWS lags, throttles and loses answers, and found page by page.

use super::super::harness::{Before, World};
use super::super::kinds_net::made;
use super::site::{Site, data, role};
use coderctl::aws::autoscaling::attachment::Attachment;
use coderctl::aws::ec2::launch_template::LaunchTemplate;
use coderctl::aws::eks::access_entry::{AccessEntry, EntryType, Scope};
use coderctl::aws::eks::addon::Addon;
use coderctl::aws::eks::cluster::Cluster;
use coderctl::aws::eks::node_group::{NodeGroup, Template};
use coderctl::aws::eks::pod_identity_association::PodIdentityAssociation;
use coderctl::kind::{Found, Kind};
use coderctl::sandbox::{Effect as Fate, Fault, Faults, Knobs};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What is in a cluster, two of each.
struct Whole {
    cluster: Found<Cluster>,
    templates: Vec<Found<LaunchTemplate>>,
    addons: Vec<Found<Addon>>,
    groups: Vec<Found<NodeGroup>>,
    entries: Vec<Found<AccessEntry>>,
    associations: Vec<Found<PodIdentityAssociation>>,
    attachment: Found<Attachment>,
}

impl Whole {
    /// `roles` are made before there is trouble: theirs is tested elsewhere.
    async fn make(world: &World, site: &Site, roles: [String; 2]) -> Whole {
        let cluster = made(world, "cluster/cluster", &site.cluster()).await;
        let name = cluster.live.name.clone();
        let (mut templates, mut addons, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        let (mut entries, mut associations) = (Vec::new(), Vec::new());
        for addon in ["vpc-cni", "kube-proxy"] {
            let desired = Addon {
                cluster: name.clone().into(),
                name: addon.into(),
                version: None,
                configuration: None,
            };
            addons.push(made(world, &format!("cluster/addon/{addon}"), &desired).await);
        }
        for (n, principal) in ["a", "b"].into_iter().zip(roles) {
            let desired = LaunchTemplate { name: format!("coder-test-{n}"), data: data() };
            let address = format!("cluster/launch-template/{n}");
            let template = made(world, &address, &desired).await;
            let desired = NodeGroup {
                name: n.into(),
                template: Some(Template {
                    id: template.live.id.clone().into(),
                    version: template.live.version.into(),
                    data: data(),
                }),
                ..site.node_group(&name)
            };
            templates.push(template);
            groups.push(made(world, &format!("cluster/node-group/{n}"), &desired).await);
            let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy".to_owned();
            let desired = AccessEntry {
                cluster: name.clone().into(),
                principal: principal.clone().into(),
                entry_type: EntryType::Standard,
                groups: BTreeSet::new(),
                policies: BTreeMap::from([(policy, Scope::Cluster)]),
            };
            entries.push(made(world, &format!("cluster/access/{n}"), &desired).await);
            let desired = PodIdentityAssociation {
                cluster: name.clone().into(),
                namespace: "coder".into(),
                service_account: n.into(),
                role: principal.into(),
            };
            let address = format!("cluster/pod-identity/{n}");
            associations.push(made(world, &address, &desired).await);
        }
        let arn =
            "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/0123456789abcdef";
        let desired = Attachment {
            auto_scaling_group: groups[0].live.auto_scaling_group.clone().unwrap().into(),
            target_group: arn.to_owned().into(),
        };
        let attachment = made(world, "cluster/node-group/a/https", &desired).await;
        Whole { cluster, templates, addons, groups, entries, associations, attachment }
    }

    async fn roles(world: &World) -> [String; 2] {
        let a = role(world, "a", "pods.eks.amazonaws.com", &[]).await;
        let b = role(world, "b", "pods.eks.amazonaws.com", &[]).await;
        [a, b]
    }

    async fn delete(&self, world: &World) {
        async fn all<K: Kind>(world: &World, found: &[Found<K>]) {
            for found in found {
                K::delete(&world.step("cluster/going"), found).await.unwrap();
            }
        }
        all(world, std::slice::from_ref(&self.attachment)).await;
        all(world, &self.associations).await;
        all(world, &self.entries).await;
        all(world, &self.groups).await;
        all(world, &self.addons).await;
        all(world, std::slice::from_ref(&self.cluster)).await;
        all(world, &self.templates).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_whole_cluster_comes_up_and_goes_while_aws_lags_and_throttles() {
    let world = World::new();
    let site = Site::new(&world).await;
    let lost = |operation: &str| Fault::on_operation(operation, Fate::LoseAnswer);
    let fates = [
        Fault::on_operation("eks:CreateCluster", Fate::Throttle).times(3),
        Fault::on_operation("eks:DescribeCluster", Fate::ServerError500).times(2),
        lost("ec2:CreateLaunchTemplate"),
        lost("eks:CreateAddon"),
        lost("eks:CreateNodegroup"),
        lost("eks:CreateAccessEntry"),
        lost("eks:AssociateAccessPolicy"),
        lost("eks:CreatePodIdentityAssociation"),
        lost("autoscaling:AttachTrafficSources"),
        lost("autoscaling:DetachTrafficSources"),
        lost("eks:DeletePodIdentityAssociation"),
        lost("eks:DeleteAccessEntry"),
        lost("eks:DeleteNodegroup"),
        lost("eks:DeleteAddon"),
        lost("eks:DeleteCluster"),
        lost("ec2:DeleteLaunchTemplate"),
    ];
    let roles = Whole::roles(&world).await;
    let mut faults = Faults::script(fates).with_lag(Duration::from_secs(3));
    faults.fresh_ids_not_found = true;
    world.sandbox.set_faults(faults);
    let whole = Whole::make(&world, &site, roles).await;
    whole.delete(&world).await;
    world.pass(10).await;
    assert!(world.list::<Cluster>().await.ours.is_empty());
    assert!(world.list::<LaunchTemplate>().await.ours.is_empty());
}

#[tokio::test(start_paused = true)]
async fn all_is_found_page_by_page_and_nothing_but_reads_is_sent_for_it() {
    let world = World::new();
    let site = Site::new(&world).await;
    let whole = Whole::make(&world, &site, Whole::roles(&world).await).await;
    world.sandbox.set_knobs(Knobs { page_size: 1, ..world.sandbox.knobs() });
    world.clients.set_planning(true);
    let clusters = world.list::<Cluster>().await;
    let templates = world.list::<LaunchTemplate>().await;
    let ids = |found: Vec<String>| found.into_iter().collect::<BTreeSet<_>>();
    fn of<K: Kind>(found: &[Found<K>]) -> Vec<String> {
        found.iter().map(|found| found.id.to_string()).collect()
    }
    assert_eq!(of(&clusters.ours), of(std::slice::from_ref(&whole.cluster)));
    assert_eq!(ids(of(&templates.ours)), ids(of(&whole.templates)));
    let seen = Before::default().with(&clusters).with(&templates);
    async fn all<K: Kind>(world: &World, seen: &Before) -> Vec<String> {
        of(&K::list(&world.cx, &[], seen).await.unwrap().ours)
    }
    assert_eq!(ids(all::<Addon>(&world, &seen).await), ids(of(&whole.addons)));
    assert_eq!(ids(all::<NodeGroup>(&world, &seen).await), ids(of(&whole.groups)));
    assert_eq!(ids(all::<AccessEntry>(&world, &seen).await), ids(of(&whole.entries)));
    let found = all::<PodIdentityAssociation>(&world, &seen).await;
    assert_eq!(ids(found), ids(of(&whole.associations)));
}
