//! Pods that read their configuration when they start are started anew when it changes: a
//! checksum of it is an annotation of theirs.
//!
//! It is made of texts that are no secret, and of where secrets come from, in which version: never
//! of a secret's value, which a digest would let others guess.

use super::Content;
use super::entry::{Entry, Source};
use crate::aws::secrets;
use crate::kind::{Cx, Error, Result};
use futures::future::try_join_all;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

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

/// Where they all come from, in which version, within a step.
pub(super) async fn sources_now(
    cx: &Cx,
    contents: &BTreeMap<String, Content>,
) -> Result<BTreeMap<String, Source>> {
    let sources = entries(contents).map(|(key, entry)| async move {
        let source = entry.source_now(cx)?;
        let version = secrets::version(cx, &source.reference).await?;
        Ok::<_, Error>((key, Source { version, ..source }))
    });
    Ok(try_join_all(sources).await?.into_iter().collect())
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
