//! Tags of roles.

use super::model::{of, of_mut, over, paged};
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
    let mut seen = BTreeMap::new();
    for tag in params.list("Tags") {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        let (key, value) = (text("Key"), text("Value"));
        if key.to_lowercase().starts_with("aws:") {
            let message = "System tags (prefix aws:) can't be set by users.";
            return Err(Failure::new("InvalidInput", message));
        }
        // Keys of IAM's tags have no case.
        if seen.insert(key.to_lowercase(), ()).is_some() {
            let message =
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(Failure::new("InvalidInput", message));
        }
        tags.retain(|known, _| !known.eq_ignore_ascii_case(&key));
        tags.insert(key, value);
    }
    if tags.len() > 50 {
        return Err(over("The number of tags has reached the maximum limit.".to_owned()));
    }
    Ok(())
}

pub(super) fn tag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let role = of_mut(cx).role_mut(params.required("RoleName"))?;
    read_tags(params, &mut role.tags)?;
    Ok(json!({}).into())
}

pub(super) fn untag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let role = of_mut(cx).role_mut(params.required("RoleName"))?;
    for key in params.texts("TagKeys") {
        role.tags.retain(|known, _| !known.eq_ignore_ascii_case(key));
    }
    Ok(json!({}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let role = of(view).role(params.required("RoleName"))?;
    let tags = role.tags.iter();
    let tags = tags.map(|(key, value)| (key.clone(), json!({"Key": key, "Value": value})));
    Ok(paged(view, params, "Tags", tags.collect())?.into())
}
