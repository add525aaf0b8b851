//! Whether the nodes that are always there have room for `max_workspaces`, and one of Coder's own
//! for a server.
//!
//! Only `min_size` counts: nothing in a deployment adds nodes by itself. A node is reckoned with
//! what EKS leaves of it for pods, less what the cluster's own daemons ask for.

use super::Check;
use crate::spec::types::Spec;
use crate::spec::types::cluster::{Cluster, NodeGroup};
use crate::spec::types::coder::Resources;

/// What the daemons of a node ask for: VPC CNI, kube-proxy, EBS driver, pod identity agent.
const DAEMONS: Room = Room { milli_cpu: 250, mebibytes: 512 };

/// Pods of a node that are no workspaces, with some room for what a team adds.
const OTHER_PODS: u64 = 8;

/// What can be attached to an instance in all: its network interfaces, its root volume and those of
/// workspaces, of which each has one. Newer types have more; none has less.
/// <https://docs.aws.amazon.com/ebs/latest/userguide/volume_limits.html>
const ATTACHMENTS: u64 = 28;

/// Nodes of one group.
/// <https://docs.aws.amazon.com/eks/latest/userguide/service-quotas.html>
const MOST_NODES: u64 = 450;

/// Processors and memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    milli_cpu: u64,
    mebibytes: u64,
}

/// A node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    allocatable: Room,
    pods: u64,
    volumes: u64,
}

pub(super) fn check(spec: &Spec, cx: &mut Check<'_>) {
    server(spec, cx);
    workspaces(spec, cx);
}

/// Whether a node of its own group has room for a server of Coder.
fn server(spec: &Spec, cx: &mut Check<'_>) {
    let (Some(cluster), Some(coder)) = (&spec.cluster, &spec.coder) else { return };
    let group = cluster.node_groups.get(&coder.node_group);
    let (Some(group), Some(one)) = (group, asked(&coder.resources)) else { return };
    let small = group.instance_types.iter().find(|name| fits(name, one) == Some(0));
    if let Some(small) = small {
        let message = format!(
            "a node of type {small} has no room for a server of {} CPU and {}",
            coder.resources.cpu, coder.resources.memory
        );
        let problem = cx.problem(&["coder", "resources"], message);
        let types = cx.span(&["cluster", "node_groups", &coder.node_group, "instance_types"]);
        let problem = problem.also(types, "Coder runs on these");
        cx.push(problem.hint("take larger instance types, or ask for less"));
    }
}

fn workspaces(spec: &Spec, cx: &mut Check<'_>) {
    let (Some(wanted), Some(cluster), Some(coder)) =
        (spec.max_workspaces, &spec.cluster, &spec.coder)
    else {
        return;
    };
    let Some(each) = asked(&coder.workspace_resources) else { return };
    let mut has = 0;
    let mut hosts = hosts(spec, cluster).peekable();
    if hosts.peek().is_none() {
        let message = "no node group is for workspaces";
        let problem = cx.problem(&["max_workspaces"], message);
        cx.push(problem.hint("add one to cluster.node_groups besides Coder's own"));
        return;
    }
    let mut raise = None;
    for (name, group) in hosts {
        // Of what is not known here nothing is claimed, neither that it fits nor that it does not.
        let Some(fits) = group.instance_types.iter().map(|name| fits(name, each)).min().flatten()
        else {
            return;
        };
        has += fits * u64::from(group.min_size);
        raise = raise.or((fits > 0).then_some((name, group, fits)));
    }
    let wanted = u64::from(wanted);
    if has >= wanted {
        return;
    }
    let message = format!(
        "the nodes that are always there have room for {has} workspaces of {} CPU and {}",
        coder.workspace_resources.cpu, coder.workspace_resources.memory
    );
    let problem = cx.problem(&["max_workspaces"], message);
    let Some((name, group, fits)) = raise else {
        let path = ["coder", "workspace_resources"];
        let size = cx.span(&path);
        let problem = problem.also(size, "no instance type has room for one");
        cx.push(problem.hint("take larger instance types, or smaller workspaces"));
        return;
    };
    let other = cx.span(&["cluster", "node_groups", name, "min_size"]);
    let needed = (u64::from(group.min_size) + (wanted - has).div_ceil(fits)).max(1);
    let problem = problem.also(other, format!("each node has room for {fits}"));
    cx.push(problem.hint(if needed > MOST_NODES {
        "take larger instance types, or spread them over more groups".to_owned()
    } else if needed > u64::from(group.max_size) {
        format!("`min_size: {needed}`, and as much `max_size`, or larger instance types")
    } else {
        format!("`min_size: {needed}` has room for all; so have larger instance types")
    }));
}

