//! The lock: one object that S3 lets only one caller make.
//!
//! A holder's lease lasts [`TTL`] and is renewed every [`BEAT`]. Whether a lease has run out is
//! judged by others on S3's clock alone (`Date` of the answer against `Last-Modified` of the
//! object), and by the holder on its own clock's *elapsed* time since before it sent the write
//! that S3 carried out later: the holder always gives up first, however wrong the clocks are.

use super::store::{Condition, Put, Store, Stored};
use crate::clock::Clock;
use crate::kind::{Class, Cx, Error, Fence, Result};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// How long a lease lasts.
pub const TTL: Duration = Duration::from_secs(120);
/// How often it is renewed.
pub const BEAT: Duration = Duration::from_secs(30);
/// What must be left of the lease for a call to begin: one attempt may take 60 seconds.
pub const FENCE: Duration = Duration::from_secs(65);

/// How long one attempt to renew may take: three fit between the first and the fence.
const ATTEMPT: Duration = Duration::from_secs(8);
/// The pause behind a renewal that failed.
const AGAIN: Duration = Duration::from_secs(1);
/// How long a release may take: what is left of the ten seconds that an interruption has.
const RELEASE: Duration = Duration::from_secs(8);
/// S3's dates are whole seconds: two of them can be this much nearer than the times they mean.
const ROUNDING: u64 = 2;

const NAME: &str = "lock.json";

/// Who holds the lock. Everything here is shown to whoever has to wait.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Holder {
    /// Made for this one acquisition.
    pub id: String,
    /// The caller's ARN, as STS tells it.
    pub who: String,
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// The run's id.
    pub run: String,
    /// Where the run can be watched, if a CI system runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Since when, RFC 3339, on the holder's clock.
    pub since: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, other: &str| {
            if text.is_empty() { other.to_owned() } else { text.to_owned() }
        };
        write!(
            f,
            "{} on {} since {}",
            or(&self.who, "somebody"),
            or(&self.host, "an unknown machine"),
            or(&self.since, "an unknown time")
        )?;
        self.url.as_ref().map_or(Ok(()), |url| write!(f, " ({url})"))
    }
}

/// What the object holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Lease {
    #[serde(flatten)]
    holder: Holder,
    /// Seconds from the object's last write until the lease runs out.
    ttl: u64,
    /// Counts every attempt to write it, so that no two contents are equal.
    beat: u64,
}

impl Lease {
    /// A lock that can not be read is still a lock, of somebody unknown.
    fn read(stored: &Stored) -> Lease {
        serde_json::from_slice(&stored.body).unwrap_or_default()
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::local(format!("the lock can not be written: {error}")))
    }
}

/// A lock that somebody holds, or left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Who.
    pub holder: Holder,
    /// How long until anyone may take it over, unless it is renewed; zero when it has run out.
    pub expires_in: Duration,
}

impl Locked {
    fn of(stored: &Stored, clock: &Clock) -> Locked {
        let lease = Lease::read(stored);
        // A lock from elsewhere can not ask for ever, nor for less than a holder counts on.
        let ttl = clock.wall(TTL).as_secs();
        let ttl = if lease.ttl == 0 { ttl } else { lease.ttl.min(ttl * 5) } + ROUNDING;
        // Where S3 does not tell the time, nobody may say that it has run out.
        let left = stored.age.map_or(ttl, |age| ttl.saturating_sub(age));
        Locked { holder: lease.holder, expires_in: Duration::from_secs(left) }
    }

    /// Whether anyone may take it over.
    pub fn is_expired(&self) -> bool {
        self.expires_in.is_zero()
    }
}

/// The outcome of trying to take the lock.
#[derive(Debug)]
pub enum Acquired {
    /// It is ours.
    Held(Held),
    /// Somebody else has it.
    Locked(Locked),
}

/// Takes locks.
#[derive(Clone, Copy, Debug)]
pub struct Lock;

