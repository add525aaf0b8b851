//! What a cluster of ours shows of what others made in it, and taking that away.

use crate::aws::eks::cluster::Cluster;
use crate::kind::{self, Class, Cx, Error, Ownership, Result, Seen};
use crate::kube::client::{Call, Kube};
use crate::kube::places::{Place, Wants, places};
use crate::name::PhysicalId;
use http::Method;
use serde_json::{Value, json};

/// Where objects of the core group are served.
pub(super) const CORE: &str = "/api/v1";

/// A cluster of the deployment.
pub(super) struct Site {
    /// Its id in the plan.
    pub(super) id: PhysicalId,
    /// What EKS calls it, and its controllers in their tags.
    pub(super) name: String,
    pub(super) owner: Ownership,
    /// How it is looked into; none where it can't be, or goes already.
    pub(super) place: Option<Place>,
}

/// The clusters of the deployment in this region.
pub(super) fn sites(cx: &Cx, seen: &dyn Seen) -> Result<Vec<Site>> {
    let mut found = places(cx, Wants::NoneGiven, seen)?;
    let mut sites = Vec::new();
    for (id, owner, live) in kind::seen::<Cluster>(seen) {
        let at = found.iter().position(|place| place.id.as_ref() == Some(id));
        sites.push(Site {
            id: id.clone(),
            name: live.name.to_string(),
            owner: owner.clone(),
            place: at.map(|at| found.remove(at)),
        });
    }
    Ok(sites)
}

/// All objects of a type, everywhere or in one namespace, by its plural and where it is served.
pub(super) async fn list(cx: &Cx, kube: &Kube, path: &str) -> Result<Vec<Value>> {
    let plural = path.rsplit('/').next().unwrap_or_default();
    let mut call = Call::get(path.to_owned(), plural, false);
    call.operation = format!("list {plural}");
    kube.list(cx, &call).await
}

/// Whether the API could be asked at all: what it refuses, or does not answer, is told apart from
/// what is wrong here.
pub(super) fn is_silent(error: &Error) -> bool {
    matches!(error.class, Class::Unavailable | Class::Denied | Class::TimedOut)
}

pub(super) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

pub(super) fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// Where the objects of a type in a namespace are: `/apis/apps/v1` and `deployments`.
pub(super) fn within(root: &str, namespace: &str, plural: &str) -> String {
    format!("{root}/namespaces/{namespace}/{plural}")
}

/// Deletes one object and what it controls; what is gone already is no error, and neither is
/// another one of its name.
pub(super) async fn delete(
    cx: &Cx,
    kube: &Kube,
    root: &str,
    plural: &str,
    object: &Value,
) -> Result<()> {
    let path = match namespace(object) {
        "" => format!("{root}/{plural}/{}", name(object)),
        inside => format!("{}/{}", within(root, inside, plural), name(object)),
    };
    let options = json!({
        "preconditions": {"uid": object["metadata"]["uid"]},
        "propagationPolicy": "Background",
    });
    let call = Call {
        method: Method::DELETE,
        body: Some(("application/json", options)),
        operation: format!("delete {plural}"),
        ..Call::get(path, plural, false)
    };
    match kube.send(cx, &call).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == Class::NotFound || error.is_code("Conflict") => Ok(()),
        Err(error) => Err(error),
    }
}

/// Whether a pod uses a claim of its namespace.
pub(super) fn uses(pod: &Value, claim: &str) -> bool {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    volumes
        .filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
        .any(|name| name == claim)
}
