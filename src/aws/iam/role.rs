//! The IAM role, with its trust, policies and boundary.
//!
//! Two paginated calls find all of them, however many there are: `GetAccountAuthorizationDetails`
//! gives every role of the account with tags, boundary, inline and attached policies, and so also
//! shows foreign roles with a wanted name; only the description and the longest session are
//! missing in it, which `ListRoles` below the deployment's path has (it has no tags). One role
//! after the other would be four calls and more each.
//!
//! IAM spreads changes to its other machines for about ten seconds; who uses a fresh role waits
//! at its own call. Documents come back URL-encoded and rewritten, so they are compared by what
//! they say ([`crate::aws::policy`]).
//! <https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetAccountAuthorizationDetails.html>

mod policies;

use super::Iam;
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::policy::{Document, same};
use crate::aws::settle::until_seen;
use crate::aws::tags::{foreign, made_before, tag_changes, touches};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Effect, Error, Found, Kind, Listed, Nature,
    Ownership, Result, Scope, Seen, Status, Tags, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Known, Text};
use aws_sdk_iam::types::{EntityType, RoleDetail, Tag};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// An IAM role.
#[derive(Clone, Debug, Serialize)]
pub struct Role {
    /// Its name, at most 64 characters, unique in the account whatever the case; fixed.
    pub name: String,
    /// Where a new one is put, `/coderctl/<deployment>/`. An adopted role stays where it is:
    /// the path can not be changed.
    pub path: String,
    /// Who may assume it: a policy document.
    pub trust: Text,
    /// Policies within it by name; it has no others.
    pub inline: BTreeMap<String, Text>,
    /// ARNs of managed policies attached to it; others may attach more.
    pub managed: BTreeSet<String>,
    /// The ARN of the managed policy that limits what it can be allowed.
    pub boundary: Option<String>,
    /// The longest session in seconds, 3600 to 43200.
    pub max_session: i32,
    /// What it is for.
    pub description: String,
}

/// A live IAM role.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name, which is its id.
    pub name: Id<Role>,
    /// Its ARN, with the path.
    pub arn: String,
    /// Its trust policy.
    pub trust: Document,
    /// Policies within it by name.
    pub inline: BTreeMap<String, Document>,
    /// ARNs of managed policies attached to it.
    pub managed: BTreeSet<String>,
    /// The ARN of its boundary.
    pub boundary: Option<String>,
    /// The longest session in seconds.
    pub max_session: i32,
    /// What it is for.
    pub description: String,
}

impl Live {
    /// Whether EC2 gives it to instances: its trust policy names EC2, and so it is what nodes run as.
    pub(crate) fn is_for_instances(&self) -> bool {
        let trust = serde_json::from_str::<serde_json::Value>(self.trust.as_str());
        let principal = trust.unwrap_or_default();
        // Its partition's suffix stands behind.
        let is_ec2 = |text: &serde_json::Value| {
            text.as_str().is_some_and(|service| service.starts_with("ec2.amazonaws.com"))
        };
        let statements = principal["Statement"].as_array().into_iter().flatten();
        statements.map(|statement| &statement["Principal"]["Service"]).any(|service| {
            is_ec2(service) || service.as_array().is_some_and(|all| all.iter().any(is_ec2))
        })
    }
}

impl Handle<Role> {
    /// The role's name, which is its id.
    pub fn name(&self) -> In<Id<Role>> {
        self.output("role name", |live| Some(live.name.clone()))
    }

    /// Its ARN.
    pub fn arn(&self) -> In<String> {
        self.output("role arn", |live| Some(live.arn.clone()))
    }
}

/// The longest session of a role that says nothing of it, in seconds.
const DEFAULT_SESSION: i32 = 3600;

/// A trust policy that names a principal which IAM does not know everywhere yet.
const FRESH_PRINCIPAL: Passing = Passing {
    code: "MalformedPolicyDocument",
    message: "Invalid principal",
    seconds: 120,
    waiting_for: "IAM to know the principal everywhere",
};

