//! Workspaces: what the builds of coderd's own provisioners do in the cluster. A template for
//! Kubernetes makes a claim for the home folder, which stays, and a Deployment while it runs.
//! <https://github.com/coder/coder/tree/main/examples/templates/kubernetes>

use super::Moment;
use crate::sandbox::coderd::Workspace;
use crate::sandbox::kube::store::{has_finalizers, namespace_of};
use serde_json::{Value, json};

const CLAIMS: &str = "persistentvolumeclaims";
const DEPLOYMENTS: &str = "deployments.apps";
const ID: &str = "com.coder.workspace.id";
/// How often a build looks whether what it deletes is gone, in milliseconds.
const RETRY: u64 = 2_000;

/// Brings every build that runs further.
pub(super) fn run(moment: &mut Moment<'_>) {
    let mut all = moment.store.coder.take_building();
    for workspace in &mut all {
        if moment.at < workspace.until {
            let until = workspace.until;
            moment.wake(until);
            continue;
        }
        match workspace.transition.as_str() {
            "start" => start(moment, workspace),
            "delete" if workspace.is_stuck => workspace.failed(),
            "delete" => delete(moment, workspace),
            _ => workspace.succeeded(),
        }
    }
    moment.store.coder.put_back(all);
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
