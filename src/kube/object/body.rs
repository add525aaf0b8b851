//! What is applied.

use super::entry::Source;
use super::fields::leaves;
use super::live::{IDENTITY, LABEL, Live, SECRET_TYPE, SOURCES, applied};
use super::{Content, Object, checksum};
use crate::kind::{Class, Cx, Error, Result};
use crate::kube::client::{Call, Kube, MANAGER};
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::try_join_all;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is sent of an object besides its name and whose it is.
pub(super) enum Payload {
    /// The entries of a ConfigMap or Secret.
    Entries(Entries),
    /// A manifest, and where what its pods read at the start came from.
    Manifest(Value, BTreeMap<String, Source>),
}

/// An entry of `data`, as it is sent.
pub(super) enum Item {
    /// A ConfigMap's.
    Text(String),
    /// A Secret's.
    Secret { value: Base64, source: Source },
}

/// A secret's value, encoded.
pub(super) struct Base64(Secret);

/// Entries by name.
pub(super) type Entries = BTreeMap<String, Item>;

impl Object {
    /// All that is wanted.
    pub(super) async fn wanted_now(&self, cx: &Cx) -> Result<Payload> {
        match &self.content {
            Content::Manifest { manifest, read_at_start, .. } => {
                let mut whole = manifest.whole(cx)?;
                let access = self.access(cx)?;
                let sources =
                    checksum::sources_now(cx, read_at_start, &self.namespace, access.as_ref())
                        .await?;
                checksum::put(&mut whole, read_at_start, |key| sources.get(key).map(Source::shown));
                Ok(Payload::Manifest(whole, sources))
            }
            _ => Ok(Payload::Entries(self.resolved(cx, |_| true).await?)),
        }
    }

    /// What is wanted of the fields that `is_due` names, and the rest as it is. What somebody else
    /// has set since and nobody wants set back is left out: that is how it is left alone.
    pub(super) async fn due(
        &self,
        cx: &Cx,
        live: &Live,
        is_due: impl Fn(&str) -> bool,
    ) -> Result<Payload> {
        if let Content::Manifest { .. } = &self.content {
            let Payload::Manifest(mut whole, sources) = self.wanted_now(cx).await? else {
                return Err(Error::local("a manifest that is none"));
            };
            let mut left = Vec::new();
            for leaf in leaves(&whole, &live.object, &applied(&live.object)) {
                let is_left = !leaf.is_same() && !is_due(&leaf.field);
                if let (true, Some((pointer, _))) = (is_left, leaf.wanted) {
                    left.push(pointer);
                }
            }
            // From the back, so that a list's indexes hold while items are taken out.
            for pointer in left.iter().rev() {
                take_out(&mut whole, pointer);
            }
            return Ok(Payload::Manifest(whole, sources));
        }
        let entry_due = |key: &str| is_due(&format!("data.{key}"));
        // An apply takes away what it does not name, so what stays must be named as it is.
        let mut entries = self.kept(cx, live, entry_due).await?;
        entries.extend(self.resolved(cx, entry_due).await?);
        Ok(Payload::Entries(entries))
    }

    /// The wanted entries that `is_due` asks for. Values of a Secret are read here.
    async fn resolved(&self, cx: &Cx, is_due: impl Fn(&str) -> bool) -> Result<Entries> {
        match &self.content {
            Content::ConfigMap { data } => Ok(data
                .iter()
                .filter(|(key, _)| is_due(key))
                .map(|(key, text)| (key.clone(), Item::Text(text.clone())))
                .collect()),
            Content::Secret { string_data, .. } => {
                let due = string_data.iter().filter(|(key, _)| is_due(key));
                let read = due.map(|(key, entry)| async move {
                    let (value, source) = entry.resolve(cx).await?;
                    let value = Base64(Secret::new(STANDARD.encode(value.expose())));
                    Ok::<_, Error>((key.clone(), Item::Secret { value, source }))
                });
                Ok(try_join_all(read).await?.into_iter().collect())
            }
            Content::Manifest { .. } => Ok(Entries::new()),
        }
    }

    /// The entries that are ours and stay as they are. A Secret's values are read from the
    /// cluster, which only happens when something is applied.
    async fn kept(&self, cx: &Cx, live: &Live, is_due: impl Fn(&str) -> bool) -> Result<Entries> {
        match &self.content {
            Content::ConfigMap { data } => Ok(data
                .iter()
                .filter(|(key, text)| !is_due(key) && live.text(key) == Some(text.as_str()))
                .map(|(key, text)| (key.clone(), Item::Text(text.clone())))
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
                let kube = Kube::of(cx, live.access.as_ref())?;
                let path = live.of.path(&live.namespace, &live.name);
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
                    let item = Item::Secret { value: Base64(value), source: source.clone() };
                    entries.insert(key.clone(), item);
                }
                Ok(entries)
            }
            Content::Manifest { .. } => Ok(Entries::new()),
        }
    }
}

/// Takes the value at a JSON pointer out of what holds it.
fn take_out(value: &mut Value, pointer: &str) {
    let Some((parent, last)) = pointer.rsplit_once('/') else { return };
    let last = last.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.shift_remove(&last);
        }
        Some(Value::Array(items)) => {
            if let Some(index) = last.parse().ok().filter(|index: &usize| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// The whole patch.
pub(super) fn body(cx: &Cx, object: &Object, payload: Payload) -> Result<Value> {
    let tags = cx.tags()?;
    let of = object.content.object_type();
    let mut sources = BTreeMap::new();
    let mut body = match payload {
        Payload::Manifest(manifest, read) => {
            sources = read;
            manifest
        }
        Payload::Entries(entries) => {
            let mut data = Map::new();
            for (key, entry) in entries {
                match entry {
                    Item::Text(text) => {
                        data.insert(key, Value::from(text));
                    }
                    Item::Secret { value, source } => {
                        data.insert(key.clone(), Value::from(value.0.expose()));
                        sources.insert(key, source);
                    }
                }
            }
            json!({"data": data})
        }
    };
    body["apiVersion"] = Value::from(of.api_version());
    body["kind"] = Value::from(of.to_string());
    body["metadata"]["name"] = Value::from(object.name.as_str());
    if of.is_namespaced() {
        body["metadata"]["namespace"] = Value::from(object.namespace.as_str());
    }
    body["metadata"]["labels"][LABEL] = Value::from(MANAGER);
    let annotations = &mut body["metadata"]["annotations"];
    for (annotation, tag) in IDENTITY {
        annotations[annotation] = Value::from(tags.get(tag).cloned().unwrap_or_default());
    }
    if matches!(object.content, Content::Secret { .. }) || !sources.is_empty() {
        let sources = serde_json::to_string(&sources)
            .map_err(|error| Error::local(format!("an annotation can not be written: {error}")))?;
        annotations[SOURCES] = Value::from(sources);
    }
    if let Content::Secret { kind, .. } = &object.content {
        annotations[SECRET_TYPE] = Value::from(kind.as_str());
        body["type"] = Value::from(kind.as_str());
    }
    Ok(body)
}
