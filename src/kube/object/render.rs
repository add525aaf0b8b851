//! What an object would be, for those who read it before there is a cluster: what is only known
//! once other resources are, and all that is secret, is named instead.

use super::entry::{DatabaseUrl, Entry, Stored};
use super::live::LABEL;
use super::{Content, Object, checksum};
use crate::kube::client::MANAGER;
use crate::value::{In, NodeId};
use serde_json::{Map, Value, json};

/// How a node is named to readers: its kind's title, `database cluster`, and its address.
pub type Named<'a> = &'a dyn Fn(NodeId) -> (String, String);

impl Object {
    /// The whole object. What other resources tell reads `<database endpoint of us-east-1/database/cluster>`.
    /// The annotations that say whose it is are missing: only an apply can write them.
    pub fn rendered(&self, named: Named<'_>) -> Value {
        let of = self.content.object_type();
        let mut whole = Map::new();
        whole.insert("apiVersion".to_owned(), Value::from(of.api_version()));
        whole.insert("kind".to_owned(), Value::from(of.to_string()));
        let mut metadata = Map::new();
        metadata.insert("name".to_owned(), Value::from(self.name.as_str()));
        if of.is_namespaced() {
            metadata.insert("namespace".to_owned(), Value::from(self.namespace.as_str()));
        }
        metadata.insert("labels".to_owned(), json!({LABEL: MANAGER}));
        whole.insert("metadata".to_owned(), Value::Object(metadata));
        match &self.content {
            Content::ConfigMap { data } => {
                whole.insert("data".to_owned(), json!(data));
            }
            Content::Secret { kind, string_data } => {
                whole.insert("type".to_owned(), Value::from(kind.as_str()));
                let entries: Map<String, Value> = string_data
                    .iter()
                    .map(|(key, entry)| (key.clone(), Value::from(shown(entry, named))))
                    .collect();
                whole.insert("stringData".to_owned(), Value::Object(entries));
            }
            Content::Manifest { manifest, read_at_start, .. } => {
                let mut manifest = manifest.shown(|input| hole(input, named));
                if !checksum::put(&mut manifest, read_at_start, |_| None)
                    && let Some(place) = manifest.pointer_mut(checksum::POINTER)
                {
                    *place = Value::from("<checksum of the configuration>");
                }
                lay_over(&mut whole, manifest);
            }
        }
        Value::Object(whole)
    }
}

/// Puts a manifest's fields behind what says what it is; labels are joined.
fn lay_over(whole: &mut Map<String, Value>, manifest: Value) {
    let Value::Object(fields) = manifest else { return };
    for (key, value) in fields {
        match (whole.get_mut(&key), value) {
            (Some(Value::Object(known)), value @ Value::Object(_)) => lay_over(known, value),
            (_, value) => {
                whole.insert(key, value);
            }
        }
    }
}

/// A text that another resource may tell.
fn hole(input: &In<String>, named: Named<'_>) -> String {
    match input {
        In::Literal(text) => text.clone(),
        In::Output(output) => {
            let (title, address) = named(output.node);
            let name = output.name.strip_prefix(title.as_str()).unwrap_or(output.name).trim();
            format!("<{name} of {address}>")
        }
    }
}

/// Where an entry of a Secret comes from.
fn shown(entry: &Entry, named: Named<'_>) -> String {
    match entry {
        Entry::Reference(reference) => format!("<value of {reference}>"),
        Entry::Stored(stored) => value_of(stored, named),
        Entry::DatabaseUrl(url) => {
            let DatabaseUrl { password, host, .. } = url;
            url.with(&hole(host, named), &value_of(password, named))
        }
    }
}

fn value_of(stored: &Stored, named: Named<'_>) -> String {
    let place = match &stored.secret {
        In::Literal(arn) => arn.clone(),
        In::Output(output) => named(output.node).1,
    };
    match &stored.field {
        Some(field) => format!("<{field} in {place}>"),
        None => format!("<value of {place}>"),
    }
}
