//! The scheduler: which node a pod goes to, or why to none.

use super::quantity::{requested, thousandths};
use super::{claim, condition, expression};
use crate::sandbox::kube::store::{Store, name_of};
use serde_json::Value;
use std::collections::BTreeMap;

/// The node for `pod`, or the scheduler's message.
pub(super) fn place(store: &Store, pod: &Value) -> Result<String, String> {
    if let Some(why) = claim::unschedulable(store, pod) {
        let total = store.of("nodes").count();
        return Err(format!("0/{total} nodes are available: {why}."));
    }
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(i128, String)> = None;
    let mut total = 0;
    for node in store.of("nodes") {
        total += 1;
        match fits(store, pod, node) {
            // The node with the most free CPU, as the scheduler's default spreads pods.
            Ok(free) if best.as_ref().is_none_or(|(most, _)| free > *most) => {
                best = Some((free, name_of(node).to_owned()));
            }
            Ok(_) => {}
            Err(why) => *reasons.entry(why).or_default() += 1,
        }
    }
    if let Some((_, name)) = best {
        return Ok(name);
    }
    if total == 0 {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let reasons: Vec<String> =
        reasons.iter().map(|(why, count)| format!("{count} {why}")).collect();
    Err(format!(
        "0/{total} nodes are available: {}. preemption: 0/{total} nodes are available: {total} \
         Preemption is not helpful for scheduling.",
        reasons.join(", ")
    ))
}

/// The CPU that stays free when `pod` goes to `node`, or why it can't go there.
fn fits(store: &Store, pod: &Value, node: &Value) -> Result<i128, String> {
    let labels = &node["metadata"]["labels"];
    if condition(node, "Ready").is_none_or(|ready| ready["status"] != "True") {
        return Err("node(s) had untolerated taint {node.kubernetes.io/not-ready: }".to_owned());
    }
    if node["spec"]["unschedulable"] == Value::Bool(true) {
        return Err("node(s) were unschedulable".to_owned());
    }
    let tolerations = &pod["spec"]["tolerations"];
    for taint in node["spec"]["taints"].as_array().into_iter().flatten() {
        if taint["effect"] != "PreferNoSchedule" && !tolerated(tolerations, taint) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (key, value) = (text(&taint["key"]), text(&taint["value"]));
            return Err(format!("node(s) had untolerated taint {{{key}: {value}}}"));
        }
    }
    let selector = pod["spec"]["nodeSelector"].as_object();
    let selected =
        selector.into_iter().flatten().all(|(key, value)| labels[key.as_str()] == *value);
    let required =
        &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let term = |term: &Value| {
        let all = term["matchExpressions"].as_array();
        all.into_iter()
            .flatten()
            .all(|one| expression(one, labels.get(one["key"].as_str().unwrap_or_default())))
    };
    let affine =
        required["nodeSelectorTerms"].as_array().is_none_or(|terms| terms.iter().any(term));
    if !selected || !affine {
        return Err("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    let mut there = 0_i128;
    let free = |what: &str| {
        let used: i128 = store
            .of("pods")
            .filter(|other| other["spec"]["nodeName"] == node["metadata"]["name"])
            .map(|other| requested(other, what))
            .sum();
        thousandths(&node["status"]["allocatable"][what]) - used - requested(pod, what)
    };
    for other in store.of("pods") {
        if other["spec"]["nodeName"] == node["metadata"]["name"] {
            there += 1_000;
        }
    }
    let (cpu, memory) = (free("cpu"), free("memory"));
    if cpu < 0 {
        return Err("Insufficient cpu".to_owned());
    }
    if memory < 0 {
        return Err("Insufficient memory".to_owned());
    }
    if there >= thousandths(&node["status"]["allocatable"]["pods"]) {
        return Err("Too many pods".to_owned());
    }
    Ok(cpu)
}

fn tolerated(tolerations: &Value, taint: &Value) -> bool {
    tolerations.as_array().into_iter().flatten().any(|one| {
        let key = one["key"].as_str().unwrap_or_default();
        let effect = one["effect"].as_str().unwrap_or_default();
        let exists = one["operator"] == "Exists";
        let same_key = taint["key"] == key || (key.is_empty() && exists);
        let same_effect = effect.is_empty() || taint["effect"] == effect;
        let value = one["value"].as_str().unwrap_or_default();
        let same_value = exists || taint["value"].as_str().unwrap_or_default() == value;
        same_key && same_effect && same_value
    })
}
