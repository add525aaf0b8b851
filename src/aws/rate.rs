//! Calls are sent no faster than AWS allows, so that few are refused: token buckets like AWS's
//! own, from the table in [`super::limits`].
//!
//! The table is the ceiling: others in the account draw from the same buckets. A refusal halves
//! the rate of its bucket, which then recovers within two minutes. Whoever comes first is sent
//! first. Waiting here is no attempt: nothing was sent, and nothing is counted.

use super::limits::{self, Counted, Limit};
use crate::kind::{Class, Cx, Error, Result};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// From a rate of nothing to the full one. Seconds.
const RECOVERS_IN: f64 = 120.0;
/// However often AWS refuses, this part of the full rate stays.
const LEAST: f64 = 1.0 / 64.0;
/// Shorter waits are not worth a word.
const WORTH_SAYING: Duration = Duration::from_secs(2);

/// What has a bucket of its own: the limit, then the operation and the region where they count.
type Key = (usize, &'static str, String);

/// The buckets of an account. Clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Limiter(Arc<Mutex<BTreeMap<Key, Arc<Bucket>>>>);

#[derive(Debug)]
struct Bucket {
    limit: &'static Limit,
    /// Held by the one that is next; tokio hands it on in the order of asking.
    turn: tokio::sync::Mutex<()>,
    level: Mutex<Level>,
}

/// How full a bucket is.
#[derive(Debug)]
struct Level {
    /// Calls that may be sent now.
    tokens: f64,
    /// Calls that come back in a second, at present.
    rate: f64,
    /// When that was.
    at: SystemTime,
    /// How often AWS has refused and the rate was halved.
    cuts: u32,
}

/// A call that may be sent.
#[derive(Debug)]
pub(super) struct Admitted {
    bucket: Arc<Bucket>,
    cuts: u32,
}

impl Limiter {
    /// Returns when a call of `operation` may be sent; `None` where nothing limits it.
    ///
    /// # Errors
    /// [`Class::Interrupted`] when the user interrupts the wait.
    pub(super) async fn admit(&self, cx: &Cx, operation: &'static str) -> Result<Option<Admitted>> {
        let Some((row, limit)) = limits::of(operation) else { return Ok(None) };
        let own = match limit.counted {
            Counted::Each => operation,
            Counted::Together => "",
        };
        let region =
            if limits::is_global(operation) { String::new() } else { cx.region.to_string() };
        let bucket = self.bucket((row, own, region), limit, cx.clock.now());
        tokio::select! {
            // A call that need not wait is sent whatever else has happened.
            biased;
            cuts = bucket.turn(cx, operation) => Ok(Some(Admitted { bucket: bucket.clone(), cuts })),
            () = cx.cancel.cancelled() => {
                Err(Error::of(Class::Interrupted, "the wait was abandoned"))
            }
        }
    }

    fn bucket(&self, key: Key, limit: &'static Limit, now: SystemTime) -> Arc<Bucket> {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry(key).or_insert_with(|| Arc::new(Bucket::full(limit, now)));
        bucket.clone()
    }
}

impl Bucket {
    fn full(limit: &'static Limit, now: SystemTime) -> Bucket {
        let level =
            Level { tokens: f64::from(limit.burst), rate: limit.per_second, at: now, cuts: 0 };
        Bucket { limit, turn: tokio::sync::Mutex::default(), level: Mutex::new(level) }
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its turn and for a token, and takes it; answers how often the rate was cut.
    async fn turn(&self, cx: &Cx, operation: &str) -> u32 {
        // Dropping this future gives the turn to the next.
        let _turn = self.turn.lock().await;
        loop {
            let short = match self.level().take(self.limit, cx.clock.now()) {
                Ok(cuts) => return cuts,
                Err(short) => short,
            };
            if short >= WORTH_SAYING {
                cx.progress(&format!("waiting: AWS limits how often {operation} is called"));
            }
            cx.clock.sleep(short).await;
        }
    }
}

impl Level {
    /// Takes a token, or says how long it takes until there is one.
    fn take(&mut self, limit: &Limit, now: SystemTime) -> std::result::Result<u32, Duration> {
        self.refill(limit, now);
        // Fractions add up to a hair less than one.
        if self.tokens >= 1.0 - 1e-6 {
            self.tokens = (self.tokens - 1.0).max(0.0);
            return Ok(self.cuts);
        }
        let short = Duration::from_secs_f64((1.0 - self.tokens) / self.rate);
        Err(short.max(Duration::from_millis(1)))
    }

    fn refill(&mut self, limit: &Limit, now: SystemTime) {
        let passed = now.duration_since(self.at).unwrap_or_default().as_secs_f64();
        let full = limit.per_second;
        self.tokens = (self.tokens + passed * self.rate).min(f64::from(limit.burst));
        self.rate = (self.rate + passed * full / RECOVERS_IN).min(full);
        self.at = self.at.max(now);
    }
}

impl Admitted {
    /// AWS has refused it as one too many. Calls that were sent before the last cut say nothing
    /// new.
    pub(super) fn throttled(&self, now: SystemTime) {
        let limit = self.bucket.limit;
        let mut level = self.bucket.level();
        if level.cuts != self.cuts {
            return;
        }
        level.refill(limit, now);
        level.cuts = level.cuts.wrapping_add(1);
        level.tokens = 0.0;
        level.rate = (level.rate / 2.0).max(limit.per_second * LEAST);
    }
}