impl Lock {
    /// Takes the lock of the deployment of `cx` in `bucket`, or says who has it. `holder.id` and
    /// `holder.since` are set here.
    ///
    /// # Errors
    /// Whatever S3 says.
    pub async fn acquire(cx: &Cx, bucket: &str, holder: Holder) -> Result<Acquired> {
        const TRIES: usize = 5;
        // The user can interrupt this. A lock that was taken without our hearing of it runs out.
        let store = Store::new(cx, bucket);
        let id = uuid::Uuid::new_v4().to_string();
        let holder = Holder { id, since: cx.clock.timestamp(), ..holder };
        let mut lease = Lease { holder, ttl: cx.clock.wall(TTL).as_secs(), beat: 0 };
        let mut condition = Condition::Absent;
        for _ in 0..TRIES {
            lease.beat += 1;
            let sent = cx.clock.now();
            match store.put(NAME, &lease.bytes()?, condition).await? {
                Put::Done(etag) => {
                    return Ok(Acquired::Held(Held::new(store.unstoppable(), lease, etag, sent)));
                }
                // Released between the two calls.
                Put::Refused(None) => condition = Condition::Absent,
                Put::Refused(Some(stored)) => {
                    // An attempt of ours that was carried out after all.
                    let ours = Lease::read(&stored).holder.id == lease.holder.id;
                    let locked = Locked::of(&stored, &cx.clock);
                    if !ours && !locked.is_expired() {
                        return Ok(Acquired::Locked(locked));
                    }
                    condition = Condition::Is(stored.etag);
                }
            }
        }
        Err(Error::of(Class::Unavailable, "the lock changes hands faster than it can be taken")
            .hint("run the same command again"))
    }

    /// Who holds the lock now; `None` when nobody does. Reads only.
    ///
    /// # Errors
    /// Whatever S3 says.
    pub async fn status(cx: &Cx, bucket: &str) -> Result<Option<Locked>> {
        Ok(Store::new(cx, bucket).get(NAME).await?.map(|stored| Locked::of(&stored, &cx.clock)))
    }

    /// Removes a lock that its holder left behind, if `id` still holds it. A holder that is alive
    /// notices at its next renewal and starts nothing more.
    ///
    /// # Errors
    /// When another holds it by now, or S3 refuses.
    pub async fn force_release(cx: &Cx, bucket: &str, id: &str) -> Result<()> {
        let store = Store::new(cx, bucket).unstoppable();
        let Some(stored) = store.get(NAME).await? else { return Ok(()) };
        let mut holder = Lease::read(&stored).holder;
        if holder.id == id {
            if store.delete(NAME, &stored.etag).await? {
                return Ok(());
            }
            // It was renewed or taken over between the two calls.
            match store.get(NAME).await? {
                None => return Ok(()),
                Some(stored) => holder = Lease::read(&stored).holder,
            }
        }
        Err(Error::of(Class::Refused, format!("the lock is held by {holder}"))
            .hint("look again: coderctl lock status"))
    }
}

/// The lock, held.
#[derive(Clone)]
pub struct Held(Arc<Inner>);

struct Inner {
    store: Store,
    state: Mutex<State>,
}

struct State {
    lease: Lease,
    etag: String,
    /// When the last renewal was sent, on our clock.
    renewed: SystemTime,
    /// Why it is not ours any more.
    lost: Option<String>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.holder()).finish()
    }
}

impl Held {
    fn new(store: Store, lease: Lease, etag: String, renewed: SystemTime) -> Held {
        Held(Arc::new(Inner {
            store,
            state: Mutex::new(State { lease, etag, renewed, lost: None }),
        }))
    }

    /// Who we are, as others see it.
    pub fn holder(&self) -> Holder {
        self.0.state().lease.holder.clone()
    }

    /// Asked before every call that changes something: passes only while nobody else can have the
    /// lock for as long as the call may take.
    pub fn fence(&self) -> Fence {
        let held = self.clone();
        Fence::new(move || held.check())
    }

    fn check(&self) -> Result<()> {
        let state = self.0.state();
        if let Some(lost) = &state.lost {
            return Err(Error::of(Class::Interrupted, lost.clone())
                .hint("run the same command again; it goes on where this run stopped"));
        }
        let elapsed = self.0.elapsed(&state);
        let clock = self.0.store.cx().clock;
        let ttl = clock.wall(TTL);
        if elapsed + clock.wall(FENCE) > ttl {
            let left = ttl.saturating_sub(elapsed).as_secs();
            let why = format!("the lock could not be renewed in time ({left} s are left of it)");
            return Err(Error::of(Class::Interrupted, why)
                .hint("run the same command again; it goes on where this run stopped"));
        }
        Ok(())
    }

