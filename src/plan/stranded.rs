//! What goes can only go when nothing is left in it: a plan that leaves something in is refused
//! here, before the provider refuses it halfway.

use super::items::Judged;
use super::select::takes_along;
use super::{Action, Input, Refusal};
use crate::kind::Consent;

pub(super) fn refusals(input: &Input<'_>, items: &[Judged]) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for judged in items {
        let word = match judged.item.action {
            Action::Delete => "deleted",
            Action::Replace => "replaced",
            _ => continue,
        };
        let Some(found) = &judged.found else { continue };
        let inside = input.snapshot.live.iter().map(|live| &live.found).filter(|inside| {
            inside.is_present()
                && inside.consent != Consent::Never
                && inside.parents.contains(&found.id)
                && takes_along(input, judged.item.kind.as_str(), inside)
        });
        for inside in inside {
            let item = items.iter().find(|other| {
                other.item.kind == inside.kind && other.item.id.as_ref() == Some(&inside.id)
            });
            let address = &judged.item.address;
            let (why, hint) = match item.map(|item| item.item.action) {
                None => (
                    "is left out of this plan",
                    format!("add it: --target {}, or leave out both", inside.owner.address),
                ),
                Some(Action::Withheld) => (
                    "can not be judged",
                    "make readable what the plan could not read, and plan again".to_owned(),
                ),
                // AWS lets a key go that something is still encrypted with.
                Some(Action::Keep) => (
                    "stays as it is",
                    "let the spec ask for it as before, or remove what lives in it as well"
                        .to_owned(),
                ),
                Some(_) => continue,
            };
            refusals.push(Refusal {
                address: Some(address.clone()),
                why: format!(
                    "{address} can not be {word}: {} lives in it, and {why}",
                    inside.owner.address
                ),
                hint,
            });
        }
    }
    refusals
}
