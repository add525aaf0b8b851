//! Traffic sources: target groups that a group registers its instances with.

use super::model::{Group, Source};
use super::words::{asked, asked_mut, invalid, paged};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Target groups per group (<https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>).
const LIMIT: usize = 50;

/// Identifier and type of the sources that a request names.
fn given(params: &Params) -> Result<Vec<(String, String)>, Failure> {
    let one = |source: &Value| {
        let identifier = source["Identifier"].as_str().unwrap_or_default();
        let is_target_group =
            identifier.contains(":elasticloadbalancing:") && identifier.contains(":targetgroup/");
        let kind = match source["Type"].as_str() {
            Some(kind) => kind,
            None if is_target_group => "elbv2",
            None => return Err(invalid(format!("The type of {identifier} is not given"))),
        };
        match kind {
            "elbv2" if is_target_group => Ok((identifier.to_owned(), kind.to_owned())),
            "elbv2" => Err(invalid(
                "Provided Target Groups may not be valid. Please ensure they exist and try again.",
            )),
            _ => {
                Err(invalid(format!("The sandbox does not model traffic sources of type {kind}.")))
            }
        }
    };
    params.list("TrafficSources").iter().map(one).collect()
}

fn target_groups(params: &Params) -> Result<Vec<(String, String)>, Failure> {
    let arns = params.texts("TargetGroupARNs").into_iter();
    Ok(arns.map(|arn| (arn.to_owned(), "elbv2".to_owned())).collect())
}

fn add(group: &mut Group, sources: Vec<(String, String)>, now: Millis) -> Result<(), Failure> {
    for (identifier, kind) in sources {
        // Attaching again changes nothing.
        if group.sources.iter().any(|s| s.identifier == identifier && s.detached.is_none()) {
            continue;
        }
        group.sources.retain(|source| source.identifier != identifier);
        group.sources.push(Source { identifier, kind, attached: now, detached: None });
    }
    if group.sources.iter().filter(|source| source.detached.is_none()).count() > LIMIT {
        return Err(invalid(format!("A group can't have more than {LIMIT} target groups")));
    }
    Ok(())
}

fn remove(group: &mut Group, sources: &[(String, String)], now: Millis) -> Result<(), Failure> {
    for (identifier, _) in sources {
        let attached = |s: &&mut Source| s.identifier == *identifier && s.detached.is_none();
        match group.sources.iter_mut().find(attached) {
            Some(source) => source.detached = Some(now),
            None => {
                let message = "Trying to remove Traffic Sources that are not part of the group";
                return Err(invalid(message));
            }
        }
    }
    Ok(())
}

pub(super) fn attach(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let sources = given(params)?;
    add(asked_mut(cx, params)?, sources, now)?;
    Ok(json!({}).into())
}

pub(super) fn detach(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let sources = given(params)?;
    remove(asked_mut(cx, params)?, &sources, now)?;
    Ok(json!({}).into())
}

pub(super) fn attach_target_groups(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let sources = target_groups(params)?;
    add(asked_mut(cx, params)?, sources, now)?;
    Ok(json!({}).into())
}

pub(super) fn detach_target_groups(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let sources = target_groups(params)?;
    remove(asked_mut(cx, params)?, &sources, now)?;
    Ok(json!({}).into())
}

/// The sources of a group that are not gone, with their states.
fn states<'a>(view: &View<'_>, group: &'a Group) -> Vec<(&'a Source, &'static str)> {
    let runs = |id: &String| {
        view.ec2().instances.get(id).is_some_and(|i| i.state(view.now).0 == "running")
    };
    let has_instances = group.members.iter().any(|member| runs(&member.instance));
    let state = |source: &'a Source| Some((source, source.state(has_instances, view.now)?));
    let mut states: Vec<_> = group.sources.iter().filter_map(state).collect();
    states.sort_by(|(a, _), (b, _)| a.identifier.cmp(&b.identifier));
    states
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let group = asked(view, params)?;
    let kind = params.text("TrafficSourceType");
    let states = states(view, group).into_iter();
    let wanted = states.filter(|(source, _)| kind.is_none_or(|kind| kind == source.kind));
    let items = wanted.map(|(source, state)| {
        let item = json!({
            "Identifier": source.identifier,
            "TrafficSource": source.identifier,
            "Type": source.kind,
            "State": state,
        });
        (source.identifier.clone(), item)
    });
    Ok(paged(view, params, "TrafficSources", items)?.into())
}

pub(super) fn describe_target_groups(view: &View<'_>, params: &Params) -> Answer {
    let group = asked(view, params)?;
    let items = states(view, group).into_iter().map(|(source, state)| {
        let item = json!({"LoadBalancerTargetGroupARN": source.identifier, "State": state});
        (source.identifier.clone(), item)
    });
    Ok(paged(view, params, "LoadBalancerTargetGroups", items)?.into())
}
