//! What all parts of EKS say and ask.

use super::model::{Cluster, Eks, Tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::{Scope, number};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// 400: a parameter makes no sense.
pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("InvalidParameterException", message)
}

/// 400: not in this state.
pub(super) fn refused(message: impl Into<String>) -> Failure {
    Failure::new("InvalidRequestException", message)
}

/// 409: taken, or busy.
pub(super) fn in_use(message: impl Into<String>) -> Failure {
    Failure::new("ResourceInUseException", message).with_status(409)
}

/// 404: there is no such thing.
pub(super) fn missing(message: impl Into<String>) -> Failure {
    Failure::new("ResourceNotFoundException", message).with_status(404)
}

/// The region's EKS, as a read sees it.
pub(super) fn of<'a>(view: &View<'a>) -> &'a Eks {
    view.store.eks(view.scope)
}

/// The region's EKS, to change it.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Eks {
    &mut cx.store.regional_mut(cx.scope).eks
}

/// The name of the cluster that a request is about.
pub(super) fn cluster_name(params: &Params) -> &str {
    params.text("clusterName").unwrap_or_else(|| params.required("name"))
}

/// The cluster that a request is about.
pub(super) fn asked<'a>(view: &View<'a>, params: &Params) -> Result<&'a Cluster, Failure> {
    let name = cluster_name(params);
    of(view).clusters.get(name).ok_or_else(|| no_cluster(name))
}

/// The same, to change it.
pub(super) fn asked_mut<'a>(
    cx: &'a mut Cx<'_>,
    params: &Params,
) -> Result<&'a mut Cluster, Failure> {
    let name = cluster_name(params);
    of_mut(cx).clusters.get_mut(name).ok_or_else(|| no_cluster(name))
}

fn no_cluster(name: &str) -> Failure {
    missing(format!("No cluster found for name: {name}."))
}

/// The ARN of something in a cluster: `arn:aws:eks:us-east-1:123456789012:<what>`.
pub(super) fn arn(scope: &Scope, what: &str) -> String {
    format!("arn:{}:eks:{}:{}:{what}", scope.partition(), scope.region, scope.account)
}

/// A new id in the form of a UUID. The same seed gives the same ids.
pub(super) fn new_uuid(cx: &mut Cx<'_>) -> String {
    let (high, low) = (cx.store.random(), cx.store.random());
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// Small letters and digits, as many as asked for, that depend on `text` alone.
pub(super) fn letters(text: &str, count: u32) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let letter = |place: u32| {
        let index = usize::try_from(number(&format!("{text}/{place}")) % 36).unwrap_or(0);
        char::from(LETTERS[index])
    };
    (0..count).map(letter).collect()
}

/// The tags of a create.
pub(super) fn read_tags(params: &Params) -> Result<Tags, Failure> {
    let given = params.get("tags").and_then(Value::as_object);
    let mut tags = Tags::new();
    for (key, value) in given.into_iter().flatten() {
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid("Tag keys must not begin with aws:"));
        }
        tags.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    Ok(tags)
}

/// A list of strings in a structure; empty without it.
pub(super) fn strings(tree: &Value, member: &str) -> Vec<String> {
    let items = tree[member].as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A page of a list, by the request's `maxResults` and `nextToken`.
pub(super) fn paged(
    view: &View<'_>,
    params: &Params,
    set: &str,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Answer {
    let asked = params.number("maxResults").and_then(|size| usize::try_from(size).ok());
    let size = asked.unwrap_or_else(|| view.knobs.page_size.min(100));
    let Page { items, next } = page::cut(items, params.text("nextToken"), size)
        .map_err(|_| invalid("The nextToken is not valid."))?;
    let mut answer = json!({ "nextToken": next });
    answer[set] = Value::Array(items);
    Ok(answer.into())
}

/// Refuses a role that `service` can't assume by now.
pub(super) fn check_role(cx: &Cx<'_>, arn: &str, service: &str) -> Result<(), Failure> {
    let own = format!("arn:{}:iam::{}:role/", cx.scope.partition(), cx.scope.account);
    if !arn.starts_with(&own) {
        return Err(invalid(format!("Role {arn} is not a role of this account.")));
    }
    if cx.store.iam(cx.scope).role_is_assumable(arn, service, cx.now) {
        return Ok(());
    }
    Err(invalid(format!(
        "Role with arn: {arn}, could not be assumed because it does not exist or the trusted entity is not correct"
    )))
}
