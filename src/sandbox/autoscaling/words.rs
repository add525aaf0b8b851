//! What all parts of Auto Scaling say and ask.

use super::model::{AutoScaling, Group};
use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::service::{Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// 400: a parameter makes no sense.
pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("ValidationError", message)
}

/// The region's groups, as a read sees them.
pub(super) fn of<'a>(view: &View<'a>) -> Option<&'a AutoScaling> {
    view.store.regional(view.scope).map(|regional| &regional.autoscaling)
}

/// All groups of the region.
pub(super) fn all<'a>(view: &View<'a>) -> impl Iterator<Item = &'a Group> {
    of(view).into_iter().flat_map(|all| all.groups.values())
}

fn no_group(name: &str) -> Failure {
    invalid(format!("AutoScalingGroup name not found - AutoScalingGroup '{name}' not found"))
}

/// The group of this name.
pub(super) fn named<'a>(view: &View<'a>, name: &str) -> Result<&'a Group, Failure> {
    of(view).and_then(|all| all.groups.get(name)).ok_or_else(|| no_group(name))
}

/// The group that a request is about.
pub(super) fn asked<'a>(view: &View<'a>, params: &Params) -> Result<&'a Group, Failure> {
    named(view, params.required("AutoScalingGroupName"))
}

/// The same by name, to change it.
pub(super) fn named_mut<'a>(cx: &'a mut Cx<'_>, name: &str) -> Result<&'a mut Group, Failure> {
    let groups = &mut cx.store.regional_mut(cx.scope).autoscaling.groups;
    groups.get_mut(name).ok_or_else(|| no_group(name))
}

/// The same for the group that a request is about.
pub(super) fn asked_mut<'a>(cx: &'a mut Cx<'_>, params: &Params) -> Result<&'a mut Group, Failure> {
    named_mut(cx, params.required("AutoScalingGroupName"))
}

/// A page by the request's `NextToken` and `MaxRecords`.
pub(super) fn paged(
    view: &View<'_>,
    params: &Params,
    set: &str,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Result<Value, Failure> {
    let asked = params.number("MaxRecords").and_then(|size| usize::try_from(size).ok());
    let size = asked.unwrap_or_else(|| view.knobs.page_size.min(50));
    let Page { items, next } = page::cut(items, params.text("NextToken"), size)
        .map_err(|_| Failure::new("InvalidNextToken", "The token is not valid."))?;
    let mut answer = json!({ "NextToken": next });
    answer[set] = Value::Array(items);
    Ok(answer)
}
