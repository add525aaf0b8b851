//! What holds for every graph and every world: random towns, changed behind our back, planned,
//! applied, killed, and applied again.

use super::seeds::config;
use super::toy::bench::{Bench, Run, at, everything, one_at_a_time, region, steps};
use super::toy::kinds::{Bead, Crate, Job, Link, Note, Part, Tower, id};
use super::toy::world::{Fault, Wish};
use coderctl::event::What;
use coderctl::graph::{Graph, Handle};
use coderctl::kind::{TAG_DEPLOYMENT, Tags};
use coderctl::name::PhysicalId;
use coderctl::observe::Snapshot;
use coderctl::plan::{Action, Options, Plan};
use coderctl::value::Need;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A crate and what lives in it.
#[derive(Clone, Debug)]
struct Yard {
    is_there: bool,
    size: u64,
    label: u8,
    /// Whether it is there, its cut and its label.
    parts: Vec<(bool, u8, u8)>,
    beads: Vec<bool>,
    /// Its height.
    tower: Option<u64>,
}

/// A graph, as data.
#[derive(Clone, Debug)]
struct Town {
    yards: Vec<Yard>,
    /// The parts it refers to, whether it holds them, and its flavor.
    links: Vec<Option<(BTreeSet<u8>, bool, u8)>>,
    /// Whether it is about the first tower, and its lines.
    notes: Vec<Option<(bool, BTreeMap<String, String>)>>,
    /// Its queue and work.
    jobs: Vec<Option<(bool, u8)>>,
}

fn yard() -> impl Strategy<Value = Yard> {
    (
        any::<bool>(),
        1..3u64,
        0..2u8,
        prop::collection::vec((any::<bool>(), 0..2u8, 0..2u8), 2),
        prop::collection::vec(any::<bool>(), 2),
        prop::option::of(1..3u64),
    )
        .prop_map(|(is_there, size, label, parts, beads, tower)| Yard {
            is_there,
            size,
            label,
            parts,
            beads,
            tower,
        })
}

fn town() -> impl Strategy<Value = Town> {
    let link = (prop::collection::btree_set(0..4u8, 0..3), any::<bool>(), 0..2u8);
    let lines = prop::collection::btree_map("[ab]", "[xy]", 0..2);
    (
        prop::collection::vec(yard(), 2),
        prop::collection::vec(prop::option::of(link), 2),
        prop::collection::vec(prop::option::of((any::<bool>(), lines)), 2),
        prop::collection::vec(prop::option::of((any::<bool>(), 0..2u8)), 3),
    )
        .prop_map(|(yards, links, notes, jobs)| Town { yards, links, notes, jobs })
}

impl Town {
    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        let region = region();
        let mut parts: Vec<Option<Handle<Part>>> = Vec::new();
        let mut towers: Vec<Handle<Tower>> = Vec::new();
        for (y, yard) in self.yards.iter().enumerate() {
            if !yard.is_there {
                parts.extend(yard.parts.iter().map(|_| None));
                continue;
            }
            let desired = Crate { size: yard.size, label: yard.label.to_string() };
            let holder = graph.add(&region, at(&format!("crate/{y}")), "x", desired);
            for (p, (is_there, cut, label)) in yard.parts.iter().enumerate() {
                parts.push(is_there.then(|| {
                    let desired =
                        Part { parent: id(holder), cut: cut.to_string(), label: label.to_string() };
                    graph.add(&region, at(&format!("part/{y}-{p}")), "x", desired)
                }));
            }
            for (b, is_there) in yard.beads.iter().enumerate() {
                if *is_there {
                    let desired = Bead { parent: id(holder) };
                    graph.add(&region, at(&format!("bead/{y}-{b}")), "x", desired);
                }
            }
            if let Some(height) = yard.tower {
                let desired = Tower { name: format!("tower-{y}"), ground: id(holder), height };
                towers.push(graph.add(&region, at(&format!("tower/{y}")), "x", desired));
            }
        }
        for (l, link) in self.links.iter().enumerate() {
            let Some((refers, holds, flavor)) = link else { continue };
            let parts = refers
                .iter()
                .filter_map(|part| parts.get(usize::from(*part)).copied().flatten())
                .map(id)
                .collect();
            let desired = Link {
                name: format!("link-{l}"),
                parts,
                holds: *holds,
                flavor: flavor.to_string(),
            };
            graph.add(&region, at(&format!("link/{l}")), "x", desired);
        }
        for (n, note) in self.notes.iter().enumerate() {
            let Some((about_tower, lines)) = note else { continue };
            let about = match towers.first() {
                Some(tower) if *about_tower => Tower::endpoint(*tower),
                _ => "nothing".into(),
            };
            let desired = Note { name: format!("note-{n}"), about, lines: lines.clone() };
            graph.add(&region, at(&format!("note/{n}")), "x", desired);
        }
        for (j, job) in self.jobs.iter().enumerate() {
            let Some((queue, work)) = job else { continue };
            let desired =
                Job { queue: if *queue { "q" } else { "r" }.to_owned(), work: work.to_string() };
            graph.add(&region, at(&format!("job/{j}")), "x", desired);
        }
        graph
    }
}

