//! How the fields of built-in types merge: which lists are keyed, which are sets, and which
//! values are replaced as a whole.
//!
//! The facts are the `x-kubernetes-list-type`, `-list-map-keys` and `-map-type` marks of the
//! OpenAPI schema that the API server publishes. Types that are not built in (custom resources)
//! have only the marks of `metadata`.

use serde_json::{Map, Value};

/// How a value merges with another at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Field by field.
    Granular,
    /// As a whole.
    Atomic,
    /// A list of items known by these fields; the second half is the value when one is left out.
    Keyed(&'static [(&'static str, Option<&'static str>)]),
    /// A list of distinct scalars.
    Set,
}

const NAME: Shape = Shape::Keyed(&[("name", None)]);
const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The shape of `value` at `path` (field names only) of an object.
pub(super) fn shape(builtin: bool, path: &[&str], value: &Value) -> Shape {
    match value {
        Value::Object(fields) if fields.is_empty() => Shape::Atomic,
        Value::Object(_) if builtin && is_atomic_map(path) => Shape::Atomic,
        Value::Object(_) => Shape::Granular,
        Value::Array(items) if items.is_empty() => Shape::Atomic,
        Value::Array(items) => match list(builtin, path) {
            Shape::Keyed(keys) if !items.iter().all(|item| has_keys(item, keys)) => Shape::Atomic,
            shape => shape,
        },
        _ => Shape::Atomic,
    }
}

fn has_keys(item: &Value, keys: &[(&str, Option<&str>)]) -> bool {
    item.is_object()
        && keys.iter().all(|(key, default)| default.is_some() || item.get(*key).is_some())
}

fn is_atomic_map(path: &[&str]) -> bool {
    matches!(
        path.last().copied().unwrap_or_default(),
        "selector"
            | "nodeSelector"
            | "labelSelector"
            | "namespaceSelector"
            | "podSelector"
            | "configMapKeyRef"
            | "secretKeyRef"
            | "fieldRef"
            | "resourceFieldRef"
            | "roleRef"
            | "claimRef"
            | "scaleTargetRef"
            | "dataSource"
    )
}

fn list(builtin: bool, path: &[&str]) -> Shape {
    let last = path.last().copied().unwrap_or_default();
    let parent = path.iter().rev().nth(1).copied().unwrap_or_default();
    match (parent, last) {
        ("metadata", "finalizers") => return Shape::Set,
        ("metadata", "ownerReferences") => return Shape::Keyed(&[("uid", None)]),
        _ if !builtin => return Shape::Atomic,
        _ => {}
    }
    match last {
        last if CONTAINERS.contains(&last) => NAME,
        "env" | "volumes" | "imagePullSecrets" | "schedulingGates" | "resourceClaims"
        | "webhooks" => NAME,
        "secrets" if path.len() == 1 => NAME,
        "volumeMounts" => Shape::Keyed(&[("mountPath", None)]),
        "volumeDevices" => Shape::Keyed(&[("devicePath", None)]),
        "hostAliases" => Shape::Keyed(&[("ip", None)]),
        "topologySpreadConstraints" => {
            Shape::Keyed(&[("topologyKey", None), ("whenUnsatisfiable", None)])
        }
        "conditions" if parent == "status" => Shape::Keyed(&[("type", None)]),
        "ports" if CONTAINERS.contains(&parent) => {
            Shape::Keyed(&[("containerPort", None), ("protocol", Some("TCP"))])
        }
        "ports" if path.len() == 2 && parent == "spec" => {
            Shape::Keyed(&[("port", None), ("protocol", Some("TCP"))])
        }
        _ => Shape::Atomic,
    }
}

/// The `FieldsV1` step to `item` of a list with these keys.
pub(super) fn key_step(item: &Value, keys: &[(&str, Option<&str>)]) -> String {
    let mut named = Map::new();
    for (key, default) in keys {
        let value = item.get(*key).cloned().or_else(|| default.map(Value::from));
        named.insert((*key).to_owned(), value.unwrap_or(Value::Null));
    }
    format!("k:{}", Value::Object(named))
}

/// The `FieldsV1` step to a member of a set.
pub(super) fn value_step(member: &Value) -> String {
    format!("v:{member}")
}
