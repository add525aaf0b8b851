//! Which operation a request is, and its input: S3 tells by method, path, host and query.

use super::{SERVICE, tree};
use crate::sandbox::failure::Failure;
use crate::sandbox::law;
use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Subresource in the query, then the operations for GET, PUT and DELETE.
const SETTINGS: &[(&str, &str, &str, &str)] = &[
    ("encryption", "GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"),
    (
        "lifecycle",
        "GetBucketLifecycleConfiguration",
        "PutBucketLifecycleConfiguration",
        "DeleteBucketLifecycle",
    ),
    ("location", "GetBucketLocation", "", ""),
    (
        "ownershipControls",
        "GetBucketOwnershipControls",
        "PutBucketOwnershipControls",
        "DeleteBucketOwnershipControls",
    ),
    ("policy", "GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"),
    (
        "publicAccessBlock",
        "GetPublicAccessBlock",
        "PutPublicAccessBlock",
        "DeletePublicAccessBlock",
    ),
    ("tagging", "GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging"),
    ("versioning", "GetBucketVersioning", "PutBucketVersioning", ""),
    ("versions", "ListObjectVersions", "", ""),
];

/// Headers and query parameters, and the members that they are.
const MEMBERS: &[(&str, &str)] = &[
    ("x-amz-expected-bucket-owner", "ExpectedBucketOwner"),
    ("if-match", "IfMatch"),
    ("if-none-match", "IfNoneMatch"),
    ("x-amz-acl", "ACL"),
    ("x-amz-object-ownership", "ObjectOwnership"),
    ("x-amz-checksum-mode", "ChecksumMode"),
    ("x-amz-sdk-checksum-algorithm", "ChecksumAlgorithm"),
    ("x-amz-server-side-encryption", "ServerSideEncryption"),
    ("x-amz-server-side-encryption-aws-kms-key-id", "SSEKMSKeyId"),
    ("x-amz-storage-class", "StorageClass"),
    ("versionId", "VersionId"),
    ("prefix", "Prefix"),
    ("delimiter", "Delimiter"),
    ("continuation-token", "ContinuationToken"),
    ("start-after", "StartAfter"),
    ("key-marker", "KeyMarker"),
    ("version-id-marker", "VersionIdMarker"),
    ("max-keys", "MaxKeys"),
    ("encoding-type", "EncodingType"),
    ("bucket-region", "BucketRegion"),
];

/// Operations whose body is a document, with the member that it is.
const DOCUMENTS: &[(&str, &str)] = &[
    ("CreateBucket", "CreateBucketConfiguration"),
    ("PutBucketEncryption", "ServerSideEncryptionConfiguration"),
    ("PutBucketLifecycleConfiguration", "LifecycleConfiguration"),
    ("PutBucketOwnershipControls", "OwnershipControls"),
    ("PutPublicAccessBlock", "PublicAccessBlockConfiguration"),
    ("PutBucketTagging", "Tagging"),
    ("PutBucketVersioning", "VersioningConfiguration"),
    ("DeleteObjects", "Delete"),
];

/// Finds the operation and its input.
pub(super) fn find(request: &http::Request<Bytes>) -> Result<(&'static str, Value), Failure> {
    let (bucket, key) = place(request);
    let query: BTreeMap<String, String> =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
            .into_owned()
            .collect();
    let name = operation(request.method(), bucket.is_some(), key.is_some(), &query)?;
    let mut input = Map::new();
    if let Some(bucket) = bucket {
        input.insert("Bucket".to_owned(), bucket.into());
    }
    if let Some(key) = key {
        input.insert("Key".to_owned(), key.into());
    }
    let shape = &law::of(&SERVICE, name).ok_or_else(|| not_modelled(name))?.input;
    for (wire, member) in MEMBERS {
        let header = request.headers().get(*wire).and_then(|value| value.to_str().ok());
        let text = header.or_else(|| query.get(*wire).map(String::as_str));
        if let (Some(text), Some(shape)) = (text, shape.members.get(*member)) {
            input.insert((*member).to_owned(), tree::members(&text.into(), shape));
        }
    }
    let metadata: Map<String, Value> = request
        .headers()
        .iter()
        .filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix("x-amz-meta-")?;
            Some((name.to_owned(), value.to_str().ok()?.into()))
        })
        .collect();
    if !metadata.is_empty() && name == "PutObject" {
        input.insert("Metadata".to_owned(), metadata.into());
    }
    document(name, request, shape, &mut input)?;
    Ok((name, Value::Object(input)))
}

