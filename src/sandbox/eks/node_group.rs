//! Managed node groups.

use super::cluster_version::minor;
use super::model::{AccessEntry, Cluster, NodeGroup, Origin, Taint};
use super::update::any_running;
use super::words::{
    arn, asked, asked_mut, check_role, in_use, invalid, missing, new_uuid, paged, read_tags,
};
use super::{node, scaling};
use crate::sandbox::ec2::instance_type;
use crate::sandbox::failure::Failure;
use crate::sandbox::iam::service_linked;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long one is `CREATING` where nothing stands in its way: 1.5 to 3.7 minutes in public logs.
const CREATING: Duration = Duration::from_secs(115);
/// How long its nodes wait for the network of pods once there is one.
const NETWORKING: Duration = Duration::from_secs(40);
/// When EKS gives up on nodes that don't join.
const GIVING_UP: Duration = Duration::from_secs(25 * 60);
/// How long one is `DELETING`: about 4.2 minutes in public logs.
const DELETING: Duration = Duration::from_secs(250);

impl NodeGroup {
    /// When `CREATING` ends, and whether it ends well.
    fn decided(&self, cluster: &Cluster) -> (Millis, bool) {
        let gives_up = self.created.plus(GIVING_UP);
        let ready = match (&self.failure, cluster.networked) {
            (None, Some(since)) => self.created.plus(CREATING).max(since.plus(NETWORKING)),
            _ => return (gives_up, false),
        };
        if ready <= gives_up { (ready, true) } else { (gives_up, false) }
    }

    /// AWS's word for what it is doing.
    pub(super) fn status(&self, cluster: &Cluster, now: Millis) -> &'static str {
        let (decided, well) = self.decided(cluster);
        match self.gone {
            Some(_) => "DELETING",
            None if now < decided => "CREATING",
            None if !well => "CREATE_FAILED",
            None if any_running(&self.updates, now) => "UPDATING",
            None => "ACTIVE",
        }
    }

    fn issues(&self, view: &View<'_>, cluster: &Cluster) -> Value {
        if self.status(cluster, view.now) != "CREATE_FAILED" {
            return json!([]);
        }
        let (code, message) = match &self.failure {
            Some((code, message)) => (code.as_str(), message.as_str()),
            None => (
                "NodeCreationFailure",
                "Unhealthy nodes in the kubernetes cluster: nothing gives pods addresses",
            ),
        };
        let scaling = view.store.regional(view.scope);
        let group = scaling.and_then(|all| all.autoscaling.groups.get(&self.scaling_group));
        let ids: Vec<&String> =
            group.into_iter().flat_map(|g| &g.members).map(|member| &member.instance).collect();
        json!([{"code": code, "message": message, "resourceIds": ids}])
    }

    pub(super) fn write(&self, view: &View<'_>, cluster: &Cluster) -> Value {
        let regional = view.store.regional(view.scope);
        let group = regional.and_then(|all| all.autoscaling.groups.get(&self.scaling_group));
        // What the launch template says is not the node group's own.
        let in_template = group.is_some_and(|group| !group.recipe.data["InstanceType"].is_null());
        let taints: Vec<Value> = self
            .taints
            .iter()
            .map(|t| json!({"key": t.key, "value": t.value, "effect": t.effect}))
            .collect();
        let template = self
            .template
            .as_ref()
            .map(|(id, name, version)| json!({"id": id, "name": name, "version": version}));
        json!({
            "nodegroupName": self.name,
            "nodegroupArn": self.arn,
            "clusterName": cluster.name,
            "version": self.version,
            "releaseVersion": self.release,
            "createdAt": self.created.seconds(),
            "modifiedAt": self.modified.seconds(),
            "status": self.status(cluster, view.now),
            "capacityType": self.capacity_type,
            "scalingConfig": group.map(|group| json!({
                "minSize": group.min, "maxSize": group.max, "desiredSize": group.desired,
            })),
            "instanceTypes": (!in_template).then_some(&self.instance_types),
            "subnets": self.subnets,
            "amiType": self.ami_type,
            "nodeRole": self.role,
            "labels": self.labels,
            "taints": taints,
            "resources": {"autoScalingGroups": [{"name": self.scaling_group}]},
            "diskSize": self.disk_size,
            "health": {"issues": self.issues(view, cluster)},
            "updateConfig": self.update_config,
            "nodeRepairConfig": {"enabled": self.repair},
            "launchTemplate": template,
            "tags": self.tags,
        })
    }
}

