//! Tags: with a create, afterwards, and as a list of their own.

use super::compute;
use super::model::{self, Ec2, Tags};
use super::resource::{Resource, dry_run, not_found};
use super::{filter, page};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Tags per resource.
const LIMIT: usize = 50;

/// The tags that a create gives to the resource of this type.
pub(crate) fn given(params: &Params, resource_type: &str) -> Result<Tags, Failure> {
    let mut tags = Tags::new();
    for specification in params.list("TagSpecifications") {
        let named = specification.get("ResourceType").and_then(Value::as_str).unwrap_or_default();
        if named != resource_type {
            let message =
                format!("'{named}' is not a valid taggable resource type for this operation.");
            return Err(Failure::new("InvalidParameterValue", message));
        }
        let list = specification.get("Tags").and_then(Value::as_array);
        for tag in list.map(Vec::as_slice).unwrap_or_default() {
            let (key, value) = pair(tag)?;
            if tags.insert(key.clone(), value).is_some() {
                let message = format!("Duplicate tag key '{key}' specified.");
                return Err(Failure::new("InvalidParameterValue", message));
            }
        }
    }
    within_limit(&tags)?;
    Ok(tags)
}

/// As answers list tags.
pub(crate) fn write(tags: &Tags) -> Value {
    tags.iter().map(|(key, value)| json!({ "key": key, "value": value })).collect()
}

fn pair(tag: &Value) -> Result<(String, String), Failure> {
    let text = |member: &str| tag.get(member).and_then(Value::as_str).unwrap_or_default();
    let (key, value) = (text("Key"), text("Value"));
    let refused = |message: String| Err(Failure::new("InvalidParameterValue", message));
    if key.to_ascii_lowercase().starts_with("aws:") {
        return refused("Tag keys starting with 'aws:' are reserved for internal use".to_owned());
    }
    if key.is_empty() || key.chars().count() > 127 + 1 {
        return refused("Tag key must be between 1 and 128 characters long.".to_owned());
    }
    if value.chars().count() > 256 {
        return refused("Tag value must be at most 256 characters long.".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn within_limit(tags: &Tags) -> Result<(), Failure> {
    let ours = tags.keys().filter(|key| !key.starts_with("aws:")).count();
    if ours > LIMIT {
        let message = format!("You have reached the maximum of {LIMIT} tags for this resource.");
        return Err(Failure::new("TagLimitExceeded", message));
    }
    Ok(())
}

/// Every kind that has tags.
struct Kind {
    prefix: &'static str,
    resource_type: &'static str,
    not_found: fn(&str) -> Failure,
    tags: for<'a> fn(&'a Ec2, &str) -> Option<&'a Tags>,
    tags_mut: for<'a> fn(&'a mut Ec2, &str) -> Option<&'a mut Tags>,
    ids: fn(&Ec2) -> Vec<&str>,
}

const fn kind<T: Resource>() -> Kind {
    Kind {
        prefix: T::PREFIX,
        resource_type: T::TYPE,
        not_found: not_found::<T>,
        tags: |ec2, id| T::all(ec2).get(id).map(T::tags),
        tags_mut: |ec2, id| T::all_mut(ec2).get_mut(id).map(T::tags_mut),
        ids: |ec2| T::all(ec2).keys().map(String::as_str).collect(),
    }
}

macro_rules! kinds {
    ($($kind:ty),* $(,)?) => { &[$(kind::<$kind>()),*] };
}

static KINDS: &[Kind] = kinds![
    model::Vpc,
    model::Subnet,
    model::InternetGateway,
    model::Address,
    model::NatGateway,
    model::RouteTable,
    model::SecurityGroup,
    model::SecurityGroupRule,
    model::VpcEndpoint,
    model::FlowLog,
    model::NetworkInterface,
    compute::LaunchTemplate,
    compute::Instance,
    compute::Volume,
];

fn kind_of(id: &str) -> Option<&'static Kind> {
    let (prefix, _) = id.rsplit_once('-')?;
    KINDS.iter().find(|kind| kind.prefix == prefix)
}

