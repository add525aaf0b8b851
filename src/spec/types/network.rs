//! The VPC and what is in it.

use super::access::PolicyDocument;
use super::by_name::ByName;
use super::logs::RetentionDays;
use super::on;
use super::security_group::SecurityGroup;
use crate::name::Region;
use crate::spec::schema::{items_are, named};
use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::Ipv4Addr;

/// The VPC and what is in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The VPC's IPv4 range, /16 to /28.
    #[serde(default = "vpc_cidr")]
    pub vpc_cidr: Ipv4Net,

    /// How many availability zones to use, if they are not named by `azs`; which ones is chosen
    /// when the network is made. The default is 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 6))]
    pub az_count: Option<u8>,

    /// The availability zones to use. Add new ones at the end: a zone's place in this list
    /// decides its subnets' ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 6),
        inner(regex(pattern = "^[a-z]{2}(-gov)?-[a-z]+-[0-9]{1,2}[a-z]$")),
        transform = items_are("an availability zone such as `us-east-1a`")
    )]
    pub azs: Option<Vec<String>>,

    /// How many zones the address plan has room for. The VPC's range is cut into so many equal
    /// blocks (rounded up to a power of two), one a zone. Changing it moves every subnet that
    /// has no `cidrs` of its own.
    #[serde(default = "max_azs")]
    #[schemars(range(min = 1, max = 8))]
    pub max_azs: u8,

    /// The kinds of subnets, each in every zone. Add new ones at the end: what stands before
    /// keeps its ranges.
    #[serde(default = "five_tiers")]
    #[schemars(transform = named)]
    pub tiers: ByName<Tier>,

    /// The way out of private subnets.
    #[serde(default)]
    pub nat: Nat,

    /// Whether the `endpoints` are made.
    #[serde(default = "on")]
    pub enable_vpc_endpoints: bool,

    /// VPC endpoints by service: `s3`, `ecr.api`, or the full name
    /// `com.amazonaws.us-east-1.s3`.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = services)]
    pub endpoints: ByName<Endpoint>,

    /// The record of what flows in the VPC, in CloudWatch Logs.
    #[serde(default)]
    pub flow_logs: FlowLogs,

    /// Security groups.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub security_groups: ByName<SecurityGroup>,

    /// What becomes of the VPC's default security group.
    #[serde(default)]
    pub default_security_group: DefaultSecurityGroup,
}

/// What a spec says of zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zones<'a> {
    /// So many, to be chosen when the network is made.
    Count(u8),
    /// These, in this order.
    Named(&'a [String]),
}

impl Zones<'_> {
    /// How many.
    pub fn count(self) -> usize {
        match self {
            Zones::Count(count) => usize::from(count),
            Zones::Named(names) => names.len(),
        }
    }
}

impl Network {
    /// The zones that the spec asks for.
    pub fn zones(&self) -> Zones<'_> {
        match &self.azs {
            Some(names) => Zones::Named(names),
            None => Zones::Count(self.az_count.unwrap_or(3)),
        }
    }

    /// Whether any tier leaves through NAT: without one, no gateway is made.
    pub fn uses_nat(&self) -> bool {
        self.nat.mode != NatMode::None
            && self.tiers.iter().any(|(_, tier)| tier.egress() == Egress::Nat)
    }
}

/// Subnets of one purpose, one in every zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Whether its subnets are reachable from the internet, and instances get public addresses.
    #[serde(default)]
    pub public: bool,

    /// The size of each subnet: 24 is 256 addresses, of which AWS keeps five.
    #[schemars(range(min = 16, max = 28))]
    pub prefix_length: u8,

    /// The range of the subnet in each zone, by the zone's letter, instead of one from the
    /// address plan. The plan still keeps the tier's place free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(transform = letters)]
    pub cidrs: Option<ByName<Ipv4Net>>,

    /// The way out. The default is `internet` for a public tier and `nat` for any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,
}

impl Tier {
    /// The way out, with the default filled in.
    pub fn egress(&self) -> Egress {
        self.egress.unwrap_or(if self.public { Egress::Internet } else { Egress::Nat })
    }
}

/// How traffic leaves a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Egress {
    /// Through the internet gateway, from public addresses.
    Internet,
    /// Through a NAT gateway.
    Nat,
    /// Not at all: only within the VPC and to its endpoints.
    None,
}

/// The way out of private subnets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nat {
    /// How many NAT gateways there are.
    #[serde(default)]
    pub mode: NatMode,
}

