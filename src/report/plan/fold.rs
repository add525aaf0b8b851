//! Which items share a line.

use super::words::within;
use crate::plan::{Action, Item};

/// Kinds of which a deployment has dozens that nobody reads one by one, by the end of their name.
const SMALL: [&str; 5] = ["rule", "object", "association", "attachment", "record"];
/// So many of a small kind are shown one by one.
const SMALL_SHOWN: usize = 6;
/// So many of any other kind.
const SHOWN: usize = 30;
/// So many names stand in a line for many.
const NAMED: usize = 4;

/// One line of a section.
pub(super) enum Row<'a> {
    /// An item by itself.
    One(&'a Item),
    /// Items of one kind that see the same.
    Many(Vec<&'a Item>),
}

/// Puts items that are alike and many into one row, where the first of them stood.
pub(super) fn fold<'a>(items: &[&'a Item], verbose: bool) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for item in items {
        let like = |other: &&&Item| other.kind == item.kind && other.action == item.action;
        let foldable = !verbose && can_fold(item);
        let alike: Vec<&Item> =
            items.iter().filter(|other| can_fold(other)).filter(like).copied().collect();
        let limit = if is_small(&item.kind) { SMALL_SHOWN } else { SHOWN };
        if !foldable || alike.len() <= limit {
            rows.push(Row::One(item));
        } else if alike.first().is_some_and(|first| first.address == item.address) {
            rows.push(Row::Many(alike));
        }
    }
    rows
}

/// Whether all that there is to say of an item is what happens to it.
fn can_fold(item: &Item) -> bool {
    matches!(item.action, Action::Create | Action::Delete | Action::Withheld)
        && item.drift.is_empty()
        && item.notes.is_empty()
        && !item.destroys_data
        && item.holds.is_empty()
        && !item.of_others
}

fn is_small(kind: &str) -> bool {
    SMALL.iter().any(|end| kind.ends_with(end))
}

/// `nodes 6, load-balancer 4`, or the first names if they have nothing in common.
pub(super) fn contents(items: &[&Item]) -> String {
    let parts: Vec<Vec<&str>> =
        items.iter().map(|item| within(&item.address).split('/').collect()).collect();
    let common = (0..).take_while(|at| {
        parts.iter().all(|part| part.len() > at + 1 && part.get(*at) == parts[0].get(*at))
    });
    let common = common.count();
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for part in &parts {
        let name = part.get(common).copied().unwrap_or_default();
        match groups.iter_mut().find(|(known, _)| *known == name) {
            Some((_, number)) => *number += 1,
            None => groups.push((name, 1)),
        }
    }
    let mut named: Vec<String> = groups
        .iter()
        .take(NAMED)
        .map(|(name, number)| match number {
            1 => (*name).to_owned(),
            number => format!("{name} {number}"),
        })
        .collect();
    if groups.len() > NAMED {
        let rest: usize = groups.iter().skip(NAMED).map(|(_, number)| number).sum();
        named.push(format!("{rest} more"));
    }
    format!("{}; -v shows all", named.join(", "))
}
