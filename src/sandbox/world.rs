//! The sandbox itself: takes requests, lets faults happen, and keeps the store.

mod calls;

use super::coderd::{Contents, Databases};
use super::disk::{Disk, OpenError};
use super::fault::{Call, Faults};
use super::gate::{Gate, Observer};
use super::knobs::Knobs;
use super::rds;
use super::route53;
use super::running::Backends;
use super::service::{Answer, Cx};
use super::store::{Millis, Scope, Store};
use super::wire::auth::Signed;
use super::wire::params::Params;
use crate::clock::Clock;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// The account of calls whose access key names none.
const DEFAULT_ACCOUNT: &str = "123456789012";

/// An embedded AWS. Clones are handles on the same world.
#[derive(Clone, Debug)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    world: Mutex<World>,
    gate: Arc<Gate>,
    /// What runs on the instances, where somebody can tell.
    behind: Mutex<Option<Weak<dyn Backends>>>,
}

#[derive(Debug)]
struct World {
    store: Arc<Store>,
    /// The store as it was from each time on; kept while reads lag.
    history: VecDeque<(Millis, Arc<Store>)>,
    knobs: Knobs,
    disk: Option<Disk>,
}

/// The connection broke: there is no answer, and the request may or may not have been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("connection closed before the answer was complete")]
pub struct Lost;

impl Sandbox {
    /// A world that lives as long as its handles.
    pub fn in_memory(clock: Clock, seed: u64) -> Self {
        Self::with(clock, Arc::new(Store::new(seed)), None)
    }

    /// A world that is kept in the file `path`, which several processes may share. `seed` counts
    /// only where the file is new. Time never runs back: where `clock` is behind the latest time
    /// that the file has seen, the sandbox starts there (see [`Sandbox::clock`]).
    ///
    /// # Errors
    ///
    /// If the file can't be read, is not a sandbox's, or is damaged.
    pub fn open(path: &Path, clock: Clock, seed: u64) -> Result<Self, OpenError> {
        let (disk, store) = Disk::open(path, seed)?;
        let latest = store.last_time.time();
        let clock =
            if clock.now() < latest { Clock::starting_at(latest, clock.rate()) } else { clock };
        Ok(Self::with(clock, Arc::new(store), Some(disk)))
    }

    fn with(clock: Clock, store: Arc<Store>, disk: Option<Disk>) -> Self {
        let world = World { store, history: VecDeque::new(), knobs: Knobs::default(), disk };
        Sandbox {
            inner: Arc::new(Inner {
                clock,
                world: Mutex::new(world),
                gate: Arc::default(),
                behind: Mutex::default(),
            }),
        }
    }

    /// The world's clock.
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// What the sandbox's limits and sizes are.
    pub fn knobs(&self) -> Knobs {
        self.world().knobs.clone()
    }

    /// Sets limits and sizes.
    pub fn set_knobs(&self, knobs: Knobs) {
        self.world().knobs = knobs;
    }

    /// The faults that are set.
    pub fn faults(&self) -> Faults {
        self.inner.gate.faults()
    }

    /// Sets the faults, from their beginning, and lets a stopped sandbox answer again.
    pub fn set_faults(&self, faults: Faults) {
        let now = Millis::of(self.inner.clock.now());
        let mut world = self.world();
        world.history.clear();
        if !faults.lag.is_zero() {
            let store = world.store.clone();
            world.history.push_back((Millis(0), store));
            world.prune(now, faults.lag);
        }
        drop(world);
        self.inner.gate.set_faults(faults);
    }

