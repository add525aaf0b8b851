//! Events: what controllers say of objects.

use super::Moment;
use crate::sandbox::kube::store::{name_of, namespace_of};
use serde_json::{Value, json};

/// The most events that one namespace keeps.
const KEPT: usize = 200;

/// Says `message` of `object`; the same word again counts up.
pub(super) fn say(
    moment: &mut Moment<'_>,
    object: &Value,
    kind: &str,
    reason: &str,
    message: &str,
) {
    let namespace = namespace_of(object).to_owned();
    let uid = &object["metadata"]["uid"];
    let now = moment.stamp();
    let mut same = None;
    let mut held = Vec::new();
    for event in moment.store.of("events").filter(|event| namespace_of(event) == namespace) {
        if event["involvedObject"]["uid"] == *uid
            && event["reason"] == reason
            && event["message"] == message
        {
            same = Some(event.clone());
        }
        held.push((super::unstamp(&event["lastTimestamp"]), event));
    }
    let oldest = (held.len() >= KEPT)
        .then(|| held.iter().min_by_key(|(time, _)| *time).map(|(_, event)| (*event).clone()))
        .flatten();
    if let Some(mut event) = same {
        event["count"] = (event["count"].as_u64().unwrap_or(1) + 1).into();
        event["lastTimestamp"] = now.into();
        moment.store.put("events", event);
        return;
    }
    if let Some(oldest) = oldest {
        moment.store.remove("events", &oldest);
    }
    let event_uid = moment.store.uid();
    let suffix: String = event_uid.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    let event = json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": format!("{}.{suffix}", name_of(object)),
            "namespace": namespace,
            "uid": event_uid,
            "creationTimestamp": now,
        },
        "involvedObject": {
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "name": object["metadata"]["name"],
            "namespace": namespace,
            "uid": uid,
        },
        "type": kind,
        "reason": reason,
        "message": message,
        "count": 1,
        "firstTimestamp": now,
        "lastTimestamp": now,
        "reportingComponent": "",
        "source": {},
    });
    moment.store.put("events", event);
}
