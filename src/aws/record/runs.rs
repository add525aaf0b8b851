//! The events of every run, one object a run.

use super::damaged;
use super::store::{Condition, Put, Store};
use crate::clock::Clock;
use crate::event::{Event, Sink};
use crate::kind::{Cx, Error, Result};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// A run's id: when it began and something of its own, so that ids sort by time.
/// `20261121T014500Z-4fa09c`.
pub fn run_id(clock: &Clock) -> String {
    let stamp: String =
        clock.timestamp().chars().filter(|letter| !matches!(letter, '-' | ':')).collect();
    let own = uuid::Uuid::new_v4().simple().to_string();
    format!("{stamp}-{}", &own[..6])
}

/// What a run was: the first line of its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunHead {
    /// Its id.
    pub run: String,
    /// `apply`, `destroy`.
    pub command: String,
    /// The caller's ARN.
    pub who: String,
    /// The version of the program.
    pub version: String,
    /// When it began, RFC 3339.
    pub began: String,
}

/// A run that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// Its id.
    pub run: String,
    /// The size of its log in bytes.
    pub bytes: u64,
}

/// Collects the events of a run.
#[derive(Clone, Debug)]
pub struct RunLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    head: RunHead,
    events: Mutex<Vec<Event>>,
}

fn name(run: &str) -> String {
    format!("runs/{run}.jsonl")
}

impl RunLog {
    /// A log in `bucket` for the run of `head`.
    pub fn new(cx: &Cx, bucket: &str, head: RunHead) -> RunLog {
        let store = Store::new(cx, bucket).unstoppable();
        RunLog(Arc::new(Inner { store, head, events: Mutex::default() }))
    }

    /// Where the engine's events go; each is handed on to `next`.
    pub fn sink(&self, next: Sink) -> Sink {
        let log = self.0.clone();
        Arc::new(move |event| {
            log.events.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
            next(event);
        })
    }

    /// Writes what was collected so far, cleaned of secrets.
    ///
    /// # Errors
    /// Whatever S3 says.
    pub async fn write(&self) -> Result<()> {
        let bad = |error| Error::local(format!("an event can not be written: {error}"));
        let Inner { store, head, events } = &*self.0;
        let mut text = serde_json::to_string(head).map_err(bad)?;
        for event in events.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            text.push('\n');
            text.push_str(&serde_json::to_string(event).map_err(bad)?);
        }
        text.push('\n');
        let text = store.cx().masks.clean(&text);
        match store.put(&name(&head.run), text.as_bytes(), Condition::None).await? {
            Put::Done(_) | Put::Refused(_) => Ok(()),
        }
    }
}

/// The recorded runs, the newest first.
///
/// # Errors
/// Whatever S3 says.
pub async fn list_runs(cx: &Cx, bucket: &str) -> Result<Vec<RunEntry>> {
    let mut runs: Vec<RunEntry> = Store::new(cx, bucket)
        .list("runs")
        .await?
        .into_iter()
        .filter_map(|(name, bytes)| {
            Some(RunEntry { run: name.strip_suffix(".jsonl")?.to_owned(), bytes })
        })
        .collect();
    runs.sort_by(|one, other| other.run.cmp(&one.run));
    Ok(runs)
}

/// The log of one run; `None` when there is no such run.
///
/// # Errors
/// When S3 refuses, or the log is damaged.
pub async fn read_run(cx: &Cx, bucket: &str, run: &str) -> Result<Option<(RunHead, Vec<Event>)>> {
    let store = Store::new(cx, bucket);
    let name = name(run);
    let Some(stored) = store.get(&name).await? else { return Ok(None) };
    let bad = |why: String| damaged(&store, &name, why, "other runs can still be read");
    let text = std::str::from_utf8(&stored.body).map_err(|error| bad(error.to_string()))?;
    let mut lines = text.lines();
    let head = serde_json::from_str(lines.next().unwrap_or_default())
        .map_err(|error| bad(format!("line 1: {error}")))?;
    let events: Result<Vec<Event>> = lines
        .enumerate()
        .map(|(at, line)| {
            serde_json::from_str(line).map_err(|error| bad(format!("line {}: {error}", at + 2)))
        })
        .collect();
    Ok(Some((head, events?)))
}
