//! A deployment of toys: observe, plan, apply, crash, and look at what happened.

use super::kinds::KINDS;
use super::world::World;
use coderctl::event::{Event, Sink, StepName, Verb, What};
use coderctl::execute::{Execution, Intent, Journal, Outcome, execute};
use coderctl::graph::{BoxFuture, Graph};
use coderctl::kind::{Connectors, Cx, Deployment, Result, Tags};
use coderctl::name::{AccountId, Address, DeploymentName, Partition, PhysicalId, Region, Uid};
use coderctl::observe::{Snapshot, observe};
use coderctl::plan::{Action, Applied, AppliedResource, Input, Item, Options, Plan, plan};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

pub(crate) fn region() -> Region {
    Region::new("us-east-1")
}

/// The address of `rest` in the one region.
pub(crate) fn at(rest: &str) -> Address {
    Address::in_region(&region(), rest)
}

#[derive(Clone, Debug, Default)]
struct Pages {
    intents: BTreeMap<(Address, String), Intent>,
    applied: Applied,
}

/// A journal that survives a crash as far as it was written.
#[derive(Default)]
pub(crate) struct Ledger {
    /// As noted, and as written.
    pages: Mutex<(Pages, Pages)>,
    /// Everything that was intended, in order.
    pub(crate) intended: Mutex<Vec<Intent>>,
}

impl Ledger {
    pub(crate) fn read_applied(&self) -> Applied {
        self.pages.lock().unwrap().0.applied.clone()
    }
    /// Loses the record of what was applied.
    pub(crate) fn lose_applied(&self) {
        let mut pages = self.pages.lock().unwrap();
        pages.0.applied = Applied::default();
        pages.1.applied = Applied::default();
    }
    fn write(&self) {
        let mut pages = self.pages.lock().unwrap();
        pages.1 = pages.0.clone();
    }
    fn crash(&self) {
        let mut pages = self.pages.lock().unwrap();
        pages.0 = pages.1.clone();
    }
}

impl Journal for Ledger {
    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.intended.lock().unwrap().push(intent.clone());
            let key = (intent.address.clone(), intent.kind.clone());
            self.pages.lock().unwrap().0.intents.insert(key, intent);
            self.write();
            Ok(())
        })
    }
    fn intent(&self, address: &Address, kind: &str) -> Option<Intent> {
        let pages = self.pages.lock().unwrap();
        pages.0.intents.get(&(address.clone(), kind.to_owned())).cloned()
    }
    fn made(&self, address: &Address, kind: &str, id: &PhysicalId) {
        let mut pages = self.pages.lock().unwrap();
        if let Some(intent) = pages.0.intents.get_mut(&(address.clone(), kind.to_owned())) {
            intent.id = Some(id.clone());
        }
    }
    fn close(&self, address: &Address, kind: &str) {
        self.pages.lock().unwrap().0.intents.remove(&(address.clone(), kind.to_owned()));
    }
    fn applied(&self, address: &Address, resource: AppliedResource) {
        self.pages.lock().unwrap().0.applied.0.insert(address.clone(), resource);
    }
    fn changing(&self, address: &Address, fields: &[&str]) {
        let mut pages = self.pages.lock().unwrap();
        if let Some(known) = pages.0.applied.0.get_mut(address) {
            known.fields.retain(|field, _| !fields.contains(&field.as_str()));
        }
    }
    fn gone(&self, address: &Address) {
        self.pages.lock().unwrap().0.applied.0.remove(address);
    }
    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            self.write();
            Ok(())
        })
    }
}

/// One apply.
pub(crate) struct Run {
    pub(crate) plan: Plan,
    /// None when it died.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) events: Vec<Event>,
}

impl Run {
    /// What was begun and ended, in order: `+create net/a`, `-create net/a`, `!` failed, `~` skipped.
    pub(crate) fn story(&self) -> Vec<String> {
        let word = |mark: &str, step: &StepName| {
            let verb = match step.verb {
                Verb::Create => "create",
                Verb::Update => "update",
                Verb::Settle => "settle",
                Verb::Delete => "delete",
            };
            Some(format!("{mark}{verb} {}", short(&step.address)))
        };
        self.events
            .iter()
            .filter_map(|event| match &event.what {
                What::StepStarted { step, .. } => word("+", step),
                What::StepExists { step, .. } => word("*", step),
                What::StepFinished { step, .. } => word("-", step),
                What::StepFailed { step, .. } => word("!", step),
                What::StepSkipped { step, .. } => word("~", step),
                What::Interrupted => Some("interrupted".to_owned()),
                What::LockLost { .. } => Some("lock lost".to_owned()),
                _ => None,
            })
            .collect()
    }

    /// The place of a line in the story.
    pub(crate) fn when(&self, line: &str) -> usize {
        let story = self.story();
        let place = story.iter().position(|told| told == line);
        assert!(place.is_some(), "no {line:?} in {story:#?}");
        place.unwrap()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.outcome.as_ref().is_some_and(Outcome::is_complete)
    }
}

/// An address without its region.
pub(crate) fn short(address: &Address) -> String {
    format!("{}/{}", address.section(), address.rest())
}

/// The steps of a plan as `delete net/part`.
pub(crate) fn steps(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| {
            let verb = format!("{:?}", step.name.verb).to_lowercase();
            format!("{verb} {}", short(&step.name.address))
        })
        .collect()
}

/// The items of a plan as `(net/part, Delete)`.
pub(crate) fn actions(plan: &Plan) -> Vec<(String, Action)> {
    plan.items.iter().map(|item| (short(&item.address), item.action)).collect()
}

