//! IAM roles and KMS keys.

use super::by_name::ByName;
use crate::spec::schema::items_are;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;

/// An IAM role, called `<name>-<role>`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// Who may assume it.
    pub trust: Trust,

    /// Policies that belong to the role alone.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = policies)]
    pub inline: ByName<PolicyDocument>,

    /// Policies of AWS's or of the account's that the role has as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 20),
        inner(regex(pattern = r"^arn:aws(-us-gov|-cn)?:iam::([0-9]{12}|aws):policy/.+$")),
        transform = items_are("the ARN of an IAM policy")
    )]
    pub managed_policy_arns: Vec<String>,

    /// For how many seconds a session may last.
    #[serde(default = "session_seconds")]
    #[schemars(range(min = 3600, max = 43200))]
    pub max_session_seconds: u32,

    /// What it is for.
    #[serde(default)]
    #[schemars(
        length(max = 1000),
        regex(pattern = r"^[\t\n\r -~\u00a1-\u00ff]*$"),
        extend("x-expected" = "text of Latin letters and marks")
    )]
    pub description: String,
}

/// Who may assume a role: services of AWS, or whoever a trust policy says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("x-hint" = "write service: [ec2.amazonaws.com], or a policy document with Statement"))]
pub enum Trust {
    /// Services of AWS.
    Services(Services),
    /// A policy document.
    Document(PolicyDocument),
}

/// Services of AWS that may assume a role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Services {
    /// The services' principals.
    #[schemars(
        length(min = 1),
        inner(regex(pattern = r"^[a-z0-9.-]+\.amazonaws\.com(\.cn)?$")),
        transform = items_are("a service such as `ec2.amazonaws.com`")
    )]
    pub service: Vec<String>,
}

impl Trust {
    /// The trust policy. Services may assume the role, and EKS's Pod Identity also tags the
    /// session, as it must.
    pub fn document(&self) -> PolicyDocument {
        match self {
            Trust::Document(document) => document.clone(),
            Trust::Services(Services { service }) => {
                let tags = service.iter().any(|name| name == "pods.eks.amazonaws.com");
                let action = if tags {
                    serde_json::json!(["sts:AssumeRole", "sts:TagSession"])
                } else {
                    serde_json::json!("sts:AssumeRole")
                };
                PolicyDocument(serde_json::json!({
                    "Version": "2012-10-17",
                    "Statement": [{
                        "Effect": "Allow",
                        "Principal": { "Service": service },
                        "Action": action,
                    }],
                }))
            }
        }
    }
}

/// An IAM policy document, written as YAML.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PolicyDocument(pub Value);

impl PolicyDocument {
    /// As the APIs take it: JSON without spaces.
    pub fn to_json(&self) -> String {
        self.0.to_string()
    }
}

impl JsonSchema for PolicyDocument {
    fn schema_name() -> Cow<'static, str> {
        "PolicyDocument".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "An IAM policy document, written as YAML.",
            "type": "object",
            "properties": {
                "Version": {
                    "description": "The version of the policy language.",
                    "type": "string",
                    "enum": ["2012-10-17", "2008-10-17"],
                },
                "Id": { "description": "A name for the document.", "type": "string" },
                "Statement": { "description": "One statement, or a list of them." },
            },
            "required": ["Statement"],
            "additionalProperties": false,
            "x-expected": "a policy document",
        })
    }
}

/// A symmetric KMS key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// What it encrypts.
    #[serde(default)]
    #[schemars(length(max = 8192))]
    pub description: String,

    /// After how many days its material is renewed. Without it, never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 90, max = 2560))]
    pub rotation_days: Option<u16>,

    /// How many days a deletion can be called back.
    #[serde(default = "deletion_window_days")]
    #[schemars(range(min = 7, max = 30))]
    pub deletion_window_days: u8,

    /// Who may use and manage it. Without one, whoever the account's IAM policies say, and
    /// CloudWatch Logs for the log groups that it encrypts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyDocument>,
}

fn session_seconds() -> u32 {
    3600
}

fn deletion_window_days() -> u8 {
    30
}

fn policies(schema: &mut Schema) {
    let names = serde_json::json!({
        "pattern": super::IAM_NAME,
        "maxLength": 128,
        "x-expected": "a policy's name: letters, digits and `_+=,.@-`",
    });
    schema.insert("propertyNames".to_owned(), names);
}