/// What happens behind our back, to the object at a place in the list of all.
#[derive(Clone, Debug)]
enum Mischief {
    /// It is gone, if nothing is in it.
    Vanishes(usize),
    /// A field is changed.
    Drifts(usize),
    /// It breaks.
    Fails(usize),
    /// Its tags are gone.
    LosesTags(usize),
    /// One tag is gone.
    LosesTag(usize),
    /// There are two of it.
    Doubles(usize),
    /// What was last applied is forgotten.
    RecordIsLost,
    /// Somebody else's thing, inside ours.
    ForeignInside(usize),
}

fn mischief() -> impl Strategy<Value = Mischief> {
    prop_oneof![
        3 => (0..20usize).prop_map(Mischief::Vanishes),
        3 => (0..20usize).prop_map(Mischief::Drifts),
        1 => (0..20usize).prop_map(Mischief::Fails),
        1 => (0..20usize).prop_map(Mischief::LosesTags),
        1 => (0..20usize).prop_map(Mischief::LosesTag),
        1 => (0..20usize).prop_map(Mischief::Doubles),
        1 => Just(Mischief::RecordIsLost),
        1 => (0..20usize).prop_map(Mischief::ForeignInside),
    ]
}

impl Mischief {
    fn befalls(&self, bench: &Bench) {
        let world = &bench.world;
        let pick = |nth: &usize| {
            let state = world.state();
            let all: Vec<PhysicalId> = state.objects.keys().cloned().collect();
            (!all.is_empty()).then(|| all[nth % all.len()].clone())
        };
        match self {
            Mischief::Vanishes(nth) => {
                let Some(id) = pick(nth) else { return };
                let in_use = world.state().objects.values().any(|o| o.parents.contains(&id));
                if !in_use {
                    world.vanish(&id);
                }
            }
            Mischief::Drifts(nth) => {
                let Some(id) = pick(nth) else { return };
                world.edit(&id, |object| {
                    for field in ["label", "work", "lines.a"] {
                        if let Some(value) = object.fields.get_mut(field) {
                            *value = "theirs".into();
                        }
                    }
                });
            }
            Mischief::Fails(nth) => {
                let Some(id) = pick(nth) else { return };
                world.edit(&id, |object| object.failed = Some("broken".to_owned()));
            }
            Mischief::LosesTags(nth) => {
                let Some(id) = pick(nth) else { return };
                world.edit(&id, |object| object.tags.clear());
            }
            Mischief::LosesTag(nth) => {
                let Some(id) = pick(nth) else { return };
                world.edit(&id, |object| drop(object.tags.remove("coderctl:uid")));
            }
            Mischief::Doubles(nth) => {
                let Some(id) = pick(nth) else { return };
                let object = world.state().objects[&id].clone();
                if object.name.is_none() {
                    let wish = Wish { name: None, fields: object.fields, parents: object.parents };
                    world.put(object.class, wish, object.tags);
                }
            }
            Mischief::RecordIsLost => bench.ledger.lose_applied(),
            Mischief::ForeignInside(nth) => {
                let Some(id) = pick(nth) else { return };
                let wish = Wish { parents: [id].into(), ..Wish::default() };
                world.put("toy.bead", wish, Tags::new());
            }
        }
    }
}

#[derive(Clone, Debug)]
struct Case {
    before: Town,
    after: Town,
    mischief: Vec<Mischief>,
    overwrite_drift: bool,
    turn: usize,
    /// Which call of the apply is its last, and whether that one arrives.
    crash: Option<(usize, bool)>,
    lag: u64,
    width: usize,
}

