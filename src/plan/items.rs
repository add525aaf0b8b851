//! What is done with each resource.

mod absent;
mod damaged;
mod drift;
mod leftovers;
mod orphans;
mod present;
mod unreadable;

use super::select::Selection;
use super::{Action, Input, Item, Refusal};
use crate::graph::{AnyFound, GraphNode};
use crate::kind::{Compared, Consent, Effect, Resolve};
use crate::name::{Address, Region};
use crate::observe::Live;
use crate::value::{Facts, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An item, and what the order of steps needs to know of it.
pub(super) struct Judged {
    pub(super) item: Item,
    /// Its place in the graph; none for what is not wanted.
    pub(super) node: Option<NodeId>,
    pub(super) region: Region,
    /// The live one that stays, changes or goes.
    pub(super) found: Option<AnyFound>,
    /// The generation of what is made or changed.
    pub(super) generation: u32,
    /// A delete that leaves its address alive: the old one of a replace that was cut short.
    pub(super) leftover: bool,
    /// A replace in which the old one goes first, whatever its kind prefers: it is attached to
    /// something that goes before it is made anew.
    pub(super) old_first: bool,
}

pub(super) struct Judgement {
    pub(super) items: Vec<Judged>,
    pub(super) refusals: Vec<Refusal>,
}

/// How a node stands, for those that refer to it.
enum State {
    /// It stays; its outputs are known.
    Stays(Arc<Facts>),
    /// It is not there, and nothing is being replaced.
    Missing,
    /// It is made anew.
    Anew,
    /// It can not be judged.
    Withheld,
}

struct States(Vec<State>);

impl Resolve for States {
    fn facts(&self, node: NodeId) -> Option<&Facts> {
        match self.0.get(node.index()) {
            Some(State::Stays(facts)) => Some(facts.as_ref()),
            _ => None,
        }
    }
    fn is_missing(&self, node: NodeId) -> bool {
        matches!(self.0.get(node.index()), Some(State::Missing))
    }
}

struct Judge<'a> {
    input: &'a Input<'a>,
    states: States,
    items: Vec<Judged>,
    refusals: Vec<Refusal>,
    /// Kinds by name: what may live in which comes later.
    ranks: BTreeMap<&'a str, usize>,
}

pub(super) fn judge<'a>(input: &'a Input<'a>, selection: &Selection) -> Judgement {
    let mut judge = Judge {
        input,
        states: States(Vec::with_capacity(input.graph.nodes.len())),
        items: Vec::new(),
        refusals: Vec::new(),
        ranks: input.kinds.iter().enumerate().map(|(rank, kind)| (kind.name(), rank)).collect(),
    };
    judge.uids();
    judge.damaged();
    for (node, wanted) in input.graph.iter() {
        let state = judge.node(node, wanted, selection.has(node));
        judge.states.0.push(state);
    }
    judge.orphans(selection);
    Judgement { items: judge.items, refusals: judge.refusals }
}

impl<'a> Judge<'a> {
    fn refuse(&mut self, address: Option<&Address>, why: String, hint: String) {
        self.refusals.push(Refusal { address: address.cloned(), why, hint });
    }

    fn node(&mut self, node: NodeId, wanted: &GraphNode, selected: bool) -> State {
        let kind = wanted.desired.kind();
        if let Some(why) = self.withheld(wanted) {
            if selected {
                self.push(node, wanted, Action::Withheld, None, |item| item.reason = Some(why));
            }
            return State::Withheld;
        }
        let candidates = self.candidates(wanted);
        if !selected {
            return candidates
                .last()
                .map_or(State::Missing, |live| State::Stays(live.found.live()));
        }
        if candidates.is_empty() {
            return self.absent(node, wanted);
        }
        let mut compared = Vec::new();
        for live in &candidates {
            match wanted.desired.compare(&live.found, &self.states) {
                Ok(comparison) => compared.push((*live, comparison)),
                Err(error) => {
                    self.refuse(Some(&wanted.address), error.to_string(), REPORT.to_owned());
                    return State::Withheld;
                }
            }
        }
        // The one that fits stays; of several that fit, or none, the newest.
        let fits = |compared: &Compared| {
            compared.strayed.is_none()
                && compared.changes.iter().all(|change| change.effect == Effect::InPlace)
        };
        let chosen = compared.iter().rposition(|(_, c)| fits(c)).unwrap_or(compared.len() - 1);
        let (live, comparison) = compared.remove(chosen);
        let others: Vec<&Live> = compared.into_iter().map(|(live, _)| live).collect();
        self.leftovers(wanted, live, &others);
        self.present(node, wanted, kind, live, comparison)
    }

