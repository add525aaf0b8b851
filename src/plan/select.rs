//! What `--target` and `--exclude` leave in.

use super::{Input, kind_named};
use crate::graph::AnyFound;
use crate::kind::Consent;
use crate::name::Address;
use crate::value::NodeId;
use std::collections::BTreeSet;

/// What a plan is about.
pub(super) struct Selection {
    nodes: Vec<bool>,
    orphans_out: BTreeSet<Address>,
}

impl Selection {
    pub(super) fn has(&self, node: NodeId) -> bool {
        self.nodes.get(node.index()).copied().unwrap_or(false)
    }

    pub(super) fn has_orphan(&self, address: &Address) -> bool {
        !self.orphans_out.contains(address)
    }

    pub(super) fn left_out(&self) -> usize {
        self.nodes.iter().filter(|node| !**node).count() + self.orphans_out.len()
    }
}

fn covered(address: &Address, patterns: &[String]) -> bool {
    patterns.iter().any(|pattern| address.is_covered_by(pattern))
}

pub(super) fn select(input: &Input<'_>) -> Selection {
    let Input { graph, options, .. } = input;
    let all = options.target.is_empty();
    let mut nodes: Vec<bool> =
        graph.nodes.iter().map(|node| all || covered(&node.address, &options.target)).collect();
    // A target brings what it needs: a node only refers to earlier ones.
    for (node, entry) in graph.iter().rev() {
        if nodes[node.index()] {
            for edge in entry.edges() {
                nodes[edge.node.index()] = true;
            }
        }
    }
    // What is excluded takes with it what needs it.
    for (node, entry) in graph.iter() {
        let lost =
            covered(&entry.address, &options.exclude)
                || (!options.exclude.is_empty()
                    && entry.edges().iter().any(|edge| {
                        !nodes[edge.node.index()]
                            && !input.snapshot.live.iter().any(|live| {
                                live.found.owner.address == graph.node(edge.node).address
                            })
                    }));
        if lost {
            nodes[node.index()] = false;
        }
    }
    let orphans_out = orphans_left_out(input);
    Selection { nodes, orphans_out }
}

/// Whether what goes of a kind takes `inside` along, which has it among its parents. What others
/// made needs much of what is ours to be taken down in order, and so has it for a parent; but where
/// only a part goes, it goes with what it runs in and no sooner.
pub(super) fn takes_along(input: &Input<'_>, kind: &str, inside: &AnyFound) -> bool {
    const HOMES: [&str; 4] = ["aws.eks.", "aws.rds.", "kube.", "coderd."];
    let is_guest = kind_named(input.kinds, inside.kind).is_some_and(|kind| kind.nature().is_guest);
    input.options.target.is_empty()
        || !is_guest
        || inside.consent == Consent::Never
        || HOMES.iter().any(|home| kind.starts_with(home))
}

/// The addresses of what is live and not wanted, and not selected either. A target that goes
/// takes with it what lives inside; an exclusion keeps what the excluded lives inside.
fn orphans_left_out(input: &Input<'_>) -> BTreeSet<Address> {
    let Input { graph, options, snapshot, .. } = input;
    let orphans: Vec<_> = snapshot
        .live
        .iter()
        .map(|live| &live.found)
        .filter(|found| graph.find(&found.owner.address).is_none())
        .collect();
    let mut picked: BTreeSet<usize> = (0..orphans.len())
        .filter(|at| {
            options.target.is_empty() || covered(&orphans[*at].owner.address, &options.target)
        })
        .collect();
    loop {
        let more: Vec<usize> = (0..orphans.len())
            .filter(|at| !picked.contains(at))
            .filter(|at| {
                picked.iter().any(|p| {
                    orphans[*at].parents.contains(&orphans[*p].id)
                        && takes_along(input, orphans[*p].kind, orphans[*at])
                })
            })
            .collect();
        if more.is_empty() {
            break;
        }
        picked.extend(more);
    }
    let mut spared: BTreeSet<usize> = (0..orphans.len())
        .filter(|at| covered(&orphans[*at].owner.address, &options.exclude))
        .collect();
    loop {
        let more: Vec<usize> = (0..orphans.len())
            .filter(|at| !spared.contains(at))
            .filter(|at| spared.iter().any(|s| orphans[*s].parents.contains(&orphans[*at].id)))
            .collect();
        if more.is_empty() {
            break;
        }
        spared.extend(more);
    }
    (0..orphans.len())
        .filter(|at| !picked.contains(at) || spared.contains(at))
        .map(|at| orphans[at].owner.address.clone())
        .collect()
}
