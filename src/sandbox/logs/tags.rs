//! Tags of log groups.

use super::model::{Group, invalid, missing, of, of_mut};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Lays the request's `tags` over `tags`.
pub(super) fn check_tags(
    params: &Params,
    tags: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    for (key, value) in params.get("tags").and_then(Value::as_object).into_iter().flatten() {
        if key.starts_with("aws:") {
            return Err(invalid("Tag keys must not begin with aws:"));
        }
        tags.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    if tags.len() > 50 {
        let message = "Resource can have no more than 50 tags.";
        return Err(Failure::new("TooManyTagsException", message));
    }
    Ok(())
}

fn by_arn<'a>(cx: &'a mut Cx<'_>, arn: &str) -> Result<&'a mut Group, Failure> {
    of_mut(cx).groups.values_mut().find(|group| group.arn == arn).ok_or_else(missing)
}

pub(super) fn tag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let group = by_arn(cx, params.required("resourceArn"))?;
    check_tags(params, &mut group.tags)?;
    Ok(json!({}).into())
}

pub(super) fn untag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let group = by_arn(cx, params.required("resourceArn"))?;
    for key in params.texts("tagKeys") {
        group.tags.remove(key);
    }
    Ok(json!({}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let arn = params.required("resourceArn");
    let group = of(view).groups.values().find(|group| group.arn == arn).ok_or_else(missing)?;
    Ok(json!({"tags": group.tags}).into())
}