/// The groups that workspaces may run on: all that Coder's own server does not.
pub(super) fn hosts<'a>(
    spec: &'a Spec,
    cluster: &'a Cluster,
) -> impl Iterator<Item = (&'a str, &'a NodeGroup)> {
    let server = spec.coder.as_ref().map(|coder| coder.node_group.as_str());
    cluster.node_groups.iter().filter(move |(name, _)| server != Some(*name))
}

/// How many workspaces an instance of a type has room for; `None` if the type is not known.
fn fits(instance_type: &str, each: Room) -> Option<u64> {
    let node = node(instance_type)?;
    let room = |has: u64, daemons: u64, one: u64| has.saturating_sub(daemons) / one.max(1);
    let all = node.allocatable;
    Some(
        room(all.milli_cpu, DAEMONS.milli_cpu, each.milli_cpu)
            .min(room(all.mebibytes, DAEMONS.mebibytes, each.mebibytes))
            .min(node.pods.saturating_sub(OTHER_PODS))
            .min(node.volumes),
    )
}

/// What the kubelet of an EKS node leaves for pods.
/// <https://github.com/awslabs/amazon-eks-ami>
fn node(instance_type: &str) -> Option<Node> {
    let (family, size) = instance_type.split_once('.')?;
    let cpus = cpus(size)?;
    let memory = cpus * gibibytes_per_cpu(family)? * 1024;
    let pods = pods(size);
    let reserved_cpu = match cpus {
        0..=2 => 70,
        3..=4 => 80,
        more => 80 + (more - 4) * 5 / 2,
    };
    // 255 MiB and 11 for each pod are the kubelet's and the system's, 100 are never given away, and
    // a little of what is sold the firmware and the kernel keep.
    let reserved_memory = 255 + 11 * pods + 100 + memory / 40;
    let allocatable = Room {
        milli_cpu: (cpus * 1000).saturating_sub(reserved_cpu),
        mebibytes: memory.saturating_sub(reserved_memory),
    };
    // The root volume takes one.
    let volumes = ATTACHMENTS - interfaces(size) - 1;
    Some(Node { allocatable, pods, volumes })
}

/// The processors of a size, the same in all families of [`gibibytes_per_cpu`].
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html>
fn cpus(size: &str) -> Option<u64> {
    match size {
        "large" => Some(2),
        "xlarge" => Some(4),
        other => {
            let times: u64 = other.strip_suffix("xlarge")?.parse().ok()?;
            (2..=48).contains(&times).then_some(times * 4)
        }
    }
}

/// The memory for each processor of the families that sell 2, 4 or 8 GiB for each.
fn gibibytes_per_cpu(family: &str) -> Option<u64> {
    let mut letters = family.chars();
    let gibibytes = match letters.next()? {
        'c' => 2,
        'm' => 4,
        'r' => 8,
        _ => return None,
    };
    let generation = letters.next()?.to_digit(10)?;
    (generation >= 5 && letters.all(|letter| "adgin".contains(letter))).then_some(gibibytes)
}

/// How many pods have an address: (interfaces × (addresses − 1)) + 2, of which EKS uses no more
/// than 110, or 250 on large instances.
/// <https://docs.aws.amazon.com/eks/latest/userguide/choosing-instance-type.html>
fn pods(size: &str) -> u64 {
    match size {
        "large" => 29,
        "xlarge" | "2xlarge" => 58,
        "4xlarge" => 110,
        _ => 234,
    }
}

/// How many network interfaces a node has, once it is full of pods.
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/gp.html>
fn interfaces(size: &str) -> u64 {
    match size {
        "large" => 3,
        "xlarge" | "2xlarge" => 4,
        "4xlarge" | "8xlarge" | "12xlarge" => 8,
        _ => 15,
    }
}

fn asked(resources: &Resources) -> Option<Room> {
    let milli_cpu = match resources.cpu.strip_suffix('m') {
        Some(milli) => milli.parse().ok()?,
        None => resources.cpu.parse::<u64>().ok()?.checked_mul(1000)?,
    };
    let mebibytes = match resources.memory.strip_suffix("Gi") {
        Some(gibi) => gibi.parse::<u64>().ok()?.checked_mul(1024)?,
        None => resources.memory.strip_suffix("Mi")?.parse().ok()?,
    };
    Some(Room { milli_cpu, mebibytes })
}