/// The item at an address.
pub(crate) fn item<'a>(plan: &'a Plan, rest: &str) -> &'a Item {
    let item = plan.items.iter().find(|item| item.address == at(rest));
    assert!(item.is_some(), "nothing at {rest} in {:#?}", actions(plan));
    item.unwrap()
}

/// Why a plan must not be applied, and what to do, as one text.
pub(crate) fn refusals(plan: &Plan) -> String {
    plan.refusals.iter().map(|refusal| format!("{}; {}\n", refusal.why, refusal.hint)).collect()
}

/// A deployment and its world.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) deployment: Deployment,
    pub(crate) width: usize,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Bench {
            world: World::new(),
            ledger: Arc::default(),
            deployment: Deployment {
                name: DeploymentName::new("toys"),
                uid: Some(Uid::new("uid-1")),
                account: AccountId::new("123456789012"),
                home_region: region(),
                partition: Partition::Aws,
                tags: Tags::from([("owner".to_owned(), "ann".to_owned())]),
            },
            width: 16,
        }
    }

    pub(crate) fn cx(&self) -> Cx {
        let connectors = Connectors::default().with(self.world.clone());
        Cx::new(self.deployment.clone(), self.world.clock(), connectors)
    }

    pub(crate) async fn observe(&self, graph: &Graph) -> Snapshot {
        observe(&self.cx(), KINDS, graph, &BTreeSet::from([region()])).await
    }

    pub(crate) fn plan_of(&self, graph: &Graph, snapshot: &Snapshot, options: &Options) -> Plan {
        plan(&Input {
            deployment: &self.deployment,
            graph,
            snapshot,
            applied: &self.ledger.read_applied(),
            kinds: KINDS,
            options,
        })
    }

    pub(crate) async fn plan_with(&self, graph: &Graph, options: &Options) -> Plan {
        self.plan_of(graph, &self.observe(graph).await, options)
    }

    pub(crate) async fn plan(&self, graph: &Graph) -> Plan {
        self.plan_with(graph, &Options::default()).await
    }

    /// Plans and applies; dies where the world says so.
    pub(crate) async fn apply_with(&self, graph: &Graph, options: &Options, cx: Cx) -> Run {
        let snapshot = self.observe(graph).await;
        let plan = self.plan_of(graph, &snapshot, options);
        self.run(graph, &snapshot, plan, cx).await
    }

    pub(crate) async fn run(&self, graph: &Graph, snapshot: &Snapshot, plan: Plan, cx: Cx) -> Run {
        let events: Arc<Mutex<Vec<Event>>> = Arc::default();
        let into = events.clone();
        let sink: Sink = Arc::new(move |event| into.lock().unwrap().push(event));
        let outcome = {
            let execution = Execution {
                plan: &plan,
                graph,
                kinds: KINDS,
                snapshot,
                cx: &cx,
                journal: self.ledger.as_ref(),
                sink: &sink,
                run: "r1",
                width: self.width,
            };
            tokio::select! {
                biased;
                () = self.world.died() => None,
                outcome = execute(&execution) => Some(outcome),
            }
        };
        if outcome.is_none() {
            self.ledger.crash();
            self.world.revive();
        }
        let events = events.lock().unwrap().clone();
        Run { plan, outcome, events }
    }

    pub(crate) async fn apply(&self, graph: &Graph) -> Run {
        self.apply_with(graph, &Options::default(), self.cx()).await
    }

    /// Applies, with consent for everything, and insists.
    pub(crate) async fn settle_on(&self, graph: &Graph) -> Run {
        let run = self.apply_with(graph, &everything(graph), self.cx()).await;
        assert!(run.plan.refusals.is_empty(), "{:#?}", run.plan.refusals);
        assert!(run.is_complete(), "{:#?}", run.outcome);
        run
    }

    pub(crate) async fn destroy(&self) -> Run {
        let options = Options { destroy: true, ..Options::default() };
        self.apply_with(&Graph::default(), &options, self.cx()).await
    }

    /// What destroy would do.
    pub(crate) async fn destroy_plan(&self) -> Plan {
        let options = Options { destroy: true, ..Options::default() };
        self.plan_with(&Graph::default(), &options).await
    }

    /// The id of what is live at an address; the newest of several.
    pub(crate) fn id_at(&self, rest: &str) -> PhysicalId {
        let state = self.world.state();
        let found = state.objects.values().rfind(|object| {
            object.tags.get(coderctl::kind::TAG_ADDRESS).map(String::as_str)
                == Some(at(rest).as_str())
        });
        found.unwrap().id.clone()
    }
}

/// Consent for every address of a graph.
pub(crate) fn everything(graph: &Graph) -> Options {
    Options {
        allow_delete: graph.nodes.iter().map(|node| node.address.to_string()).collect(),
        ..Options::default()
    }
}

/// No two steps with one key overlap.
pub(crate) fn one_at_a_time(run: &Run) {
    let key = |name: &StepName| {
        run.plan.steps.iter().find(|step| step.name == *name).and_then(|s| s.exclusive.clone())
    };
    let mut held: Vec<String> = Vec::new();
    for event in &run.events {
        match &event.what {
            What::StepStarted { step, .. } => {
                if let Some(key) = key(step) {
                    assert!(!held.contains(&key), "{key} is taken");
                    held.push(key);
                }
            }
            What::StepFinished { step, .. } | What::StepFailed { step, .. } => {
                if let Some(key) = key(step) {
                    held.retain(|other| *other != key);
                }
            }
            _ => {}
        }
    }
}