fn no_such_id(id: &str) -> Failure {
    match kind_of(id) {
        Some(kind) => (kind.not_found)(id),
        None => Failure::new("InvalidID", format!("The ID '{id}' is not valid")),
    }
}

/// Refuses what names a resource that is there in `current` but not in `seen`.
pub(crate) fn none_is_fresh(input: &Value, current: &Ec2, seen: &Ec2) -> Result<(), Failure> {
    match input {
        Value::String(id) => match kind_of(id) {
            Some(kind) if (kind.tags)(current, id).is_some() && (kind.tags)(seen, id).is_none() => {
                Err((kind.not_found)(id))
            }
            _ => Ok(()),
        },
        Value::Array(items) => items.iter().try_for_each(|item| none_is_fresh(item, current, seen)),
        Value::Object(members) => {
            members.values().try_for_each(|item| none_is_fresh(item, current, seen))
        }
        _ => Ok(()),
    }
}

pub(crate) fn create_tags(cx: &mut Cx<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let new = params.list("Tags").iter().map(pair).collect::<Result<Tags, _>>()?;
    for id in params.texts("Resources") {
        let kind = kind_of(id).ok_or_else(|| no_such_id(id))?;
        let tags = (kind.tags_mut)(cx.ec2(), id).ok_or_else(|| no_such_id(id))?;
        tags.extend(new.clone());
        within_limit(tags)?;
    }
    Ok(json!({ "return": true }).into())
}

pub(crate) fn delete_tags(cx: &mut Cx<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let named = params.list("Tags");
    for id in params.texts("Resources") {
        let kind = kind_of(id).ok_or_else(|| no_such_id(id))?;
        let tags = (kind.tags_mut)(cx.ec2(), id).ok_or_else(|| no_such_id(id))?;
        if named.is_empty() {
            // Without a list, all tags go but those of AWS.
            tags.retain(|key, _| key.starts_with("aws:"));
            continue;
        }
        for tag in named {
            let key = tag.get("Key").and_then(Value::as_str).unwrap_or_default();
            let value = tag.get("Value").and_then(Value::as_str);
            // With a value, the tag goes only if it has that value.
            if value.is_none_or(|value| tags.get(key).is_some_and(|has| has == value)) {
                tags.remove(key);
            }
        }
    }
    Ok(json!({ "return": true }).into())
}

/// One tag of one resource.
struct Description {
    id: String,
    resource_type: &'static str,
    key: String,
    value: String,
}

const TAG_FIELDS: super::resource::Fields<Description> = &[
    ("key", |_, tag| vec![tag.key.clone()]),
    ("value", |_, tag| vec![tag.value.clone()]),
    ("resource-id", |_, tag| vec![tag.id.clone()]),
    ("resource-type", |_, tag| vec![tag.resource_type.to_owned()]),
];

pub(crate) fn describe_tags(view: &View<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let filters = filter::read(params, "Filters", TAG_FIELDS)?;
    let ec2 = view.ec2();
    let mut found = Vec::new();
    for kind in KINDS {
        for id in (kind.ids)(ec2) {
            for (key, value) in (kind.tags)(ec2, id).into_iter().flatten() {
                found.push(Description {
                    id: id.to_owned(),
                    resource_type: kind.resource_type,
                    key: key.clone(),
                    value: value.clone(),
                });
            }
        }
    }
    let none = Tags::new();
    found.retain(|tag| filters.iter().all(|filter| filter.keeps_with(view, tag, &none)));
    found.sort_by(|a, b| (&a.id, &a.key).cmp(&(&b.id, &b.key)));
    let page = page::of(view, params, found, |tag| format!("{}\n{}", tag.id, tag.key))?;
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|tag| {
            json!({
                "resourceId": tag.id, "resourceType": tag.resource_type,
                "key": tag.key, "value": tag.value,
            })
        })
        .collect();
    Ok(json!({ "tagSet": items, "nextToken": page.next }).into())
}
