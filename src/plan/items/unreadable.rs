//! What must stay as it is because something near it can not be read.

use super::{Judge, State, plural};
use crate::graph::{AnyKind, GraphNode};
use crate::kind::Scope;
use crate::name::Region;
use crate::observe::{Live, Unreadable};
use crate::plan::kind_named;

impl<'a> Judge<'a> {
    /// Why a node can not be judged: its own kind, or something that it needs, can not be read.
    pub(super) fn withheld(&self, wanted: &GraphNode) -> Option<String> {
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

    /// Why something must stay for now: it lives in what this read does not show, and a kind that
    /// may hold it can not be read.
    pub(super) fn below_unreadable(&self, live: &Live) -> Option<String> {
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

    /// Why something must stay for now: a kind that may live inside it can not be read.
    pub(super) fn above_unreadable(&self, live: &Live) -> Option<String> {
        let rank = self.ranks.get(live.found.kind)?;
        let unread = self.unread_near(live, |other| other > rank)?;
        let title = kind_named(self.input.kinds, unread.kind).map_or(unread.kind, |k| k.title());
        Some(format!(
            "it stays until {} can be read in {}: they may live in it",
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
}
