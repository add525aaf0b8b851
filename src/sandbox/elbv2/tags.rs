//! Tags, by the ARN of what has them.

use super::model::{Elbv2, of, of_mut, validation};
use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// How many ARNs one call may name.
const AT_ONCE: usize = 20;

/// The tags of a request.
pub(super) fn read_tags(params: &Params) -> Result<Tags, Failure> {
    let mut tags = Tags::new();
    for tag in params.list("Tags") {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        let key = text("Key");
        if key.starts_with("aws:") {
            return Err(validation(format!("The tag key '{key}' is reserved")));
        }
        if tags.insert(key, text("Value")).is_some() {
            let message = "A tag key was specified more than once";
            return Err(Failure::new("DuplicateTagKeys", message));
        }
    }
    check(&tags)?;
    Ok(tags)
}

fn check(tags: &Tags) -> Result<(), Failure> {
    if tags.len() > 50 {
        return Err(Failure::new("TooManyTags", "A resource can have no more than 50 tags"));
    }
    Ok(())
}

fn find<'a>(elb: &'a mut Elbv2, arn: &str) -> Result<&'a mut Tags, Failure> {
    if arn.contains(":targetgroup/") {
        return Ok(&mut elb.group_mut(arn)?.tags);
    }
    if arn.contains(":listener/") {
        return Ok(&mut elb.listener_mut(arn)?.tags);
    }
    Ok(&mut elb.balancer_mut(arn)?.tags)
}

fn named(params: &Params) -> Result<Vec<&str>, Failure> {
    let arns = params.texts("ResourceArns");
    if arns.is_empty() || arns.len() > AT_ONCE {
        return Err(validation(format!("Between 1 and {AT_ONCE} resource ARNs must be given")));
    }
    Ok(arns)
}

pub(super) fn add(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let new = read_tags(params)?;
    for arn in named(params)? {
        let tags = find(of_mut(cx), arn)?;
        tags.extend(new.clone());
        check(tags)?;
    }
    Ok(json!({}).into())
}

pub(super) fn remove(cx: &mut Cx<'_>, params: &Params) -> Answer {
    for arn in named(params)? {
        let tags = find(of_mut(cx), arn)?;
        for key in params.texts("TagKeys") {
            tags.remove(key);
        }
    }
    Ok(json!({}).into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let mut elb = of(view).clone();
    let mut written: Vec<Value> = Vec::new();
    for arn in named(params)? {
        let tags: Vec<Value> = find(&mut elb, arn)?
            .iter()
            .map(|(key, value)| json!({ "Key": key, "Value": value }))
            .collect();
        written.push(json!({ "ResourceArn": arn, "Tags": tags }));
    }
    Ok(json!({ "TagDescriptions": written }).into())
}
