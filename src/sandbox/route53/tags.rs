//! Tags of hosted zones and health checks.

use super::model::{Route53, bare, invalid, of, of_mut};
use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::xml;
use serde_json::{Value, json};

fn find<'a>(route53: &'a mut Route53, kind: &str, id: &str) -> Result<&'a mut Tags, Failure> {
    match kind {
        "hostedzone" => Ok(&mut route53.zone_mut(id)?.tags),
        _ => match route53.checks.get_mut(id) {
            Some(check) => Ok(&mut check.tags),
            None => {
                let message = format!("A health check with id {id} does not exist.");
                Err(Failure::new("NoSuchHealthCheck", message))
            }
        },
    }
}

pub(super) fn change(cx: &mut Cx<'_>, params: &Params) -> Answer {
    if params.list("AddTags").is_empty() && params.list("RemoveTagKeys").is_empty() {
        return Err(invalid("Name tags to add or keys to remove"));
    }
    let (kind, id) = (params.required("ResourceType"), params.required("ResourceId"));
    let tags = find(of_mut(cx), kind, id)?;
    for tag in params.list("AddTags") {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        let key = text("Key");
        if key.is_empty() || key.starts_with("aws:") {
            return Err(invalid(format!("The tag key {key:?} is not valid")));
        }
        tags.insert(key, text("Value"));
    }
    for key in params.texts("RemoveTagKeys") {
        tags.remove(key);
    }
    if tags.len() > 50 {
        return Err(invalid("A resource can have no more than 50 tags"));
    }
    Ok(json!({ "ChangeTagsForResourceResponse": {} }).into())
}

fn write(view: &View<'_>, kind: &str, id: &str) -> Result<Value, Failure> {
    let mut route53 = of(view).clone();
    let tags = find(&mut route53, kind, id)?;
    let tags = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value }));
    Ok(json!({
        "ResourceType": kind,
        "ResourceId": bare(id),
        "Tags": xml::named("Tag", tags.collect()),
    }))
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let set = write(view, params.required("ResourceType"), params.required("ResourceId"))?;
    Ok(json!({ "ListTagsForResourceResponse": { "ResourceTagSet": set } }).into())
}

pub(super) fn list_many(view: &View<'_>, params: &Params) -> Answer {
    let kind = params.required("ResourceType");
    let ids = params.texts("ResourceIds");
    let sets = ids.into_iter().map(|id| write(view, kind, id)).collect::<Result<Vec<_>, _>>()?;
    let sets = xml::named("ResourceTagSet", sets);
    Ok(json!({ "ListTagsForResourcesResponse": { "ResourceTagSets": sets } }).into())
}