/// A change of the same role that is under way.
const CONCURRENT: Passing = Passing {
    code: "ConcurrentModification",
    message: "",
    seconds: 60,
    waiting_for: "another change of the role",
};

/// A role that was just made and is not known everywhere yet.
const FRESH: Passing = Passing {
    code: "NoSuchEntity",
    message: "role",
    seconds: 30,
    waiting_for: "IAM to know the role everywhere",
};

impl Kind for Role {
    const NAME: &'static str = "aws.iam.role";
    const TITLE: &'static str = "role";
    const NATURE: Nature = Nature {
        scope: Scope::Global,
        create_is: CreateIs::Named,
        typical: Typical { create: 2, update: 1, delete: 2 },
        actions: &[
            "iam:CreateRole",
            "iam:GetAccountAuthorizationDetails",
            "iam:ListRoles",
            "iam:GetRole",
            "iam:ListRolePolicies",
            "iam:GetRolePolicy",
            "iam:ListAttachedRolePolicies",
            "iam:UpdateAssumeRolePolicy",
            "iam:UpdateRole",
            "iam:PutRolePolicy",
            "iam:DeleteRolePolicy",
            "iam:AttachRolePolicy",
            "iam:DetachRolePolicy",
            "iam:PutRolePermissionsBoundary",
            "iam:DeleteRolePermissionsBoundary",
            "iam:TagRole",
            "iam:UntagRole",
            "iam:DeleteRole",
            // Whoever gives the role to a service must be allowed to.
            "iam:PassRole",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name, path: _, trust, inline, managed, boundary, max_session, description } =
            self;
        diff.replaces("name", name, &live.name.to_string());
        diff.text("trust", trust, live.trust.as_str(), same, Effect::InPlace);
        let inline: BTreeMap<String, Known<Document>> = inline
            .iter()
            .map(|(name, text)| {
                let text = diff.whole(text).map(Document::new);
                (name.clone(), text.map_or(Known::AfterApply, Known::Yes))
            })
            .collect();
        diff.exclusive("inline", &inline, &live.inline);
        let attached = |arns: &BTreeSet<String>| -> BTreeMap<String, bool> {
            arns.iter().map(|arn| (arn.clone(), true)).collect()
        };
        let managed =
            attached(managed).into_iter().map(|(arn, on)| (arn, Known::Yes(on))).collect();
        diff.ours_only("managed", &managed, &attached(&live.managed));
        diff.in_place("boundary", boundary, &live.boundary);
        diff.in_place("max_session", max_session, &live.max_session);
        diff.in_place("description", description, &live.description);
    }

