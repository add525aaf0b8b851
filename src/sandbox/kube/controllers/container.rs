//! What a container needs before it starts: its image, and its environment.

use crate::sandbox::kube::store::{Store, namespace_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

/// Coder's image; every other is taken to exist.
const CODER: &str = "ghcr.io/coder/coder";

/// Whether the registry has this image. Of Coder's own, those with a tag `vX.Y.Z` are there.
pub(super) fn image_exists(image: &str) -> bool {
    let Some(rest) = image.strip_prefix(CODER) else { return true };
    if rest.starts_with("@sha256:") {
        return true;
    }
    let Some(version) = rest.strip_prefix(":v") else { return rest.starts_with('-') };
    let parts: Vec<&str> = version.split('@').next().unwrap_or_default().split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| part.parse::<u32>().is_ok())
}

/// The version of the coderd that a container runs; `None` if it runs something else.
pub(in crate::sandbox::kube) fn coderd_version(container: &Value) -> Option<String> {
    let image = container["image"].as_str()?;
    let version = image.strip_prefix(CODER)?.strip_prefix(":v")?;
    let words = |name: &str| -> Vec<String> {
        let all = container[name].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let args = words("args");
    let serves = args.first().is_some_and(|first| first == "server")
        || words("command").iter().any(|word| word == "server");
    serves.then(|| version.split('@').next().unwrap_or_default().to_owned())
}

/// The environment of a container, in full.
///
/// # Errors
///
/// What the kubelet says where a `Secret`, a `ConfigMap` or a key of one is missing.
pub(in crate::sandbox::kube) fn environment(
    store: &Store,
    pod: &Value,
    container: &Value,
) -> Result<BTreeMap<String, String>, String> {
    let namespace = namespace_of(pod);
    let mut found = BTreeMap::new();
    for source in container["envFrom"].as_array().into_iter().flatten() {
        let prefix = source["prefix"].as_str().unwrap_or_default();
        for (kind, field) in [("secrets", "secretRef"), ("configmaps", "configMapRef")] {
            let Some(name) = source[field]["name"].as_str() else { continue };
            match store.get(kind, namespace, name) {
                Some(object) => {
                    for key in object["data"].as_object().into_iter().flatten().map(|(key, _)| key)
                    {
                        let value = value_of(kind, object, key).unwrap_or_default();
                        found.insert(format!("{prefix}{key}"), value);
                    }
                }
                None if source[field]["optional"] == Value::Bool(true) => {}
                None => return Err(missing(kind, name)),
            }
        }
    }
    for entry in container["env"].as_array().into_iter().flatten() {
        let Some(name) = entry["name"].as_str() else { continue };
        if let Some(value) = entry_value(store, pod, namespace, entry, &found)? {
            found.insert(name.to_owned(), value);
        }
    }
    Ok(found)
}

fn entry_value(
    store: &Store,
    pod: &Value,
    namespace: &str,
    entry: &Value,
    before: &BTreeMap<String, String>,
) -> Result<Option<String>, String> {
    let from = &entry["valueFrom"];
    for (kind, field) in [("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")] {
        let Some(name) = from[field]["name"].as_str() else { continue };
        let key = from[field]["key"].as_str().unwrap_or_default();
        let optional = from[field]["optional"] == Value::Bool(true);
        return match store.get(kind, namespace, name) {
            None if optional => Ok(None),
            None => Err(missing(kind, name)),
            Some(object) => match value_of(kind, object, key) {
                Some(value) => Ok(Some(value)),
                None if optional => Ok(None),
                None => {
                    let what = if kind == "secrets" { "Secret" } else { "ConfigMap" };
                    Err(format!("couldn't find key {key} in {what} {namespace}/{name}"))
                }
            },
        };
    }
    if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
        let value = path.split('.').fold(pod, |value, name| &value[name]);
        return Ok(Some(value.as_str().unwrap_or_default().to_owned()));
    }
    if from.is_object() {
        return Ok(Some(String::new()));
    }
    let text = entry["value"].as_str().unwrap_or_default();
    Ok(Some(expanded(text, before)))
}

/// `$(NAME)` stands for a variable that was set before; an unknown one stays as it is.
fn expanded(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("$(") {
        result.push_str(before);
        match after.split_once(')') {
            Some((name, after)) => {
                match known.get(name) {
                    Some(value) => result.push_str(value),
                    None => result.push_str(&format!("$({name})")),
                }
                rest = after;
            }
            None => {
                result.push_str("$(");
                rest = after;
            }
        }
    }
    result.push_str(rest);
    result
}

fn missing(kind: &str, name: &str) -> String {
    match kind {
        "secrets" => format!("secret {name:?} not found"),
        _ => format!("configmap {name:?} not found"),
    }
}

fn value_of(kind: &str, object: &Value, key: &str) -> Option<String> {
    let text = object["data"].get(key)?.as_str()?;
    match kind {
        "secrets" => {
            let bytes = STANDARD.decode(text).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        _ => Some(text.to_owned()),
    }
}

/// The `Secret` or `ConfigMap` of a volume that is not there.
pub(super) fn missing_volume(store: &Store, pod: &Value) -> Option<String> {
    let namespace = namespace_of(pod);
    for volume in pod["spec"]["volumes"].as_array().into_iter().flatten() {
        for (kind, field, name) in
            [("secrets", "secret", "secretName"), ("configmaps", "configMap", "name")]
        {
            let Some(wanted) = volume[field][name].as_str() else { continue };
            let optional = volume[field]["optional"] == Value::Bool(true);
            if !optional && store.get(kind, namespace, wanted).is_none() {
                let volume = volume["name"].as_str().unwrap_or_default();
                let why = missing(kind, wanted);
                return Some(format!("MountVolume.SetUp failed for volume {volume:?} : {why}"));
            }
        }
    }
    None
}
