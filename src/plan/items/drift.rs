//! Which differences are changes to make, and which are somebody else's doing.

use super::Judge;
use crate::graph::{AnyFound, GraphNode};
use crate::kind::{Cause, Change, Compared, Effect, show};
use serde_json::Value;

impl Judge<'_> {
    /// The changes to make, those left alone as somebody else's, and notes.
    pub(super) fn changes(
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
}

fn removal(field: String, live: Value) -> Change {
    Change {
        field,
        from: live,
        to: Some(Value::Null),
        effect: Effect::InPlace,
        cause: Cause::Unknown,
    }
}