pub(super) fn no_group(name: &str) -> Failure {
    missing(format!("No node group found for name: {name}."))
}

/// The node group that a request is about, and its cluster.
pub(super) fn found<'a>(
    view: &View<'a>,
    params: &Params,
) -> Result<(&'a Cluster, &'a NodeGroup), Failure> {
    let cluster = asked(view, params)?;
    let name = params.required("nodegroupName");
    let group = cluster.node_groups.get(name).ok_or_else(|| no_group(name))?;
    Ok((cluster, group))
}

/// The same, to change it.
pub(super) fn found_mut<'a>(
    cx: &'a mut Cx<'_>,
    params: &Params,
) -> Result<&'a mut NodeGroup, Failure> {
    let name = params.required("nodegroupName");
    asked_mut(cx, params)?.node_groups.get_mut(name).ok_or_else(|| no_group(name))
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("nodegroupName");
    let origin = Origin::of(params);
    let view = cx.view();
    let cluster = asked(&view, params)?.clone();
    if let Some(known) = cluster.node_groups.get(name) {
        if origin.is_again(&known.origin) {
            return Ok(json!({"nodegroup": known.write(&view, &cluster)}).into());
        }
        let message =
            format!("NodeGroup already exists with name {name} and cluster name {}", cluster.name);
        return Err(in_use(message));
    }
    cluster.must_be_active(cx.now)?;
    let group = make(cx, params, &cluster, origin)?;
    service_linked::ensure(cx, "eks-nodegroup.amazonaws.com");
    service_linked::ensure(cx, "autoscaling.amazonaws.com");
    if group.capacity_type == "SPOT" {
        service_linked::ensure(cx, "spot.amazonaws.com");
    }
    let entry = AccessEntry::plain(cx, &cluster, &group.role, "EC2_LINUX");
    let stored = asked_mut(cx, params)?;
    stored.node_groups.insert(name.to_owned(), group.clone());
    if cluster.authentication != "CONFIG_MAP" {
        // The nodes' role is let in by EKS itself, and stays so after the node group.
        stored.entries.entry(group.role.clone()).or_insert(entry);
    }
    Ok(json!({"nodegroup": group.write(&cx.view(), &cluster)}).into())
}

fn make(
    cx: &mut Cx<'_>,
    params: &Params,
    cluster: &Cluster,
    origin: Origin,
) -> Result<NodeGroup, Failure> {
    let name = params.required("nodegroupName");
    for unmodelled in ["remoteAccess", "warmPoolConfig"] {
        if params.get(unmodelled).is_some() {
            return Err(invalid(format!("The sandbox does not model {unmodelled}.")));
        }
    }
    let tags = read_tags(params)?;
    let role = params.required("nodeRole");
    check_role(cx, role, "ec2.amazonaws.com")?;
    let version = version(cx, params, cluster)?;
    let subnets = subnets(cx, params, cluster)?;
    let template = scaling::template(cx, params)?;
    let data = template.as_ref().map(|(_, data)| data.clone()).unwrap_or_default();
    if template.is_some() && params.get("diskSize").is_some() {
        return Err(invalid("Disk size must be specified within the launch template."));
    }
    let instance_types = instance_types(params, &data)?;
    let ami_type = ami_type(params, &instance_types)?;
    let labels = labels(params.get("labels").unwrap_or(&Value::Null))?;
    let size = scaling::size(params.get("scalingConfig").unwrap_or(&Value::Null), None)?;
    let mut group = NodeGroup {
        name: name.to_owned(),
        arn: arn(cx.scope, &format!("nodegroup/{}/{name}/{}", cluster.name, new_uuid(cx))),
        origin,
        created: cx.now,
        modified: cx.now,
        gone: None,
        release: params.text("releaseVersion").map_or_else(|| release(&version), str::to_owned),
        version,
        role: role.to_owned(),
        subnets,
        instance_types,
        ami_type,
        capacity_type: params.text("capacityType").unwrap_or("ON_DEMAND").to_owned(),
        disk_size: template.is_none().then(|| params.number("diskSize").unwrap_or(20)),
        labels,
        taints: taints(params.list("taints"))?,
        update_config: params
            .get("updateConfig")
            .cloned()
            .unwrap_or_else(|| json!({"maxUnavailable": 1})),
        repair: params.get("nodeRepairConfig").is_some_and(|config| config["enabled"] == true),
        template: template.map(|(named, _)| named),
        scaling_group: String::new(),
        failure: failure(cx, role),
        tags,
        updates: Vec::new(),
    };
    group.scaling_group = scaling::make(cx, cluster, &group, &data, size)?;
    Ok(group)
}

