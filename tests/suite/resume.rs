//! A saved plan against what is found when it is applied: what an earlier, partial run of it has
//! done is no obstacle; what anybody else has done is.

use super::toy::bench::{Bench, at, everything, region};
use super::toy::kinds::{Crate, Link, Part, id};
use super::toy::world::Fault;
use coderctl::graph::Graph;
use coderctl::kind::{Cause, Change, Effect};
use coderctl::name::PhysicalId;
use coderctl::plan::{Action, Item, Plan, moved_since};
use serde_json::Value;

const ACTIONS: [Action; 7] = [
    Action::Keep,
    Action::Wait,
    Action::Create,
    Action::Update,
    Action::Replace,
    Action::Delete,
    Action::Withheld,
];

fn change(field: &str, to: Value) -> Change {
    Change {
        field: field.to_owned(),
        from: "old".into(),
        to: Some(to),
        effect: Effect::InPlace,
        cause: Cause::Spec,
    }
}

fn item(action: Action) -> Item {
    Item {
        address: at("net/thing"),
        kind: "toy.part".to_owned(),
        action,
        reason: None,
        changes: if action == Action::Update {
            vec![change("label", "new".into())]
        } else {
            Vec::new()
        },
        drift: Vec::new(),
        notes: Vec::new(),
        summary: String::new(),
        id: (action != Action::Create).then(|| PhysicalId::new("part-1")),
        spec_path: None,
        destroys_data: false,
        holds: Vec::new(),
        of_others: false,
    }
}

async fn plan_of(items: Vec<Item>) -> Plan {
    let mut plan = Bench::new().plan(&Graph::default()).await;
    plan.items = items;
    plan
}

/// Every cell. Rows are what was planned; `y` goes on, `n` stops, in the order of [`ACTIONS`], and
/// last for what is found nowhere.
#[tokio::test(start_paused = true)]
async fn planned_against_found_cell_by_cell() {
    //                              keep wait create update replace delete withheld nothing
    let table: [(Action, [char; 8]); 7] = [
        (Action::Keep, ['y', 'y', 'n', 'n', 'n', 'n', 'n', 'n']),
        (Action::Wait, ['y', 'y', 'n', 'n', 'n', 'n', 'n', 'n']),
        (Action::Create, ['y', 'y', 'y', 'n', 'n', 'n', 'n', 'n']),
        (Action::Update, ['y', 'y', 'n', 'y', 'n', 'n', 'n', 'n']),
        (Action::Replace, ['y', 'y', 'y', 'y', 'y', 'n', 'n', 'n']),
        (Action::Delete, ['n', 'n', 'n', 'n', 'n', 'y', 'n', 'y']),
        (Action::Withheld, ['n', 'n', 'n', 'n', 'n', 'n', 'n', 'n']),
    ];
    for (planned, cells) in table {
        let saved = plan_of(vec![item(planned)]).await;
        let found = ACTIONS.iter().map(|action| vec![item(*action)]).chain([Vec::new()]);
        for (cell, items) in cells.into_iter().zip(found) {
            let context = format!("{planned:?} and {:?}", items.first().map(|item| item.action));
            let moved = moved_since(&saved, &plan_of(items).await);
            assert_eq!(moved.is_empty(), cell == 'y', "{context}: {moved:?}");
            for moved in moved {
                assert_eq!(moved.address, at("net/thing"), "{context}");
                assert!(!moved.why.is_empty(), "{context}");
            }
        }
    }
}

