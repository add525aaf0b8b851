//! What is live and not wanted.

use super::{Judge, LEAVING};
use crate::kind::Consent;
use crate::name::PhysicalId;
use crate::observe::Live;
use crate::plan::select::Selection;
use crate::plan::{Action, kind_named};
use std::collections::{BTreeMap, BTreeSet};

impl Judge<'_> {
    /// What is live and not wanted.
    pub(super) fn orphans(&mut self, selection: &Selection) {
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
            if live.found.consent == Consent::Never {
                self.in_the_way(live);
                continue;
            }
            let withheld = withheld.get(&live.found.id).cloned();
            let leaving = !live.found.is_present();
            let action = if withheld.is_some() { Action::Withheld } else { Action::Delete };
            let consent =
                if withheld.is_none() && !leaving { live.found.consent } else { Consent::None };
            let is_guest =
                kind_named(input.kinds, live.found.kind).is_some_and(|kind| kind.nature().is_guest);
            let reason = withheld.unwrap_or_else(|| {
                if leaving {
                    LEAVING.to_owned()
                } else if is_guest && live.found.holds.is_empty() {
                    "none are known; what there is shows when they are asked for".to_owned()
                } else if is_guest {
                    "others made it in what goes".to_owned()
                } else if input.options.destroy && !input.options.target.is_empty() {
                    "it was chosen, or lives in what was".to_owned()
                } else if input.options.destroy {
                    "everything goes".to_owned()
                } else {
                    "the spec does not ask for it any more".to_owned()
                }
            });
            // The address of what leaves may be wanted, and live on.
            let lives_on = leaving && input.graph.find(&live.found.owner.address).is_some();
            self.goes(live, action, reason, consent, None, lives_on);
        }
    }

    /// What is not ours to delete, and keeps something from going that goes.
    fn in_the_way(&mut self, live: &Live) {
        let held: Vec<&str> = live.found.holds.iter().map(|held| held.name.as_str()).collect();
        let of: Vec<&str> = live.found.parents.iter().map(PhysicalId::as_str).collect();
        self.refuse(
            Some(&live.found.owner.address),
            format!("{} is in the way, and not ours to delete: {}", live.found.id, held.join(", ")),
            format!("delete what uses it, or move it out of {}; then plan again", of.join(", ")),
        );
    }

    /// The orphans that must stay for now, and why: what may live in them, or what they live in,
    /// can not be read, or stays itself.
    fn withheld_orphans(&self, orphans: &[&Live]) -> BTreeMap<PhysicalId, String> {
        let mut withheld = BTreeMap::new();
        for live in orphans {
            if let Some(why) = self.above_unreadable(live).or_else(|| self.below_unreadable(live)) {
                withheld.insert(live.found.id.clone(), why);
            }
        }
        // What lives in something that stays could go; but whoever wants it gone wants the whole.
        // And what something lives in that stays can't go.
        loop {
            let stays = |live: &Live| withheld.contains_key(&live.found.id);
            let more: Vec<(PhysicalId, String)> = orphans
                .iter()
                .filter(|live| !stays(live))
                .filter_map(|live| {
                    let around = live.found.parents.iter().find(|id| withheld.contains_key(id));
                    let inside = || {
                        let of_this = |other: &&&Live| other.found.parents.contains(&live.found.id);
                        orphans.iter().filter(of_this).find(|other| stays(other))
                    };
                    let why = match around {
                        Some(around) => format!("it lives in {around}, which stays"),
                        None => format!("{} lives in it, and stays", inside()?.found.id),
                    };
                    Some((live.found.id.clone(), why))
                })
                .collect();
            if more.is_empty() {
                return withheld;
            }
            withheld.extend(more);
        }
    }
}
