//! Targets, and whether they are healthy: those that an Auto Scaling group has registered if
//! something answers on them, as far as anybody can tell; what was registered by call, with
//! nothing behind it, once it was for long enough.

use super::model::{Target, TargetGroup, of, of_mut};
use crate::sandbox::autoscaling::attached_instances;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long a target is `initial`.
const INITIAL: Duration = Duration::from_secs(60);

/// All targets of a group: those that were registered by call, and those that Auto Scaling groups
/// have registered.
fn targets(view: &View<'_>, group: &TargetGroup) -> Vec<Target> {
    let attached = attached_instances(view.store, view.scope, &group.arn, view.now);
    let attached = attached.into_iter().map(|attached| Target {
        id: attached.instance_id,
        port: group.port,
        zone: Some(attached.zone),
        since: Millis::of(attached.since),
        gone: None,
    });
    group.targets.iter().cloned().chain(attached).collect()
}

fn invalid(message: String) -> Failure {
    Failure::new("InvalidTarget", message)
}

/// Targets of a request: id, port and zone.
fn read(
    params: &Params,
    group: &TargetGroup,
) -> Result<Vec<(String, i64, Option<String>)>, Failure> {
    let mut read = Vec::new();
    for target in params.list("Targets") {
        let id = target["Id"].as_str().unwrap_or_default();
        let sound = match group.target_type.as_str() {
            "ip" => id.parse::<Ipv4Addr>().is_ok(),
            _ => id.starts_with("i-"),
        };
        if !sound {
            return Err(invalid(format!("The target '{id}' is not valid for this target group")));
        }
        let port = target["Port"].as_i64().unwrap_or(group.port);
        let zone = target["AvailabilityZone"].as_str().map(str::to_owned);
        read.push((id.to_owned(), port, zone));
    }
    Ok(read)
}

pub(super) fn register(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let group = of_mut(cx).group_mut(params.required("TargetGroupArn"))?;
    for (id, port, zone) in read(params, group)? {
        group.targets.retain(|known| {
            (known.id != id || known.port != port || known.gone.is_none())
                && known.gone.is_none_or(|gone| now < gone)
        });
        if !group.targets.iter().any(|known| known.id == id && known.port == port) {
            group.targets.push(Target { id, port, zone, since: now, gone: None });
        }
    }
    Ok(json!({}).into())
}

pub(super) fn deregister(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let group = of_mut(cx).group_mut(params.required("TargetGroupArn"))?;
    let delay = group.attributes.get("deregistration_delay.timeout_seconds");
    let delay = delay.and_then(|seconds| seconds.parse().ok()).unwrap_or(300);
    for (id, port, _) in read(params, group)? {
        for target in &mut group.targets {
            if target.id == id && target.port == port && target.gone.is_none() {
                target.gone = Some(now.plus(Duration::from_secs(delay)));
            }
        }
    }
    Ok(json!({}).into())
}

fn write(view: &View<'_>, group: &TargetGroup, target: &Target, used: bool) -> Value {
    let now = view.now;
    let by_call = group.targets.iter().any(|known| known.id == target.id);
    let silent = !by_call && view.answering.is_some_and(|all| !all.contains(&target.id));
    let (state, reason) = match target.gone {
        Some(_) => ("draining", Some("Target.DeregistrationInProgress")),
        None if !used => ("unused", Some("Target.NotInUse")),
        None if now < target.since.plus(INITIAL) => ("initial", Some("Elb.InitialHealthChecking")),
        None if silent => ("unhealthy", Some("Target.FailedHealthChecks")),
        None => ("healthy", None),
    };
    let port = match group.check.port.as_str() {
        "traffic-port" => target.port.to_string(),
        port => port.to_owned(),
    };
    json!({
        "Target": { "Id": target.id, "Port": target.port, "AvailabilityZone": target.zone },
        "HealthCheckPort": port,
        "TargetHealth": {
            "State": state,
            "Reason": reason,
            "Description": (state == "unhealthy").then_some("Health checks failed"),
        },
    })
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let group = of(view).group(params.required("TargetGroupArn"))?;
    let used = !of(view).balancers_of(&group.arn).is_empty();
    let asked = read(params, group)?;
    let found = targets(view, group);
    let there = found.iter().filter(|target| target.gone.is_none_or(|gone| view.now < gone));
    let written: Vec<Value> = there
        .filter(|target| {
            asked.is_empty()
                || asked.iter().any(|(id, port, _)| *id == target.id && *port == target.port)
        })
        .map(|target| write(view, group, target, used))
        .collect();
    Ok(json!({ "TargetHealthDescriptions": written }).into())
}
