//! Deployments: one replica set for each template, and rolling from one to the next.

use super::{Moment, condition, controlled_by, event, reference, set_condition, unstamp};
use crate::sandbox::kube::store::{name_of, namespace_of};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const ID: &str = "deployments.apps";
const SETS: &str = "replicasets.apps";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Brings every deployment one step further.
pub(super) fn run(moment: &mut Moment<'_>) {
    let all: Vec<Value> = moment.store.of(ID).cloned().collect();
    for deployment in all {
        if deployment["metadata"].get("deletionTimestamp").is_none()
            && !moment.store.is_leaving(namespace_of(&deployment))
        {
            let deployment = one(moment, deployment);
            tell(moment, &deployment);
        }
    }
}

/// What the rollout may do, in pods.
#[derive(Clone, Copy, Debug)]
struct Room {
    wanted: u64,
    surge: u64,
    unavailable: u64,
}

fn room(deployment: &Value) -> Room {
    let spec = &deployment["spec"];
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let rolling = &spec["strategy"]["rollingUpdate"];
    let surge = share(&rolling["maxSurge"], wanted, true);
    let mut unavailable = share(&rolling["maxUnavailable"], wanted, false);
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    Room { wanted, surge, unavailable }
}

/// A number or a percentage of `whole`; 25 % where nothing is said.
fn share(value: &Value, whole: u64, up: bool) -> u64 {
    if let Some(number) = value.as_u64() {
        return number;
    }
    let text = value.as_str().unwrap_or("25%");
    let percent: u64 = text.trim_end_matches('%').parse().unwrap_or(25);
    let product = whole.saturating_mul(percent);
    if up { product.div_ceil(100) } else { product / 100 }
}

fn one(moment: &mut Moment<'_>, deployment: Value) -> Value {
    let mut sets: Vec<Value> = moment
        .store
        .of(SETS)
        .filter(|set| controlled_by(set, &deployment))
        .filter(|set| namespace_of(set) == namespace_of(&deployment))
        .cloned()
        .collect();
    let hash = hash(&deployment["spec"]["template"]);
    let name = format!("{}-{hash}", name_of(&deployment));
    let paused = deployment["spec"]["paused"] == json!(true);
    let current = sets.iter().position(|set| name_of(set) == name);
    let new = match current {
        Some(at) => sets.remove(at),
        None if paused => return deployment,
        None => Value::Null,
    };
    let room = room(&deployment);
    let count = |set: &Value| set["spec"]["replicas"].as_u64().unwrap_or_default();
    let available = |set: &Value| set["status"]["availableReplicas"].as_u64().unwrap_or_default();
    let old: u64 = sets.iter().map(count).sum();
    let recreate = deployment["spec"]["strategy"]["type"] == "Recreate";
    let old_pods =
        sets.iter().any(|set| moment.store.of("pods").any(|pod| controlled_by(pod, set)));
    let goal = if recreate {
        if old_pods { count(&new) } else { room.wanted }
    } else if old == 0 {
        room.wanted
    } else {
        let most = (room.wanted + room.surge).saturating_sub(old);
        count(&new).max(most.min(room.wanted)).min(room.wanted)
    };
    let (deployment, new) = if new.is_null() {
        let revision = 1 + sets.iter().map(revision).max().unwrap_or_default();
        let set = make(moment, &deployment, &name, &hash, goal, revision);
        let said = format!("Scaled up replica set {name} from 0 to {goal}");
        event::say(moment, &deployment, "Normal", "ScalingReplicaSet", &said);
        (note_revision(moment, deployment, revision), set)
    } else if count(&new) != goal {
        (deployment.clone(), scale(moment, &deployment, new, goal))
    } else {
        (deployment, new)
    };
    // The old ones go as the new one's pods become available.
    let total: u64 = old + count(&new);
    let new_unavailable = count(&new).saturating_sub(available(&new));
    let least = room.wanted.saturating_sub(room.unavailable);
    let mut may_go = if recreate { old } else { total.saturating_sub(least + new_unavailable) };
    // Pods that are not available are no loss.
    sets.sort_by_key(|set| available(set) > 0);
    for set in sets {
        let has = count(&set);
        let broken = has.saturating_sub(available(&set));
        let gone = if recreate { has } else { may_go.min(has) };
        let all_available: u64 = moment
            .store
            .of(SETS)
            .filter(|other| controlled_by(other, &deployment))
            .map(available)
            .sum();
        let spare = all_available.saturating_sub(least);
        let gone = if recreate { gone } else { gone.min(broken + spare) };
        if gone > 0 {
            may_go -= gone.min(may_go);
            scale(moment, &deployment, set, has - gone);
        }
    }
    deployment
}

fn revision(set: &Value) -> u64 {
    let text = set["metadata"]["annotations"][REVISION].as_str().unwrap_or_default();
    text.parse().unwrap_or_default()
}

fn note_revision(moment: &mut Moment<'_>, mut deployment: Value, revision: u64) -> Value {
    deployment["metadata"]["annotations"][REVISION] = revision.to_string().into();
    moment.store.put(ID, deployment)
}

fn hash(template: &Value) -> String {
    let digest = Sha256::digest(template.to_string());
    hex::encode(&digest[..5])
}