fn case() -> impl Strategy<Value = Case> {
    (
        town(),
        town(),
        prop::collection::vec(mischief(), 0..4),
        any::<bool>(),
        0..10usize,
        prop::option::of((1..12usize, any::<bool>())),
        prop_oneof![4 => Just(0u64), 1 => Just(20u64)],
        1..8usize,
    )
        .prop_map(|(before, after, mischief, overwrite_drift, turn, crash, lag, width)| Case {
            before,
            after,
            mischief,
            overwrite_drift,
            turn,
            crash,
            lag,
            width,
        })
}

/// Ids of what does not carry our deployment's tag.
fn foreign(bench: &Bench) -> BTreeSet<PhysicalId> {
    let state = bench.world.state();
    let ours = |tags: &Tags| tags.get(TAG_DEPLOYMENT).is_some_and(|name| name == "toys");
    state.objects.values().filter(|o| !ours(&o.tags)).map(|o| o.id.clone()).collect()
}

fn plan_is_sound(plan: &Plan, graph: &Graph, foreign: &BTreeSet<PhysicalId>, consent: bool) {
    for item in &plan.items {
        if let Some(id) = &item.id {
            assert!(!foreign.contains(id), "{id} is not ours");
        }
        if matches!(item.action, Action::Replace | Action::Delete) {
            assert!(item.reason.is_some(), "{} has no reason", item.address);
        }
        let destroys = matches!(item.action, Action::Replace | Action::Delete)
            && item.kind == "toy.crate"
            && item.reason.as_deref() != Some("it is on its way out");
        if destroys && !consent {
            let refused =
                plan.refusals.iter().any(|refusal| refusal.address.as_ref() == Some(&item.address));
            assert!(refused, "{} goes without consent", item.address);
        }
    }
    for (at, step) in plan.steps.iter().enumerate() {
        assert!(step.after.iter().all(|wait| wait.step < at), "a step waits for a later one");
        if let Some(id) = &step.id {
            assert!(!foreign.contains(id), "{id} is not ours");
        }
        // What is made waits for all that is made and that it refers to.
        if let (None, Some(node)) = (&step.id, graph.find(&step.name.address)) {
            for edge in graph.node(node).edges() {
                let needed = &graph.node(edge.node).address;
                let made = plan
                    .steps
                    .iter()
                    .position(|other| other.id.is_none() && other.name.address == *needed);
                if let Some(made) = made {
                    let waits = step.after.iter().find(|wait| wait.step == made);
                    assert!(waits.is_some_and(|wait| wait.need >= edge.need), "{step:?}");
                }
            }
        }
    }
}

/// The order of events against the edges of the graph and against what was attached to what.
fn run_is_sound(run: &Run, graph: &Graph, snapshot: &Snapshot) {
    one_at_a_time(run);
    let began = |address: &str, verb: &str| {
        run.story().iter().position(|line| line == &format!("+{verb} {address}"))
    };
    let short = super::toy::bench::short;
    let story = run.story();
    for step in &run.plan.steps {
        let Some(begin) = began(&short(&step.name.address), "create") else { continue };
        let Some(node) = graph.find(&step.name.address) else { continue };
        for edge in graph.node(node).edges() {
            let needed = short(&graph.node(edge.node).address);
            if began(&needed, "create").is_none() {
                continue;
            }
            let mark = if edge.need == Need::Ready { '-' } else { '*' };
            let far = story.iter().position(|line| *line == format!("{mark}create {needed}"));
            assert!(far.is_some_and(|far| far < begin), "{needed} too late: {story:#?}");
        }
    }
    // By id: two of one address may go in one run.
    let mut gone: BTreeSet<String> = BTreeSet::new();
    let mut let_go: BTreeSet<String> = BTreeSet::new();
    let mut pending: BTreeMap<String, Vec<PhysicalId>> = BTreeMap::new();
    for step in &run.plan.steps {
        if let Some(id) = &step.id {
            pending.entry(short(&step.name.address)).or_default().push(id.clone());
        }
    }
    for event in &run.events {
        match &event.what {
            What::StepFinished { step, id: Some(id), .. } => match step.verb {
                coderctl::event::Verb::Delete => drop(gone.insert(id.clone())),
                _ => drop(let_go.insert(id.clone())),
            },
            What::StepStarted { step, .. } if step.verb == coderctl::event::Verb::Delete => {
                let ids = &pending[&short(&step.address)];
                let [id] = ids.as_slice() else { continue };
                for inside in snapshot.live.iter().map(|live| &live.found) {
                    if inside.parents.contains(id) {
                        let text = inside.id.to_string();
                        assert!(
                            gone.contains(&text) || let_go.contains(&text),
                            "{} is in {id}: {story:#?}",
                            inside.id
                        );
                    }
                }
            }
            _ => {}
        }
    }
}

