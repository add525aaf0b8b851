//! Tags of keys.

use super::model::{asked, asked_mut, paged};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::json;
use std::collections::BTreeMap;

/// Lays the request's `Tags` over `tags`.
pub(super) fn read_tags(
    params: &Params,
    tags: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    for tag in params.list("Tags") {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        let key = text("TagKey");
        if key.starts_with("aws:") {
            return Err(Failure::new("TagException", "Tag keys must not begin with aws:"));
        }
        tags.insert(key, text("TagValue"));
    }
    if tags.len() > 50 {
        return Err(Failure::new("TagException", "Too many tags"));
    }
    Ok(())
}

pub(super) fn tag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = asked_mut(cx, params)?;
    key.not_leaving()?;
    read_tags(params, &mut key.tags)?;
    Ok(json!({}).into())
}

pub(super) fn untag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = asked_mut(cx, params)?;
    key.not_leaving()?;
    for name in params.texts("TagKeys") {
        key.tags.remove(name);
    }
    Ok(json!({}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let key = asked(view, params, false)?;
    let tags = key.tags.iter();
    let items =
        tags.map(|(key, value)| (key.clone(), json!({"TagKey": key, "TagValue": value}))).collect();
    Ok(paged(view, params, "Tags", 50, items)?.into())
}
