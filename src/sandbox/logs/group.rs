//! Log groups themselves.

use super::model::{Group, invalid, missing, of, of_mut};
use super::tags::check_tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// The only retentions that Logs knows, in days.
const RETENTIONS: &[i64] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("logGroupName");
    if of(&cx.view()).has(name) {
        let message = "The specified log group already exists";
        return Err(Failure::new("ResourceAlreadyExistsException", message));
    }
    let mut group = Group::plain(name, cx.scope, cx.now);
    check_tags(params, &mut group.tags)?;
    if let Some(key) = params.text("kmsKeyId") {
        check_key(cx, key, &group.arn)?;
        group.key = Some(key.to_owned());
    }
    if let Some(class) = params.text("logGroupClass") {
        group.class = class.to_owned();
    }
    group.protected = params.flag("deletionProtectionEnabled").unwrap_or(false);
    let logs = of_mut(cx);
    logs.deleted.remove(name);
    logs.groups.insert(name.to_owned(), group);
    Ok(json!({}).into())
}

/// Logs must be able to use the key, and the key's policy must say so.
fn check_key(cx: &Cx<'_>, key: &str, group: &str) -> Result<(), Failure> {
    let service = format!("logs.{}.amazonaws.com", cx.scope.region);
    let kms = cx.store.kms(cx.scope);
    let usable = kms.is_usable_by(key, &service, cx.now)
        || kms.is_usable_by(key, "logs.amazonaws.com", cx.now);
    if usable {
        return Ok(());
    }
    Err(invalid(format!(
        "The specified KMS key does not exist or is not allowed to be used with LogGroup '{group}'"
    )))
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let prefix = params.text("logGroupNamePrefix");
    let pattern = params.text("logGroupNamePattern");
    if prefix.is_some() && pattern.is_some() {
        return Err(invalid(
            "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.",
        ));
    }
    let class = params.text("logGroupClass");
    let named = params.texts("logGroupIdentifiers");
    let found = of(view).groups.values().filter(|group| {
        prefix.is_none_or(|prefix| group.name.starts_with(prefix))
            && pattern
                .is_none_or(|pattern| group.name.to_lowercase().contains(&pattern.to_lowercase()))
            && class.is_none_or(|class| group.class == class)
            && (named.is_empty() || named.iter().any(|id| *id == group.name || *id == group.arn))
    });
    let items: Vec<(String, Value)> = found
        .map(|group| {
            let description = match pattern {
                None => group.description(),
                // By pattern Logs answers only so much.
                Some(_) => json!({
                    "logGroupName": group.name,
                    "creationTime": group.created.0,
                    "arn": format!("{}:*", group.arn),
                }),
            };
            (group.name.clone(), description)
        })
        .collect();
    let asked = params.number("limit").and_then(|size| usize::try_from(size).ok());
    let size = asked.unwrap_or_else(|| view.knobs.page_size.min(50));
    let Page { items, next } = page::cut(items, params.text("nextToken"), size)
        .map_err(|_| invalid("The specified nextToken is invalid."))?;
    let mut answer = json!({"logGroups": items});
    if let Some(next) = next {
        answer["nextToken"] = next.into();
    }
    Ok(answer.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("logGroupName");
    let group = of_mut(cx).group_mut(name)?;
    if group.protected {
        let message = "The log group has deletion protection enabled.";
        return Err(Failure::new("ValidationException", message));
    }
    let now = cx.now;
    let logs = of_mut(cx);
    logs.groups.remove(name);
    logs.deleted.insert(name.to_owned(), now);
    Ok(json!({}).into())
}

pub(super) fn put_retention(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let days = params.number("retentionInDays").unwrap_or_default();
    let group = of_mut(cx).group_mut(params.required("logGroupName"))?;
    if !RETENTIONS.contains(&days) {
        return Err(invalid(format!(
            "1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: {RETENTIONS:?}"
        )));
    }
    group.retention = Some(days);
    Ok(json!({}).into())
}

pub(super) fn delete_retention(cx: &mut Cx<'_>, params: &Params) -> Answer {
    of_mut(cx).group_mut(params.required("logGroupName"))?.retention = None;
    Ok(json!({}).into())
}

/// The group that `logGroupName` or `resourceIdentifier` names.
fn asked_mut<'a>(cx: &'a mut Cx<'_>, params: &Params) -> Result<&'a mut Group, Failure> {
    match (params.text("logGroupName"), params.text("resourceIdentifier")) {
        (Some(name), None) => of_mut(cx).group_mut(name),
        (None, Some(arn)) => {
            of_mut(cx).groups.values_mut().find(|group| group.arn == arn).ok_or_else(missing)
        }
        _ => Err(invalid("Specify either logGroupName or resourceIdentifier.")),
    }
}

pub(super) fn associate_key(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = params.required("kmsKeyId");
    let arn = asked_mut(cx, params)?.arn.clone();
    check_key(cx, key, &arn)?;
    asked_mut(cx, params)?.key = Some(key.to_owned());
    Ok(json!({}).into())
}

pub(super) fn disassociate_key(cx: &mut Cx<'_>, params: &Params) -> Answer {
    asked_mut(cx, params)?.key = None;
    Ok(json!({}).into())
}
