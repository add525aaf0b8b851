//! A saved plan against what is found now.
//!
//! A plan file is applied by making the plan again and holding the two against each other. What
//! an earlier, partial run of the same file has done is not a move; everything else is.

use super::{Action, Item, Plan};
use crate::kind::{Cause, Held};
use crate::name::{Address, PhysicalId};
use serde::Serialize;
use std::collections::BTreeMap;

/// A resource that is not as the saved plan knew it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Which.
    pub address: Address,
    /// What was planned.
    pub planned: Option<Action>,
    /// What would be done now.
    pub found: Option<Action>,
    /// What that means, in words.
    pub why: String,
}

/// How planned and found go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    /// Nothing has happened, or the step is done, or it was cut short on its way.
    Fits,
    /// Fits if the found changes are among the planned ones, and begin where those began.
    IfSubset,
    /// Fits if what is left to do is the rest of a create that was cut short. One that was
    /// finished has been written down as applied: by whom ever, with other values.
    IfUnfinished,
    /// Somebody else was here.
    Moved,
}

/// The one table. Rows are what was planned, columns what is found.
fn fit(planned: Action, found: Option<Action>) -> Fit {
    use Action::{Create, Delete, Keep, Replace, Update, Wait, Withheld};
    match (planned, found) {
        (_, Some(Withheld)) | (Withheld, Some(_)) => Fit::Moved,
        (Keep | Wait, Some(Keep | Wait)) => Fit::Fits,
        (Create, Some(Create | Keep | Wait)) => Fit::Fits,
        (Create, Some(Update)) => Fit::IfUnfinished,
        (Update, Some(Update)) => Fit::IfSubset,
        (Update, Some(Keep | Wait)) => Fit::Fits,
        (Replace, Some(Replace | Create | Keep | Wait | Update)) => Fit::Fits,
        (Delete, Some(Delete) | None) => Fit::Fits,
        _ => Fit::Moved,
    }
}

/// What goes and was not shown, though that which holds it was.
fn holds_more<'a>(planned: &Item, found: &'a Item) -> Option<&'a str> {
    let is_new = |held: &&Held| planned.holds.iter().all(|known| known.name != held.name);
    found.holds.iter().find(is_new).map(|held| held.name.as_str())
}

/// Where an item is found again in another plan: what goes by its id, for several may go from one
/// address; everything else by its address.
type Key<'a> = (&'a Address, &'a str, Option<&'a PhysicalId>);

fn index(plan: &Plan) -> BTreeMap<Key<'_>, &Item> {
    plan.items
        .iter()
        .map(|item| {
            let id = item.id.as_ref().filter(|_| item.action == Action::Delete);
            ((&item.address, item.kind.as_str(), id), item)
        })
        .collect()
}

/// Everything that is not as `saved` knew it, given the plan made `now`.
pub fn moved_since(saved: &Plan, now: &Plan) -> Vec<Moved> {
    let (before, after) = (index(saved), index(now));
    let mut moved = Vec::new();
    for (key, planned) in &before {
        let found = after.get(key).copied().or_else(|| {
            // What was to stay and now goes, or was to go and now stays.
            after.values().copied().find(|item| {
                item.kind == planned.kind
                    && match planned.action {
                        Action::Delete => item.id == planned.id,
                        _ => item.address == planned.address,
                    }
            })
        });
        let action = found.map(|found| found.action);
        let fits = match fit(planned.action, action) {
            Fit::Fits => true,
            Fit::IfSubset => found.is_some_and(|found| {
                found.changes.iter().all(|change| {
                    planned.changes.iter().any(|known| {
                        // What somebody else has set meanwhile was not shown, and may be meant.
                        (&known.field, &known.from, &known.to)
                            == (&change.field, &change.from, &change.to)
                    })
                })
            }),
            Fit::IfUnfinished => found.is_some_and(|found| {
                found.changes.iter().all(|change| change.cause == Cause::Unknown)
            }),
            Fit::Moved => false,
        };
        let same_id = match (planned.action, &planned.id, found.and_then(|found| found.id.as_ref()))
        {
            (Action::Keep | Action::Update | Action::Wait | Action::Delete, Some(a), Some(b)) => {
                a == b
            }
            _ => true,
        };
        if let (Some(more), Action::Delete) =
            (found.and_then(|found| holds_more(planned, found)), planned.action)
        {
            moved.push(Moved {
                address: planned.address.clone(),
                planned: Some(planned.action),
                found: action,
                why: format!("it holds {more} now, which was not in the plan"),
            });
        }
        if !fits || !same_id {
            moved.push(Moved {
                address: planned.address.clone(),
                planned: Some(planned.action),
                found: action,
                why: explain(planned, found, same_id),
            });
        }
    }
    for (key, found) in &after {
        let known = before.contains_key(key)
            || (found.action == Action::Delete
                && before.values().any(|planned| {
                    // The old one that a half-done replace leaves behind.
                    planned.action == Action::Replace
                        && planned.kind == found.kind
                        && planned.id == found.id
                }));
        if !known && found.action != Action::Keep {
            moved.push(Moved {
                address: found.address.clone(),
                planned: None,
                found: Some(found.action),
                why: "it was not in the plan".to_owned(),
            });
        }
    }
    moved
}

fn explain(planned: &Item, found: Option<&Item>, same_id: bool) -> String {
    if !same_id {
        return "another resource stands at its address now".to_owned();
    }
    match (planned.action, found) {
        (Action::Delete, _) => "it was to be deleted, and is wanted now".to_owned(),
        (_, None) => "it is not part of the plan any more".to_owned(),
        (Action::Keep, Some(found)) if found.action == Action::Create => {
            "it was there and is gone".to_owned()
        }
        (_, Some(found)) => {
            let fields: Vec<&str> =
                found.changes.iter().map(|change| change.field.as_str()).collect();
            if fields.is_empty() {
                format!("planned {:?}, now {:?}", planned.action, found.action).to_lowercase()
            } else {
                format!("changed meanwhile: {}", fields.join(", "))
            }
        }
    }
}
