//! Security groups and their rules, each rule a resource of its own.

use super::Draft;
use super::network::Made;
use crate::aws::ec2::security_group::SecurityGroup;
use crate::aws::ec2::security_group_rule::{Direction, Peer, SecurityGroupRule, Traffic};
use crate::graph::Handle;
use crate::spec::types::security_group::{Peer as Wanted, Rule};
use std::collections::BTreeMap;

/// The group that lets the VPC reach its interface endpoints, unless the spec has one of its own
/// by this name.
const ENDPOINTS: &str = "vpc-endpoints";

/// All groups by name.
pub(super) type Groups = BTreeMap<String, Handle<SecurityGroup>>;

pub(super) fn add(draft: &mut Draft<'_>, made: &Made<'_>) -> Groups {
    let mut groups = Groups::new();
    for (name, wanted) in made.network.security_groups.iter() {
        let path = format!("network.security_groups.{name}");
        groups.insert(name.to_owned(), group(draft, made, name, &wanted.description, &path));
    }
    for (name, wanted) in made.network.security_groups.iter() {
        for (direction, rules) in
            [(Direction::Ingress, &wanted.ingress), (Direction::Egress, &wanted.egress)]
        {
            for (rule_name, rule) in rules.iter() {
                add_rule(draft, &groups, name, direction, rule_name, rule);
            }
        }
    }
    groups
}

fn group(
    draft: &mut Draft<'_>,
    made: &Made<'_>,
    name: &str,
    description: &str,
    path: &str,
) -> Handle<SecurityGroup> {
    let address = draft.here(&format!("network/security-group/{name}"));
    let physical = draft.physical(&address, format!("{}-{name}", draft.deployment));
    let region = draft.region.clone();
    draft.graph.add(
        &region,
        address,
        path,
        SecurityGroup {
            vpc: made.vpc.id().ready(),
            name: physical,
            description: description.to_owned(),
        },
    )
}

fn add_rule(
    draft: &mut Draft<'_>,
    groups: &Groups,
    group_name: &str,
    direction: Direction,
    rule_name: &str,
    rule: &Rule,
) {
    let Some(group) = groups.get(group_name) else { return };
    let (way, section) = match direction {
        Direction::Ingress => ("in", "ingress"),
        Direction::Egress => ("out", "egress"),
    };
    // A checked spec has exactly one peer a rule, and names groups that it has.
    let peer = match rule.peer() {
        Some(Wanted::Ipv4(range)) => Peer::Range(range.to_string()),
        Some(Wanted::Ipv6(range)) => Peer::Range(range.to_string()),
        Some(Wanted::SecurityGroup(other)) => match groups.get(other) {
            Some(other) => Peer::Group(other.id()),
            None => return,
        },
        Some(Wanted::Itself) => Peer::Itself,
        None => return,
    };
    let (from, to) = rule.ports();
    let region = draft.region.clone();
    let address =
        draft.here(&format!("network/security-group-rule/{group_name}/{way}/{rule_name}"));
    draft.graph.add(
        &region,
        address,
        format!("network.security_groups.{group_name}.{section}.{rule_name}"),
        SecurityGroupRule {
            group: group.id(),
            direction,
            traffic: Traffic { protocol: rule.protocol.as_ec2().to_owned(), from, to },
            peer,
            description: rule.description.clone(),
        },
    );
}

/// The group of the interface endpoints: HTTPS from everywhere in the VPC, and nothing out.
pub(super) fn endpoints_group(
    draft: &mut Draft<'_>,
    made: &Made<'_>,
    groups: &Groups,
) -> Handle<SecurityGroup> {
    if let Some(own) = groups.get(ENDPOINTS) {
        return *own;
    }
    let path = "network.endpoints";
    let group = group(draft, made, ENDPOINTS, "HTTPS from the VPC to its endpoints", path);
    let region = draft.region.clone();
    let address = draft.here(&format!("network/security-group-rule/{ENDPOINTS}/in/https"));
    draft.graph.add(
        &region,
        address,
        path,
        SecurityGroupRule {
            group: group.id(),
            direction: Direction::Ingress,
            traffic: Traffic { protocol: "tcp".to_owned(), from: 443, to: 443 },
            peer: Peer::Range(made.network.vpc_cidr.to_string()),
            description: "HTTPS from the VPC".to_owned(),
        },
    );
    group
}