/// How many NAT gateways there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NatMode {
    /// One in every zone: a zone's failure leaves the others their way out.
    #[default]
    PerAz,
    /// One for all zones, in the first: cheaper.
    Single,
    /// None.
    None,
}

/// A VPC endpoint: a way to an AWS service that does not leave the VPC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    /// How it is built.
    #[serde(default, rename = "type")]
    pub kind: EndpointType,

    /// Whether the service's public names resolve to an interface endpoint.
    #[serde(default = "on")]
    pub private_dns: bool,

    /// The tier whose subnets hold an interface endpoint. It is paid for in each zone, and one
    /// tier serves the whole VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,

    /// What may be done through it. Without one, everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyDocument>,
}

/// `ecr.api`, however the service is written; nothing if it is in another region.
pub fn short_service_name<'a>(service: &'a str, region: &Region) -> Option<&'a str> {
    let full = service.strip_prefix("cn.").unwrap_or(service).strip_prefix("com.amazonaws.");
    match full {
        Some(rest) => rest.strip_prefix(region.as_str())?.strip_prefix('.'),
        None => Some(service),
    }
}

/// How a VPC endpoint is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointType {
    /// A route; free, and there for `s3` and `dynamodb` only.
    Gateway,
    /// A network interface in every zone.
    #[default]
    Interface,
}

/// VPC flow logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowLogs {
    /// Whether there are any.
    #[serde(default = "on")]
    pub enabled: bool,

    /// What is recorded.
    #[serde(default)]
    pub traffic_type: TrafficType,

    /// The log group's name. The default is `/<project_name>/<environment>/vpc-flow-logs`, and
    /// `/<name>/vpc-flow-logs` for a deployment with a `name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = super::logs::LOG_GROUP_NAME),
        extend("x-expected" = "a log group's name: letters, digits and `._-/#`")
    )]
    pub log_group_name: Option<String>,

    /// For how many days records are kept.
    #[serde(default)]
    pub retention_days: RetentionDays,

    /// Over how many seconds packets are summed up: 60 or 600.
    #[serde(default = "aggregation_seconds")]
    #[schemars(extend("enum" = [60, 600]))]
    pub aggregation_seconds: u16,

    /// Whether the log group is encrypted by a KMS key of its own.
    #[serde(default)]
    pub encrypted: bool,
}

impl Default for FlowLogs {
    fn default() -> Self {
        FlowLogs {
            enabled: true,
            traffic_type: TrafficType::default(),
            log_group_name: None,
            retention_days: RetentionDays::default(),
            aggregation_seconds: aggregation_seconds(),
            encrypted: false,
        }
    }
}

/// Which traffic flow logs record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrafficType {
    /// Everything.
    #[default]
    All,
    /// What was let through.
    Accept,
    /// What was refused.
    Reject,
}

/// What becomes of the VPC's default security group, which lets its members talk to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DefaultSecurityGroup {
    /// All its rules are removed.
    #[default]
    Closed,
    /// It is left as it is.
    Leave,
}

fn vpc_cidr() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 16)
}

fn max_azs() -> u8 {
    4
}

fn aggregation_seconds() -> u16 {
    600
}

/// The tiers of the SR-HA architecture. In a zone's quarter of a /16 they leave 2816 addresses
/// for more.
fn five_tiers() -> ByName<Tier> {
    let tier = |prefix_length, egress| Tier {
        public: egress == Egress::Internet,
        prefix_length,
        cidrs: None,
        egress: Some(egress),
    };
    [
        ("public", tier(22, Egress::Internet)),
        ("control", tier(21, Egress::Nat)),
        ("provisioner", tier(21, Egress::Nat)),
        ("workspace", tier(19, Egress::Nat)),
        ("database", tier(24, Egress::None)),
    ]
    .into_iter()
    .map(|(name, tier)| (name.to_owned(), tier))
    .collect()
}

fn letters(schema: &mut schemars::Schema) {
    let expected = "a zone's letter: `a` for us-east-1a";
    let names = serde_json::json!({ "pattern": "^[a-z]$", "x-expected": expected });
    schema.insert("propertyNames".to_owned(), names);
}

fn services(schema: &mut schemars::Schema) {
    let names = serde_json::json!({
        "pattern": "^[a-z][a-z0-9.-]*$",
        "maxLength": 100,
        "x-expected": "a service's name such as `s3` or `ecr.api`",
    });
    schema.insert("propertyNames".to_owned(), names);
}