/// A create that was cut short has been written down nowhere; one that somebody finished has.
#[tokio::test(start_paused = true)]
async fn a_create_goes_on_with_what_is_left_of_it_and_over_nobody_s_values() {
    let saved = plan_of(vec![item(Action::Create)]).await;
    for (cause, goes_on) in [(Cause::Unknown, true), (Cause::Spec, false), (Cause::Drift, false)] {
        let left = Change { cause, ..change("label", "new".into()) };
        let found = Item { changes: vec![left], ..item(Action::Update) };
        let moved = moved_since(&saved, &plan_of(vec![found]).await);
        assert_eq!(moved.is_empty(), goes_on, "{cause:?}: {moved:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_in_no_plan_stops_it() {
    let saved = plan_of(Vec::new()).await;
    for action in ACTIONS {
        let moved = moved_since(&saved, &plan_of(vec![item(action)]).await);
        assert_eq!(moved.is_empty(), action == Action::Keep, "{action:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_update_goes_on_with_what_is_left_of_it_and_with_nothing_else() {
    let both = vec![change("label", "new".into()), change("cut", "round".into())];
    let saved = plan_of(vec![Item { changes: both, ..item(Action::Update) }]).await;
    let with = |changes: Vec<Change>| Item { changes, ..item(Action::Update) };
    for (found, goes_on) in [
        (with(vec![change("cut", "round".into())]), true),
        (with(vec![change("cut", "square".into())]), false),
        (with(vec![change("other", "x".into())]), false),
        (Item { id: Some(PhysicalId::new("part-2")), ..item(Action::Update) }, false),
        (Item { id: Some(PhysicalId::new("part-2")), ..item(Action::Keep) }, false),
    ] {
        let moved = moved_since(&saved, &plan_of(vec![found]).await);
        assert_eq!(moved.is_empty(), goes_on, "{moved:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn several_that_go_from_one_address_are_told_apart() {
    let named = |id: &str| Item { id: Some(PhysicalId::new(id)), ..item(Action::Delete) };
    let saved = plan_of(vec![named("part-1"), named("part-2")]).await;
    assert!(moved_since(&saved, &plan_of(vec![named("part-2")]).await).is_empty());
    assert!(moved_since(&saved, &plan_of(vec![named("part-1")]).await).is_empty());
    let other = plan_of(vec![named("part-1"), named("part-3")]).await;
    assert_eq!(moved_since(&saved, &other).len(), 1, "the third was not in the plan");
}

fn graph(size: u64, label: &str, flavor: &str) -> Graph {
    let mut graph = Graph::default();
    let desired = Crate { size, label: "one".to_owned() };
    let holder = graph.add(&region(), at("net/crate"), "x", desired);
    let desired = Part { parent: id(holder), cut: "round".to_owned(), label: label.to_owned() };
    let part = graph.add(&region(), at("net/part"), "x", desired);
    let desired = Link {
        name: "link".to_owned(),
        parts: vec![id(part)],
        holds: true,
        flavor: flavor.to_owned(),
    };
    graph.add(&region(), at("net/link"), "x", desired);
    graph
}

/// Wherever a run of a saved plan is cut off, the same plan goes on.
#[tokio::test(start_paused = true)]
async fn a_plan_cut_off_at_any_call_resumes() {
    for after in [graph(1, "new", "sour"), graph(2, "new", "plain")] {
        for nth in 1..8 {
            for fault in [Fault::DiesBefore, Fault::DiesAfter] {
                let bench = Bench::new();
                bench.settle_on(&graph(1, "old", "plain")).await;
                let options = everything(&after);
                let saved = bench.plan_with(&after, &options).await;
                let nth = bench.world.state().calls.len() + nth;
                bench.world.state().faults.insert(nth, fault);
                let run = bench.apply_with(&after, &options, bench.cx()).await;
                bench.world.state().faults.clear();
                let now = bench.plan_with(&after, &options).await;
                assert_eq!(moved_since(&saved, &now), [], "{fault:?} at {nth}");
                if run.outcome.is_some() {
                    assert!(now.is_empty());
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_did_meanwhile_is_told_by_address() {
    let bench = Bench::new();
    bench.settle_on(&graph(1, "old", "plain")).await;
    let after = graph(1, "old", "sour");
    let saved = bench.plan(&after).await;
    let part = bench.id_at("net/part");
    // A drift that the plan would leave alone is nobody's obstacle.
    bench.world.edit(&part, |part| drop(part.fields.insert("label".to_owned(), "x".into())));
    assert_eq!(moved_since(&saved, &bench.plan(&after).await), []);
    // Another file is another plan.
    let moved = moved_since(&saved, &bench.plan(&graph(1, "edited", "sour")).await);
    assert_eq!(moved.len(), 1);
    assert_eq!(moved[0].address, at("net/part"));
    assert_eq!(moved[0].planned, Some(Action::Keep));
    assert_eq!(moved[0].found, Some(Action::Update));
    assert!(moved[0].why.contains("label"), "{}", moved[0].why);
    // What was there is gone.
    let link = bench.id_at("net/link");
    bench.world.vanish(&link);
    bench.world.vanish(&part);
    let moved = moved_since(&saved, &bench.plan(&after).await);
    assert_eq!(moved.len(), 1, "the link was to be made anyway: {moved:?}");
    assert!(moved[0].why.contains("gone"));
}
