//! How a plan is carried out, told by its events and by what the provider was asked for.

use super::toy::bench::{Bench, Run, at, everything, one_at_a_time, region, short, steps};
use super::toy::kinds::{Bead, Crate, Job, Link, Note, Part, Tower, id};
use super::toy::world::{Fault, World};
use coderctl::event::What;
use coderctl::execute::Ended;
use coderctl::graph::{Graph, Handle};
use coderctl::kind::{Class, Error, Fence};
use coderctl::plan::Options;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn add_crate(graph: &mut Graph, name: &str, size: u64) -> Handle<Crate> {
    graph.add(&region(), at(name), "x", Crate { size, label: "one".to_owned() })
}

fn add_part(graph: &mut Graph, name: &str, holder: Handle<Crate>) -> Handle<Part> {
    let desired = Part { parent: id(holder), cut: "round".to_owned(), label: "p".to_owned() };
    graph.add(&region(), at(name), "x", desired)
}

fn add_tower(graph: &mut Graph, name: &str, holder: Handle<Crate>) -> Handle<Tower> {
    let desired = Tower { name: name.replace('/', "-"), ground: id(holder), height: 1 };
    graph.add(&region(), at(name), "x", desired)
}

fn add_link(graph: &mut Graph, name: &str, parts: &[Handle<Part>], flavor: &str) -> Handle<Link> {
    let desired = Link {
        name: name.replace('/', "-"),
        parts: parts.iter().map(|part| id(*part)).collect(),
        holds: true,
        flavor: flavor.to_owned(),
    };
    graph.add(&region(), at(name), "x", desired)
}

/// One of each, in two crates; the tower takes ten minutes.
fn town(size: u64, flavor: &str) -> Graph {
    let mut graph = Graph::default();
    let holder = add_crate(&mut graph, "net/crate", size);
    let part = add_part(&mut graph, "net/part", holder);
    let tower = add_tower(&mut graph, "net/tower", holder);
    add_link(&mut graph, "net/link", &[part], flavor);
    graph.add(&region(), at("net/bead-1"), "x", Bead { parent: id(holder) });
    graph.add(&region(), at("net/bead-2"), "x", Bead { parent: id(holder) });
    let job = Job { queue: "q".to_owned(), work: "w".to_owned() };
    graph.add(&region(), at("net/job"), "x", job);
    let note = Note {
        name: "net-note".to_owned(),
        about: Tower::endpoint(tower),
        lines: BTreeMap::from([("a".to_owned(), "first".to_owned())]),
    };
    graph.add(&region(), at("net/note"), "x", note);
    graph
}

fn calls(world: &World) -> Vec<String> {
    world.state().calls.iter().map(|call| call.what.clone()).collect()
}

/// Seconds from the start of the run until a line of its story.
fn second_of(run: &Run, fits: impl Fn(&What) -> bool) -> u64 {
    let begin = run.events[0].at;
    let event = run.events.iter().find(|event| fits(&event.what)).unwrap();
    event.at.duration_since(begin).unwrap().as_secs()
}

#[tokio::test(start_paused = true)]
async fn a_run_tells_its_whole_story() {
    let bench = Bench::new();
    let mut graph = Graph::default();
    let holder = add_crate(&mut graph, "net/crate", 1);
    let part = add_part(&mut graph, "net/part", holder);
    add_link(&mut graph, "net/link", &[part], "plain");
    let run = bench.settle_on(&graph).await;
    assert_eq!(
        run.story(),
        [
            "+create net/crate",
            "*create net/crate",
            "+create net/part",
            "*create net/part",
            "+create net/link",
            "*create net/link",
            "-create net/part",
            "-create net/crate",
            "-create net/link",
        ],
        "what needs only an id does not wait until the rest is ready"
    );
    let What::RunStarted { steps, estimate, .. } = run.events[0].what else { panic!() };
    assert_eq!((steps, estimate), (3, 32));
    let What::RunFinished { done, failed, skipped, elapsed, ref critical_path } =
        run.events.last().unwrap().what
    else {
        panic!()
    };
    assert_eq!((done, failed, skipped), (3, 0, 0));
    assert!((32..36).contains(&elapsed), "{elapsed}");
    let path: Vec<String> = critical_path.iter().map(|(step, _)| short(&step.address)).collect();
    assert_eq!(path, ["net/crate", "net/part", "net/link"]);
    // What each adds to the whole: two of them were needed for their ids alone.
    let whole: u32 = critical_path.iter().map(|(_, seconds)| seconds).sum();
    assert!(whole <= elapsed && whole + 3 > elapsed, "{critical_path:?}");
    let planned: Vec<u32> = run.plan.critical_path.iter().map(|(_, seconds)| *seconds).collect();
    assert_eq!(planned, [1, 1, 30]);
}

