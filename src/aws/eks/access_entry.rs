//! The access entry: what an IAM role or user may do in a cluster.
//!
//! The principal is the id within a cluster. Policies are associated by calls of their own, so a
//! new entry is made bare and gets them by the comparison that follows. Groups and policies change
//! in place. An entry keeps the unique id of its principal: when a role is made anew under its
//! old name, its entry must be, too, or it names a role that is gone.
//!
//! EKS makes entries by itself, for the roles of node groups; they have no tags of ours. The entry
//! of an instance role of the deployment is taken for one of these and not looked at, unless it is
//! wanted: nodes join by it, so it must not go before they do.
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAccessEntry.html>
//! <https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html>

use super::cluster::{Cluster, physical_id};
use super::update::token;
use super::{
    BUSY, Eks, IN_PROGRESS, absent_is_fine, clusters, each, fresh, from_eks, id_of, in_each,
    is_elsewhere, last_part, parts, retag, tags_on_create, told, touches,
};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::iam::role::Role;
use crate::aws::settle::until_seen;
use crate::aws::tags::{foreign, made_before};
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, Tags, Typical, Wanted, seen,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Known};
use aws_sdk_eks::types::{AccessEntry as EksEntry, AccessScope, AccessScopeType};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a principal may do in a cluster.
#[derive(Clone, Debug, Serialize)]
pub struct AccessEntry {
    /// The cluster, which must be ready.
    pub cluster: In<Id<Cluster>>,
    /// The ARN of the IAM role or user, not that of a session; fixed.
    pub principal: In<String>,
    /// What it is for; fixed.
    pub entry_type: EntryType,
    /// Kubernetes groups that it is a member of, for what RBAC in the cluster allows them.
    pub groups: BTreeSet<String>,
    /// EKS's own access policies by ARN, and where they hold. It has no others.
    pub policies: BTreeMap<String, Scope>,
}

/// What an access entry is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EntryType {
    /// People and programs. Only such a one can have groups and policies.
    Standard,
    /// Nodes that EKS does not manage.
    Ec2Linux,
}

impl EntryType {
    /// As EKS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            EntryType::Standard => "STANDARD",
            EntryType::Ec2Linux => "EC2_LINUX",
        }
    }
}

/// Where an access policy holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// In all of the cluster.
    Cluster,
    /// In these namespaces.
    Namespaces(BTreeSet<String>),
}

impl Scope {
    fn to_eks(&self) -> AccessScope {
        match self {
            Scope::Cluster => AccessScope::builder().r#type(AccessScopeType::Cluster).build(),
            Scope::Namespaces(names) => AccessScope::builder()
                .r#type(AccessScopeType::Namespace)
                .set_namespaces(Some(names.iter().cloned().collect()))
                .build(),
        }
    }

    fn from_eks(scope: Option<&AccessScope>) -> Scope {
        match scope {
            Some(scope) if scope.r#type() == Some(&AccessScopeType::Namespace) => {
                Scope::Namespaces(scope.namespaces().iter().cloned().collect())
            }
            _ => Scope::Cluster,
        }
    }
}

/// A live access entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The cluster.
    pub cluster: Id<Cluster>,
    /// The ARN of the IAM role or user.
    pub principal: String,
    /// Its own ARN.
    pub arn: String,
    /// What it is for, in EKS's own word.
    pub entry_type: String,
    /// Kubernetes groups that it is a member of.
    pub groups: BTreeSet<String>,
    /// Access policies by ARN.
    pub policies: BTreeMap<String, Scope>,
}

/// What `CreateAccessEntry` says of a principal that IAM has not spread yet.
const FRESH: &[Passing] = &[fresh("principal"), IN_PROGRESS];

const SORT: &str = "access-entry";

