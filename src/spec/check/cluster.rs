//! The cluster and its node groups against the network.

use super::Check;
use super::capacity::hosts;
use crate::spec::diagnostic::quote;
use crate::spec::types::Spec;
use crate::spec::types::cluster::{AmiType, Cluster, NodeGroup, TaintEffect};
use crate::spec::types::network::{Egress, Network};
use ipnet::Ipv4Net;

/// What a cluster cannot do without.
const ESSENTIAL_ADDONS: [&str; 4] = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns"];

/// Addresses that EKS may need in each subnet of a cluster, for its own interfaces.
/// <https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html>
const CLUSTER_ADDRESSES: u64 = 6;

/// What a node holds beside its workspaces' addresses: its own, its daemons', and those that the
/// VPC CNI keeps warm.
const ADDRESSES_PER_NODE: u64 = 16;

pub(super) fn check(spec: &Spec, cx: &mut Check<'_>) {
    let Some(cluster) = &spec.cluster else { return };
    let Some(network) = &spec.network else {
        let problem = cx.problem(&["cluster"], "a cluster needs a `network`");
        cx.push(problem.hint("add `network: {}`, or name a pattern that has one"));
        return;
    };
    if cx.tier(&["cluster", "tier"], &cluster.tier, network) {
        cx.two_zones(&["cluster", "tier"], "EKS", network);
    }
    endpoint(cluster, cx);
    service_cidr(cluster, network, cx);
    for name in ESSENTIAL_ADDONS {
        if cluster.addons.get(name).is_none() {
            let problem = cx
                .problem(&["cluster", "addons"], format!("the add-on {} is missing", quote(name)));
            cx.push(problem.hint(format!("add `{name}: {{}}`")));
        }
    }
    for (name, group) in cluster.node_groups.iter() {
        node_group(name, group, network, cx);
    }
    names_need_a_node(cluster, cx);
    for (name, entry) in cluster.access.iter() {
        let path = ["cluster", "access", name, "principal_arn"];
        cx.partition(&path, &entry.principal_arn, spec.partition());
    }
    room(spec, cluster, network, cx);
}

/// The cluster's DNS has to run somewhere, and it stays off tainted nodes unless it is told not to.
fn names_need_a_node(cluster: &Cluster, cx: &mut Check<'_>) {
    let is_open = |group: &NodeGroup| {
        group.max_size > 0
            && group.taints.iter().all(|taint| taint.effect == TaintEffect::PreferNoSchedule)
    };
    let tolerates = cluster.addons.get("coredns").is_some_and(|addon| {
        addon.configuration.as_ref().is_some_and(|given| given.get("tolerations").is_some())
    });
    let mut groups = cluster.node_groups.iter();
    if tolerates || cluster.node_groups.is_empty() || groups.any(|(_, group)| is_open(group)) {
        return;
    }
    let message = "every node group is tainted, so the add-on `coredns` never gets ready";
    let problem = cx.problem(&["cluster", "node_groups"], message);
    cx.push(problem.hint(
        "leave one group without taints, or give `cluster.addons.coredns.configuration` tolerations",
    ));
}

fn endpoint(cluster: &Cluster, cx: &mut Check<'_>) {
    let endpoint = &cluster.endpoint;
    if !endpoint.private && !endpoint.public {
        let path = ["cluster", "endpoint", "private"];
        cx.push(cx.problem(&path, "the Kubernetes API must be reached from somewhere"));
    }
    for (at, cidr) in endpoint.public_access_cidrs.iter().enumerate() {
        let path = ["cluster", "endpoint", "public_access_cidrs", &format!("[{at}]")];
        super::network::host_bits(*cidr, &path, cx);
    }
}

fn service_cidr(cluster: &Cluster, network: &Network, cx: &mut Check<'_>) {
    let Some(cidr) = cluster.service_cidr else { return };
    let path = ["cluster", "service_cidr"];
    if !super::network::host_bits(cidr, &path, cx) {
        return;
    }
    let private: [Ipv4Net; 3] = [
        Ipv4Net::new_assert([10, 0, 0, 0].into(), 8),
        Ipv4Net::new_assert([172, 16, 0, 0].into(), 12),
        Ipv4Net::new_assert([192, 168, 0, 0].into(), 16),
    ];
    if !(12..=24).contains(&cidr.prefix_len()) || !private.iter().any(|all| all.contains(&cidr)) {
        let problem = cx.problem(&path, format!("EKS takes a private /12 to /24, not {cidr}"));
        cx.push(problem.hint("10.100.0.0/16 is what EKS itself would take"));
    }
    if cidr.contains(&network.vpc_cidr) || network.vpc_cidr.contains(&cidr) {
        let problem = cx.problem(&path, "it overlaps the VPC's range");
        let vpc = cx.span(&["network", "vpc_cidr"]);
        cx.push(problem.also(vpc, format!("the VPC is {}", network.vpc_cidr)));
    }
}

