//! The EKS cluster in its stages: control plane, what nodes need before they come, nodes, what
//! needs nodes, and who may use it all.

use super::coder::server::NODE_GROUP;
use super::identity::{alias, bare_role};
use super::network::Made as Network;
use super::{Draft, dns_suffix};
use crate::aws::ec2::launch_template::{Data, LaunchTemplate, RootVolume};
use crate::aws::ec2::subnet::Subnet;
use crate::aws::eks::access_entry::{AccessEntry, EntryType, Scope};
use crate::aws::eks::addon::Addon;
use crate::aws::eks::cluster::{
    AuthenticationMode, Cluster, Endpoint, LogType as WantedLog, SupportType,
};
use crate::aws::eks::node_group::{
    CapacityType, MaxUnavailable, NodeGroup, Taint, TaintEffect as WantedEffect, Template,
};
use crate::aws::eks::pod_identity_association::PodIdentityAssociation;
use crate::aws::iam::role::Role;
use crate::aws::kms::key::Key;
use crate::aws::logs::log_group::{LogGroup, StorageClass};
use crate::graph::Handle;
use crate::name::Address;
use crate::spec::types::cluster::{
    AccessEntry as WantedEntry, AccessPolicy, Addon as WantedAddon, AmiType, Capacity,
    Cluster as Wanted, LogType, NodeGroup as WantedGroup, TaintEffect,
};
use crate::value::{Id, In, Need, Text};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Add-ons that need no node, and without which no node becomes ready or no pod gets a role.
const BEFORE_NODES: [&str; 3] = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"];

/// What of the cluster others refer to.
pub(super) struct Made<'a> {
    pub(super) cluster: Handle<Cluster>,
    pub(super) groups: BTreeMap<&'a str, Handle<NodeGroup>>,
    pub(super) addons: BTreeMap<&'a str, Handle<Addon>>,
}

pub(super) fn add<'a>(
    draft: &mut Draft<'a>,
    wanted: &'a Wanted,
    network: &Network<'_>,
) -> Made<'a> {
    let cluster = control_plane(draft, wanted, network);
    draft.graph.show("cluster_name", cluster.name().map(|name| name.to_string()));
    let mut made = Made { cluster, groups: BTreeMap::new(), addons: BTreeMap::new() };
    for (name, entry) in wanted.access.iter() {
        access(draft, cluster, name, entry);
    }
    let cni = pod_identity(
        draft,
        cluster,
        "vpc-cni",
        ("kube-system", "aws-node"),
        "AmazonEKS_CNI_Policy",
    );
    for (name, addon) in wanted.addons.iter().filter(|(name, _)| BEFORE_NODES.contains(name)) {
        let handle = add_on(draft, cluster, name, addon);
        made.addons.insert(name, handle);
    }
    node_groups(draft, wanted, network, &mut made, cni);
    let driver = wanted.addons.get("aws-ebs-csi-driver").map(|_| {
        pod_identity(
            draft,
            cluster,
            "ebs-csi",
            ("kube-system", "ebs-csi-controller-sa"),
            "service-role/AmazonEBSCSIDriverPolicy",
        )
    });
    for (name, addon) in wanted.addons.iter().filter(|(name, _)| !BEFORE_NODES.contains(name)) {
        let handle = add_on(draft, cluster, name, addon);
        for group in made.groups.values() {
            draft.graph.after(handle, *group, Need::Ready, "without nodes it stays degraded");
        }
        if let Some(driver) = driver.filter(|_| name == "aws-ebs-csi-driver") {
            draft.graph.after(handle, driver, Need::Ready, "pods get a role only as they start");
        }
        made.addons.insert(name, handle);
    }
    made
}

