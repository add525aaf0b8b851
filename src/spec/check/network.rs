//! The address plan, the ways out, endpoints and flow logs.

use super::{Check, policy, security_group};
use crate::spec::diagnostic::{Diagnostic, quote};
use crate::spec::subnets::{self, Subnet, Unplaced};
use crate::spec::types::Spec;
use crate::spec::types::network::{
    Egress, Endpoint, EndpointType, NatMode, Network, Tier, Zones, short_service_name,
};
use ipnet::Ipv4Net;
use std::collections::HashMap;

/// What a VPC and a subnet may be, by `ec2:CreateVpc` and `ec2:CreateSubnet`.
const PREFIXES: std::ops::RangeInclusive<u8> = 16..=28;

/// The longest policy of a VPC endpoint, in characters.
const MAX_ENDPOINT_POLICY: usize = 20_480;

pub(super) fn check(spec: &Spec, cx: &mut Check<'_>) {
    let Some(network) = &spec.network else { return };
    let vpc_path = ["network", "vpc_cidr"];
    host_bits(network.vpc_cidr, &vpc_path, cx);
    if !PREFIXES.contains(&network.vpc_cidr.prefix_len()) {
        let message = format!("a VPC is a /16 to /28, not a /{}", network.vpc_cidr.prefix_len());
        cx.push(cx.problem(&vpc_path, message));
        return;
    }
    zones(spec, network, cx);
    if network.tiers.is_empty() {
        cx.push(cx.problem(&["network", "tiers"], "there is no tier, so there are no subnets"));
    }
    let mut explicit_is_sound = true;
    for (name, tier) in network.tiers.iter() {
        explicit_is_sound &= explicit(name, tier, network, cx);
    }
    if explicit_is_sound {
        addresses(network, cx);
    }
    ways_out(network, cx);
    endpoints(spec, network, cx);
    security_group::check(network, cx);
}

/// EC2 drops host bits silently, so the live range would differ from the spec's.
pub(super) fn host_bits(cidr: Ipv4Net, path: &[&str], cx: &mut Check<'_>) -> bool {
    let is_clean = cidr.addr() == cidr.network();
    if !is_clean {
        let problem = cx.problem(path, format!("{cidr} is an address within a range"));
        cx.push(problem.hint(format!("the range is {}", cidr.trunc())));
    }
    is_clean
}

fn zones(spec: &Spec, network: &Network, cx: &mut Check<'_>) {
    if network.az_count.is_some() && network.azs.is_some() {
        let problem = cx.problem(&["network", "az_count"], "`azs` names the zones already");
        let other = cx.span(&["network", "azs"]);
        cx.push(problem.also(other, "the zones").hint("remove one of the two, or set it to null"));
    }
    for (at, zone) in network.azs.iter().flatten().enumerate() {
        let region = zone.strip_suffix(|letter: char| letter.is_ascii_lowercase());
        if region != Some(spec.home_region.as_str()) {
            let path = ["network", "azs", &format!("[{at}]")];
            let problem =
                cx.problem(&path, format!("{} is not a zone of the home region", quote(zone)));
            let home = cx.span(&["home_region"]);
            cx.push(problem.also(home, "the home region"));
        }
    }
}

/// The ranges that a tier gives itself. Whether they can be compared with others.
fn explicit(name: &str, tier: &Tier, network: &Network, cx: &mut Check<'_>) -> bool {
    let Some(cidrs) = &tier.cidrs else { return true };
    if network.azs.is_none() {
        let path = ["network", "tiers", name, "cidrs"];
        let problem = cx.problem(&path, "ranges by zone need zones by name");
        cx.push(problem.hint("list the zones in network.azs"));
        return false;
    }
    let mut is_sound = true;
    for (letter, cidr) in cidrs.iter() {
        let path = ["network", "tiers", name, "cidrs", letter];
        is_sound &= host_bits(*cidr, &path, cx);
        if cidr.prefix_len() != tier.prefix_length {
            let message = format!("{cidr} is not a /{}", tier.prefix_length);
            let problem = cx.problem(&path, message);
            let size = cx.span(&["network", "tiers", name, "prefix_length"]);
            cx.push(problem.also(size, "the tier's size"));
        }
        if !network.vpc_cidr.contains(cidr) {
            let problem = cx.problem(&path, format!("{cidr} is not within the VPC's range"));
            let vpc = cx.span(&["network", "vpc_cidr"]);
            cx.push(problem.also(vpc, format!("the VPC is {}", network.vpc_cidr)));
            is_sound = false;
        }
        let is_used = network.azs.iter().flatten().any(|zone| zone.ends_with(letter));
        if !is_used {
            let problem = cx.problem(&path, format!("no zone in use has the letter `{letter}`"));
            let zones = cx.span(&["network", "azs"]);
            cx.push(problem.also(zones, "the zones in use"));
        }
    }
    is_sound
}

