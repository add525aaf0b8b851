//! Workspaces: what the builds of coderd's own provisioners do in the cluster. A template for
//! Kubernetes makes a claim for the home folder, which stays, and a Deployment while it runs; one for
//! machines of another sort, without a namespace, makes nothing here.
//! <https://github.com/coder/coder/tree/main/examples/templates/kubernetes>

use super::{Moment, coderd_version, environment, is_ready, stopping};
use crate::sandbox::coderd::{self, Workspace};
use crate::sandbox::kube::store::{Store, has_finalizers, namespace_of};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CLAIMS: &str = "persistentvolumeclaims";
const DEPLOYMENTS: &str = "deployments.apps";
const ID: &str = "com.coder.workspace.id";
/// How often a build looks whether what it deletes is gone, in milliseconds.
const RETRY: u64 = 2_000;

/// Brings every build that runs further. The provisioners are threads of coderd: where no pod of it
/// runs, nothing goes on.
pub(super) fn run(moment: &mut Moment<'_>) {
    if !moment.store.builds {
        return;
    }
    let databases = databases(moment.store);
    let mut running = databases.is_empty();
    for database in databases {
        running |= build(moment, &database);
    }
    moment.store.builds = running;
}

/// The databases of the coderds that run here, named as [`coderd::database_of`] does.
pub(in crate::sandbox::kube) fn databases(store: &Store) -> BTreeSet<String> {
    let running = store.of("pods").filter(|pod| is_ready(pod) && !stopping(pod));
    let of_pod = |pod: &Value| {
        let mut containers = pod["spec"]["containers"].as_array()?.iter();
        let coderd = containers.find(|container| coderd_version(container).is_some())?;
        coderd::database_of(&environment(store, pod, coderd).ok()?)
    };
    running.filter_map(of_pod).collect()
}

/// Brings the builds of one database further; answers whether any goes on.
fn build(moment: &mut Moment<'_>, database: &str) -> bool {
    let host = database.split('/').next().unwrap_or_default();
    let around = moment.around;
    let own = &mut moment.store.coder;
    let Some(before) =
        coderd::in_databases(around.database, own, host, |all| all.building(database))
    else {
        return true;
    };
    let mut all = before.clone();
    for workspace in &mut all {
        if moment.at < workspace.until {
            let until = workspace.until;
            moment.wake(until);
            continue;
        }
        match workspace.transition.as_str() {
            "start" | "delete" if workspace.namespace.is_empty() => workspace.succeeded(),
            "start" => start(moment, workspace),
            "delete" if workspace.is_stuck => workspace.failed(),
            "delete" => delete(moment, workspace),
            _ => workspace.succeeded(),
        }
    }
    let running = all.iter().any(Workspace::is_building);
    if all != before {
        let own = &mut moment.store.coder;
        // What can't be kept is done once more at the next look, and comes to the same.
        let kept =
            coderd::in_databases(around.database, own, host, |kept| kept.built(database, all));
        return running || kept.is_none();
    }
    running
}

fn metadata(moment: &mut Moment<'_>, workspace: &Workspace, name: &str) -> Value {
    json!({
        "name": name,
        "namespace": workspace.namespace,
        "uid": moment.store.uid(),
        "creationTimestamp": moment.stamp(),
        "labels": {
            "com.coder.resource": "true",
            ID: workspace.id,
            "com.coder.workspace.name": workspace.name,
            "com.coder.user.id": workspace.owner_id,
            "com.coder.user.username": workspace.owner,
        },
    })
}

fn start(moment: &mut Moment<'_>, workspace: &mut Workspace) {
    let (home, pods) = (format!("coder-{}-home", workspace.id), format!("coder-{}", workspace.id));
    if moment.store.get(CLAIMS, &workspace.namespace, &home).is_none() {
        let claim = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": metadata(moment, workspace, &home),
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "10Gi"}},
            },
        });
        moment.store.put(CLAIMS, claim);
    }
    let of_deployment = metadata(moment, workspace, &pods);
    let labels = of_deployment["labels"].clone();
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": of_deployment,
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {ID: workspace.id}},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "terminationGracePeriodSeconds": 5,
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{
                        "name": "dev",
                        "image": "codercom/enterprise-base:ubuntu",
                        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                        "volumeMounts": [{"name": "home", "mountPath": "/home/coder"}],
                    }],
                    "volumes": [{"name": "home", "persistentVolumeClaim": {"claimName": home}}],
                },
            },
        },
    });
    moment.store.put(DEPLOYMENTS, deployment);
    workspace.succeeded();
}

/// Deletes what the workspace has, and is done when all of it is gone.
fn delete(moment: &mut Moment<'_>, workspace: &mut Workspace) {
    let mut left = false;
    for resource in [DEPLOYMENTS, "replicasets.apps", "pods", CLAIMS] {
        let of_it = |object: &&Value| {
            namespace_of(object) == workspace.namespace
                && object["metadata"]["labels"][ID] == workspace.id
        };
        let all: Vec<Value> = moment.store.of(resource).filter(of_it).cloned().collect();
        for mut object in all {
            if resource == "pods" {
                left |= super::begin_end(moment.store, object, moment.at).is_some();
            } else if has_finalizers(&object) {
                left = true;
                if object["metadata"].get("deletionTimestamp").is_none() {
                    object["metadata"]["deletionTimestamp"] = moment.stamp().into();
                    moment.store.put(resource, object);
                }
            } else {
                moment.store.remove(resource, &object);
            }
        }
    }
    if left {
        let retry = moment.at + RETRY;
        moment.wake(retry);
    } else {
        workspace.succeeded();
    }
}
