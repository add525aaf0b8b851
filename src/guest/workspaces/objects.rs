//! What a cluster shows of workspaces, and taking it away where Coder does not.
//! <https://github.com/coder/coder/blob/main/examples/templates/kubernetes/main.tf>

use crate::guest::cluster::{CORE, delete, list, name, namespace, text, uses};
use crate::kind::{Class, Cx, Error, Held, Result, seconds};
use crate::kube::client::Kube;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The labels that Coder's templates for Kubernetes give to everything.
const WORKSPACE: &str = "/metadata/labels/com.coder.workspace.name";
const USER: &str = "/metadata/labels/com.coder.user.username";
/// How often, every five seconds, what goes is looked for: ten minutes in all.
const LOOKS: usize = 120;

/// What makes pods, and would make them again.
const WORKLOADS: [(&str, &str); 6] = [
    ("/apis/batch/v1", "cronjobs"),
    ("/apis/batch/v1", "jobs"),
    ("/apis/apps/v1", "deployments"),
    ("/apis/apps/v1", "statefulsets"),
    ("/apis/apps/v1", "daemonsets"),
    ("/apis/apps/v1", "replicasets"),
];

/// What a cluster shows of workspaces.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Objects {
    pub(super) held: Vec<Held>,
    /// Namespace and name of each claim.
    pub(super) claims: BTreeSet<(String, String)>,
}

#[derive(Default)]
struct Parts {
    pods: Vec<String>,
    sizes: Vec<String>,
}

/// Whose an object is: that of a workspace, by its labels, or of nobody known in a namespace that
/// is for workspaces alone.
fn whose(object: &Value, noun: &str, namespaces: &BTreeSet<String>) -> Option<String> {
    match (text(object, USER), text(object, WORKSPACE)) {
        (user, workspace) if !workspace.is_empty() => Some(format!("{user}/{workspace}")),
        _ if namespaces.contains(namespace(object)) => {
            Some(format!("{noun} {}/{}", namespace(object), name(object)))
        }
        _ => None,
    }
}

impl Objects {
    /// Reads them, with two calls.
    pub(super) async fn read(
        cx: &Cx,
        kube: &Kube,
        namespaces: &BTreeSet<String>,
    ) -> Result<Objects> {
        let (pods, claims) = futures::try_join!(
            list(cx, kube, "/api/v1/pods"),
            list(cx, kube, "/api/v1/persistentvolumeclaims")
        )?;
        let mut all: BTreeMap<String, Parts> = BTreeMap::new();
        let mut objects = Objects::default();
        for pod in &pods {
            let Some(whose) = whose(pod, "pod", namespaces) else { continue };
            let phase = match text(pod, "/metadata/deletionTimestamp") {
                "" => text(pod, "/status/phase").to_lowercase(),
                _ => "ending".to_owned(),
            };
            all.entry(whose).or_default().pods.push(phase);
        }
        for claim in &claims {
            let Some(whose) = whose(claim, "claim", namespaces) else { continue };
            let size = text(claim, "/spec/resources/requests/storage").to_owned();
            all.entry(whose).or_default().sizes.push(size);
            objects.claims.insert((namespace(claim).to_owned(), name(claim).to_owned()));
        }
        objects.held = all.into_iter().map(|(name, parts)| parts.held(name)).collect();
        Ok(objects)
    }
}

impl Parts {
    fn held(self, name: String) -> Held {
        let state = match self.pods.first() {
            Some(phase) if !phase.is_empty() => phase.clone(),
            Some(_) => "starting".to_owned(),
            None => "stopped".to_owned(),
        };
        let volumes = match self.sizes.as_slice() {
            [] => "no volume".to_owned(),
            [one] => format!("a volume of {one}"),
            more => format!("{} volumes of {}", more.len(), more.join(", ")),
        };
        Held { name, detail: format!("{state}, {volumes}") }
    }
}

/// Takes away what is left, and waits until it is gone with its volumes: what deletes those must be
/// there until then.
pub(super) async fn clear(
    cx: &Cx,
    kube: &Kube,
    namespaces: &BTreeSet<String>,
    before: &Objects,
) -> Result<()> {
    let left = Objects::read(cx, kube, namespaces).await?;
    if !left.held.is_empty() {
        sweep(cx, kube, namespaces).await?;
    }
    let claims: BTreeSet<&(String, String)> = before.claims.iter().chain(&left.claims).collect();
    let mut names = Vec::new();
    for _ in 0..LOOKS {
        let left = Objects::read(cx, kube, namespaces).await?;
        names = left.held.into_iter().map(|held| held.name).collect();
        for volume in list(cx, kube, "/api/v1/persistentvolumes").await? {
            let of = |pointer| text(&volume, pointer).to_owned();
            let claim = (of("/spec/claimRef/namespace"), of("/spec/claimRef/name"));
            let is_kept = text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Retain";
            if !is_kept && (claims.contains(&claim) || namespaces.contains(&claim.0)) {
                names.push(format!("volume {}", name(&volume)));
            }
        }
        let Some(first) = names.first() else { return Ok(()) };
        cx.progress(&format!("waiting for {first} to go"));
        cx.pause(seconds(5)).await?;
    }
    let why = format!("these are still there after ten minutes: {}", names.join(", "));
    Err(Error::of(Class::TimedOut, why)
        .hint("see what holds them: kubectl describe pods,pvc -A; kubectl describe pv"))
}

/// Deletes what workspaces are made of: first what would make the rest again.
async fn sweep(cx: &Cx, kube: &Kube, namespaces: &BTreeSet<String>) -> Result<()> {
    cx.progress("deleting what is left of workspaces in the cluster");
    let mine = |object: &Value| {
        namespaces.contains(namespace(object)) || !text(object, WORKSPACE).is_empty()
    };
    for (root, plural) in WORKLOADS {
        for object in list(cx, kube, &format!("{root}/{plural}")).await? {
            if mine(&object) {
                delete(cx, kube, root, plural, &object).await?;
            }
        }
    }
    let claims = list(cx, kube, "/api/v1/persistentvolumeclaims").await?;
    let claims: Vec<Value> = claims.into_iter().filter(|claim| mine(claim)).collect();
    for claim in &claims {
        delete(cx, kube, CORE, "persistentvolumeclaims", claim).await?;
    }
    for pod in list(cx, kube, "/api/v1/pods").await? {
        let uses_one = claims
            .iter()
            .any(|claim| namespace(claim) == namespace(&pod) && uses(&pod, name(claim)));
        if mine(&pod) || uses_one {
            delete(cx, kube, CORE, "pods", &pod).await?;
        }
    }
    Ok(())
}
