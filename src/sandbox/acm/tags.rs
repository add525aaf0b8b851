//! Tags of certificates.

use super::model::{of, of_mut};
use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// The tags of a request.
pub(super) fn read_tags(params: &Params) -> Result<Tags, Failure> {
    let mut tags = Tags::new();
    for tag in params.list("Tags") {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        let key = text("Key");
        if key.starts_with("aws:") {
            let message = format!("The tag key {key:?} is reserved.");
            return Err(Failure::new("InvalidTagException", message));
        }
        tags.insert(key, text("Value"));
    }
    check(&tags)?;
    Ok(tags)
}

fn check(tags: &Tags) -> Result<(), Failure> {
    if tags.len() > 50 {
        let message = "A certificate can have no more than 50 tags.";
        return Err(Failure::new("TooManyTagsException", message));
    }
    Ok(())
}

pub(super) fn add(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let new = read_tags(params)?;
    let certificate = of_mut(cx).certificate_mut(params.required("CertificateArn"))?;
    certificate.tags.extend(new);
    check(&certificate.tags)?;
    Ok(json!({}).into())
}

/// A tag with a value goes only if it has that value.
pub(super) fn remove(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let certificate = of_mut(cx).certificate_mut(params.required("CertificateArn"))?;
    for tag in params.list("Tags") {
        let key = tag["Key"].as_str().unwrap_or_default();
        let known = certificate.tags.get(key).map(String::as_str);
        if tag["Value"].as_str().is_none_or(|value| Some(value) == known) {
            certificate.tags.remove(key);
        }
    }
    Ok(json!({}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let certificate = of(view).certificate(params.required("CertificateArn"))?;
    let tags: Vec<Value> =
        certificate.tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    Ok(json!({ "Tags": tags }).into())
}
