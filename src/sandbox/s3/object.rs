//! Objects: conditional writes, versions, delete markers.

use super::model::{Bucket, Content, Version, asked, asked_mut, etag};
use super::reply::{Answering, http_date};
use super::{chunked, tree};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn no_such_key() -> Failure {
    Failure::new("NoSuchKey", "The specified key does not exist.").with_status(404)
}

fn precondition_failed() -> Failure {
    let message = "At least one of the pre-conditions you specified did not hold";
    Failure::new("PreconditionFailed", message).with_status(412)
}

/// Whether an `If-Match` names this ETag; clients send it with quotes or without.
fn matches(wanted: &str, etag: &str) -> bool {
    wanted == "*" || wanted.trim_matches('"') == etag.trim_matches('"')
}

pub(super) fn put(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = params.required("Key").to_owned();
    let now = cx.now;
    let drawn = (cx.store.random(), cx.store.random());
    let bucket = asked_mut(cx, params)?;
    let current = bucket.current(&key).map(|(_, content)| content.etag.clone());
    match (params.text("IfNoneMatch"), params.text("IfMatch")) {
        (Some("*"), _) if current.is_some() => return Err(precondition_failed()),
        (Some("*") | None, None) => {}
        (None, Some(wanted)) => match &current {
            None => return Err(no_such_key()),
            Some(etag) if !matches(wanted, etag) => return Err(precondition_failed()),
            Some(_) => {}
        },
        _ => {
            let message = "A header you provided implies functionality that is not implemented";
            return Err(Failure::new("NotImplemented", message).with_status(501));
        }
    }
    let body = chunked::read(params.http())?;
    let header = |name: &str| {
        params.http().headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let metadata: BTreeMap<String, String> = params
        .get("Metadata")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let default = default_encryption(bucket);
    let encryption = params.text("ServerSideEncryption").map_or(default.0, str::to_owned);
    let content = Content {
        etag: etag(&body.bytes),
        body: body.bytes,
        content_type: header("content-type").unwrap_or_else(|| "binary/octet-stream".to_owned()),
        metadata,
        key: params.text("SSEKMSKeyId").map(str::to_owned).or(default.1),
        encryption,
        checksum: body.checksum,
    };
    let mut answer = Answering::empty(200, now)
        .header("etag", &content.etag)
        .header("x-amz-server-side-encryption", &content.encryption);
    if let Some((name, value)) = &content.checksum {
        answer = answer.header(name, value);
    }
    let id = version_id(bucket, drawn);
    if bucket.versioning.is_some() {
        answer = answer.header("x-amz-version-id", &id);
    }
    add(bucket, &key, Version { id, modified: now, content: Some(content) });
    Ok(answer.into())
}

/// What the bucket encrypts with when the request does not say.
fn default_encryption(bucket: &Bucket) -> (String, Option<String>) {
    let document = bucket.documents.get("ServerSideEncryptionConfiguration");
    let rule = document.map(|document| tree::items(document, "Rule"));
    let default = rule
        .and_then(|rules| rules.first().copied())
        .map(|rule| rule["ApplyServerSideEncryptionByDefault"].clone())
        .unwrap_or_default();
    let text = |member: &str| default[member].as_str().map(str::to_owned);
    (text("SSEAlgorithm").unwrap_or_else(|| "AES256".to_owned()), text("KMSMasterKeyID"))
}

fn version_id(bucket: &Bucket, drawn: (u64, u64)) -> String {
    if bucket.is_versioned() { format!("{:016x}{:016x}", drawn.0, drawn.1) } else { "null".into() }
}

/// Puts a version on top; what was put without a version id is replaced.
fn add(bucket: &mut Bucket, key: &str, version: Version) {
    let versions = bucket.objects.entry(key.to_owned()).or_default();
    if version.id == "null" {
        versions.retain(|known| known.id != "null");
    }
    versions.insert(0, version);
}

/// The version that a request asks for, or how S3 says that there is none.
fn found<'a>(bucket: &'a Bucket, params: &Params) -> Result<(&'a Version, &'a Content), Failure> {
    let key = params.required("Key");
    let versions = bucket.objects.get(key).map_or(&[][..], Vec::as_slice);
    let version = match params.text("VersionId") {
        None => versions.first(),
        Some(id) => {
            let found = versions.iter().find(|version| version.id == id);
            let missing = || {
                let message = "The specified version does not exist.";
                Failure::new("NoSuchVersion", message).with_status(404)
            };
            let version = found.ok_or_else(missing)?;
            if version.content.is_none() {
                let message = "The specified method is not allowed against this resource.";
                return Err(Failure::new("MethodNotAllowed", message).with_status(405));
            }
            Some(version)
        }
    };
    let content = version.and_then(|version| Some((version, version.content.as_ref()?)));
    let (version, content) = content.ok_or_else(no_such_key)?;
    if params.text("IfMatch").is_some_and(|wanted| !matches(wanted, &content.etag)) {
        return Err(precondition_failed());
    }
    Ok((version, content))
}

