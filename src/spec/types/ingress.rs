//! How users reach Coder: the load balancer, the certificate, the names.

use super::on;
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The network load balancer in front of Coder. It ends TLS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ingress {
    /// From where it is reached. It cannot change.
    #[serde(default)]
    pub scheme: Scheme,

    /// The tier whose subnets hold it.
    #[serde(default = "public")]
    pub tier: String,

    /// From which ranges users reach it. Workspaces call Coder by the same name, and are let in
    /// besides: from the addresses of the NAT gateways or, to an internal one, from the VPC.
    #[serde(default = "anywhere")]
    #[schemars(length(min = 1, max = 50))]
    pub allowed_cidrs: Vec<Ipv4Net>,

    /// Which versions and ciphers of TLS it speaks: one of
    /// `aws elbv2 describe-ssl-policies --load-balancer-type network`.
    #[serde(default = "ssl_policy")]
    #[schemars(
        regex(pattern = "^ELBSecurityPolicy-[A-Za-z0-9-]+$"),
        extend("x-expected" = "a security policy such as `ELBSecurityPolicy-TLS13-1-2-2021-06`")
    )]
    pub ssl_policy: String,

    /// Whether it sends to nodes in every zone, wherever a connection comes in.
    #[serde(default = "on")]
    pub cross_zone: bool,

    /// Whether AWS refuses to delete it. A destroy, and `--allow-delete`, turn it off first.
    #[serde(default)]
    pub deletion_protection: bool,

    /// The port of every node that leads to Coder.
    #[serde(default = "node_port")]
    #[schemars(range(min = 30000, max = 32767))]
    pub node_port: u16,

    /// For how many seconds connections are still served after a node has left.
    #[serde(default = "deregistration_delay_seconds")]
    #[schemars(range(max = 600))]
    pub deregistration_delay_seconds: u16,
}

impl Default for Ingress {
    fn default() -> Self {
        Ingress {
            scheme: Scheme::default(),
            tier: public(),
            allowed_cidrs: anywhere(),
            ssl_policy: ssl_policy(),
            cross_zone: true,
            deletion_protection: false,
            node_port: node_port(),
            deregistration_delay_seconds: deregistration_delay_seconds(),
        }
    }
}

/// From where a load balancer is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// From the internet.
    #[default]
    InternetFacing,
    /// From the VPC and what is connected to it.
    Internal,
}

/// The names that users call Coder by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dns {
    /// The domain below which Coder stands. Route 53 must have a hosted zone for it or for a
    /// domain above it, and the internet must be sent there.
    #[schemars(
        length(min = 3, max = 200),
        regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$"),
        extend("x-expected" = "a domain such as `example.com`")
    )]
    pub base_domain: String,

    /// Coder is `<subdomain>.<base_domain>`, and the apps of workspaces are below that.
    #[serde(default = "subdomain")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"),
        extend("x-expected" = "one label of a name: lower-case letters, digits and dashes")
    )]
    pub subdomain: String,

    /// The hosted zone, where more than one fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = "^Z[A-Z0-9]{1,31}$"),
        extend("x-expected" = "a hosted zone's id such as `Z0123456789ABCDEFGHIJ`")
    )]
    pub zone_id: Option<String>,

    /// Whether apps of workspaces have names of their own: `*.<subdomain>.<base_domain>`.
    #[serde(default = "on")]
    pub wildcard: bool,

    /// A certificate that exists, instead of one that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        regex(pattern = r"^arn:aws(-us-gov|-cn)?:acm:[a-z0-9-]+:[0-9]{12}:certificate/[0-9a-f-]+$"),
        extend("x-expected" = "the ARN of a certificate in ACM")
    )]
    pub certificate_arn: Option<String>,
}

impl Dns {
    /// The name of Coder: `coder.example.com`.
    pub fn host(&self) -> String {
        format!("{}.{}", self.subdomain, self.base_domain)
    }

    /// `*.coder.example.com`, if apps have names of their own.
    pub fn wildcard_host(&self) -> Option<String> {
        self.wildcard.then(|| format!("*.{}", self.host()))
    }
}

fn public() -> String {
    "public".to_owned()
}

fn anywhere() -> Vec<Ipv4Net> {
    vec![Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)]
}

fn ssl_policy() -> String {
    "ELBSecurityPolicy-TLS13-1-2-2021-06".to_owned()
}

fn node_port() -> u16 {
    30080
}

fn deregistration_delay_seconds() -> u16 {
    30
}

fn subdomain() -> String {
    "coder".to_owned()
}
