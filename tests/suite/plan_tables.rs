//! What is planned, case by case.

use super::toy::bench::{Bench, actions, at, everything, item, refusals, region, steps};
use super::toy::kinds::{Bead, Crate, Job, Link, Note, Part, Tower, id};
use super::toy::world::Wish;
use coderctl::graph::{Graph, Handle};
use coderctl::kind::{Cause, TAG_ADDRESS, TAG_DEPLOYMENT, TAG_GENERATION, TAG_UID, Tags};
use coderctl::name::{Address, PhysicalId};
use coderctl::observe::Snapshot;
use coderctl::plan::{Action, Options, Plan, WaitFor};
use std::collections::BTreeMap;

/// What a graph of toys is made of; a test changes what it is about.
#[derive(Clone)]
struct Wants {
    size: u64,
    label: &'static str,
    cut: &'static str,
    part_label: &'static str,
    flavor: &'static str,
    lines: BTreeMap<String, String>,
    part: bool,
    second_part: bool,
    link: bool,
    tower: bool,
}

impl Default for Wants {
    fn default() -> Self {
        Wants {
            size: 1,
            label: "one",
            cut: "round",
            part_label: "p",
            flavor: "plain",
            lines: BTreeMap::from([("a".to_owned(), "first".to_owned())]),
            part: true,
            second_part: false,
            link: true,
            tower: false,
        }
    }
}

impl Wants {
    fn graph(&self) -> Graph {
        let mut graph = Graph::default();
        let region = region();
        let desired = Crate { size: self.size, label: self.label.to_owned() };
        let holder = graph.add(&region, at("net/crate"), "net", desired);
        let mut parts = Vec::new();
        let mut part = |graph: &mut Graph, name: &str| {
            let desired = Part {
                parent: id(holder),
                cut: self.cut.to_owned(),
                label: self.part_label.to_owned(),
            };
            let part: Handle<Part> = graph.add(&region, at(name), "net.part", desired);
            parts.push(id(part));
        };
        if self.part {
            part(&mut graph, "net/part");
        }
        if self.second_part {
            part(&mut graph, "net/part-2");
        }
        if self.link {
            let flavor = self.flavor.to_owned();
            let desired = Link { name: "toys-link".to_owned(), parts, holds: true, flavor };
            graph.add(&region, at("net/link"), "net.link", desired);
        }
        let about = if self.tower {
            let desired = Tower { name: "toys-tower".to_owned(), ground: id(holder), height: 3 };
            Tower::endpoint(graph.add(&region, at("net/tower"), "net.tower", desired))
        } else {
            "nothing".into()
        };
        let desired = Note { name: "toys-note".to_owned(), about, lines: self.lines.clone() };
        graph.add(&region, at("net/note"), "net.note", desired);
        graph
    }
}

fn wants() -> Wants {
    Wants::default()
}

async fn live(wants: &Wants) -> Bench {
    let bench = Bench::new();
    bench.settle_on(&wants.graph()).await;
    bench
}

fn tags(address: &str, generation: u32, uid: &str) -> Tags {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    Tags::from([
        tag("owner", "ann"),
        tag("Name", &format!("toys-{}", at(address).rest())),
        tag(TAG_DEPLOYMENT, "toys"),
        tag(TAG_UID, uid),
        tag(TAG_ADDRESS, at(address).as_str()),
        tag(TAG_GENERATION, &generation.to_string()),
    ])
}

fn crate_wish(size: u64) -> Wish {
    Wish {
        fields: BTreeMap::from([
            ("size".to_owned(), size.into()),
            ("label".to_owned(), "one".into()),
        ]),
        ..Wish::default()
    }
}

fn options(change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options::default();
    change(&mut options);
    options
}

fn action(plan: &Plan, rest: &str) -> Action {
    item(plan, rest).action
}

#[tokio::test(start_paused = true)]
async fn nothing_is_there_and_everything_is_made() {
    let plan = Bench::new().plan(&wants().graph()).await;
    let order = ["create net/crate", "create net/part", "create net/note", "create net/link"];
    let mut found = steps(&plan);
    found.sort();
    let mut order = order.map(str::to_owned).to_vec();
    order.sort();
    assert_eq!(found, order);
    assert!(plan.items.iter().all(|item| item.action == Action::Create && item.id.is_none()));
    assert!(plan.refusals.is_empty());
    let place = |step: &str| steps(&plan).iter().position(|told| told == step).unwrap();
    assert!(place("create net/crate") < place("create net/part"));
    assert!(place("create net/part") < place("create net/link"));
}

#[tokio::test(start_paused = true)]
async fn what_is_as_it_should_be_is_kept() {
    let bench = live(&wants()).await;
    let plan = bench.plan(&wants().graph()).await;
    assert!(plan.is_empty(), "{:#?}", steps(&plan));
    assert!(plan.items.iter().all(|item| item.action == Action::Keep));
    assert!(!plan.is_incomplete());
}

#[tokio::test(start_paused = true)]
async fn a_changeable_field_is_changed_in_place() {
    let bench = live(&wants()).await;
    let plan = bench.plan(&Wants { part_label: "q", ..wants() }.graph()).await;
    assert_eq!(steps(&plan), ["update net/part"]);
    let change = &item(&plan, "net/part").changes[0];
    assert_eq!((change.field.as_str(), change.cause), ("label", Cause::Spec));
    assert_eq!(plan.steps[0].id.as_ref(), item(&plan, "net/part").id.as_ref());
}

