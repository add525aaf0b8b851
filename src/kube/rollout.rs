//! Waiting until a Deployment runs as it should, and saying why it does not.
//!
//! A Deployment says how many of its pods are ready, never why one is not: that is in the pods. The
//! reason is said in the pod's own words, with the last line of its log where it crashes; what never
//! recovers by itself is not waited for.
//! <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#deployment-status>

mod pods;

use super::client::{Call, Kube};
use crate::kind::{Class, Cx, Error, Result, seconds};
use pods::Trouble;
use serde_json::Value;
use std::fmt;
use std::time::{Duration, SystemTime};

/// How long a rollout may take: what a Deployment gives itself for progress by default, and half
/// as much again for pods that must wait for a node.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long a failure must stay the same before it is final: a Secret may be a moment late.
const STAYS_FOR: Duration = Duration::from_secs(60);
/// How long between two looks.
const PAUSE: u32 = 2;

/// How many pods a Deployment wants, and has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas {
    wanted: i64,
    /// Of the newest template.
    updated: i64,
    available: i64,
    all: i64,
    /// Whether the counts are about the newest template at all.
    is_observed: bool,
}

impl Replicas {
    /// As a live Deployment tells them.
    pub fn of(deployment: &Value) -> Replicas {
        let count = |field: &str| deployment["status"][field].as_i64().unwrap_or(0);
        Replicas {
            wanted: deployment["spec"]["replicas"].as_i64().unwrap_or(1),
            updated: count("updatedReplicas"),
            available: count("availableReplicas"),
            all: count("replicas"),
            is_observed: count("observedGeneration")
                >= deployment["metadata"]["generation"].as_i64().unwrap_or(0),
        }
    }

    /// Whether as many as wanted run, of the newest template, and no others.
    pub fn are_ready(&self) -> bool {
        self.is_observed
            && self.updated >= self.wanted
            && self.all <= self.updated
            && self.available >= self.wanted
    }
}

impl fmt::Display for Replicas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Replicas { wanted, updated, available, all, is_observed } = self;
        if !is_observed || updated < wanted {
            return write!(f, "{updated} of {wanted} replicas updated");
        }
        if all > updated {
            return write!(f, "{} old replicas to go", all - updated);
        }
        write!(f, "{available} of {wanted} replicas available")
    }
}

/// How a Deployment is doing now.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    /// How many pods it wants, and has.
    pub(crate) replicas: Replicas,
    /// What the worst pod says of itself, where one says anything.
    pub(crate) trouble: Option<String>,
    /// The images of its template.
    pub(crate) images: Vec<String>,
}

/// Looks at a Deployment once; `None` where it is not there.
pub(crate) async fn look(
    cx: &Cx,
    kube: &Kube,
    namespace: &str,
    name: &str,
) -> Result<Option<Look>> {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let found = kube.look(cx, &Call::get(path, "deployments", false)).await?;
    let Some(deployment) = found else { return Ok(None) };
    let replicas = Replicas::of(&deployment);
    let trouble = match of_deployment(&deployment) {
        Some(trouble) => Some(trouble),
        None if replicas.are_ready() => None,
        None => pods::worst(cx, kube, namespace, &deployment).await?,
    };
    let containers = deployment["spec"]["template"]["spec"]["containers"].as_array();
    let images = containers.into_iter().flatten().filter_map(|one| one["image"].as_str());
    let images = images.map(str::to_owned).collect();
    let trouble = trouble.map(|trouble| cx.masks.clean(&trouble.why));
    Ok(Some(Look { replicas, trouble, images }))
}

/// Waits until the Deployment runs as it should, and gives it.
///
/// # Errors
/// [`Class::Failed`] with the reason in a pod's own words when it can not recover by itself;
/// [`Class::TimedOut`] when it has not come up in time.
pub(crate) async fn wait(cx: &Cx, kube: &Kube, namespace: &str, name: &str) -> Result<Value> {
    let root = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let begin = cx.clock.now();
    // What is wrong, and since when.
    let mut trouble: Option<(Trouble, SystemTime)> = None;
    loop {
        let call = Call::get(format!("{root}/{name}"), "deployments", false);
        let deployment = kube.send(cx, &call).await?;
        let replicas = Replicas::of(&deployment);
        if replicas.are_ready() {
            return Ok(deployment);
        }
        let now = cx.clock.now();
        let seen = match of_deployment(&deployment) {
            Some(trouble) => Some(trouble),
            None => pods::worst(cx, kube, namespace, &deployment).await?,
        };
        trouble = seen.map(|seen| match trouble.take() {
            Some((known, since)) if known.is_like(&seen) => (seen, since),
            _ => (seen, now),
        });
        match &trouble {
            Some((trouble, since)) => {
                cx.progress(&format!("{replicas}: {}", trouble.why));
                let lasted = now.duration_since(*since).unwrap_or_default();
                if trouble.is_final || (trouble.is_grave && lasted >= STAYS_FOR) {
                    return Err(failed(cx, kube, Class::Failed, namespace, name, trouble).await);
                }
            }
            None => cx.progress(&replicas.to_string()),
        }
        if now.duration_since(begin).unwrap_or_default() >= PATIENCE {
            let unknown = Trouble::passing(replicas.to_string());
            let trouble = trouble.map_or(unknown, |(trouble, _)| trouble);
            return Err(failed(cx, kube, Class::TimedOut, namespace, name, &trouble).await);
        }
        cx.pause(seconds(PAUSE)).await?;
    }
}

/// What the Deployment itself complains of: it may not make pods at all.
fn of_deployment(deployment: &Value) -> Option<Trouble> {
    let conditions = deployment["status"]["conditions"].as_array()?;
    let condition = conditions
        .iter()
        .find(|condition| condition["type"] == "ReplicaFailure" && condition["status"] == "True")?;
    let message = condition["message"].as_str().unwrap_or("its pods can not be made");
    Some(Trouble::grave(message.to_owned()))
}

async fn failed(
    cx: &Cx,
    kube: &Kube,
    class: Class,
    namespace: &str,
    name: &str,
    trouble: &Trouble,
) -> Error {
    let mut why = format!("Deployment {namespace}/{name} does not come up: {}", trouble.why);
    if let Some(line) = pods::last_line(cx, kube, namespace, trouble).await {
        why.push_str(&format!("; its log ends: {line}"));
    }
    let hint = match &trouble.pod {
        Some(pod) => format!("kubectl -n {namespace} describe pod {pod}"),
        None => format!("kubectl -n {namespace} describe deployment {name}"),
    };
    Error::of(class, cx.masks.clean(&why)).hint(hint)
}