#[tokio::test(start_paused = true)]
async fn the_longest_pole_begins_first() {
    let mut bench = Bench::new();
    bench.width = 1;
    let mut graph = Graph::default();
    graph.add(&region(), at("net/job"), "x", Job { queue: "q".to_owned(), work: "w".to_owned() });
    let short_crate = add_crate(&mut graph, "net/short", 1);
    add_part(&mut graph, "net/part", short_crate);
    let long_crate = add_crate(&mut graph, "net/long", 1);
    add_tower(&mut graph, "net/tower", long_crate);
    let run = bench.settle_on(&graph).await;
    let begun: Vec<String> = run
        .story()
        .into_iter()
        .filter_map(|line| Some(line.strip_prefix('+')?.to_owned()))
        .collect();
    assert_eq!(
        begun,
        [
            "create net/long",
            "create net/tower",
            "create net/short",
            "create net/part",
            "create net/job"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn what_needs_it_ready_waits_until_it_is() {
    let bench = Bench::new();
    let run = bench.settle_on(&town(1, "plain")).await;
    let tower = second_of(
        &run,
        |what| matches!(what, What::StepFinished { step, .. } if step.address == at("net/tower")),
    );
    assert!(tower >= 600);
    assert!(run.when("-create net/tower") < run.when("+create net/note"));
    assert!(run.when("*create net/crate") < run.when("+create net/tower"));
    assert!(run.when("+create net/tower") < run.when("-create net/crate"));
    // A tower that takes as long as towers take is not slow; its waiting is told in its own word.
    assert!(!run.events.iter().any(|event| matches!(event.what, What::StepSlow { .. })));
    assert!(run.events.iter().any(|event| {
        matches!(&event.what, What::StepProgress { status, .. } if status == "pending")
    }));
}

#[tokio::test(start_paused = true)]
async fn a_slow_step_is_told_once() {
    let bench = Bench::new();
    let mut graph = Graph::default();
    add_crate(&mut graph, "net/crate", 1);
    bench.world.state().lag = 400;
    let run = bench.settle_on(&graph).await;
    let slow: Vec<u32> = run
        .events
        .iter()
        .filter_map(|event| match event.what {
            What::StepSlow { elapsed, .. } => Some(elapsed),
            _ => None,
        })
        .collect();
    assert_eq!(slow.len(), 1);
    assert!((80..=96).contains(&slow[0]), "{slow:?}");
}

#[tokio::test(start_paused = true)]
async fn a_failure_skips_what_needs_it_and_nothing_else() {
    let mut graph = Graph::default();
    let holder = add_crate(&mut graph, "net/crate", 1);
    let bad = add_part(&mut graph, "net/bad", holder);
    let good = add_part(&mut graph, "net/good", holder);
    add_link(&mut graph, "net/lost", &[bad], "plain");
    add_link(&mut graph, "net/fine", &[good], "plain");
    graph.add(
        &region(),
        at("net/note"),
        "x",
        Note { name: "n".to_owned(), about: "x".into(), lines: BTreeMap::new() },
    );
    for nth in 1..=6 {
        let bench = Bench::new();
        bench.world.state().faults.insert(nth, Fault::Fails(Class::Quota));
        let run = bench.apply(&graph).await;
        let failed_call = calls(&bench.world)[nth - 1].clone();
        let outcome = run.outcome.as_ref().unwrap();
        let failed: Vec<String> =
            outcome.failed.iter().map(|(step, _)| short(&step.address)).collect();
        let mut skipped: Vec<String> =
            outcome.skipped.iter().map(|(step, _)| short(&step.address)).collect();
        skipped.sort();
        assert_eq!(failed.len(), 1);
        let expected: &[&str] = match failed[0].as_str() {
            "net/crate" => &["net/bad", "net/fine", "net/good", "net/lost"],
            "net/bad" => &["net/lost"],
            "net/good" => &["net/fine"],
            _ => &[],
        };
        assert_eq!(skipped, expected, "{failed_call}");
        assert_eq!(outcome.done.len(), 6 - 1 - expected.len());
        for (_, because) in &outcome.skipped {
            assert!(because.contains(&failed[0]) && because.contains("failed"), "{because}");
        }
        assert_eq!(outcome.ended, Ended::Through);
        assert!(!outcome.is_complete());
        // The same command again does what is left, without waiting for what was refused.
        let begin = bench.world.clock().unix();
        let rest = bench.settle_on(&graph).await;
        assert_eq!(rest.plan.steps.len(), 1 + expected.len());
        assert!(bench.world.clock().unix() - begin < 60);
    }
}

#[tokio::test(start_paused = true)]
async fn an_interruption_starts_nothing_more_and_ends_within_ten_seconds() {
    for after in [0, 1, 2, 5, 11, 40, 300, 601, 605] {
        let bench = Bench::new();
        let graph = town(1, "plain");
        let cx = bench.cx();
        let cancel = cx.cancel.clone();
        let clock = bench.world.clock();
        let options = Options::default();
        let stopped_at = async {
            clock.sleep(Duration::from_secs(after)).await;
            cancel.cancel();
            clock.unix()
        };
        let (run, stopped_at) = tokio::join!(bench.apply_with(&graph, &options, cx), stopped_at);
        assert!(clock.unix() - stopped_at <= 10, "after {after}");
        let outcome = run.outcome.as_ref().unwrap();
        if outcome.is_complete() {
            continue;
        }
        assert_eq!(outcome.ended, Ended::Interrupted, "after {after}");
        let told = run.story();
        let place = told.iter().position(|line| line == "interrupted").unwrap();
        assert!(!told[place..].iter().any(|line| line.starts_with('+')), "{told:#?}");
        assert_eq!(told.iter().filter(|line| *line == "interrupted").count(), 1);
        assert_eq!(outcome.done.len() + outcome.skipped.len(), run.plan.steps.len());
        assert!(outcome.failed.is_empty(), "{:#?}", outcome.failed);
        let calls_then = calls(&bench.world).len();
        // What was begun goes on; nothing is made twice.
        bench.settle_on(&graph).await;
        assert!(bench.plan(&graph).await.is_empty());
        assert_eq!(bench.world.state().objects.len(), 8);
        assert!(calls(&bench.world).len() >= calls_then);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_never_answered_does_not_hold_up_an_interruption() {
    let bench = Bench::new();
    bench.world.state().faults.insert(2, Fault::Hangs);
    let graph = town(1, "plain");
    let cx = bench.cx();
    let cancel = cx.cancel.clone();
    let clock = bench.world.clock();
    let options = Options::default();
    let stop = async {
        clock.sleep(Duration::from_secs(30)).await;
        cancel.cancel();
        clock.unix()
    };
    let (run, stopped_at) = tokio::join!(bench.apply_with(&graph, &options, cx), stop);
    assert!(clock.unix() - stopped_at <= 10);
    let outcome = run.outcome.unwrap();
    assert!(outcome.skipped.iter().any(|(_, because)| because.contains("no answer came")));
    bench.settle_on(&graph).await;
    assert_eq!(bench.world.state().objects.len(), 8);
}

#[tokio::test(start_paused = true)]
async fn once_the_lock_is_lost_nothing_more_is_sent() {
    let bench = Bench::new();
    let graph = town(1, "plain");
    let lost = Arc::new(AtomicBool::new(false));
    let asked = lost.clone();
    let fence = Fence::new(move || {
        if asked.load(Ordering::SeqCst) {
            return Err(Error::of(Class::Interrupted, "the lock is held by ben"));
        }
        Ok(())
    });
    let clock = bench.world.clock();
    let lose = async {
        clock.sleep(Duration::from_secs(2)).await;
        lost.store(true, Ordering::SeqCst);
        calls(&bench.world).len()
    };
    let options = Options::default();
    let (run, calls_then) =
        tokio::join!(bench.apply_with(&graph, &options, bench.cx().behind(fence)), lose);
    let outcome = run.outcome.as_ref().unwrap();
    assert_eq!(outcome.ended, Ended::LockLost("the lock is held by ben".to_owned()));
    assert_eq!(calls(&bench.world).len(), calls_then, "the fence is asked before every call");
    assert!(run.events.iter().any(|event| {
        matches!(&event.what, What::LockLost { holder } if holder.contains("ben"))
    }));
    assert!(outcome.failed.is_empty());
    bench.settle_on(&graph).await;
    assert!(bench.plan(&graph).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_makes_nothing_twice() {
    let graph = town(1, "plain");
    for fault in [Fault::LostAfter, Fault::LostBefore] {
        for lag in [0, 30] {
            for nth in 1..=8 {
                let bench = Bench::new();
                bench.world.state().lag = lag;
                bench.world.state().faults.insert(nth, fault);
                let run = bench.apply(&graph).await;
                assert!(run.is_complete(), "{fault:?} {nth} {lag}: {:#?}", run.outcome);
                assert_eq!(bench.world.state().objects.len(), 8, "{fault:?} {nth} {lag}");
                bench.world.clock().sleep(Duration::from_secs(lag)).await;
                assert!(bench.plan(&graph).await.is_empty(), "{fault:?} {nth} {lag}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_create_that_would_make_a_second_one_is_written_down_before_it_is_sent() {
    let graph = town(1, "plain");
    let bench = Bench::new();
    bench.settle_on(&graph).await;
    let mut intended: Vec<String> = bench
        .ledger
        .intended
        .lock()
        .unwrap()
        .iter()
        .map(|intent| format!("{} {}", short(&intent.address), intent.generation))
        .collect();
    intended.sort();
    assert_eq!(
        intended,
        ["net/bead-1 1", "net/bead-2 1", "net/crate 1", "net/job 1", "net/part 1"],
        "a name makes the others safe"
    );
    // Died before the call arrived: it was written down already.
    let bench = Bench::new();
    bench.world.state().faults.insert(1, Fault::DiesBefore);
    let run = bench.apply(&graph).await;
    assert!(run.outcome.is_none());
    assert!(!bench.ledger.intended.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn lists_that_lag_behind_are_waited_for() {
    let graph = town(1, "plain");
    let bench = Bench::new();
    bench.world.state().lag = 30;
    let run = bench.apply(&graph).await;
    assert!(run.is_complete(), "{:#?}", run.outcome);
    // Right after it, reads show nothing of what came last; the next run makes nothing twice.
    let again = bench.apply(&graph).await;
    assert!(again.is_complete(), "{:#?}", again.outcome);
    assert_eq!(bench.world.state().objects.len(), 8);
    let changed = town(1, "sour");
    bench.world.clock().sleep(Duration::from_secs(30)).await;
    let run = bench.settle_on(&changed).await;
    assert_eq!(steps(&run.plan), ["create net/link", "delete net/link"]);
}

#[tokio::test(start_paused = true)]
async fn several_go_with_one_call() {
    let bench = Bench::new();
    bench.settle_on(&town(1, "plain")).await;
    let before = calls(&bench.world).len();
    let run = bench.destroy().await;
    assert!(run.is_complete());
    let beads: Vec<String> = calls(&bench.world)[before..]
        .iter()
        .filter(|call| call.contains("bead"))
        .cloned()
        .collect();
    assert_eq!(beads.len(), 1, "{beads:?}");
    assert_eq!(run.story().iter().filter(|line| line.starts_with("-delete net/bead")).count(), 2);
    assert!(bench.world.state().objects.is_empty());
}

#[tokio::test(start_paused = true)]
async fn of_a_batch_only_what_is_in_use_fails() {
    let bench = Bench::new();
    bench.settle_on(&town(1, "plain")).await;
    let (bead, job) = (bench.id_at("net/bead-1"), bench.id_at("net/job"));
    // Somebody put something into the bead, that coderctl does not know.
    bench.world.edit(&job, |job| {
        job.tags.clear();
        job.parents.insert(bead.clone());
    });
    let run = bench.destroy().await;
    let outcome = run.outcome.as_ref().unwrap();
    let failed: Vec<String> = outcome.failed.iter().map(|(step, _)| short(&step.address)).collect();
    assert_eq!(failed, ["net/bead-1"]);
    let skipped: Vec<String> =
        outcome.skipped.iter().map(|(step, _)| short(&step.address)).collect();
    assert_eq!(skipped, ["net/crate"]);
    assert!(outcome.failed[0].1.to_string().contains("still in it"));
}

#[tokio::test(start_paused = true)]
async fn what_has_one_key_runs_one_at_a_time() {
    let bench = Bench::new();
    let jobs = |work: &str, queue: &str| {
        let mut graph = Graph::default();
        for name in ["a", "b", "c"] {
            let desired = Job { queue: queue.to_owned(), work: work.to_owned() };
            graph.add(&region(), at(&format!("net/{name}")), "x", desired);
        }
        graph
    };
    for graph in [jobs("first", "q"), jobs("second", "q"), jobs("second", "r")] {
        let run = bench.settle_on(&graph).await;
        one_at_a_time(&run);
        assert!(run.plan.steps.iter().all(|step| step.exclusive.is_some()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_changed_after_the_plan_was_made_is_not_touched() {
    let bench = Bench::new();
    bench.settle_on(&town(1, "plain")).await;
    let mut graph = Graph::default();
    let holder = add_crate(&mut graph, "net/crate", 1);
    let desired = Part { parent: id(holder), cut: "round".to_owned(), label: "new".to_owned() };
    graph.add(&region(), at("net/part"), "x", desired);
    let options = Options { target: vec!["net/part".to_owned()], ..everything(&graph) };
    let part = bench.id_at("net/part");
    type Edit = fn(&mut super::toy::world::Object);
    let edits: [Edit; 3] = [
        |part| drop(part.fields.insert("cut".to_owned(), "square".into())),
        |part| part.tags.clear(),
        |part| drop(part.tags.insert("coderctl:uid".to_owned(), "uid-9".to_owned())),
    ];
    for edit in edits {
        let snapshot = bench.observe(&graph).await;
        let plan = bench.plan_of(&graph, &snapshot, &options);
        assert_eq!(steps(&plan), ["update net/part"]);
        let before = bench.world.state().objects[&part].clone();
        bench.world.edit(&part, edit);
        let calls_then = calls(&bench.world).len();
        let run = bench.run(&graph, &snapshot, plan, bench.cx()).await;
        let outcome = run.outcome.unwrap();
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(outcome.failed[0].1.class, Class::Refused);
        assert_eq!(calls(&bench.world).len(), calls_then);
        bench.world.edit(&part, |part| *part = before);
    }
    // Nor is anything deleted that is not ours, or not at that address, any more.
    let only = vec!["net/part".to_owned()];
    let options = Options { destroy: true, target: only, ..Options::default() };
    let nothing = Graph::default();
    let edits: [Edit; 2] = [
        |part| part.tags.clear(),
        |part| drop(part.tags.insert("coderctl:address".to_owned(), "us-east-1/x/y".to_owned())),
    ];
    for edit in edits {
        let snapshot = bench.observe(&nothing).await;
        let plan = bench.plan_of(&nothing, &snapshot, &options);
        bench.world.edit(&part, edit);
        let before = bench.world.state().objects[&part].clone();
        let run = bench.run(&nothing, &snapshot, plan, bench.cx()).await;
        let outcome = run.outcome.unwrap();
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(outcome.failed[0].1.class, Class::Refused);
        assert_eq!(bench.world.state().objects[&part], before);
        bench.world.edit(&part, |part| {
            for (tag, value) in [("deployment", "toys"), ("uid", "uid-1"), ("generation", "1")] {
                part.tags.insert(format!("coderctl:{tag}"), value.to_owned());
            }
            part.tags.insert("coderctl:address".to_owned(), at("net/part").to_string());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_at_any_call_the_same_command_ends_where_it_would_have() {
    // What was there before, what is asked for; nothing stands for destroy.
    let cases: [(Option<Graph>, Option<Graph>); 4] = [
        (None, Some(town(1, "plain"))),
        (Some(town(1, "plain")), Some(town(1, "sour"))),
        (Some(town(1, "plain")), Some(town(2, "plain"))),
        (Some(town(1, "plain")), None),
    ];
    let mut crashes = 0;
    for (case, (before, after)) in cases.iter().enumerate() {
        for lag in [0, 30] {
            let begin = || async {
                let bench = Bench::new();
                if let Some(before) = before {
                    bench.settle_on(before).await;
                }
                bench.world.state().lag = lag;
                bench.world.clock().sleep(Duration::from_secs(lag)).await;
                bench
            };
            let go = |bench: Bench| async move {
                let run = match after {
                    Some(graph) => bench.apply_with(graph, &everything(graph), bench.cx()).await,
                    None => bench.destroy().await,
                };
                (bench, run)
            };
            let (straight, run) = go(begin().await).await;
            assert!(run.is_complete(), "{case} {lag}: {:#?}", run.outcome);
            let wanted = straight.world.shape();
            let first = begin().await.world.state().calls.len();
            let last = straight.world.state().calls.len();
            for nth in first + 1..=last {
                for fault in [Fault::DiesBefore, Fault::DiesAfter] {
                    let context = format!("case {case}, lag {lag}, {fault:?} at call {nth}");
                    let bench = begin().await;
                    bench.world.state().faults.insert(nth, fault);
                    let (bench, run) = go(bench).await;
                    assert!(run.outcome.is_none(), "{context}");
                    crashes += 1;
                    let (bench, run) = go(bench).await;
                    assert!(run.plan.refusals.is_empty(), "{context}: {:#?}", run.plan.refusals);
                    assert!(
                        run.is_complete(),
                        "{context}: {:#?} {:#?}",
                        run.outcome,
                        bench.world.state().calls
                    );
                    bench.world.clock().sleep(Duration::from_secs(lag)).await;
                    // What reads did not show yet, another run takes care of.
                    let (bench, run) = go(bench).await;
                    assert!(run.is_complete(), "{context}: {:#?}", run.outcome);
                    // What was leaving when it died goes in its own time.
                    bench.world.clock().sleep(Duration::from_secs(600)).await;
                    assert_eq!(
                        bench.world.shape(),
                        wanted,
                        "{context}: {:#?}",
                        bench.world.state().calls
                    );
                    let (_, run) = go(bench).await;
                    assert!(run.plan.is_empty(), "{context}: {:#?}", steps(&run.plan));
                }
            }
        }
    }
    assert!(crashes > 100, "{crashes}");
}

#[tokio::test(start_paused = true)]
async fn without_lag_one_more_run_is_enough_after_a_crash() {
    let graph = town(1, "plain");
    for nth in 1..=8 {
        for fault in [Fault::DiesBefore, Fault::DiesAfter] {
            let bench = Bench::new();
            bench.world.state().faults.insert(nth, fault);
            assert!(bench.apply(&graph).await.outcome.is_none());
            assert!(bench.apply(&graph).await.is_complete());
            assert_eq!(bench.world.state().objects.len(), 8, "{fault:?} at {nth}");
            assert!(bench.plan(&graph).await.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_records_what_it_applied_and_a_lost_record_comes_back() {
    let bench = Bench::new();
    let graph = town(1, "plain");
    bench.settle_on(&graph).await;
    let recorded = bench.ledger.read_applied();
    assert_eq!(recorded.0.len(), 8);
    let link = &recorded.0[&at("net/link")];
    assert_eq!(link.fields["flavor"], "plain");
    assert_eq!(link.fields["tags.owner"], "ann");
    bench.ledger.lose_applied();
    bench.settle_on(&graph).await;
    let again = bench.ledger.read_applied();
    assert_eq!(again.0.len(), 8);
    assert_eq!(again.0[&at("net/link")].fields, link.fields);
    bench.destroy().await;
    assert!(bench.ledger.read_applied().0.is_empty());
}
