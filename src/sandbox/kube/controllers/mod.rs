//! What runs in a cluster: deployments make replica sets, those make pods, pods are put on nodes,
//! started and become ready.
//!
//! Nothing runs in the background. Whenever the API is asked, everything that was due since the
//! last time is done first, each thing at its own time, so that a cluster which nobody looked at
//! for an hour has the history that it would have had.

mod balancer;
mod claim;
mod cloud;
mod container;
mod deployment;
mod endpoints;
mod event;
mod node;
mod pod;
mod quantity;
mod replica_set;
mod schedule;
mod workspace;

pub use cloud::{Claimed, Cloud, NoCloud};
pub(super) use container::{coderd_version, environment};
pub use node::{NodeFacts, NodeSource};
pub(super) use pod::{Life, begin_end, is_ready, stopping};
pub(super) use workspace::databases;

use super::store::Store;
use crate::sandbox::coderd::DatabaseSource;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The most moments that are gone through one by one; after so many, the last one is now.
const MOMENTS: usize = 400;
/// How often everything is looked at again in one moment; each pass lets one controller see what
/// another one did.
const PASSES: usize = 12;

/// What the cluster stands in.
#[derive(Debug)]
pub(super) struct Around<'a> {
    pub(super) nodes: Vec<NodeFacts>,
    pub(super) database: &'a dyn DatabaseSource,
    pub(super) cloud: &'a dyn Cloud,
}

/// What a controller works on: the store, at one moment.
#[derive(Debug)]
pub(super) struct Moment<'a> {
    pub(super) store: &'a mut Store,
    pub(super) around: &'a Around<'a>,
    /// In milliseconds since 1970.
    pub(super) at: u64,
    /// When something is due next.
    next: Option<u64>,
}

impl Moment<'_> {
    /// Something will have to be looked at again at this time.
    pub(super) fn wake(&mut self, at: u64) {
        if at > self.at {
            self.next = Some(self.next.map_or(at, |next| next.min(at)));
        }
    }

    pub(super) fn stamp(&self) -> String {
        stamp(self.at)
    }

    /// Stores `object` if it is another than the stored one.
    pub(super) fn put_if_changed(&mut self, resource: &str, before: &Value, object: Value) {
        if *before != object {
            self.store.put(resource, object);
        }
    }
}

/// Does what was due since the last time; answers whether anything changed.
pub(super) fn advance(store: &mut Store, around: &Around<'_>, now: u64) -> bool {
    let began = store.version;
    let mut at = store.due.filter(|due| *due <= now).unwrap_or(now);
    if store.reconciled != store.version {
        // Something was written since, at the latest time that was seen then.
        at = at.min(store.touched.max(1)).min(now);
    }
    for n in 0..MOMENTS {
        let next = reconcile(store, around, at);
        store.due = next;
        match next {
            Some(due) if due <= now => at = if n + 2 == MOMENTS { now } else { due },
            _ => break,
        }
    }
    if at < now && (node::stale(store, around, now)) {
        store.due = reconcile(store, around, now);
    }
    store.reconciled = store.version;
    store.touched = now;
    store.version != began
}

fn reconcile(store: &mut Store, around: &Around<'_>, at: u64) -> Option<u64> {
    let mut moment = Moment { store, around, at, next: None };
    for _ in 0..PASSES {
        let before = moment.store.version;
        moment.next = None;
        node::sync(&mut moment);
        deployment::run(&mut moment);
        replica_set::run(&mut moment);
        workspace::run(&mut moment);
        claim::run(&mut moment);
        balancer::run(&mut moment);
        pod::run(&mut moment);
        endpoints::run(&mut moment);
        if moment.store.version == before {
            break;
        }
    }
    moment.next
}

/// `at` as the API writes times.
pub(super) fn stamp(at: u64) -> String {
    crate::clock::timestamp(UNIX_EPOCH + Duration::from_millis(at))
}

/// The milliseconds since 1970 of a time that the API wrote; 0 if it is none.
pub(super) fn unstamp(text: &Value) -> u64 {
    let parsed = text.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    parsed.and_then(|time| u64::try_from(time.as_millisecond()).ok()).unwrap_or_default()
}

/// `time` in milliseconds since 1970.
pub(super) fn millis(time: SystemTime) -> u64 {
    super::store::milliseconds(time)
}

/// Whether a label selector (`matchLabels` and `matchExpressions`) selects these labels.
pub(super) fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = |wanted: &Value| {
        wanted.as_object().into_iter().flatten().all(|(key, value)| labels[key.as_str()] == *value)
    };
    let holds = |term: &Value| {
        let label = labels.get(term["key"].as_str().unwrap_or_default());
        expression(term, label)
    };
    equal(&selector["matchLabels"])
        && selector["matchExpressions"].as_array().into_iter().flatten().all(holds)
}

/// Whether one expression of a selector holds for a label's value.
pub(super) fn expression(term: &Value, label: Option<&Value>) -> bool {
    let listed = label.is_some_and(|label| {
        term["values"].as_array().is_some_and(|values| values.contains(label))
    });
    let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
    let compared = || Some((number(label?)?, number(&term["values"][0])?));
    match term["operator"].as_str().unwrap_or_default() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => compared().is_some_and(|(label, bound)| label > bound),
        "Lt" => compared().is_some_and(|(label, bound)| label < bound),
        _ => false,
    }
}

/// Whether `owner` controls `object`.
pub(super) fn controlled_by(object: &Value, owner: &Value) -> bool {
    let uid = &owner["metadata"]["uid"];
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners
        .into_iter()
        .flatten()
        .any(|reference| reference["uid"] == *uid && reference["controller"] == json!(true))
}

/// A reference of a controlled object to `owner`.
pub(super) fn reference(owner: &Value) -> Value {
    json!([{
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

/// Sets a condition; the time of its last transition is kept while its status is the same.
pub(super) fn set_condition(status: &mut Value, mut condition: Value, now: &str) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(all) = status["conditions"].as_array_mut() else { return };
    let old = all.iter_mut().find(|old| old["type"] == condition["type"]);
    let since = match &old {
        Some(old) if old["status"] == condition["status"] => old["lastTransitionTime"].clone(),
        _ => now.into(),
    };
    condition["lastTransitionTime"] = since;
    match old {
        Some(old) => *old = condition,
        None => all.push(condition),
    }
}

/// A condition, if it is set.
pub(super) fn condition<'v>(object: &'v Value, kind: &str) -> Option<&'v Value> {
    let all = object["status"]["conditions"].as_array()?;
    all.iter().find(|condition| condition["type"] == kind)
}
