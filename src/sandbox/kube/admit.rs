//! What the API server does to an object before it stores it: defaults, and what it refuses.

use super::resources::Resource;
use super::status::{Answer, Refusal};
use super::store::{Store, name_of};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// The most that a `ConfigMap` or `Secret` may hold, in bytes.
const MOST_DATA: usize = 1_048_576;

/// Fills in defaults of `object` and refuses what is not valid. `old` is what it replaces.
pub(super) fn admit(
    store: &mut Store,
    resource: &Resource,
    object: &mut Value,
    old: Option<&Value>,
) -> Answer<()> {
    let invalid = |object: &Value, field: &str, why: &str| {
        Err(Refusal::invalid(&resource.kind, resource.named(name_of(object)), field, why))
    };
    if let Some(why) = wrong_name(resource, name_of(object)) {
        return invalid(object, "metadata.name", &why);
    }
    if let Some(why) = wrong_labels(&object["metadata"]["labels"]) {
        return invalid(object, "metadata.labels", &why);
    }
    if let Some(labels) = object["metadata"]["annotations"].as_object()
        && labels.values().any(|value| !value.is_string())
    {
        return invalid(object, "metadata.annotations", "Invalid value: must be strings");
    }
    if let Some(old) = old
        && old["immutable"] == json!(true)
        && (old["data"] != object["data"]
            || old["binaryData"] != object["binaryData"]
            || object.get("stringData").is_some())
    {
        return invalid(object, "data", "Forbidden: field is immutable when `immutable` is set");
    }
    match resource.id().as_str() {
        "secrets" => secret(resource, object, old),
        "configmaps" => data_of_strings(resource, object),
        "namespaces" => {
            namespace(object);
            Ok(())
        }
        "services" => service(store, resource, object, old),
        "customresourcedefinitions.apiextensions.k8s.io" => definition(resource, object),
        "deployments.apps" | "statefulsets.apps" | "daemonsets.apps" => {
            workload(resource, object, old)
        }
        _ => Ok(()),
    }
}

fn undecodable(resource: &Resource, why: &str) -> Refusal {
    Refusal::bad_request(format!(
        "{} in version {:?} cannot be handled as a {}: {why}",
        resource.kind, resource.version, resource.kind
    ))
}

fn data_of_strings(resource: &Resource, object: &Value) -> Answer<()> {
    let mut size = 0;
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        let Some(text) = value.as_str() else {
            let why = format!(
                "json: cannot unmarshal into Go struct field {}.data of type string",
                resource.kind
            );
            return Err(undecodable(resource, &why));
        };
        if !is_data_key(key) {
            return Err(Refusal::invalid(
                &resource.kind,
                resource.named(name_of(object)),
                &format!("data[{key}]"),
                "Invalid value: a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            ));
        }
        size += text.len();
    }
    if size > MOST_DATA {
        return Err(Refusal::invalid(
            &resource.kind,
            resource.named(name_of(object)),
            "data",
            "Too long: may not be more than 1048576 bytes",
        ));
    }
    Ok(())
}

fn is_data_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 253
        && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        && key != "."
        && key != ".."
}

fn secret(resource: &Resource, object: &mut Value, old: Option<&Value>) -> Answer<()> {
    let Some(fields) = object.as_object_mut() else { return Ok(()) };
    // `stringData` is for writing only: its values end in `data`.
    if let Some(Value::Object(plain)) = fields.shift_remove("stringData") {
        let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
        for (key, value) in plain {
            let Some(text) = value.as_str() else {
                let why =
                    "json: cannot unmarshal into Go struct field Secret.stringData of type string";
                return Err(undecodable(resource, why));
            };
            data[key.as_str()] = STANDARD.encode(text).into();
        }
    }
    fields.entry("type").or_insert_with(|| "Opaque".into());
    data_of_strings(resource, object)?;
    for value in object["data"].as_object().into_iter().flat_map(Map::values) {
        if STANDARD.decode(value.as_str().unwrap_or_default()).is_err() {
            return Err(undecodable(resource, "illegal base64 data at input byte 0"));
        }
    }
    if old.is_some_and(|old| old["type"] != object["type"]) {
        return Err(Refusal::invalid(
            "Secret",
            resource.named(name_of(object)),
            "type",
            "Invalid value: field is immutable",
        ));
    }
    Ok(())
}

fn namespace(object: &mut Value) {
    let name = name_of(object).to_owned();
    if !object["metadata"]["labels"].is_object() {
        object["metadata"]["labels"] = json!({});
    }
    object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
    if object["spec"].get("finalizers").is_none() {
        object["spec"] = json!({"finalizers": ["kubernetes"]});
    }
    if object["status"].get("phase").is_none() {
        object["status"] = json!({"phase": "Active"});
    }
}

