//! What one role has and may: the calls that read and change one thing each.

use super::{CONCURRENT, DEFAULT_SESSION, FRESH, from_iam};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::iam::Iam;
use crate::aws::policy::Document;
use crate::kind::{Cx, Result, Tags};
use std::collections::{BTreeMap, BTreeSet};

/// A role without its policies.
pub(super) struct Basics {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) trust: Document,
    pub(super) boundary: Option<String>,
    pub(super) max_session: i32,
    pub(super) description: String,
    pub(super) tags: Tags,
}

/// What `GetRole` says; `None` when there is no such role.
pub(super) async fn basics(cx: &Cx, name: &str) -> Result<Option<Basics>> {
    let iam = cx.api::<Iam>()?;
    let answer =
        gone_is_fine(safe(cx, "iam:GetRole", || iam.0.get_role().role_name(name).send()).await)?;
    let Some(role) = answer.and_then(|answer| answer.role) else { return Ok(None) };
    let boundary = role.permissions_boundary();
    Ok(Some(Basics {
        name: role.role_name().to_owned(),
        arn: role.arn().to_owned(),
        trust: Document::from_url(role.assume_role_policy_document().unwrap_or_default()),
        boundary: boundary.and_then(|it| it.permissions_boundary_arn()).map(str::to_owned),
        max_session: role.max_session_duration().unwrap_or(DEFAULT_SESSION),
        description: role.description().unwrap_or_default().to_owned(),
        tags: from_iam(role.tags()),
    }))
}

/// The policies within a role; `None` when there is no such role.
pub(super) async fn inline(cx: &Cx, role: &str) -> Result<Option<BTreeMap<String, Document>>> {
    let iam = cx.api::<Iam>()?;
    let names = gone_is_fine(
        pages(
            cx,
            "iam:ListRolePolicies",
            |marker| iam.0.list_role_policies().role_name(role).set_marker(marker).send(),
            |page| page.marker(),
        )
        .await,
    )?;
    let Some(names) = names else { return Ok(None) };
    let mut policies = BTreeMap::new();
    for name in names.iter().flat_map(|page| page.policy_names()) {
        let answer = gone_is_fine(
            safe(cx, "iam:GetRolePolicy", || {
                iam.0.get_role_policy().role_name(role).policy_name(name).send()
            })
            .await,
        )?;
        if let Some(answer) = answer {
            policies.insert(name.clone(), Document::from_url(answer.policy_document()));
        }
    }
    Ok(Some(policies))
}

/// The ARNs of the policies attached to a role; `None` when there is no such role.
pub(super) async fn managed(cx: &Cx, role: &str) -> Result<Option<BTreeSet<String>>> {
    let iam = cx.api::<Iam>()?;
    let pages = gone_is_fine(
        pages(
            cx,
            "iam:ListAttachedRolePolicies",
            |marker| iam.0.list_attached_role_policies().role_name(role).set_marker(marker).send(),
            |page| page.marker(),
        )
        .await,
    )?;
    Ok(pages.map(|pages| {
        let policies = pages.iter().flat_map(|page| page.attached_policies());
        policies.filter_map(|policy| Some(policy.policy_arn()?.to_owned())).collect()
    }))
}

/// Writes a policy within a role.
pub(super) async fn put(cx: &Cx, role: &str, policy: &str, document: &str) -> Result<()> {
    let iam = cx.api::<Iam>()?;
    call(cx, "iam:PutRolePolicy", Repeat::Safe, &[CONCURRENT, FRESH], || {
        iam.0.put_role_policy().role_name(role).policy_name(policy).policy_document(document).send()
    })
    .await?;
    Ok(())
}

/// Removes a policy within a role.
pub(super) async fn remove(cx: &Cx, role: &str, policy: &str) -> Result<()> {
    let iam = cx.api::<Iam>()?;
    gone_is_fine(
        call(cx, "iam:DeleteRolePolicy", Repeat::Safe, &[CONCURRENT], || {
            iam.0.delete_role_policy().role_name(role).policy_name(policy).send()
        })
        .await,
    )?;
    Ok(())
}

/// Attaches a managed policy; attaching it twice does nothing.
pub(super) async fn attach(cx: &Cx, role: &str, arn: &str) -> Result<()> {
    let iam = cx.api::<Iam>()?;
    let passing: [Passing; 2] = [CONCURRENT, FRESH];
    call(cx, "iam:AttachRolePolicy", Repeat::Safe, &passing, || {
        iam.0.attach_role_policy().role_name(role).policy_arn(arn).send()
    })
    .await?;
    Ok(())
}

/// Detaches a managed policy.
pub(super) async fn detach(cx: &Cx, role: &str, arn: &str) -> Result<()> {
    let iam = cx.api::<Iam>()?;
    gone_is_fine(
        call(cx, "iam:DetachRolePolicy", Repeat::Safe, &[CONCURRENT], || {
            iam.0.detach_role_policy().role_name(role).policy_arn(arn).send()
        })
        .await,
    )?;
    Ok(())
}

/// Sets the boundary, or takes it away.
pub(super) async fn set_boundary(cx: &Cx, role: &str, boundary: Option<&str>) -> Result<()> {
    let iam = cx.api::<Iam>()?;
    match boundary {
        Some(arn) => {
            call(cx, "iam:PutRolePermissionsBoundary", Repeat::Safe, &[CONCURRENT, FRESH], || {
                iam.0
                    .put_role_permissions_boundary()
                    .role_name(role)
                    .permissions_boundary(arn)
                    .send()
            })
            .await?;
        }
        None => {
            gone_is_fine(
                call(cx, "iam:DeleteRolePermissionsBoundary", Repeat::Safe, &[CONCURRENT], || {
                    iam.0.delete_role_permissions_boundary().role_name(role).send()
                })
                .await,
            )?;
        }
    }
    Ok(())
}