/// Every subnet has a range, and no two overlap.
fn addresses(network: &Network, cx: &mut Check<'_>) {
    let names: Vec<String> = match network.zones() {
        Zones::Named(names) => names.to_vec(),
        Zones::Count(count) => ('a'..='z').take(count.into()).map(String::from).collect(),
    };
    let (planned, unplaced) = subnets::plan(network, &names);
    for problem in unplaced {
        cx.push(unplaced_problem(&problem, network, cx));
    }
    let mut by_address: Vec<&Subnet> = planned.iter().collect();
    by_address.sort_by_key(|subnet| (subnet.cidr.network(), subnet.cidr.prefix_len()));
    for pair in by_address.windows(2) {
        let [one, other] = pair else { continue };
        if one.cidr.contains(&other.cidr) || other.cidr.contains(&one.cidr) {
            let (one, other) =
                if is_explicit(network, other) { (one, other) } else { (other, one) };
            cx.push(overlap(network, other, one, cx));
        }
    }
}

fn unplaced_problem(unplaced: &Unplaced, network: &Network, cx: &Check<'_>) -> Diagnostic {
    match unplaced {
        Unplaced::Full { tier, prefix_length, block } => {
            let path = ["network", "tiers", tier, "prefix_length"];
            let message = format!("there is no room for a /{prefix_length} in every zone");
            cx.problem(&path, message).hint(format!(
                "each zone has a /{block} of the VPC's {}, and the tiers before this one take \
                 their ranges first; make tiers smaller, the VPC larger, or give ranges by `cidrs`",
                network.vpc_cidr
            ))
        }
        Unplaced::Zones { zones, blocks } => {
            let key = if network.azs.is_some() { "azs" } else { "az_count" };
            let message =
                format!("the address plan has room for {blocks} zones, and {zones} are asked for");
            cx.problem(&["network", key], message).hint(
                "raise network.max_azs, which moves every subnet without `cidrs`; to keep live \
                 ones, give the ranges that they have as their tiers' `cidrs` first",
            )
        }
        Unplaced::Letter { tier, zone } => {
            let path = ["network", "tiers", tier, "cidrs"];
            cx.problem(&path, format!("there is no range for the zone {zone}"))
        }
    }
}

fn is_explicit(network: &Network, subnet: &Subnet) -> bool {
    network.tiers.get(&subnet.tier).is_some_and(|tier| tier.cidrs.is_some())
}

fn overlap(network: &Network, subnet: &Subnet, other: &Subnet, cx: &Check<'_>) -> Diagnostic {
    let path = |subnet: &Subnet| -> Vec<String> {
        let mut path = vec!["network".to_owned(), "tiers".to_owned(), subnet.tier.clone()];
        if is_explicit(network, subnet) {
            path.push("cidrs".to_owned());
            path.extend(subnet.zone.chars().next_back().map(String::from));
        }
        path
    };
    let (here, there) = (path(subnet), path(other));
    let here: Vec<&str> = here.iter().map(String::as_str).collect();
    let there: Vec<&str> = there.iter().map(String::as_str).collect();
    let message = format!(
        "{} overlaps {}, the range of tier {} in {}",
        subnet.cidr, other.cidr, other.tier, other.zone
    );
    let (here_span, there_span) = (cx.span(&here), cx.span(&there));
    let problem = cx.problem(&here, message);
    if here_span == there_span { problem } else { problem.also(there_span, other.cidr.to_string()) }
}

