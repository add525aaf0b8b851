//! The EKS cluster, its nodes, its add-ons, and who may use it.

use super::by_name::ByName;
use super::logs::RetentionDays;
use super::on;
use crate::spec::schema::{items_are, named};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::Ipv4Addr;

/// The EKS cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    /// The Kubernetes version. If it is left open, EKS chooses its default when the cluster is made,
    /// and afterwards what is live stays. An upgrade goes one minor version
    /// at a time, and there is no way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^1\.[0-9]{2}$"),
        extend("x-expected" = "a Kubernetes version such as `1.34`")
    )]
    pub version: Option<String>,

    /// The tier whose subnets hold the cluster's own network interfaces, in two zones at least.
    #[serde(default = "control")]
    pub tier: String,

    /// From where the Kubernetes API is reached.
    #[serde(default)]
    pub endpoint: EndpointAccess,

    /// Which logs of the control plane go to CloudWatch.
    #[serde(default = "all_logs")]
    #[schemars(transform = items_are("one of the five logs of the control plane"))]
    pub log_types: Vec<LogType>,

    /// For how many days the logs of the control plane are kept.
    #[serde(default)]
    pub log_retention_days: RetentionDays,

    /// Whether Kubernetes Secrets are encrypted by a KMS key of the deployment's own. It can be
    /// turned on later, and never off.
    #[serde(default = "on")]
    pub encrypt_secrets: bool,

    /// The range of the Services' addresses, /12 to /24. It cannot change. If it is left open,
    /// EKS takes 10.100.0.0/16 or 172.20.0.0/16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_cidr: Option<Ipv4Net>,

    /// Whether EKS refuses to delete the cluster. A destroy, and `--allow-delete`, turn it off first.
    #[serde(default = "on")]
    pub deletion_protection: bool,

    /// EKS add-ons by name.
    #[serde(default = "addons")]
    #[schemars(transform = named)]
    pub addons: ByName<Addon>,

    /// Groups of nodes.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub node_groups: ByName<NodeGroup>,

    /// Who may use the cluster, besides whoever made it.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub access: ByName<AccessEntry>,
}

/// From where the Kubernetes API is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EndpointAccess {
    /// From within the VPC.
    #[serde(default = "on")]
    pub private: bool,

    /// From the internet.
    #[serde(default = "on")]
    pub public: bool,

    /// From which ranges of the internet.
    #[serde(default = "anywhere")]
    #[schemars(length(min = 1, max = 40))]
    pub public_access_cidrs: Vec<Ipv4Net>,
}

impl Default for EndpointAccess {
    fn default() -> Self {
        EndpointAccess { private: true, public: true, public_access_cidrs: anywhere() }
    }
}

/// A log of the control plane.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum LogType {
    /// The API server's.
    Api,
    /// Who did what.
    Audit,
    /// Who IAM says a caller is.
    Authenticator,
    /// The controllers'.
    ControllerManager,
    /// The scheduler's.
    Scheduler,
}

impl LogType {
    /// EKS's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            LogType::Api => "api",
            LogType::Audit => "audit",
            LogType::Authenticator => "authenticator",
            LogType::ControllerManager => "controllerManager",
            LogType::Scheduler => "scheduler",
        }
    }
}

/// An EKS add-on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Addon {
    /// Its version. If it is left open, EKS's default for the cluster is taken when the add-on is
    /// made, and afterwards what is live stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^v[0-9][A-Za-z0-9.+-]*$"),
        extend("x-expected" = "an add-on's version such as `v1.20.4-eksbuild.1`")
    )]
    pub version: Option<String>,

    /// Its configuration, as `aws eks describe-addon-configuration` describes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_map")]
    pub configuration: Option<Value>,
}

/// A managed node group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeGroup {
    /// The tier whose subnets hold its nodes.
    #[serde(default = "control")]
    pub tier: String,

    /// In how many of the tier's zones it has nodes. All, if it is left open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 6))]
    pub az_count: Option<u8>,

    /// The instance types, the preferred one first. On demand takes them in this order.
    #[schemars(
        length(min = 1, max = 20),
        inner(regex(pattern = r"^[a-z][a-z0-9-]*\.[a-z0-9-]+$")),
        transform = items_are("an instance type such as `m5.large`")
    )]
    pub instance_types: Vec<String>,

    /// How its instances are bought.
    #[serde(default)]
    pub capacity: Capacity,

    /// The image of its nodes. The instance types' architecture must fit.
    #[serde(default)]
    pub ami_type: AmiType,

    /// The fewest nodes.
    #[schemars(range(max = 450))]
    pub min_size: u16,

    /// The most nodes.
    #[schemars(range(min = 1, max = 450))]
    pub max_size: u16,

    /// The size of each node's encrypted gp3 volume, in GiB.
    #[serde(default = "volume_gib")]
    #[schemars(range(min = 20, max = 16384))]
    pub volume_gib: u32,

    /// Labels of its nodes, besides `coder.com/node-type`, which is the group's name.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = labels)]
    pub labels: ByName<String>,

    /// Taints of its nodes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub taints: Vec<Taint>,
}