/// The release of EKS's images for a version.
pub(super) fn release(version: &str) -> String {
    format!("{version}.1-20261101")
}

fn version(cx: &Cx<'_>, params: &Params, cluster: &Cluster) -> Result<String, Failure> {
    let own = cluster.version(cx.now);
    let version = params.text("version").unwrap_or(own);
    match (minor(version), minor(own)) {
        (Some(nodes), Some(control)) if nodes <= control && nodes + 3 >= control => {
            Ok(version.to_owned())
        }
        _ => Err(invalid(format!(
            "Requested Nodegroup version {version} is not compatible with cluster version {own}"
        ))),
    }
}

fn subnets(cx: &mut Cx<'_>, params: &Params, cluster: &Cluster) -> Result<Vec<String>, Failure> {
    let subnets = params.texts("subnets");
    let ec2 = cx.ec2();
    for id in &subnets {
        if ec2.subnets.get(*id).is_none_or(|subnet| subnet.vpc != cluster.vpc) {
            return Err(invalid(format!(
                "The subnet ID '{id}' does not exist in the VPC of the cluster"
            )));
        }
    }
    if subnets.is_empty() {
        return Err(invalid("At least one subnet must be specified"));
    }
    Ok(subnets.into_iter().map(str::to_owned).collect())
}

fn instance_types(params: &Params, data: &Value) -> Result<Vec<String>, Failure> {
    let mut types: Vec<String> =
        params.texts("instanceTypes").into_iter().map(str::to_owned).collect();
    match (data["InstanceType"].as_str(), types.is_empty()) {
        (Some(_), false) => {
            return Err(invalid(
                "Instance types can't be in both the launch template and the request",
            ));
        }
        (Some(one), true) => types.push(one.to_owned()),
        (None, true) => types.push("t3.medium".to_owned()),
        (None, false) => {}
    }
    match types.iter().find(|name| instance_type::of(name).is_none()) {
        Some(name) => {
            Err(invalid(format!("The following supplied instance types do not exist: [{name}]")))
        }
        None => Ok(types),
    }
}

fn ami_type(params: &Params, types: &[String]) -> Result<String, Failure> {
    let architectures: BTreeSet<&str> =
        types.iter().map(|name| instance_type::architecture(name)).collect();
    let arm = architectures.contains("arm64");
    if architectures.len() > 1 {
        return Err(invalid("Instance types must all be of the same architecture"));
    }
    let default = if arm { "AL2023_ARM_64_STANDARD" } else { "AL2023_x86_64_STANDARD" };
    let given = params.text("amiType").unwrap_or(default);
    if given != "CUSTOM" && given.contains("ARM_64") != arm {
        return Err(invalid(format!(
            "[{}] is not a valid instance type for requested amiType {given}",
            types.join(", ")
        )));
    }
    Ok(given.to_owned())
}

