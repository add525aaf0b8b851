//! What is wanted and not there.

use super::{Judge, LEAVING, State};
use crate::graph::GraphNode;
use crate::kind::{Consent, ReplaceOrder};
use crate::name::PhysicalId;
use crate::observe::Live;
use crate::plan::{Action, Input};
use crate::value::NodeId;

/// Why something is created that is still there.
const BACK: &str = "its deletion is cancelled";

/// Whether it had this address, and is on its way out.
fn is_leaving(live: &Live, wanted: &GraphNode) -> bool {
    live.found.kind == wanted.desired.kind().name()
        && !live.found.is_present()
        && live.found.owner.address == wanted.address
}

impl<'a> Judge<'a> {
    pub(super) fn absent(&mut self, node: NodeId, wanted: &GraphNode) -> State {
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
                self.another_name(wanted, id, owner),
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
        let comes_back = wanted.desired.kind().nature().comes_back
            && self.input.snapshot.live.iter().any(|live| is_leaving(live, wanted));
        let reason = if comes_back { Some(BACK.to_owned()) } else { vanished };
        self.push(node, wanted, Action::Create, None, |item| item.reason = reason);
        if !comes_back {
            self.leaving(wanted);
        }
        State::Missing
    }

    /// What can be done about a name that something has already.
    fn another_name(&self, wanted: &GraphNode, id: &PhysicalId, owner: &str) -> String {
        let address = &wanted.address;
        if !wanted.desired.kind().nature().taggable {
            return "let the spec choose another name, or remove what is there".to_owned();
        }
        let rename = "give ours another name under `names:` in the spec";
        // Two that both call it theirs would undo each other's work.
        if owner.starts_with("of deployment ") {
            return rename.to_owned();
        }
        format!("adopt it: coderctl adopt {address} {id}; or {rename}")
    }

    /// Where two can not exist side by side, what is on its way out is waited for.
    fn leaving(&mut self, wanted: &GraphNode) {
        let kind = wanted.desired.kind();
        if kind.nature().replace != ReplaceOrder::DeleteFirst {
            return;
        }
        let input: &'a Input<'a> = self.input;
        for live in input.snapshot.live.iter().filter(|live| is_leaving(live, wanted)) {
            self.goes(live, Action::Delete, LEAVING.to_owned(), Consent::None, None, true);
        }
    }
}
