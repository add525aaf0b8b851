//! Claims of volumes: the driver makes a volume when a pod that asks for it has a node, attaches it
//! where the pod runs, and deletes it when the claim is gone.
//! <https://kubernetes.io/docs/concepts/storage/persistent-volumes/#lifecycle-of-a-volume-and-claim>

use super::{Claimed, Moment};
use crate::sandbox::kube::store::{Store, name_of, namespace_of};
use serde_json::{Value, json};

const CLAIMS: &str = "persistentvolumeclaims";
const VOLUMES: &str = "persistentvolumes";
/// Keeps a claim as long as a pod that runs uses it.
const PROTECTION: &str = "kubernetes.io/pvc-protection";
/// The driver that makes volumes of EBS.
const DRIVER: &str = "ebs.csi.aws.com";
const CLASS: &str = "storageclasses.storage.k8s.io";
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";
/// How often what could not be done is tried again, in milliseconds.
const RETRY: u64 = 5_000;

/// The names of the claims that a pod uses.
fn used(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
}

fn leaving(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some()
}

/// Why a pod can't be given a node for the sake of its claims.
pub(super) fn unschedulable(store: &Store, pod: &Value) -> Option<String> {
    used(pod).find_map(|name| match store.get(CLAIMS, namespace_of(pod), name) {
        None => Some(format!("persistentvolumeclaim {name:?} not found")),
        Some(claim) if leaving(claim) => {
            Some(format!("persistentvolumeclaim {name:?} is being deleted"))
        }
        Some(_) => None,
    })
}

/// Why a pod that has a node can't start for the sake of its claims.
pub(super) fn unbound(store: &Store, pod: &Value) -> Option<String> {
    used(pod).find_map(|name| {
        let claim = store.get(CLAIMS, namespace_of(pod), name)?;
        (claim["status"]["phase"] != "Bound")
            .then(|| format!("persistentvolumeclaim {name:?} is not bound"))
    })
}

/// The pod that keeps a claim in use: one that has a node.
fn user(store: &Store, claim: &Value) -> Option<Value> {
    let uses = |pod: &&Value| {
        namespace_of(pod) == namespace_of(claim)
            && pod["spec"]["nodeName"].is_string()
            && used(pod).any(|name| name == name_of(claim))
    };
    store.of("pods").find(uses).cloned()
}

/// Whether the driver runs: it is installed, and has a node to run on.
fn driven(moment: &Moment<'_>) -> bool {
    let ready = |node: &Value| {
        super::condition(node, "Ready").is_some_and(|condition| condition["status"] == "True")
    };
    moment.store.of("nodes").any(ready) && moment.around.cloud.drives_volumes()
}

/// Brings every claim and volume further.
pub(super) fn run(moment: &mut Moment<'_>) {
    let claims: Vec<Value> = moment.store.of(CLAIMS).cloned().collect();
    for claim in claims {
        one(moment, claim);
    }
    let volumes: Vec<Value> = moment.store.of(VOLUMES).cloned().collect();
    for volume in volumes {
        volume_of(moment, &volume);
    }
}

fn one(moment: &mut Moment<'_>, claim: Value) {
    let pod = user(moment.store, &claim);
    if leaving(&claim) {
        if pod.is_none() {
            moment.store.remove(CLAIMS, &claim);
        }
        return;
    }
    let mut next = claim.clone();
    if next["status"]["phase"].is_null() {
        next["metadata"]["finalizers"] = json!([PROTECTION]);
        next["status"] = json!({"phase": "Pending"});
        if next["spec"]["storageClassName"].is_null()
            && let Some(class) = default_class(moment.store)
        {
            next["spec"]["storageClassName"] = class.into();
        }
    }
    if next["status"]["phase"] == "Pending"
        && let Some(pod) = pod
    {
        bind(moment, &mut next, &pod);
    }
    moment.put_if_changed(CLAIMS, &claim, next);
}