fn node_group(name: &str, group: &NodeGroup, network: &Network, cx: &mut Check<'_>) {
    let path = |key| ["cluster", "node_groups", name, key];
    if group.min_size > group.max_size {
        let message = format!("{} is more than `max_size`", group.min_size);
        let problem = cx.problem(&path("min_size"), message);
        let other = cx.span(&path("max_size"));
        cx.push(problem.also(other, "the most nodes"));
    }
    let is_arm =
        matches!(group.ami_type, AmiType::Al2023Arm64Standard | AmiType::BottlerocketArm64);
    for (at, instance_type) in group.instance_types.iter().enumerate() {
        if is_graviton(instance_type) != is_arm {
            let path = ["cluster", "node_groups", name, "instance_types", &format!("[{at}]")];
            let (has, wants) = if is_arm { ("x86-64", "Arm") } else { ("Arm", "x86-64") };
            let message =
                format!("{} is {has}, and the group's image is for {wants}", quote(instance_type));
            let problem = cx.problem(&path, message);
            let ami = if is_arm { "al2023_x86_64_standard" } else { "al2023_arm64_standard" };
            cx.push(problem.hint(format!("`ami_type: {ami}` is for such instances")));
        }
    }
    if !cx.tier(&path("tier"), &group.tier, network) {
        return;
    }
    if let Some(count) = group.az_count
        && usize::from(count) > network.zones().count()
    {
        let message = format!("the network has {} zones", network.zones().count());
        cx.push(cx.problem(&path("az_count"), message));
    }
    let egress = network.tiers.get(&group.tier).map(|tier| tier.egress());
    let endpoints = ["s3", "ecr.api", "ecr.dkr", "ec2", "sts"];
    let has_endpoints = network.enable_vpc_endpoints
        && endpoints.iter().all(|service| network.endpoints.get(service).is_some());
    if egress == Some(Egress::None) && !has_endpoints {
        let problem = cx.problem(
            &path("tier"),
            format!(
                "nodes in the tier {} have no way to the cluster and to images",
                quote(&group.tier)
            ),
        );
        let other = cx.span(&["network", "tiers", &group.tier]);
        cx.push(problem.also(other, "no way out").hint(format!(
            "give the tier `egress: nat`, or the network endpoints for {}",
            endpoints.join(", ")
        )));
    }
}

/// Whether instances of a type have Arm processors: the family's number is followed by a `g`.
fn is_graviton(instance_type: &str) -> bool {
    let family = instance_type.split('.').next().unwrap_or_default();
    family == "a1"
        || family
            .trim_start_matches(|c: char| c.is_ascii_lowercase())
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .starts_with('g')
}

/// The subnets of every tier have room for its nodes and for `max_workspaces`.
fn room(spec: &Spec, cluster: &Cluster, network: &Network, cx: &mut Check<'_>) {
    for (tier_name, tier) in network.tiers.iter() {
        let zones = network.zones().count() as u64;
        let (mut needed, mut narrowest) = (0_u64, zones);
        for (name, group) in cluster.node_groups.iter() {
            if group.tier != tier_name {
                continue;
            }
            needed += u64::from(group.max_size) * ADDRESSES_PER_NODE;
            narrowest = narrowest.min(group.az_count.map_or(zones, u64::from));
            if hosts(spec, cluster).any(|(host, _)| host == name) {
                needed += u64::from(spec.max_workspaces.unwrap_or(0));
            }
        }
        if needed == 0 {
            continue;
        }
        // AWS keeps five addresses of every subnet.
        let each = (1_u64 << (32 - u32::from(tier.prefix_length.min(32)))).saturating_sub(5);
        let own = if cluster.tier == tier_name { CLUSTER_ADDRESSES } else { 0 };
        let has = each.saturating_sub(own) * narrowest;
        if needed > has {
            let path = ["network", "tiers", tier_name, "prefix_length"];
            let message = format!(
                "the nodes and workspaces of this tier may need {needed} addresses, and it has {has}"
            );
            let problem = cx.problem(&path, message);
            let other = cx.span(&["max_workspaces"]);
            cx.push(
                problem
                    .also(other, "so many workspaces")
                    .hint("a smaller number makes larger subnets"),
            );
        }
    }
}

impl Check<'_> {
    /// Whether the network has the tier; says so if not.
    pub(super) fn tier(&mut self, path: &[&str], tier: &str, network: &Network) -> bool {
        if network.tiers.get(tier).is_some() {
            return true;
        }
        let known: Vec<&str> = network.tiers.names().collect();
        let problem = self.problem(path, format!("the network has no tier {}", quote(tier)));
        self.push(problem.hint(format!("it has {}", known.join(", "))));
        false
    }

    /// What `who` puts into a tier must be in two zones at least.
    pub(super) fn two_zones(&mut self, path: &[&str], who: &str, network: &Network) {
        if network.zones().count() < 2 {
            let problem = self
                .problem(path, format!("{who} asks for subnets in two zones, and there is one"));
            let key = if network.azs.is_some() { "azs" } else { "az_count" };
            let zones = self.span(&["network", key]);
            self.push(problem.also(zones, "one zone").hint(
                "a second zone costs nothing by itself: nodes and NAT gateways may stay in the first",
            ));
        }
    }
}
