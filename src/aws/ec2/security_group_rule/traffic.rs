//! What a rule lets through, and from where.

use crate::aws::ec2::security_group::SecurityGroup;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroupRule as Ec2Rule,
    SecurityGroupRuleRequest, UserIdGroupPair,
};
use ipnet::IpNet;
use serde::{Serialize, Serializer};
use std::fmt;

/// Whether a rule lets in or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Into what has the group.
    Ingress,
    /// Out of it.
    Egress,
}

impl Direction {
    /// What stands before the peer: `from`, `to`.
    pub(super) fn preposition(self) -> &'static str {
        match self {
            Direction::Ingress => "from",
            Direction::Egress => "to",
        }
    }
}

/// A protocol, and its ports where it has some. Shown as `tcp 443`, `udp 3478-3480`, `all`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, a protocol's number, or `-1` for all.
    pub protocol: String,
    /// The first port, or the ICMP type; -1 for all.
    pub from: i32,
    /// The last port, or the ICMP code; -1 for all.
    pub to: i32,
}

impl Traffic {
    /// All of it.
    pub fn all() -> Self {
        Traffic { protocol: "-1".to_owned(), from: -1, to: -1 }
    }

    /// TCP to one port.
    pub fn tcp(port: u16) -> Self {
        Traffic::tcp_range(port, port)
    }

    /// TCP to several ports.
    pub fn tcp_range(from: u16, to: u16) -> Self {
        Traffic { protocol: "tcp".to_owned(), from: i32::from(from), to: i32::from(to) }
    }

    /// UDP to one port.
    pub fn udp(port: u16) -> Self {
        Traffic::udp_range(port, port)
    }

    /// UDP to several ports.
    pub fn udp_range(from: u16, to: u16) -> Self {
        Traffic { protocol: "udp".to_owned(), from: i32::from(from), to: i32::from(to) }
    }

    /// What a live rule lets through.
    pub(super) fn of(rule: &Ec2Rule) -> Self {
        Traffic {
            protocol: rule.ip_protocol().unwrap_or("-1").to_owned(),
            from: rule.from_port().unwrap_or(-1),
            to: rule.to_port().unwrap_or(-1),
        }
        .canonical()
    }

    /// As AWS gives it back: the common protocols by name, and no ports where they mean nothing.
    pub(super) fn canonical(&self) -> Self {
        let protocol = match self.protocol.to_ascii_lowercase().as_str() {
            "6" => "tcp".to_owned(),
            "17" => "udp".to_owned(),
            "1" => "icmp".to_owned(),
            "58" => "icmpv6".to_owned(),
            "all" => "-1".to_owned(),
            other => other.to_owned(),
        };
        let has_ports = matches!(protocol.as_str(), "tcp" | "udp" | "icmp" | "icmpv6");
        let (from, to) = if has_ports { (self.from, self.to) } else { (-1, -1) };
        Traffic { protocol, from, to }
    }
}

impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Traffic { protocol, from, to } = self;
        match (protocol.as_str(), *from, *to) {
            ("-1", _, _) => f.write_str("all"),
            (protocol, -1, -1) => f.write_str(protocol),
            (protocol, from, to) if from == to => write!(f, "{protocol} {from}"),
            (protocol, from, to) => write!(f, "{protocol} {from}-{to}"),
        }
    }
}

impl Serialize for Traffic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The other side of a rule.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Peer {
    /// A range of addresses, IPv4 or IPv6: `10.0.0.0/16`.
    Range(String),
    /// One IPv4 address that another resource tells.
    Address(In<String>),
    /// What has another security group.
    Group(In<Id<SecurityGroup>>),
    /// What has the rule's own group.
    Itself,
    /// The ranges of a prefix list, `pl-…`.
    PrefixList(String),
}

/// What a peer's text is; a rule can not change from one to another.
#[derive(PartialEq)]
enum Form {
    Ipv4,
    Ipv6,
    Group,
    PrefixList,
}

