//! The sandbox itself: takes requests, lets faults happen, and keeps the store.

use super::SERVICES;
use super::coderd::{Contents, Databases};
use super::disk::{Disk, OpenError};
use super::ec2;
use super::failure::Failure;
use super::fault::{Call, Faults, Outcome};
use super::gate::{Gate, Observer, Refused, Served};
use super::knobs::Knobs;
use super::law;
use super::rds;
use super::request::{guessed_protocol, read, request_id};
use super::route53;
use super::running::Backends;
use super::service::{Act, Answer, Cx, Operation, Service, View};
use super::store::{Millis, Scope, Store};
use super::wire::auth::{self, Signed};
use super::wire::params::Params;
use super::wire::reply;
use crate::clock::Clock;
use bytes::Bytes;
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

/// What a request turned out to ask for.
struct Asked {
    service: &'static Service,
    operation: &'static Operation,
    /// The input, or why the law refuses it.
    params: Result<Params, Failure>,
    scope: Scope,
}

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

    /// Takes one HTTP request to any AWS service and answers it. Never completes for calls that
    /// a fault leaves without an answer.
    ///
    /// # Errors
    ///
    /// [`Lost`] where a fault breaks the connection.
    pub async fn handle(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Bytes>, Lost> {
        let mut response = self.respond(request).await?;
        // The world's time, which clients may take for AWS's: no server in front replaces it.
        let date = Millis::of(self.inner.clock.now()).http_date();
        if let Ok(date) = http::HeaderValue::from_str(&date) {
            response.headers_mut().insert(http::header::DATE, date);
        }
        Ok(response)
    }

    async fn respond(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, Lost> {
        if self.inner.gate.is_stopped() {
            return std::future::pending().await;
        }
        let arrived = Millis::of(self.inner.clock.now());
        let asked = match self.understand(request) {
            Ok(asked) => asked,
            Err(response) => return Ok(*response),
        };
        let call = Call {
            n: 0,
            time: arrived.0,
            service: asked.service.name.to_owned(),
            operation: asked.operation.name.to_owned(),
            region: asked.scope.region.clone(),
            mutating: asked.operation.is_mutating(),
            outcome: Outcome::Open,
        };
        let arrived = Arrived { sandbox: self, asked, at: arrived };
        self.inner.gate.pass(self.inner.clock, call, &arrived).await
    }

    /// Finds out what a request asks for; what can't be understood is answered here.
    fn understand(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<Asked, Box<http::Response<Bytes>>> {
        let (parts, body) = request.into_parts();
        let refused = |protocol, xmlns, failure: &Failure| {
            Box::new(reply::failure(protocol, xmlns, failure, &request_id(0, Millis(0))))
        };
        let signed = auth::signed(&parts)
            .map_err(|failure| refused(guessed_protocol(&parts), "", &failure))?;
        let Some(service) = SERVICES.iter().find(|service| service.name == signed.service) else {
            let message = format!("The sandbox does not model the service {:?}.", signed.service);
            let failure = Failure::new("UnknownService", message).with_status(501);
            return Err(refused(guessed_protocol(&parts), "", &failure));
        };
        let (operation, params) = read(service, http::Request::from_parts(parts, body))
            .map_err(|failure| refused(service.protocol, service.xmlns, &failure))?;
        Ok(Asked { service, operation, params, scope: self.scope(signed) })
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

    fn answer(&self, n: u64, asked: &Asked, request_id: &str) -> http::Response<Bytes> {
        match self.act(asked) {
            Ok(reply) => {
                self.inner.gate.outcome(n, Outcome::Done);
                reply::success(asked.service, asked.operation.name, reply, request_id)
            }
            Err(failure) => self.refuse(n, asked, &failure, request_id),
        }
    }

    fn refuse(
        &self,
        n: u64,
        asked: &Asked,
        failure: &Failure,
        request_id: &str,
    ) -> http::Response<Bytes> {
        let mut failure = failure.clone();
        if failure.status == 400 {
            let law = law::of(asked.service, asked.operation.name);
            let modelled = law.and_then(|law| law.statuses.get(&failure.code));
            failure.status = modelled.copied().unwrap_or(400);
        }
        let outcome = Outcome::Refused { status: failure.status, code: failure.code.clone() };
        self.inner.gate.outcome(n, outcome);
        reply::failure(asked.service.protocol, asked.service.xmlns, &failure, request_id)
    }

    /// Carries a call out.
    fn act(&self, asked: &Asked) -> Answer {
        let (lag, fresh_ids_not_found) = {
            let board = self.inner.gate.board();
            (board.faults().lag, board.faults().fresh_ids_not_found)
        };
        let params = asked.params.as_ref().map_err(Clone::clone)?;
        // Before the world is locked: who answers asks the world itself.
        let answering = match asked.operation.name {
            "DescribeTargetHealth" => {
                self.answering(&asked.scope, params.text("TargetGroupArn").unwrap_or_default())
            }
            _ => None,
        };
        let mut world = self.world();
        let world = &mut *world;
        let known = world.store.clone();
        let lock = match &mut world.disk {
            Some(disk) => Some(disk.lock(&mut world.store).map_err(|error| broken(&error))?),
            None => None,
        };
        let now = Millis::of(self.inner.clock.now()).max(world.store.last_time);
        if !lag.is_zero() && !Arc::ptr_eq(&known, &world.store) {
            // Another process has written: what it did lags like what is done here.
            let store = world.store.clone();
            world.history.push_back((now, store));
        }
        if world.store.is_due(&asked.scope, now) {
            Arc::make_mut(&mut world.store).settle(&asked.scope, now);
        }
        let before = world.store.clone();
        let answer = match asked.operation.act {
            Act::Read(act) => {
                let (store, now) = world.seen_by_reads(&asked.scope, now, lag);
                let view = View {
                    store: &store,
                    scope: &asked.scope,
                    now,
                    knobs: &world.knobs,
                    answering: answering.as_ref(),
                };
                act(&view, params)
            }
            Act::Write(act) => {
                if fresh_ids_not_found {
                    let (store, _) = world.seen_by_reads(&asked.scope, now, lag);
                    ec2::none_is_fresh(params.tree(), &world.store, &store, &asked.scope)
                        .map_err(|failure| asked.service.about_ec2(failure))?;
                }
                world.write(act, (params, &asked.scope), now, lag)
            }
        };
        if asked.operation.is_mutating()
            && answer.is_ok()
            && let (Some(disk), Some(lock)) = (&mut world.disk, &lock)
            && let Err(error) = disk.write(Arc::make_mut(&mut world.store), lock)
        {
            world.store = before;
            return Err(broken(&error));
        }
        answer
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn behind(&self) -> MutexGuard<'_, Option<Weak<dyn Backends>>> {
        self.inner.behind.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call, as far as it has come.
struct Arrived<'a> {
    sandbox: &'a Sandbox,
    asked: Asked,
    at: Millis,
}

impl Served for Arrived<'_> {
    type Answer = http::Response<Bytes>;

    fn act(&self, n: u64) -> http::Response<Bytes> {
        self.sandbox.answer(n, &self.asked, &request_id(n, self.at))
    }

    fn refuse(&self, n: u64, why: &Refused) -> http::Response<Bytes> {
        let failure = match why {
            Refused::Throttled => {
                let (status, code) = self.asked.service.throttling;
                Failure::new(code, "Request limit exceeded.").with_status(status)
            }
            Refused::Internal => {
                Failure::new("InternalError", "An internal error has occurred").with_status(500)
            }
            Refused::With { status, code, message } => {
                Failure::new(code.clone(), message.clone()).with_status(*status)
            }
        };
        self.sandbox.refuse(n, &self.asked, &failure, &request_id(n, self.at))
    }

    fn content(&self) -> String {
        self.asked.params.as_ref().map(|params| params.tree().to_string()).unwrap_or_default()
    }

    fn is_success(answer: &http::Response<Bytes>) -> bool {
        answer.status().is_success()
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

fn broken(error: &OpenError) -> Failure {
    Failure::new("InternalError", format!("The sandbox can't keep its state: {error}"))
        .with_status(500)
}
