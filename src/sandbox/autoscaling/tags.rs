//! Tags of groups.

use super::words::{all, invalid, named_mut, paged};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Tags per group.
const LIMIT: usize = 50;

fn text(tag: &Value, member: &str) -> String {
    tag[member].as_str().unwrap_or_default().to_owned()
}

fn check(tag: &Value) -> Result<(String, String), Failure> {
    if tag["ResourceType"].as_str().is_some_and(|kind| kind != "auto-scaling-group") {
        return Err(invalid("The only resource type is auto-scaling-group."));
    }
    let key = text(tag, "Key");
    if key.to_ascii_lowercase().starts_with("aws:") {
        return Err(invalid("Tag keys must not begin with aws:"));
    }
    Ok((text(tag, "ResourceId"), key))
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    for tag in params.list("Tags") {
        let (name, key) = check(tag)?;
        let group = named_mut(cx, &name)?;
        let propagate = tag["PropagateAtLaunch"].as_bool().unwrap_or(false);
        let value = text(tag, "Value");
        if propagate {
            group.recipe.tags.insert(key.clone(), value.clone());
        } else {
            group.recipe.tags.remove(&key);
        }
        group.tags.insert(key, (value, propagate));
        if group.tags.len() > LIMIT {
            return Err(Failure::new("LimitExceeded", "A group can't have more than 50 tags"));
        }
    }
    Ok(json!({}).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    for tag in params.list("Tags") {
        let (name, key) = check(tag)?;
        let group = named_mut(cx, &name)?;
        group.tags.remove(&key);
        group.recipe.tags.remove(&key);
    }
    Ok(json!({}).into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let mut items = Vec::new();
    for tag in all(view).flat_map(super::model::Group::write_tags) {
        let mut wanted = true;
        for filter in params.list("Filters") {
            let values = filter["Values"].as_array().map(Vec::as_slice).unwrap_or_default();
            let member = match filter["Name"].as_str() {
                Some("auto-scaling-group") => "ResourceId",
                Some("key") => "Key",
                Some("value") => "Value",
                other => {
                    let name = other.unwrap_or_default();
                    return Err(invalid(format!("Filter type {name} is not correct")));
                }
            };
            wanted = wanted && values.contains(&tag[member]);
        }
        if wanted {
            items.push((format!("{}\n{}", text(&tag, "ResourceId"), text(&tag, "Key")), tag));
        }
    }
    Ok(paged(view, params, "Tags", items)?.into())
}
