//! The EKS cluster: its control plane.
//!
//! Names are ids, and a second create is refused. It comes up in about ten minutes and goes in
//! about three. Most settings can change in place, but EKS takes one sort of change a call, one at
//! a time, and each is followed to its end. Versions go up one minor at a time and never down;
//! secrets that are encrypted stay so.
//!
//! Two things are said on create and can not be read back, so they are not a matter of choice
//! here: the creator gets no hidden rights (who may do what is said by access entries), and EKS
//! installs no add-ons by itself (they would be in the way of the managed ones).
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html>
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateClusterConfig.html>

mod changes;
mod reading;
mod settings;
pub mod versions;

pub(in crate::aws::eks) use settings::minor;
pub use settings::{AuthenticationMode, Endpoint, LogType, SupportType};

use super::access::Access;
use super::{AT_ONCE, Eks, IN_PROGRESS, absent_is_fine, fresh, retag, tags_on_create};
use crate::aws::call::{Passing, Repeat, call, pages, safe};
use crate::aws::ec2::leftover;
use crate::aws::ec2::security_group::SecurityGroup;
use crate::aws::ec2::subnet::Subnet;
use crate::aws::ec2::vpc::Vpc;
use crate::aws::settle::{Patience, until_gone, until_ready, until_seen};
use crate::aws::tags::{foreign, made_before};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_eks::types::{
    CreateAccessConfigRequest, EncryptionConfig, KubernetesNetworkConfigRequest, Provider,
    UpgradePolicyRequest, VpcConfigRequest,
};
use futures::{StreamExt, TryStreamExt, stream};
use reading::{Reading, read_one};
use serde::Serialize;
use std::collections::BTreeSet;

/// An EKS cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Cluster {
    /// Its name, at most 100 characters, letters, digits, `-` and `_`; fixed.
    pub name: String,
    /// The Kubernetes version, `1.35`. What is left open is chosen by EKS on create, and is what
    /// is live from then on.
    pub version: Option<String>,
    /// The ARN of the role that EKS assumes; fixed.
    pub role: In<String>,
    /// The VPC that the subnets are a part of; fixed.
    pub vpc: In<Id<Vpc>>,
    /// Where the control plane's network interfaces are: subnets of two zones or more.
    pub subnets: Vec<In<Id<Subnet>>>,
    /// The groups of those interfaces, beside the one that EKS makes.
    pub security_groups: Vec<In<Id<SecurityGroup>>>,
    /// From where the API can be reached.
    pub endpoint: Endpoint,
    /// What the control plane writes to the log group `/aws/eks/NAME/cluster`.
    pub log_types: BTreeSet<LogType>,
    /// The ARN of the KMS key that encrypts Kubernetes secrets, beside the encryption that EKS
    /// always has. Once it is given, it can not be taken back or exchanged.
    pub secrets_key: Option<In<String>>,
    /// The addresses that services get, `172.20.0.0/16`; chosen by EKS if left open, and fixed.
    pub service_cidr: Option<String>,
    /// What says who may use the cluster.
    pub authentication: AuthenticationMode,
    /// What happens at the end of standard support.
    pub support: SupportType,
    /// Whether EKS refuses to delete it.
    pub deletion_protection: bool,
}

/// A live EKS cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name, which is its id.
    pub name: Id<Cluster>,
    /// Its ARN.
    pub arn: String,
    /// The Kubernetes version.
    pub version: String,
    /// The ARN of its role.
    pub role: String,
    /// The VPC it is in.
    pub vpc: Id<Vpc>,
    /// The subnets of its network interfaces.
    pub subnets: BTreeSet<Id<Subnet>>,
    /// The groups of those, without EKS's own.
    pub security_groups: BTreeSet<Id<SecurityGroup>>,
    /// The group that EKS made, which the control plane and managed nodes share.
    pub cluster_security_group: Option<Id<SecurityGroup>>,
    /// From where the API can be reached.
    pub endpoint: Endpoint,
    /// What it writes to its log group.
    pub log_types: BTreeSet<String>,
    /// The ARN of the key that encrypts Kubernetes secrets.
    pub secrets_key: Option<String>,
    /// The addresses that services get.
    pub service_cidr: Option<String>,
    /// What says who may use it, in EKS's own word.
    pub authentication: String,
    /// What happens at the end of standard support, in EKS's own word.
    pub support: String,
    /// Whether EKS refuses to delete it.
    pub deletion_protection: bool,
    /// How its Kubernetes API is reached, once it has one.
    pub access: Option<Access>,
    /// Whether its Kubernetes API can be expected to answer.
    pub phase: Phase,
}

