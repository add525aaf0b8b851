//! The spec as plain data. The doc comments are the reference page and the editor's help.

pub mod access;
pub mod by_name;
pub mod cluster;
pub mod coder;
pub mod database;
pub mod ingress;
pub mod kubernetes;
pub mod logs;
pub mod network;
pub mod security_group;

use super::schema::named;
use crate::name::{AccountId, DeploymentName, Partition, Region};
use crate::secret::SecretRef;
use access::{Key, Role};
use by_name::ByName;
use cluster::Cluster;
use coder::Coder;
use database::Database;
use ingress::{Dns, Ingress};
use kubernetes::Kubernetes;
use logs::LogGroup;
use network::Network;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The environment, the project and the deployment are parts of DNS labels and of names.
pub(crate) const LABEL: &str = "^[a-z]([a-z0-9-]*[a-z0-9])?$";
const LABEL_EXPECTED: &str =
    "lower-case letters, digits and dashes, starting with a letter and not ending in a dash";

/// IAM takes these in the names of roles, users and sessions.
pub(crate) const IAM_NAME: &str = r"^[A-Za-z0-9_+=,.@-]+$";

/// A Coder deployment on AWS, or a part of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "coderctl.yaml")]
pub struct Spec {
    /// The version of this format: 1.
    #[schemars(extend("const" = 1, "x-hint" = "this program reads version 1"))]
    pub version: u8,

    /// The pattern that this spec overrides: the name of one that the program carries, or the
    /// path of a file, relative to this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub pattern: Option<String>,

    /// The project's name: the first part of `name`.
    #[serde(default = "project_name")]
    #[schemars(length(max = 29), regex(pattern = LABEL), extend("x-expected" = LABEL_EXPECTED))]
    pub project_name: String,

    /// The environment's name: the second part of `name`, and part of log groups' names.
    #[serde(default = "environment")]
    #[schemars(length(max = 29), regex(pattern = LABEL), extend("x-expected" = LABEL_EXPECTED))]
    pub environment: String,

    /// The deployment's name, on every resource. The default is `<project_name>-<environment>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = LABEL), extend("x-expected" = LABEL_EXPECTED))]
    pub name: Option<String>,

    /// The account to deploy to, twelve digits. Nothing is done in any other.
    #[schemars(
        with = "String",
        regex(pattern = "^[0-9]{12}$"),
        extend("x-expected" = "an account's id of twelve digits")
    )]
    pub account: AccountId,

    /// The region of the deployment, of its lock and of its record. It cannot change.
    #[schemars(
        with = "String",
        regex(pattern = "^[a-z]{2}(-gov)?-[a-z]+-[0-9]{1,2}$"),
        extend("x-expected" = "a region's code such as `us-east-1`")
    )]
    pub home_region: Region,

    /// Who answers for the deployment; the tag `owner` of every resource.
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = TAG_TEXT),
        extend("x-expected" = "a tag's value: letters, digits, spaces and `_.:/=+-@`")
    )]
    pub owner: String,

    /// Tags for every resource, besides those that coderctl sets.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = tags)]
    pub tags: ByName<String>,

    /// Whether AWS is called at its FIPS 140 endpoints.
    #[serde(default)]
    pub use_fips: bool,

    /// The role to assume before anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assume_role: Option<AssumeRole>,

    /// The permissions boundary of every role that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^arn:aws(-us-gov|-cn)?:iam::([0-9]{12}|aws):policy/.+$"),
        extend("x-expected" = "the ARN of an IAM policy")
    )]
    pub permissions_boundary_arn: Option<String>,

    /// The names of resources by address, where they are not to be made from `name`: how
    /// adopted resources keep theirs.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub names: ByName<String>,

    /// Where the deployment's record and lock are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Record>,

    /// The VPC and what is in it. Without this section there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,

    /// How many workspaces there may be at once. The address plan and the node groups must have
    /// room for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_workspaces: Option<u32>,

    /// The EKS cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,

    /// The database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,

    /// The load balancer in front of Coder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Ingress>,

    /// The names that users call Coder by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<Dns>,

    /// Coder itself. It needs all of the sections above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coder: Option<Coder>,

    /// IAM roles.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub roles: ByName<Role>,

    /// KMS keys; each gets the alias `alias/coderctl/<name>/<key>`.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub keys: ByName<Key>,

    /// CloudWatch log groups.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub log_groups: ByName<LogGroup>,

    /// Objects in a Kubernetes cluster that is named by `--kubeconfig`.
    #[serde(default, skip_serializing_if = "Kubernetes::is_empty")]
    pub kubernetes: Kubernetes,
}

