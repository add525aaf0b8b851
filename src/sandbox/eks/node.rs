//! Nodes: the instances of a cluster's node groups, as its Kubernetes API will list them.

use super::model::{Cluster, NodeGroup};
use crate::sandbox::ec2::instance_type;
use crate::sandbox::knobs::Knobs;
use crate::sandbox::store::{Millis, Regional, Scope, Store};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// How long an instance takes to join its cluster.
const JOINING: Duration = Duration::from_secs(70);
/// How long a node waits for the network of pods once there is one.
const NETWORKING: Duration = Duration::from_secs(10);

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The private DNS name of its instance.
    pub name: String,
    /// Its instance's id.
    pub instance_id: String,
    /// `aws:///us-east-1a/i-0123…`
    pub provider_id: String,
    /// Its availability zone.
    pub zone: String,
    /// Its address in the VPC.
    pub internal_ip: String,
    /// The node group.
    pub node_group: String,
    /// All labels, those that every node gets included.
    pub labels: BTreeMap<String, String>,
    /// Key, value and effect in Kubernetes' spelling (`NoSchedule`).
    pub taints: Vec<(String, Option<String>, String)>,
    /// Virtual processors.
    pub cpus: u64,
    /// Memory in mebibytes.
    pub memory: u64,
    /// The version of its kubelet, as in `v1.35.1-eks-1`.
    pub kubelet: String,
    /// When its instance was started: it is registered `JOINING` later.
    pub created: SystemTime,
    /// When it is, or was, ready; `None` while nothing gives its pods addresses.
    pub ready_at: Option<SystemTime>,
}

/// A cluster that has an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The cluster's name.
    pub name: String,
    /// The cluster's ARN.
    pub arn: String,
    /// What its endpoint is named after: 32 hexadecimal digits in upper case.
    pub id: String,
    /// `https://0123….gr7.us-east-1.eks.amazonaws.com`
    pub url: String,
    /// The Kubernetes version, `1.35`.
    pub version: String,
    /// Since when it answers.
    pub since: SystemTime,
    /// Principals that its access entries let in, with their user name, groups and policies.
    pub access: Vec<Access>,
}

/// An access entry of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// The ARN of a role or user.
    pub principal: String,
    /// Its name in the cluster.
    pub username: String,
    /// Its groups in the cluster.
    pub groups: Vec<String>,
    /// ARNs of the access policies, with the namespaces that each is for; none means all.
    pub policies: Vec<(String, Vec<String>)>,
}

/// The clusters of an account and region that have an API now: those that are not `CREATING` any
/// more and not gone yet.
pub(crate) fn clusters(store: &Store, scope: &Scope, knobs: &Knobs, now: Millis) -> Vec<Endpoint> {
    let answers = |cluster: &&Cluster| cluster.active <= now && cluster.gone.is_none();
    let endpoint = |cluster: &Cluster| Endpoint {
        name: cluster.name.clone(),
        arn: cluster.arn.clone(),
        id: cluster.id.clone(),
        url: cluster.endpoint(knobs),
        version: cluster.version(now).to_owned(),
        since: cluster.active.time(),
        access: access(cluster),
    };
    store.eks(scope).clusters.values().filter(answers).map(endpoint).collect()
}

fn access(cluster: &Cluster) -> Vec<Access> {
    let one = |entry: &super::model::AccessEntry| Access {
        principal: entry.principal.clone(),
        username: entry.username.clone(),
        groups: entry.groups.clone(),
        policies: entry
            .policies
            .iter()
            .map(|(arn, policy)| (arn.clone(), super::words::strings(&policy.scope, "namespaces")))
            .collect(),
    };
    cluster.entries.values().map(one).collect()
}

/// The nodes of a cluster: instances that have joined it by now and are not on their way out.
pub(crate) fn nodes(store: &Store, scope: &Scope, cluster: &str, now: Millis) -> Vec<Node> {
    let (Some(regional), Some(cluster)) =
        (store.regional(scope), store.eks(scope).clusters.get(cluster))
    else {
        return Vec::new();
    };
    let all = cluster.node_groups.values();
    all.flat_map(|group| of_group(regional, scope, cluster, group, now)).collect()
}

/// The nodes of one node group.
pub(super) fn of_group(
    regional: &Regional,
    scope: &Scope,
    cluster: &Cluster,
    group: &NodeGroup,
    now: Millis,
) -> Vec<Node> {
    if group.failure.is_some() {
        return Vec::new();
    }
    let scaling = regional.autoscaling.groups.get(&group.scaling_group);
    let members = scaling.map(|scaling| scaling.members.as_slice()).unwrap_or_default();
    let instances = members.iter().filter_map(|m| regional.ec2.instances.get(&m.instance));
    let joined = instances
        .filter(|instance| instance.terminated.is_none() && instance.launched.plus(JOINING) <= now);
    let node = |instance: &crate::sandbox::ec2::compute::Instance| {
        let kind = instance_type::of(&instance.instance_type);
        let name = instance.private_dns_name(&scope.region);
        let joined = instance.launched.plus(JOINING);
        Node {
            provider_id: format!("aws:///{}/{}", instance.zone, instance.id),
            instance_id: instance.id.clone(),
            zone: instance.zone.clone(),
            internal_ip: instance.private_ip.to_string(),
            node_group: group.name.clone(),
            labels: labels(group, scope, &name, &instance.zone, &instance.instance_type),
            taints: group.taints.iter().map(taint).collect(),
            cpus: kind.as_ref().map_or(2, |kind| kind.vcpus),
            memory: kind.as_ref().map_or(8192, |kind| kind.memory),
            kubelet: format!("v{}.1-eks-1", group.version),
            created: instance.launched.time(),
            ready_at: cluster.networked.map(|since| since.plus(NETWORKING).max(joined).time()),
            name,
        }
    };
    joined.map(node).collect()
}

fn taint(taint: &super::model::Taint) -> (String, Option<String>, String) {
    let effect = match taint.effect.as_str() {
        "NO_SCHEDULE" => "NoSchedule",
        "NO_EXECUTE" => "NoExecute",
        _ => "PreferNoSchedule",
    };
    (taint.key.clone(), taint.value.clone(), effect.to_owned())
}

fn labels(
    group: &NodeGroup,
    scope: &Scope,
    name: &str,
    zone: &str,
    instance_type: &str,
) -> BTreeMap<String, String> {
    let architecture = match instance_type::architecture(instance_type) {
        "arm64" => "arm64",
        _ => "amd64",
    };
    let mut labels = group.labels.clone();
    for (key, value) in [
        ("kubernetes.io/hostname", name),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture),
        ("node.kubernetes.io/instance-type", instance_type),
        ("topology.kubernetes.io/region", &scope.region),
        ("topology.kubernetes.io/zone", zone),
        ("eks.amazonaws.com/nodegroup", &group.name),
        ("eks.amazonaws.com/capacityType", &group.capacity_type),
    ] {
        labels.insert(key.to_owned(), value.to_owned());
    }
    labels
}
