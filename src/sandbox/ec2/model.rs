//! What a region's network is made of; what runs in it is in `compute.rs`.

use super::compute::{Instance, LaunchTemplate, Volume};
use crate::sandbox::store::Millis;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

/// Keys and values.
pub(crate) type Tags = BTreeMap<String, String>;

/// All of EC2 in one region, by id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ec2 {
    pub(crate) vpcs: BTreeMap<String, Vpc>,
    pub(crate) subnets: BTreeMap<String, Subnet>,
    pub(crate) internet_gateways: BTreeMap<String, InternetGateway>,
    pub(crate) addresses: BTreeMap<String, Address>,
    pub(crate) nat_gateways: BTreeMap<String, NatGateway>,
    pub(crate) route_tables: BTreeMap<String, RouteTable>,
    pub(crate) security_groups: BTreeMap<String, SecurityGroup>,
    pub(crate) security_group_rules: BTreeMap<String, SecurityGroupRule>,
    pub(crate) vpc_endpoints: BTreeMap<String, VpcEndpoint>,
    pub(crate) flow_logs: BTreeMap<String, FlowLog>,
    pub(crate) network_interfaces: BTreeMap<String, NetworkInterface>,
    pub(crate) launch_templates: BTreeMap<String, LaunchTemplate>,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) volumes: BTreeMap<String, Volume>,
    /// Client tokens, by operation and token.
    pub(crate) tokens: BTreeMap<String, Token>,
}

impl Ec2 {
    /// Nothing at all.
    pub(crate) const fn empty() -> Self {
        Ec2 {
            vpcs: BTreeMap::new(),
            subnets: BTreeMap::new(),
            internet_gateways: BTreeMap::new(),
            addresses: BTreeMap::new(),
            nat_gateways: BTreeMap::new(),
            route_tables: BTreeMap::new(),
            security_groups: BTreeMap::new(),
            security_group_rules: BTreeMap::new(),
            vpc_endpoints: BTreeMap::new(),
            flow_logs: BTreeMap::new(),
            network_interfaces: BTreeMap::new(),
            launch_templates: BTreeMap::new(),
            instances: BTreeMap::new(),
            volumes: BTreeMap::new(),
            tokens: BTreeMap::new(),
        }
    }
}

/// What a client token once made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Token {
    /// Digest of the request's other parameters.
    pub(crate) request: u64,
    /// The answer of then.
    pub(crate) answer: serde_json::Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Vpc {
    pub(crate) id: String,
    pub(crate) cidr: Ipv4Net,
    pub(crate) association: String,
    pub(crate) tenancy: String,
    pub(crate) dns_support: bool,
    pub(crate) dns_hostnames: bool,
    pub(crate) address_usage_metrics: bool,
    pub(crate) is_default: bool,
    pub(crate) available: Millis,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) cidr: Ipv4Net,
    pub(crate) zone: String,
    pub(crate) is_default: bool,
    pub(crate) map_public_ip: bool,
    pub(crate) dns64: bool,
    pub(crate) hostname_type: String,
    pub(crate) dns_a_record: bool,
    pub(crate) dns_aaaa_record: bool,
    pub(crate) available: Millis,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InternetGateway {
    pub(crate) id: String,
    pub(crate) vpc: Option<String>,
    pub(crate) tags: Tags,
}

/// An Elastic IP address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Address {
    pub(crate) id: String,
    pub(crate) public_ip: Ipv4Addr,
    pub(crate) border_group: String,
    /// The network interface that has it.
    pub(crate) association: Option<Association>,
    pub(crate) tags: Tags,
}

/// An Elastic IP address on a network interface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Association {
    pub(crate) id: String,
    pub(crate) interface: String,
    pub(crate) private_ip: Ipv4Addr,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NatGateway {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) public: bool,
    pub(crate) addresses: Vec<NatAddress>,
    pub(crate) created: Millis,
    /// When `pending` ends.
    pub(crate) decided: Millis,
    /// Why `pending` ends in `failed`.
    pub(crate) failure: Option<(String, String)>,
    /// When it was deleted, and when `deleting` ends.
    pub(crate) deleted: Option<(Millis, Millis)>,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NatAddress {
    pub(crate) allocation: Option<String>,
    pub(crate) association: Option<String>,
    pub(crate) interface: String,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) public_ip: Option<Ipv4Addr>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteTable {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) routes: Vec<Route>,
    pub(crate) associations: Vec<RouteTableAssociation>,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    pub(crate) destination: Destination,
    pub(crate) target: Target,
    pub(crate) origin: Origin,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Destination {
    Ipv4(Ipv4Net),
    Ipv6(ipnet::Ipv6Net),
    PrefixList(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Target {
    Local,
    InternetGateway(String),
    NatGateway(String),
    NetworkInterface(String),
    VpcEndpoint(String),
    /// Something that the sandbox has no kind for; taken as it is.
    Other {
        /// The element in answers: `transitGatewayId`.
        element: String,
        id: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Origin {
    CreateRouteTable,
    CreateRoute,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RouteTableAssociation {
    pub(crate) id: String,
    /// `None` for the association that makes the table the VPC's main one.
    pub(crate) subnet: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc: String,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SecurityGroupRule {
    pub(crate) id: String,
    pub(crate) group: String,
    pub(crate) egress: bool,
    pub(crate) traffic: Traffic,
    pub(crate) description: Option<String>,
    pub(crate) tags: Tags,
}

/// What a security group rule lets through. Two rules with the same are duplicates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Traffic {
    pub(crate) protocol: String,
    pub(crate) from: Option<i64>,
    pub(crate) to: Option<i64>,
    pub(crate) peer: Peer,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Peer {
    Ipv4(Ipv4Net),
    Ipv6(ipnet::Ipv6Net),
    PrefixList(String),
    Group(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VpcEndpoint {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) service: String,
    pub(crate) interface: bool,
    pub(crate) policy: String,
    pub(crate) route_tables: Vec<String>,
    pub(crate) subnets: Vec<String>,
    pub(crate) groups: Vec<String>,
    /// By subnet.
    pub(crate) network_interfaces: BTreeMap<String, String>,
    pub(crate) private_dns: bool,
    pub(crate) address_type: String,
    pub(crate) dns_record_type: String,
    pub(crate) created: Millis,
    pub(crate) available: Millis,
    /// When `deleting` ends and it is gone.
    pub(crate) gone: Option<Millis>,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FlowLog {
    pub(crate) id: String,
    pub(crate) resource: String,
    pub(crate) traffic: Option<String>,
    pub(crate) destination_type: String,
    pub(crate) destination: Option<String>,
    pub(crate) log_group: Option<String>,
    pub(crate) role: Option<String>,
    pub(crate) format: String,
    pub(crate) aggregation: i64,
    /// File format, Hive-compatible partitions, a partition per hour.
    pub(crate) options: Option<(String, bool, bool)>,
    pub(crate) created: Millis,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NetworkInterface {
    pub(crate) id: String,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) zone: String,
    pub(crate) groups: Vec<String>,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) description: String,
    /// `nat_gateway`, `vpc_endpoint`, `interface`.
    pub(crate) interface_type: String,
    /// The service that made it, if a service did.
    pub(crate) requester: Option<String>,
    /// What it belongs to: it goes with it.
    pub(crate) owner: Option<String>,
    pub(crate) created: Millis,
    pub(crate) tags: Tags,
}