fn control_plane(draft: &mut Draft<'_>, wanted: &Wanted, network: &Network<'_>) -> Handle<Cluster> {
    let region = draft.region.clone();
    let name = draft.physical(&draft.here("cluster/cluster"), draft.deployment.to_string());
    let role = role(draft, "cluster", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"]);
    let key = wanted.encrypt_secrets.then(|| {
        let address = draft.here("cluster/key/secrets");
        let key = Key {
            alias: alias(draft, &address, "cluster"),
            description: format!("Kubernetes secrets of {}", draft.deployment),
            rotation_days: Some(365),
            policy: None,
            deletion_window_days: 30,
        };
        draft.graph.add(&region, address, "cluster.encrypt_secrets", key)
    });
    let address = draft.here("cluster/log-group/control-plane");
    let logs = LogGroup {
        // EKS's own choice of a name; where it finds none, it makes one that is kept for ever.
        name: draft.physical(&address, format!("/aws/eks/{name}/cluster")),
        retention_days: Some(i32::from(wanted.log_retention_days.0)),
        key: None,
        class: StorageClass::Standard,
    };
    let logs = (!wanted.log_types.is_empty())
        .then(|| draft.graph.add(&region, address, "cluster.log_retention_days", logs));
    let cluster = draft.graph.add(
        &region,
        draft.here("cluster/cluster"),
        "cluster",
        Cluster {
            name,
            version: wanted.version.clone(),
            role: role.arn().ready(),
            vpc: network.vpc.id().ready(),
            subnets: ids(&subnets(network, &wanted.tier, None)),
            security_groups: Vec::new(),
            endpoint: Endpoint {
                private: wanted.endpoint.private,
                public: wanted.endpoint.public,
                public_cidrs: wanted
                    .endpoint
                    .public_access_cidrs
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
            },
            log_types: wanted.log_types.iter().map(|log| log_type(*log)).collect(),
            secrets_key: key.map(|key| key.arn().ready()),
            service_cidr: wanted.service_cidr.map(|cidr| cidr.to_string()),
            authentication: AuthenticationMode::Api,
            support: SupportType::Standard,
            deletion_protection: wanted.deletion_protection,
        },
    );
    if let Some(logs) = logs {
        let reason = "EKS makes the log group itself, to be kept for ever, if it finds none";
        draft.graph.after(cluster, logs, Need::Ready, reason);
    }
    cluster
}

fn log_type(wanted: LogType) -> WantedLog {
    match wanted {
        LogType::Api => WantedLog::Api,
        LogType::Audit => WantedLog::Audit,
        LogType::Authenticator => WantedLog::Authenticator,
        LogType::ControllerManager => WantedLog::ControllerManager,
        LogType::Scheduler => WantedLog::Scheduler,
    }
}

fn node_groups<'a>(
    draft: &mut Draft<'a>,
    wanted: &'a Wanted,
    network: &Network<'_>,
    made: &mut Made<'a>,
    cni: Handle<PodIdentityAssociation>,
) {
    if wanted.node_groups.is_empty() {
        return;
    }
    let role = role(
        draft,
        "node",
        "ec2.amazonaws.com",
        &["AmazonEKSWorkerNodePolicy", "AmazonEC2ContainerRegistryPullOnly"],
    );
    for (name, group) in wanted.node_groups.iter() {
        let handle = node_group(draft, name, group, network, made.cluster, role);
        for (addon, before) in &made.addons {
            let reason = match *addon {
                "eks-pod-identity-agent" => "the first pods of a node need its roles",
                _ => "a node without it is never ready",
            };
            draft.graph.after(handle, *before, Need::Exists, reason);
        }
        draft.graph.after(handle, cni, Need::Ready, "without its role, no pod gets an address");
        for way_out in &network.tables {
            let reason = "a node that can not reach the cluster and its images never joins";
            draft.graph.after(handle, *way_out, Need::Ready, reason);
        }
        made.groups.insert(name, handle);
    }
}

