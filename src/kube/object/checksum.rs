//! Pods that read their configuration when they start are started anew when it changes: a
//! checksum of it is an annotation of theirs.
//!
//! It is made of texts that are no secret, and of where secrets come from, in which version: never
//! of a secret's value, which a digest would let others guess.
//!
//! A secret may get a new value between the step of its `Secret` and that of the pods. The pods would
//! read the old one and say that it is the new one, and nothing would ever start them anew. So
//! within a step the versions are those that the Secrets hold, which is what pods read; the next
//! plan finds the new version, and changes both.

use super::entry::{Entry, Source};
use super::live::Live;
use super::{Content, Type, list};
use crate::aws::eks::access::Access;
use crate::aws::secrets;
use crate::kind::{Cx, Error, Result};
use crate::kube::client::Kube;
use futures::future::try_join_all;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// The annotation of the pods.
const ANNOTATION: &str = "checksum/config";
/// Where it stands in a Deployment.
pub(super) const POINTER: &str = "/spec/template/metadata/annotations/checksum~1config";

/// All entries of Secrets among `contents`, by `name/key`.
pub(super) fn entries(
    contents: &BTreeMap<String, Content>,
) -> impl Iterator<Item = (String, &Entry)> {
    contents.iter().flat_map(|(name, content)| {
        let entries = match content {
            Content::Secret { string_data, .. } => Some(string_data),
            _ => None,
        };
        entries.into_iter().flatten().map(move |(key, entry)| (format!("{name}/{key}"), entry))
    })
}

/// Where they all come from, in which version, within a step for pods in `namespace`.
pub(super) async fn sources_now(
    cx: &Cx,
    contents: &BTreeMap<String, Content>,
    namespace: &str,
    access: Option<&Access>,
) -> Result<BTreeMap<String, Source>> {
    let names = contents.iter().filter(|(_, content)| matches!(content, Content::Secret { .. }));
    let held = &in_secrets(cx, names.map(|(name, _)| name.as_str()), namespace, access).await?;
    let sources = entries(contents).map(|(key, entry)| async move {
        let source = entry.source_now(cx)?;
        if source.version.is_some() {
            return Ok::<_, Error>((key, source));
        }
        let version = match held.get(&key) {
            Some(held) if held.is_as(&source) => held.version.clone(),
            _ => secrets::version(cx, &source.reference).await?,
        };
        Ok((key, Source { version, ..source }))
    });
    Ok(try_join_all(sources).await?.into_iter().collect())
}

/// What the Secrets hold that a live Deployment's pods read, by `name/key`.
pub(super) async fn held(cx: &Cx, live: &Live) -> Result<BTreeMap<String, Source>> {
    if live.of != Type::Deployment {
        return Ok(BTreeMap::new());
    }
    let names: BTreeSet<&str> =
        live.sources.keys().filter_map(|key| Some(key.split_once('/')?.0)).collect();
    let held = in_secrets(cx, names.into_iter(), &live.namespace, live.access.as_ref()).await?;
    Ok(held.into_iter().filter(|(key, _)| live.sources.contains_key(key)).collect())
}

/// Where the entries of Secrets came from, in which version, by `name/key`. One that is not there
/// holds nothing.
async fn in_secrets(
    cx: &Cx,
    names: impl Iterator<Item = &str>,
    namespace: &str,
    access: Option<&Access>,
) -> Result<BTreeMap<String, Source>> {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let kube = &Kube::of(cx, access)?;
    let looked = names.into_iter().map(|name| async move {
        let Some(object) = list::look(cx, kube, Type::Secret, namespace, name).await? else {
            return Ok::<_, Error>(Vec::new());
        };
        let sources = Live::read(Type::Secret, &object)?.sources;
        Ok(sources.into_iter().map(|(key, source)| (format!("{name}/{key}"), source)).collect())
    });
    Ok(try_join_all(looked).await?.into_iter().flatten().collect())
}

/// Puts the checksum into a manifest. `shown` tells of an entry of a Secret where it comes from;
/// answers whether it did so for all.
pub(super) fn put(
    manifest: &mut Value,
    contents: &BTreeMap<String, Content>,
    shown: impl Fn(&str) -> Option<String>,
) -> bool {
    if contents.is_empty() {
        return true;
    }
    let mut digest = Sha256::new();
    let mut line = |parts: &[&str]| {
        for part in parts {
            digest.update(part.len().to_string());
            digest.update(":");
            digest.update(part);
        }
    };
    let mut is_whole = true;
    for (name, content) in contents {
        if let Content::ConfigMap { data } = content {
            for (key, text) in data {
                line(&[name, key, text]);
            }
        }
    }
    for (key, _) in entries(contents) {
        match shown(&key) {
            Some(shown) => line(&[&key, &shown]),
            None => is_whole = false,
        }
    }
    let checksum = match is_whole {
        true => Value::from(hex::encode(digest.finalize())),
        false => Value::Null,
    };
    let annotations = &mut manifest["spec"]["template"]["metadata"]["annotations"];
    if let Value::Null | Value::Object(_) = annotations {
        annotations[ANNOTATION] = checksum;
    }
    is_whole
}