async fn holds(case: Case) {
    let mut bench = Bench::new();
    bench.width = case.width;
    let (before, after) = (case.before.graph(), case.after.graph());
    bench.settle_on(&before).await;
    for mischief in &case.mischief {
        mischief.befalls(&bench);
    }
    let not_ours = foreign(&bench);
    let untouched: Vec<_> = {
        let state = bench.world.state();
        not_ours.iter().map(|id| state.objects[id].clone()).collect()
    };

    // Without consent.
    let snapshot = bench.observe(&after).await;
    let plain = Options::default();
    let plan = bench.plan_of(&after, &snapshot, &plain);
    plan_is_sound(&plan, &after, &not_ours, false);
    let mut turned = snapshot.clone();
    let live = turned.live.len().max(1);
    turned.live.rotate_left(case.turn % live);
    turned.live.reverse();
    let bytes = |snapshot| serde_json::to_string(&bench.plan_of(&after, snapshot, &plain)).unwrap();
    assert_eq!(bytes(&turned), bytes(&snapshot));

    // With consent for all.
    let mut options = everything(&before);
    options.allow_delete.extend(everything(&after).allow_delete);
    options.overwrite_drift = case.overwrite_drift;
    let plan = bench.plan_of(&after, &snapshot, &options);
    plan_is_sound(&plan, &after, &not_ours, true);
    if !plan.refusals.is_empty() {
        return;
    }
    bench.world.state().lag = case.lag;
    bench.world.clock().sleep(Duration::from_secs(case.lag)).await;
    if let Some((nth, arrives)) = case.crash {
        let nth = bench.world.state().calls.len() + nth;
        let fault = if arrives { Fault::DiesAfter } else { Fault::DiesBefore };
        bench.world.state().faults.insert(nth, fault);
    }
    let mut finished = false;
    for _ in 0..4 {
        let snapshot = bench.observe(&after).await;
        let plan = bench.plan_of(&after, &snapshot, &options);
        assert_eq!(plan.refusals, [], "{:#?}", steps(&plan));
        let run = bench.run(&after, &snapshot, plan, bench.cx()).await;
        bench.world.state().faults.clear();
        if case.lag == 0 {
            run_is_sound(&run, &after, &snapshot);
        }
        let Some(outcome) = run.outcome else { continue };
        // Only what is not ours can be in the way, and lists that show what is gone.
        for (_, error) in &outcome.failed {
            let text = error.to_string();
            let foreign_inside = not_ours.iter().any(|id| text.contains(id.as_str()));
            assert!(foreign_inside, "{text}\n{:#?}", run.plan);
        }
        if !outcome.failed.is_empty() {
            finished = false;
            break;
        }
        finished = true;
        bench.world.clock().sleep(Duration::from_secs(case.lag)).await;
    }
    for object in &untouched {
        assert_eq!(bench.world.state().objects.get(&object.id), Some(object));
    }
    if finished {
        let plan = bench.plan_with(&after, &options).await;
        assert!(plan.is_empty(), "{:#?}", plan.items);
        let stays = |action| matches!(action, Action::Keep);
        assert!(plan.items.iter().all(|item| stays(item.action)), "{:#?}", plan.items);
        // One of each, and nothing else of ours, once what was leaving has gone.
        bench.world.clock().sleep(Duration::from_secs(600)).await;
        let all = bench.world.state().objects.len();
        let ours = all - foreign(&bench).len();
        assert_eq!(ours, after.nodes.len(), "{:#?}", bench.world.shape());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 4000, ..config(256) })]

    #[test]
    fn every_town_becomes_what_is_asked_for_and_nothing_else_is_touched(case in case()) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(holds(case));
    }
}