fn node_group(
    draft: &mut Draft<'_>,
    name: &str,
    wanted: &WantedGroup,
    network: &Network<'_>,
    cluster: Handle<Cluster>,
    role: Handle<Role>,
) -> Handle<NodeGroup> {
    let region = draft.region.clone();
    let path = format!("cluster.node_groups.{name}");
    let mut tags = crate::kind::Tags::new();
    tags.insert("Name".to_owned(), format!("{}-{name}", draft.deployment));
    tags.insert("owner".to_owned(), draft.spec.owner.clone());
    tags.extend(draft.spec.tags.iter().map(|(key, value)| (key.to_owned(), value.clone())));
    let data = Data {
        root_volume: RootVolume {
            device: data_device(wanted.ami_type).to_owned(),
            size_gib: i32::try_from(wanted.volume_gib).unwrap_or(i32::MAX),
            key: None,
        },
        // Two, so that what runs in a pod of its own network can ask which region it is in.
        metadata_hop_limit: 2,
        security_groups: Vec::new(),
        tags,
    };
    let address = draft.here(&format!("cluster/launch-template/{name}"));
    let template = LaunchTemplate {
        name: draft.physical(&address, format!("{}-{name}", draft.deployment)),
        data: data.clone(),
    };
    let template = draft.graph.add(&region, address, path.clone(), template);
    let mut labels: BTreeMap<String, String> =
        wanted.labels.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
    labels.insert(NODE_GROUP.to_owned(), name.to_owned());
    let address = draft.here(&format!("cluster/node-group/{name}"));
    let group = NodeGroup {
        name: draft.physical(&address, name.to_owned()),
        cluster: cluster.name().ready(),
        role: role.arn().ready(),
        subnets: ids(&subnets(network, &wanted.tier, wanted.az_count)),
        instance_types: wanted.instance_types.clone(),
        capacity: match wanted.capacity {
            Capacity::OnDemand => CapacityType::OnDemand,
            Capacity::Spot => CapacityType::Spot,
        },
        ami_type: wanted.ami_type.as_str().to_owned(),
        min: i32::from(wanted.min_size),
        max: i32::from(wanted.max_size),
        labels,
        taints: wanted
            .taints
            .iter()
            .map(|taint| Taint {
                key: taint.key.clone(),
                value: taint.value.clone(),
                effect: match taint.effect {
                    TaintEffect::NoSchedule => WantedEffect::NoSchedule,
                    TaintEffect::PreferNoSchedule => WantedEffect::PreferNoSchedule,
                    TaintEffect::NoExecute => WantedEffect::NoExecute,
                },
            })
            .collect(),
        max_unavailable: MaxUnavailable::Nodes(1),
        template: Some(Template { id: template.id(), version: template.version(), data }),
        version: None,
    };
    draft.graph.add(&region, address, path, group)
}

/// The device that images and pods write to. Bottlerocket keeps itself on one of its own.
/// <https://bottlerocket.dev/en/os/latest/concepts/components/#data-storage>
fn data_device(image: AmiType) -> &'static str {
    match image {
        AmiType::Al2023X8664Standard | AmiType::Al2023Arm64Standard => "/dev/xvda",
        AmiType::BottlerocketX8664 | AmiType::BottlerocketArm64 => "/dev/xvdb",
    }
}

/// An add-on that is ready when EKS says so.
fn add_on(
    draft: &mut Draft<'_>,
    cluster: Handle<Cluster>,
    name: &str,
    wanted: &WantedAddon,
) -> Handle<Addon> {
    let region = draft.region.clone();
    let addon = Addon {
        cluster: cluster.name().ready(),
        name: name.to_owned(),
        version: wanted.version.clone(),
        configuration: configuration(name, wanted.configuration.as_ref()),
    };
    let address = draft.here(&format!("cluster/addon/{name}"));
    draft.graph.add(&region, address, format!("cluster.addons.{name}"), addon)
}

