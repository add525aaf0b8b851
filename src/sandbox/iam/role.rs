//! Roles themselves.

use super::attached::check_policy;
use super::model::{Role, of, of_mut, over, paged, unique_id};
use super::service_linked::modifiable;
use super::tags::read_tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::policy::{self, Use};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a trust policy (quota L-C07B4B0D), white space left out.
const TRUST_LENGTH: usize = 2048;

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("RoleName");
    let path = params.text("Path").unwrap_or("/");
    let trust = params.required("AssumeRolePolicyDocument");
    check_trust(cx, trust)?;
    let boundary = params.text("PermissionsBoundary").map(str::to_owned);
    if let Some(arn) = &boundary {
        check_policy(cx.scope, arn)?;
    }
    let mut tags = BTreeMap::new();
    read_tags(params, &mut tags)?;
    if of(&cx.view()).roles.contains_key(&name.to_lowercase()) {
        let message = format!("Role with name {name} already exists.");
        return Err(Failure::new("EntityAlreadyExists", message).with_status(409));
    }
    let role = Role {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(cx.store.random()),
        arn: format!("arn:{}:iam::{}:role{path}{name}", cx.scope.partition(), cx.scope.account),
        created: cx.now,
        trust: trust.to_owned(),
        description: params.text("Description").map(str::to_owned),
        max_session: params.number("MaxSessionDuration").unwrap_or(3600),
        boundary,
        tags,
        inline: BTreeMap::new(),
        attached: BTreeSet::new(),
    };
    let answer = json!({"Role": role.whole()});
    of_mut(cx).roles.insert(name.to_lowercase(), role);
    Ok(answer.into())
}

fn check_trust(cx: &Cx<'_>, text: &str) -> Result<(), Failure> {
    let malformed = |message: &str| Failure::new("MalformedPolicyDocument", message);
    let document = policy::read(text, Use::Trust).map_err(malformed)?;
    if text.chars().filter(|letter| !letter.is_whitespace()).count() > TRUST_LENGTH {
        return Err(over(format!("Cannot exceed quota for ACLSizePerRole: {TRUST_LENGTH}")));
    }
    match of(&cx.view()).unknown_principal(&document, &cx.scope.account) {
        Some(arn) => Err(malformed(&format!("Invalid principal in policy: \"AWS\":\"{arn}\""))),
        None => Ok(()),
    }
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let role = of(view).role(params.required("RoleName"))?;
    Ok(json!({"Role": role.whole()}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let prefix = params.text("PathPrefix").unwrap_or("/");
    let roles = of(view).roles.iter().filter(|(_, role)| role.path.starts_with(prefix));
    let items = roles.map(|(key, role)| (key.clone(), role.brief())).collect();
    Ok(paged(view, params, "Roles", items)?.into())
}

pub(super) fn update_trust(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let trust = params.required("PolicyDocument");
    modifiable(of(&cx.view()).role(params.required("RoleName"))?)?;
    check_trust(cx, trust)?;
    of_mut(cx).role_mut(params.required("RoleName"))?.trust = trust.to_owned();
    Ok(json!({}).into())
}

pub(super) fn update(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let role = of_mut(cx).role_mut(params.required("RoleName"))?;
    if let Some(description) = params.text("Description") {
        role.description = (!description.is_empty()).then(|| description.to_owned());
    }
    if let Some(seconds) = params.number("MaxSessionDuration") {
        role.max_session = seconds;
    }
    Ok(json!({}).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("RoleName");
    let iam = of_mut(cx);
    let role = iam.role(name)?;
    modifiable(role)?;
    let in_profile = iam.profiles.values().any(|profile| profile.has(name));
    let left = match (in_profile, role.attached.is_empty(), role.inline.is_empty()) {
        (true, ..) => Some("must remove roles from instance profile first."),
        (_, false, _) => Some("must detach all policies first."),
        (_, true, false) => Some("must delete policies first."),
        (_, true, true) => None,
    };
    if let Some(left) = left {
        let message = format!("Cannot delete entity, {left}");
        return Err(Failure::new("DeleteConflict", message).with_status(409));
    }
    iam.roles.remove(&name.to_lowercase());
    Ok(json!({}).into())
}

pub(super) fn put_boundary(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("PermissionsBoundary");
    check_policy(cx.scope, arn)?;
    of_mut(cx).role_mut(params.required("RoleName"))?.boundary = Some(arn.to_owned());
    Ok(json!({}).into())
}

pub(super) fn delete_boundary(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let role = of_mut(cx).role_mut(params.required("RoleName"))?;
    match role.boundary.take() {
        Some(_) => Ok(json!({}).into()),
        None => {
            let message = format!("The role {} does not have a permissions boundary.", role.name);
            Err(super::model::no_such(message))
        }
    }
}
