//! An object as a manifest for people and for programs that check manifests: what is only known
//! after an apply, and what is secret, is told in words.

use super::entry::Entry;
use super::live::LABEL;
use super::{Content, Object};
use crate::kube::client::MANAGER;
use crate::value::{In, NodeId};
use serde_json::{Map, Value, json};

/// What to write for an output of a node, by the output's name.
pub type Unknown<'a> = dyn Fn(NodeId, &str) -> String + 'a;

impl Object {
    /// The manifest. Secrets are `stringData` that says where each value comes from.
    pub fn rendered(&self, unknown: &Unknown<'_>) -> Value {
        let of = self.content.object_type();
        let mut whole = json!({
            "apiVersion": of.api_version(),
            "kind": of.to_string(),
            "metadata": {"name": self.name},
        });
        if of.is_namespaced() {
            whole["metadata"]["namespace"] = Value::from(self.namespace.as_str());
        }
        match &self.content {
            Content::ConfigMap { data } => whole["data"] = json!(data),
            Content::Secret { kind, string_data } => {
                whole["type"] = Value::from(kind.as_str());
                let told: Map<String, Value> = string_data
                    .iter()
                    .map(|(key, entry)| (key.clone(), Value::from(words(entry, unknown))))
                    .collect();
                whole["stringData"] = Value::Object(told);
            }
            Content::Manifest { manifest, .. } => {
                let told = manifest.with(|piece| text(piece, unknown));
                merge(&mut whole, told);
            }
        }
        whole["metadata"]["labels"][LABEL] = Value::from(MANAGER);
        whole
    }
}

fn text(input: &In<String>, unknown: &Unknown<'_>) -> String {
    match input {
        In::Literal(text) => text.clone(),
        In::Output(output) => unknown(output.node, output.name),
    }
}

/// Where a Secret's value comes from.
fn words(entry: &Entry, unknown: &Unknown<'_>) -> String {
    match entry {
        Entry::Reference(reference) => format!("<{reference}>"),
        Entry::Stored(stored) => text(&stored.secret, unknown),
        Entry::DatabaseUrl(url) => format!(
            "postgres://{}:<password>@{}:{}/{}?sslmode=require",
            url.user,
            text(&url.host, unknown),
            url.port,
            url.database
        ),
    }
}

/// Puts the members of `more` into `whole`, map by map.
fn merge(whole: &mut Value, more: Value) {
    match (whole, more) {
        (Value::Object(whole), Value::Object(more)) => {
            for (key, value) in more {
                merge(whole.entry(key).or_insert(Value::Null), value);
            }
        }
        (whole, more) => *whole = more,
    }
}
