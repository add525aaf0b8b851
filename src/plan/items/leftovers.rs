//! More than one at an address: the old one of a replace that was cut short, or a duplicate.

use super::{Judge, plural};
use crate::graph::GraphNode;
use crate::observe::Live;
use crate::plan::Action;

impl Judge<'_> {
    /// Others at the same address: the old one of a replace that was cut short, or a duplicate.
    pub(super) fn leftovers(&mut self, wanted: &GraphNode, kept: &Live, others: &[&Live]) {
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
            let (reason, consent) = if same {
                let reason = format!("a duplicate of {kept_id} that nothing uses");
                (reason, other.found.consent_to_spare)
            } else {
                // The replace itself had the user's consent when it began, or needs it now.
                let reason = format!("replaced by {kept_id}; an earlier run was cut short");
                (reason, other.found.consent)
            };
            let spec_path = Some(wanted.spec_path.clone());
            self.goes(other, Action::Delete, reason, consent, spec_path, true);
        }
    }
}
