//! What is wanted and there: kept, changed, or made anew.

use super::{Judge, Judged, State};
use crate::graph::{AnyFound, AnyKind, GraphNode};
use crate::kind::{Change, Compared, Consent, Effect, Refused, ReplaceOrder, Status, show};
use crate::name::PhysicalId;
use crate::observe::Live;
use crate::plan::{Action, kind_named};
use crate::value::NodeId;
use std::collections::BTreeSet;

impl Judge<'_> {
    pub(super) fn present(
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
        let mut compared = compared;
        let refused = compared.refused.take();
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
            .then(|| {
                let anew = self.goes_with(found).filter(|other| self.needs(wanted, other.node));
                // The nearest explains it best.
                let is_far = |other: &&Judged| {
                    !other.item.id.as_ref().is_some_and(|id| found.parents.contains(id))
                };
                anew.min_by_key(is_far)
            })
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
        // A change is named by its field, or by what is whole where that is not taken apart.
        let is_due = |field: &str| changes.iter().any(|change| field.starts_with(&change.field));
        if let Some(Refused { field, why, hint }) = refused
            && (action == Action::Replace || is_due(&field))
        {
            self.refuse(
                Some(address),
                format!("{field} of {address} must not change: {why}"),
                hint,
            );
        }
        let destroys = action == Action::Replace && found.consent != Consent::None;
        self.push(node, wanted, action, Some(live), |item| {
            item.reason = reason;
            item.changes = changes;
            item.drift = drift;
            item.notes = notes;
            item.destroys_data = destroys;
        });
        if action == Action::Replace { State::Anew } else { State::Stays(found.live()) }
    }

    /// What is replaced, the old one first, and can not go while `found` is there.
    pub(super) fn goes_with(&self, found: &AnyFound) -> impl Iterator<Item = &Judged> {
        let within = self.within(found);
        self.items.iter().filter(move |judged| {
            judged.item.id.as_ref().is_some_and(|id| within.contains(id)) && self.goes_first(judged)
        })
    }

    /// Whether something is replaced, the old one first.
    fn goes_first(&self, judged: &Judged) -> bool {
        let delete_first = || {
            kind_named(self.input.kinds, &judged.item.kind)
                .is_some_and(|kind| kind.nature().replace == ReplaceOrder::DeleteFirst)
        };
        judged.item.action == Action::Replace && (judged.old_first || delete_first())
    }

    /// All that can not go while `found` is attached to it: what it is attached to, what that is
    /// attached to, and so on.
    fn within(&self, found: &AnyFound) -> BTreeSet<PhysicalId> {
        let mut within = BTreeSet::new();
        let mut next: Vec<&PhysicalId> = found.parents.iter().collect();
        while let Some(id) = next.pop() {
            if within.insert(id.clone()) {
                let above = self.input.snapshot.live.iter().filter(|live| live.found.id == *id);
                next.extend(above.flat_map(|live| &live.found.parents));
            }
        }
        within
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
