//! The order of steps: what must exist first, what is attached goes first.

use super::items::Judged;
use super::{Action, Input, Refusal, Step, WaitFor, kind_named, step_name};
use crate::event::Verb;
use crate::kind::{Nature, ReplaceOrder};
use crate::name::PhysicalId;
use crate::value::Need;
use std::collections::{BTreeMap, BTreeSet};

/// Why a step waits where no edge of the graph says so.
mod because {
    pub(super) const ATTACHED: &str = "that is inside it or needs it";
    pub(super) const LETS_GO: &str = "that lets go of it";
    pub(super) const GOES_FIRST: &str = "that goes before anything else";
    pub(super) const OLD_GOES: &str = "the old one goes before the new one is made";
    pub(super) const NEW_STANDS: &str = "the new one stands before the old one goes";
    pub(super) const MOVES_OVER: &str = "that moves over to the new one";
}

/// A step on its way to its place.
struct Draft {
    step: Step,
    /// What comes first, by its place among the drafts.
    after: BTreeMap<usize, Wait>,
}

/// What is needed of an earlier step, and why.
struct Wait {
    need: Need,
    reason: String,
}

struct Drafts {
    drafts: Vec<Draft>,
}

impl Drafts {
    fn wait(&mut self, later: usize, earlier: usize, need: Need, reason: &str) {
        let after = &mut self.drafts[later].after;
        let is_news = after.get(&earlier).is_none_or(|known| known.need < need);
        if later != earlier && is_news {
            after.insert(earlier, Wait { need, reason: reason.to_owned() });
        }
    }
}

/// Steps in an order in which they could be done one by one, and a refusal if there is none.
pub(super) fn order(input: &Input<'_>, items: &[Judged]) -> (Vec<Step>, Option<Refusal>) {
    let mut all = Drafts { drafts: Vec::new() };
    // By item: the step that makes, changes or awaits it, and the one that deletes the live one.
    let mut put: Vec<Option<usize>> = vec![None; items.len()];
    let mut delete: Vec<Option<usize>> = vec![None; items.len()];
    for (at, judged) in items.iter().enumerate() {
        let Some(kind) = kind_named(input.kinds, &judged.item.kind) else { continue };
        let nature = kind.nature();
        let verb = match judged.item.action {
            Action::Create | Action::Replace => Some(Verb::Create),
            Action::Update => Some(Verb::Update),
            Action::Wait => Some(Verb::Settle),
            Action::Delete | Action::Keep | Action::Withheld => None,
        };
        if let Some(verb) = verb {
            put[at] = Some(all.drafts.len());
            all.drafts.push(draft(input, judged, nature, verb));
        }
        if matches!(judged.item.action, Action::Delete | Action::Replace) {
            delete[at] = Some(all.drafts.len());
            all.drafts.push(draft(input, judged, nature, Verb::Delete));
        }
    }
    let by_node: BTreeMap<usize, usize> = items
        .iter()
        .enumerate()
        .filter_map(|(at, judged)| Some((judged.node?.index(), at)))
        .collect();
    needs(input, items, &by_node, &put, &mut all);
    replaces(input, items, &by_node, &put, &delete, &mut all);
    attached(items, &put, &delete, &mut all);
    if input.options.destroy {
        firsts(items, &delete, &mut all);
    }
    finish(all)
}

fn draft(input: &Input<'_>, judged: &Judged, nature: &Nature, verb: Verb) -> Draft {
    let deleting = verb == Verb::Delete;
    let node = judged.node.or_else(|| input.graph.find(&judged.item.address));
    let desired = node
        .map(|node| &input.graph.node(node).desired)
        .filter(|desired| desired.kind().name() == judged.item.kind);
    let exclusive = desired.and_then(|desired| desired.exclusive());
    let typical = desired.map_or(nature.typical, |desired| desired.typical());
    let generation = match (&judged.found, deleting) {
        (Some(found), true) => found.owner.generation,
        _ => judged.generation,
    };
    Draft {
        step: Step {
            name: step_name(verb, &judged.item.kind, &judged.item.address),
            region: judged.region.clone(),
            after: Vec::new(),
            id: if verb == Verb::Create { None } else { judged.item.id.clone() },
            generation,
            typical: match verb {
                Verb::Create | Verb::Settle => typical.create,
                Verb::Update => typical.update,
                Verb::Delete => typical.delete,
            },
            pole: 0,
            exclusive,
            of_replaced: deleting && (judged.leftover || judged.item.action == Action::Replace),
        },
        after: BTreeMap::new(),
    }
}

