//! The managed node group: EC2 instances that EKS runs as nodes, in an Auto Scaling group of its
//! own making.
//!
//! Names are ids within a cluster, and a name is taken until the group is gone, so one that
//! replaces another has its generation behind its name. It comes up in about two minutes and goes
//! in about four, draining its nodes. Labels, taints, sizes and how it updates change in place; a
//! new Kubernetes version or launch template version rolls over all nodes, and EKS drains each for
//! up to 15 minutes. How many nodes there are is said on create only: from then on it belongs to
//! whoever scales. The release of the AMI is EKS's choice, and what is live counts.
//!
//! The launch template's *content* is compared, not its version number: a number says nothing of
//! what the nodes are like, and content shows in the same plan that changes the template. Tags of
//! instances are left out of it, for nodes are not exchanged for the sake of a tag.
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateNodegroup.html>
//! <https://docs.aws.amazon.com/eks/latest/userguide/managed-node-update-behavior.html>

mod changes;
mod reading;
mod settings;

pub use settings::{CapacityType, MaxUnavailable, Taint, TaintEffect, Template};

use super::cluster::Cluster;
use super::{
    BUSY, Eks, absent_is_fine, clusters, each, fresh, id_of, in_each, is_elsewhere, parts, retag,
    sought, tags_on_create,
};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages};
use crate::aws::ec2::launch_template::{self, LaunchTemplate, but_tags};
use crate::aws::ec2::subnet::Subnet;
use crate::aws::settle::{Patience, until_gone, until_seen};
use crate::aws::tags::{foreign, made_before};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    ReplaceOrder, Result, Seen, Status, Typical, Wanted, seen, unique_name,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Known};
use aws_sdk_eks::types::{LaunchTemplateSpecification, NodegroupScalingConfig};
use reading::{Reading, describe, read_one, settled};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A managed node group.
#[derive(Clone, Debug, Serialize)]
pub struct NodeGroup {
    /// Its name, at most 63 characters, unique in the cluster; fixed. From the second generation
    /// on, `-2` and so on stand behind it.
    pub name: String,
    /// The cluster it is in, which must be ready.
    pub cluster: In<Id<Cluster>>,
    /// The ARN of the role that its nodes have; fixed.
    pub role: In<String>,
    /// The subnets of its nodes; fixed.
    pub subnets: Vec<In<Id<Subnet>>>,
    /// The instance types it may use, in the order of preference; fixed.
    pub instance_types: Vec<String>,
    /// How instances are paid for; fixed.
    pub capacity: CapacityType,
    /// The sort of AMI, `AL2023_x86_64_STANDARD`; fixed.
    pub ami_type: String,
    /// The fewest nodes, from 0.
    pub min: i32,
    /// The most nodes, from 1.
    pub max: i32,
    /// Kubernetes labels of its nodes.
    pub labels: BTreeMap<String, String>,
    /// Kubernetes taints of its nodes.
    pub taints: Vec<Taint>,
    /// How many nodes may be away at once while it is updated.
    pub max_unavailable: MaxUnavailable,
    /// What its instances are made from.
    pub template: Option<Template>,
    /// The Kubernetes version of its nodes, at most the cluster's. What is left open is the
    /// cluster's on create, and is what is live from then on.
    pub version: Option<String>,
}

/// A live node group.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name, the generation included.
    pub name: Id<NodeGroup>,
    /// Its name without the generation.
    pub base_name: String,
    /// The cluster it is in.
    pub cluster: Id<Cluster>,
    /// Its ARN.
    pub arn: String,
    /// The ARN of its nodes' role.
    pub role: String,
    /// The subnets of its nodes.
    pub subnets: BTreeSet<Id<Subnet>>,
    /// The instance types it may use.
    pub instance_types: Vec<String>,
    /// How instances are paid for, in EKS's own word.
    pub capacity: String,
    /// The sort of AMI.
    pub ami_type: String,
    /// The fewest nodes.
    pub min: i32,
    /// The most nodes.
    pub max: i32,
    /// How many nodes it should have now: not compared.
    pub desired: i32,
    /// Labels of its nodes.
    pub labels: BTreeMap<String, String>,
    /// Taints of its nodes: `key:effect` to value.
    pub taints: BTreeMap<String, String>,
    /// How many nodes may be away at once while it is updated.
    pub max_unavailable: Option<MaxUnavailable>,
    /// The launch template it runs, and which version of it.
    pub template: Option<(Id<LaunchTemplate>, i64)>,
    /// What that version says.
    pub settings: launch_template::Settings,
    /// The Kubernetes version of its nodes.
    pub version: String,
    /// The release of its AMI.
    pub release: String,
    /// Its Auto Scaling group, once there is one.
    pub auto_scaling_group: Option<String>,
}

