//! Waiting until a resource is ready, or gone.
//!
//! The SDK's own waiters poll NAT gateways every 15 seconds and know no progress line, so these
//! take a kind's own [`Kind::read`] and say AWS's own word while they wait.

use crate::kind::{Class, Cx, Error, Found, Kind, Result, Status, seconds};
use std::future::Future;

/// How often to look, and for how long, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// The pause between two looks.
    pub(crate) every: u32,
    /// When to give up.
    pub(crate) at_most: u32,
}

/// How long a fresh id may be unknown to the machine that answers.
const FRESH: u32 = 120;

/// Waits until `found` is ready. A fresh id may be unknown to the machine that answers, so absent
/// counts as not there yet for two minutes.
///
/// # Errors
/// [`Class::Failed`] when it fails or is deleted meanwhile, [`Class::TimedOut`].
pub(crate) async fn until_ready<K: Kind>(
    cx: &Cx,
    found: Found<K>,
    patience: Patience,
) -> Result<Found<K>> {
    let started = cx.clock.now();
    loop {
        let now = K::read(cx, &found).await?;
        let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
        let named = format!("{} {}", K::TITLE, found.id);
        let (status, limit) = match now {
            Some(now) => match now.status.clone() {
                Status::Ready => return Ok(now),
                Status::Busy(status) => (status, patience.at_most),
                Status::Failed(why) => {
                    return Err(Error::of(Class::Failed, format!("{named} failed: {why}")));
                }
                Status::Leaving => {
                    let message = format!("{named} is being deleted by somebody else");
                    return Err(Error::of(Class::Failed, message));
                }
            },
            None => ("not visible yet".to_owned(), FRESH.min(patience.at_most)),
        };
        if elapsed >= seconds(limit) {
            let status = status.trim_end_matches('.');
            let message = format!("{named} is still {status} after {} seconds", elapsed.as_secs());
            return Err(Error::of(Class::TimedOut, message));
        }
        cx.progress(&status);
        cx.pause(seconds(patience.every)).await?;
    }
}

/// Waits until `found` is gone.
///
/// # Errors
/// [`Class::TimedOut`].
pub(crate) async fn until_gone<K: Kind>(
    cx: &Cx,
    found: &Found<K>,
    patience: Patience,
) -> Result<()> {
    let started = cx.clock.now();
    while K::read(cx, found).await?.is_some() {
        let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
        if elapsed >= seconds(patience.at_most) {
            let (title, id) = (K::TITLE, &found.id);
            let message =
                format!("{title} {id} is still there after {} seconds", elapsed.as_secs());
            return Err(Error::of(Class::TimedOut, message));
        }
        cx.progress("deleting");
        cx.pause(seconds(patience.every)).await?;
    }
    Ok(())
}

/// Looks for what AWS says is there already: a refusal may know of it before a read does.
///
/// # Errors
/// Those of `look`.
pub(crate) async fn until_seen<T, F, Sent>(cx: &Cx, look: F) -> Result<Option<T>>
where
    F: Fn() -> Sent,
    Sent: Future<Output = Result<Option<T>>>,
{
    let started = cx.clock.now();
    loop {
        let found = look().await?;
        let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
        if found.is_some() || elapsed >= seconds(FRESH) {
            return Ok(found);
        }
        cx.progress("not visible yet");
        cx.pause(seconds(2)).await?;
    }
}