/// How instances are bought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Capacity {
    /// By the second, and nobody takes them away.
    #[default]
    OnDemand,
    /// Cheaper, and AWS may take them back at two minutes' notice.
    Spot,
}

/// The image of a node group's nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AmiType {
    /// Amazon Linux 2023 for x86-64.
    #[default]
    Al2023X8664Standard,
    /// Amazon Linux 2023 for Arm.
    Al2023Arm64Standard,
    /// Bottlerocket for x86-64.
    BottlerocketX8664,
    /// Bottlerocket for Arm.
    BottlerocketArm64,
}

impl AmiType {
    /// EKS's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            AmiType::Al2023X8664Standard => "AL2023_x86_64_STANDARD",
            AmiType::Al2023Arm64Standard => "AL2023_ARM_64_STANDARD",
            AmiType::BottlerocketX8664 => "BOTTLEROCKET_x86_64",
            AmiType::BottlerocketArm64 => "BOTTLEROCKET_ARM_64",
        }
    }
}

/// What keeps pods that do not tolerate it off a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// Its key.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = LABEL_KEY),
        extend("x-expected" = "a label's key such as `coder-ws`")
    )]
    pub key: String,

    /// Its value.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub value: String,

    /// What it does.
    #[serde(default)]
    pub effect: TaintEffect,
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TaintEffect {
    /// They are not put there.
    #[default]
    NoSchedule,
    /// They are put there last.
    PreferNoSchedule,
    /// They are not put there, and those that are there leave.
    NoExecute,
}

impl TaintEffect {
    /// EKS's own word.
    pub fn as_str(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NO_SCHEDULE",
            TaintEffect::PreferNoSchedule => "PREFER_NO_SCHEDULE",
            TaintEffect::NoExecute => "NO_EXECUTE",
        }
    }

    /// Kubernetes's own word.
    pub fn kubernetes(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }
}

/// A role or user of IAM that may use the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessEntry {
    /// The role's or user's ARN; not that of a session.
    #[schemars(
        regex(pattern = r"^arn:aws(-us-gov|-cn)?:iam::[0-9]{12}:(role|user)/.+$"),
        extend("x-expected" = "the ARN of an IAM role or user")
    )]
    pub principal_arn: String,

    /// What it may do.
    #[serde(default)]
    pub policy: AccessPolicy,

    /// In which namespaces. In all, if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub namespaces: Vec<String>,
}

/// What an IAM principal may do in a cluster: EKS's own access policies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessPolicy {
    /// Everything.
    #[default]
    ClusterAdmin,
    /// Most things in a namespace, permissions included.
    Admin,
    /// Read and change most things in a namespace.
    Edit,
    /// Read most things, but no Secrets.
    View,
}

impl AccessPolicy {
    /// The last part of the policy's ARN.
    pub fn as_str(self) -> &'static str {
        match self {
            AccessPolicy::ClusterAdmin => "AmazonEKSClusterAdminPolicy",
            AccessPolicy::Admin => "AmazonEKSAdminPolicy",
            AccessPolicy::Edit => "AmazonEKSEditPolicy",
            AccessPolicy::View => "AmazonEKSViewPolicy",
        }
    }
}

/// Kubernetes's rule for the keys of labels and taints.
const LABEL_KEY: &str =
    r"^([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$";

fn control() -> String {
    "control".to_owned()
}

fn volume_gib() -> u32 {
    100
}

fn anywhere() -> Vec<Ipv4Net> {
    vec![Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)]
}

fn all_logs() -> Vec<LogType> {
    use LogType::{Api, Audit, Authenticator, ControllerManager, Scheduler};
    vec![Api, Audit, Authenticator, ControllerManager, Scheduler]
}

/// What a cluster cannot do without, and the driver of the volumes of workspaces.
fn addons() -> ByName<Addon> {
    ["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver"]
        .into_iter()
        .map(|name| (name.to_owned(), Addon::default()))
        .collect()
}

fn any_map(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "additionalProperties": true })
}

fn labels(schema: &mut schemars::Schema) {
    schema.insert(
        "propertyNames".to_owned(),
        serde_json::json!({
            "pattern": LABEL_KEY,
            "maxLength": 63,
            "x-expected": "a label's key such as `coder.com/team`",
        }),
    );
    schema.insert(
        "additionalProperties".to_owned(),
        serde_json::json!({
            "type": "string",
            "maxLength": 63,
            "pattern": "^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$",
            "x-expected": "a label's value: letters, digits and `._-`",
        }),
    );
}
