//! Security groups and their rules.

use super::Check;
use super::network::host_bits;
use crate::spec::diagnostic::quote;
use crate::spec::types::by_name::ByName;
use crate::spec::types::network::Network;
use crate::spec::types::security_group::{Peer, Protocol, Rule};

/// EC2's default quota of rules a group and direction.
const MAX_RULES: usize = 60;

pub(super) fn check(network: &Network, cx: &mut Check<'_>) {
    for (name, group) in network.security_groups.iter() {
        for (direction, rules) in [("ingress", &group.ingress), ("egress", &group.egress)] {
            let path = ["network", "security_groups", name, direction];
            if rules.len() > MAX_RULES {
                let message = format!("{} rules, and a group may have {MAX_RULES}", rules.len());
                cx.push(cx.problem(&path, message));
            }
            for (rule_name, rule) in rules.iter() {
                let path = ["network", "security_groups", name, direction, rule_name];
                peer(rule, &path, network, cx);
                ports(rule, &path, cx);
            }
            duplicates(rules, &path, cx);
        }
    }
}

/// `path` with one more key.
fn below<'a>(path: &[&'a str], key: &'a str) -> Vec<&'a str> {
    path.iter().copied().chain([key]).collect()
}

fn peer(rule: &Rule, path: &[&str], network: &Network, cx: &mut Check<'_>) {
    match rule.peers().as_slice() {
        [] => {
            let problem = cx.problem(path, "the rule has no peer");
            cx.push(problem.hint("give one of cidr, ipv6_cidr, security_group, or self: true"));
        }
        [Peer::Ipv4(cidr)] => {
            host_bits(*cidr, &below(path, "cidr"), cx);
        }
        [Peer::Ipv6(cidr)] => {
            if cidr.addr() != cidr.network() {
                let message = format!("{cidr} is an address within a range");
                let problem = cx.problem(&below(path, "ipv6_cidr"), message);
                cx.push(problem.hint(format!("the range is {}", cidr.trunc())));
            }
        }
        [Peer::SecurityGroup(group)] => {
            if network.security_groups.get(group).is_none() {
                let message = format!("there is no security group {}", quote(group));
                let problem = cx.problem(&below(path, "security_group"), message);
                let names: Vec<&str> = network.security_groups.names().collect();
                cx.push(problem.hint(format!("there are: {}", names.join(", "))));
            }
        }
        [Peer::Itself] => {}
        [..] => {
            let problem = cx.problem(path, "the rule has several peers");
            cx.push(problem.hint("write one rule for each"));
        }
    }
}

fn ports(rule: &Rule, path: &[&str], cx: &mut Check<'_>) {
    let is_icmp = matches!(rule.protocol, Protocol::Icmp | Protocol::Icmpv6);
    let has_range = rule.from_port.is_some() || rule.to_port.is_some();
    if rule.protocol == Protocol::All {
        if rule.port.is_some() || has_range {
            let problem = cx.problem(path, "protocol `all` means every port");
            cx.push(problem.hint("remove the ports, or name the protocol"));
        }
        return;
    }
    if let Some(port) = rule.port {
        let path = below(path, "port");
        if is_icmp {
            let problem = cx.problem(&path, "ICMP has no ports");
            cx.push(problem.hint("give the type as from_port and the code as to_port"));
        } else if has_range {
            let message = format!("`port: {port}` and a range of ports are both given");
            cx.push(cx.problem(&path, message));
        }
        return;
    }
    if is_icmp {
        return;
    }
    match (rule.from_port, rule.to_port) {
        (None, None) => {
            let problem = cx.problem(path, "the rule has no ports");
            cx.push(problem.hint("give port, or from_port and to_port"));
        }
        (Some(_), None) | (None, Some(_)) => {
            let problem = cx.problem(path, "a range of ports has two ends");
            cx.push(problem.hint("give from_port and to_port, or port"));
        }
        (Some(from), Some(to)) => {
            for (key, port) in [("from_port", from), ("to_port", to)] {
                if port < 0 {
                    cx.push(cx.problem(&below(path, key), "only ICMP takes -1"));
                }
            }
            if from > to {
                let message = format!("the range of ports ends at {to}, before its start");
                cx.push(cx.problem(&below(path, "from_port"), message));
            }
        }
    }
}

/// EC2 refuses a rule that is there already, whatever its description.
fn duplicates(rules: &ByName<Rule>, path: &[&str], cx: &mut Check<'_>) {
    let mut seen: Vec<(&str, Protocol, (i32, i32), Peer<'_>)> = Vec::new();
    for (name, rule) in rules.iter() {
        let Some(peer) = rule.peer() else { continue };
        let same = |(_, protocol, ports, other): &&(&str, Protocol, (i32, i32), Peer<'_>)| {
            (*protocol, *ports, *other) == (rule.protocol, rule.ports(), peer)
        };
        if let Some((other, ..)) = seen.iter().find(same) {
            let problem = cx.problem(&below(path, name), "another rule says the same");
            let other = cx.span(&below(path, other));
            cx.push(problem.also(other, "the same rule"));
        }
        seen.push((name, rule.protocol, rule.ports(), peer));
    }
}
