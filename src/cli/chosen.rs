//! What the user has named on the command line is there: a slip in `--exclude` must not be the end
//! of what was to be spared.

use super::session::{Session, UNSEEN};
use crate::guest::SORTS;
use crate::name::Address;
use crate::observe::Snapshot;
use crate::plan::{Options, Refusal};
use std::collections::BTreeSet;

/// The names that stand for nothing that is wanted, live, or was applied.
pub(super) fn unknown(session: &Session, snapshot: &Snapshot, options: &Options) -> Vec<Refusal> {
    let applied = session.applied();
    let wanted = session.graph.nodes.iter().map(|node| &node.address);
    let live = snapshot.live.iter().map(|live| &live.found.owner.address);
    let known: BTreeSet<&Address> =
        wanted.chain(live).chain(applied.0.keys()).chain(session.graph.moved.keys()).collect();
    let is_known = |name: &str| known.iter().any(|address| address.is_covered_by(name));
    // Consent may be given in advance, for what is not there yet.
    let is_sort = |name: &str| name == UNSEEN || name.split('/').any(|part| SORTS.contains(&part));
    let named = [
        ("--target", &options.target),
        ("--exclude", &options.exclude),
        ("--allow-delete", &options.allow_delete),
    ];
    let named = named.into_iter().flat_map(|(flag, names)| names.iter().map(move |it| (flag, it)));
    named
        .filter(|(flag, name)| !(is_known(name) || *flag == "--allow-delete" && is_sort(name)))
        .map(|(flag, name)| Refusal {
            address: None,
            why: format!("{flag} {name} names nothing in this deployment"),
            hint: match nearest(&known, name) {
                Some(near) => format!("did you mean {near}? `coderctl explain '*'` lists them all"),
                None => "there is nothing in it".to_owned(),
            },
        })
        .collect()
}

/// The address that is most like `name`, with or without its region.
fn nearest<'a>(known: &BTreeSet<&'a Address>, name: &str) -> Option<&'a Address> {
    let likeness = |address: &Address| {
        let (_, rest) = address.as_str().split_once('/').unwrap_or_default();
        let whole = strsim::jaro_winkler(address.as_str(), name);
        whole.max(strsim::jaro_winkler(rest, name))
    };
    known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}