/// Where a cluster is in its life, as far as its Kubernetes API goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is being made: there is nothing in it, and some of its lists are refused.
    Creating,
    /// Its API answers.
    Serving,
    /// It is being deleted: its API stops answering at some time that AWS does not tell, and what
    /// is in it goes with it.
    Deleting,
}

impl Handle<Cluster> {
    /// The cluster's name. What lives in it needs it [`In::ready`].
    pub fn name(&self) -> In<Id<Cluster>> {
        self.output("cluster name", |live| Some(live.name.clone()))
    }

    /// Its ARN.
    pub fn arn(&self) -> In<String> {
        self.output("cluster arn", |live| Some(live.arn.clone()))
    }

    /// How its Kubernetes API is reached; known, and of use, once the cluster is ready.
    pub fn access(&self) -> In<Access> {
        self.output("cluster access", |live| live.access.clone()).ready()
    }

    /// The group that EKS makes for the control plane and the managed nodes.
    pub fn cluster_security_group(&self) -> In<Id<SecurityGroup>> {
        self.output("cluster security group", |live| live.cluster_security_group.clone()).ready()
    }

    /// The Kubernetes version that is live.
    pub fn version(&self) -> In<String> {
        self.output("cluster version", |live| Some(live.version.clone()))
    }
}

/// The id of the cluster of this name: what resources inside it name as their parent.
pub fn physical_id(name: &str) -> PhysicalId {
    PhysicalId::new(format!("cluster/{name}"))
}

/// The log group that a cluster of this name writes to. EKS has fixed it, and makes it anew, to be
/// kept for ever, when it is gone while the cluster still writes.
pub fn log_group(name: &str) -> String {
    format!("/aws/eks/{name}/cluster")
}

/// What `CreateCluster` says of a role that IAM has not spread yet.
const FRESH: &[Passing] = &[
    fresh("does not exist"),
    fresh("Error in role params"),
    fresh("could not be assumed"),
    fresh("doesn't have the Amazon EKS Managed Policies"),
    fresh("IAM role's policy must include"),
];

