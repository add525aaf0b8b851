//! Replacing is deleting: what holds data goes only with the user's consent, given by address. That
//! everything goes is consent as well, but not to what others made in it.

use super::items::Judged;
use super::{Action, Input, Item, Refusal};

pub(super) fn refusals(input: &Input<'_>, items: &[Judged]) -> Vec<Refusal> {
    let allowed = &input.options.allow_delete;
    items
        .iter()
        .map(|judged| &judged.item)
        .filter(|item| item.of_others || (item.destroys_data && !input.options.destroy))
        .filter(|item| !allowed.iter().any(|allowed| consents(allowed, item)))
        .map(refusal)
        .collect()
}

/// Whether `allowed`, as the user wrote it, is consent to what is done with `item`. What others
/// made may be many things: the name of their sort (`volumes`) covers them all.
fn consents(allowed: &str, item: &Item) -> bool {
    let address = item.address.as_str();
    allowed == address
        || address.split_once('/').is_some_and(|(_, rest)| rest == allowed)
        || (item.of_others && sort(item) == Some(allowed))
}

/// `volumes` of `us-east-1/cluster/volumes/default/data`.
fn sort(item: &Item) -> Option<&str> {
    item.address.as_str().split('/').nth(2)
}

fn refusal(item: &Item) -> Refusal {
    let address = &item.address;
    let what = if item.action == Action::Replace { "replace" } else { "delete" };
    let why = if item.of_others {
        let held: Vec<&str> = item.holds.iter().map(|held| held.name.as_str()).collect();
        let named = match held.as_slice() {
            [] => String::new(),
            [first, second, third, _, ..] => {
                format!(": {first}, {second}, {third} and {} more", held.len() - 3)
            }
            few => format!(": {}", few.join(", ")),
        };
        format!("this plan would {what} {address}, which others made{named}")
    } else {
        let reason = item.reason.as_deref().unwrap_or("it is not wanted any more");
        format!("this plan would {what} {address}, and what it holds with it: {reason}")
    };
    let all = match sort(item) {
        Some(sort) if item.of_others && item.address.rest() != sort => {
            format!("; all of them: --allow-delete {sort}")
        }
        _ => String::new(),
    };
    Refusal {
        address: Some(address.clone()),
        why,
        hint: format!("if that is meant, say so: --allow-delete {address}{all}"),
    }
}
