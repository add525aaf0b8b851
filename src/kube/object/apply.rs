//! Writing an object, and taking it away.

use super::body::{Payload, body};
use super::live::Live;
use super::types::is_at_or_below;
use super::{Object, Type, list};
use crate::kind::{Change, Class, Cx, Error, Result, seconds};
use crate::kube::client::{Applied, Call, Kube, MANAGER};
use http::Method;
use serde_json::{Value, json};

/// How often, every two seconds, a deleted object is looked for: ten minutes in all.
const LOOKS: usize = 300;

/// Applies the object with this payload and no more. Where other managers are in the way, their
/// fields are taken only if `changes`, which the plan has shown, names each of them.
pub(super) async fn send(
    cx: &Cx,
    kube: &Kube,
    object: &Object,
    payload: Payload,
    changes: &[Change],
) -> Result<Value> {
    let of = object.content.object_type();
    let mut call = Call {
        method: Method::PATCH,
        body: Some(("application/apply-patch+yaml", body(cx, object, payload)?)),
        operation: format!("patch {}", of.plural()),
        query: vec![("fieldManager", MANAGER.to_owned()), ("force", "false".to_owned())],
        ..Call::get(of.path(&object.namespace, &object.name), of.plural(), false)
    };
    let conflicts = match kube.apply(cx, &call).await {
        Ok(Applied::Done(object)) => return Ok(object),
        Ok(Applied::Conflicts(conflicts)) => conflicts,
        Err(error) if error.class == Class::NotFound && of.is_namespaced() => {
            let why = format!("the namespace {} does not exist", object.namespace);
            return Err(Error { class: Class::Refused, message: why, ..error }
                .hint(format!("kubectl create namespace {}", object.namespace)));
        }
        Err(error) => return Err(error),
    };
    let is_shown = |field: &str| {
        let field = field.strip_prefix("metadata.").unwrap_or(field);
        changes.iter().any(|change| is_at_or_below(field, &change.field))
    };
    if let Some(conflict) = conflicts.iter().find(|conflict| !is_shown(&conflict.field)) {
        let why = format!("{}: {}", conflict.field, conflict.with);
        return Err(Error {
            operation: Some(format!("kubernetes:{}", call.operation)),
            code: Some("Conflict".to_owned()),
            ..Error::of(Class::Refused, why)
        }
        .hint("plan again: it shows what somebody else has set"));
    }
    call.query = vec![("fieldManager", MANAGER.to_owned()), ("force", "true".to_owned())];
    match kube.apply(cx, &call).await? {
        Applied::Done(object) => Ok(object),
        Applied::Conflicts(_) => Err(Error::local("a forced apply can not meet a conflict")),
    }
}

/// Deletes an object, and returns when it is gone.
pub(super) async fn delete(cx: &Cx, live: &Live) -> Result<()> {
    let Live { of, namespace, name, uid, access, .. } = live;
    let kube = Kube::of(cx, access.as_ref())?;
    let mut options = json!({"preconditions": {"uid": uid}});
    if *of == Type::Deployment {
        // Gone is it once its pods are: what they hold (connections, volumes) goes with them.
        options["propagationPolicy"] = Value::from("Foreground");
    }
    let call = Call {
        method: Method::DELETE,
        body: Some(("application/json", options)),
        operation: format!("delete {}", of.plural()),
        ..Call::get(of.path(namespace, name), of.plural(), false)
    };
    match kube.send(cx, &call).await {
        Ok(_) => {}
        Err(error) if error.class == Class::NotFound => return Ok(()),
        // Another object has the name by now; ours is gone.
        Err(error) if error.is_code("Conflict") => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut left = None;
    for _ in 0..LOOKS {
        match list::look(cx, &kube, *of, namespace, name).await? {
            Some(object) if object["metadata"]["uid"] == uid.as_str() => {
                let waiting_for = remains(&object);
                cx.progress(&format!("waiting for {waiting_for}"));
                left = Some(waiting_for);
                cx.pause(seconds(2)).await?;
            }
            _ => return Ok(()),
        }
    }
    let left = left.unwrap_or_default();
    let why = format!("{} is still there after ten minutes, for {left}", live.id());
    let of_namespace = if of.is_namespaced() { format!("-n {namespace} ") } else { String::new() };
    Err(Error::of(Class::TimedOut, why)
        .hint(format!("see its finalizers: kubectl {of_namespace}get {of} {name} -o yaml")))
}

/// What a leaving object waits for, in the cluster's words where there are any.
fn remains(object: &Value) -> String {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let mut words = conditions
        .filter(|condition| condition["status"] == "True")
        .filter(|condition| {
            let of = condition["type"].as_str().unwrap_or_default();
            of.ends_with("Remaining") || of.ends_with("Failure")
        })
        .filter_map(|condition| condition["message"].as_str());
    match words.next() {
        Some(message) => message.to_owned(),
        None => "its finalizers".to_owned(),
    }
}