impl Kind for Cluster {
    const NAME: &'static str = "aws.eks.cluster";
    const TITLE: &'static str = "eks cluster";
    const NATURE: Nature = Nature {
        // With it goes all that Kubernetes keeps.
        holds_data: true,
        create_is: CreateIs::Named,
        typical: Typical { create: 570, update: 180, delete: 180 },
        actions: &[
            "eks:CreateCluster",
            "eks:ListClusters",
            "eks:DescribeCluster",
            "eks:DescribeClusterVersions",
            "eks:UpdateClusterConfig",
            "eks:UpdateClusterVersion",
            "eks:AssociateEncryptionConfig",
            "eks:DescribeUpdate",
            "eks:ListNodegroups",
            "eks:DeleteCluster",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DeleteNetworkInterface",
            "eks:TagResource",
            "eks:UntagResource",
            // Whoever names the role and the key must be allowed to hand them over.
            "iam:PassRole",
            "kms:DescribeKey",
            "kms:CreateGrant",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self {
            name,
            version,
            role,
            vpc,
            subnets,
            security_groups,
            endpoint,
            log_types,
            secrets_key,
            service_cidr,
            authentication,
            support,
            deletion_protection,
        } = self;
        diff.replaces("name", name, &live.name.to_string());
        if let Some(version) = version {
            diff.one_way("version", version, &live.version, |have, want| {
                settings::minor(have) > settings::minor(want)
            });
        }
        diff.replaces_input("role", role, &live.role);
        diff.parent("vpc", vpc, &live.vpc);
        diff.set("subnets", subnets, &live.subnets);
        diff.set("security_groups", security_groups, &live.security_groups);
        endpoint.diff(&live.endpoint, diff);
        let types = log_types.iter().map(|kind| kind.as_str().to_owned()).collect();
        diff.in_place("log_types", &types, &live.log_types);
        match (secrets_key, &live.secrets_key) {
            (Some(key), Some(_)) => {
                diff.replaces_input("secrets_key", &key.clone().map(Some), &live.secrets_key);
            }
            (Some(key), None) => {
                diff.input("secrets_key", &key.clone().map(Some), &live.secrets_key);
            }
            (None, Some(_)) => diff.note("its secrets are encrypted with a key, and stay so"),
            (None, None) => {}
        }
        if let Some(cidr) = service_cidr {
            diff.replaces("service_cidr", &Some(cidr.clone()), &live.service_cidr);
        }
        let mode = authentication.as_str().to_owned();
        diff.one_way("authentication", &mode, &live.authentication, |have, want| {
            settings::rank(have) > settings::rank(want)
        });
        diff.in_place("support", &support.as_str().to_owned(), &live.support);
        diff.in_place("deletion_protection", deletion_protection, &live.deletion_protection);
    }

    fn sought_by_name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn summary(&self) -> String {
        let version = self.version.as_deref().unwrap_or("EKS's default version");
        format!("{}  {version}", self.name)
    }

    fn exclusive(&self) -> Option<String> {
        Some(format!("eks cluster {}", self.name))
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let mut described = vec![
            ("name", live.name.to_string()),
            ("arn", live.arn.clone()),
            ("version", live.version.clone()),
        ];
        described.extend(live.access.as_ref().map(|access| ("endpoint", access.endpoint.clone())));
        let group = live.cluster_security_group.as_ref();
        described.extend(group.map(|group| ("cluster_security_group", group.to_string())));
        described
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let eks = cx.api::<Eks>()?;
        let names = pages(
            cx,
            "eks:ListClusters",
            |token| eks.0.list_clusters().set_next_token(token).send(),
            |page| page.next_token(),
        );
        // Those that surely matter are read at the same time as the names of all.
        let known: BTreeSet<&str> = wanted
            .iter()
            .map(|wanted| wanted.desired.name.as_str())
            .chain(cx.remembered(Self::NAME))
            .collect();
        let read = |names: Vec<String>| async move {
            stream::iter(names)
                .map(|name| async move { read_one(cx, &name).await })
                .buffered(AT_ONCE)
                .try_collect::<Vec<Option<Reading>>>()
                .await
        };
        let known_too = known.iter().map(|name| (*name).to_owned()).collect();
        let (names, mut clusters) = if cx.remembers_all(Self::NAME) {
            let clusters = read(known_too).await?;
            let all_there = clusters.iter().all(Option::is_some);
            (if all_there { Vec::new() } else { names.await? }, clusters)
        } else {
            futures::try_join!(names, read(known_too))?
        };
        let others = names.iter().flat_map(|page| page.clusters());
        let others = others.filter(|name| !known.contains(name.as_str())).cloned().collect();
        clusters.extend(read(others).await?);
        let mut listed = Listed::default();
        for Reading { status, tags, live } in clusters.into_iter().flatten() {
            let wants = wanted.iter().find(|wanted| wanted.desired.name == live.name.as_str());
            let id = physical_id(live.name.as_str());
            if let (Some(wants), Some(owner)) = (wants, foreign(cx, &tags)) {
                listed.clashes.push(Clash { address: wants.address.clone(), id, owner });
                continue;
            }
            let parents = reading::parents(&live);
            listed.add(cx, id.as_str(), tags, status, parents, live);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let now = read_one(cx, found.live.name.as_str()).await?;
        Ok(now.map(|now| now.owned(&found.owner)))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let eks = cx.api::<Eks>()?;
        let Self { endpoint, .. } = self;
        let role = cx.get(&self.role)?;
        let subnets = ids(&cx.get_all(&self.subnets)?);
        let groups = ids(&cx.get_all(&self.security_groups)?);
        let key = self.secrets_key.as_ref().map(|key| cx.get(key)).transpose()?;
        let tags = tags_on_create(cx)?;
        let token = &cx.step()?.token;
        let cidrs = endpoint.public.then(|| endpoint.public_cidrs.iter().cloned().collect());
        let network = VpcConfigRequest::builder()
            .set_subnet_ids(Some(subnets))
            .set_security_group_ids(Some(groups))
            .endpoint_private_access(endpoint.private)
            .endpoint_public_access(endpoint.public)
            .set_public_access_cidrs(cidrs)
            .build();
        let services = self
            .service_cidr
            .as_ref()
            .map(|cidr| KubernetesNetworkConfigRequest::builder().service_ipv4_cidr(cidr).build());
        let access = CreateAccessConfigRequest::builder()
            .authentication_mode(self.authentication.as_str().into())
            // Whoever makes the cluster must get at it to go on, whoever that is; others have
            // access entries of their own.
            .bootstrap_cluster_creator_admin_permissions(true)
            .build();
        let support = UpgradePolicyRequest::builder().support_type(self.support.as_str().into());
        let made = call(cx, "eks:CreateCluster", Repeat::Safe, FRESH, || {
            eks.0
                .create_cluster()
                .name(&self.name)
                .set_version(self.version.clone())
                .role_arn(&role)
                .resources_vpc_config(network.clone())
                .set_kubernetes_network_config(services.clone())
                .logging(settings::logging(&self.log_types))
                .set_encryption_config(key.clone().map(|key| vec![encryption(&key)]))
                .access_config(access.clone())
                .upgrade_policy(support.clone().build())
                .bootstrap_self_managed_addons(false)
                .deletion_protection(self.deletion_protection)
                .client_request_token(token)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        let made = match made {
            // The name is taken: a 409, as for everything that is in use.
            Err(error) if error.class == Class::InUse => {
                let look = || read_one(cx, &self.name);
                let there = until_seen(cx, look).await?.ok_or(error)?;
                let id = physical_id(&self.name);
                let owner = made_before(cx, Self::TITLE, id.as_str(), &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let made = made.cluster().map(|cluster| reading::reading(cx, cluster)).transpose()?;
        let Reading { status, live, .. } =
            made.ok_or_else(|| Error::local("CreateCluster answered without a cluster"))?;
        let parents = reading::parents(&live);
        Found::created(cx, physical_id(&self.name).as_str(), status, parents, live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 10, at_most: 3600 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        changes::carry_out(self, cx, &found.live, changes).await?;
        retag(cx, &found.live.arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let eks = cx.api::<Eks>()?;
        let name = found.live.name.as_str();
        if found.status != Status::Leaving {
            // Whoever deletes what holds data has been asked for consent by its address. Read
            // again, for a repeated step has turned it off already.
            let Some(now) = read_one(cx, name).await? else { return Ok(()) };
            if now.live.deletion_protection {
                changes::protect(cx, name, false).await?;
            }
            // Whoever may not look leaves it to those who delete the subnets.
            if let Err(error) = leftover::sweep(cx, name, found.live.vpc.as_str()).await {
                tracing::warn!(cluster = name, %error, "leftover interfaces could not be swept");
            }
            let deleted = call(cx, "eks:DeleteCluster", Repeat::Safe, &[IN_PROGRESS], || {
                eks.0.delete_cluster().name(name).send()
            })
            .await;
            match absent_is_fine(deleted) {
                Err(error) if error.class == Class::InUse => {
                    return Err(name_blockers(cx, name, error).await);
                }
                other => other?,
            };
        }
        until_gone(cx, found, Patience { every: 10, at_most: 2400 }).await
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let name = id.as_str().strip_prefix("cluster/").unwrap_or(id.as_str());
        Ok(read_one(cx, name).await?.map(|there| there.owned(owner)))
    }
}

/// Whether there is a cluster of this name, in whatever state.
pub(in crate::aws) async fn exists(cx: &Cx, name: &str) -> Result<bool> {
    Ok(read_one(cx, name).await?.is_some())
}

fn ids<K>(ids: &[Id<K>]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[expect(deprecated, reason = "of no effect any more on what is encrypted, and still demanded")]
fn encryption(key: &str) -> EncryptionConfig {
    EncryptionConfig::builder()
        .resources("secrets")
        .provider(Provider::builder().key_arn(key).build())
        .build()
}

/// The same error with the node groups that keep the cluster from going.
async fn name_blockers(cx: &Cx, cluster: &str, error: Error) -> Error {
    let Ok(eks) = cx.api::<Eks>() else { return error };
    let groups =
        safe(cx, "eks:ListNodegroups", || eks.0.list_nodegroups().cluster_name(cluster).send())
            .await;
    match groups {
        Ok(answer) if !answer.nodegroups().is_empty() => {
            error.hint(format!("delete its node groups first: {}", answer.nodegroups().join(", ")))
        }
        _ => error,
    }
}
