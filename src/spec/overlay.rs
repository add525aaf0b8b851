//! Laying one tree over another.

use super::tree::{Entry, Node, Tree};
use std::collections::HashMap;

/// `over` on top of `base`: maps merge key by key, and a new key comes after those of `base`;
/// lists and scalars replace. A null replaces too; [`prune`] then takes it away with its key.
pub(crate) fn overlay(base: Node, over: Node) -> Node {
    let Node { tree: over_tree, span } = over;
    match (base.tree, over_tree) {
        (Tree::Map(base), Tree::Map(over)) => {
            Node { tree: Tree::Map(overlay_entries(base, over)), span }
        }
        (_, tree) => Node { tree, span },
    }
}

fn overlay_entries(base: Vec<Entry>, over: Vec<Entry>) -> Vec<Entry> {
    let places: HashMap<String, usize> =
        base.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
    let mut slots: Vec<Option<Entry>> = base.into_iter().map(Some).collect();
    for entry in over {
        let slot = places.get(&entry.key).and_then(|&at| slots.get_mut(at));
        match slot {
            Some(slot) => {
                *slot = Some(match slot.take() {
                    Some(below) => Entry { node: overlay(below.node, entry.node), ..entry },
                    None => entry,
                });
            }
            None => slots.push(Some(entry)),
        }
    }
    slots.into_iter().flatten().collect()
}

/// Removes every key whose value is null.
pub(crate) fn prune(node: Node) -> Node {
    let Node { tree, span } = node;
    let tree = match tree {
        Tree::Map(entries) => Tree::Map(
            entries
                .into_iter()
                .filter(|entry| !matches!(entry.node.tree, Tree::Null))
                .map(|entry| Entry { node: prune(entry.node), ..entry })
                .collect(),
        ),
        Tree::List(items) => Tree::List(items.into_iter().map(prune).collect()),
        tree @ (Tree::Null | Tree::Scalar(_)) => tree,
    };
    Node { tree, span }
}
