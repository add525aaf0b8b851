//! What the API says about itself: groups, versions, resources.

use super::resources::{Resource, group_version, served};
use super::store::Store;
use serde_json::{Value, json};

/// What `GET /version` answers. The sandbox speaks for this Kubernetes version.
pub(super) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "34",
        "gitVersion": "v1.34.1-sandbox",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    })
}

/// `GET /api`.
pub(super) fn core_versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [],
    })
}

/// `GET /apis`.
pub(super) fn groups(store: &Store) -> Value {
    let mut names: Vec<String> = Vec::new();
    for resource in served(store) {
        if !resource.group.is_empty() && !names.contains(&resource.group) {
            names.push(resource.group);
        }
    }
    let groups: Vec<Value> = names.iter().filter_map(|name| group(store, name)).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /apis/{group}`.
pub(super) fn group(store: &Store, name: &str) -> Option<Value> {
    let mut versions: Vec<String> = Vec::new();
    for resource in served(store).into_iter().filter(|resource| resource.group == name) {
        if !versions.contains(&resource.version) {
            versions.push(resource.version);
        }
    }
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": group_version(name, version), "version": version}))
        .collect();
    let preferred = versions.first()?.clone();
    Some(json!({
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": versions,
        "preferredVersion": preferred,
    }))
}

/// `GET /api/v1` and `GET /apis/{group}/{version}`.
pub(super) fn resources(store: &Store, group: &str, version: &str) -> Option<Value> {
    let listed: Vec<Value> = served(store)
        .iter()
        .filter(|resource| resource.group == group && resource.version == version)
        .flat_map(rows)
        .collect();
    (!listed.is_empty()).then(|| {
        json!({
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version(group, version),
            "resources": listed,
        })
    })
}

fn rows(resource: &Resource) -> Vec<Value> {
    let mut row = json!({
        "name": resource.plural,
        "singularName": resource.kind.to_lowercase(),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    });
    if !resource.short.is_empty() {
        row["shortNames"] = json!(resource.short);
    }
    let mut rows = vec![row];
    if resource.status {
        rows.push(json!({
            "name": format!("{}/status", resource.plural),
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": ["get", "patch", "update"],
        }));
    }
    rows
}
