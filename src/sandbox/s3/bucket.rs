//! Buckets themselves.

use super::model::{Bucket, asked, asked_mut};
use super::reply::Answering;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The region whose buckets have no location constraint.
const CLASSIC: &str = "us-east-1";

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("Bucket");
    check_name(name)?;
    let settings = params.get("CreateBucketConfiguration").cloned().unwrap_or_default();
    check_location(&settings, &cx.scope.region)?;
    let location = format!("/{name}");
    if let Some(known) = cx.store.s3.buckets.get(name) {
        if known.account != cx.scope.account {
            let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Select a different name and try again.";
            return Err(Failure::new("BucketAlreadyExists", message).with_status(409));
        }
        if known.region == CLASSIC && cx.scope.region == CLASSIC {
            // As it has always been there: making one's own bucket again succeeds.
            return Ok(Answering::empty(200, cx.now).header("location", &location).into());
        }
        let message =
            "Your previous request to create the named bucket succeeded and you already own it.";
        return Err(Failure::new("BucketAlreadyOwnedByYou", message).with_status(409));
    }
    let mut documents = BTreeMap::new();
    let tags = settings["Tags"].as_array().filter(|tags| !tags.is_empty());
    if let Some(tags) = tags {
        documents.insert("Tagging".to_owned(), json!({"TagSet": {"Tag": tags}}));
    }
    // What every bucket has since April 2023.
    documents.insert(
        "PublicAccessBlockConfiguration".to_owned(),
        json!({
            "BlockPublicAcls": "true",
            "IgnorePublicAcls": "true",
            "BlockPublicPolicy": "true",
            "RestrictPublicBuckets": "true",
        }),
    );
    let ownership = params.text("ObjectOwnership").unwrap_or("BucketOwnerEnforced");
    documents
        .insert("OwnershipControls".to_owned(), json!({"Rule": {"ObjectOwnership": ownership}}));
    let bucket = Bucket {
        name: name.to_owned(),
        account: cx.scope.account.clone(),
        region: cx.scope.region.clone(),
        created: cx.now,
        versioning: None,
        policy: None,
        documents,
        objects: BTreeMap::new(),
    };
    cx.store.s3.buckets.insert(name.to_owned(), bucket);
    Ok(Answering::empty(200, cx.now).header("location", &location).into())
}

fn check_location(settings: &Value, region: &str) -> Result<(), Failure> {
    let wanted = settings["LocationConstraint"].as_str();
    let message = match (wanted, region) {
        (None, CLASSIC) => return Ok(()),
        (Some(CLASSIC), _) => {
            let message = "The specified location-constraint is not valid";
            return Err(Failure::new("InvalidLocationConstraint", message));
        }
        (Some(wanted), region) if wanted == region => return Ok(()),
        (wanted, _) => format!(
            "The {} location constraint is incompatible for the region specific endpoint this request was sent to.",
            wanted.unwrap_or("unspecified")
        ),
    };
    Err(Failure::new("IllegalLocationConstraintException", message))
}

fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let ok = (3..=63).contains(&name.len())
        && name.chars().all(|c| plain(c) || c == '-' || c == '.')
        && name.starts_with(plain)
        && name.ends_with(plain)
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
        && !name.starts_with("xn--")
        && !name.ends_with("-s3alias");
    if ok {
        Ok(())
    } else {
        Err(Failure::new("InvalidBucketName", "The specified bucket is not valid."))
    }
}

/// A HEAD has no body, so what it refuses shows in the status alone.
pub(super) fn head(view: &View<'_>, params: &Params) -> Answer {
    let region = view.store.s3.buckets.get(params.required("Bucket")).map(|b| b.region.as_str());
    let status = asked(view, params).map_or_else(|failure| failure.status, |_| 200);
    let mut answer = Answering::empty(status, view.now);
    if let Some(region) = region {
        answer = answer.header("x-amz-bucket-region", region);
    }
    Ok(answer.into())
}

pub(super) fn location(view: &View<'_>, params: &Params) -> Answer {
    let region = asked(view, params)?.region.as_str();
    let constraint = if region == CLASSIC { "" } else { region };
    Ok(Answering::document(view.now, "LocationConstraint", &constraint.into()).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    if asked_mut(cx, params)?.objects.values().any(|versions| !versions.is_empty()) {
        let message = "The bucket you tried to delete is not empty";
        return Err(Failure::new("BucketNotEmpty", message).with_status(409));
    }
    cx.store.s3.buckets.remove(params.required("Bucket"));
    Ok(Answering::empty(204, cx.now).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let prefix = params.text("Prefix").unwrap_or_default();
    let region = params.text("BucketRegion");
    let own = view.store.s3.buckets.values().filter(|bucket| {
        bucket.account == view.scope.account
            && bucket.name.starts_with(prefix)
            && region.is_none_or(|region| region == bucket.region)
    });
    let listed: Vec<Value> = own
        .map(|bucket| {
            json!({
                "Name": bucket.name,
                "CreationDate": bucket.created.iso(),
                "BucketRegion": bucket.region,
            })
        })
        .collect();
    let document = json!({
        "Owner": {"ID": view.scope.account},
        "Buckets": {"Bucket": listed},
    });
    Ok(Answering::document(view.now, "ListAllMyBucketsResult", &document).into())
}
