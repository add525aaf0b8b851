//! What is done with each resource.

use super::select::Selection;
use super::{Action, Input, Item, Refusal, kind_named};
use crate::graph::{AnyFound, AnyKind, GraphNode};
use crate::kind::{Cause, Change, Compared, Effect, ReplaceOrder, Resolve, Scope, Status, show};
use crate::name::{Address, PhysicalId, Region};
use crate::observe::{Live, Unreadable};
use crate::value::{Facts, NodeId};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
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

    /// Two uids are two deployments of one name: nothing can be said of which is which.
    fn uids(&mut self) {
        let uids = self.input.snapshot.uids();
        if uids.len() > 1 {
            let list: Vec<String> = uids.iter().map(ToString::to_string).collect();
            self.refuse(
                None,
                format!(
                    "what is live carries {} uids for one deployment name: {}",
                    uids.len(),
                    list.join(", ")
                ),
                "two deployments share this name; destroy one of them under its own record, or \
                 remove the coderctl tags of what is not yours"
                    .to_owned(),
            );
        }
    }

    fn damaged(&mut self) {
        for damaged in &self.input.snapshot.damaged {
            let title =
                kind_named(self.input.kinds, damaged.kind).map_or(damaged.kind, |k| k.title());
            let mend = damaged.damaged.mend.clone().unwrap_or_else(|| {
                format!(
                    "put its tags back (`coderctl explain` lists addresses; `coderctl adopt ADDRESS {}` \
                     writes all of them), or remove its coderctl tags to give it up",
                    damaged.damaged.id
                )
            });
            self.refuse(
                None,
                format!(
                    "{title} {} in {} carries this deployment's name, but {}",
                    damaged.damaged.id, damaged.region, damaged.damaged.why
                ),
                mend,
            );
        }
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

    /// Why a node can not be judged: its own kind, or something that it needs, can not be read.
    fn withheld(&self, wanted: &GraphNode) -> Option<String> {
        let kind = wanted.desired.kind();
        let region = self.listed_in(kind, &wanted.region);
        if self.input.snapshot.unreadable(kind.name(), region).is_some() {
            return Some(format!("{} can not be read in {region}", plural(kind.title())));
        }
        let above = wanted
            .edges()
            .iter()
            .find(|edge| matches!(self.states.0[edge.node.index()], State::Withheld))?;
        let above = self.input.graph.node(above.node);
        Some(format!("it needs {}, which can not be judged", above.address))
    }

    fn listed_in<'r>(&'r self, kind: &dyn AnyKind, region: &'r Region) -> &'r Region {
        match kind.nature().scope {
            Scope::Regional => region,
            Scope::Global => &self.input.deployment.home_region,
        }
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

    fn absent(&mut self, node: NodeId, wanted: &GraphNode) -> State {
        let address = &wanted.address;
        let clash = self.input.snapshot.clashes.iter().find(|clash| {
            clash.kind == wanted.desired.kind().name() && clash.clash.address == *address
        });
        if let Some(clash) = clash {
            let title = wanted.desired.kind().title();
            let (id, owner) = (&clash.clash.id, &clash.clash.owner);
            self.refuse(
                Some(address),
                format!("{address} can not be made: {title} {id} has its name, and is {owner}"),
                format!(
                    "adopt it: coderctl adopt {address} {id}; or give ours another name under \
                     `names:` in the spec"
                ),
            );
            self.push(node, wanted, Action::Withheld, None, |item| {
                item.reason = Some(format!("{title} {id} has its name"));
            });
            return State::Missing;
        }
        let vanished = self
            .input
            .applied
            .0
            .get(address)
            .map(|applied| format!("it was there on {} and is gone", applied.at));
        self.push(node, wanted, Action::Create, None, |item| item.reason = vanished);
        self.leaving(wanted);
        State::Missing
    }

    /// Where two can not exist side by side, what is on its way out is waited for.
    fn leaving(&mut self, wanted: &GraphNode) {
        let kind = wanted.desired.kind();
        if kind.nature().replace != ReplaceOrder::DeleteFirst {
            return;
        }
        let input: &'a Input<'a> = self.input;
        let leaving = input.snapshot.live.iter().filter(|live| {
            live.found.kind == kind.name()
                && !live.found.is_present()
                && live.found.owner.address == wanted.address
        });
        for live in leaving {
            self.goes(live, Action::Delete, LEAVING.to_owned(), false, None, true);
        }
    }

    fn present(
        &mut self,
        node: NodeId,
        wanted: &GraphNode,
        kind: &dyn AnyKind,
        live: &Live,
        compared: Compared,
    ) -> State {
        let found = &live.found;
        let address = &wanted.address;
        if let Some((field, parent)) = &compared.strayed {
            self.refuse(
                Some(address),
                format!(
                    "{} {} lives in {field} {parent}, which does not carry this deployment's tags \
                     any more",
                    kind.title(),
                    found.id
                ),
                self.mend_parent(wanted, parent),
            );
            self.push(node, wanted, Action::Withheld, Some(live), |item| {
                item.reason = Some(format!("its {field} {parent} has lost its tags"));
            });
            return State::Withheld;
        }
        if let Status::Failed(why) = &found.status {
            return self.failed(node, wanted, kind, live, why.clone());
        }
        let (changes, drift, notes) = self.changes(wanted, found, compared);
        let replacing: Vec<&Change> =
            changes.iter().filter(|change| change.effect == Effect::Replace).collect();
        let action = if !replacing.is_empty() {
            Action::Replace
        } else if !changes.is_empty() {
            Action::Update
        } else if matches!(found.status, Status::Busy(_)) {
            Action::Wait
        } else {
            Action::Keep
        };
        // It can not let go of what goes first, for it has nothing to hold on to before that is
        // made anew: only going with it gets both out of the way.
        let stuck = (action == Action::Update)
            .then(|| self.goes_with(found).find(|other| self.needs(wanted, other.node)))
            .flatten()
            .map(|other| {
                let other = &other.item.address;
                format!("it is attached to {other}, which goes before it is made anew")
            });
        let action = if stuck.is_some() { Action::Replace } else { action };
        let reason = match action {
            Action::Replace => Some(stuck.unwrap_or_else(|| replace_reason(&replacing))),
            Action::Update if found.owner.address != *address => {
                Some(format!("moved here from {}", found.owner.address))
            }
            Action::Wait => match &found.status {
                Status::Busy(status) => Some(format!("it is {status}")),
                _ => None,
            },
            _ => None,
        };
        if action == Action::Replace
            && let Some(why) = self.above_unreadable(live)
        {
            return self.withhold(node, wanted, live, why);
        }
        let destroys = action == Action::Replace && kind.nature().holds_data;
        self.push(node, wanted, action, Some(live), |item| {
            item.reason = reason;
            item.changes = changes;
            item.drift = drift;
            item.notes = notes;
            item.destroys_data = destroys;
        });
        if action == Action::Replace { State::Anew } else { State::Stays(found.live()) }
    }

    /// What `found` is attached to and what is replaced, the old one first.
    fn goes_with<'s>(&'s self, found: &'s AnyFound) -> impl Iterator<Item = &'s Judged> {
        self.items.iter().filter(|judged| {
            let delete_first = || {
                kind_named(self.input.kinds, &judged.item.kind)
                    .is_some_and(|kind| kind.nature().replace == ReplaceOrder::DeleteFirst)
            };
            judged.item.action == Action::Replace
                && judged.item.id.as_ref().is_some_and(|id| found.parents.contains(id))
                && (judged.old_first || delete_first())
        })
    }

    /// Whether `wanted` refers to `node`, directly or not.
    fn needs(&self, wanted: &GraphNode, node: Option<NodeId>) -> bool {
        let mut next: Vec<NodeId> = wanted.edges().iter().map(|edge| edge.node).collect();
        let mut seen = BTreeSet::new();
        while let Some(at) = next.pop() {
            if Some(at) == node {
                return true;
            }
            if seen.insert(at) {
                next.extend(self.input.graph.node(at).edges().iter().map(|edge| edge.node));
            }
        }
        false
    }

    fn failed(
        &mut self,
        node: NodeId,
        wanted: &GraphNode,
        kind: &dyn AnyKind,
        live: &Live,
        why: String,
    ) -> State {
        if kind.nature().holds_data {
            self.refuse(
                Some(&wanted.address),
                format!("{} {} has failed: {why}", kind.title(), live.found.id),
                "it holds data, so it is not replaced: repair it with the provider's own means, \
                 then run the same command again"
                    .to_owned(),
            );
            self.push(node, wanted, Action::Withheld, Some(live), |item| {
                item.reason = Some(format!("it has failed: {why}"));
            });
            return State::Withheld;
        }
        if let Some(why) = self.above_unreadable(live) {
            return self.withhold(node, wanted, live, why);
        }
        self.push(node, wanted, Action::Replace, Some(live), |item| {
            item.reason = Some(format!("it has failed: {why}"));
        });
        State::Anew
    }

    fn withhold(&mut self, node: NodeId, wanted: &GraphNode, live: &Live, why: String) -> State {
        self.push(node, wanted, Action::Withheld, Some(live), |item| item.reason = Some(why));
        State::Withheld
    }

    /// The command that gives a parent its tags back, if the graph knows what it was.
    fn mend_parent(&self, wanted: &GraphNode, parent: &str) -> String {
        let missing = wanted
            .edges()
            .iter()
            .find(|edge| matches!(self.states.0[edge.node.index()], State::Missing))
            .map(|edge| &self.input.graph.node(edge.node).address);
        match missing {
            Some(address) => {
                format!("if it is the same one, take it back: coderctl adopt {address} {parent}")
            }
            None => format!("give {parent} its coderctl tags back"),
        }
    }

    /// The changes to make, those left alone as somebody else's, and notes.
    fn changes(
        &self,
        wanted: &GraphNode,
        found: &AnyFound,
        compared: Compared,
    ) -> (Vec<Change>, Vec<Change>, Vec<String>) {
        let Compared { mut changes, mut notes, extras, .. } = compared;
        let applied = self.input.applied;
        let (here, before) = (&wanted.address, &found.owner.address);
        let address = if applied.0.contains_key(here) { here } else { before };
        for extra in extras {
            if applied.had(address, &extra.field) {
                changes.push(removal(extra.field, extra.live));
            } else {
                notes.push(format!(
                    "{} ({}) is not ours and stays",
                    extra.field,
                    show(&extra.live)
                ));
            }
        }
        if wanted.desired.kind().nature().taggable {
            changes.extend(self.tags(wanted, found));
        }
        for change in &mut changes {
            change.cause = applied.cause(address, change);
        }
        let (drift, changes) = changes.into_iter().partition(|change| {
            // What vanished is put back without asking; what somebody changed is not.
            change.cause == Cause::Drift
                && change.from != Value::Null
                && !self.input.options.overwrite_drift
        });
        (changes, drift, notes)
    }

    fn tags(&self, wanted: &GraphNode, found: &AnyFound) -> Vec<Change> {
        let deployment = crate::kind::Deployment {
            uid: Some(found.owner.uid.clone()),
            ..self.input.deployment.clone()
        };
        let generation = found.owner.generation;
        let want = crate::kind::identity_tags(&deployment, &wanted.address, generation)
            .unwrap_or_default();
        let set = want.iter().filter(|(key, value)| found.tags.get(*key) != Some(*value)).map(
            |(key, value)| Change {
                field: format!("tags.{key}"),
                from: found.tags.get(key).map_or(Value::Null, |tag| Value::from(tag.as_str())),
                to: Some(Value::from(value.as_str())),
                effect: Effect::InPlace,
                cause: Cause::Unknown,
            },
        );
        let removed = found
            .tags
            .iter()
            .filter(|(key, _)| !want.contains_key(*key))
            .filter(|(key, _)| self.input.applied.had(&wanted.address, &format!("tags.{key}")))
            .map(|(key, value)| removal(format!("tags.{key}"), Value::from(value.as_str())));
        set.chain(removed).collect()
    }

    /// Others at the same address: the old one of a replace that was cut short, or a duplicate.
    fn leftovers(&mut self, wanted: &GraphNode, kept: &Live, others: &[&Live]) {
        let kind = wanted.desired.kind();
        for other in others {
            let (id, kept_id) = (&other.found.id, &kept.found.id);
            let same = other.found.owner.generation == kept.found.owner.generation;
            if same && self.is_used(other) {
                self.refuse(
                    Some(&wanted.address),
                    format!(
                        "two {} are at {}: {kept_id} and {id}, and both are in use",
                        plural(kind.title()),
                        wanted.address
                    ),
                    format!(
                        "decide which one stays, and remove the coderctl tags of the other, or \
                         move what uses {id} away from it"
                    ),
                );
                continue;
            }
            if self.above_unreadable(other).is_some() {
                // It stays until it is known what is in it; nothing is wrong with that.
                continue;
            }
            let reason = if same {
                format!("a duplicate of {kept_id} that nothing uses")
            } else {
                format!("replaced by {kept_id}; an earlier run was cut short")
            };
            // The replace itself had the user's consent when it began, or needs it now.
            let destroys = kind.nature().holds_data;
            let spec_path = Some(wanted.spec_path.clone());
            self.goes(other, Action::Delete, reason, destroys, spec_path, true);
        }
    }

    fn goes(
        &mut self,
        live: &Live,
        action: Action,
        reason: String,
        destroys_data: bool,
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
                destroys_data,
            },
            node: None,
            region: live.region.clone(),
            generation: found.owner.generation,
            found: Some(found.clone()),
            leftover,
            old_first: false,
        });
    }

    /// What is live and not wanted.
    fn orphans(&mut self, selection: &Selection) {
        let input = self.input;
        let going: Vec<&Live> = input
            .snapshot
            .live
            .iter()
            .filter(|live| {
                let address = &live.found.owner.address;
                let at = input.graph.moved.get(address).unwrap_or(address);
                let same_kind = input.graph.find(at).is_some_and(|node| {
                    input.graph.node(node).desired.kind().name() == live.found.kind
                });
                let planned = self.items.iter().any(|judged| {
                    judged.item.action == Action::Delete
                        && judged.item.kind == live.found.kind
                        && judged.item.id.as_ref() == Some(&live.found.id)
                });
                // What leaves is nobody's any more, even where its address is wanted again.
                (!same_kind || !live.found.is_present())
                    && !planned
                    && selection.has_orphan(address)
            })
            .collect();
        let doomed: BTreeSet<_> = going
            .iter()
            .filter(|live| live.found.is_present())
            .map(|live| live.found.id.clone())
            .chain(
                // What is replaced, and what is left over at its address.
                self.items
                    .iter()
                    .filter(|j| matches!(j.item.action, Action::Replace | Action::Delete))
                    .filter_map(|j| j.item.id.clone()),
            )
            .collect();
        let mut orphans: Vec<&Live> = going
            .into_iter()
            // What is leaving already is waited for where something else waits for that; and when
            // everything goes, so that what a run that died has left half deleted goes whole.
            .filter(|live| {
                live.found.is_present()
                    || self.input.options.destroy
                    || live.found.parents.iter().any(|id| doomed.contains(id))
            })
            .collect();
        orphans.sort_by_key(|live| {
            let rank = self.ranks.get(live.found.kind).copied().unwrap_or(0);
            (std::cmp::Reverse(rank), live.found.owner.address.clone(), live.found.id.clone())
        });
        let withheld = self.withheld_orphans(&orphans);
        for live in orphans {
            let withheld = withheld.get(&live.found.id).cloned();
            let kind = kind_named(input.kinds, live.found.kind);
            let holds_data = kind.is_some_and(|kind| kind.nature().holds_data);
            let leaving = !live.found.is_present();
            let action = if withheld.is_some() { Action::Withheld } else { Action::Delete };
            let destroys = holds_data && withheld.is_none() && !leaving;
            let reason = withheld.unwrap_or_else(|| {
                if leaving {
                    LEAVING.to_owned()
                } else if input.options.destroy {
                    "everything goes".to_owned()
                } else {
                    "the spec does not ask for it any more".to_owned()
                }
            });
            // The address of what leaves may be wanted, and live on.
            let lives_on = leaving && input.graph.find(&live.found.owner.address).is_some();
            self.goes(live, action, reason, destroys, None, lives_on);
        }
    }

    /// The orphans that must stay for now, and why: what may live in them, or what they live in,
    /// can not be read.
    fn withheld_orphans(&self, orphans: &[&Live]) -> BTreeMap<PhysicalId, String> {
        let mut withheld = BTreeMap::new();
        for live in orphans {
            if let Some(why) = self.above_unreadable(live).or_else(|| self.below_unreadable(live)) {
                withheld.insert(live.found.id.clone(), why);
            }
        }
        // What lives in something that stays could go; but whoever wants it gone wants the whole.
        loop {
            let more: Vec<(PhysicalId, String)> = orphans
                .iter()
                .filter(|live| !withheld.contains_key(&live.found.id))
                .filter_map(|live| {
                    let inside = live.found.parents.iter().find(|id| withheld.contains_key(id))?;
                    Some((live.found.id.clone(), format!("it lives in {inside}, which stays")))
                })
                .collect();
            if more.is_empty() {
                return withheld;
            }
            withheld.extend(more);
        }
    }

    /// Why something must stay for now: it lives in what this read does not show, and a kind that
    /// may hold it can not be read.
    fn below_unreadable(&self, live: &Live) -> Option<String> {
        let snapshot = self.input.snapshot;
        let parent = live
            .found
            .parents
            .iter()
            .find(|id| !snapshot.live.iter().any(|other| other.found.id == **id))?;
        let rank = self.ranks.get(live.found.kind)?;
        let unread = self.unread_near(live, |other| other < rank)?;
        let title = kind_named(self.input.kinds, unread.kind).map_or(unread.kind, |k| k.title());
        Some(format!(
            "it lives in {parent}, and {} can not be read in {}",
            plural(title),
            unread.region
        ))
    }

    /// A kind of such a rank that can not be read where `live` is.
    fn unread_near(&self, live: &Live, fits: impl Fn(&usize) -> bool) -> Option<&'a Unreadable> {
        self.input.snapshot.unreadable.iter().find(|unread| {
            let global = kind_named(self.input.kinds, unread.kind)
                .is_some_and(|kind| kind.nature().scope == Scope::Global);
            (unread.region == live.region || global || live.found.scope == Scope::Global)
                && self.ranks.get(unread.kind).is_some_and(&fits)
        })
    }

    /// Why something must stay for now: a kind that may live inside it can not be read.
    fn above_unreadable(&self, live: &Live) -> Option<String> {
        let rank = self.ranks.get(live.found.kind)?;
        let unread = self.unread_near(live, |other| other > rank)?;
        let title = kind_named(self.input.kinds, unread.kind).map_or(unread.kind, |k| k.title());
        Some(format!(
            "it stays until {} can be read in {}: they may live in it",
            plural(title),
            unread.region
        ))
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

fn removal(field: String, live: Value) -> Change {
    Change {
        field,
        from: live,
        to: Some(Value::Null),
        effect: Effect::InPlace,
        cause: Cause::Unknown,
    }
}

fn replace_reason(changes: &[&Change]) -> String {
    let fields: Vec<String> = changes
        .iter()
        .map(|change| {
            let to = change.to.as_ref().map_or("(known after apply)".to_owned(), show);
            format!("{} {} → {to}", change.field, show(&change.from))
        })
        .collect();
    format!("{} cannot change in place", fields.join(", "))
}

/// `subnets`, `elastic ips`, `security group rules`, `vpcs`.
pub(crate) fn plural(title: &str) -> String {
    match title.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ if title.ends_with(['s', 'x']) => format!("{title}es"),
        _ => format!("{title}s"),
    }
}