    /// What is live for a node: at its address, or at one that moved to it.
    fn candidates(&self, wanted: &GraphNode) -> Vec<&'a Live> {
        let input: &'a Input<'a> = self.input;
        let snapshot = input.snapshot;
        let kind = wanted.desired.kind().name();
        let mut candidates: Vec<&Live> = snapshot
            .live
            .iter()
            .filter(|live| live.found.kind == kind && live.found.is_present())
            .filter(|live| {
                let address = &live.found.owner.address;
                *address == wanted.address
                    || input.graph.moved.get(address) == Some(&wanted.address)
            })
            .collect();
        // The last is the best: the newest, of duplicates the one in use, then the one that need
        // not move.
        candidates.sort_by_key(|live| {
            let owner = &live.found.owner;
            let is_used = self.is_used(live);
            (owner.generation, is_used, owner.address == wanted.address)
        });
        candidates
    }

    /// Whether something lives in it.
    fn is_used(&self, live: &Live) -> bool {
        let id = &live.found.id;
        self.input
            .snapshot
            .live
            .iter()
            .any(|other| other.found.is_present() && other.found.parents.contains(id))
    }

    fn goes(
        &mut self,
        live: &Live,
        action: Action,
        reason: String,
        consent: Consent,
        spec_path: Option<String>,
        leftover: bool,
    ) {
        let found = &live.found;
        self.items.push(Judged {
            item: Item {
                address: found.owner.address.clone(),
                kind: found.kind.to_owned(),
                action,
                reason: Some(reason),
                changes: Vec::new(),
                drift: Vec::new(),
                notes: Vec::new(),
                summary: found.id.to_string(),
                id: Some(found.id.clone()),
                spec_path,
                destroys_data: consent == Consent::Data,
                holds: found.holds.clone(),
                of_others: consent == Consent::Others,
            },
            node: None,
            region: live.region.clone(),
            generation: found.owner.generation,
            found: Some(found.clone()),
            leftover,
            old_first: false,
        });
    }

    fn push(
        &mut self,
        node: NodeId,
        wanted: &GraphNode,
        action: Action,
        live: Option<&Live>,
        fill: impl FnOnce(&mut Item),
    ) {
        let mut item = Item {
            address: wanted.address.clone(),
            kind: wanted.desired.kind().name().to_owned(),
            action,
            reason: None,
            changes: Vec::new(),
            drift: Vec::new(),
            notes: Vec::new(),
            summary: wanted.desired.summary(),
            id: live.map(|live| live.found.id.clone()),
            spec_path: Some(wanted.spec_path.clone()),
            destroys_data: false,
            holds: Vec::new(),
            of_others: false,
        };
        fill(&mut item);
        let old_first = action == Action::Replace
            && live.is_some_and(|live| self.goes_with(&live.found).next().is_some());
        let current = live.map_or(0, |live| live.found.owner.generation);
        // A new one counts on from everything that is or was at its address.
        let highest = self
            .input
            .snapshot
            .live
            .iter()
            .filter(|live| {
                live.found.owner.address == wanted.address && live.found.kind == item.kind
            })
            .map(|live| live.found.owner.generation)
            .max()
            .unwrap_or(0)
            // One that an interrupted replace has deleted already still counts.
            .max(self.input.applied.generation(&wanted.address));
        let generation = match action {
            Action::Create | Action::Replace => highest + 1,
            _ => current,
        };
        self.items.push(Judged {
            item,
            node: Some(node),
            region: wanted.region.clone(),
            found: live.map(|live| live.found.clone()),
            generation,
            leftover: false,
            old_first,
        });
    }
}

const LEAVING: &str = "it is on its way out";
const REPORT: &str = "this is a fault in coderctl; please report it with this message";

/// `subnets`, `elastic ips`, `security group rules`, `vpcs`.
pub(crate) fn plural(title: &str) -> String {
    match title.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if title.ends_with(['s', 'x']) => format!("{title}es"),
        _ => format!("{title}s"),
    }
}