fn make(
    moment: &mut Moment<'_>,
    deployment: &Value,
    name: &str,
    hash: &str,
    replicas: u64,
    revision: u64,
) -> Value {
    let mut template = deployment["spec"]["template"].clone();
    template["metadata"]["labels"]["pod-template-hash"] = hash.into();
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"]["pod-template-hash"] = hash.into();
    let set = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": namespace_of(deployment),
            "uid": moment.store.uid(),
            "creationTimestamp": moment.stamp(),
            "generation": 1,
            "labels": template["metadata"]["labels"],
            "annotations": {REVISION: revision.to_string()},
            "ownerReferences": reference(deployment),
        },
        "spec": {"replicas": replicas, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    moment.store.put(SETS, set)
}

fn scale(moment: &mut Moment<'_>, deployment: &Value, mut set: Value, replicas: u64) -> Value {
    let before = set["spec"]["replicas"].as_u64().unwrap_or_default();
    let way = if replicas > before { "up" } else { "down" };
    let said = format!("Scaled {way} replica set {} from {before} to {replicas}", name_of(&set));
    set["spec"]["replicas"] = replicas.into();
    set["metadata"]["generation"] =
        (set["metadata"]["generation"].as_u64().unwrap_or_default() + 1).into();
    let set = moment.store.put(SETS, set);
    event::say(moment, deployment, "Normal", "ScalingReplicaSet", &said);
    set
}

/// Writes the status.
fn tell(moment: &mut Moment<'_>, deployment: &Value) {
    let room = room(deployment);
    let current = format!("{}-{}", name_of(deployment), hash(&deployment["spec"]["template"]));
    let sets: Vec<Value> =
        moment.store.of(SETS).filter(|set| controlled_by(set, deployment)).cloned().collect();
    let sum = |what: &str| -> u64 {
        sets.iter().map(|set| set["status"][what].as_u64().unwrap_or_default()).sum()
    };
    let updated = sets
        .iter()
        .find(|set| name_of(set) == current)
        .and_then(|set| set["status"]["replicas"].as_u64())
        .unwrap_or_default();
    let (replicas, ready, available) =
        (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    let mut next = deployment.clone();
    let now = moment.stamp();
    let mut status = json!({"observedGeneration": deployment["metadata"]["generation"]});
    for (name, number) in [
        ("replicas", replicas),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", room.wanted.max(replicas).saturating_sub(available)),
    ] {
        if number > 0 {
            status[name] = number.into();
        }
    }
    let counts = ["observedGeneration", "updatedReplicas", "readyReplicas", "availableReplicas"];
    let moved = counts.iter().any(|name| deployment["status"][*name] != status[*name]);
    status["conditions"] = deployment["status"]["conditions"].clone();
    let enough = available >= room.wanted.saturating_sub(room.unavailable);
    let mut is = if enough {
        json!({"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable",
               "message": "Deployment has minimum availability."})
    } else {
        json!({"type": "Available", "status": "False", "reason": "MinimumReplicasUnavailable",
               "message": "Deployment does not have minimum availability."})
    };
    is["lastUpdateTime"] = match condition(deployment, "Available") {
        Some(old) if old["status"] == is["status"] => old["lastUpdateTime"].clone(),
        _ => now.clone().into(),
    };
    set_condition(&mut status, is, &now);
    let complete = updated == room.wanted && replicas == room.wanted && available == room.wanted;
    let progressing = progress(moment, deployment, &current, complete, moved);
    set_condition(&mut status, progressing, &now);
    let failure = sets.iter().any(|set| {
        set["status"]["replicas"].as_u64() < set["spec"]["replicas"].as_u64()
            && moment.store.warned(&set["metadata"]["uid"], "FailedCreate").is_some()
    });
    if failure {
        let why = sets
            .iter()
            .find_map(|set| moment.store.warned(&set["metadata"]["uid"], "FailedCreate"))
            .unwrap_or_default();
        let failed = json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                            "message": why});
        set_condition(&mut status, failed, &now);
    } else if let Some(all) = status["conditions"].as_array_mut() {
        all.retain(|condition| condition["type"] != "ReplicaFailure");
    }
    next["status"] = status;
    moment.put_if_changed(ID, deployment, next);
}

fn progress(
    moment: &mut Moment<'_>,
    deployment: &Value,
    set: &str,
    complete: bool,
    moved: bool,
) -> Value {
    let old = condition(deployment, "Progressing").cloned().unwrap_or_default();
    let now = moment.stamp();
    if complete {
        let since = if old["reason"] == "NewReplicaSetAvailable" && !moved {
            old["lastUpdateTime"].clone()
        } else {
            now.into()
        };
        return json!({
            "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable",
            "message": format!("ReplicaSet \"{set}\" has successfully progressed."),
            "lastUpdateTime": since,
        });
    }
    let seconds = deployment["spec"]["progressDeadlineSeconds"].as_u64().unwrap_or(600);
    let fresh = moved || old.is_null() || old["reason"] == "NewReplicaSetAvailable";
    let since = if fresh { moment.at } else { unstamp(&old["lastUpdateTime"]) };
    let deadline = since.saturating_add(seconds.saturating_mul(1_000));
    if moment.at >= deadline || (old["status"] == "False" && !fresh) {
        let since =
            if old["status"] == "False" { old["lastUpdateTime"].clone() } else { now.into() };
        return json!({
            "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
            "message": format!("ReplicaSet \"{set}\" has timed out progressing."),
            "lastUpdateTime": since,
        });
    }
    moment.wake(deadline);
    json!({
        "type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated",
        "message": format!("ReplicaSet \"{set}\" is progressing."),
        "lastUpdateTime": if fresh { Value::from(now) } else { old["lastUpdateTime"].clone() },
    })
}
