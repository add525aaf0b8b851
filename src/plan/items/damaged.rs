//! What can not be told apart or is only half ours: no plan is made around it.

use super::Judge;
use crate::plan::kind_named;

impl Judge<'_> {
    /// Two uids are two deployments of one name: nothing can be said of which is which.
    pub(super) fn uids(&mut self) {
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

    pub(super) fn damaged(&mut self) {
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
}
