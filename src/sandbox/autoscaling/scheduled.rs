//! Scheduled actions: kept and listed, but never carried out.

use super::model::Group;
use super::words::{all, asked, asked_mut, invalid, paged};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Scheduled actions per group.
const LIMIT: usize = 125;

/// An action as answers write it, or why it is refused.
fn read(group: &Group, given: &Value, now: Millis) -> Result<(String, Value), Failure> {
    let name = given["ScheduledActionName"].as_str().unwrap_or_default();
    let number = |member: &str| given[member].as_i64();
    let (min, max, desired) = (number("MinSize"), number("MaxSize"), number("DesiredCapacity"));
    if min.is_none() && max.is_none() && desired.is_none() {
        return Err(invalid(
            "Atleast one of DesiredCapacity, MinSize or MaxSize must be specified.",
        ));
    }
    if min.zip(max).is_some_and(|(min, max)| min > max) {
        return Err(invalid("Max size must be greater than or equal to min size"));
    }
    let recurrence = given["Recurrence"].as_str();
    if recurrence.is_some_and(|text| text.split_whitespace().count() != 5) {
        return Err(invalid("Given recurrence string is invalid"));
    }
    let zone = given["TimeZone"].as_str();
    if let Some(unknown) = zone.filter(|zone| jiff::tz::TimeZone::get(zone).is_err()) {
        return Err(invalid(format!("The time zone {unknown} is not valid")));
    }
    let start = time(given, "StartTime")?.or(time(given, "Time")?);
    if start.is_some_and(|start| start < now) {
        return Err(invalid("Given start time is in the past"));
    }
    if start.is_none() && recurrence.is_none() {
        return Err(invalid("Either a start time or a recurrence must be specified."));
    }
    let (head, tail) = group.arn.split_once(":autoScalingGroup:").unwrap_or((&group.arn, ""));
    let id = tail.split(':').next().unwrap_or_default();
    let start = start.map(Millis::iso);
    let action = json!({
        "AutoScalingGroupName": group.name,
        "ScheduledActionName": name,
        "ScheduledActionARN": format!(
            "{head}:scheduledUpdateGroupAction:{id}:autoScalingGroupName/{}:scheduledActionName/{name}",
            group.name
        ),
        "Time": start,
        "StartTime": start,
        "EndTime": time(given, "EndTime")?.map(Millis::iso),
        "Recurrence": recurrence,
        "MinSize": min,
        "MaxSize": max,
        "DesiredCapacity": desired,
        "TimeZone": zone,
    });
    Ok((name.to_owned(), action))
}

fn time(given: &Value, member: &str) -> Result<Option<Millis>, Failure> {
    let Some(text) = given[member].as_str() else { return Ok(None) };
    let time = text.parse::<jiff::Timestamp>();
    let millis = time.ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    millis.map(|millis| Some(Millis(millis))).ok_or_else(|| invalid(format!("Invalid {member}")))
}

fn within_limit(group: &Group) -> Result<(), Failure> {
    if group.actions.len() > LIMIT {
        let message = format!("A group can't have more than {LIMIT} scheduled actions");
        return Err(Failure::new("LimitExceeded", message));
    }
    Ok(())
}

pub(super) fn put(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (name, action) = read(asked(&cx.view(), params)?, params.tree(), cx.now)?;
    let group = asked_mut(cx, params)?;
    group.actions.insert(name, action);
    within_limit(group)?;
    Ok(json!({}).into())
}

/// What is refused comes back in the answer, the rest is done.
pub(super) fn put_batch(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let mut failed = Vec::new();
    for given in params.list("ScheduledUpdateGroupActions") {
        match read(asked(&cx.view(), params)?, given, now) {
            Ok((name, action)) => {
                asked_mut(cx, params)?.actions.insert(name, action);
            }
            Err(failure) => failed.push(json!({
                "ScheduledActionName": given["ScheduledActionName"],
                "ErrorCode": failure.code,
                "ErrorMessage": failure.message,
            })),
        }
    }
    within_limit(asked(&cx.view(), params)?)?;
    Ok(json!({"FailedScheduledUpdateGroupActions": failed}).into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    for member in ["StartTime", "EndTime"] {
        if params.get(member).is_some() {
            return Err(invalid(format!("The sandbox does not model {member} here.")));
        }
    }
    let group = params.text("AutoScalingGroupName");
    let names = params.texts("ScheduledActionNames");
    let mut items = Vec::new();
    for one in all(view).filter(|one| group.is_none_or(|group| group == one.name)) {
        for (name, action) in &one.actions {
            if names.is_empty() || names.contains(&name.as_str()) {
                items.push((format!("{}\n{name}", one.name), action.clone()));
            }
        }
    }
    Ok(paged(view, params, "ScheduledUpdateGroupActions", items)?.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("ScheduledActionName");
    match asked_mut(cx, params)?.actions.remove(name) {
        Some(_) => Ok(json!({}).into()),
        None => Err(invalid("Scheduled action name not found")),
    }
}
