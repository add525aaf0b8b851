//! Reads what is live: every kind in every region, in the waves that kinds declare, all reads of
//! a wave at once. Nothing here writes, and nothing that can not be read is taken for absent.

use crate::graph::{AnyFound, AnyKind, Graph, Node};
use crate::kind::{Clash, Cx, Damaged, Error, Ownership, Scope, Seen};
use crate::name::{Address, PhysicalId, Region, Uid};
use futures::future::join_all;
use std::any::Any;
use std::collections::BTreeSet;

/// A kind that could not be read in a region.
#[derive(Clone, Debug)]
pub struct Unreadable {
    /// The kind's name.
    pub kind: &'static str,
    /// Where.
    pub region: Region,
    /// Why.
    pub error: Error,
}

/// A live resource and where it was found.
#[derive(Clone, Debug)]
pub struct Live {
    /// Where it was listed.
    pub region: Region,
    /// The resource.
    pub found: AnyFound,
}

/// A damaged one and where it was found.
#[derive(Clone, Debug)]
pub struct LiveDamaged {
    /// Its kind's name.
    pub kind: &'static str,
    /// Where it was listed.
    pub region: Region,
    /// What is wrong.
    pub damaged: Damaged,
}

/// A foreign one in our place.
#[derive(Clone, Debug)]
pub struct LiveClash {
    /// Its kind's name.
    pub kind: &'static str,
    /// Where it was listed.
    pub region: Region,
    /// What it is.
    pub clash: Clash,
}

/// What is live.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// All that is ours.
    pub live: Vec<Live>,
    /// Foreign resources in the place of wanted ones.
    pub clashes: Vec<LiveClash>,
    /// Resources that are half ours.
    pub damaged: Vec<LiveDamaged>,
    /// What could not be read.
    pub unreadable: Vec<Unreadable>,
}

impl Snapshot {
    /// Why `kind` could not be read in `region`.
    pub fn unreadable(&self, kind: &str, region: &Region) -> Option<&Unreadable> {
        self.unreadable.iter().find(|item| item.kind == kind && item.region == *region)
    }

    /// Everything that is ours at an address and present, in the order of generations.
    pub fn at<'a>(&'a self, kind: &'a str, address: &'a Address) -> Vec<&'a Live> {
        let mut at: Vec<&Live> = self
            .live
            .iter()
            .filter(|live| live.found.kind == kind && live.found.owner.address == *address)
            .filter(|live| live.found.is_present())
            .collect();
        at.sort_by_key(|live| live.found.owner.generation);
        at
    }

    /// The same in one order, whatever the order in which the provider listed it.
    #[must_use]
    pub fn in_order(&self) -> Snapshot {
        let Snapshot { mut live, mut clashes, mut damaged, mut unreadable } = self.clone();
        live.sort_by(|a, b| {
            let key = |live: &Live| {
                (live.found.kind, live.region.clone(), live.found.owner.address.clone())
            };
            (key(a), &a.found.id).cmp(&(key(b), &b.found.id))
        });
        clashes.sort_by_key(|item| (item.clash.address.clone(), item.kind, item.clash.id.clone()));
        damaged.sort_by_key(|item| (item.kind, item.region.clone(), item.damaged.id.clone()));
        unreadable.sort_by_key(|item| (item.kind, item.region.clone()));
        Snapshot { live, clashes, damaged, unreadable }
    }

    /// The uids of all that is ours; more than one means two deployments of one name.
    pub fn uids(&self) -> BTreeSet<Uid> {
        self.live.iter().map(|live| live.found.owner.uid.clone()).collect()
    }
}

/// What earlier waves found in one region, and what was found globally.
struct SoFar<'a> {
    snapshot: &'a Snapshot,
    region: &'a Region,
}

impl Seen for SoFar<'_> {
    fn of(&self, name: &str) -> Vec<(&PhysicalId, &Ownership, &(dyn Any + Send + Sync))> {
        self.snapshot
            .live
            .iter()
            .filter(|live| live.found.kind == name)
            .filter(|live| live.region == *self.region || live.found.scope == Scope::Global)
            .map(|live| (&live.found.id, &live.found.owner, live.found.live_ref()))
            .collect()
    }

    fn ids(&self) -> Vec<&PhysicalId> {
        let here = |live: &&Live| live.region == *self.region || live.found.scope == Scope::Global;
        self.snapshot.live.iter().filter(here).map(|live| &live.found.id).collect()
    }
}

/// Reads all `kinds` in all `regions`; global kinds in the home region of `cx` only. `also` names
/// regions that were used before.
pub async fn observe(
    cx: &Cx,
    kinds: &[&dyn AnyKind],
    graph: &Graph,
    regions: &BTreeSet<Region>,
) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let waves: BTreeSet<u8> = kinds.iter().map(|kind| kind.nature().wave).collect();
    for wave in waves {
        let here = |kind: &dyn AnyKind| -> Vec<Region> {
            match kind.nature().scope {
                Scope::Global => vec![cx.deployment.home_region.clone()],
                Scope::Regional => regions.iter().cloned().collect(),
            }
        };
        let reads = kinds.iter().filter(|kind| kind.nature().wave == wave).flat_map(|kind| {
            here(*kind).into_iter().map(|region| list(cx, *kind, graph, region, &snapshot))
        });
        let answers = join_all(reads).await;
        for answer in answers {
            merge(&mut snapshot, answer);
        }
    }
    snapshot
}

/// Reads one kind in one region again.
pub async fn observe_kind(
    cx: &Cx,
    kind: &dyn AnyKind,
    graph: &Graph,
    region: &Region,
    known: &Snapshot,
) -> Snapshot {
    let mut snapshot = Snapshot::default();
    merge(&mut snapshot, list(cx, kind, graph, region.clone(), known).await);
    snapshot
}

struct Answer {
    kind: &'static str,
    region: Region,
    listed: crate::kind::Result<crate::graph::AnyListed>,
}

async fn list(
    cx: &Cx,
    kind: &dyn AnyKind,
    graph: &Graph,
    region: Region,
    snapshot: &Snapshot,
) -> Answer {
    let cx = cx.in_region(&region);
    let wanted: Vec<(&Address, &dyn Node)> = graph
        .nodes
        .iter()
        .filter(|node| node.region == region && node.desired.kind().name() == kind.name())
        .map(|node| (&node.address, node.desired.as_ref()))
        .collect();
    let listed = kind.list(&cx, &wanted, &SoFar { snapshot, region: &region }).await;
    Answer { kind: kind.name(), region, listed }
}

fn merge(snapshot: &mut Snapshot, answer: Answer) {
    let Answer { kind, region, listed } = answer;
    match listed {
        Ok(listed) => {
            snapshot.live.extend(
                listed.ours.into_iter().map(|found| Live { region: region.clone(), found }),
            );
            snapshot.clashes.extend(listed.clashes.into_iter().map(|clash| LiveClash {
                kind,
                region: region.clone(),
                clash,
            }));
            snapshot.damaged.extend(listed.damaged.into_iter().map(|damaged| LiveDamaged {
                kind,
                region: region.clone(),
                damaged,
            }));
        }
        Err(error) => snapshot.unreadable.push(Unreadable { kind, region, error }),
    }
}