fn service(
    store: &mut Store,
    resource: &Resource,
    object: &mut Value,
    old: Option<&Value>,
) -> Answer<()> {
    if !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    let name = name_of(object).to_owned();
    let Some(spec) = object["spec"].as_object_mut() else { return Ok(()) };
    spec.entry("type").or_insert_with(|| "ClusterIP".into());
    spec.entry("sessionAffinity").or_insert_with(|| "None".into());
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.entry("protocol").or_insert_with(|| "TCP".into());
            let number = port.get("port").cloned().unwrap_or(Value::Null);
            port.entry("targetPort").or_insert(number);
        }
    }
    let fixed = old.and_then(|old| old["spec"]["clusterIP"].as_str()).map(str::to_owned);
    match (fixed, spec.get("clusterIP").and_then(Value::as_str)) {
        (Some(fixed), Some(wanted)) if fixed != wanted => {
            return Err(Refusal::invalid(
                "Service",
                resource.named(&name),
                "spec.clusterIPs[0]",
                &format!("Invalid value: [{wanted:?}]: may not change once set"),
            ));
        }
        (Some(fixed), _) => {
            spec.insert("clusterIP".to_owned(), fixed.into());
        }
        (None, None | Some("")) if spec.get("type") != Some(&json!("ExternalName")) => {
            let address = store.cluster_ip();
            spec.insert("clusterIP".to_owned(), address.clone().into());
            spec.insert("clusterIPs".to_owned(), json!([address]));
        }
        (None, _) => {}
    }
    Ok(())
}

fn definition(resource: &Resource, object: &mut Value) -> Answer<()> {
    let spec = &object["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    if name_of(object) != format!("{plural}.{group}") || group.is_empty() || plural.is_empty() {
        return Err(Refusal::invalid(
            "CustomResourceDefinition",
            resource.named(name_of(object)),
            "metadata.name",
            &format!("Invalid value: must be spec.names.plural+\".\"+spec.group: {plural}.{group}"),
        ));
    }
    let names = spec["names"].clone();
    object["status"] = json!({
        "acceptedNames": names,
        "conditions": [
            {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
            {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"},
        ],
    });
    Ok(())
}

fn workload(resource: &Resource, object: &Value, old: Option<&Value>) -> Answer<()> {
    let named = resource.named(name_of(object));
    let selector = &object["spec"]["selector"];
    if let Some(old) = old
        && old["spec"]["selector"] != *selector
    {
        let why = "Invalid value: field is immutable";
        return Err(Refusal::invalid(&resource.kind, named, "spec.selector", why));
    }
    let labels = &object["spec"]["template"]["metadata"]["labels"];
    let selected = |wanted: &Map<String, Value>| {
        wanted.iter().all(|(key, value)| labels[key.as_str()] == *value)
    };
    match selector["matchLabels"].as_object() {
        None if selector["matchExpressions"].is_array() => Ok(()),
        None => Err(Refusal::invalid(&resource.kind, named, "spec.selector", "Required value")),
        Some(wanted) if selected(wanted) => Ok(()),
        Some(_) => Err(Refusal::invalid(
            &resource.kind,
            named,
            "spec.template.metadata.labels",
            "Invalid value: `selector` does not match template `labels`",
        )),
    }
}

/// Why a name is not valid for the type.
fn wrong_name(resource: &Resource, name: &str) -> Option<String> {
    let label = |name: &str| {
        !name.is_empty()
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    let ok = match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "namespaces") => label(name) && name.len() <= 63,
        ("", "services") => {
            label(name) && name.len() <= 63 && !name.starts_with(|c: char| c.is_ascii_digit())
        }
        ("rbac.authorization.k8s.io", _) => {
            !name.is_empty() && !name.contains(['/', '%']) && name != "." && name != ".."
        }
        _ => name.len() <= 253 && name.split('.').all(label),
    };
    (!ok).then(|| match name {
        "" => "Required value: name or generateName is required".to_owned(),
        _ => format!(
            "Invalid value: {name:?}: a lowercase RFC 1123 name must consist of lower case \
             alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
        ),
    })
}

fn wrong_labels(labels: &Value) -> Option<String> {
    let word = |text: &str| {
        text.len() <= 63
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.ends_with(|c: char| c.is_ascii_alphanumeric())
    };
    labels.as_object()?.iter().find_map(|(key, value)| {
        let name = key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name);
        let key_ok = word(name) && key.matches('/').count() <= 1;
        let value_ok = value.as_str().is_some_and(|text| text.is_empty() || word(text));
        (!(key_ok && value_ok)).then(|| {
            format!(
                "Invalid value: {}: a valid label must be an empty string or consist of \
                 alphanumeric characters, '-', '_' or '.', and must start and end with an \
                 alphanumeric character",
                if key_ok { value.to_string() } else { format!("{key:?}") }
            )
        })
    })
}
