//! The end of a step: what is live is compared with what is wanted, mended, and recorded.

use super::Execution;
use super::run::look_again_after;
use super::step::{Now, Work, moved};
use crate::graph::{AnyFound, Graph, GraphNode};
use crate::kind::{Change, Class, Compared, Cx, Effect, Error, Result};
use crate::plan::AppliedResource;
use crate::value::NodeId;
use serde_json::Value;
use std::collections::BTreeMap;

/// Updates until the live resource is as wanted, as far as the plan allows, and records it.
/// `planned` limits the fields; `None` allows all, for what this run has made.
pub(super) async fn conform(
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
            // What is taken away is known by having been ours, and stays in the record.
            let set = due.iter().filter(|it| it.to.as_ref().is_some_and(|to| !to.is_null()));
            let set: Vec<&str> = set.map(|change| change.field.as_str()).collect();
            e.journal.changing(&work.step.name.address, &set);
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

pub(super) fn compare(work: &Work<'_>, wanted: &GraphNode, found: &AnyFound) -> Result<Compared> {
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
