//! The whole account in one listing.

use super::model::{Role, encoded, of, paged};
use crate::sandbox::service::{Answer, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let filter = params.texts("Filter");
    let wanted = filter.is_empty() || filter.contains(&"Role");
    let roles = of(view).roles.iter().filter(|_| wanted);
    let items = roles.map(|(key, role)| (key.clone(), detail(view, role))).collect();
    let mut answer = paged(view, params, "RoleDetailList", items)?;
    for empty in ["UserDetailList", "GroupDetailList", "Policies"] {
        answer[empty] = json!([]);
    }
    Ok(answer.into())
}

/// Without description and longest session: this listing does not have them.
fn detail(view: &View<'_>, role: &Role) -> Value {
    let inline: Vec<Value> = role
        .inline
        .iter()
        .map(|(name, text)| json!({"PolicyName": name, "PolicyDocument": encoded(text)}))
        .collect();
    let attached: Vec<Value> = role.attached_list().into_iter().map(|(_, item)| item).collect();
    let profiles: Vec<Value> = of(view)
        .profiles
        .values()
        .filter(|profile| profile.has(&role.name))
        .map(|profile| profile.whole(view))
        .collect();
    json!({
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created.iso(),
        "AssumeRolePolicyDocument": encoded(&role.trust),
        "InstanceProfileList": profiles,
        "RolePolicyList": inline,
        "AttachedManagedPolicies": attached,
        "PermissionsBoundary": role.boundary_tree(),
        "Tags": role.tag_list(),
        "RoleLastUsed": {},
    })
}