fn default_class(store: &Store) -> Option<String> {
    let default =
        store.of(CLASS).find(|class| class["metadata"]["annotations"][DEFAULT] == "true")?;
    Some(name_of(default).to_owned())
}

/// Makes the volume of a claim whose pod has a node.
fn bind(moment: &mut Moment<'_>, claim: &mut Value, pod: &Value) {
    let class = claim["spec"]["storageClassName"].as_str().unwrap_or_default();
    let Some(class) = moment.store.get(CLASS, "", class).cloned() else { return };
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    let zone = moment.around.nodes.iter().find(|facts| facts.name == node);
    let (Some(zone), true, true) =
        (zone.map(|facts| facts.zone.clone()), class["provisioner"] == DRIVER, driven(moment))
    else {
        let retry = moment.at + RETRY;
        return moment.wake(retry);
    };
    let uid = claim["metadata"]["uid"].as_str().unwrap_or_default();
    let asked = claim["spec"]["resources"]["requests"]["storage"].as_str().unwrap_or_default();
    let asked = asked.to_owned();
    let claimed = Claimed {
        namespace: namespace_of(claim).to_owned(),
        claim: name_of(claim).to_owned(),
        volume: format!("pvc-{uid}"),
        zone,
        size: asked.trim_end_matches("Gi").parse().unwrap_or(1),
    };
    let Some(id) = moment.around.cloud.create_volume(&claimed) else { return };
    let volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": claimed.volume,
            "uid": moment.store.uid(),
            "creationTimestamp": moment.stamp(),
            "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER},
        },
        "spec": {
            "capacity": {"storage": asked},
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy":
                class["reclaimPolicy"].as_str().unwrap_or("Delete"),
            "storageClassName": name_of(&class),
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": uid,
                "namespace": namespace_of(claim), "name": name_of(claim),
            },
            "csi": {"driver": DRIVER, "volumeHandle": id, "fsType": "ext4"},
        },
        "status": {"phase": "Bound"},
    });
    moment.store.put(VOLUMES, volume);
    claim["spec"]["volumeName"] = claimed.volume.into();
    claim["status"] = json!({
        "phase": "Bound",
        "capacity": {"storage": asked},
        "accessModes": claim["spec"]["accessModes"],
    });
}

/// Attaches a volume to where its pod runs; deletes one whose claim is gone, if its class says so
/// and the driver runs.
fn volume_of(moment: &mut Moment<'_>, volume: &Value) {
    let id = volume["spec"]["csi"]["volumeHandle"].as_str().unwrap_or_default().to_owned();
    let claim = &volume["spec"]["claimRef"];
    let (namespace, name) = (
        claim["namespace"].as_str().unwrap_or_default(),
        claim["name"].as_str().unwrap_or_default(),
    );
    let bound = moment
        .store
        .get(CLAIMS, namespace, name)
        .filter(|there| there["metadata"]["uid"] == claim["uid"])
        .cloned();
    let pod = bound.as_ref().and_then(|claim| user(moment.store, claim));
    let node = pod.and_then(|pod| pod["spec"]["nodeName"].as_str().map(str::to_owned));
    let instance = node.and_then(|node| {
        let nodes = &moment.around.nodes;
        nodes.iter().find(|facts| facts.name == node).map(|facts| facts.instance_id.clone())
    });
    if moment.store.attached.get(&id) != instance.as_ref() {
        moment.around.cloud.attach(&id, instance.as_deref());
        match &instance {
            Some(instance) => moment.store.attached.insert(id.clone(), instance.clone()),
            None => moment.store.attached.remove(&id),
        };
    }
    if bound.is_some() {
        return;
    }
    let deletes = volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete";
    if deletes && driven(moment) && moment.around.cloud.delete_volume(&id) {
        moment.store.remove(VOLUMES, volume);
        return;
    }
    let mut next = volume.clone();
    next["status"]["phase"] = "Released".into();
    moment.put_if_changed(VOLUMES, volume, next);
    if deletes {
        let retry = moment.at + RETRY;
        moment.wake(retry);
    }
}
