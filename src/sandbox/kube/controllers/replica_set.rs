//! Replica sets: as many pods as are wanted.

use super::pod::{is_ready, stopping, terminate};
use super::{Moment, controlled_by, event, reference, selects};
use crate::sandbox::kube::store::{name_of, namespace_of};
use serde_json::{Value, json};

const ID: &str = "replicasets.apps";

/// Makes and removes pods, and says in the status how many there are.
pub(super) fn run(moment: &mut Moment<'_>) {
    let all: Vec<Value> = moment.store.of(ID).cloned().collect();
    for set in all {
        if set["metadata"].get("deletionTimestamp").is_none()
            && !moment.store.is_leaving(namespace_of(&set))
        {
            one(moment, &set);
        }
    }
}

fn one(moment: &mut Moment<'_>, set: &Value) {
    let wanted = usize::try_from(set["spec"]["replicas"].as_u64().unwrap_or(1)).unwrap_or_default();
    let mut pods: Vec<Value> = moment
        .store
        .of("pods")
        .filter(|pod| controlled_by(pod, set) && !stopping(pod))
        .filter(|pod| selects(&set["spec"]["selector"], &pod["metadata"]["labels"]))
        .cloned()
        .collect();
    if pods.len() < wanted {
        for _ in pods.len()..wanted {
            make(moment, set);
        }
    } else if pods.len() > wanted {
        // Those that are not ready first, then the youngest.
        pods.sort_by_key(|pod| {
            (
                is_ready(pod),
                std::cmp::Reverse(super::unstamp(&pod["metadata"]["creationTimestamp"])),
            )
        });
        let surplus = pods.len() - wanted;
        for pod in pods.drain(..surplus) {
            terminate(moment, pod.clone());
            let said = format!("Deleted pod: {}", name_of(&pod));
            event::say(moment, set, "Normal", "SuccessfulDelete", &said);
        }
    }
    let pods: Vec<&Value> =
        moment.store.of("pods").filter(|pod| controlled_by(pod, set) && !stopping(pod)).collect();
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let mut next = set.clone();
    next["status"] = json!({
        "replicas": pods.len(),
        "fullyLabeledReplicas": pods.len(),
        "observedGeneration": set["metadata"]["generation"],
    });
    if ready > 0 {
        next["status"]["readyReplicas"] = ready.into();
        next["status"]["availableReplicas"] = ready.into();
    }
    moment.put_if_changed(ID, set, next);
}

fn make(moment: &mut Moment<'_>, set: &Value) {
    let template = &set["spec"]["template"];
    let uid = moment.store.uid();
    let suffix: String = uid.chars().take(5).collect();
    let name = format!("{}-{suffix}", name_of(set));
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "generateName": format!("{}-", name_of(set)),
            "namespace": namespace_of(set),
            "uid": uid,
            "creationTimestamp": moment.stamp(),
            "labels": template["metadata"]["labels"],
            "ownerReferences": reference(set),
        },
        "spec": template["spec"],
        "status": {"phase": "Pending", "qosClass": "Burstable"},
    });
    if template["metadata"]["annotations"].is_object() {
        pod["metadata"]["annotations"] = template["metadata"]["annotations"].clone();
    }
    let account = template["spec"]["serviceAccountName"].as_str().unwrap_or("default").to_owned();
    if moment.store.get("serviceaccounts", namespace_of(set), &account).is_none() {
        let said = format!(
            "Error creating: pods \"{}-\" is forbidden: error looking up service account {}/{account}: \
             serviceaccount \"{account}\" not found",
            name_of(set),
            namespace_of(set)
        );
        let retry = moment.at + 10_000;
        moment.wake(retry);
        if !moment.store.has_said(&set["metadata"]["uid"], &said) {
            event::say(moment, set, "Warning", "FailedCreate", &said);
        }
        return;
    }
    moment.store.put("pods", pod);
    let said = format!("Created pod: {name}");
    event::say(moment, set, "Normal", "SuccessfulCreate", &said);
}
