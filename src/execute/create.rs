//! A create: announced where it would make a second one, sent, and looked for where no answer came.

use super::conform::conform;
use super::run::look_again_after;
use super::step::{Done, Work, failed};
use super::{Intent, SETTLED_AFTER};
use crate::graph::{AnyFound, GraphNode};
use crate::kind::{Class, CreateIs, Error, Result};
use crate::observe::observe_kind;
use std::time::Duration;

/// Makes what is missing, or finds what an earlier run has made of it.
pub(super) async fn create(
    work: &Work<'_>,
    exists: &(dyn Fn(String) + Send + Sync),
) -> Result<Done> {
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
    if unnamed || wanted.desired.sought_by_name().is_some() {
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
    let name = wanted.desired.sought_by_name();
    let noted = unnamed || name.is_some();
    const TRIES: usize = 3;
    let mut last = None;
    for _ in 0..TRIES {
        let at = cx.clock.unix();
        if noted {
            let token = cx.step()?.token.clone();
            let intent = Intent {
                address: address.clone(),
                kind: kind.name().to_owned(),
                region: step.region.clone(),
                generation: step.generation,
                token,
                at,
                name: name.clone(),
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
                if noted && refused {
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