/// Public tiers, private tiers, and NAT gateways between them.
fn ways_out(network: &Network, cx: &mut Check<'_>) {
    let has_public = network.tiers.iter().any(|(_, tier)| tier.public);
    for (name, tier) in network.tiers.iter() {
        let path = ["network", "tiers", name, "egress"];
        match (tier.public, tier.egress()) {
            (true, Egress::Internet) | (false, Egress::None) => {}
            (false, Egress::Internet) => {
                let problem =
                    cx.problem(&path, "a tier that is not public cannot use the internet gateway");
                cx.push(problem.hint("set public: true, or egress: nat"));
            }
            (true, Egress::Nat | Egress::None) => {
                let problem =
                    cx.problem(&path, "a public tier leaves through the internet gateway");
                cx.push(problem.hint("set egress: internet, or public: false"));
            }
            (false, Egress::Nat) if network.nat.mode == NatMode::None => {
                let problem = cx.problem(&path, "the way out is NAT, and there are no gateways");
                let mode = cx.span(&["network", "nat", "mode"]);
                cx.push(
                    problem
                        .also(mode, "no gateways")
                        .hint("set egress: none, or network.nat.mode to per_az or single"),
                );
            }
            (false, Egress::Nat) if !has_public => {
                let problem = cx.problem(
                    &path,
                    "the way out is NAT, and no tier is public: there is no place for the gateways",
                );
                cx.push(problem.hint("add a tier with public: true, or set egress: none"));
            }
            (false, Egress::Nat) => {}
        }
    }
}

fn endpoints(spec: &Spec, network: &Network, cx: &mut Check<'_>) {
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for (service, endpoint) in network.endpoints.iter() {
        let path = ["network", "endpoints", service];
        let Some(short) = short_service_name(service, &spec.home_region) else {
            let problem = cx.problem(&path, "the service is in another region");
            let home = cx.span(&["home_region"]);
            cx.push(problem.also(home, "the home region"));
            continue;
        };
        if let Some(other) = seen.insert(short, service) {
            let problem = cx.problem(&path, "this service has an endpoint already");
            let other = cx.span(&["network", "endpoints", other]);
            cx.push(problem.also(other, "the same service"));
        }
        endpoint_kind(service, short, endpoint, network, cx);
        if let Some(document) = &endpoint.policy {
            let path = ["network", "endpoints", service, "policy"];
            policy::check(document, &path, policy::Use::Resource, MAX_ENDPOINT_POLICY, cx);
        }
    }
}

fn endpoint_kind(
    service: &str,
    short: &str,
    endpoint: &Endpoint,
    network: &Network,
    cx: &mut Check<'_>,
) {
    let tier_path = ["network", "endpoints", service, "tier"];
    match (endpoint.kind, &endpoint.tier) {
        (EndpointType::Gateway, tier) => {
            if !matches!(short, "s3" | "dynamodb") {
                let path = ["network", "endpoints", service, "type"];
                let problem = cx.problem(&path, "only s3 and dynamodb have gateway endpoints");
                cx.push(problem.hint("set type: interface, and a tier"));
            }
            if tier.is_some() {
                let message = "a gateway endpoint is a route, and in no tier's subnets";
                cx.push(cx.problem(&tier_path, message));
            }
        }
        (EndpointType::Interface, None) => {
            let problem = cx.problem(&tier_path[..3], "an interface endpoint needs a `tier`");
            cx.push(problem.hint("one tier serves the whole VPC; each zone of it is paid for"));
        }
        (EndpointType::Interface, Some(tier)) => {
            if network.tiers.get(tier).is_none() {
                let problem = cx.problem(&tier_path, format!("there is no tier {}", quote(tier)));
                let tiers: Vec<&str> = network.tiers.names().collect();
                cx.push(problem.hint(format!("there are: {}", tiers.join(", "))));
            }
        }
    }
}