fn document(
    name: &'static str,
    request: &http::Request<Bytes>,
    shape: &law::Shape,
    input: &mut Map<String, Value>,
) -> Result<(), Failure> {
    if name == "PutBucketPolicy" {
        let body = super::chunked::read(request)?.bytes;
        let text = String::from_utf8_lossy(&body).into_owned();
        input.insert("Policy".to_owned(), text.into());
    }
    let Some((_, member)) = DOCUMENTS.iter().find(|(operation, _)| *operation == name) else {
        return Ok(());
    };
    let body = super::chunked::read(request)?.bytes;
    if body.is_empty() && name == "CreateBucket" {
        return Ok(());
    }
    let (root, found) = tree::read(&body)?;
    if root != *member {
        return Err(Failure::new("MalformedXML", format!("The root element is not {member}")));
    }
    let Some(shape) = shape.members.get(*member) else { return Ok(()) };
    input.insert((*member).to_owned(), tree::members(&found, shape));
    Ok(())
}

/// Bucket and key, from the host name or from the path.
fn place(request: &http::Request<Bytes>) -> (Option<String>, Option<String>) {
    let header = request.headers().get(http::header::HOST).and_then(|value| value.to_str().ok());
    let host = request.uri().host().or(header).unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let path = request.uri().path().trim_start_matches('/');
    let nonempty = |text: &str| (!text.is_empty()).then(|| decoded(text));
    if let Some(bucket) = bucket_in(host) {
        return (Some(bucket.to_owned()), nonempty(path));
    }
    match path.split_once('/') {
        Some((bucket, key)) => (nonempty(bucket), nonempty(key)),
        None => (nonempty(path), None),
    }
}

/// The bucket in a host name: `NAME.s3.us-east-1.amazonaws.com`, `NAME.localhost`.
fn bucket_in(host: &str) -> Option<&str> {
    if let Some(bucket) = host.strip_suffix(".localhost") {
        return Some(bucket);
    }
    if !host.contains(".amazonaws.com") {
        return None;
    }
    let at = host.find(".s3.").or_else(|| host.find(".s3-"))?;
    Some(&host[..at])
}

fn operation(
    method: &Method,
    bucket: bool,
    key: bool,
    query: &BTreeMap<String, String>,
) -> Result<&'static str, Failure> {
    let has = |name: &str| query.contains_key(name);
    if key {
        // `x-id` only repeats the operation's name.
        let plain = query.keys().all(|name| {
            matches!(name.as_str(), "versionId" | "x-id") || name.starts_with("X-Amz-")
        });
        return match *method {
            _ if !plain => Err(not_modelled(&format!("{method} of an object's subresource"))),
            Method::GET => Ok("GetObject"),
            Method::HEAD => Ok("HeadObject"),
            Method::PUT => Ok("PutObject"),
            Method::DELETE => Ok("DeleteObject"),
            _ => Err(not_allowed()),
        };
    }
    if !bucket {
        return match *method {
            Method::GET => Ok("ListBuckets"),
            _ => Err(not_allowed()),
        };
    }
    if *method == Method::POST && has("delete") {
        return Ok("DeleteObjects");
    }
    if let Some((setting, get, put, delete)) = SETTINGS.iter().find(|(name, ..)| has(name)) {
        let found = match *method {
            Method::GET => *get,
            Method::PUT => *put,
            Method::DELETE => *delete,
            _ => "",
        };
        return match found {
            "" => Err(not_modelled(&format!("{method} of {setting}"))),
            found => Ok(found),
        };
    }
    match *method {
        Method::GET if query.get("list-type").is_some_and(|kind| kind == "2") => {
            Ok("ListObjectsV2")
        }
        Method::HEAD => Ok("HeadBucket"),
        Method::PUT if query.keys().all(|name| name == "x-id") => Ok("CreateBucket"),
        Method::DELETE if query.keys().all(|name| name == "x-id") => Ok("DeleteBucket"),
        _ => Err(not_modelled(&format!("{method} of a bucket with this query"))),
    }
}

fn not_allowed() -> Failure {
    let message = "The specified method is not allowed against this resource.";
    Failure::new("MethodNotAllowed", message).with_status(405)
}

fn not_modelled(what: &str) -> Failure {
    Failure::new("NotImplemented", format!("The sandbox does not model {what}.")).with_status(501)
}
