//! Intents and applied fields, kept in S3.
//!
//! Intents that are recorded at the same time share one write: while a write is under way, the
//! next ones gather behind it. Every write expects to find what this run wrote last, so a run
//! that lost the lock without noticing is refused here.

use super::lock::{self, Lock};
use super::store::{Condition, Put, Store, Stored};
use super::{
    APPLIED, INTENTS, RECORD, Record, VERSION, damaged, is_older, json, read_applied, read_record,
};
use crate::execute::{Intent, Journal};
use crate::graph::BoxFuture;
use crate::kind::{Cancel, Class, Cx, Error, Result};
use crate::name::{Address, PhysicalId, Region};
use crate::plan::{Applied, AppliedResource};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// An intent older than this says nothing any more, unless it is open and has a name to look for.
/// Seconds.
const FORGET_AFTER: u64 = 24 * 60 * 60;
/// How often the applied fields are written besides at the end of a run.
const APPLIED_EVERY: Duration = Duration::from_secs(20);
/// How long the last write of an interrupted run may take: the lock must still be released.
const LAST_WRITE: Duration = Duration::from_secs(3);

/// The first line of `intents.jsonl`: which run wrote it.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// The id of the acquisition of the lock.
    holder: String,
    run: String,
}

/// `intents.jsonl`: a head, then an intent a line.
pub(super) struct Intents;

impl Intents {
    /// The open intents, in order.
    pub(super) fn read(store: &Store, stored: Option<&Stored>) -> Result<Vec<Intent>> {
        let Some(stored) = stored else { return Ok(Vec::new()) };
        let bad = |why: String| {
            let hint = "restore an earlier version of the object; or, when no apply has run for \
                        five minutes, delete it";
            damaged(store, INTENTS, why, hint)
        };
        let text = std::str::from_utf8(&stored.body).map_err(|error| bad(error.to_string()))?;
        let mut intents = Vec::new();
        for (at, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            let intent: Intent = serde_json::from_str(line)
                .map_err(|error| bad(format!("line {}: {error}", at + 1)))?;
            intents.push(intent);
        }
        Ok(intents)
    }

    fn head(body: &[u8]) -> Option<Head> {
        serde_json::from_slice(body.split(|byte| *byte == b'\n').next()?).ok()
    }

    fn write(head: &Head, intents: &[Intent]) -> Result<Vec<u8>> {
        let bad = |error| Error::local(format!("an intent can not be written: {error}"));
        let mut body = serde_json::to_vec(head).map_err(bad)?;
        for intent in intents {
            body.push(b'\n');
            body.extend(serde_json::to_vec(intent).map_err(bad)?);
        }
        body.push(b'\n');
        Ok(body)
    }
}

/// Keeps intents and applied fields of a run in S3.
pub struct S3Journal {
    store: Store,
    cancel: Cancel,
    head: Head,
    state: Mutex<State>,
    /// Held by whoever writes.
    turn: tokio::sync::Mutex<Written>,
}

#[derive(Default)]
struct State {
    intents: Vec<Intent>,
    /// Counts changes of `intents`.
    noted: u64,
    applied: Applied,
    /// The addresses whose applied fields have changed and are not written.
    touched: BTreeSet<Address>,
}

struct Written {
    /// The state of the intents that is durable.
    noted: u64,
    etag: Option<String>,
    applied_etag: Option<String>,
    applied_at: SystemTime,
    /// The last failure, and the state it would have made durable.
    failed: Option<(u64, Error)>,
}

impl std::fmt::Debug for S3Journal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("S3Journal").field(&self.head).finish()
    }
}

impl S3Journal {
    /// Opens the journal for a run that holds the lock: takes it over from whoever wrote last, and
    /// records that this program works in `regions` before it makes anything there.
    ///
    /// # Errors
    /// When S3 refuses, an object is damaged, or the lock is lost meanwhile.
    pub async fn open(
        cx: &Cx,
        bucket: &str,
        held: &super::Held,
        regions: &BTreeSet<Region>,
    ) -> Result<S3Journal> {
        let store = Store::new(cx, bucket);
        let holder = held.holder();
        let head = Head { holder: holder.id, run: holder.run };
        let (intents, etag) = claim(&store, &head).await?;
        // Only now: a run that lost the lock can not write behind our claim any more.
        let (applied, ()) = futures::try_join!(store.get(APPLIED), widen(&store, regions))?;
        let written = Written {
            noted: 0,
            etag: Some(etag),
            applied_etag: applied.as_ref().map(|stored| stored.etag.clone()),
            applied_at: cx.clock.now(),
            failed: None,
        };
        let applied = read_applied(&store, applied.as_ref())?;
        let state = State { intents, applied, ..State::default() };
        Ok(S3Journal {
            store: store.unstoppable(),
            cancel: cx.cancel.clone(),
            head,
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::new(written),
        })
    }