    fn summary(&self) -> String {
        self.name.clone()
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("name", live.name.to_string()), ("arn", live.arn.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let iam = cx.api::<Iam>()?;
        let below = format!("/coderctl/{}/", cx.deployment.name);
        let (details, brief) = futures::try_join!(
            pages(
                cx,
                "iam:GetAccountAuthorizationDetails",
                |marker| {
                    iam.0
                        .get_account_authorization_details()
                        .filter(EntityType::Role)
                        .max_items(1000)
                        .set_marker(marker)
                        .send()
                },
                |page| page.marker(),
            ),
            pages(
                cx,
                "iam:ListRoles",
                |marker| iam.0.list_roles().path_prefix(&below).set_marker(marker).send(),
                |page| page.marker(),
            )
        )?;
        let brief: BTreeMap<&str, (&str, i32)> = brief
            .iter()
            .flat_map(|page| page.roles())
            .map(|role| {
                let session = role.max_session_duration().unwrap_or(DEFAULT_SESSION);
                (role.role_name(), (role.description().unwrap_or_default(), session))
            })
            .collect();
        let mut listed = Listed::default();
        for detail in details.iter().flat_map(|page| page.role_detail_list()) {
            let Some(name) = detail.role_name() else { continue };
            let tags = from_iam(detail.tags());
            let owner = foreign(cx, &tags);
            let wants = wanted.iter().find(|wanted| wanted.desired.name.eq_ignore_ascii_case(name));
            if let (Some(wants), Some(owner)) = (wants, &owner) {
                let (address, id) = (wants.address.clone(), PhysicalId::new(name));
                listed.clashes.push(Clash { address, id, owner: owner.clone() });
            }
            if owner.is_some() {
                continue;
            }
            let (description, max_session) = match brief.get(name) {
                Some((description, session)) => ((*description).to_owned(), *session),
                // Adopted from another path, or too fresh for one of the two calls.
                None => match policies::basics(cx, name).await? {
                    Some(basics) => (basics.description, basics.max_session),
                    None => continue,
                },
            };
            let live = live(detail, name, description, max_session);
            let parents = parents(&live);
            listed.add(cx, name, tags, Status::Ready, parents, live);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let iam = cx.api::<Iam>()?;
        let tags = to_iam(&cx.tags()?)?;
        let trust = cx.text(&self.trust)?;
        let description = Some(self.description.clone()).filter(|text| !text.is_empty());
        let made = call(cx, "iam:CreateRole", Repeat::Safe, &[FRESH_PRINCIPAL, CONCURRENT], || {
            iam.0
                .create_role()
                .role_name(&self.name)
                .path(&self.path)
                .assume_role_policy_document(&trust)
                .max_session_duration(self.max_session)
                .set_description(description.clone())
                .set_permissions_boundary(self.boundary.clone())
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        let made = match made {
            Err(error) if error.class == Class::Exists => {
                let look = || policies::basics(cx, &self.name);
                let basics = until_seen(cx, look).await?.ok_or(error)?;
                let owner = made_before(cx, Self::TITLE, &basics.name, &basics.tags)?;
                let id = PhysicalId::new(basics.name.as_str());
                return Self::find_foreign(cx, &id, &owner)
                    .await?
                    .ok_or_else(|| Error::local("the role went while it was looked at"));
            }
            made => made?,
        };
        let role = made.role().ok_or_else(|| Error::local("CreateRole answered without a role"))?;
        let live = Live {
            name: Id::new(role.role_name()),
            arn: role.arn().to_owned(),
            trust: Document::new(trust),
            inline: BTreeMap::new(),
            managed: BTreeSet::new(),
            boundary: self.boundary.clone(),
            max_session: self.max_session,
            description: self.description.clone(),
        };
        Found::created(cx, role.role_name(), Status::Ready, parents(&live), live)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let iam = cx.api::<Iam>()?;
        let name = found.live.name.as_str();
        if touches(changes, "trust") {
            let trust = cx.text(&self.trust)?;
            let passing = [FRESH_PRINCIPAL, CONCURRENT, FRESH];
            call(cx, "iam:UpdateAssumeRolePolicy", Repeat::Safe, &passing, || {
                iam.0.update_assume_role_policy().role_name(name).policy_document(&trust).send()
            })
            .await?;
        }
        if touches(changes, "max_session") || touches(changes, "description") {
            call(cx, "iam:UpdateRole", Repeat::Safe, &[CONCURRENT, FRESH], || {
                iam.0
                    .update_role()
                    .role_name(name)
                    .max_session_duration(self.max_session)
                    .description(&self.description)
                    .send()
            })
            .await?;
        }
        if touches(changes, "boundary") {
            policies::set_boundary(cx, name, self.boundary.as_deref()).await?;
        }
        for change in changes {
            let removed = change.to == Some(serde_json::Value::Null);
            if let Some(policy) = change.field.strip_prefix("inline.") {
                match self.inline.get(policy).filter(|_| !removed) {
                    Some(text) => policies::put(cx, name, policy, &cx.text(text)?).await?,
                    None => policies::remove(cx, name, policy).await?,
                }
            } else if let Some(arn) = change.field.strip_prefix("managed.") {
                if removed {
                    policies::detach(cx, name, arn).await?;
                } else {
                    policies::attach(cx, name, arn).await?;
                }
            }
        }
        retag(cx, name, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let iam = cx.api::<Iam>()?;
        let name = found.live.name.as_str();
        // Read again: what somebody attached meanwhile would keep the role from going.
        let Some(now) = Self::read(cx, found).await? else { return Ok(()) };
        for arn in &now.live.managed {
            policies::detach(cx, name, arn).await?;
        }
        for policy in now.live.inline.keys() {
            policies::remove(cx, name, policy).await?;
        }
        let leaving = Passing {
            code: "DeleteConflict",
            message: "",
            seconds: 120,
            waiting_for: "IAM to see that the role has no policies left",
        };
        gone_is_fine(
            call(cx, "iam:DeleteRole", Repeat::Safe, &[leaving, CONCURRENT], || {
                iam.0.delete_role().role_name(name).send()
            })
            .await,
        )?;
        Ok(())
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let Some(basics) = policies::basics(cx, id.as_str()).await? else { return Ok(None) };
        let policies = futures::try_join!(
            policies::inline(cx, &basics.name),
            policies::managed(cx, &basics.name)
        )?;
        let (Some(inline), Some(managed)) = policies else { return Ok(None) };
        let live = Live {
            name: Id::new(&basics.name),
            arn: basics.arn,
            trust: basics.trust,
            inline,
            managed,
            boundary: basics.boundary,
            max_session: basics.max_session,
            description: basics.description,
        };
        Ok(Some(Found {
            id: PhysicalId::new(basics.name),
            owner: owner.clone(),
            status: Status::Ready,
            parents: parents(&live),
            tags: basics.tags,
            live,
        }))
    }
}

/// A managed policy can not go while it is attached.
fn parents(live: &Live) -> Vec<PhysicalId> {
    let own = |arn: &&String| !arn.contains(":iam::aws:policy/");
    live.managed.iter().chain(&live.boundary).filter(own).map(PhysicalId::new).collect()
}

fn live(detail: &RoleDetail, name: &str, description: String, max_session: i32) -> Live {
    let inline = detail.role_policy_list().iter().filter_map(|policy| {
        let document = Document::from_url(policy.policy_document()?);
        Some((policy.policy_name()?.to_owned(), document))
    });
    let managed = detail.attached_managed_policies().iter();
    let boundary = detail.permissions_boundary();
    Live {
        name: Id::new(name),
        arn: detail.arn().unwrap_or_default().to_owned(),
        trust: Document::from_url(detail.assume_role_policy_document().unwrap_or_default()),
        inline: inline.collect(),
        managed: managed.filter_map(|policy| Some(policy.policy_arn()?.to_owned())).collect(),
        boundary: boundary.and_then(|it| it.permissions_boundary_arn()).map(str::to_owned),
        max_session,
        description,
    }
}

fn from_iam(tags: &[Tag]) -> Tags {
    tags.iter().map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect()
}

fn to_iam(tags: &Tags) -> Result<Vec<Tag>> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::local(format!("building a tag: {error}")))
}

async fn retag(cx: &Cx, name: &str, changes: &[Change]) -> Result<()> {
    let iam = cx.api::<Iam>()?;
    let (set, removed) = tag_changes(changes);
    if !set.is_empty() {
        let set = to_iam(&set)?;
        call(cx, "iam:TagRole", Repeat::Safe, &[CONCURRENT, FRESH], || {
            iam.0.tag_role().role_name(name).set_tags(Some(set.clone())).send()
        })
        .await?;
    }
    if !removed.is_empty() {
        safe(cx, "iam:UntagRole", || {
            iam.0.untag_role().role_name(name).set_tag_keys(Some(removed.clone())).send()
        })
        .await?;
    }
    Ok(())
}
