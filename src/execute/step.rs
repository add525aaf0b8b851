//! One step: look again, act, wait, compare, record.

use super::run::look_again_after;
use super::{Execution, Intent, SETTLED_AFTER};
use crate::event::{Event, StepName, Verb, What};
use crate::graph::{AnyFound, AnyKind, Graph, GraphNode};
use crate::kind::{
    Change, Class, Compared, CreateIs, Cx, Effect, Error, Ownership, Resolve, Result, Status,
    StepCx, Whose,
};
use crate::name::{Address, PhysicalId};
use crate::observe::observe_kind;
use crate::plan::{Action, AppliedResource, Item, Step, kind_named};
use crate::value::{Facts, NodeId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

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
struct Now(Vec<Option<Arc<Facts>>>);

impl Now {
    fn of(e: &Execution<'_>) -> Self {
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

    fn item(&self) -> Option<&'a Item> {
        self.e.plan.items.iter().find(|item| {
            item.address == self.step.name.address
                && item.kind == self.step.name.kind
                && item.action != Action::Delete
        })
    }

    fn node(&self) -> Result<(NodeId, &'a GraphNode)> {
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

async fn create(work: &Work<'_>, exists: &(dyn Fn(String) + Send + Sync)) -> Result<Done> {
    let Work { e, step, kind, cx } = work;
    let (node, wanted) = work.node()?;
    let address = &step.name.address;
    let unnamed = kind.nature().create_is == CreateIs::Unnamed;
    let mut found = None;
    if unnamed && let Some(intent) = unresolved(work) {
        // An earlier run began this and died, or its answer was lost.
        cx.progress("looking for what an earlier run may have made");
        found = look_for(work, intent.at, SETTLED_AFTER).await?;
    }
    let (found, already) = match found {
        Some(found) => (found, true),
        None => make(work, wanted, unnamed).await?,
    };
    if unnamed {
        e.journal.made(address, kind.name(), &found.id);
    }
    e.cx.outputs.set(node, found.live());
    exists(found.id.to_string());
    let found = kind.settle(cx, found).await?;
    failed(&found)?;
    e.cx.outputs.set(node, found.live());
    let found = conform(work, node, wanted, found, None).await?;
    Ok(Done { id: Some(found.id.to_string()), already })
}

/// The intent of a create whose result the plan does not know.
fn unresolved(work: &Work<'_>) -> Option<Intent> {
    let Work { e, step, kind, .. } = work;
    let intent = e.journal.intent(&step.name.address, kind.name())?;
    let known = e.snapshot.live.iter().any(|live| {
        live.found.kind == kind.name()
            && live.found.owner.address == step.name.address
            && live.found.owner.generation == intent.generation
    });
    (!known).then_some(intent)
}

/// How long a taken name is looked for among what is ours: reads may lag behind what an earlier
/// run made.
const NAME_SHOWS_WITHIN: Duration = Duration::from_secs(60);

/// Sends the create, and looks for the result where its answer is lost. Also answers whether it
/// was there before.
async fn make(work: &Work<'_>, wanted: &GraphNode, unnamed: bool) -> Result<(AnyFound, bool)> {
    let Work { e, step, kind, cx } = work;
    let address = &step.name.address;
    const TRIES: usize = 3;
    let mut last = None;
    for _ in 0..TRIES {
        let at = cx.clock.unix();
        if unnamed {
            let token = cx.step()?.token.clone();
            let intent = Intent {
                address: address.clone(),
                kind: kind.name().to_owned(),
                region: step.region.clone(),
                generation: step.generation,
                token,
                at,
                id: None,
            };
            e.journal.intend(intent).await?;
        }
        match wanted.desired.create(cx).await {
            Ok(found) => return Ok((found, false)),
            Err(error) if error.class == Class::Ambiguous => {
                cx.progress("no answer came; looking for what was made");
                // A name can be asked for again: one that is taken answers so.
                let patience = if unnamed { SETTLED_AFTER } else { Duration::ZERO };
                if let Some(found) = look_for(work, at, patience).await? {
                    return Ok((found, false));
                }
                last = Some(error);
            }
            Err(error) if error.class == Class::Exists && !unnamed => {
                cx.progress("its name is taken; looking whether it is ours");
                return match look_for(work, at, NAME_SHOWS_WITHIN).await? {
                    Some(found) => Ok((found, true)),
                    None => Err(error),
                };
            }
            Err(error) => {
                // Only a clear no says that nothing was made.
                let refused = matches!(
                    error.class,
                    Class::Refused
                        | Class::NotFound
                        | Class::Exists
                        | Class::InUse
                        | Class::Denied
                        | Class::Quota
                        | Class::Local
                );
                if unnamed && refused {
                    e.journal.close(address, kind.name());
                }
                return Err(error);
            }
        }
    }
    Err(last.unwrap_or_else(|| Error::local("the create was never sent")))
}

/// Looks for what a create at `since` (seconds since 1970) may have made, by its tags, until it
/// shows or `patience` has passed since then. What the plan knew of is not it.
async fn look_for(work: &Work<'_>, since: u64, patience: Duration) -> Result<Option<AnyFound>> {
    let Work { e, step, kind, cx } = work;
    let mut round = 0;
    loop {
        let looked = cx.clock.unix();
        let seen = observe_kind(e.cx, *kind, e.graph, &step.region, e.snapshot).await;
        if let Some(unreadable) = seen.unreadable.into_iter().next() {
            return Err(unreadable.error);
        }
        let hit = seen.live.into_iter().map(|live| live.found).find(|found| {
            found.owner.address == step.name.address
                && found.is_present()
                && !e
                    .snapshot
                    .live
                    .iter()
                    .any(|known| known.found.kind == found.kind && known.found.id == found.id)
        });
        if hit.is_some() {
            return Ok(hit);
        }
        if looked.saturating_sub(since) >= patience.as_secs() {
            return Ok(None);
        }
        cx.pause(look_again_after(round)).await?;
        round += 1;
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

/// Updates until the live resource is as wanted, as far as the plan allows, and records it.
/// `planned` limits the fields; `None` allows all, for what this run has made.
async fn conform(
    work: &Work<'_>,
    node: NodeId,
    wanted: &GraphNode,
    mut found: AnyFound,
    planned: Option<&[Change]>,
) -> Result<AnyFound> {
    /// Reads may lag behind writes; after this long they are taken at their word. Seconds.
    const CAUGHT_UP: u64 = 120;
    let Work { e, kind, cx, .. } = work;
    let begin = cx.clock.unix();
    let mut sent: Vec<Change> = Vec::new();
    let mut round = 0;
    loop {
        let compared = compare(work, wanted, &found)?;
        let mut due = compared.changes;
        if let Some(planned) = planned {
            due.retain(|change| planned.iter().any(|known| known.field == change.field));
            // What the plan removes is not among what the kind compares: it is live and not
            // wanted in a collection that others may add to. So are tags.
            if sent.is_empty() {
                let more: Vec<Change> =
                    planned.iter().filter(|change| only_planned(change, &due)).cloned().collect();
                due.extend(more);
            }
        }
        if due.is_empty() {
            record(work, node, &found);
            return Ok(found);
        }
        if let Some(fixed) = due.iter().find(|change| change.effect == Effect::Replace) {
            return Err(Error::local(format!(
                "{} was asked for as {} and is {}",
                fixed.field,
                fixed.to.as_ref().map_or("(unknown)".to_owned(), crate::kind::show),
                crate::kind::show(&fixed.from)
            ))
            .hint("plan again: it will be replaced, or the spec must say what AWS makes of it"));
        }
        let fresh = due.iter().any(|change| {
            !sent.iter().any(|known| known.field == change.field && known.to == change.to)
        });
        if fresh {
            wanted.desired.update(cx, &found, &due).await?;
            sent = due;
        } else if cx.clock.unix() - begin > CAUGHT_UP {
            let fields: Vec<&str> = due.iter().map(|change| change.field.as_str()).collect();
            return Err(Error::of(
                Class::TimedOut,
                format!("{} did not take: two minutes later it reads as before", fields.join(", ")),
            ));
        } else {
            cx.progress("waiting until the change can be read back");
            cx.pause(look_again_after(round)).await?;
            round += 1;
        }
        found = match kind.read(cx, &found).await? {
            Some(read) => read,
            // Right after it was made or changed, absent means that the reader lags behind.
            None if cx.clock.unix() - begin <= CAUGHT_UP => found,
            None => return Err(moved(format!("{} is gone", found.id))),
        };
        e.cx.outputs.set(node, found.live());
    }
}

/// Whether a planned change is one that comparing does not show.
fn only_planned(planned: &Change, due: &[Change]) -> bool {
    !due.iter().any(|change| change.field == planned.field)
        && (planned.field.starts_with("tags.") || planned.to == Some(Value::Null))
}

/// What of a live resource is not as wanted, given the outputs known so far.
///
/// # Errors
/// When the resource is of another kind.
pub fn differences(
    cx: &Cx,
    graph: &Graph,
    wanted: &GraphNode,
    found: &AnyFound,
) -> Result<Vec<Change>> {
    let now = Now(graph.iter().map(|(node, _)| cx.outputs.get(node)).collect());
    Ok(wanted.desired.compare(found, &now)?.changes)
}

fn compare(work: &Work<'_>, wanted: &GraphNode, found: &AnyFound) -> Result<Compared> {
    wanted.desired.compare(found, &Now::of(work.e))
}

/// The fields of a resource as the spec wants them now. A field that was left to somebody else
/// is recorded as wanted too: that is what makes it drift the next time.
pub(super) fn wanted_fields(
    e: &Execution<'_>,
    node: NodeId,
    found: &AnyFound,
) -> Option<BTreeMap<String, Value>> {
    let wanted = e.graph.node(node);
    let compared = wanted.desired.compare(found, &Now::of(e)).ok()?;
    let mut fields = compared.wanted;
    if wanted.desired.kind().nature().taggable
        && let Some(tags) =
            crate::kind::identity_tags(&e.cx.deployment, &wanted.address, found.owner.generation)
    {
        fields.extend(tags.into_iter().map(|(key, value)| (format!("tags.{key}"), value.into())));
    }
    Some(fields)
}

fn record(work: &Work<'_>, node: NodeId, found: &AnyFound) {
    if let Some(fields) = wanted_fields(work.e, node, found) {
        let resource = AppliedResource {
            kind: work.kind.name().to_owned(),
            at: work.cx.clock.timestamp(),
            fields,
        };
        work.e.journal.applied(&work.step.name.address, resource);
    }
}

fn failed(found: &AnyFound) -> Result<()> {
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