    /// What was last applied, as this run found and changed it.
    pub fn applied_now(&self) -> Applied {
        self.state().applied.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ours(&self, body: &[u8]) -> bool {
        Intents::head(body).is_some_and(|head| head.holder == self.head.holder)
    }

    fn note<T>(&self, change: impl FnOnce(&mut Vec<Intent>) -> T) -> T {
        let mut state = self.state();
        let answer = change(&mut state.intents);
        state.noted += 1;
        answer
    }

    /// Returns once the intents are durable as they were noted up to `noted`.
    async fn reach(&self, noted: u64) -> Result<()> {
        // Whoever comes second waits here, and finds its intent written or writes for all that
        // have gathered behind it.
        let mut written = self.turn.lock().await;
        if written.noted >= noted {
            return Ok(());
        }
        if let Some((failed, error)) = &written.failed
            && *failed >= noted
        {
            return Err(error.clone());
        }
        self.write_intents(&mut written).await?;
        let due = written.applied_at + APPLIED_EVERY <= self.store.cx().clock.now();
        if due && let Err(error) = self.write_applied(&mut written).await {
            // The end of the run tries again, and says so.
            tracing::warn!(%error, "the applied fields were not written");
        }
        Ok(())
    }

    async fn write_intents(&self, written: &mut Written) -> Result<()> {
        let (noted, intents) = {
            let state = self.state();
            (state.noted, state.intents.clone())
        };
        let body = Intents::write(&self.head, &intents)?;
        let put = self
            .store
            .replace(INTENTS, &body, written.etag.as_deref(), |it| self.is_ours(it))
            .await;
        let error = match put {
            Ok(Put::Done(etag)) => {
                written.etag = Some(etag);
                written.noted = noted;
                written.failed = None;
                return Ok(());
            }
            Ok(Put::Refused(_)) => self.robbed().await,
            Err(error) => error,
        };
        written.failed = Some((noted, error.clone()));
        Err(error)
    }

    /// Somebody else writes the journal, so somebody else has the lock.
    async fn robbed(&self) -> Error {
        let holder = match Lock::status(self.store.cx(), self.store.bucket()).await {
            Ok(Some(locked)) if locked.holder.id != self.head.holder => Some(locked.holder),
            _ => None,
        };
        let why = holder.map_or_else(
            || "the lock was taken by somebody who has released it since".to_owned(),
            |holder| lock::taken_by(&holder),
        );
        Error::of(Class::Interrupted, why)
            .hint("run the same command again; it goes on where this run stopped")
    }

    async fn write_applied(&self, written: &mut Written) -> Result<()> {
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            let (body, touched) = {
                let state = self.state();
                if state.touched.is_empty() {
                    return Ok(());
                }
                (json(&state.applied)?, state.touched.clone())
            };
            let condition = written.applied_etag.clone().map_or(Condition::Absent, Condition::Is);
            match self.store.put(APPLIED, &body, condition).await? {
                Put::Done(etag) => {
                    written.applied_etag = Some(etag);
                    written.applied_at = self.store.cx().clock.now();
                    // What was touched again meanwhile is still in memory, and goes next time.
                    let mut state = self.state();
                    let same = json(&state.applied)? == body;
                    if same {
                        state.touched.retain(|address| !touched.contains(address));
                    }
                    return Ok(());
                }
                // A run before ours finished writing after we had read. The journal is ours all
                // the same, so this can happen once: ours goes on top of theirs.
                Put::Refused(there) => {
                    let theirs = read_applied(&self.store, there.as_ref())?;
                    written.applied_etag = there.map(|stored| stored.etag);
                    self.state().merge_over(theirs);
                }
            }
        }
        Err(Error::of(Class::Unavailable, "somebody else keeps writing what was applied"))
    }
}

impl State {
    /// Takes `theirs` for everything that this run has not touched.
    fn merge_over(&mut self, theirs: Applied) {
        let ours = std::mem::replace(&mut self.applied, theirs);
        for address in &self.touched {
            match ours.0.get(address) {
                Some(resource) => self.applied.0.insert(address.clone(), resource.clone()),
                None => self.applied.0.remove(address),
            };
        }
    }
}

