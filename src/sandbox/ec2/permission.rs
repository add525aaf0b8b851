//! Reads security group rules from requests, and brings them into the one form in which AWS keeps
//! them: protocol names in lower case, blocks without host bits, no ports where there are none.

use super::model::{Peer, SecurityGroup, Traffic};
use super::prefix_list;
use super::resource::find;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::View;
use crate::sandbox::wire::params::Params;
use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::Value;

/// Traffic and its description.
type Permission = (Traffic, Option<String>);

/// The rules in `IpPermissions`, or in the older flat parameters.
pub(super) fn read(
    view: &View<'_>,
    params: &Params,
    group: &SecurityGroup,
) -> Result<Vec<Permission>, Failure> {
    let mut found = Vec::new();
    for permission in params.list("IpPermissions") {
        let (protocol, from, to) = service(permission)?;
        let mut add = |peer: Peer, description: Option<String>| {
            let traffic = Traffic { protocol: protocol.clone(), from, to, peer };
            found.push((traffic, description));
        };
        let before = members(permission, "IpRanges").len()
            + members(permission, "Ipv6Ranges").len()
            + members(permission, "PrefixListIds").len()
            + members(permission, "UserIdGroupPairs").len();
        if before == 0 {
            let message = "An IP permission needs at least one source or destination";
            return Err(Failure::new("MissingParameter", message));
        }
        for range in members(permission, "IpRanges") {
            add(ipv4(text(range, "CidrIp").unwrap_or_default())?, described(range)?);
        }
        for range in members(permission, "Ipv6Ranges") {
            add(ipv6(text(range, "CidrIpv6").unwrap_or_default())?, described(range)?);
        }
        for list in members(permission, "PrefixListIds") {
            let id = text(list, "PrefixListId").unwrap_or_default();
            add(prefix_list_of(view, id)?, described(list)?);
        }
        for pair in members(permission, "UserIdGroupPairs") {
            add(group_of(view, pair, group)?, described(pair)?);
        }
    }
    if let Some(cidr) = params.text("CidrIp") {
        let (protocol, from, to) = service(params.tree())?;
        found.push((Traffic { protocol, from, to, peer: ipv4(cidr)? }, None));
    }
    Ok(found)
}

/// The rule in a `SecurityGroupRuleRequest`.
pub(super) fn read_rule(view: &View<'_>, rule: &Value) -> Result<Permission, Failure> {
    let (protocol, from, to) = service(rule)?;
    let peers = [
        text(rule, "CidrIpv4").map(ipv4),
        text(rule, "CidrIpv6").map(ipv6),
        text(rule, "PrefixListId").map(|id| prefix_list_of(view, id)),
        text(rule, "ReferencedGroupId").map(|id| {
            find::<SecurityGroup>(view.ec2(), id, view.now)
                .map(|group| Peer::Group(group.id.clone()))
        }),
    ];
    let mut peers = peers.into_iter().flatten();
    match (peers.next(), peers.next()) {
        (Some(peer), None) => Ok((Traffic { protocol, from, to, peer: peer? }, described(rule)?)),
        _ => {
            let message = "Exactly one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId must be given";
            Err(Failure::new("InvalidParameterValue", message))
        }
    }
}

fn members<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, member: &str) -> Option<&'a str> {
    value.get(member)?.as_str()
}

fn described(value: &Value) -> Result<Option<String>, Failure> {
    let Some(description) = text(value, "Description") else { return Ok(None) };
    let allowed =
        |letter: char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=;{}!$*".contains(letter);
    if description.chars().count() > 255 || !description.chars().all(allowed) {
        let message = format!(
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{{}}!$* (got {description:?})"
        );
        return Err(Failure::new("InvalidParameterValue", message));
    }
    Ok(Some(description.to_owned()).filter(|description| !description.is_empty()))
}