    /// Renews the lease for as long as it is awaited; to be run beside the work. Once the lock is
    /// lost it only waits, and the fence says why.
    pub async fn beat(&self) -> Infallible {
        let clock = self.0.store.cx().clock;
        loop {
            let elapsed = {
                let state = self.0.state();
                if state.lost.is_some() {
                    break;
                }
                self.0.elapsed(&state)
            };
            clock.sleep(clock.wall(BEAT).saturating_sub(elapsed)).await;
            // Dropping an attempt half way is harmless: the next recognises what it wrote.
            let renewed = tokio::select! {
                renewed = self.renew() => renewed,
                () = clock.sleep(clock.wall(ATTEMPT)) => Err(Error::local("no answer in time")),
            };
            if let Err(error) = renewed {
                tracing::warn!(%error, "the lock was not renewed");
                clock.sleep(clock.wall(AGAIN)).await;
            }
        }
        std::future::pending().await
    }

    /// Renews once.
    async fn renew(&self) -> Result<()> {
        let Inner { store, .. } = &*self.0;
        let sent = store.cx().clock.now();
        let (lease, etag) = {
            let mut state = self.0.state();
            // Counted even if it fails, so that what an attempt wrote is never mistaken for what
            // a later one did: the later one counts the lease from its own time.
            state.lease.beat += 1;
            (state.lease.clone(), state.etag.clone())
        };
        let ours = |body: &[u8]| {
            Lease::read(&Stored { body: body.to_vec(), etag: String::new(), age: None }).holder.id
                == lease.holder.id
        };
        let put = store.replace(NAME, &lease.bytes()?, Some(&etag), ours).await?;
        let mut state = self.0.state();
        match put {
            Put::Done(etag) => {
                state.etag = etag;
                state.renewed = state.renewed.max(sent);
            }
            Put::Refused(Some(stored)) => {
                state.lost = Some(taken_by(&Lease::read(&stored).holder));
            }
            Put::Refused(None) => {
                state.lost = Some("the lock was removed by somebody".to_owned());
            }
        }
        Ok(())
    }

    /// Gives the lock back. One that can not be given back in time runs out by itself.
    ///
    /// # Errors
    /// Whatever S3 says; the lock then runs out by itself.
    pub async fn release(self) -> Result<()> {
        let clock = self.0.store.cx().clock;
        tokio::select! {
            released = self.delete() => {
                self.0.state().lost.get_or_insert("the lock was released".to_owned());
                released
            }
            () = clock.sleep(clock.wall(RELEASE)) => Err(Error::of(
                Class::TimedOut,
                format!("the lock could not be released; it runs out within {} s", clock.wall(TTL).as_secs()),
            )),
        }
    }

    async fn delete(&self) -> Result<()> {
        const TRIES: usize = 3;
        let (id, mut etag) = {
            let state = self.0.state();
            if state.lost.is_some() {
                return Ok(());
            }
            (state.lease.holder.id.clone(), state.etag.clone())
        };
        for _ in 0..TRIES {
            if self.0.store.delete(NAME, &etag).await? {
                return Ok(());
            }
            match self.0.store.get(NAME).await? {
                // A renewal that nobody answered.
                Some(stored) if Lease::read(&stored).holder.id == id => etag = stored.etag,
                // Gone, or somebody else's by now.
                _ => return Ok(()),
            }
        }
        Err(Error::of(Class::Unavailable, "the lock changes faster than it can be released"))
    }
}

/// What a run that lost its lock to `holder` says.
pub(super) fn taken_by(holder: &Holder) -> String {
    format!("the lock was taken by {holder}")
}

impl Inner {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time since the last renewal was sent.
    fn elapsed(&self, state: &State) -> Duration {
        let now = self.store.cx().clock.now();
        now.duration_since(state.renewed).unwrap_or_default()
    }
}
