//! Deleting: one, or several of a kind with one call.

use super::step::{Done, Known, Work, still_ours};
use super::{Execution, Intent};
use crate::event::Verb;
use crate::graph::AnyFound;
use crate::kind::{Error, Result, Whose};

/// Deletes one. What is gone already is done.
pub(super) async fn one(work: &Work<'_>, before: &AnyFound) -> Result<Done> {
    let id = Some(before.id.to_string());
    match look(work, before).await? {
        None => {
            close(work);
            Ok(Done { id, already: true })
        }
        Some(found) => {
            work.kind.delete(&work.cx, &found).await?;
            close(work);
            Ok(Done { id, already: false })
        }
    }
}

/// Deletes several of one kind in one region. One result a step, in order.
pub(super) async fn batch<'a>(
    e: &'a Execution<'a>,
    known: &Known<'a>,
    steps: &[usize],
) -> Vec<Result<Done>> {
    let mut results: Vec<Option<Result<Done>>> = steps.iter().map(|_| None).collect();
    let mut there = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        match prepare(e, known, *step).await {
            Ok((work, Some(found))) => there.push((place, work, found)),
            Ok((work, None)) => {
                close(&work);
                let id = work.step.id.as_ref().map(ToString::to_string);
                results[place] = Some(Ok(Done { id, already: true }));
            }
            Err(error) => results[place] = Some(Err(error)),
        }
    }
    if let Some((_, first, _)) = there.first() {
        let found: Vec<AnyFound> = there.iter().map(|(_, _, found)| found.clone()).collect();
        let deleted = first.kind.delete_many(&first.cx, &found).await;
        for ((place, work, found), result) in there.iter().zip(deleted) {
            results[*place] = Some(result.map(|()| {
                close(work);
                Done { id: Some(found.id.to_string()), already: false }
            }));
        }
    }
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(|| Err(Error::local("no answer for this one"))))
        .collect()
}

async fn prepare<'a>(
    e: &'a Execution<'a>,
    known: &Known<'a>,
    step: usize,
) -> Result<(Work<'a>, Option<AnyFound>)> {
    let work = Work::new(e, step)?;
    let before = known.get(work.kind, work.step)?;
    let found = look(&work, before).await?;
    Ok((work, found))
}

/// The resource as it is now, if it is still there and still ours.
async fn look(work: &Work<'_>, before: &AnyFound) -> Result<Option<AnyFound>> {
    let Some(found) = work.kind.read(&work.cx, before).await? else { return Ok(None) };
    if work.kind.nature().taggable {
        match Whose::of(&found.tags, &work.cx.deployment) {
            Whose::Ours(owner) => still_ours(&work.cx, &owner, &work.step.name.address)?,
            Whose::Damaged(why) | Whose::Foreign(why) => {
                return Err(super::step::moved(format!(
                    "{} is not ours any more: {why}",
                    found.id
                )));
            }
        }
    }
    Ok(Some(found))
}

fn close(work: &Work<'_>) {
    debug_assert_eq!(work.step.name.verb, Verb::Delete);
    let address = &work.step.name.address;
    // What made the one that is gone is over; an intent for its successor is not.
    let made_it = |intent: &Intent| intent.generation == work.step.generation;
    if work.e.journal.intent(address, work.kind.name()).as_ref().is_some_and(made_it) {
        work.e.journal.close(address, work.kind.name());
    }
    if !work.step.of_replaced {
        work.e.journal.gone(address);
    }
}
