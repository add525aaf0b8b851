//! A bucket's settings: each is a document that is put and read as a whole.

use super::model::{asked, asked_mut};
use super::reply::Answering;
use super::{chunked, tree};
use crate::sandbox::failure::Failure;
use crate::sandbox::policy::{self, Use};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Stores the request's document. The law has already read it.
fn put(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (root, document) = tree::read(&chunked::read(params.http())?.bytes)?;
    let now = cx.now;
    asked_mut(cx, params)?.documents.insert(root, document);
    Ok(Answering::empty(200, now).into())
}

fn get(view: &View<'_>, params: &Params, root: &str, missing: (&str, &str)) -> Answer {
    let bucket = asked(view, params)?;
    match bucket.documents.get(root) {
        Some(document) => Ok(Answering::document(view.now, root, document).into()),
        None => Err(Failure::new(missing.0, missing.1).with_status(404)),
    }
}

fn delete(cx: &mut Cx<'_>, params: &Params, root: &str) -> Answer {
    let now = cx.now;
    asked_mut(cx, params)?.documents.remove(root);
    Ok(Answering::empty(204, now).into())
}

pub(super) fn put_versioning(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let settings = params.get("VersioningConfiguration").cloned().unwrap_or_default();
    let Some(status) = settings["Status"].as_str() else {
        let message = "The Versioning element must be specified";
        return Err(Failure::new("IllegalVersioningConfigurationException", message));
    };
    asked_mut(cx, params)?.versioning = Some(status.to_owned());
    Ok(Answering::empty(200, now).into())
}

pub(super) fn get_versioning(view: &View<'_>, params: &Params) -> Answer {
    let document = json!({"Status": asked(view, params)?.versioning});
    Ok(Answering::document(view.now, "VersioningConfiguration", &document).into())
}

const ENCRYPTION: &str = "ServerSideEncryptionConfiguration";

pub(super) fn put_encryption(cx: &mut Cx<'_>, params: &Params) -> Answer {
    put(cx, params)
}

/// Every bucket encrypts; one that was never told how does it with S3's own keys.
pub(super) fn get_encryption(view: &View<'_>, params: &Params) -> Answer {
    let found = asked(view, params)?.documents.get(ENCRYPTION).cloned();
    let document = found.unwrap_or_else(|| {
        json!({"Rule": {
            "ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"},
            "BucketKeyEnabled": "false",
        }})
    });
    Ok(Answering::document(view.now, ENCRYPTION, &document).into())
}

pub(super) fn delete_encryption(cx: &mut Cx<'_>, params: &Params) -> Answer {
    delete(cx, params, ENCRYPTION)
}

const PUBLIC_ACCESS: &str = "PublicAccessBlockConfiguration";

pub(super) fn put_public_access_block(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let given = params.get(PUBLIC_ACCESS).cloned().unwrap_or_default();
    // What is not said is off.
    let flag = |name: &str| given[name].as_bool().unwrap_or(false).to_string();
    let document = json!({
        "BlockPublicAcls": flag("BlockPublicAcls"),
        "IgnorePublicAcls": flag("IgnorePublicAcls"),
        "BlockPublicPolicy": flag("BlockPublicPolicy"),
        "RestrictPublicBuckets": flag("RestrictPublicBuckets"),
    });
    asked_mut(cx, params)?.documents.insert(PUBLIC_ACCESS.to_owned(), document);
    Ok(Answering::empty(200, now).into())
}

pub(super) fn get_public_access_block(view: &View<'_>, params: &Params) -> Answer {
    let missing = (
        "NoSuchPublicAccessBlockConfiguration",
        "The public access block configuration was not found",
    );
    get(view, params, PUBLIC_ACCESS, missing)
}

pub(super) fn delete_public_access_block(cx: &mut Cx<'_>, params: &Params) -> Answer {
    delete(cx, params, PUBLIC_ACCESS)
}