/// Puts our name on the intents; answers them and the entity tag.
async fn claim(store: &Store, head: &Head) -> Result<(Vec<Intent>, String)> {
    const TRIES: usize = 5;
    let mut there = store.get(INTENTS).await?;
    for _ in 0..TRIES {
        let mut intents = Intents::read(store, there.as_ref())?;
        let now = store.cx().clock.unix();
        intents.retain(|intent| {
            intent.name.is_some() && intent.is_open()
                || now.saturating_sub(intent.at) < FORGET_AFTER
        });
        let condition =
            there.as_ref().map_or(Condition::Absent, |stored| Condition::Is(stored.etag.clone()));
        match store.put(INTENTS, &Intents::write(head, &intents)?, condition).await? {
            Put::Done(etag) => return Ok((intents, etag)),
            Put::Refused(other) => there = other,
        }
    }
    Err(Error::of(Class::Unavailable, "somebody else keeps writing the record")
        .hint("see who: coderctl lock status"))
}

/// Adds `regions` and this program's version to `record.json`, if they are not there.
async fn widen(store: &Store, regions: &BTreeSet<Region>) -> Result<()> {
    const TRIES: usize = 5;
    let lost = || {
        Error::of(Class::Refused, format!("{} is gone", store.url(RECORD)))
            .hint("run the same command again: the record is made anew")
    };
    let mut stored = store.get(RECORD).await?.ok_or_else(lost)?;
    for _ in 0..TRIES {
        let before = read_record(store, &stored)?;
        let mut record = Record { regions: &before.regions | regions, ..before.clone() };
        if is_older(&record.version, VERSION) {
            record.version = VERSION.to_owned();
        }
        if record == before {
            return Ok(());
        }
        match store.put(RECORD, &json(&record)?, Condition::Is(stored.etag)).await? {
            Put::Done(_) => return Ok(()),
            Put::Refused(other) => stored = other.ok_or_else(lost)?,
        }
    }
    Err(Error::of(Class::Unavailable, "somebody else keeps writing the record"))
}

impl Journal for S3Journal {
    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let (address, kind) = (intent.address.clone(), intent.kind.clone());
            let noted = {
                let mut state = self.state();
                // One create of an address at a time: the newest intent speaks for those before.
                state.intents.retain(|other| other.address != address || other.kind != kind);
                state.intents.push(intent);
                state.noted += 1;
                state.noted
            };
            self.reach(noted).await.inspect_err(|_| {
                // The create is not sent, so there is nothing to look for.
                self.close(&address, &kind);
            })
        })
    }

    fn intent(&self, address: &Address, kind: &str) -> Option<Intent> {
        let state = self.state();
        state
            .intents
            .iter()
            .rev()
            .find(|intent| intent.address == *address && intent.kind == kind)
            .cloned()
    }

    fn made(&self, address: &Address, kind: &str, id: &PhysicalId) {
        self.note(|intents| {
            let made = intents
                .iter_mut()
                .rev()
                .find(|intent| intent.address == *address && intent.kind == kind);
            if let Some(intent) = made {
                intent.id = Some(id.clone());
            }
        });
    }

    fn close(&self, address: &Address, kind: &str) {
        self.note(|intents| {
            intents.retain(|intent| intent.address != *address || intent.kind != kind);
        });
    }

    fn applied(&self, address: &Address, resource: AppliedResource) {
        let mut state = self.state();
        // When it was applied counts only where something was.
        let same =
            state.applied.0.get(address).is_some_and(|before| {
                before.kind == resource.kind && before.fields == resource.fields
            });
        if !same {
            state.applied.0.insert(address.clone(), resource);
            state.touched.insert(address.clone());
        }
    }

    fn changing(&self, address: &Address, fields: &[&str]) {
        let mut state = self.state();
        let Some(known) = state.applied.0.get_mut(address) else { return };
        let before = known.fields.len();
        known.fields.retain(|field, _| !fields.contains(&field.as_str()));
        if known.fields.len() < before {
            state.touched.insert(address.clone());
        }
    }

    fn gone(&self, address: &Address) {
        let mut state = self.state();
        if state.applied.0.remove(address).is_some() {
            state.touched.insert(address.clone());
        }
    }

    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let all = async {
                let mut written = self.turn.lock().await;
                if self.state().noted > written.noted {
                    self.write_intents(&mut written).await?;
                }
                self.write_applied(&mut written).await
            };
            if !self.cancel.is_cancelled() {
                return all.await;
            }
            tokio::select! {
                done = all => done,
                () = self.store.cx().clock.sleep(LAST_WRITE) => {
                    Err(Error::of(Class::TimedOut, "S3 did not answer in time"))
                }
            }
        })
    }
}
