//! Security groups and their rules.

use super::by_name::ByName;
use crate::spec::schema::named;
use ipnet::{Ipv4Net, Ipv6Net};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A security group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroup {
    /// What it is for. AWS cannot change it later: a new text makes a new group.
    #[serde(default = "group_description")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = RULE_TEXT),
        extend("x-expected" = "letters, digits, spaces and `._-:/()#,@[]+=&;{}!$*`")
    )]
    pub description: String,

    /// What may come in.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub ingress: ByName<Rule>,

    /// What may go out.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    #[schemars(transform = named)]
    pub egress: ByName<Rule>,
}

/// One rule of a security group: a protocol, its ports and exactly one peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The protocol.
    #[serde(default)]
    pub protocol: Protocol,

    /// The one port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 65535))]
    pub port: Option<u16>,

    /// The first port; of ICMP, the type, or -1 for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 65535))]
    pub from_port: Option<i32>,

    /// The last port; of ICMP, the code, or -1 for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1, max = 65535))]
    pub to_port: Option<i32>,

    /// The peer: an IPv4 range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Ipv4Net>,

    /// The peer: an IPv6 range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_cidr: Option<Ipv6Net>,

    /// The peer: another of this spec's security groups, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_group: Option<String>,

    /// The peer: the members of this group itself.
    #[serde(default, rename = "self")]
    pub itself: bool,

    /// What it is for.
    #[serde(default)]
    #[schemars(
        length(max = 255),
        regex(pattern = RULE_TEXT),
        extend("x-expected" = "letters, digits, spaces and `._-:/()#,@[]+=&;{}!$*`")
    )]
    pub description: String,
}

/// The other side of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer<'a> {
    /// An IPv4 range.
    Ipv4(Ipv4Net),
    /// An IPv6 range.
    Ipv6(Ipv6Net),
    /// A security group of this spec.
    SecurityGroup(&'a str),
    /// The members of the rule's own group.
    Itself,
}

impl Rule {
    /// All peers that are given; a checked spec has exactly one.
    pub fn peers(&self) -> Vec<Peer<'_>> {
        let mut peers = Vec::new();
        peers.extend(self.cidr.map(Peer::Ipv4));
        peers.extend(self.ipv6_cidr.map(Peer::Ipv6));
        peers.extend(self.security_group.as_deref().map(Peer::SecurityGroup));
        peers.extend(self.itself.then_some(Peer::Itself));
        peers
    }

    /// The peer.
    pub fn peer(&self) -> Option<Peer<'_>> {
        self.peers().first().copied()
    }

    /// The first and last port as EC2 takes them; -1 and -1 for all.
    pub fn ports(&self) -> (i32, i32) {
        match (self.protocol, self.port, self.from_port, self.to_port) {
            (Protocol::All, ..) => (-1, -1),
            (_, Some(port), ..) => (i32::from(port), i32::from(port)),
            (_, None, Some(from), Some(to)) => (from, to),
            (Protocol::Icmp | Protocol::Icmpv6, None, from, to) => {
                (from.unwrap_or(-1), to.unwrap_or(-1))
            }
            (_, None, Some(only), None) | (_, None, None, Some(only)) => (only, only),
            (_, None, None, None) => (0, 65535),
        }
    }
}

/// An IP protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// ICMP for IPv4.
    Icmp,
    /// ICMP for IPv6.
    Icmpv6,
    /// Every protocol and port.
    All,
}

impl Protocol {
    /// As EC2 takes it: `tcp`, or `-1` for all.
    pub fn as_ec2(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmp => "icmp",
            Protocol::Icmpv6 => "icmpv6",
            Protocol::All => "-1",
        }
    }
}

/// EC2's rule for descriptions of security groups and of their rules.
const RULE_TEXT: &str = r"^[a-zA-Z0-9. _:/()#,@\[\]+=&;{}!$*-]*$";

fn group_description() -> String {
    "Managed by coderctl".to_owned()
}