pub(super) fn put_policy(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let text = params.required("Policy").to_owned();
    let malformed = |message: &str| Failure::new("MalformedPolicy", message);
    let bucket = asked_mut(cx, params)?;
    let document = policy::read(&text, Use::Resource).map_err(malformed)?;
    let suffix = format!(":s3:::{}", bucket.name);
    let below = format!("{suffix}/");
    let own = policy::statements(&document).into_iter().all(|statement| {
        policy::strings(&statement["Resource"])
            .iter()
            .all(|arn| arn.ends_with(&suffix) || arn.contains(&below))
    });
    if !own {
        return Err(malformed("Policy has invalid resource"));
    }
    bucket.policy = Some(text);
    Ok(Answering::empty(204, now).into())
}

pub(super) fn get_policy(view: &View<'_>, params: &Params) -> Answer {
    match &asked(view, params)?.policy {
        Some(text) => Ok(Answering::empty(200, view.now)
            .header("content-type", "application/json")
            .body(text.clone().into())
            .into()),
        None => {
            let message = "The bucket policy does not exist";
            Err(Failure::new("NoSuchBucketPolicy", message).with_status(404))
        }
    }
}

pub(super) fn delete_policy(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    asked_mut(cx, params)?.policy = None;
    Ok(Answering::empty(204, now).into())
}

pub(super) fn put_tagging(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let tagging = params.get("Tagging").cloned().unwrap_or_default();
    let tags: Vec<&Value> = tagging["TagSet"].as_array().into_iter().flatten().collect();
    let key = |tag: &Value| tag["Key"].as_str().unwrap_or_default().to_owned();
    let mut keys: Vec<String> = tags.iter().map(|tag| key(tag)).collect();
    keys.sort();
    keys.dedup();
    let message = if keys.len() != tags.len() {
        "Cannot provide multiple Tags with the same key"
    } else if keys.iter().any(|key| key.starts_with("aws:")) {
        "System tags cannot be added/updated by requester"
    } else if tags.len() > 50 {
        "Bucket tag count cannot be greater than 50"
    } else {
        put(cx, params)?;
        return Ok(Answering::empty(204, cx.now).into());
    };
    Err(Failure::new("InvalidTag", message))
}

pub(super) fn get_tagging(view: &View<'_>, params: &Params) -> Answer {
    get(view, params, "Tagging", ("NoSuchTagSet", "The TagSet does not exist"))
}

pub(super) fn delete_tagging(cx: &mut Cx<'_>, params: &Params) -> Answer {
    delete(cx, params, "Tagging")
}

pub(super) fn put_ownership(cx: &mut Cx<'_>, params: &Params) -> Answer {
    put(cx, params)
}

pub(super) fn get_ownership(view: &View<'_>, params: &Params) -> Answer {
    let missing =
        ("OwnershipControlsNotFoundError", "The bucket ownership controls were not found");
    get(view, params, "OwnershipControls", missing)
}

pub(super) fn delete_ownership(cx: &mut Cx<'_>, params: &Params) -> Answer {
    delete(cx, params, "OwnershipControls")
}

pub(super) fn put_lifecycle(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let rules = params.get("LifecycleConfiguration").map(|document| document["Rules"].clone());
    let rules = rules.as_ref().and_then(Value::as_array).cloned().unwrap_or_default();
    const ACTIONS: &[&str] = &[
        "Expiration",
        "Transitions",
        "NoncurrentVersionExpiration",
        "NoncurrentVersionTransitions",
        "AbortIncompleteMultipartUpload",
    ];
    if rules.iter().any(|rule| ACTIONS.iter().all(|action| rule.get(action).is_none())) {
        let message = "At least one action needs to be specified in a rule";
        return Err(Failure::new("InvalidRequest", message));
    }
    put(cx, params)
}

pub(super) fn get_lifecycle(view: &View<'_>, params: &Params) -> Answer {
    let missing = ("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist");
    get(view, params, "LifecycleConfiguration", missing)
}

pub(super) fn delete_lifecycle(cx: &mut Cx<'_>, params: &Params) -> Answer {
    delete(cx, params, "LifecycleConfiguration")
}
