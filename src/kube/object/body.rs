//! What is applied.

use super::live::{IDENTITY, LABEL, Live, SECRET_TYPE, SOURCES, Source};
use super::{Content, Object};
use crate::aws::secrets;
use crate::kind::{Class, Cx, Error, Result};
use crate::kube::client::{Call, Kube, MANAGER};
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// An entry of `data`, as it is sent.
pub(super) enum Entry {
    /// A ConfigMap's.
    Text(String),
    /// A Secret's.
    Secret { value: Base64, source: Source },
}

/// A secret's value, encoded.
pub(super) struct Base64(Secret);

/// Entries by name.
pub(super) type Entries = BTreeMap<String, Entry>;

impl Object {
    /// The wanted entries that `is_due` asks for. Values of a Secret are read here.
    pub(super) async fn resolved(&self, cx: &Cx, is_due: impl Fn(&str) -> bool) -> Result<Entries> {
        match &self.content {
            Content::ConfigMap { data } => Ok(data
                .iter()
                .filter(|(key, _)| is_due(key))
                .map(|(key, text)| (key.clone(), Entry::Text(text.clone())))
                .collect()),
            Content::Secret { string_data, .. } => {
                let due = string_data.iter().filter(|(key, _)| is_due(key));
                let read = due.map(|(key, reference)| async move {
                    let resolved = secrets::resolve(cx, reference).await?;
                    let value = Base64(Secret::new(STANDARD.encode(resolved.value.expose())));
                    let source = Source { reference: reference.clone(), version: resolved.version };
                    Ok::<_, Error>((key.clone(), Entry::Secret { value, source }))
                });
                Ok(try_join_all(read).await?.into_iter().collect())
            }
        }
    }

    /// The entries that are ours and stay as they are. What somebody else has written since is
    /// left out: that is how it is left alone. A Secret's values are read from the cluster, which
    /// only happens when something is applied.
    pub(super) async fn kept(
        &self,
        cx: &Cx,
        live: &Live,
        is_due: impl Fn(&str) -> bool,
    ) -> Result<Entries> {
        match &self.content {
            Content::ConfigMap { data } => Ok(data
                .iter()
                .filter(|(key, text)| !is_due(key) && live.text(key) == Some(text.as_str()))
                .map(|(key, text)| (key.clone(), Entry::Text(text.clone())))
                .collect()),
            Content::Secret { string_data, .. } => {
                let kept: Vec<(&String, &Source)> = string_data
                    .keys()
                    .filter(|key| !is_due(key) && live.is_owned(key))
                    .filter_map(|key| Some((key, live.sources.get(key)?)))
                    .collect();
                if kept.is_empty() {
                    return Ok(Entries::new());
                }
                let kube = cx.api::<Kube>()?;
                let path = live.of.path(&live.namespace, Some(&live.name));
                let object = kube.send(cx, &Call::get(path, live.of.plural(), false)).await?;
                let mut entries = Entries::new();
                for (key, source) in kept {
                    let encoded = object["data"][key].as_str().ok_or_else(|| {
                        let why = format!("data.{key} went away since it was read");
                        Error::of(Class::Refused, why).hint("plan again")
                    })?;
                    // Nothing of it may show in a message, encoded or not.
                    let plain = STANDARD.decode(encoded).ok();
                    if let Some(plain) = plain.and_then(|plain| String::from_utf8(plain).ok()) {
                        cx.masks.add(&Secret::new(plain));
                    }
                    let value = Secret::new(encoded);
                    cx.masks.add(&value);
                    let entry = Entry::Secret { value: Base64(value), source: source.clone() };
                    entries.insert(key.clone(), entry);
                }
                Ok(entries)
            }
        }
    }
}

/// The whole patch.
pub(super) fn body(cx: &Cx, object: &Object, entries: Entries) -> Result<Value> {
    let tags = cx.tags()?;
    let mut annotations = Map::new();
    for (annotation, tag) in IDENTITY {
        let value = tags.get(tag).cloned().unwrap_or_default();
        annotations.insert(annotation.to_owned(), Value::from(value));
    }
    let mut data = Map::new();
    let mut sources = BTreeMap::new();
    for (key, entry) in entries {
        match entry {
            Entry::Text(text) => {
                data.insert(key, Value::from(text));
            }
            Entry::Secret { value, source } => {
                data.insert(key.clone(), Value::from(value.0.expose()));
                sources.insert(key, source);
            }
        }
    }
    let of = object.content.object_type();
    let mut body = json!({
        "apiVersion": "v1",
        "kind": of.to_string(),
        "metadata": {
            "name": object.name,
            "namespace": object.namespace,
            "labels": {LABEL: MANAGER},
        },
        "data": data,
    });
    if let Content::Secret { kind, .. } = &object.content {
        let sources = serde_json::to_string(&sources)
            .map_err(|error| Error::local(format!("an annotation can not be written: {error}")))?;
        annotations.insert(SOURCES.to_owned(), Value::from(sources));
        annotations.insert(SECRET_TYPE.to_owned(), Value::from(kind.as_str()));
        body["type"] = Value::from(kind.as_str());
    }
    body["metadata"]["annotations"] = Value::Object(annotations);
    Ok(body)
}