/// Refuses labels that only EKS or Kubernetes may set.
pub(super) fn labels(given: &Value) -> Result<BTreeMap<String, String>, Failure> {
    let given = given.as_object().into_iter().flatten();
    let labels: BTreeMap<String, String> = given
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    let reserved = |key: &&String| {
        let domain = key.split('/').next().unwrap_or_default();
        key.contains('/')
            && (domain == "eks.amazonaws.com" || domain == "kubernetes.io" || domain == "k8s.io")
    };
    match labels.keys().find(reserved) {
        Some(key) => Err(invalid(format!("Label cannot contain reserved prefixes: {key}"))),
        None => Ok(labels),
    }
}

/// Taints as the request lists them; one for each key and effect.
pub(super) fn taints(given: &[Value]) -> Result<Vec<Taint>, Failure> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut taints: Vec<Taint> = Vec::new();
    for taint in given {
        let taint = Taint {
            key: text(&taint["key"]),
            value: taint["value"].as_str().map(str::to_owned),
            effect: text(&taint["effect"]),
        };
        if taint.key.is_empty() || taint.effect.is_empty() {
            return Err(invalid("A taint needs a key and an effect"));
        }
        if taints.iter().any(|known| known.key == taint.key && known.effect == taint.effect) {
            return Err(invalid(format!("Duplicate taint {}:{}", taint.key, taint.effect)));
        }
        taints.push(taint);
    }
    Ok(taints)
}

/// Why nodes with this role could never join.
fn failure(cx: &Cx<'_>, role: &str) -> Option<(String, String)> {
    let policies = cx.store.iam(cx.scope).managed_policies_of(role);
    let allows = |names: &[&str]| policies.iter().any(|policy| names.contains(policy));
    let nodes =
        ["AmazonEKSWorkerNodePolicy", "AmazonEKSWorkerNodeMinimalPolicy", "AdministratorAccess"];
    let images = [
        "AmazonEC2ContainerRegistryPullOnly",
        "AmazonEC2ContainerRegistryReadOnly",
        "AdministratorAccess",
    ];
    (!allows(&nodes) || !allows(&images)).then(|| {
        (
            "NodeCreationFailure".to_owned(),
            "Instances failed to join the kubernetes cluster".to_owned(),
        )
    })
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let (cluster, group) = found(view, params)?;
    Ok(json!({"nodegroup": group.write(view, cluster)}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let names = asked(view, params)?.node_groups.keys();
    paged(view, params, "nodegroups", names.map(|name| (name.clone(), Value::from(name.as_str()))))
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let (cluster, group) = found(&cx.view(), params)?;
    match group.status(cluster, now) {
        "DELETING" | "CREATING" | "UPDATING" => {
            return Err(in_use(format!(
                "Nodegroup {} cannot be deleted: an operation is in progress",
                group.name
            )));
        }
        _ => {}
    }
    let scaling_group = group.scaling_group.clone();
    found_mut(cx, params)?.gone = Some(now.plus(DELETING));
    scaling::begin_delete(cx, &scaling_group);
    let (cluster, group) = found(&cx.view(), params)?;
    Ok(json!({"nodegroup": group.write(&cx.view(), cluster)}).into())
}

/// When the cluster has, or had, its first node that takes any pod; `tolerant` pods take tainted
/// ones too.
pub(super) fn first_ready(view: &View<'_>, cluster: &Cluster, tolerant: bool) -> Option<Millis> {
    let regional = view.store.regional(view.scope)?;
    let groups = cluster.node_groups.values();
    let nodes = groups.flat_map(|g| node::of_group(regional, view.scope, cluster, g, view.now));
    let takes = |node: &node::Node| {
        tolerant || node.taints.iter().all(|(_, _, effect)| effect == "PreferNoSchedule")
    };
    nodes.filter(takes).filter_map(|node| node.ready_at).min().map(Millis::of)
}