fn described(
    bucket: &Bucket,
    version: &Version,
    content: &Content,
    params: &Params,
    now: Millis,
) -> Answering {
    let mut answer = Answering::empty(200, now)
        .header("etag", &content.etag)
        .header("last-modified", &http_date(version.modified))
        .header("content-type", &content.content_type)
        .header("content-length", &content.body.len().to_string())
        .header("accept-ranges", "bytes")
        .header("x-amz-server-side-encryption", &content.encryption);
    if let Some(key) = &content.key {
        answer = answer.header("x-amz-server-side-encryption-aws-kms-key-id", key);
    }
    if bucket.versioning.is_some() {
        answer = answer.header("x-amz-version-id", &version.id);
    }
    for (name, value) in &content.metadata {
        answer = answer.header(&format!("x-amz-meta-{name}"), value);
    }
    match (&content.checksum, params.text("ChecksumMode")) {
        (Some((name, value)), Some("ENABLED")) => answer.header(name, value),
        _ => answer,
    }
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let bucket = asked(view, params)?;
    let (version, content) = found(bucket, params)?;
    if params.text("IfNoneMatch").is_some_and(|wanted| matches(wanted, &content.etag)) {
        return Ok(Answering::empty(304, view.now).header("etag", &content.etag).into());
    }
    let answer = described(bucket, version, content, params, view.now);
    Ok(answer.body(content.body.clone().into()).into())
}

/// A HEAD has no body, so what it refuses shows in the status alone.
pub(super) fn head(view: &View<'_>, params: &Params) -> Answer {
    let answer = asked(view, params).and_then(|bucket| {
        let (version, content) = found(bucket, params)?;
        Ok(described(bucket, version, content, params, view.now))
    });
    Ok(answer.unwrap_or_else(|failure| Answering::empty(failure.status, view.now)).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let drawn = (cx.store.random(), cx.store.random());
    let bucket = asked_mut(cx, params)?;
    let key = params.required("Key");
    let current = bucket.current(key).map(|(_, content)| content.etag.as_str());
    if let (Some(wanted), Some(etag)) = (params.text("IfMatch"), current)
        && !matches(wanted, etag)
    {
        return Err(precondition_failed());
    }
    let gone = remove(bucket, key, params.text("VersionId"), now, drawn);
    let mut answer = Answering::empty(204, now);
    if let Some(id) = &gone.version {
        answer = answer.header("x-amz-version-id", id);
    }
    if gone.marker {
        answer = answer.header("x-amz-delete-marker", "true");
    }
    Ok(answer.into())
}

/// What a delete did.
struct Gone {
    /// The version that was removed, or the delete marker that was made.
    version: Option<String>,
    /// Whether that is a delete marker.
    marker: bool,
}

fn remove(
    bucket: &mut Bucket,
    key: &str,
    version: Option<&str>,
    now: Millis,
    drawn: (u64, u64),
) -> Gone {
    if let Some(id) = version {
        let versions = bucket.objects.entry(key.to_owned()).or_default();
        let marker = versions.iter().any(|known| known.id == id && known.content.is_none());
        versions.retain(|known| known.id != id);
        if versions.is_empty() {
            bucket.objects.remove(key);
        }
        return Gone { version: Some(id.to_owned()), marker };
    }
    if bucket.versioning.is_none() {
        bucket.objects.remove(key);
        return Gone { version: None, marker: false };
    }
    let id = version_id(bucket, drawn);
    add(bucket, key, Version { id: id.clone(), modified: now, content: None });
    Gone { version: Some(id), marker: true }
}

pub(super) fn delete_many(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let asked_for = params.get("Delete").cloned().unwrap_or_default();
    let quiet = asked_for["Quiet"] == json!(true);
    let objects = asked_for["Objects"].as_array().cloned().unwrap_or_default();
    if objects.len() > 1000 {
        return Err(Failure::new("MalformedXML", "At most 1000 keys can be deleted at once"));
    }
    let (mut deleted, mut errors) = (Vec::new(), Vec::new());
    for object in &objects {
        let drawn = (cx.store.random(), cx.store.random());
        let bucket = asked_mut(cx, params)?;
        let key = object["Key"].as_str().unwrap_or_default();
        let version = object["VersionId"].as_str();
        let current = bucket.current(key).map(|(_, content)| content.etag.as_str());
        if let (Some(wanted), Some(etag)) = (object["ETag"].as_str(), current)
            && !matches(wanted, etag)
        {
            let failure = precondition_failed();
            errors.push(json!({"Key": key, "Code": failure.code, "Message": failure.message}));
            continue;
        }
        let gone = remove(bucket, key, version, now, drawn);
        let mut item = json!({"Key": key});
        if let Some(version) = version {
            item["VersionId"] = version.into();
        }
        if gone.marker {
            item["DeleteMarker"] = "true".into();
            item["DeleteMarkerVersionId"] = gone.version.into();
        }
        deleted.push(item);
    }
    asked_mut(cx, params)?;
    let mut document = json!({"Error": errors});
    if !quiet {
        document["Deleted"] = deleted.into();
    }
    Ok(Answering::document(now, "DeleteResult", &document).into())
}
