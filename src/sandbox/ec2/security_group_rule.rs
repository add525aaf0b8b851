//! Security group rules as answers show them; `permission.rs` reads them from requests.

use super::model::{Ec2, Peer, SecurityGroup, SecurityGroupRule, Traffic};
use super::permission;
use super::resource::{self, Fields, Listing, Resource, dry_run, find, not_found, stored};
use super::{security_group, tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

impl Resource for SecurityGroupRule {
    const PREFIX: &'static str = "sgr";
    const TYPE: &'static str = "security-group-rule";
    const NOT_FOUND: &'static str = "InvalidSecurityGroupRuleId.NotFound";
    const NOUN: &'static str = "security group rule ID";
    const FIELDS: Fields<Self> = &[
        ("group-id", |_, rule| vec![rule.group.clone()]),
        ("security-group-rule-id", |_, rule| vec![rule.id.clone()]),
    ];

    stored!(security_group_rules);

    fn write(&self, view: &View<'_>) -> Value {
        let mut answer = flat(self);
        let scope = view.scope;
        answer["groupOwnerId"] = json!(scope.account);
        answer["tagSet"] = tags::write(&self.tags);
        answer["securityGroupRuleArn"] = json!(format!(
            "arn:{}:ec2:{}:{}:security-group-rule/{}",
            scope.partition(),
            scope.region,
            scope.account,
            self.id
        ));
        if let Peer::Group(id) = &self.traffic.peer {
            answer["referencedGroupInfo"] = json!({ "groupId": id, "userId": scope.account });
        }
        answer
    }
}

/// What is the same wherever a rule is shown.
fn flat(rule: &SecurityGroupRule) -> Value {
    let traffic = &rule.traffic;
    let mut answer = json!({
        "securityGroupRuleId": rule.id,
        "groupId": rule.group,
        "isEgress": rule.egress,
        "ipProtocol": traffic.protocol,
        "fromPort": traffic.from.unwrap_or(-1),
        "toPort": traffic.to.unwrap_or(-1),
        "description": rule.description,
    });
    match &traffic.peer {
        Peer::Ipv4(cidr) => answer["cidrIpv4"] = json!(cidr),
        Peer::Ipv6(cidr) => answer["cidrIpv6"] = json!(cidr),
        Peer::PrefixList(id) => answer["prefixListId"] = json!(id),
        Peer::Group(_) => {}
    }
    answer
}

/// The rules of a group in one direction.
pub(super) fn of_group<'a>(
    ec2: &'a Ec2,
    group: &'a str,
    egress: bool,
) -> impl Iterator<Item = &'a SecurityGroupRule> {
    ec2.security_group_rules
        .values()
        .filter(move |rule| rule.group == group && rule.egress == egress)
}

/// The rules of a group as `IpPermissions`: one entry per protocol and ports.
pub(super) fn permissions(view: &View<'_>, group: &str, egress: bool) -> Vec<Value> {
    let mut entries: Vec<(&Traffic, Value)> = Vec::new();
    for rule in of_group(view.ec2(), group, egress) {
        let traffic = &rule.traffic;
        let same = |(other, _): &(&Traffic, Value)| {
            (&other.protocol, other.from, other.to) == (&traffic.protocol, traffic.from, traffic.to)
        };
        let at = entries.iter().position(same).unwrap_or_else(|| {
            let entry = json!({
                "ipProtocol": traffic.protocol, "fromPort": traffic.from, "toPort": traffic.to,
                "groups": [], "ipRanges": [], "ipv6Ranges": [], "prefixListIds": [],
            });
            entries.push((traffic, entry));
            entries.len() - 1
        });
        let description = &rule.description;
        let (list, peer) = match &traffic.peer {
            Peer::Ipv4(cidr) => ("ipRanges", json!({ "cidrIp": cidr, "description": description })),
            Peer::Ipv6(cidr) => {
                ("ipv6Ranges", json!({ "cidrIpv6": cidr, "description": description }))
            }
            Peer::PrefixList(id) => {
                ("prefixListIds", json!({ "prefixListId": id, "description": description }))
            }
            Peer::Group(id) => (
                "groups",
                json!({
                    "groupId": id, "userId": view.scope.account, "description": description,
                }),
            ),
        };
        if let Some(list) = entries[at].1[list].as_array_mut() {
            list.push(peer);
        }
    }
    entries.into_iter().map(|(_, entry)| entry).collect()
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "SecurityGroupRuleIds", filters: "Filters", set: "securityGroupRuleSet" };
    resource::describe::<SecurityGroupRule>(view, params, &LISTING)
}

/// The group that a request for rules names.
fn group_of(cx: &mut Cx<'_>, params: &Params) -> Result<SecurityGroup, Failure> {
    let now = cx.now;
    match (params.text("GroupId"), params.text("GroupName")) {
        (Some(id), _) => find::<SecurityGroup>(cx.ec2(), id, now).cloned(),
        (None, Some(name)) => security_group::by_name(cx.ec2(), name).cloned(),
        (None, None) => {
            let message = "The request must contain the parameter GroupName or GroupId";
            Err(Failure::new("MissingParameter", message))
        }
    }
}

pub(super) fn authorize_ingress(cx: &mut Cx<'_>, params: &Params) -> Answer {
    authorize(cx, params, false)
}

pub(super) fn authorize_egress(cx: &mut Cx<'_>, params: &Params) -> Answer {
    authorize(cx, params, true)
}