impl Form {
    fn of(peer: &str) -> Form {
        match peer {
            peer if peer.starts_with("pl-") => Form::PrefixList,
            peer if peer.contains(':') => Form::Ipv6,
            peer if peer.contains('/') => Form::Ipv4,
            _ => Form::Group,
        }
    }
}

impl Peer {
    /// As AWS gives it back: an id, or a range without the bits behind its length.
    pub(super) fn in_text(&self, own: &In<Id<SecurityGroup>>) -> In<String> {
        match self {
            Peer::Range(range) => In::Literal(canonical_range(range)),
            Peer::Address(address) => address.clone().map(|address| format!("{address}/32")),
            Peer::PrefixList(id) => In::Literal(id.clone()),
            Peer::Group(group) => group.clone().map(|group| group.to_string()),
            Peer::Itself => own.clone().map(|group| group.to_string()),
        }
    }

    /// Whether a rule with the peer `live` can be changed to this one.
    pub(super) fn is_like(&self, live: &str) -> bool {
        let form = match self {
            Peer::Range(range) => Form::of(&canonical_range(range)),
            Peer::Address(_) => Form::Ipv4,
            Peer::PrefixList(_) => Form::PrefixList,
            Peer::Group(_) | Peer::Itself => Form::Group,
        };
        form == Form::of(live)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Peer::Range(range) => f.write_str(range),
            Peer::Address(In::Literal(address)) => write!(f, "{address}/32"),
            Peer::Address(In::Output(_)) => f.write_str("an address of ours"),
            Peer::PrefixList(id) => f.write_str(id),
            Peer::Group(In::Literal(id)) => write!(f, "{id}"),
            Peer::Group(In::Output(_)) => f.write_str("another group"),
            Peer::Itself => f.write_str("itself"),
        }
    }
}

fn canonical_range(range: &str) -> String {
    range.parse::<IpNet>().map_or_else(|_| range.to_owned(), |range| range.trunc().to_string())
}

/// A rule as the authorize calls take it.
pub(super) fn permission(traffic: &Traffic, peer: &str, description: &str) -> IpPermission {
    let Traffic { protocol, from, to } = traffic.canonical();
    let description = Some(description.to_owned()).filter(|text| !text.is_empty());
    let all = protocol == "-1";
    let rule = IpPermission::builder()
        .ip_protocol(protocol)
        .set_from_port((!all).then_some(from))
        .set_to_port((!all).then_some(to));
    match Form::of(peer) {
        Form::Ipv4 => {
            rule.ip_ranges(IpRange::builder().cidr_ip(peer).set_description(description).build())
        }
        Form::Ipv6 => rule
            .ipv6_ranges(Ipv6Range::builder().cidr_ipv6(peer).set_description(description).build()),
        Form::Group => rule.user_id_group_pairs(
            UserIdGroupPair::builder().group_id(peer).set_description(description).build(),
        ),
        Form::PrefixList => rule.prefix_list_ids(
            PrefixListId::builder().prefix_list_id(peer).set_description(description).build(),
        ),
    }
    .build()
}

/// A rule as `ModifySecurityGroupRules` takes it.
pub(super) fn request(
    traffic: &Traffic,
    peer: &str,
    description: &str,
) -> SecurityGroupRuleRequest {
    let Traffic { protocol, from, to } = traffic.canonical();
    let rule = SecurityGroupRuleRequest::builder()
        .ip_protocol(protocol)
        .from_port(from)
        .to_port(to)
        .set_description(Some(description.to_owned()).filter(|text| !text.is_empty()));
    match Form::of(peer) {
        Form::Ipv4 => rule.cidr_ipv4(peer),
        Form::Ipv6 => rule.cidr_ipv6(peer),
        Form::Group => rule.referenced_group_id(peer),
        Form::PrefixList => rule.prefix_list_id(peer),
    }
    .build()
}
