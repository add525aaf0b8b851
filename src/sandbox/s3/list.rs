//! What a bucket holds, page by page.

use super::model::asked;
use super::reply::Answering;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::wire::params::Params;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

fn page_size(view: &View<'_>, params: &Params) -> usize {
    let asked = params.number("MaxKeys").and_then(|size| usize::try_from(size).ok());
    asked.unwrap_or(1000).min(1000).min(view.knobs.page_size)
}

pub(super) fn objects(view: &View<'_>, params: &Params) -> Answer {
    let bucket = asked(view, params)?;
    let prefix = params.text("Prefix").unwrap_or_default();
    let delimiter = params.text("Delimiter").filter(|delimiter| !delimiter.is_empty());
    let after = match params.text("ContinuationToken") {
        Some(token) => URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .ok_or_else(|| {
                let message = "The continuation token provided is incorrect";
                Failure::new("InvalidArgument", message)
            })?,
        None => params.text("StartAfter").unwrap_or_default().to_owned(),
    };
    let size = page_size(view, params);
    let (mut contents, mut prefixes): (Vec<Value>, Vec<String>) = (Vec::new(), Vec::new());
    let (mut last, mut truncated) = (String::new(), false);
    for key in bucket.objects.keys().filter(|key| key.starts_with(prefix)) {
        let Some((version, content)) = bucket.current(key) else { continue };
        let group = delimiter.and_then(|delimiter| {
            let rest = &key[prefix.len()..];
            let end = rest.find(delimiter)? + delimiter.len();
            Some(format!("{prefix}{}", &rest[..end]))
        });
        let place = group.as_ref().unwrap_or(key);
        if *place <= after && !after.is_empty()
            || group.as_ref() == prefixes.last() && group.is_some()
        {
            continue;
        }
        if contents.len() + prefixes.len() >= size {
            truncated = true;
            break;
        }
        last.clone_from(place);
        match group {
            Some(group) => prefixes.push(group),
            None => contents.push(json!({
                "Key": key,
                "LastModified": version.modified.iso(),
                "ETag": content.etag,
                "Size": content.body.len(),
                "StorageClass": "STANDARD",
            })),
        }
    }
    let mut document = json!({
        "Name": bucket.name,
        "Prefix": prefix,
        "Delimiter": delimiter,
        "MaxKeys": size,
        "KeyCount": contents.len() + prefixes.len(),
        "IsTruncated": truncated,
        "ContinuationToken": params.text("ContinuationToken"),
        "Contents": contents,
        "CommonPrefixes": prefixes.iter().map(|p| json!({"Prefix": p})).collect::<Vec<_>>(),
    });
    if truncated {
        document["NextContinuationToken"] = URL_SAFE_NO_PAD.encode(last).into();
    }
    Ok(Answering::document(view.now, "ListBucketResult", &document).into())
}

pub(super) fn versions(view: &View<'_>, params: &Params) -> Answer {
    let bucket = asked(view, params)?;
    let prefix = params.text("Prefix").unwrap_or_default();
    let (key_marker, id_marker) = (params.text("KeyMarker"), params.text("VersionIdMarker"));
    let size = page_size(view, params);
    let all: Vec<_> = bucket
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(prefix))
        .flat_map(|(key, versions)| {
            versions.iter().enumerate().map(move |(place, version)| (key, place, version))
        })
        .collect();
    let begin = match (key_marker, id_marker) {
        (None, _) => 0,
        (Some(marker), None) => all.partition_point(|(key, ..)| key.as_str() <= marker),
        (Some(marker), Some(id)) => all
            .iter()
            .position(|(key, _, version)| key.as_str() == marker && version.id == id)
            .map_or_else(|| all.partition_point(|(key, ..)| key.as_str() <= marker), |at| at + 1),
    };
    let rest = &all[begin..];
    let (mut versions, mut markers) = (Vec::new(), Vec::new());
    for (key, place, version) in rest.iter().take(size) {
        let mut item = json!({
            "Key": key,
            "VersionId": version.id,
            "IsLatest": *place == 0,
            "LastModified": version.modified.iso(),
        });
        match &version.content {
            Some(content) => {
                item["ETag"] = content.etag.clone().into();
                item["Size"] = content.body.len().into();
                item["StorageClass"] = "STANDARD".into();
                versions.push(item);
            }
            None => markers.push(item),
        }
    }
    let truncated = rest.len() > size;
    let mut document = json!({
        "Name": bucket.name,
        "Prefix": prefix,
        "KeyMarker": key_marker,
        "VersionIdMarker": id_marker,
        "MaxKeys": size,
        "IsTruncated": truncated,
        "Version": versions,
        "DeleteMarker": markers,
    });
    if truncated && let Some((key, _, version)) = rest.get(size.saturating_sub(1)) {
        document["NextKeyMarker"] = key.as_str().into();
        document["NextVersionIdMarker"] = version.id.clone().into();
    }
    Ok(Answering::document(view.now, "ListVersionsResult", &document).into())
}