/// What refers to something waits until it exists, or is ready.
fn needs(
    input: &Input<'_>,
    items: &[Judged],
    by_node: &BTreeMap<usize, usize>,
    put: &[Option<usize>],
    all: &mut Drafts,
) {
    for (at, judged) in items.iter().enumerate() {
        let (Some(node), Some(later)) = (judged.node, put[at]) else { continue };
        for edge in input.graph.node(node).edges() {
            let Some(&other) = by_node.get(&edge.node.index()) else { continue };
            let Some(earlier) = put[other] else { continue };
            let (mine, theirs) = (judged.item.action, items[other].item.action);
            match theirs {
                Action::Create | Action::Replace => {
                    all.wait(later, earlier, edge.need, &edge.reason);
                }
                // What is there already has told its outputs; only what is made in it, or what
                // needs it ready, has a reason to wait for a change of it: nodes are upgraded
                // after their control plane, and exchanged after their template has changed.
                Action::Update
                    if matches!(mine, Action::Create | Action::Replace)
                        || (mine == Action::Update && edge.need == Need::Ready) =>
                {
                    all.wait(later, earlier, Need::Ready, &edge.reason);
                }
                Action::Wait if edge.need == Need::Ready => {
                    all.wait(later, earlier, Need::Ready, &edge.reason);
                }
                _ => {}
            }
        }
    }
}

/// The old one and the new one of a replace.
fn replaces(
    input: &Input<'_>,
    items: &[Judged],
    by_node: &BTreeMap<usize, usize>,
    put: &[Option<usize>],
    delete: &[Option<usize>],
    all: &mut Drafts,
) {
    // The place among items of everything that refers to a node.
    let mut referrers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (node, wanted) in input.graph.iter() {
        let Some(&at) = by_node.get(&node.index()) else { continue };
        for edge in wanted.edges() {
            referrers.entry(edge.node.index()).or_default().push(at);
        }
    }
    for (at, judged) in items.iter().enumerate() {
        let (Some(node), Some(made), Some(gone)) = (judged.node, put[at], delete[at]) else {
            continue;
        };
        let order = kind_named(input.kinds, &judged.item.kind).map(|kind| kind.nature().replace);
        // `old_first`: the new one of a parent that goes first can not be there while the old child
        // is, so the child goes first too, whatever its kind prefers.
        if judged.old_first || order == Some(ReplaceOrder::DeleteFirst) {
            all.wait(made, gone, Need::Ready, because::OLD_GOES);
        } else {
            all.wait(gone, made, Need::Ready, because::NEW_STANDS);
            for referrer in referrers.get(&node.index()).into_iter().flatten() {
                if let Some(moved_over) = put[*referrer] {
                    all.wait(gone, moved_over, Need::Ready, because::MOVES_OVER);
                }
            }
        }
    }
    // A leftover goes once what replaced it stands and everything has moved over.
    for (at, judged) in items.iter().enumerate() {
        let (true, Some(gone)) = (judged.leftover, delete[at]) else { continue };
        let address = input.graph.moved.get(&judged.item.address).unwrap_or(&judged.item.address);
        let Some(node) = input.graph.find(address) else { continue };
        if judged.found.as_ref().is_some_and(|found| !found.is_present()) {
            // It is on its way out: what takes its place comes after it.
            if let Some(step) = by_node.get(&node.index()).and_then(|heir| put[*heir]) {
                all.wait(step, gone, Need::Ready, because::OLD_GOES);
            }
            continue;
        }
        let heirs = by_node.get(&node.index()).into_iter();
        let heirs = heirs.map(|heir| (heir, because::NEW_STANDS));
        let referrers = referrers.get(&node.index()).into_iter().flatten();
        let referrers = referrers.map(|referrer| (referrer, because::MOVES_OVER));
        for (before, reason) in heirs.chain(referrers) {
            if let Some(step) = put[*before] {
                all.wait(gone, step, Need::Ready, reason);
            }
        }
    }
}