impl Kind for AccessEntry {
    const NAME: &'static str = "aws.eks.access_entry";
    const TITLE: &'static str = "access entry";
    const NATURE: Nature = Nature {
        // Looks into the clusters that were found.
        wave: 1,
        create_is: CreateIs::Named,
        typical: Typical { create: 2, update: 1, delete: 1 },
        actions: &[
            "eks:CreateAccessEntry",
            "eks:ListAccessEntries",
            "eks:DescribeAccessEntry",
            "eks:ListAssociatedAccessPolicies",
            "eks:UpdateAccessEntry",
            "eks:AssociateAccessPolicy",
            "eks:DisassociateAccessPolicy",
            "eks:DeleteAccessEntry",
            "eks:TagResource",
            "eks:UntagResource",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { cluster, principal, entry_type, groups, policies } = self;
        diff.parent("cluster", cluster, &live.cluster);
        // Not its parent: a role that has vanished is made anew, and this with it.
        diff.replaces_input("principal", principal, &live.principal);
        diff.replaces("entry_type", &entry_type.as_str().to_owned(), &live.entry_type);
        diff.in_place("groups", groups, &live.groups);
        let policies = policies.iter().map(|(arn, it)| (arn.clone(), Known::Yes(it.clone())));
        diff.exclusive("policies", &policies.collect(), &live.policies);
    }

    fn summary(&self) -> String {
        let names = self.policies.keys().map(|arn| arn.rsplit('/').next().unwrap_or(arn));
        names.map(str::to_owned).chain(self.groups.iter().cloned()).collect::<Vec<_>>().join(", ")
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("principal", live.principal.clone()), ("cluster", live.cluster.to_string())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let eks = &cx.api::<Eks>()?;
        let mut within = clusters(found, wanted, |wanted| &wanted.cluster);
        // One that goes by its config map alone has no entries, and refuses to list them.
        let without = seen::<Cluster>(found);
        let without = without.iter().filter(|(_, _, live)| live.authentication == "CONFIG_MAP");
        let without: BTreeSet<&str> = without.map(|(_, _, live)| live.name.as_str()).collect();
        within.retain(|name| !without.contains(name.as_str()));
        let mut principals = in_each(within, |cluster: String| async move {
            let pages = pages(
                cx,
                "eks:ListAccessEntries",
                |token| {
                    let request = eks.0.list_access_entries().cluster_name(&cluster);
                    request.set_next_token(token).send()
                },
                |page| page.next_token(),
            )
            .await?;
            Ok(pages.into_iter().flat_map(|page| page.access_entries.unwrap_or_default()).collect())
        })
        .await?;
        let of_nodes = of_nodes(found, wanted);
        principals.retain(|(_, principal)| !of_nodes.contains(principal.as_str()));
        let entries = each(principals, |(cluster, principal)| async move {
            let Some(entry) = describe(cx, &cluster, &principal).await? else { return Ok(None) };
            match foreign(cx, &entry.tags) {
                Some(owner) => Ok(Some((entry, Some(owner)))),
                None => Ok(with_policies(cx, entry).await?.map(|entry| (entry, None))),
            }
        })
        .await?;
        let mut listed = Listed::default();
        for (Reading { tags, live }, owner) in entries {
            let id = id_of(SORT, live.cluster.as_str(), &live.principal);
            if let Some(owner) = owner {
                let wants = wanted.iter().find(|wanted| {
                    let Self { principal, cluster, .. } = wanted.desired;
                    let elsewhere = is_elsewhere(cluster, &live.cluster);
                    matches!(principal, In::Literal(arn) if *arn == live.principal) && !elsewhere
                });
                let clash = wants.map(|wants| Clash { address: wants.address.clone(), id, owner });
                listed.clashes.extend(clash);
                continue;
            }
            let parents = parents(&live);
            listed.add(cx, id.as_str(), tags, Status::Ready, parents, live);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let now = read_one(cx, found.live.cluster.as_str(), &found.live.principal).await?;
        Ok(now.map(|now| now.owned(&found.owner)))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let eks = cx.api::<Eks>()?;
        let cluster = cx.get(&self.cluster)?;
        let principal = cx.get(&self.principal)?;
        let groups = Some(self.groups.iter().cloned().collect::<Vec<_>>());
        let groups = groups.filter(|groups| !groups.is_empty());
        let tags = tags_on_create(cx)?;
        let step = cx.step()?;
        let made = call(cx, "eks:CreateAccessEntry", Repeat::Safe, FRESH, || {
            eks.0
                .create_access_entry()
                .cluster_name(cluster.as_str())
                .principal_arn(&principal)
                .r#type(self.entry_type.as_str())
                .set_kubernetes_groups(groups.clone())
                .client_request_token(&step.token)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        let made = match made {
            Err(error) if error.class == Class::InUse => {
                let look = || read_one(cx, cluster.as_str(), &principal);
                let there = until_seen(cx, look).await?.ok_or(error)?;
                let id = id_of(SORT, cluster.as_str(), &principal);
                let owner = made_before(cx, Self::TITLE, id.as_str(), &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let entry = made
            .access_entry()
            .ok_or_else(|| Error::local("CreateAccessEntry answered without an entry"))?;
        let Reading { live, .. } = reading(entry)?;
        let id = id_of(SORT, cluster.as_str(), &principal);
        Found::created(cx, id.as_str(), Status::Ready, parents(&live), live)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let eks = cx.api::<Eks>()?;
        let Live { cluster, principal, arn, .. } = &found.live;
        if touches(changes, "groups") {
            let groups: Vec<String> = self.groups.iter().cloned().collect();
            let token = token();
            call(cx, "eks:UpdateAccessEntry", Repeat::Safe, JUST_MADE, || {
                eks.0
                    .update_access_entry()
                    .cluster_name(cluster.as_str())
                    .principal_arn(principal)
                    .set_kubernetes_groups(Some(groups.clone()))
                    .client_request_token(&token)
                    .send()
            })
            .await?;
        }
        for change in changes {
            let Some(policy) = change.field.strip_prefix("policies.") else { continue };
            let removed = change.to == Some(serde_json::Value::Null);
            match self.policies.get(policy).filter(|_| !removed) {
                Some(scope) => {
                    call(cx, "eks:AssociateAccessPolicy", Repeat::Safe, JUST_MADE, || {
                        eks.0
                            .associate_access_policy()
                            .cluster_name(cluster.as_str())
                            .principal_arn(principal)
                            .policy_arn(policy)
                            .access_scope(scope.to_eks())
                            .send()
                    })
                    .await?;
                }
                None => {
                    gone_is_fine(
                        safe(cx, "eks:DisassociateAccessPolicy", || {
                            eks.0
                                .disassociate_access_policy()
                                .cluster_name(cluster.as_str())
                                .principal_arn(principal)
                                .policy_arn(policy)
                                .send()
                        })
                        .await,
                    )?;
                }
            }
        }
        retag(cx, arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let eks = cx.api::<Eks>()?;
        let Live { cluster, principal, .. } = &found.live;
        absent_is_fine(
            call(cx, "eks:DeleteAccessEntry", Repeat::Safe, &[BUSY], || {
                let request = eks.0.delete_access_entry().cluster_name(cluster.as_str());
                request.principal_arn(principal).send()
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
        let (cluster, principal) = parts(SORT, id)?;
        Ok(read_one(cx, cluster, principal).await?.map(|there| there.owned(owner)))
    }
}

/// An entry that was just made and that another machine of EKS has not heard of.
const JUST_MADE: &[Passing] = &[
    Passing {
        code: "ResourceNotFoundException",
        message: "",
        seconds: 30,
        waiting_for: "EKS to know the access entry everywhere",
    },
    BUSY,
];

/// The ARNs of the deployment's roles for instances, but for those that a wanted entry may be for.
fn of_nodes<'a>(found: &'a dyn Seen, wanted: &[Wanted<'_, AccessEntry>]) -> BTreeSet<&'a str> {
    let is_wanted = |arn: &str| {
        wanted.iter().any(|wanted| match &wanted.desired.principal {
            In::Literal(principal) => principal == arn,
            In::Output(_) => true,
        })
    };
    let roles = seen::<Role>(found).into_iter().map(|(_, _, live)| live);
    roles
        .filter(|role| role.is_for_instances() && !is_wanted(&role.arn))
        .map(|role| role.arn.as_str())
        .collect()
}

/// A role can go before its entry does, but then the entry would let in nobody.
fn parents(live: &Live) -> Vec<PhysicalId> {
    vec![physical_id(live.cluster.as_str()), last_part(&live.principal)]
}

/// An entry, whoever owns it.
struct Reading {
    tags: Tags,
    live: Live,
}

impl Reading {
    fn owned(self, owner: &Ownership) -> Found<AccessEntry> {
        let Reading { tags, live } = self;
        let id = id_of(SORT, live.cluster.as_str(), &live.principal);
        let parents = parents(&live);
        Found { id, owner: owner.clone(), status: Status::Ready, parents, tags, live }
    }
}

async fn read_one(cx: &Cx, cluster: &str, principal: &str) -> Result<Option<Reading>> {
    match describe(cx, cluster, principal).await? {
        Some(entry) => with_policies(cx, entry).await,
        None => Ok(None),
    }
}

/// An entry without its policies.
async fn describe(cx: &Cx, cluster: &str, principal: &str) -> Result<Option<Reading>> {
    let eks = cx.api::<Eks>()?;
    let answer = absent_is_fine(
        safe(cx, "eks:DescribeAccessEntry", || {
            eks.0.describe_access_entry().cluster_name(cluster).principal_arn(principal).send()
        })
        .await,
    )?;
    answer.as_ref().and_then(|answer| answer.access_entry()).map(reading).transpose()
}

async fn with_policies(cx: &Cx, mut entry: Reading) -> Result<Option<Reading>> {
    let eks = cx.api::<Eks>()?;
    let (cluster, principal) = (entry.live.cluster.as_str(), entry.live.principal.as_str());
    let pages = pages(
        cx,
        "eks:ListAssociatedAccessPolicies",
        |token| {
            let request = eks.0.list_associated_access_policies().cluster_name(cluster);
            request.principal_arn(principal).set_next_token(token).send()
        },
        |page| page.next_token(),
    );
    let Some(pages) = absent_is_fine(pages.await)? else { return Ok(None) };
    let policies = pages.iter().flat_map(|page| page.associated_access_policies());
    entry.live.policies = policies
        .filter_map(|policy| {
            Some((policy.policy_arn()?.to_owned(), Scope::from_eks(policy.access_scope())))
        })
        .collect();
    Ok(Some(entry))
}

fn reading(entry: &EksEntry) -> Result<Reading> {
    let live = Live {
        cluster: Id::new(told(entry.cluster_name(), "cluster of an access entry")?),
        principal: told(entry.principal_arn(), "principal of an access entry")?.to_owned(),
        arn: told(entry.access_entry_arn(), "arn of an access entry")?.to_owned(),
        entry_type: entry.r#type().unwrap_or("STANDARD").to_owned(),
        groups: entry.kubernetes_groups().iter().cloned().collect(),
        policies: BTreeMap::new(),
    };
    Ok(Reading { tags: from_eks(entry.tags()), live })
}