fn authorize(cx: &mut Cx<'_>, params: &Params, egress: bool) -> Answer {
    let tags = tags::given(params, SecurityGroupRule::TYPE)?;
    let group = group_of(cx, params)?;
    let wanted = permission::read(&cx.view(), params, &group)?;
    if wanted.is_empty() {
        return Err(Failure::new(
            "MissingParameter",
            "The request must contain the parameter IpPermissions",
        ));
    }
    let limit = cx.knobs.rules_per_security_group;
    let mut made = Vec::new();
    for (traffic, description) in wanted {
        if of_group(cx.ec2(), &group.id, egress).any(|rule| rule.traffic == traffic) {
            return Err(duplicate(&traffic));
        }
        if of_group(cx.ec2(), &group.id, egress).count() >= limit {
            return Err(Failure::new(
                "RulesPerSecurityGroupLimitExceeded",
                "The maximum number of rules per security group has been reached.",
            ));
        }
        let rule = SecurityGroupRule {
            id: cx.new_id("sgr"),
            group: group.id.clone(),
            egress,
            traffic,
            description,
            tags: tags.clone(),
        };
        made.push(rule.write(&cx.view()));
        cx.ec2().security_group_rules.insert(rule.id.clone(), rule);
    }
    dry_run(params)?;
    Ok(json!({ "return": true, "securityGroupRuleSet": made }).into())
}

fn duplicate(traffic: &Traffic) -> Failure {
    let message = format!("the specified rule \"{}\" already exists", shown(traffic));
    Failure::new("InvalidPermission.Duplicate", message)
}

fn shown(traffic: &Traffic) -> String {
    let peer = match &traffic.peer {
        Peer::Ipv4(cidr) => cidr.to_string(),
        Peer::Ipv6(cidr) => cidr.to_string(),
        Peer::PrefixList(id) | Peer::Group(id) => id.clone(),
    };
    let protocol = match traffic.protocol.as_str() {
        "-1" => "ALL".to_owned(),
        name => name.to_ascii_uppercase(),
    };
    match (traffic.from, traffic.to) {
        (Some(from), Some(to)) => {
            format!("peer: {peer}, {protocol}, from port: {from}, to port: {to}, ALLOW")
        }
        _ => format!("peer: {peer}, {protocol}, ALLOW"),
    }
}

pub(super) fn revoke_ingress(cx: &mut Cx<'_>, params: &Params) -> Answer {
    revoke(cx, params, false)
}

pub(super) fn revoke_egress(cx: &mut Cx<'_>, params: &Params) -> Answer {
    revoke(cx, params, true)
}

fn revoke(cx: &mut Cx<'_>, params: &Params, egress: bool) -> Answer {
    let group = group_of(cx, params)?;
    let wanted = permission::read(&cx.view(), params, &group)?;
    let ids = params.texts("SecurityGroupRuleIds");
    match (wanted.is_empty(), ids.is_empty()) {
        (true, true) => {
            let message =
                "The request must contain the parameter IpPermissions or SecurityGroupRuleIds";
            return Err(Failure::new("MissingParameter", message));
        }
        (false, false) => {
            let message = "IpPermissions and SecurityGroupRuleIds can't be used together";
            return Err(Failure::new("InvalidParameterCombination", message));
        }
        _ => {}
    }
    let ec2 = cx.ec2();
    let mut gone: Vec<String> = Vec::new();
    for id in ids {
        let ours = of_group(ec2, &group.id, egress).any(|rule| rule.id == id);
        if !ours {
            return Err(not_found::<SecurityGroupRule>(id));
        }
        gone.push(id.to_owned());
    }
    for (traffic, _) in wanted {
        let found = of_group(ec2, &group.id, egress).find(|rule| rule.traffic == traffic);
        let Some(rule) = found else {
            let message = "The specified rule does not exist in this security group.";
            return Err(Failure::new("InvalidPermission.NotFound", message));
        };
        gone.push(rule.id.clone());
    }
    dry_run(params)?;
    let revoked: Vec<Value> = gone
        .iter()
        .filter_map(|id| ec2.security_group_rules.remove(id))
        .map(|rule| {
            let mut answer = flat(&rule);
            if let Peer::Group(id) = &rule.traffic.peer {
                answer["referencedGroupId"] = json!(id);
            }
            answer
        })
        .collect();
    Ok(json!({ "return": true, "revokedSecurityGroupRuleSet": revoked }).into())
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let group = group_of(cx, params)?;
    for update in params.list("SecurityGroupRules") {
        let id = update.get("SecurityGroupRuleId").and_then(Value::as_str).unwrap_or_default();
        let ours = cx.ec2().security_group_rules.get(id).filter(|rule| rule.group == group.id);
        let egress =
            ours.map(|rule| rule.egress).ok_or_else(|| not_found::<SecurityGroupRule>(id))?;
        let Some(wanted) = update.get("SecurityGroupRule") else { continue };
        let (traffic, description) = permission::read_rule(&cx.view(), wanted)?;
        let taken = of_group(cx.ec2(), &group.id, egress)
            .any(|rule| rule.id != id && rule.traffic == traffic);
        if taken {
            return Err(duplicate(&traffic));
        }
        if let Some(rule) = cx.ec2().security_group_rules.get_mut(id) {
            rule.traffic = traffic;
            rule.description = description;
        }
    }
    dry_run(params)?;
    Ok(json!({ "return": true }).into())
}
