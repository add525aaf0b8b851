//! The managed add-on: software that EKS installs in a cluster and keeps up to date.
//!
//! Names are ids within a cluster. It is ready in some 20 seconds, but some need nodes: coredns
//! is `DEGRADED` until there are some, and becomes active by itself, so that counts as on its
//! way. EKS says what is wrong with one in its health, and that is what a failure says here.
//!
//! Conflicts are resolved by overwriting, on create as on update. On create, because what a
//! cluster came with would be in the way. On update, because nothing that EKS answers shows what
//! somebody edited in the add-on's objects: with `PRESERVE`, a change that a plan has shown would be
//! reported done and be half done.
//!
//! Roles are given to an add-on's service accounts by pod identity associations of their own
//! ([`super::pod_identity_association`]).
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateAddon.html>

use super::cluster::{Cluster, physical_id};
use super::update::{Target, follow, token};
use super::{
    BUSY, Eks, IN_PROGRESS, absent_is_fine, clusters, each, from_eks, id_of, in_each, is_elsewhere,
    parts, retag, sought, tags_on_create, told, touches,
};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::settle::{Patience, until_gone, until_ready, until_seen};
use crate::aws::tags::{foreign, made_before};
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, Tags, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_eks::types::{Addon as EksAddon, AddonStatus, ResolveConflicts};
use serde::Serialize;
use serde_json::Value;

/// A managed add-on.
#[derive(Clone, Debug, Serialize)]
pub struct Addon {
    /// The cluster it is in, which must be ready.
    pub cluster: In<Id<Cluster>>,
    /// Its name, `vpc-cni`; fixed.
    pub name: String,
    /// Its version, `v1.20.4-eksbuild.1`. What is left open is chosen by EKS on create, and is
    /// what is live from then on.
    pub version: Option<String>,
    /// Its configuration, after the schema that `DescribeAddonConfiguration` gives; EKS's own
    /// without.
    pub configuration: Option<Value>,
}

/// A live add-on.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name.
    pub name: Id<Addon>,
    /// The cluster it is in.
    pub cluster: Id<Cluster>,
    /// Its ARN.
    pub arn: String,
    /// Its version.
    pub version: String,
    /// Its configuration; an empty map when it has none.
    pub configuration: Value,
}

/// What `CreateAddon` says while an earlier one of the same name is being cleared away.
const FRESH: &[Passing] = &[
    Passing {
        code: "InvalidParameterException",
        message: "CREATE_FAILED",
        seconds: 120,
        waiting_for: "the one before it to be cleared away",
    },
    IN_PROGRESS,
];

const SORT: &str = "addon";

