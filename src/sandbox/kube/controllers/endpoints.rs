//! Endpoints: the addresses of the ready pods behind a service.

use super::{Moment, is_ready, stopping};
use crate::sandbox::kube::store::{name_of, namespace_of};
use serde_json::{Value, json};

/// Writes the endpoints of every service with a selector.
pub(super) fn run(moment: &mut Moment<'_>) {
    let services: Vec<Value> = moment.store.of("services").cloned().collect();
    for service in services {
        let Some(selector) = service["spec"]["selector"].as_object() else { continue };
        let namespace = namespace_of(&service);
        if moment.store.is_leaving(namespace) {
            continue;
        }
        let behind: Vec<&Value> = moment
            .store
            .of("pods")
            .filter(|pod| namespace_of(pod) == namespace && is_ready(pod) && !stopping(pod))
            .filter(|pod| {
                let labels = &pod["metadata"]["labels"];
                selector.iter().all(|(key, value)| labels[key.as_str()] == *value)
            })
            .collect();
        let address = |pod: &&Value| {
            json!({
                "ip": pod["status"]["podIP"],
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": {"kind": "Pod", "namespace": namespace,
                              "name": pod["metadata"]["name"], "uid": pod["metadata"]["uid"]},
            })
        };
        let addresses: Vec<Value> = behind.iter().map(address).collect();
        let ports: Vec<Value> = service["spec"]["ports"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|port| {
                let number = target(port, behind.first().copied());
                let mut shown = json!({"port": number, "protocol": port["protocol"]});
                if port["name"].is_string() {
                    shown["name"] = port["name"].clone();
                }
                shown
            })
            .collect();
        let before = moment.store.get("endpoints", namespace, name_of(&service)).cloned();
        let mut object = match &before {
            Some(object) => object.clone(),
            None => json!({
                "apiVersion": "v1",
                "kind": "Endpoints",
                "metadata": {
                    "name": name_of(&service),
                    "namespace": namespace,
                    "uid": moment.store.uid(),
                    "creationTimestamp": moment.stamp(),
                    "ownerReferences": super::reference(&service),
                },
            }),
        };
        if let Some(fields) = object.as_object_mut() {
            fields.shift_remove("subsets");
        }
        if !addresses.is_empty() {
            object["subsets"] = json!([{"addresses": addresses, "ports": ports}]);
        }
        moment.put_if_changed("endpoints", &before.unwrap_or_default(), object);
    }
}

/// The number of a service's target port; a name is looked up in the pod's containers.
fn target(port: &Value, pod: Option<&Value>) -> Value {
    let Some(name) = port["targetPort"].as_str() else { return port["targetPort"].clone() };
    let containers = pod.and_then(|pod| pod["spec"]["containers"].as_array());
    let mut named = containers
        .into_iter()
        .flatten()
        .flat_map(|container| container["ports"].as_array().into_iter().flatten())
        .filter(|port| port["name"] == name);
    named.next().map_or_else(|| port["port"].clone(), |port| port["containerPort"].clone())
}
