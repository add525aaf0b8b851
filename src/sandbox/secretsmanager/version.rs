//! Versions of a value: their list, and which of them has which staging label.

use super::model::{CURRENT, PREVIOUS, asked, asked_mut, not_leaving};
use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::json;

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("InvalidParameterException", message)
}

/// Versions without a label are deprecated and only listed where they are asked for.
pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let secret = asked(view, params)?;
    let all = params.flag("IncludeDeprecated").unwrap_or(false);
    let found = secret.versions.iter().filter(|(_, version)| all || !version.stages.is_empty());
    let items = found.map(|(id, version)| {
        let written = json!({
            "VersionId": id,
            "VersionStages": version.stages,
            "CreatedDate": version.created.seconds(),
        });
        (id.clone(), written)
    });
    let size = params.number("MaxResults").and_then(|size| usize::try_from(size).ok());
    let size = size.unwrap_or_else(|| view.knobs.page_size.min(100));
    let Page { items, next } = page::cut(items, params.text("NextToken"), size).map_err(|_| {
        Failure::new("InvalidNextTokenException", "The NextToken value is invalid.")
    })?;
    let mut answer = json!({ "ARN": secret.arn, "Name": secret.name, "Versions": items });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer.into())
}

pub(super) fn update_stage(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let stage = params.required("VersionStage");
    let (from, to) = (params.text("RemoveFromVersionId"), params.text("MoveToVersionId"));
    let secret = asked_mut(cx, params)?;
    not_leaving(secret)?;
    if from.is_none() && to.is_none() {
        return Err(invalid("Name the version to move the staging label to or to remove it from."));
    }
    for id in [from, to].into_iter().flatten() {
        if !secret.versions.contains_key(id) {
            let message = format!("Secrets Manager can't find the specified secret version: {id}.");
            return Err(Failure::new("ResourceNotFoundException", message));
        }
    }
    let holder = secret.staged(stage).map(str::to_owned);
    match (&holder, from) {
        (Some(holder), None) if to != Some(holder.as_str()) => {
            return Err(invalid(format!(
                "The parameter RemoveFromVersionId can't be empty. Staging label {stage} is currently attached to version {holder}, so you must explicitly reference that version in RemoveFromVersionId."
            )));
        }
        (holder, Some(from)) if holder.as_deref() != Some(from) => {
            return Err(invalid(format!(
                "The staging label {stage} is not attached to the version {from}."
            )));
        }
        _ => {}
    }
    if stage == CURRENT && to.is_none() {
        return Err(invalid("You can't remove the staging label AWSCURRENT, only move it."));
    }
    let moved = holder.as_deref() != to;
    for (id, version) in &mut secret.versions {
        if moved && stage == CURRENT {
            // The version that was current is the previous one from now on.
            version.stages.remove(PREVIOUS);
            if holder.as_deref() == Some(id) {
                version.stages.insert(PREVIOUS.to_owned());
            }
        }
        version.stages.remove(stage);
        if to == Some(id) {
            version.stages.insert(stage.to_owned());
        }
    }
    secret.changed = now;
    Ok(json!({ "ARN": secret.arn, "Name": secret.name }).into())
}