/// Protocol and ports.
fn service(value: &Value) -> Result<(String, Option<i64>, Option<i64>), Failure> {
    let refused = |message: String| Err(Failure::new("InvalidParameterValue", message));
    let Some(given) = text(value, "IpProtocol") else {
        let message = "The request must contain the parameter IpProtocol";
        return Err(Failure::new("MissingParameter", message));
    };
    let protocol = match given.to_ascii_lowercase().as_str() {
        "-1" | "all" => "-1".to_owned(),
        "tcp" | "6" => "tcp".to_owned(),
        "udp" | "17" => "udp".to_owned(),
        "icmp" | "1" => "icmp".to_owned(),
        "icmpv6" | "58" => "icmpv6".to_owned(),
        other => match other.parse::<u8>() {
            Ok(number) => number.to_string(),
            Err(_) => {
                return refused(format!(
                    "Invalid value '{given}' for IP protocol. Unknown protocol."
                ));
            }
        },
    };
    let (from, to) = (
        value.get("FromPort").and_then(Value::as_i64),
        value.get("ToPort").and_then(Value::as_i64),
    );
    match protocol.as_str() {
        "tcp" | "udp" => match (from, to) {
            (Some(from), Some(to))
                if (0..=65535).contains(&from) && (from..=65535).contains(&to) =>
            {
                Ok((protocol, Some(from), Some(to)))
            }
            (Some(from), Some(to)) => {
                refused(format!("Invalid value '{from}-{to}' for portRange."))
            }
            _ => refused(
                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange."
                    .to_owned(),
            ),
        },
        "icmp" | "icmpv6" => Ok((protocol, Some(from.unwrap_or(-1)), Some(to.unwrap_or(-1)))),
        // All other protocols have no ports, whatever the request says.
        _ => Ok((protocol, None, None)),
    }
}

fn ipv4(text: &str) -> Result<Peer, Failure> {
    text.parse::<Ipv4Net>().map(|cidr| Peer::Ipv4(cidr.trunc())).map_err(|_| malformed(text))
}

fn ipv6(text: &str) -> Result<Peer, Failure> {
    text.parse::<Ipv6Net>().map(|cidr| Peer::Ipv6(cidr.trunc())).map_err(|_| malformed(text))
}

fn malformed(text: &str) -> Failure {
    Failure::new("InvalidParameterValue", format!("CIDR block {text} is malformed"))
}

fn prefix_list_of(view: &View<'_>, id: &str) -> Result<Peer, Failure> {
    if prefix_list::exists(&view.scope.region, id) {
        return Ok(Peer::PrefixList(id.to_owned()));
    }
    let message = format!("The prefix list ID '{id}' does not exist");
    Err(Failure::new("InvalidPrefixListID.NotFound", message))
}

fn group_of(view: &View<'_>, pair: &Value, group: &SecurityGroup) -> Result<Peer, Failure> {
    let owner = text(pair, "UserId").filter(|owner| !owner.is_empty());
    if owner.is_some_and(|owner| owner != view.scope.account) {
        let message = "The sandbox does not model groups of other accounts.";
        return Err(Failure::new("InvalidGroup.NotFound", message));
    }
    let groups = &view.ec2().security_groups;
    let (id, name) = (text(pair, "GroupId"), text(pair, "GroupName"));
    let found = groups.values().find(|other| match (id, name) {
        (Some(id), _) => other.id == id,
        (None, Some(name)) => other.vpc == group.vpc && other.name == name,
        (None, None) => false,
    });
    match found {
        Some(other) if other.vpc == group.vpc => Ok(Peer::Group(other.id.clone())),
        Some(_) => {
            let message = format!(
                "You have specified two resources that belong to different networks: {} and {}",
                group.id,
                id.or(name).unwrap_or_default()
            );
            Err(Failure::new("InvalidGroup.NotFound", message))
        }
        None => {
            let named = id.or(name).unwrap_or_default();
            let message = format!("The security group '{named}' does not exist");
            Err(Failure::new("InvalidGroup.NotFound", message))
        }
    }
}
