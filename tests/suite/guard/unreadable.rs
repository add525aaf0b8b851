//! What can not be read is neither there nor gone: nothing is made, replaced or deleted for it.

use super::deployment::{World, destroy, small, spec};
use coderctl::cli::exit::Exit;
use coderctl::graph::Graph;
use coderctl::plan::{Action, Options, Plan};
use coderctl::registry::KINDS;
use coderctl::sandbox::{Effect, Fault, Faults, Matching};
use coderctl::spec::Loaded;
use std::collections::BTreeSet;

/// Every field that matters here changes: something is made, replaced, updated and removed.
fn changed() -> Loaded {
    spec(
        small(),
        &[
            "log_groups.app.retention_days=60",
            "log_groups.more.name=/coder/prod/more",
            "roles.more.trust.service=[ec2.amazonaws.com]",
            "network.security_groups.nodes.description=other",
            "network.security_groups.nodes.ingress.mesh=null",
            "network.endpoints.sts=null",
            "network.tiers.extra.prefix_length=26",
            "network.flow_logs.aggregation_seconds=60",
            "keys=null",
        ],
    )
}

/// Every read that a plan makes, by operation.
async fn reads(world: &World, wanted: &Loaded) -> Vec<String> {
    let mut session = world.open(wanted).await.unwrap();
    session.plan(&Options::default()).await;
    session.clients.counts().by_operation().into_keys().collect()
}

fn rank(kind: &str) -> usize {
    KINDS.iter().position(|other| other.name() == kind).unwrap()
}

/// The kinds of a graph that need one of `kinds`, and those themselves.
fn below(graph: &Graph, kinds: &BTreeSet<String>) -> BTreeSet<String> {
    let mut addresses: BTreeSet<String> = BTreeSet::new();
    for node in &graph.nodes {
        let is_unread = kinds.contains(node.desired.kind().name());
        let needs = node
            .edges()
            .iter()
            .any(|edge| addresses.contains(graph.node(edge.node).address.as_str()));
        if is_unread || needs {
            addresses.insert(node.address.to_string());
        }
    }
    addresses
}

fn assert_careful(plan: &Plan, graph: &Graph, denied: &str) {
    let kinds: BTreeSet<String> = plan.unread.iter().map(|unread| unread.kind.clone()).collect();
    let untouchable = below(graph, &kinds);
    for item in &plan.items {
        let violent = matches!(item.action, Action::Create | Action::Replace | Action::Delete);
        let unjudged = kinds.contains(&item.kind) || untouchable.contains(item.address.as_str());
        assert!(
            !(violent && unjudged),
            "{denied} is refused, and yet {} is to be {:?}",
            item.address,
            item.action
        );
        // What can not be seen may live in what goes.
        if item.action == Action::Delete {
            let inside = kinds.iter().find(|kind| rank(kind) > rank(&item.kind));
            assert_eq!(inside, None, "{denied} is refused, and yet {} goes", item.address);
        }
    }
    for step in &plan.steps {
        assert!(
            !kinds.contains(&step.name.kind),
            "{denied} is refused, and yet there is a step for {}",
            step.name.address
        );
    }
}

#[tokio::test(start_paused = true)]
async fn each_read_refused_in_turn_holds_back_all_that_hangs_on_it() {
    let world = World::new();
    world.apply(&spec(small(), &[])).await;
    let wanted = changed();
    let whole = world.plan(&wanted, &Options::default()).await;
    let tally = whole.tally();
    assert!(
        tally.create > 0 && tally.replace > 0 && tally.update > 0 && tally.delete > 0,
        "{tally:?}"
    );
    let mut held_back = BTreeSet::new();
    for operation in reads(&world, &wanted).await {
        world.deny(&operation);
        for options in [Options::default(), destroy()] {
            let mut session = match world.open(&wanted).await {
                Ok(session) => session,
                Err(failure) => {
                    assert_eq!(failure.exit, Exit::Credentials, "{operation}: {failure:?}");
                    continue;
                }
            };
            let plan = session.plan(&options).await.plan;
            // What nobody wants is read with fewer calls.
            if !session.clients.counts().by_operation().contains_key(&operation) {
                assert!(options.destroy, "{operation} is not asked");
                continue;
            }
            if plan.unread.is_empty() {
                // Without its record, a deployment can be looked at and not changed.
                assert!(operation.starts_with("s3:"), "{operation} is refused unnoticed");
                let refused = world.carry_out(&mut session, &plan, &options).await;
                let failure = refused.err().unwrap();
                assert_eq!(failure.exit, Exit::Credentials, "{operation}: {failure:?}");
                continue;
            }
            let empty = Graph::default();
            let graph = if options.destroy { &empty } else { &session.graph };
            assert_careful(&plan, graph, &operation);
            held_back.extend(plan.unread.iter().map(|unread| unread.kind.clone()));
        }
    }
    world.sandbox.set_faults(Faults::none());
    let session = world.open(&wanted).await.unwrap();
    let aws = session.graph.nodes.iter().map(|node| node.desired.kind().name());
    let all: BTreeSet<&str> = aws.filter(|name| name.starts_with("aws.")).collect();
    assert!(all.len() >= 12, "{all:?}");
    for kind in all {
        assert!(held_back.contains(kind), "{kind} was never unreadable");
    }
    assert_eq!(world.plan(&wanted, &Options::default()).await, whole);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_is_not_taken_for_an_empty_one() {
    let world = World::new();
    world.apply(&spec(small(), &[])).await;
    let more = "kubernetes.objects.more.config_map={namespace: default, name: more, data: {a: b}}";
    let wanted = spec(small(), &["kubernetes.objects.settings=null", more]);
    let whole = world.plan(&wanted, &Options::default()).await;
    assert_eq!((whole.tally().create, whole.tally().delete), (1, 1));
    let error = |status, code: &str| Effect::Error {
        status,
        code: code.to_owned(),
        message: "no".to_owned(),
    };
    let refusals =
        [error(401, "Unauthorized"), error(403, "Forbidden"), error(500, "InternalError")];
    for effect in refusals {
        let shown = format!("{effect:?}");
        let fault = Fault::on(Matching::Any, effect).times(u32::MAX);
        world.cluster.set_faults(Faults::script([fault]));
        for options in [Options::default(), destroy()] {
            let plan = world.plan(&wanted, &options).await;
            let unread: Vec<&str> = plan.unread.iter().map(|unread| unread.kind.as_str()).collect();
            assert!(unread.contains(&"kube.object"), "{shown}: {unread:?}");
            let is_within = |kind: &&str| kind.starts_with("kube.") || kind.starts_with("coderd.");
            assert!(unread.iter().all(is_within), "{shown}: {unread:?}");
            assert!(!plan.steps.iter().any(|step| step.name.kind == "kube.object"), "{shown}");
        }
    }
    world.cluster.set_faults(Faults::none());
    assert_eq!(world.plan(&wanted, &Options::default()).await, whole);
}