    /// Every call so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.gate.calls()
    }

    /// How often each operation was called, by `service:Operation`.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.inner.gate.counts()
    }

    /// Starts the list of calls anew.
    pub fn forget_calls(&self) {
        self.inner.gate.forget_calls();
    }

    /// From now on, tells `observer` of every call that changes something, once before it is
    /// carried out and once after; of calls that a fault keeps from being carried out it hears
    /// nothing. Calls to the clusters that [`super::Clusters`] has opened are among them. Nothing
    /// else happens in this world while the observer looks. `None` ends it.
    pub fn set_observer(&self, observer: Option<Observer>) {
        self.inner.gate.observe(observer);
    }

    /// Where the calls of this sandbox pass.
    pub(super) fn gate(&self) -> &Arc<Gate> {
        &self.inner.gate
    }

    /// Everything that is in the world now, as the state file would hold it: for whoever compares
    /// two worlds, or looks for what must not be in one.
    pub fn dump(&self) -> serde_json::Value {
        serde_json::to_value(self.world().store.as_ref()).unwrap_or_default()
    }

    /// Looks at what an account has in a region now, after all that time has brought about.
    pub(super) fn look<T>(&self, scope: &Scope, look: impl FnOnce(&Store, Millis) -> T) -> T {
        let mut world = self.world();
        let now = Millis::of(self.inner.clock.now()).max(world.store.last_time);
        if world.store.is_due(scope, now) {
            Arc::make_mut(&mut world.store).settle(scope, now);
        }
        look(&world.store, now)
    }

    /// Changes what an account has in a region, as its own services do when nobody calls: what a
    /// cluster's controllers make in AWS. `None` where the state can't be kept.
    pub(super) fn change<T>(
        &self,
        scope: &Scope,
        change: impl FnOnce(&mut Cx<'_>) -> T,
    ) -> Option<T> {
        let mut world = self.world();
        let world = &mut *world;
        let lock = match &mut world.disk {
            Some(disk) => Some(disk.lock(&mut world.store).ok()?),
            None => None,
        };
        let now = Millis::of(self.inner.clock.now()).max(world.store.last_time);
        let before = world.store.clone();
        let mut changed = (*world.store).clone();
        changed.settle(scope, now);
        changed.last_time = now;
        let mut cx = Cx { store: &mut changed, scope, now, knobs: &world.knobs };
        let made = change(&mut cx);
        world.store = Arc::new(changed);
        if !world.history.is_empty() {
            world.history.push_back((now, world.store.clone()));
        }
        if let (Some(disk), Some(lock)) = (&mut world.disk, &lock)
            && disk.write(Arc::make_mut(&mut world.store), lock).is_err()
        {
            world.store = before;
            return None;
        }
        Some(made)
    }

    /// What a resolver on the internet answers for `name` and `kind` (`A`, `CNAME`, `TXT`, `NS`):
    /// records of public hosted zones, with CNAMEs and aliases of load balancers followed.
    pub fn resolve(&self, name: &str, kind: &str) -> Vec<String> {
        route53::resolve(&self.world().store, name, kind)
    }

    /// Whether the database cluster `id` of `region` takes `password` for its master user.
    pub fn accepts_password(&self, region: &str, id: &str, password: &str) -> bool {
        let world = self.world();
        let now = Millis::of(self.inner.clock.now()).max(world.store.last_time);
        rds::accepts_password(&world.store, now, (region, id), password)
    }

    /// Works on what the database cluster `id` of `region` holds.
    pub(super) fn in_database(
        &self,
        (region, id): (&str, &str),
        work: &mut dyn FnMut(&mut Databases),
    ) -> Contents {
        let mut world = self.world();
        let world = &mut *world;
        let lock = match &mut world.disk {
            None => None,
            Some(disk) => match disk.lock(&mut world.store) {
                Ok(lock) => Some(lock),
                Err(_) => return Contents::Lost,
            },
        };
        let before = world.store.clone();
        let store = Arc::make_mut(&mut world.store);
        let Some(contents) = rds::contents(store, region, id) else { return Contents::Lost };
        work(contents);
        if let (Some(disk), Some(lock)) = (&mut world.disk, &lock)
            && disk.write(store, lock).is_err()
        {
            world.store = before;
            return Contents::Lost;
        }
        Contents::Done
    }

    /// Another world that is as this one is now, on the same clock and without faults: what
    /// happens in one is not seen in the other. It is not kept in a file.
    pub fn fork(&self) -> Self {
        self.fork_on(self.inner.clock)
    }

    /// The same on another clock, which may be behind: what the world remembers of later times
    /// is then still to come.
    pub fn fork_on(&self, clock: Clock) -> Self {
        let store = self.world().store.clone();
        Self::with(clock, store, None)
    }

    /// Completes when an [`super::Effect::Stop`] was hit: the client's process is dead from here on, its
    /// run is to be dropped. Until [`Sandbox::set_faults`], no call is answered any more.
    pub async fn stopped(&self) {
        self.inner.gate.stopped().await;
    }

    /// The account that an access key belongs to.
    pub(super) fn account_of(&self, key: &str) -> String {
        if key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit()) {
            return key.to_owned();
        }
        let world = self.world();
        let session = world.store.sts.session(key);
        session.map_or_else(|| DEFAULT_ACCOUNT.to_owned(), |session| session.account.clone())
    }

    fn scope(&self, signed: Signed) -> Scope {
        let account = self.account_of(&signed.access_key);
        Scope { account, region: signed.region, access_key: signed.access_key }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behind(&self) -> MutexGuard<'_, Option<Weak<dyn Backends>>> {
        self.inner.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// Changes a copy of the store and takes it only if the operation succeeds, so that no
    /// failure leaves half of a change.
    fn write(
        &mut self,
        act: fn(&mut Cx<'_>, &Params) -> Answer,
        (params, scope): (&Params, &Scope),
        now: Millis,
        lag: Duration,
    ) -> Answer {
        let mut changed = (*self.store).clone();
        changed.last_time = now;
        let mut cx = Cx { store: &mut changed, scope, now, knobs: &self.knobs };
        let reply = act(&mut cx, params)?;
        self.store = Arc::new(changed);
        if !lag.is_zero() {
            self.history.push_back((now, self.store.clone()));
            self.prune(now, lag);
        }
        Ok(reply)
    }

    /// The store as a read sees it, and the time that it shows.
    fn seen_by_reads(&self, scope: &Scope, now: Millis, lag: Duration) -> (Arc<Store>, Millis) {
        if lag.is_zero() {
            return (self.store.clone(), now);
        }
        let then = now.minus(lag);
        let seen = self.history.iter().rev().find(|(from, _)| *from <= then);
        let mut store = seen.map_or_else(|| self.store.clone(), |(_, store)| store.clone());
        if store.is_due(scope, then) {
            Arc::make_mut(&mut store).settle(scope, then);
        }
        (store, then)
    }

    /// Drops what no read can see any more.
    fn prune(&mut self, now: Millis, lag: Duration) {
        let then = now.minus(lag);
        while self.history.get(1).is_some_and(|(from, _)| *from <= then) {
            self.history.pop_front();
        }
    }
}