/// What goes before anything else: where that fails, all the rest is as it was.
fn firsts(items: &[Judged], delete: &[Option<usize>], all: &mut Drafts) {
    let is_first = |judged: &Judged| judged.found.as_ref().is_some_and(|found| found.goes_first);
    let steps = |first: bool| {
        let these = items.iter().zip(delete).filter(move |(judged, _)| is_first(judged) == first);
        these.filter_map(|(_, step)| *step)
    };
    for later in steps(false) {
        for earlier in steps(true) {
            all.wait(later, earlier, Need::Ready, because::GOES_FIRST);
        }
    }
}

/// What is attached to something goes, or lets go, before it.
fn attached(items: &[Judged], put: &[Option<usize>], delete: &[Option<usize>], all: &mut Drafts) {
    let mut gone_by_id: BTreeMap<&PhysicalId, usize> = BTreeMap::new();
    for (at, judged) in items.iter().enumerate() {
        if let (Some(step), Some(found)) = (delete[at], &judged.found) {
            gone_by_id.insert(&found.id, step);
        }
    }
    for (at, judged) in items.iter().enumerate() {
        let Some(found) = &judged.found else { continue };
        for parent in &found.parents {
            let Some(&parent_gone) = gone_by_id.get(parent) else { continue };
            if let Some(gone) = delete[at] {
                all.wait(parent_gone, gone, Need::Ready, because::ATTACHED);
            } else if let (Some(changed), Action::Update) = (put[at], judged.item.action) {
                lets_go_first(all, changed, parent_gone);
            }
        }
    }
    // What a change stops pointing at goes after the change: a route leaves its gateway first.
    for (at, judged) in items.iter().enumerate() {
        let (Some(changed), Action::Update) = (put[at], judged.item.action) else { continue };
        for (id, gone) in &gone_by_id {
            if judged.item.changes.iter().any(|change| mentions(&change.from, id.as_str())) {
                lets_go_first(all, changed, *gone);
            }
        }
    }
}

/// Of two that wait for each other, the one that needs the new parent can not be first.
fn lets_go_first(all: &mut Drafts, changed: usize, gone: usize) {
    if !reaches(all, changed, gone) {
        all.wait(gone, changed, Need::Ready, because::LETS_GO);
    }
}

/// Whether a value is an id, or holds it.
fn mentions(value: &serde_json::Value, id: &str) -> bool {
    match value {
        serde_json::Value::String(text) => text == id,
        serde_json::Value::Array(items) => items.iter().any(|item| mentions(item, id)),
        serde_json::Value::Object(map) => map.values().any(|item| mentions(item, id)),
        _ => false,
    }
}

/// Whether `from` waits for `to`, directly or not.
fn reaches(all: &Drafts, from: usize, to: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(at) = next.pop() {
        if at == to {
            return true;
        }
        if seen.insert(at) {
            next.extend(all.drafts[at].after.keys());
        }
    }
    false
}

/// Puts the drafts in an order in which each comes after what it waits for.
fn finish(all: Drafts) -> (Vec<Step>, Option<Refusal>) {
    let drafts = all.drafts;
    let mut place: Vec<Option<usize>> = vec![None; drafts.len()];
    let mut order: Vec<usize> = Vec::with_capacity(drafts.len());
    // A pass takes everything whose predecessors have a place; the original order breaks ties.
    while order.len() < drafts.len() {
        let before = order.len();
        for (at, draft) in drafts.iter().enumerate() {
            if place[at].is_none() && draft.after.keys().all(|earlier| place[*earlier].is_some()) {
                place[at] = Some(order.len());
                order.push(at);
            }
        }
        if order.len() == before {
            let stuck: Vec<String> = (0..drafts.len())
                .filter(|at| place[*at].is_none())
                .map(|at| {
                    let name = &drafts[at].step.name;
                    format!("{} {}", name.verb.gerund(), name.address)
                })
                .collect();
            let refusal = Refusal {
                address: None,
                why: format!("these steps wait for each other: {}", stuck.join(", ")),
                hint: "apply them in two goes with --target, and please report this".to_owned(),
            };
            return (Vec::new(), Some(refusal));
        }
    }
    let steps = order
        .iter()
        .map(|at| {
            let Draft { step, after } = &drafts[*at];
            let mut after: Vec<WaitFor> = after
                .iter()
                .filter_map(|(earlier, wait)| {
                    let reason = Some(wait.reason.clone());
                    Some(WaitFor { step: place[*earlier]?, need: wait.need, reason })
                })
                .collect();
            after.sort_by_key(|wait| wait.step);
            Step { after, ..step.clone() }
        })
        .collect();
    (steps, None)
}
