//! Coder itself.

use super::by_name::ByName;
use super::on;
use crate::secret::SecretRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Coder itself: the server, its first user, and how people sign in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coder {
    /// The version of Coder. There is no way back from an upgrade but the database's backup.
    #[serde(default = "version")]
    #[schemars(
        regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$"),
        extend("x-expected" = "a version of Coder such as `2.36.5`")
    )]
    pub version: String,

    /// The image, without its tag: a mirror, say.
    #[serde(default = "image")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = r"^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)+$"),
        extend("x-expected" = "an image without its tag such as `ghcr.io/coder/coder`")
    )]
    pub image: String,

    /// How many servers there are. More than one needs a Premium licence.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 20))]
    pub replicas: u16,

    /// What each server has: its requests, and its limits.
    #[serde(default)]
    pub resources: Resources,

    /// The node group that it runs on.
    #[serde(default = "control")]
    pub node_group: String,

    /// The namespace that it runs in.
    #[serde(default = "coder")]
    #[schemars(
        length(max = 63),
        regex(pattern = NAMESPACE),
        extend("x-expected" = "a namespace: lower-case letters, digits and dashes")
    )]
    pub namespace: String,

    /// The namespace that workspaces run in.
    #[serde(default = "workspaces")]
    #[schemars(
        length(max = 63),
        regex(pattern = NAMESPACE),
        extend("x-expected" = "a namespace: lower-case letters, digits and dashes")
    )]
    pub workspace_namespace: String,

    /// What one workspace is reckoned with when `max_workspaces` is held against the nodes.
    /// Templates should ask for as much.
    #[serde(default = "workspace")]
    pub workspace_resources: Resources,

    /// How many builds of workspaces the server runs at once by itself.
    #[serde(default = "builds")]
    #[schemars(range(max = 100))]
    pub provisioner_daemons: u16,

    /// The first user, who owns the deployment. It exists before anybody can reach Coder.
    pub owner: Owner,

    /// The licence. Without one, Coder runs with one server and without Premium features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<SecretRef>,

    /// Sign in with an OpenID Connect provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc: Option<Oidc>,

    /// Sign in with GitHub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub github: Option<Github>,

    /// Whether usage statistics go to Coder's makers.
    #[serde(default)]
    pub telemetry: bool,

    /// Whether metrics are served for Prometheus, on port 2112.
    #[serde(default = "on")]
    pub prometheus: bool,

    /// Other settings of the server, by their environment variable. None that follows from other
    /// keys of the spec, and none that is a secret.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = variables)]
    pub settings: ByName<String>,
}

/// Processors and memory, as Kubernetes writes them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Processors: `2`, `500m`.
    #[serde(default = "cpu")]
    #[schemars(
        regex(pattern = "^[1-9][0-9]*m?$"),
        extend("x-expected" = "processors such as `2` or `500m`")
    )]
    pub cpu: String,

    /// Memory: `4Gi`.
    #[serde(default = "memory")]
    #[schemars(
        regex(pattern = "^[1-9][0-9]*(Mi|Gi)$"),
        extend("x-expected" = "memory such as `4Gi`")
    )]
    pub memory: String,
}

impl Default for Resources {
    fn default() -> Self {
        Resources { cpu: cpu(), memory: memory() }
    }
}

/// The first user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// The address.
    #[schemars(
        length(max = 254),
        regex(pattern = r"^[^@\s]+@[^@\s]+\.[^@\s]+$"),
        extend("x-expected" = "an e-mail address")
    )]
    pub email: String,

    /// The name to sign in by.
    #[serde(default = "admin")]
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = "^[a-zA-Z0-9]+(-[a-zA-Z0-9]+)*$"),
        extend("x-expected" = "letters and digits, with single dashes between them")
    )]
    pub username: String,

    /// The full name.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub name: String,

    /// Where the password is. It is read when the user is made, and whenever the token with which
    /// `coderctl` asks Coder has to be made anew. If this is left open, a password is made and kept
    /// in Secrets Manager, and `coderctl outputs` says under which ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretRef>,
}

/// Sign in with an OpenID Connect provider. Its callback is
/// `https://<host>/api/v2/users/oidc/callback`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider.
    #[schemars(
        regex(pattern = "^https://[^ ]+$"),
        extend("x-expected" = "an address that begins with https://")
    )]
    pub issuer_url: String,

    /// The client's id at the provider.
    #[schemars(length(min = 1))]
    pub client_id: String,

    /// The client's secret at the provider.
    pub client_secret: SecretRef,

    /// Whose addresses may sign in. Everybody's that the provider knows, if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub email_domains: Vec<String>,

    /// What is asked of the provider.
    #[serde(default = "scopes")]
    #[schemars(length(min = 1))]
    pub scopes: Vec<String>,

    /// Whether who signs in for the first time gets an account.
    #[serde(default = "on")]
    pub allow_signups: bool,
}

/// Sign in with GitHub. Its callback is `https://<host>/api/v2/users/oauth2/github/callback`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Github {
    /// The OAuth app's client id.
    #[schemars(length(min = 1))]
    pub client_id: String,

    /// The OAuth app's client secret.
    pub client_secret: SecretRef,

    /// Members of these organisations may sign in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_organizations: Vec<String>,

    /// Everybody with a GitHub account may sign in, instead of the members of organisations.
    #[serde(default)]
    pub allow_everyone: bool,

    /// Whether who signs in for the first time gets an account.
    #[serde(default = "on")]
    pub allow_signups: bool,
}

const NAMESPACE: &str = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$";

fn version() -> String {
    "2.36.5".to_owned()
}

fn image() -> String {
    "ghcr.io/coder/coder".to_owned()
}

fn one() -> u16 {
    1
}

fn builds() -> u16 {
    3
}

fn control() -> String {
    "control".to_owned()
}

fn coder() -> String {
    "coder".to_owned()
}

fn workspaces() -> String {
    "coder-ws".to_owned()
}

fn admin() -> String {
    "admin".to_owned()
}

fn cpu() -> String {
    "2".to_owned()
}

fn workspace() -> Resources {
    Resources { cpu: "1".to_owned(), memory: "4Gi".to_owned() }
}

fn memory() -> String {
    "4Gi".to_owned()
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn variables(schema: &mut schemars::Schema) {
    schema.insert(
        "propertyNames".to_owned(),
        serde_json::json!({
            "pattern": "^CODER_[A-Z0-9_]+$",
            "x-expected": "a variable of the server such as `CODER_SESSION_DURATION`",
        }),
    );
}