/// What an add-on is configured with. NetworkPolicies are words without effect until the VPC CNI is
/// told to heed them.
/// <https://docs.aws.amazon.com/eks/latest/userguide/cni-network-policy-configure.html>
fn configuration(name: &str, wanted: Option<&Value>) -> Option<Value> {
    if name != "vpc-cni" {
        return wanted.cloned();
    }
    let mut all = json!({"enableNetworkPolicy": "true"});
    if let (Some(all), Some(Value::Object(wanted))) = (all.as_object_mut(), wanted) {
        all.extend(wanted.clone());
    }
    Some(all)
}

/// A role for the pods of a service account, and for nobody else.
fn pod_identity(
    draft: &mut Draft<'_>,
    cluster: Handle<Cluster>,
    name: &str,
    (namespace, account): (&str, &str),
    policy: &str,
) -> Handle<PodIdentityAssociation> {
    let role = role(draft, name, "pods.eks.amazonaws.com", &[policy]);
    let region = draft.region.clone();
    let association = PodIdentityAssociation {
        cluster: cluster.name().ready(),
        namespace: namespace.to_owned(),
        service_account: account.to_owned(),
        role: role.arn().ready(),
    };
    let address = draft.here(&format!("cluster/pod-identity/{name}"));
    draft.graph.add(&region, address, "cluster.addons", association)
}

fn access(
    draft: &mut Draft<'_>,
    cluster: Handle<Cluster>,
    name: &str,
    wanted: &WantedEntry,
) -> Handle<AccessEntry> {
    let region = draft.region.clone();
    let policy = format!(
        "arn:{}:eks::aws:cluster-access-policy/{}",
        draft.partition,
        AccessPolicy::as_str(wanted.policy)
    );
    let scope = if wanted.namespaces.is_empty() {
        Scope::Cluster
    } else {
        Scope::Namespaces(wanted.namespaces.iter().cloned().collect())
    };
    let entry = AccessEntry {
        cluster: cluster.name().ready(),
        principal: wanted.principal_arn.clone().into(),
        entry_type: EntryType::Standard,
        groups: BTreeSet::new(),
        policies: [(policy, scope)].into(),
    };
    let address = draft.here(&format!("cluster/access/{name}"));
    draft.graph.add(&region, address, format!("cluster.access.{name}"), entry)
}

/// A role that a service of AWS assumes, with policies of AWS's.
fn role(draft: &mut Draft<'_>, name: &str, service: &str, policies: &[&str]) -> Handle<Role> {
    let region = draft.region.clone();
    let address = Address::global(&format!("cluster/role/{name}"));
    // Pod Identity also tags the session with the pod that it is for.
    let actions = if service == "pods.eks.amazonaws.com" {
        json!(["sts:AssumeRole", "sts:TagSession"])
    } else {
        json!("sts:AssumeRole")
    };
    let service = match service.strip_suffix(".amazonaws.com") {
        Some("ec2") => format!("ec2.{}", dns_suffix(draft.partition)),
        _ => service.to_owned(),
    };
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": actions,
        }]
    });
    let managed: BTreeSet<String> = policies
        .iter()
        .map(|policy| format!("arn:{}:iam::aws:policy/{policy}", draft.partition))
        .collect();
    let role = Role {
        trust: Text::new(trust.to_string()),
        managed,
        description: format!("{name} of the cluster of {}", draft.deployment),
        ..bare_role(draft, &address, name)
    };
    draft.graph.add(&region, address, "cluster", role)
}

/// The subnets of a tier, in the order of zones, as many as are asked for.
pub(super) fn subnets(network: &Network<'_>, tier: &str, count: Option<u8>) -> Vec<Handle<Subnet>> {
    let all = network.subnets.get(tier).into_iter().flatten().copied();
    all.take(count.map_or(usize::MAX, usize::from)).collect()
}

/// Their ids.
pub(super) fn ids(subnets: &[Handle<Subnet>]) -> Vec<In<Id<Subnet>>> {
    subnets.iter().map(|subnet| subnet.id().ready()).collect()
}