impl Spec {
    /// The deployment's name: `name`, or `<project_name>-<environment>`.
    pub fn deployment(&self) -> DeploymentName {
        match &self.name {
            Some(name) => DeploymentName::new(name.as_str()),
            None => DeploymentName::new(format!("{}-{}", self.project_name, self.environment)),
        }
    }

    /// The partition of the home region, and so of every ARN.
    pub fn partition(&self) -> Partition {
        Partition::of(&self.home_region)
    }

    /// The log group of the VPC's flow logs: as given, or by the deployment's own names, so that no
    /// two of an account want the same: `/coder/prod/vpc-flow-logs`.
    pub fn flow_log_group(&self) -> Option<String> {
        let logs = &self.network.as_ref()?.flow_logs;
        logs.enabled.then(|| {
            let default = || match &self.name {
                Some(name) => format!("/{name}/vpc-flow-logs"),
                None => format!("/{}/{}/vpc-flow-logs", self.project_name, self.environment),
            };
            logs.log_group_name.clone().unwrap_or_else(default)
        })
    }
}

/// How to get the credentials to deploy with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssumeRole {
    /// The role's ARN.
    #[schemars(
        regex(pattern = r"^arn:aws(-us-gov|-cn)?:iam::[0-9]{12}:role/.+$"),
        extend("x-expected" = "the ARN of an IAM role")
    )]
    pub role_arn: String,

    /// The external id that the role's trust policy asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<SecretRef>,

    /// The session's name, in CloudTrail.
    #[serde(default = "session_name")]
    #[schemars(
        length(min = 2, max = 64),
        regex(pattern = IAM_NAME),
        extend("x-expected" = "letters, digits and `_+=,.@-`")
    )]
    pub session_name: String,
}

/// Where the record is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The bucket, in the home region, instead of `coderctl-<account>-<home_region>`.
    #[schemars(
        length(min = 3, max = 63),
        regex(pattern = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$"),
        extend("x-expected" = "a bucket's name: lower-case letters, digits, dots and dashes")
    )]
    pub bucket: String,
}

/// EC2's rule, which is also that of every other service here: letters, spaces and digits of any
/// script, and some marks.
pub(crate) const TAG_TEXT: &str = r"^[\p{L}\p{Z}\p{N}_.:/=+@-]*$";

/// AWS allows 50 tags a resource; ten are left for coderctl's own and for AWS's.
fn tags(schema: &mut schemars::Schema) {
    schema.insert("maxProperties".to_owned(), 40.into());
    schema.insert(
        "propertyNames".to_owned(),
        serde_json::json!({
            "minLength": 1,
            "maxLength": 128,
            "pattern": TAG_TEXT,
            "x-expected": "a tag's key: letters, digits, spaces and `_.:/=+-@`",
        }),
    );
    schema.insert(
        "additionalProperties".to_owned(),
        serde_json::json!({
            "type": "string",
            "maxLength": 256,
            "pattern": TAG_TEXT,
            "x-expected": "a tag's value: letters, digits, spaces and `_.:/=+-@`",
        }),
    );
}

fn project_name() -> String {
    "coder".to_owned()
}

fn environment() -> String {
    "prod".to_owned()
}

fn session_name() -> String {
    "coderctl".to_owned()
}

/// For `#[serde(default)]` of switches that are on.
pub(crate) fn on() -> bool {
    true
}