impl Handle<NodeGroup> {
    /// The name of the Auto Scaling group that EKS made for it; known once it is ready.
    pub fn auto_scaling_group(&self) -> In<String> {
        self.output("auto scaling group", |live| live.auto_scaling_group.clone()).ready()
    }

    /// Its name, the generation included.
    pub fn name(&self) -> In<Id<NodeGroup>> {
        self.output("node group name", |live| Some(live.name.clone()))
    }
}

/// What `CreateNodegroup` says of a role or launch template that is not known everywhere yet.
const FRESH: &[Passing] = &[
    fresh("cannot be found"),
    fresh("trust relationships of nodeRole"),
    fresh("does not exist"),
    fresh("doesn't exist"),
    Passing {
        code: "InvalidRequestException",
        message: "Launch template",
        seconds: 120,
        waiting_for: "AWS to know the launch template everywhere",
    },
];

const SORT: &str = "nodegroup";

impl Kind for NodeGroup {
    const NAME: &'static str = "aws.eks.node_group";
    const TITLE: &'static str = "node group";
    const NATURE: Nature = Nature {
        // Looks into the clusters and at the launch templates that were found.
        wave: 1,
        create_is: CreateIs::Named,
        replace: ReplaceOrder::CreateFirst,
        typical: Typical { create: 150, update: 60, delete: 250 },
        actions: &[
            "eks:CreateNodegroup",
            "eks:ListNodegroups",
            "eks:DescribeNodegroup",
            "eks:UpdateNodegroupConfig",
            "eks:UpdateNodegroupVersion",
            "eks:DescribeUpdate",
            "eks:DeleteNodegroup",
            "eks:TagResource",
            "eks:UntagResource",
            "ec2:DescribeLaunchTemplateVersions",
            "iam:PassRole",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self {
            name,
            cluster,
            role,
            subnets,
            instance_types,
            capacity,
            ami_type,
            min,
            max,
            labels,
            taints,
            max_unavailable,
            template,
            version,
        } = self;
        diff.replaces("name", name, &live.base_name);
        diff.parent("cluster", cluster, &live.cluster);
        diff.replaces_input("role", role, &live.role);
        settings::fixed_set("subnets", subnets, &live.subnets, diff);
        diff.replaces("instance_types", instance_types, &live.instance_types);
        diff.replaces("capacity", &capacity.as_str().to_owned(), &live.capacity);
        diff.replaces("ami_type", ami_type, &live.ami_type);
        diff.in_place("min", min, &live.min);
        diff.in_place("max", max, &live.max);
        let labels = labels.iter().map(|(key, value)| (key.clone(), Known::Yes(value.clone())));
        diff.exclusive("labels", &labels.collect(), &live.labels);
        let taints = taints.iter().map(|taint| (taint.id(), Known::Yes(taint.value.clone())));
        diff.exclusive("taints", &taints.collect(), &live.taints);
        diff.in_place("max_unavailable", &Some(*max_unavailable), &live.max_unavailable);
        let id = template.as_ref().map_or(In::Literal(None), |it| it.id.clone().map(Some));
        let live_id = live.template.as_ref().map(|(id, _)| id.clone());
        diff.replaces_input("template", &id, &live_id);
        if let Some(template) = template {
            let settings = template.data.settings(diff);
            diff.exclusive("template.data", &but_tags(&settings), &but_tags(&live.settings));
        }
        if let Some(version) = version {
            diff.one_way("version", version, &live.version, |have, want| {
                super::cluster::minor(have) > super::cluster::minor(want)
            });
        }
    }

    fn sought_by_name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn summary(&self) -> String {
        let Self { name, min, max, instance_types, capacity, .. } = self;
        format!("{name}  {min}–{max} × {}  {}", instance_types.join(" "), capacity.as_str())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let mut described = vec![
            ("name", live.name.to_string()),
            ("cluster", live.cluster.to_string()),
            ("version", live.version.clone()),
            ("release", live.release.clone()),
            ("nodes", format!("{} of {}–{}", live.desired, live.min, live.max)),
        ];
        described.extend(live.auto_scaling_group.clone().map(|name| ("auto_scaling_group", name)));
        described
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let templates = seen::<LaunchTemplate>(found);
        let within = clusters(found, wanted, |wanted| &wanted.cluster);
        let names = wanted.iter().map(|wanted| wanted.desired.name.as_str());
        let sought = sought(cx, Self::NAME, &within, names);
        let read = |names: Vec<(String, String)>| {
            each(names, |(cluster, name)| async move { describe(cx, &cluster, &name).await })
        };
        let mut groups = read(sought.clone()).await?;
        if sought.is_empty() || groups.len() < sought.len() {
            groups = read(all_names(cx, within).await?).await?;
        }
        let mut listed = Listed::default();
        let mut mine = Vec::new();
        for group in groups {
            let Reading { tags, live, .. } = &group;
            match foreign(cx, tags) {
                None => mine.push(group),
                Some(owner) => {
                    let wants = wanted.iter().find(|wanted| {
                        let Self { name, cluster, .. } = wanted.desired;
                        let elsewhere = is_elsewhere(cluster, &live.cluster);
                        name == live.name.as_str() && !elsewhere
                    });
                    let id = id_of(SORT, live.cluster.as_str(), live.name.as_str());
                    listed.clashes.extend(wants.map(|wants| Clash {
                        address: wants.address.clone(),
                        id,
                        owner,
                    }));
                }
            }
        }
        let mine = each(mine, |mut group: Reading| {
            let template = group.live.template.clone();
            // Nearly always a group runs the version that the template's own list has read.
            let known = template.as_ref().and_then(|(id, version)| {
                let same =
                    |live: &&launch_template::Live| live.id == *id && live.version == *version;
                templates.iter().map(|(_, _, live)| *live).find(same)
            });
            let known = known.map(|live| live.settings.clone());
            async move {
                group.live.settings = match known {
                    Some(settings) => settings,
                    None => reading::settings_of(cx, template.as_ref()).await?,
                };
                Ok(Some(group))
            }
        })
        .await?;
        for Reading { status, tags, live } in mine {
            let id = id_of(SORT, live.cluster.as_str(), live.name.as_str());
            let parents = reading::parents(&live);
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
        let name = unique_name(&self.name, cx.step()?.generation);
        let role = cx.get(&self.role)?;
        let subnets: Vec<String> =
            cx.get_all(&self.subnets)?.iter().map(ToString::to_string).collect();
        let template = self.template.as_ref().map(|template| template.specification(cx));
        let template: Option<LaunchTemplateSpecification> = template.transpose()?;
        let scaling = NodegroupScalingConfig::builder()
            .min_size(self.min)
            .max_size(self.max)
            .desired_size(self.min.max(1).min(self.max))
            .build();
        let labels = self.labels.clone().into_iter().collect();
        let taints = self.taints.iter().map(Taint::to_eks).collect();
        let tags = tags_on_create(cx)?;
        let token = &cx.step()?.token;
        let made = call(cx, "eks:CreateNodegroup", Repeat::Safe, FRESH, || {
            eks.0
                .create_nodegroup()
                .cluster_name(cluster.as_str())
                .nodegroup_name(&name)
                .node_role(&role)
                .set_subnets(Some(subnets.clone()))
                .set_instance_types(Some(self.instance_types.clone()))
                .capacity_type(self.capacity.as_str().into())
                .ami_type(self.ami_type.as_str().into())
                .scaling_config(scaling.clone())
                .set_labels(Some(std::collections::HashMap::clone(&labels)))
                .set_taints(Some(Vec::clone(&taints)))
                .update_config(self.max_unavailable.to_eks())
                .set_launch_template(template.clone())
                .set_version(self.version.clone())
                .client_request_token(token)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        let made = match made {
            Err(error) if error.class == Class::InUse => {
                let look = || read_one(cx, cluster.as_str(), &name);
                let there = until_seen(cx, look).await?.ok_or(error)?;
                let id = id_of(SORT, cluster.as_str(), &name);
                let owner = made_before(cx, Self::TITLE, id.as_str(), &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let group = made
            .nodegroup()
            .ok_or_else(|| Error::local("CreateNodegroup answered without a node group"))?;
        let Reading { status, mut live, .. } = reading::reading(group)?;
        live.base_name = self.name.clone();
        live.settings = reading::settings_of(cx, live.template.as_ref()).await?;
        let parents = reading::parents(&live);
        Found::created(cx, id_of(SORT, cluster.as_str(), &name).as_str(), status, parents, live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        settled(cx, found).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        changes::carry_out(self, cx, &found.live, changes).await?;
        retag(cx, &found.live.arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let eks = cx.api::<Eks>()?;
        if found.status != Status::Leaving {
            let Live { cluster, name, .. } = &found.live;
            gone_is_fine(
                call(cx, "eks:DeleteNodegroup", Repeat::Safe, &[BUSY], || {
                    let request = eks.0.delete_nodegroup().cluster_name(cluster.as_str());
                    request.nodegroup_name(name.as_str()).send()
                })
                .await,
            )?;
        }
        until_gone(cx, found, Patience { every: 10, at_most: 3600 }).await
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

/// The node groups of these clusters: the names of cluster and group.
async fn all_names(cx: &Cx, clusters: Vec<String>) -> Result<Vec<(String, String)>> {
    let eks = &cx.api::<Eks>()?;
    in_each(clusters, |cluster: String| async move {
        let pages = pages(
            cx,
            "eks:ListNodegroups",
            |token| eks.0.list_nodegroups().cluster_name(&cluster).set_next_token(token).send(),
            |page| page.next_token(),
        )
        .await?;
        Ok(pages.into_iter().flat_map(|page| page.nodegroups.unwrap_or_default()).collect())
    })
    .await
}
