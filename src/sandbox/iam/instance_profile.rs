//! Instance profiles: what carries a role to an instance.

use super::model::{Profile, of, of_mut, over, paged, unique_id};
use super::tags::read_tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Profile {
    pub(super) fn whole(&self, view: &View<'_>) -> Value {
        let roles: Vec<Value> = self
            .role
            .iter()
            .filter_map(|name| of(view).role(name).ok())
            .map(|r| r.brief())
            .collect();
        let tags: Value =
            self.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        json!({
            "Path": self.path,
            "InstanceProfileName": self.name,
            "InstanceProfileId": self.id,
            "Arn": self.arn,
            "CreateDate": self.created.iso(),
            "Roles": roles,
            "Tags": tags,
        })
    }
}

fn asked<'a>(view: &View<'a>, params: &Params) -> Result<&'a Profile, Failure> {
    of(view).profile(params.required("InstanceProfileName"))
}

fn asked_mut<'a>(cx: &'a mut Cx<'_>, params: &Params) -> Result<&'a mut Profile, Failure> {
    of_mut(cx).profile_mut(params.required("InstanceProfileName"))
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("InstanceProfileName");
    let path = params.text("Path").unwrap_or("/");
    let mut tags = BTreeMap::new();
    read_tags(params, &mut tags)?;
    if of(&cx.view()).profile(name).is_ok() {
        let message = format!("Instance Profile {name} already exists.");
        return Err(Failure::new("EntityAlreadyExists", message).with_status(409));
    }
    let (partition, account) = (cx.scope.partition(), &cx.scope.account);
    let profile = Profile {
        name: name.to_owned(),
        path: path.to_owned(),
        id: unique_id(cx.store.random()).replacen("AROA", "AIPA", 1),
        arn: format!("arn:{partition}:iam::{account}:instance-profile{path}{name}"),
        created: cx.now,
        role: None,
        tags,
    };
    let answer = json!({"InstanceProfile": profile.whole(&cx.view())});
    of_mut(cx).profiles.insert(name.to_lowercase(), profile);
    Ok(answer.into())
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    Ok(json!({"InstanceProfile": asked(view, params)?.whole(view)}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let prefix = params.text("PathPrefix").unwrap_or("/");
    let profiles = of(view).profiles.iter().filter(|(_, profile)| profile.path.starts_with(prefix));
    let items = profiles.map(|(key, profile)| (key.clone(), profile.whole(view))).collect();
    Ok(paged(view, params, "InstanceProfiles", items)?.into())
}

pub(super) fn list_for_role(view: &View<'_>, params: &Params) -> Answer {
    let role = of(view).role(params.required("RoleName"))?;
    let profiles = of(view).profiles.iter().filter(|(_, profile)| profile.has(&role.name));
    let items = profiles.map(|(key, profile)| (key.clone(), profile.whole(view))).collect();
    Ok(paged(view, params, "InstanceProfiles", items)?.into())
}

pub(super) fn add_role(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let role = of(&cx.view()).role(params.required("RoleName"))?.name.clone();
    let profile = asked_mut(cx, params)?;
    if profile.role.is_some() {
        let message = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1";
        return Err(over(message.to_owned()));
    }
    profile.role = Some(role);
    Ok(json!({}).into())
}

pub(super) fn remove_role(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let role = params.required("RoleName");
    let profile = asked_mut(cx, params)?;
    if !profile.has(role) {
        let message = format!("The role {role} is not in the instance profile {}.", profile.name);
        return Err(super::model::no_such(message));
    }
    profile.role = None;
    Ok(json!({}).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    if asked(&cx.view(), params)?.role.is_some() {
        let message = "Cannot delete entity, must remove roles from instance profile first.";
        return Err(Failure::new("DeleteConflict", message).with_status(409));
    }
    let name = params.required("InstanceProfileName").to_lowercase();
    of_mut(cx).profiles.remove(&name);
    Ok(json!({}).into())
}

pub(super) fn tag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    read_tags(params, &mut asked_mut(cx, params)?.tags)?;
    Ok(json!({}).into())
}

pub(super) fn untag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let profile = asked_mut(cx, params)?;
    for key in params.texts("TagKeys") {
        profile.tags.retain(|known, _| !known.eq_ignore_ascii_case(key));
    }
    Ok(json!({}).into())
}

pub(super) fn list_tags(view: &View<'_>, params: &Params) -> Answer {
    let tags = asked(view, params)?.tags.iter();
    let tags = tags.map(|(key, value)| (key.clone(), json!({"Key": key, "Value": value})));
    Ok(paged(view, params, "Tags", tags.collect())?.into())
}
