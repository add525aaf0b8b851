//! As much of the OpenAPI documents as kubectl needs to leave validation to the server: which
//! operations take `fieldValidation` and `dryRun`. The schemas of the types are not there.

use super::resources::{Resource, group_version, served};
use super::store::Store;
use serde_json::{Map, Value, json};

/// `GET /openapi/v3`: where the document of each group and version is.
pub(super) fn index(store: &Store) -> Value {
    let mut paths = Map::new();
    for resource in served(store) {
        let place = root(&resource.group, &resource.version);
        let url = json!({"serverRelativeURL": format!("/openapi/v3/{place}")});
        paths.insert(place, url);
    }
    json!({ "paths": paths })
}

/// `GET /openapi/v3/…`: the document of one group and version.
pub(super) fn document(store: &Store, group: &str, version: &str) -> Option<Value> {
    let mut paths = Map::new();
    for resource in served(store) {
        if resource.group == group && resource.version == version {
            paths.insert(path(&resource), operations(&resource));
        }
    }
    (!paths.is_empty()).then(|| {
        json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "sandbox"},
            "paths": paths,
        })
    })
}

fn root(group: &str, version: &str) -> String {
    let prefix = if group.is_empty() { "api" } else { "apis" };
    format!("{prefix}/{}", group_version(group, version))
}

fn path(resource: &Resource) -> String {
    let root = root(&resource.group, &resource.version);
    let within = if resource.namespaced { "/namespaces/{namespace}" } else { "" };
    format!("/{root}{within}/{}/{{name}}", resource.plural)
}

fn operations(resource: &Resource) -> Value {
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string"}});
    json!({
        "patch": {
            "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
            "responses": {},
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": {
                "group": resource.group,
                "version": resource.version,
                "kind": resource.kind,
            },
        },
    })
}