impl Kind for Addon {
    const NAME: &'static str = "aws.eks.addon";
    const TITLE: &'static str = "add-on";
    const NATURE: Nature = Nature {
        // Looks into the clusters that were found.
        wave: 1,
        create_is: CreateIs::Named,
        typical: Typical { create: 20, update: 30, delete: 10 },
        actions: &[
            "eks:CreateAddon",
            "eks:ListAddons",
            "eks:DescribeAddon",
            "eks:UpdateAddon",
            "eks:DescribeUpdate",
            "eks:DeleteAddon",
            "eks:TagResource",
            "eks:UntagResource",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { cluster, name, version, configuration } = self;
        diff.parent("cluster", cluster, &live.cluster);
        diff.replaces("name", name, &live.name.to_string());
        if let Some(version) = version {
            diff.in_place("version", version, &live.version);
        }
        diff.in_place("configuration", &or_empty(configuration), &live.configuration);
    }

    fn sought_by_name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn summary(&self) -> String {
        let version = self.version.as_deref().unwrap_or("EKS's default version");
        format!("{}  {version}", self.name)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![
            ("name", live.name.to_string()),
            ("cluster", live.cluster.to_string()),
            ("version", live.version.clone()),
        ]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let within = clusters(found, wanted, |wanted| &wanted.cluster);
        let names = wanted.iter().map(|wanted| wanted.desired.name.as_str());
        let sought = sought(cx, Self::NAME, &within, names);
        let read = |names: Vec<(String, String)>| {
            each(names, |(cluster, name)| async move { read_one(cx, &cluster, &name).await })
        };
        let mut addons = read(sought.clone()).await?;
        if sought.is_empty() || addons.len() < sought.len() {
            addons = read(all_names(cx, within).await?).await?;
        }
        let mut listed = Listed::default();
        for Reading { status, tags, live } in addons {
            let id = id_of(SORT, live.cluster.as_str(), live.name.as_str());
            if let Some(owner) = foreign(cx, &tags) {
                let wants = wanted.iter().find(|wanted| {
                    let Self { name, cluster, .. } = wanted.desired;
                    let elsewhere = is_elsewhere(cluster, &live.cluster);
                    name == live.name.as_str() && !elsewhere
                });
                let clash = wants.map(|wants| Clash { address: wants.address.clone(), id, owner });
                listed.clashes.extend(clash);
                continue;
            }
            let parents = vec![physical_id(live.cluster.as_str())];
            listed.add(cx, id.as_str(), tags, status, parents, live);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let now = read_one(cx, found.live.cluster.as_str(), found.live.name.as_str()).await?;
        Ok(now.map(|now| now.owned(&found.owner)))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let eks = cx.api::<Eks>()?;
        let cluster = cx.get(&self.cluster)?;
        let configuration = self.configuration.as_ref().map(Value::to_string);
        let tags = tags_on_create(cx)?;
        let token = &cx.step()?.token;
        let made = call(cx, "eks:CreateAddon", Repeat::Safe, FRESH, || {
            eks.0
                .create_addon()
                .cluster_name(cluster.as_str())
                .addon_name(&self.name)
                .set_addon_version(self.version.clone())
                .set_configuration_values(configuration.clone())
                .resolve_conflicts(ResolveConflicts::Overwrite)
                .client_request_token(token)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        let made = match made {
            Err(error) if error.class == Class::InUse => {
                let look = || read_one(cx, cluster.as_str(), &self.name);
                let there = until_seen(cx, look).await?.ok_or(error)?;
                let id = id_of(SORT, cluster.as_str(), &self.name);
                let owner = made_before(cx, Self::TITLE, id.as_str(), &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let addon =
            made.addon().ok_or_else(|| Error::local("CreateAddon answered without an add-on"))?;
        let Reading { status, live, .. } = reading(addon)?;
        let id = id_of(SORT, cluster.as_str(), &self.name);
        Found::created(cx, id.as_str(), status, vec![physical_id(cluster.as_str())], live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 5, at_most: 1200 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let Live { cluster, name, arn, .. } = &found.live;
        let version = self.version.clone().filter(|_| touches(changes, "version"));
        let configuration =
            touches(changes, "configuration").then(|| or_empty(&self.configuration).to_string());
        if version.is_some() || configuration.is_some() {
            let eks = cx.api::<Eks>()?;
            let token = token();
            let begun = call(cx, "eks:UpdateAddon", Repeat::Safe, &[BUSY], || {
                eks.0
                    .update_addon()
                    .cluster_name(cluster.as_str())
                    .addon_name(name.as_str())
                    .set_addon_version(version.clone())
                    .set_configuration_values(configuration.clone())
                    .resolve_conflicts(ResolveConflicts::Overwrite)
                    .client_request_token(&token)
                    .send()
            })
            .await?;
            let target = Target::Addon(name.as_str());
            follow(cx, cluster.as_str(), target, begun.update(), 1800).await?;
        }
        retag(cx, arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let eks = cx.api::<Eks>()?;
        let Live { cluster, name, .. } = &found.live;
        if found.status != Status::Leaving {
            gone_is_fine(
                call(cx, "eks:DeleteAddon", Repeat::Safe, &[BUSY], || {
                    eks.0
                        .delete_addon()
                        .cluster_name(cluster.as_str())
                        .addon_name(name.as_str())
                        .send()
                })
                .await,
            )?;
        }
        until_gone(cx, found, Patience { every: 5, at_most: 1200 }).await
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let (cluster, name) = parts(SORT, id)?;
        Ok(read_one(cx, cluster, name).await?.map(|there| there.owned(owner)))
    }
}

/// Without a configuration, and with an empty one, an add-on is as EKS makes it.
fn or_empty(configuration: &Option<Value>) -> Value {
    configuration.clone().filter(|value| !value.is_null()).unwrap_or_else(empty)
}

fn empty() -> Value {
    Value::Object(serde_json::Map::new())
}

/// An add-on, whoever owns it.
struct Reading {
    status: Status,
    tags: Tags,
    live: Live,
}

impl Reading {
    fn owned(self, owner: &Ownership) -> Found<Addon> {
        let Reading { status, tags, live } = self;
        let id = id_of(SORT, live.cluster.as_str(), live.name.as_str());
        let parents = vec![physical_id(live.cluster.as_str())];
        Found { id, owner: owner.clone(), status, parents, tags, live }
    }
}

/// The add-ons of these clusters: the names of cluster and add-on.
async fn all_names(cx: &Cx, clusters: Vec<String>) -> Result<Vec<(String, String)>> {
    let eks = &cx.api::<Eks>()?;
    in_each(clusters, |cluster: String| async move {
        let pages = pages(
            cx,
            "eks:ListAddons",
            |token| eks.0.list_addons().cluster_name(&cluster).set_next_token(token).send(),
            |page| page.next_token(),
        )
        .await?;
        Ok(pages.into_iter().flat_map(|page| page.addons.unwrap_or_default()).collect())
    })
    .await
}

async fn read_one(cx: &Cx, cluster: &str, name: &str) -> Result<Option<Reading>> {
    let eks = cx.api::<Eks>()?;
    let answer = absent_is_fine(
        safe(cx, "eks:DescribeAddon", || {
            eks.0.describe_addon().cluster_name(cluster).addon_name(name).send()
        })
        .await,
    )?;
    answer.as_ref().and_then(|answer| answer.addon()).map(reading).transpose()
}

fn reading(addon: &EksAddon) -> Result<Reading> {
    // EKS gives back the text as it was given, which may be YAML: that differs from any JSON.
    let configuration = match addon.configuration_values().map(str::trim) {
        None | Some("") => empty(),
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)),
    };
    let live = Live {
        name: Id::new(told(addon.addon_name(), "name of an add-on")?),
        cluster: Id::new(told(addon.cluster_name(), "cluster of an add-on")?),
        arn: told(addon.addon_arn(), "arn of an add-on")?.to_owned(),
        version: addon.addon_version().unwrap_or_default().to_owned(),
        configuration,
    };
    Ok(Reading { status: status(addon), tags: from_eks(addon.tags()), live })
}

fn status(addon: &EksAddon) -> Status {
    match addon.status() {
        Some(AddonStatus::Active) => Status::Ready,
        Some(AddonStatus::Deleting) => Status::Leaving,
        Some(status @ (AddonStatus::CreateFailed | AddonStatus::DeleteFailed)) => {
            Status::Failed(format!("{}: {}", status.as_str(), issues(addon)))
        }
        // It runs as before the update, and what that did not reach shows as a difference.
        Some(AddonStatus::UpdateFailed) => Status::Ready,
        Some(AddonStatus::Degraded) => Status::Busy(format!("DEGRADED: {}", issues(addon))),
        Some(status) => Status::Busy(status.as_str().to_owned()),
        None => Status::Busy("CREATING".to_owned()),
    }
}

fn issues(addon: &EksAddon) -> String {
    let issues = addon.health().map(|health| health.issues()).unwrap_or_default();
    let issues: Vec<String> = issues
        .iter()
        .map(|issue| {
            let code = issue.code().map_or("Unknown", |code| code.as_str());
            format!("{code}: {}", issue.message().unwrap_or("no reason was given"))
        })
        .collect();
    if issues.is_empty() { "no reason was given".to_owned() } else { issues.join("; ") }
}
