//! Replacing is deleting: what holds data goes only with the user's consent, given by address.

use super::items::Judged;
use super::{Action, Input, Refusal};

pub(super) fn refusals(input: &Input<'_>, items: &[Judged]) -> Vec<Refusal> {
    if input.options.destroy {
        return Vec::new();
    }
    items
        .iter()
        .filter(|judged| judged.item.destroys_data)
        .filter(|judged| {
            !input.options.allow_delete.iter().any(|allowed| {
                allowed == judged.item.address.as_str()
                    || judged
                        .item
                        .address
                        .as_str()
                        .split_once('/')
                        .is_some_and(|(_, rest)| rest == allowed)
            })
        })
        .map(|judged| {
            let address = &judged.item.address;
            let what = if judged.item.action == Action::Replace { "replace" } else { "delete" };
            let reason = judged.item.reason.as_deref().unwrap_or("it is not wanted any more");
            Refusal {
                address: Some(address.clone()),
                why: format!(
                    "this plan would {what} {address}, and what it holds with it: {reason}"
                ),
                hint: format!("if that is meant, say so: --allow-delete {address}"),
            }
        })
        .collect()
}
