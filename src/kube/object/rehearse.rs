//! What the cluster would say to a change, asked without making it.
//!
//! Only where there is something to change, and only as far as it is known: what admission
//! refuses (a port that is taken, a policy of the cluster's) is in the plan then, and not met
//! halfway through an apply. Where dry runs are not permitted, nothing is said.
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run>

use super::fields::leaves;
use super::live::{Live, applied, says_whose};
use super::{Content, Object};
use crate::kind::{Class, Cx};
use crate::kube::client::{Call, Kube, MANAGER};
use http::Method;
use serde_json::Value;

/// Why the cluster would refuse to make the live object as wanted; `None` when it would not, or
/// can not be asked.
pub(super) async fn refusal(cx: &Cx, kube: &Kube, object: &Object, live: &Live) -> Option<String> {
    let Content::Manifest { manifest, .. } = &object.content else { return None };
    let mut whole = manifest.literal()?;
    let mut changes = false;
    for leaf in leaves(&whole, &live.object, &applied(&live.object)) {
        // What is only there is taken away, which is never refused; and the checksum is not in
        // the manifest yet.
        if says_whose(&leaf.field) || leaf.is_same() || leaf.wanted.is_none() {
            continue;
        }
        if live.of.fixes(&leaf.field) {
            // It will be made anew, which can not be rehearsed beside the old one.
            return None;
        }
        changes = true;
    }
    if !changes {
        return None;
    }
    whole["apiVersion"] = Value::from(live.of.api_version());
    whole["kind"] = Value::from(live.of.to_string());
    whole["metadata"]["name"] = Value::from(live.name.as_str());
    let call = Call {
        method: Method::PATCH,
        body: Some(("application/apply-patch+yaml", whole)),
        operation: format!("patch {}", live.of.plural()),
        query: vec![
            ("fieldManager", MANAGER.to_owned()),
            ("force", "true".to_owned()),
            ("dryRun", "All".to_owned()),
        ],
        ..Call::get(live.of.path(&live.namespace, &live.name), live.of.plural(), false)
    };
    match kube.send(cx, &call).await {
        Err(error) if error.class == Class::Refused => Some(error.message),
        _ => None,
    }
}