#[tokio::test(start_paused = true)]
async fn a_replaced_parent_takes_its_child_along_and_both_go_before_either_is_made() {
    let without_link = Wants { link: false, ..wants() };
    let bench = live(&without_link).await;
    let graph = Wants { size: 2, ..without_link }.graph();
    let plan = bench.plan_with(&graph, &everything(&graph)).await;
    assert_eq!(
        steps(&plan),
        ["delete net/part", "delete net/crate", "create net/crate", "create net/part"]
    );
    let generations: Vec<u32> = plan.steps.iter().map(|step| step.generation).collect();
    assert_eq!(generations, [1, 1, 2, 2]);
    assert!(plan.steps[0].of_replaced && plan.steps[1].of_replaced);
    let part = item(&plan, "net/part");
    assert_eq!(part.action, Action::Replace);
    assert_eq!(part.changes[0].field, "parent");
    assert_eq!(part.changes[0].to, None, "the new parent's id is known only later");
    assert!(part.reason.as_deref().unwrap().contains("parent"));
    assert!(plan.refusals.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_holds_on_to_something_that_goes_first_goes_with_it() {
    let bench = live(&wants()).await;
    let graph = Wants { size: 2, ..wants() }.graph();
    let plan = bench.plan_with(&graph, &everything(&graph)).await;
    // The link could take other parts in place, and its successor is made first by nature; but the
    // new part is only there when the old one is gone, and that is held by the link.
    assert_eq!(
        steps(&plan),
        [
            "delete net/link",
            "delete net/part",
            "delete net/crate",
            "create net/crate",
            "create net/part",
            "create net/link"
        ]
    );
    assert!(item(&plan, "net/link").reason.as_deref().unwrap().contains("us-east-1/net/part"));
    assert_eq!(refusals(&plan), "");
    bench.settle_on(&graph).await;
    assert!(bench.plan(&graph).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_moves_to_a_sibling_of_what_goes_first_goes_with_it() {
    // The first part stays in one case, and is not wanted any more in the other.
    for first_stays in [true, false] {
        let bench = live(&wants()).await;
        let mut graph = Graph::default();
        let desired = Crate { size: 2, label: "one".to_owned() };
        let holder = graph.add(&region(), at("net/crate"), "net", desired);
        let mut part = |name: &str| -> Handle<Part> {
            let (cut, label) = ("round".to_owned(), "p".to_owned());
            graph.add(&region(), at(name), "net.part", Part { parent: id(holder), cut, label })
        };
        if first_stays {
            part("net/part");
        }
        let (name, flavor) = ("toys-link".to_owned(), "plain".to_owned());
        let link = Link { name, parts: vec![id(part("net/second-part"))], holds: true, flavor };
        graph.add(&region(), at("net/link"), "net.link", link);
        let plan = bench.plan_with(&graph, &everything(&graph)).await;
        let told = steps(&plan);
        let place = |step: &str| told.iter().position(|told| told == step).unwrap();
        assert!(place("delete net/link") < place("delete net/part"), "{told:?}");
        assert!(place("delete net/crate") < place("create net/second-part"), "{told:?}");
        assert_eq!(refusals(&plan), "");
        let mut options = everything(&graph);
        options.allow_delete.extend(everything(&wants().graph()).allow_delete);
        let run = bench.apply_with(&graph, &options, bench.cx()).await;
        assert!(run.is_complete(), "{:#?}", run.outcome);
        assert!(bench.plan(&graph).await.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_successor_of_a_link_is_made_before_the_link_goes() {
    let bench = live(&wants()).await;
    let plan = bench.plan(&Wants { flavor: "sour", ..wants() }.graph()).await;
    assert_eq!(steps(&plan), ["create net/link", "delete net/link"]);
    assert_eq!((plan.steps[0].generation, plan.steps[1].generation), (2, 1));
    assert!(plan.refusals.is_empty(), "a link holds no data");
}

#[tokio::test(start_paused = true)]
async fn what_holds_data_goes_only_with_consent_by_address() {
    let bench = live(&Wants { link: false, ..wants() }).await;
    let graph = Wants { size: 2, link: false, ..wants() }.graph();
    let plan = bench.plan(&graph).await;
    assert!(item(&plan, "net/crate").destroys_data);
    let text = refusals(&plan);
    assert!(text.contains("would replace us-east-1/net/crate"), "{text}");
    assert!(text.contains("size 1 → 2"), "{text}");
    assert!(text.contains("--allow-delete us-east-1/net/crate"), "{text}");
    for consent in ["us-east-1/net/crate", "net/crate"] {
        let consent = options(|options| options.allow_delete.push(consent.to_owned()));
        assert_eq!(refusals(&bench.plan_with(&graph, &consent).await), "");
    }
    for other in ["net", "us-east-1/net/part", "us-east-1/net/crat*", "crate", "*"] {
        let other_consent = options(|options| options.allow_delete.push(other.to_owned()));
        let plan = bench.plan_with(&graph, &other_consent).await;
        assert_ne!(refusals(&plan), "", "{other} is no consent for the crate");
    }
    // Leaving it out of the spec is no consent either.
    let plan = bench.plan(&Graph::default()).await;
    assert!(refusals(&plan).contains("would delete us-east-1/net/crate"));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_wanted_goes_in_the_order_in_which_it_is_attached() {
    let bench = live(&Wants { tower: true, second_part: true, ..wants() }).await;
    let plan = bench.destroy_plan().await;
    assert_eq!(plan.steps.len(), 6);
    let place = |step: &str| steps(&plan).iter().position(|told| told == step).unwrap();
    for (first, then) in [
        ("delete net/link", "delete net/part"),
        ("delete net/link", "delete net/part-2"),
        ("delete net/part", "delete net/crate"),
        ("delete net/part-2", "delete net/crate"),
        ("delete net/tower", "delete net/crate"),
    ] {
        assert!(place(first) < place(then), "{first} before {then}");
        let later = &plan.steps[place(then)];
        assert!(
            later.after.iter().any(|wait| wait.step == place(first)),
            "{then} must wait for {first}"
        );
    }
    assert!(plan.steps[place("delete net/note")].after.is_empty(), "nothing holds a note");
    assert!(plan.steps[place("delete net/tower")].after.is_empty(), "in parallel with the link");
    assert_eq!(refusals(&plan), "", "the confirmation of destroy is consent");
}

/// The registry puts links behind parts, and here a part lives in what stands behind it: order
/// comes from what is attached, not from ranks.
#[tokio::test(start_paused = true)]
async fn live_parents_decide_the_order_not_the_registry() {
    let bench = live(&wants()).await;
    let (part, note) = (bench.id_at("net/part"), bench.id_at("net/note"));
    bench.world.edit(&part, |part| {
        part.parents.insert(note.clone());
    });
    let plan = bench.destroy_plan().await;
    let place = |step: &str| steps(&plan).iter().position(|told| told == step).unwrap();
    assert!(place("delete net/part") < place("delete net/note"));
}

#[tokio::test(start_paused = true)]
async fn an_updated_link_lets_go_before_its_part_goes() {
    let bench = live(&Wants { second_part: true, ..wants() }).await;
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(steps(&plan), ["update net/link", "delete net/part-2"]);
    assert_eq!(plan.steps[1].after.len(), 1);
}

/// The whole family: each kind with one that is kept, and one that is not wanted any more.
fn family(second: bool, size: u64) -> Graph {
    let mut graph = Graph::default();
    let region = region();
    for name in if second { &["a", "b"][..] } else { &["a"][..] } {
        let address = |kind: &str| at(&format!("{kind}/{name}"));
        let desired = Crate { size, label: "one".to_owned() };
        let holder = graph.add(&region, address("crate"), "x", desired);
        let desired = Part { parent: id(holder), cut: "round".to_owned(), label: "p".to_owned() };
        let part = graph.add(&region, address("part"), "x", desired);
        let desired = Tower { name: format!("tower-{name}"), ground: id(holder), height: 1 };
        let tower = graph.add(&region, address("tower"), "x", desired);
        let parts = vec![id(part)];
        let flavor = "plain".to_owned();
        let desired = Link { name: format!("link-{name}"), parts, holds: true, flavor };
        graph.add(&region, address("link"), "x", desired);
        graph.add(&region, address("bead"), "x", Bead { parent: id(holder) });
        let desired = Job { queue: "q".to_owned(), work: "w".to_owned() };
        graph.add(&region, address("job"), "x", desired);
        let desired = Note {
            name: format!("note-{name}"),
            about: Tower::endpoint(tower),
            lines: BTreeMap::new(),
        };
        graph.add(&region, address("note"), "x", desired);
    }
    graph
}

/// What lives in, or refers to, which.
fn is_above(upper: &str, lower: &str) -> bool {
    matches!(
        (upper, lower),
        ("crate", "part" | "tower" | "link" | "bead" | "note")
            | ("part", "link")
            | ("tower", "note")
    )
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_is_neither_made_nor_deleted_nor_anything_near_it() {
    const ALL: [&str; 7] = ["crate", "part", "tower", "link", "bead", "job", "note"];
    const NAMES: [&str; 7] =
        ["toy.crate", "toy.part", "toy.tower", "toy.link", "toy.bead", "toy.job", "toy.note"];
    // Nothing is there; some of it is to be replaced; half of it is not wanted any more.
    let empty = Bench::new();
    let replacing = Bench::new();
    replacing.settle_on(&family(true, 1)).await;
    for (unread, name) in ALL.into_iter().zip(NAMES) {
        for (bench, graph) in [
            (&empty, family(true, 1)),
            (&replacing, family(true, 2)),
            (&replacing, family(false, 1)),
        ] {
            bench.world.state().unreadable = [name].into();
            let plan = bench.plan_with(&graph, &everything(&graph)).await;
            bench.world.state().unreadable.clear();
            assert!(plan.is_incomplete());
            assert_eq!(plan.unread[0].kind, name);
            let told = steps(&plan);
            for step in &plan.steps {
                let kind = step.name.kind.trim_start_matches("toy.");
                assert_ne!(kind, unread, "{unread} is unreadable: {told:#?}");
                let deletes = step.id.is_some();
                // A note lives in nothing: it only refers.
                assert!(
                    !is_above(unread, kind) || (deletes && kind == "note"),
                    "{kind} lives below {unread}: {told:#?}"
                );
                assert!(
                    !(deletes && is_above(kind, unread)),
                    "{unread} may live in {kind}: {told:#?}"
                );
            }
            for item in plan.items.iter().filter(|item| item.kind == name) {
                assert_eq!(item.action, Action::Withheld);
            }
        }
        // What is far from it goes on.
        let graph = family(false, 1);
        empty.world.state().unreadable = [name].into();
        let plan = empty.plan(&graph).await;
        empty.world.state().unreadable.clear();
        let far = ALL.iter().filter(|kind| **kind != unread && !is_above(unread, kind)).count();
        assert_eq!(plan.steps.len(), far, "{unread}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_while_something_can_not_be_read_that_may_live_in_it() {
    let bench = live(&wants()).await;
    bench.world.state().unreadable = ["toy.part"].into();
    let plan = bench.destroy_plan().await;
    assert_eq!(action(&plan, "net/crate"), Action::Withheld);
    assert!(item(&plan, "net/crate").reason.as_deref().unwrap().contains("parts"));
    assert!(!steps(&plan).contains(&"delete net/crate".to_owned()));
    assert!(steps(&plan).contains(&"delete net/note".to_owned()));
}

/// The link may live in a crate that is not shown, so it stays, and with it the part that it is in:
/// the plan waits for a better day, and refuses nothing.
#[tokio::test(start_paused = true)]
async fn what_something_lives_in_that_stays_stays_too() {
    let bench = live(&wants()).await;
    let (part, link) = (bench.id_at("net/part"), bench.id_at("net/link"));
    bench.world.edit(&part, |part| part.parents.clear());
    bench.world.edit(&link, |link| {
        link.parents.insert(PhysicalId::new("hidden"));
    });
    bench.world.state().unreadable = ["toy.crate"].into();
    let plan = bench.destroy_plan().await;
    assert_eq!(action(&plan, "net/link"), Action::Withheld);
    assert_eq!(action(&plan, "net/part"), Action::Withheld);
    let why = item(&plan, "net/part").reason.clone().unwrap();
    assert_eq!(why, format!("{link} lives in it, and stays"));
    assert_eq!(plan.refusals, []);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_one_under_our_name_is_a_clash_with_the_way_to_adopt_it() {
    let bench = Bench::new();
    let wish = Wish { name: Some("toys-note".to_owned()), ..Wish::default() };
    let theirs = bench.world.put("toy.note", wish, Tags::new());
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(action(&plan, "net/note"), Action::Withheld);
    let text = refusals(&plan);
    assert!(text.contains(&format!("coderctl adopt us-east-1/net/note {theirs}")), "{text}");
    assert!(text.contains("not managed by coderctl"), "{text}");
    assert!(!steps(&plan).iter().any(|step| step.ends_with("net/note")));
}

#[tokio::test(start_paused = true)]
async fn damaged_tags_stop_the_plan_and_say_what_is_wrong() {
    for (broken, says) in [
        (TAG_UID, "coderctl:uid is missing"),
        (TAG_ADDRESS, "coderctl:address is missing"),
        (TAG_GENERATION, "coderctl:generation is missing"),
    ] {
        let bench = live(&wants()).await;
        let part = bench.id_at("net/part");
        bench.world.edit(&part, |part| drop(part.tags.remove(broken)));
        let plan = bench.plan(&wants().graph()).await;
        let text = refusals(&plan);
        assert!(text.contains(says), "{text}");
        assert!(text.contains(part.as_str()), "{text}");
    }
    for (tag, value) in [(TAG_GENERATION, "0"), (TAG_ADDRESS, "nowhere"), (TAG_UID, "uid-2")] {
        let bench = live(&wants()).await;
        let part = bench.id_at("net/part");
        bench.world.edit(&part, |part| {
            part.tags.insert(tag.to_owned(), value.to_owned());
        });
        assert!(refusals(&bench.plan(&wants().graph()).await).contains(value));
    }
}

#[tokio::test(start_paused = true)]
async fn a_parent_that_lost_its_tags_is_mended_not_replaced_with_all_that_lives_in_it() {
    let bench = live(&wants()).await;
    let holder = bench.id_at("net/crate");
    bench.world.edit(&holder, |holder| holder.tags.clear());
    let graph = wants().graph();
    let plan = bench.plan_with(&graph, &everything(&graph)).await;
    assert!(plan.items.iter().all(|item| item.action != Action::Replace), "{:?}", actions(&plan));
    assert_eq!(action(&plan, "net/part"), Action::Withheld);
    assert_eq!(action(&plan, "net/link"), Action::Withheld);
    let text = refusals(&plan);
    assert!(text.contains(&format!("coderctl adopt us-east-1/net/crate {holder}")), "{text}");
}

#[tokio::test(start_paused = true)]
async fn of_two_generations_the_replace_is_finished() {
    let bench = live(&wants()).await;
    let link = bench.id_at("net/link");
    // The successor stands, the old one is still there.
    let old = bench.world.state().objects[&link].clone();
    let wish = Wish {
        name: Some("toys-link-2".to_owned()),
        fields: old.fields.clone(),
        parents: old.parents.clone(),
    };
    let new = bench.world.put("toy.link", wish, tags("net/link", 2, "uid-1"));
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(steps(&plan), ["delete net/link"]);
    assert_eq!(plan.steps[0].id, Some(link.clone()));
    assert!(plan.steps[0].of_replaced);
    let deleted = plan.items.iter().find(|item| item.action == Action::Delete).unwrap();
    assert!(deleted.reason.as_deref().unwrap().contains(new.as_str()));
    // If the spec was turned back meanwhile, the one that fits it stays.
    bench.world.edit(&new, |new| drop(new.fields.insert("flavor".to_owned(), "sour".into())));
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(plan.steps[0].id, Some(new));
    assert_eq!(plan.steps.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_duplicates_the_one_in_use_stays_and_the_empty_one_needs_consent_if_it_holds_data() {
    for foreign_first in [false, true] {
        let bench = Bench::new();
        let put = || bench.world.put("toy.crate", crate_wish(1), tags("net/crate", 1, "uid-1"));
        let (first, second) = (put(), put());
        let (used, empty) = if foreign_first { (second, first) } else { (first, second) };
        let wish = Wish {
            parents: [used.clone()].into(),
            fields: BTreeMap::from([
                ("parent".to_owned(), used.as_str().into()),
                ("cut".to_owned(), "round".into()),
                ("label".to_owned(), "p".into()),
            ]),
            name: None,
        };
        bench.world.put("toy.part", wish, tags("net/part", 1, "uid-1"));
        let graph = Wants { link: false, ..wants() }.graph();
        let plan = bench.plan(&graph).await;
        assert_eq!(action(&plan, "net/part"), Action::Keep, "{:?}", actions(&plan));
        let going: Vec<_> =
            plan.items.iter().filter(|item| item.action == Action::Delete).collect();
        assert_eq!(going.len(), 1);
        assert_eq!(going[0].id, Some(empty.clone()));
        assert!(refusals(&plan).contains("--allow-delete us-east-1/net/crate"));
        let plan = bench.plan_with(&graph, &everything(&graph)).await;
        assert_eq!(refusals(&plan), "");
        // Once both are in use, nobody but the user can tell.
        let wish = Wish { parents: [empty.clone()].into(), ..Wish::default() };
        bench.world.put("toy.bead", wish, tags("net/bead", 1, "uid-1"));
        let plan = bench.plan_with(&graph, &everything(&graph)).await;
        assert!(refusals(&plan).contains("both are in use"), "{}", refusals(&plan));
        assert!(!plan.steps.iter().any(|step| step.name.kind == "toy.crate"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_replaced_unless_it_holds_data() {
    let bench = live(&wants()).await;
    let link = bench.id_at("net/link");
    bench.world.edit(&link, |link| link.failed = Some("worn out".to_owned()));
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(action(&plan, "net/link"), Action::Replace);
    assert!(item(&plan, "net/link").reason.as_deref().unwrap().contains("worn out"));
    assert_eq!(refusals(&plan), "");
    let holder = bench.id_at("net/crate");
    bench.world.edit(&holder, |holder| holder.failed = Some("burnt".to_owned()));
    let graph = wants().graph();
    let plan = bench.plan_with(&graph, &everything(&graph)).await;
    assert!(refusals(&plan).contains("burnt"), "not even with consent");
    assert!(plan.is_empty(), "{:?}", steps(&plan));
}

#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_waited_for() {
    let bench = live(&wants()).await;
    let graph = Wants { tower: true, ..wants() }.graph();
    let cx = bench.cx();
    let stop = cx.cancel.clone();
    let clock = bench.world.clock();
    let interrupt = async {
        clock.sleep(std::time::Duration::from_secs(20)).await;
        stop.cancel();
    };
    let options = Options::default();
    let (run, ()) = tokio::join!(bench.apply_with(&graph, &options, cx), interrupt);
    assert!(!run.is_complete());
    let plan = bench.plan(&graph).await;
    assert_eq!(action(&plan, "net/tower"), Action::Wait);
    assert_eq!(item(&plan, "net/tower").reason.as_deref(), Some("it is pending"));
    // The note needs what only a tower that is up can tell.
    assert_eq!(action(&plan, "net/note"), Action::Update);
    bench.settle_on(&graph).await;
    assert!(bench.plan(&graph).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_waits_for_the_change_of_what_it_needs_ready() {
    let wants = Wants { tower: true, ..wants() };
    let bench = live(&wants).await;
    let tower = bench.id_at("net/tower");
    bench.world.edit(&tower, |tower| {
        tower.tags.remove("owner").unwrap();
    });
    let lines = BTreeMap::from([("a".to_owned(), "second".to_owned())]);
    let wants = Wants { label: "two", part_label: "q", lines, ..wants };
    let plan = bench.plan(&wants.graph()).await;
    let place = |step: &str| steps(&plan).iter().position(|told| told == step).unwrap();
    let waits = |later: &str| -> Vec<usize> {
        plan.steps[place(later)].after.iter().map(|wait| wait.step).collect()
    };
    // What is told of the tower may be another thing once it has changed.
    assert_eq!(waits("update net/note"), [place("update net/tower")]);
    // The part needs no more of its crate than that it is there.
    assert_eq!(action(&plan, "net/crate"), Action::Update);
    assert_eq!(waits("update net/part"), [0; 0]);
    bench.settle_on(&wants.graph()).await;
}

#[tokio::test(start_paused = true)]
async fn what_moved_is_retagged_in_place() {
    let bench = live(&Wants { link: false, ..wants() }).await;
    let old = bench.id_at("net/part");
    let mut graph = Graph::default();
    let desired = Crate { size: 1, label: "one".to_owned() };
    let holder = graph.add(&region(), at("net/crate"), "net", desired);
    let desired = Part { parent: id(holder), cut: "round".to_owned(), label: "p".to_owned() };
    graph.add(&region(), at("new/part"), "net", desired);
    let desired =
        Note { name: "toys-note".to_owned(), about: "nothing".into(), lines: wants().lines };
    graph.add(&region(), at("net/note"), "net", desired);
    graph.moved.insert(at("net/part"), at("new/part"));
    let plan = bench.plan(&graph).await;
    assert_eq!(steps(&plan), ["update new/part"]);
    let fields: Vec<&str> =
        item(&plan, "new/part").changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(fields, ["tags.coderctl:address"]);
    assert!(item(&plan, "new/part").reason.as_deref().unwrap().contains("net/part"));
    bench.settle_on(&graph).await;
    assert_eq!(bench.id_at("new/part"), old);
    assert!(bench.plan(&graph).await.is_empty());
    // One at both ends of the move, both empty: one stays, and the other does not stay for ever.
    let like = bench.world.state().objects[&old].clone();
    let wish = Wish { fields: like.fields, parents: like.parents, name: None };
    let stray = bench.world.put("toy.part", wish, tags("net/part", 1, "uid-1"));
    let plan = bench.plan(&graph).await;
    assert_eq!(plan.steps.len(), 1);
    assert_eq!(plan.steps[0].id, Some(stray));
}

#[tokio::test(start_paused = true)]
async fn drift_is_told_from_a_change_of_the_spec_and_left_alone_unless_told_otherwise() {
    let bench = live(&wants()).await;
    let part = bench.id_at("net/part");
    bench.world.edit(&part, |part| drop(part.fields.insert("label".to_owned(), "theirs".into())));
    let plan = bench.plan(&wants().graph()).await;
    assert!(plan.is_empty(), "somebody's value is not overwritten");
    let drift = &item(&plan, "net/part").drift[0];
    assert_eq!((drift.field.as_str(), drift.cause), ("label", Cause::Drift));
    assert_eq!(plan.tally().drifted, 1);
    let overwrite = options(|options| options.overwrite_drift = true);
    let plan = bench.plan_with(&wants().graph(), &overwrite).await;
    assert_eq!(steps(&plan), ["update net/part"]);
    assert_eq!(item(&plan, "net/part").changes[0].cause, Cause::Drift);
    // A new value in the spec is the user's word, whatever is live.
    let graph = Wants { part_label: "ours", ..wants() }.graph();
    let plan = bench.plan(&graph).await;
    assert_eq!(item(&plan, "net/part").changes[0].cause, Cause::Spec);
    // Without a record nobody can tell: the spec decides, and the plan says that it does not know.
    bench.ledger.lose_applied();
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(item(&plan, "net/part").changes[0].cause, Cause::Unknown);
    assert_eq!(steps(&plan), ["update net/part"]);
}

#[tokio::test(start_paused = true)]
async fn drift_stays_drift_after_another_apply() {
    let bench = live(&wants()).await;
    let part = bench.id_at("net/part");
    bench.world.edit(&part, |part| drop(part.fields.insert("label".to_owned(), "theirs".into())));
    bench.settle_on(&Wants { flavor: "sour", ..wants() }.graph()).await;
    let plan = bench.plan(&Wants { flavor: "sour", ..wants() }.graph()).await;
    assert_eq!(item(&plan, "net/part").drift.len(), 1);
    assert!(plan.is_empty());
}

#[tokio::test(start_paused = true)]
async fn drift_of_a_fixed_field_replaces_nothing_unless_told_so() {
    let bench = live(&wants()).await;
    let link = bench.id_at("net/link");
    bench.world.edit(&link, |link| drop(link.fields.insert("flavor".to_owned(), "odd".into())));
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(action(&plan, "net/link"), Action::Keep);
    assert_eq!(item(&plan, "net/link").drift[0].field, "flavor");
    let overwrite = options(|options| options.overwrite_drift = true);
    let plan = bench.plan_with(&wants().graph(), &overwrite).await;
    assert_eq!(action(&plan, "net/link"), Action::Replace);
}

#[tokio::test(start_paused = true)]
async fn what_vanished_is_made_again_without_asking() {
    let bench = live(&wants()).await;
    bench.world.vanish(&bench.id_at("net/link"));
    bench.world.vanish(&bench.id_at("net/part"));
    bench.world.vanish(&bench.id_at("net/crate"));
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(refusals(&plan), "");
    assert_eq!(action(&plan, "net/crate"), Action::Create);
    assert!(item(&plan, "net/crate").reason.as_deref().unwrap().starts_with("it was there on "));
    assert_eq!(plan.steps.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_others_added_is_noted_and_what_we_added_is_taken_back() {
    let mut two = wants();
    two.lines.insert("b".to_owned(), "second".to_owned());
    let bench = live(&two).await;
    let note = bench.id_at("net/note");
    bench.world.edit(&note, |note| drop(note.fields.insert("lines.x".to_owned(), "theirs".into())));
    let plan = bench.plan(&wants().graph()).await;
    let planned = item(&plan, "net/note");
    assert_eq!(planned.changes.len(), 1);
    assert_eq!(planned.changes[0].field, "lines.b");
    assert_eq!(planned.changes[0].to, Some(serde_json::Value::Null));
    assert!(planned.notes[0].contains("lines.x") && planned.notes[0].contains("stays"));
    bench.settle_on(&wants().graph()).await;
    let lines = bench.world.state().objects[&note].fields.clone();
    assert!(lines.contains_key("lines.x") && !lines.contains_key("lines.b"), "{lines:?}");
    assert!(bench.plan(&wants().graph()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_users_tags_come_and_go_and_those_of_others_stay() {
    let mut bench = live(&wants()).await;
    let part = bench.id_at("net/part");
    bench.world.edit(&part, |part| drop(part.tags.insert("cost".to_owned(), "theirs".to_owned())));
    bench.deployment.tags.insert("team".to_owned(), "blue".to_owned());
    bench.settle_on(&wants().graph()).await;
    assert_eq!(bench.world.state().objects[&part].tags["team"], "blue");
    bench.deployment.tags.remove("team");
    let plan = bench.plan(&wants().graph()).await;
    assert_eq!(plan.steps.len(), 4, "every one of them lost a tag");
    bench.settle_on(&wants().graph()).await;
    let tags = bench.world.state().objects[&part].tags.clone();
    assert!(!tags.contains_key("team") && tags.contains_key("cost"), "{tags:?}");
    assert!(bench.plan(&wants().graph()).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_target_brings_what_it_needs_and_an_exclusion_takes_what_needs_it() {
    let bench = Bench::new();
    let graph = Wants { tower: true, ..wants() }.graph();
    let target = |target: &str| options(|options| options.target.push(target.to_owned()));
    let plan = bench.plan_with(&graph, &target("net/link")).await;
    assert_eq!(
        actions(&plan).iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(),
        ["net/crate", "net/part", "net/link"]
    );
    assert_eq!(plan.left_out, 2);
    let exclude = |exclude: &str| options(|options| options.exclude.push(exclude.to_owned()));
    let plan = bench.plan_with(&graph, &exclude("net/tower")).await;
    assert_eq!(
        actions(&plan).iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(),
        ["net/crate", "net/part", "net/link"],
        "the note is about the tower"
    );
    // What is there already serves those that need it, even if it is excluded.
    bench.settle_on(&graph).await;
    bench.world.vanish(&bench.id_at("net/note"));
    let plan = bench.plan_with(&graph, &exclude("net/tower")).await;
    assert_eq!(steps(&plan), ["create net/note"]);
}

#[tokio::test(start_paused = true)]
async fn of_orphans_a_target_takes_what_lives_in_it_and_an_exclusion_spares_what_it_lives_in() {
    let bench = live(&wants()).await;
    let destroy = |change: fn(&mut Options)| {
        options(|options| {
            options.destroy = true;
            change(options);
        })
    };
    let nothing = Graph::default();
    let only = destroy(|options| options.target.push("net/part".to_owned()));
    let plan = bench.plan_with(&nothing, &only).await;
    assert_eq!(steps(&plan), ["delete net/link", "delete net/part"]);
    let but = destroy(|options| options.exclude.push("net/part".to_owned()));
    let plan = bench.plan_with(&nothing, &but).await;
    let mut told = steps(&plan);
    told.sort();
    assert_eq!(told, ["delete net/link", "delete net/note"]);
}

#[tokio::test(start_paused = true)]
async fn a_target_is_not_replaced_under_what_the_plan_leaves_in_it() {
    let bench = live(&Wants { link: false, ..wants() }).await;
    let graph = Wants { size: 2, link: false, ..wants() }.graph();
    let target = Options { target: vec!["net/crate".to_owned()], ..everything(&graph) };
    let plan = bench.plan_with(&graph, &target).await;
    let text = refusals(&plan);
    assert!(text.contains("us-east-1/net/crate can not be replaced"), "{text}");
    assert!(text.contains("--target us-east-1/net/part"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn destroy_needs_no_spec_and_leaves_what_is_not_ours() {
    let bench = live(&Wants { tower: true, ..wants() }).await;
    let theirs = bench.world.put("toy.crate", crate_wish(9), Tags::new());
    let mut other = tags("net/crate", 1, "uid-9");
    other.insert(TAG_DEPLOYMENT.to_owned(), "toys-2".to_owned());
    let others = bench.world.put("toy.crate", crate_wish(9), other);
    let run = bench.destroy().await;
    assert!(run.is_complete());
    let left: Vec<_> = bench.world.state().objects.keys().cloned().collect();
    assert_eq!(left, [theirs, others]);
    assert!(bench.destroy_plan().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_leaving_is_waited_for_before_its_place_is_taken() {
    let bench = live(&Wants { tower: true, ..wants() }).await;
    let tower = bench.id_at("net/tower");
    let cx = bench.cx();
    bench.world.delete(&cx, &[&tower], 300).await.unwrap().remove(0).unwrap();
    let graph = Wants { tower: true, ..wants() }.graph();
    let plan = bench.plan(&graph).await;
    let told = steps(&plan);
    assert_eq!(&told[..2], ["delete net/tower", "create net/tower"]);
    assert_eq!(plan.steps[1].generation, 2);
    assert_eq!(refusals(&plan), "");
    bench.settle_on(&graph).await;
    assert!(bench.plan(&graph).await.is_empty());
    // A crate can not go before the tower on it has.
    let tower = bench.id_at("net/tower");
    bench.world.delete(&cx, &[&tower], 300).await.unwrap().remove(0).unwrap();
    let run = bench.destroy().await;
    assert!(run.is_complete(), "{:#?}", run.outcome);
    assert!(bench.world.state().objects.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_goes_after_what_is_leaving_it() {
    let few = || Wants { part: false, link: false, ..wants() };
    let bench = live(&Wants { tower: true, ..few() }).await;
    let (old, tower) = (bench.id_at("net/crate"), bench.id_at("net/tower"));
    let used = bench.world.put("toy.crate", crate_wish(1), tags("net/crate", 1, "uid-1"));
    let wish = Wish { parents: [used.clone()].into(), ..Wish::default() };
    bench.world.put("toy.bead", wish, tags("net/bead", 1, "uid-1"));
    // The tower stands in the one that nothing else uses, and is on its way out.
    bench.world.delete(&bench.cx(), &[&tower], 300).await.unwrap().remove(0).unwrap();
    let run = bench.settle_on(&few().graph()).await;
    assert!(run.plan.steps.iter().any(|step| step.id.as_ref() == Some(&old)));
    assert!(!bench.world.state().objects.contains_key(&old));
    assert!(bench.world.state().objects.contains_key(&used));
}

#[tokio::test(start_paused = true)]
async fn two_uids_under_one_name_are_refused() {
    let mut bench = live(&wants()).await;
    bench.world.put("toy.crate", crate_wish(1), tags("net/other", 1, "uid-2"));
    bench.deployment.uid = None;
    let plan = bench.plan(&wants().graph()).await;
    let text = refusals(&plan);
    assert!(text.contains("uid-1") && text.contains("uid-2"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_plan_does_not_depend_on_the_order_in_which_things_are_listed() {
    let bench = live(&Wants { second_part: true, tower: true, ..wants() }).await;
    // Something of everything: duplicates, damage, orphans, a replace.
    bench.world.put("toy.crate", crate_wish(1), tags("net/crate", 1, "uid-1"));
    bench.world.put("toy.crate", crate_wish(1), tags("net/crate", 1, "uid-1"));
    for name in ["x", "y"] {
        let mut broken = tags(&format!("net/{name}"), 1, "uid-1");
        broken.remove(TAG_ADDRESS);
        bench.world.put("toy.bead", Wish::default(), broken);
        bench.world.put("toy.job", Wish::default(), tags(&format!("net/job-{name}"), 1, "uid-1"));
    }
    bench.world.state().unreadable = ["toy.note", "toy.job"].into();
    let graph = Wants { flavor: "sour", tower: true, ..wants() }.graph();
    let snapshot = bench.observe(&graph).await;
    let bytes = |snapshot: &Snapshot| {
        serde_json::to_string(&bench.plan_of(&graph, snapshot, &Options::default())).unwrap()
    };
    let first = bytes(&snapshot);
    let mut turned = snapshot.clone();
    for turn in 0..snapshot.live.len() {
        turned.live.rotate_left(1);
        if turn % 2 == 0 {
            turned.live.swap(0, 1);
        }
        turned.damaged.reverse();
        turned.unreadable.reverse();
        assert_eq!(bytes(&turned), first);
    }
}

#[tokio::test(start_paused = true)]
async fn a_plan_survives_being_written_and_read() {
    let bench = live(&wants()).await;
    let graph = Wants { flavor: "sour", second_part: true, ..wants() }.graph();
    let plan = bench.plan(&graph).await;
    let again: Plan = serde_json::from_str(&serde_json::to_string(&plan).unwrap()).unwrap();
    assert_eq!(again, plan);
    assert_eq!(again.fingerprint(), plan.fingerprint());
    let other = bench.plan(&Wants { flavor: "sweet", ..wants() }.graph()).await;
    assert_ne!(other.fingerprint(), plan.fingerprint());
}

/// Written again as it was read, for the digest of a plan file is made anew from what was read.
#[test]
fn a_step_of_a_plan_file_may_wait_without_a_reason() {
    let text = r#"{"step":0,"need":"ready"}"#;
    let wait: WaitFor = serde_json::from_str(text).unwrap();
    assert_eq!(serde_json::to_string(&wait).unwrap(), text);
}

#[tokio::test(start_paused = true)]
async fn an_update_does_not_hold_up_what_only_needs_an_id() {
    let bench = live(&wants()).await;
    let graph = Wants { label: "two", part_label: "q", ..wants() }.graph();
    let plan = bench.plan(&graph).await;
    assert_eq!(plan.steps.len(), 2);
    assert!(plan.steps.iter().all(|step| step.after.is_empty()), "{:#?}", plan.steps);
    // What is made in it waits for it.
    let graph = Wants { label: "two", second_part: true, ..wants() }.graph();
    let plan = bench.plan(&graph).await;
    let part = plan.steps.iter().find(|step| step.name.address == at("net/part-2")).unwrap();
    assert_eq!(part.after.len(), 1);
}

#[test]
fn addresses_are_what_the_tests_take_them_for() {
    assert_eq!(at("net/part"), Address::parse("us-east-1/net/part").unwrap());
}
