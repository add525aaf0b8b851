//! Values and their versions.

use super::model::{CURRENT, Content, PREVIOUS, Secret, Version, asked, asked_mut, not_leaving};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::{Millis, number};
use crate::sandbox::wire::params::Params;
use serde_json::json;
use std::collections::BTreeSet;

/// The value that a request carries, if any.
pub(super) fn content(params: &Params) -> Result<Option<Content>, Failure> {
    match (params.text("SecretString"), params.text("SecretBinary")) {
        (Some(_), Some(_)) => Err(Failure::new(
            "InvalidParameterException",
            "You can't specify both a binary secret value and a string secret value.",
        )),
        (Some(text), None) => Ok(Some(Content::Text(text.to_owned()))),
        (None, Some(binary)) => Ok(Some(Content::Binary(binary.to_owned()))),
        (None, None) => Ok(None),
    }
}

/// Adds a version and moves the stages to it; answers its id. The request's token is that id.
pub(super) fn store_version(
    secret: &mut Secret,
    now: Millis,
    params: &Params,
    value: Content,
    stages: &[&str],
) -> Result<String, Failure> {
    let id = match params.text("ClientRequestToken") {
        Some(token) => token.to_owned(),
        None => {
            let drawn = number(&format!("{} {}", secret.arn, secret.versions.len()));
            format!("{:08x}-0000-4000-8000-{:012x}", drawn >> 32, drawn & 0xffff_ffff_ffff)
        }
    };
    if let Some(known) = secret.versions.get(&id) {
        if known.value == value {
            return Ok(id);
        }
        let message = format!(
            "You can't modify an existing version {id}, you can only create a new version."
        );
        return Err(Failure::new("ResourceExistsException", message));
    }
    let first = secret.versions.is_empty();
    let mut wanted: BTreeSet<String> = stages.iter().map(|&stage| stage.to_owned()).collect();
    if wanted.is_empty() || first {
        wanted.insert(CURRENT.to_owned());
    }
    if wanted.contains(CURRENT)
        && let Some(current) = secret.staged(CURRENT).map(str::to_owned)
    {
        for (known, version) in &mut secret.versions {
            version.stages.remove(PREVIOUS);
            if *known == current {
                version.stages.insert(PREVIOUS.to_owned());
            }
        }
    }
    for version in secret.versions.values_mut() {
        version.stages.retain(|stage| !wanted.contains(stage));
    }
    secret.versions.insert(id.clone(), Version { created: now, value, stages: wanted });
    secret.changed = now;
    Ok(id)
}

pub(super) fn put(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let value = content(params)?;
    let value = value.ok_or_else(|| {
        let message = "You must provide either SecretString or SecretBinary.";
        Failure::new("InvalidRequestException", message)
    })?;
    let now = cx.now;
    let secret = asked_mut(cx, params)?;
    not_leaving(secret)?;
    let id = store_version(secret, now, params, value, &params.texts("VersionStages"))?;
    let stages = secret.versions.get(&id).map(|version| version.stages.clone());
    let answer = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": id,
        "VersionStages": stages.unwrap_or_default(),
    });
    Ok(answer.into())
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let secret = asked(view, params)?;
    not_leaving(secret)?;
    let stage = params.text("VersionStage");
    let id = match params.text("VersionId") {
        Some(id) => Some(id),
        None => secret.staged(stage.unwrap_or(CURRENT)),
    };
    let found = id
        .and_then(|id| secret.versions.get_key_value(id))
        .filter(|(_, version)| stage.is_none_or(|stage| version.stages.contains(stage)));
    let Some((id, version)) = found else {
        let message = format!(
            "Secrets Manager can't find the specified secret value for {}: {}",
            if params.text("VersionId").is_some() { "VersionId" } else { "staging label" },
            params.text("VersionId").or(stage).unwrap_or(CURRENT)
        );
        return Err(Failure::new("ResourceNotFoundException", message));
    };
    let mut answer = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "VersionId": id,
        "VersionStages": version.stages,
        "CreatedDate": version.created.seconds(),
    });
    match &version.value {
        Content::Text(text) => answer["SecretString"] = text.clone().into(),
        Content::Binary(binary) => answer["SecretBinary"] = binary.clone().into(),
    }
    Ok(answer.into())
}
