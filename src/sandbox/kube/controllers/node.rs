//! Nodes: where they come from, and what the API says of them.

use super::{Around, Moment, millis, set_condition};
use crate::sandbox::kube::store::{Store, name_of};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::SystemTime;

/// One machine of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeFacts {
    /// `ip-10-0-16-12.ec2.internal`.
    pub name: String,
    /// `i-0123456789abcdef0`.
    pub instance_id: String,
    /// `us-east-1a`.
    pub zone: String,
    /// `m5.xlarge`.
    pub instance_type: String,
    /// Labels beside those that every node has.
    pub labels: BTreeMap<String, String>,
    /// Key, value and effect (`NoSchedule`, `PreferNoSchedule`, `NoExecute`).
    pub taints: Vec<(String, String, String)>,
    /// Whole CPUs.
    pub cpus: u32,
    /// In MiB.
    pub memory_mib: u32,
    /// When it takes pods.
    pub ready_at: SystemTime,
}

/// Where a cluster's nodes come from.
pub trait NodeSource: std::fmt::Debug + Send + Sync {
    /// The nodes that are there at `now`, ready or not yet.
    fn nodes(&self, now: SystemTime) -> Vec<NodeFacts>;
}

/// A list of nodes that stays as it is.
impl NodeSource for Vec<NodeFacts> {
    fn nodes(&self, _: SystemTime) -> Vec<NodeFacts> {
        self.clone()
    }
}

/// Whether the nodes of the store are not those that there are.
pub(super) fn stale(store: &Store, around: &Around<'_>, now: u64) -> bool {
    let known: Vec<&str> = store.of("nodes").map(name_of).collect();
    known.len() != around.nodes.len()
        || around.nodes.iter().any(|facts| {
            store.get("nodes", "", &facts.name).is_none_or(|node| {
                let ready = facts_ready(facts, now);
                super::condition(node, "Ready").is_none_or(|c| (c["status"] == "True") != ready)
                    || labels(facts) != node["metadata"]["labels"]
                    || taints(facts) != node["spec"]["taints"]
            })
        })
}

fn facts_ready(facts: &NodeFacts, at: u64) -> bool {
    millis(facts.ready_at) <= at
}

fn labels(facts: &NodeFacts) -> Value {
    let region = facts.zone.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let mut labels = json!({
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": facts.instance_type,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": facts.zone,
    });
    for (key, value) in &facts.labels {
        labels[key.as_str()] = value.clone().into();
    }
    labels
}

fn taints(facts: &NodeFacts) -> Value {
    let one = |(key, value, effect): &(String, String, String)| json!({"key": key, "value": value, "effect": effect});
    facts.taints.iter().map(one).collect()
}

/// Makes the store's nodes those that there are; the pods of one that is gone go with it.
pub(super) fn sync(moment: &mut Moment<'_>) {
    let around = moment.around;
    let gone: Vec<Value> = moment
        .store
        .of("nodes")
        .filter(|node| !around.nodes.iter().any(|facts| facts.name == name_of(node)))
        .cloned()
        .collect();
    for node in gone {
        let lost: Vec<Value> = moment
            .store
            .of("pods")
            .filter(|pod| pod["spec"]["nodeName"] == node["metadata"]["name"])
            .cloned()
            .collect();
        for pod in lost {
            moment.store.remove("pods", &pod);
        }
        moment.store.remove("nodes", &node);
    }
    for facts in &around.nodes {
        let before = moment.store.get("nodes", "", &facts.name).cloned();
        let mut node = match &before {
            Some(node) => node.clone(),
            None => json!({
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": facts.name,
                    "uid": moment.store.uid(),
                    "creationTimestamp": moment.stamp(),
                },
            }),
        };
        describe(&mut node, facts, moment);
        moment.put_if_changed("nodes", &before.unwrap_or_default(), node);
    }
}

fn describe(node: &mut Value, facts: &NodeFacts, moment: &mut Moment<'_>) {
    let ready = facts_ready(facts, moment.at);
    if !ready {
        moment.wake(millis(facts.ready_at));
    }
    node["metadata"]["labels"] = labels(facts);
    node["spec"]["providerID"] = format!("aws:///{}/{}", facts.zone, facts.instance_id).into();
    node["spec"]["taints"] = taints(facts);
    // What the kubelet keeps for itself and the system:
    // https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html
    let free = facts.memory_mib.saturating_sub(900);
    let capacity = |cpu: String, memory: u32| json!({"cpu": cpu, "memory": format!("{memory}Mi"), "pods": "58"});
    node["status"]["capacity"] = capacity(facts.cpus.to_string(), facts.memory_mib);
    let milli = facts.cpus.saturating_mul(1_000).saturating_sub(80);
    node["status"]["allocatable"] = capacity(format!("{milli}m"), free);
    node["status"]["addresses"] = json!([{"type": "Hostname", "address": facts.name}]);
    let condition = if ready {
        json!({"type": "Ready", "status": "True", "reason": "KubeletReady",
               "message": "kubelet is posting ready status"})
    } else {
        json!({"type": "Ready", "status": "False", "reason": "KubeletNotReady",
               "message": "container runtime network not ready"})
    };
    let now = moment.stamp();
    set_condition(&mut node["status"], condition, &now);
}
