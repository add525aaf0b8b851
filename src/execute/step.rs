//! One step: look again, act, wait, compare, record.

use super::Execution;
use super::conform::{compare, conform};
use super::create::create;
use crate::event::{Event, StepName, Verb, What};
use crate::graph::{AnyFound, AnyKind, GraphNode};
use crate::kind::{Class, Cx, Error, Ownership, Resolve, Result, Status, StepCx, Whose};
use crate::name::{Address, PhysicalId};
use crate::plan::{Action, Item, Step, kind_named};
use crate::value::{Facts, NodeId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A step that is done.
pub(super) struct Done {
    /// What it made or acted on.
    pub(super) id: Option<String>,
    /// Whether there was nothing left to do.
    pub(super) already: bool,
}

/// What is known of live resources, by id.
pub(super) struct Known<'a> {
    by_id: BTreeMap<(&'a str, &'a PhysicalId), &'a AnyFound>,
}

impl<'a> Known<'a> {
    /// Also gives every node that stays its outputs.
    pub(super) fn new(e: &'a Execution<'a>) -> Self {
        let by_id: BTreeMap<_, _> = e
            .snapshot
            .live
            .iter()
            .map(|live| ((live.found.kind, &live.found.id), &live.found))
            .collect();
        for (node, wanted) in e.graph.iter() {
            let kind = wanted.desired.kind().name();
            let item = e.plan.items.iter().find(|item| {
                item.address == wanted.address && item.kind == kind && item.action != Action::Delete
            });
            let stays = match item {
                Some(item)
                    if matches!(item.action, Action::Keep | Action::Wait | Action::Update) =>
                {
                    item.id.as_ref().and_then(|id| by_id.get(&(kind, id)).copied())
                }
                Some(_) => None,
                // Left out by a target: it is what it is.
                None => e.snapshot.at(kind, &wanted.address).last().map(|live| &live.found),
            };
            if let Some(found) = stays {
                e.cx.outputs.set(node, found.live());
            }
        }
        Known { by_id }
    }

    pub(super) fn get(&self, kind: &dyn AnyKind, step: &Step) -> Result<&'a AnyFound> {
        step.id
            .as_ref()
            .and_then(|id| self.by_id.get(&(kind.name(), id)).copied())
            .ok_or_else(|| Error::local("the plan names a resource that was not read"))
    }
}

/// Outputs as they are now.
pub(super) struct Now(pub(super) Vec<Option<Arc<Facts>>>);

impl Now {
    pub(super) fn of(e: &Execution<'_>) -> Self {
        Now(e.graph.iter().map(|(node, _)| e.cx.outputs.get(node)).collect())
    }
}

impl Resolve for Now {
    fn facts(&self, node: NodeId) -> Option<&Facts> {
        self.0.get(node.index())?.as_deref()
    }
    fn is_missing(&self, _: NodeId) -> bool {
        false
    }
}

/// One step and all it needs.
pub(super) struct Work<'a> {
    pub(super) e: &'a Execution<'a>,
    pub(super) step: &'a Step,
    pub(super) kind: &'a dyn AnyKind,
    pub(super) cx: Cx,
}

impl<'a> Work<'a> {
    pub(super) fn new(e: &'a Execution<'a>, at: usize) -> Result<Self> {
        let step = &e.plan.steps[at];
        let kind = kind_named(e.kinds, &step.name.kind)
            .ok_or_else(|| Error::local(format!("there is no kind {}", step.name.kind)))?;
        let name: StepName = step.name.clone();
        let sink = e.sink.clone();
        let clock = e.cx.clock;
        // Never one of an earlier run: what that may have made is looked for by its tags until
        // reads have surely caught up, and with other parameters AWS would refuse its token.
        let token = uuid::Uuid::new_v4().to_string();
        let cx = e.cx.in_region(&step.region).in_step(StepCx {
            address: name.address.clone(),
            generation: step.generation,
            token,
            progress: Arc::new(move |status| {
                let what = What::StepProgress { step: name.clone(), status: status.to_owned() };
                sink(Event { at: clock.now(), what });
            }),
        });
        Ok(Work { e, step, kind, cx })
    }

