//! Objects in a Kubernetes cluster.

use super::by_name::ByName;
use crate::secret::SecretRef;
use crate::spec::schema::named;
use schemars::{JsonSchema, Schema};
use serde::{Deserialize, Serialize};

/// Objects in a Kubernetes cluster that is named by `--kubeconfig`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kubernetes {
    /// The objects, by a name that is their part of the address.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub objects: ByName<Object>,
}

impl Kubernetes {
    /// Whether it asks for nothing.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Object {
    /// A ConfigMap.
    ConfigMap(ConfigMap),
    /// A Secret, its values by reference.
    Secret(SecretObject),
}

/// RFC 1123's subdomain, which names most objects.
const SUBDOMAIN: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$";
/// RFC 1123's label, which names namespaces.
const LABEL: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";

/// A ConfigMap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfigMap {
    /// Its namespace, which must exist.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = LABEL),
        extend("x-expected" = "a namespace: lower-case letters, digits and dashes")
    )]
    pub namespace: String,

    /// Its name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = SUBDOMAIN),
        extend("x-expected" = "a name: lower-case letters, digits, dashes and dots")
    )]
    pub name: String,

    /// Its entries.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = data_keys)]
    pub data: ByName<String>,
}

/// A Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretObject {
    /// Its namespace, which must exist.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = LABEL),
        extend("x-expected" = "a namespace: lower-case letters, digits and dashes")
    )]
    pub namespace: String,

    /// Its name.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = SUBDOMAIN),
        extend("x-expected" = "a name: lower-case letters, digits, dashes and dots")
    )]
    pub name: String,

    /// Its type.
    #[serde(default = "opaque", rename = "type")]
    #[schemars(length(min = 1, max = 253))]
    pub kind: String,

    /// Its entries, each a reference to where the value is.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = data_keys)]
    pub string_data: ByName<SecretRef>,
}

fn opaque() -> String {
    "Opaque".to_owned()
}

fn data_keys(schema: &mut Schema) {
    let names = serde_json::json!({
        "pattern": r"^[-._a-zA-Z0-9]+$",
        "maxLength": 253,
        "x-expected": "letters, digits, dashes, underscores and dots",
    });
    schema.insert("propertyNames".to_owned(), names);
}
