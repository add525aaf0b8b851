//! What is in the clusters of an account, and in the Coder that runs there, for pictures of it.

use super::picture::members;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What controllers make of the rest, or differs by how often something was looked at.
const OF_CONTROLLERS: [&str; 6] =
    ["events", "pods", "replicasets.apps", "endpoints", "endpointslices.discovery.k8s.io", "nodes"];

/// Fields that differ from run to run.
const NOISE: [&str; 11] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "observedGeneration",
    "time",
    "lastTransitionTime",
    "lastUpdateTime",
    "clusterIP",
    "clusterIPs",
    "deployment.kubernetes.io/revision",
];

/// Everything in the clusters, by id: what it is, and itself without what differs from run to run.
pub(crate) fn things(clusters: &BTreeMap<String, Value>) -> BTreeMap<String, (String, Value)> {
    let mut things = BTreeMap::new();
    for (cluster, dump) in clusters {
        for (resource, objects) in members(&dump["objects"]) {
            if OF_CONTROLLERS.contains(&resource.as_str()) {
                continue;
            }
            for (key, object) in members(objects) {
                let mut shown = quiet(object);
                if resource == "secrets" {
                    hide(&mut shown["data"]);
                }
                let id = object["metadata"]["uid"].as_str().unwrap_or(key).to_owned();
                things.insert(id, (format!("{cluster}/{resource}"), shown));
            }
        }
        for (_, database) in members(&dump["coder"]) {
            for user in database["users"].as_array().into_iter().flatten() {
                let tokens = database["keys"].as_array().into_iter().flatten();
                let own = |key: &&Value| key["user"] == user["id"] && key["login_type"] == "token";
                let shown = json!({
                    "email": user["email"],
                    "username": user["username"],
                    "full_name": user["name"],
                    "api_tokens": tokens.filter(own).count(),
                });
                let id = user["id"].as_str().unwrap_or_default().to_owned();
                things.insert(id, (format!("{cluster}/coder/users"), shown));
            }
            let licenses = database["licenses"].as_array().into_iter().flatten();
            for license in licenses {
                let id = license["uuid"].as_str().unwrap_or_default().to_owned();
                let shown = json!({"claims": license["claims"]});
                things.insert(id, (format!("{cluster}/coder/licenses"), shown));
            }
        }
    }
    things
}

/// Of what is secret only the names: what it says follows from passwords that are drawn.
fn hide(data: &mut Value) {
    if let Some(data) = data.as_object_mut() {
        data.values_mut().for_each(|value| *value = "drawn".into());
    }
}

fn quiet(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(key, _)| !NOISE.contains(&key.as_str()));
            let kept: Map<String, Value> =
                kept.map(|(key, value)| (key.clone(), quiet(value))).collect();
            Value::Object(kept)
        }
        Value::Array(all) => all.iter().map(quiet).collect(),
        other => other.clone(),
    }
}