    pub(super) fn item(&self) -> Option<&'a Item> {
        self.e.plan.items.iter().find(|item| {
            item.address == self.step.name.address
                && item.kind == self.step.name.kind
                && item.action != Action::Delete
        })
    }

    pub(super) fn node(&self) -> Result<(NodeId, &'a GraphNode)> {
        self.e
            .graph
            .find(&self.step.name.address)
            .map(|node| (node, self.e.graph.node(node)))
            .ok_or_else(|| Error::local("the plan names a resource that the spec does not ask for"))
    }
}

/// Runs one step. `exists` is told as soon as what it makes has an id.
pub(super) async fn run<'a>(
    e: &'a Execution<'a>,
    known: &Known<'a>,
    at: usize,
    exists: &(dyn Fn(String) + Send + Sync),
) -> Result<Done> {
    let work = Work::new(e, at)?;
    match work.step.name.verb {
        Verb::Create => create(&work, exists).await,
        Verb::Update => update(&work, known.get(work.kind, work.step)?).await,
        Verb::Settle => settle(&work, known.get(work.kind, work.step)?).await,
        Verb::Delete => super::deletes::one(&work, known.get(work.kind, work.step)?).await,
    }
}

async fn update(work: &Work<'_>, before: &AnyFound) -> Result<Done> {
    let Work { e, kind, cx, .. } = work;
    let (node, wanted) = work.node()?;
    let Some(found) = kind.read(cx, before).await? else {
        return Err(moved(format!("{} is gone since the plan was made", before.id)));
    };
    if kind.nature().taggable {
        match Whose::of(&found.tags, &cx.deployment) {
            Whose::Ours(owner) => still_ours(cx, &owner, &before.owner.address)?,
            Whose::Damaged(why) | Whose::Foreign(why) => {
                return Err(moved(format!("{} is not ours any more: {why}", found.id)));
            }
        }
    }
    let found = kind.settle(cx, found).await?;
    failed(&found)?;
    let planned = work.item().map(|item| item.changes.as_slice()).unwrap_or_default();
    let left = work.item().map(|item| item.drift.as_slice()).unwrap_or_default();
    let compared = compare(work, wanted, &found)?;
    for change in &compared.changes {
        let refines = planned.iter().any(|known| known.field == change.field);
        let is_left = left.iter().any(|known| known.field == change.field);
        if !refines && !is_left {
            return Err(moved(format!("{} changed since the plan was made", change.field)));
        }
    }
    e.cx.outputs.set(node, found.live());
    let found = conform(work, node, wanted, found, Some(planned)).await?;
    e.cx.outputs.set(node, found.live());
    Ok(Done { id: Some(found.id.to_string()), already: false })
}

async fn settle(work: &Work<'_>, before: &AnyFound) -> Result<Done> {
    let (node, wanted) = work.node()?;
    let found = work.kind.settle(&work.cx, before.clone()).await?;
    failed(&found)?;
    work.e.cx.outputs.set(node, found.live());
    let found = conform(work, node, wanted, found, Some(&[])).await?;
    Ok(Done { id: Some(found.id.to_string()), already: false })
}

pub(super) fn failed(found: &AnyFound) -> Result<()> {
    match &found.status {
        Status::Failed(why) => Err(Error::of(Class::Failed, format!("{} failed: {why}", found.id))
            .hint("run the same command again: what failed is replaced")),
        _ => Ok(()),
    }
}

pub(super) fn moved(why: String) -> Error {
    Error::of(Class::Refused, why).hint("plan again: somebody else is changing this deployment")
}

/// Whether a live resource still says that it is ours and at this address.
pub(super) fn still_ours(cx: &Cx, owner: &Ownership, address: &Address) -> Result<()> {
    let same_uid = cx.deployment.uid.as_ref().is_none_or(|uid| *uid == owner.uid);
    if same_uid && owner.address == *address {
        return Ok(());
    }
    Err(moved("its tags do not say any more that it is ours".to_owned()))
}
