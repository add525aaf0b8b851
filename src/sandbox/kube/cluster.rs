//! The cluster itself: takes requests, lets faults happen, and keeps the store.

mod answer;
mod pods;
mod route;

use super::caller::Caller;
use super::controllers::{Around, Cloud, NoCloud, NodeFacts, NodeSource, advance};
use super::disk::Disk;
use super::request::Asked;
use super::status::{Answer, Refusal};
use super::store::{Store, milliseconds};
use super::watch;
use crate::clock::Clock;
use crate::sandbox::coderd::{AnyPassword, DatabaseSource};
use crate::sandbox::fault::{Call, Faults, Outcome};
use crate::sandbox::gate::Gate;
use crate::sandbox::{Lost, OpenError};
pub(super) use answer::refused;
use answer::{Arrived, broken, response, with_body};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use route::Outgoing;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

/// The body of an answer. That of a watch goes on until the client drops it.
pub type KubeBody = UnsyncBoxBody<Bytes, Lost>;

/// An embedded Kubernetes API. Clones are handles on the same cluster.
#[derive(Clone, Debug)]
pub struct KubeSandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    clock: Clock,
    cluster: Mutex<Cluster>,
    gate: Arc<Gate>,
    /// The store's version, for watches to wake on.
    changes: tokio::sync::watch::Sender<u64>,
    /// Whether anybody does what Deployments ask for.
    controlled: std::sync::atomic::AtomicBool,
    around: Mutex<Surroundings>,
}

/// Where nodes come from, whose passwords databases take, and where volumes and load balancers are
/// made.
#[derive(Clone, Debug)]
struct Surroundings {
    nodes: Arc<dyn NodeSource>,
    database: Arc<dyn DatabaseSource>,
    cloud: Arc<dyn Cloud>,
}

#[derive(Debug)]
struct Cluster {
    store: Store,
    disk: Option<Disk>,
    token: Option<String>,
    page_size: usize,
}

impl KubeSandbox {
    /// A cluster that lives as long as its handles.
    pub fn in_memory(clock: Clock, seed: u64) -> Self {
        Self::with(clock, Store::new(seed, clock.now()), None, Arc::default())
    }

    /// A cluster whose calls pass `gate`: in the file `path`, or as long as its handles live.
    pub(in crate::sandbox) fn behind(
        gate: &Arc<Gate>,
        path: Option<&std::path::Path>,
        clock: Clock,
        seed: u64,
    ) -> Result<Self, OpenError> {
        match path {
            Some(path) => Self::open_behind(gate.clone(), path, clock, seed),
            None => Ok(Self::with(clock, Store::new(seed, clock.now()), None, gate.clone())),
        }
    }

    /// A cluster that is kept in the file `path`, which several processes may share. `seed` counts
    /// only where the file is new. Where `clock` is behind the latest time that the file has
    /// seen, the cluster's clock starts there (see [`KubeSandbox::clock`]).
    ///
    /// # Errors
    ///
    /// If the file can't be read, is not a cluster's, or is damaged.
    pub fn open(path: &std::path::Path, clock: Clock, seed: u64) -> Result<Self, OpenError> {
        Self::open_behind(Arc::default(), path, clock, seed)
    }

    fn open_behind(
        gate: Arc<Gate>,
        path: &std::path::Path,
        clock: Clock,
        seed: u64,
    ) -> Result<Self, OpenError> {
        let (disk, store) = Disk::open(path, seed, clock.now())?;
        let latest = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(store.latest_ms))
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let clock =
            if clock.now() < latest { Clock::starting_at(latest, clock.rate()) } else { clock };
        Ok(Self::with(clock, store, Some(disk), gate))
    }

    /// Another cluster that is as this one is now, on `clock`, and whose calls pass `gate`: what
    /// happens in one is not seen in the other. It is not kept in a file.
    pub(in crate::sandbox) fn fork_on(&self, clock: Clock, gate: &Arc<Gate>) -> Self {
        let (store, token, page_size) = {
            let cluster = self.cluster();
            (cluster.store.clone(), cluster.token.clone(), cluster.page_size)
        };
        let fork = Self::with(clock, store, None, gate.clone());
        {
            let mut cluster = fork.cluster();
            (cluster.token, cluster.page_size) = (token, page_size);
        }
        fork.run_controllers(self.inner.controlled.load(std::sync::atomic::Ordering::SeqCst));
        *fork.around() = self.around().clone();
        fork
    }

    fn with(clock: Clock, store: Store, disk: Option<Disk>, gate: Arc<Gate>) -> Self {
        let (changes, _) = tokio::sync::watch::channel(store.version);
        let cluster = Cluster { store, disk, token: None, page_size: 0 };
        KubeSandbox {
            inner: Arc::new(Inner {
                clock,
                cluster: Mutex::new(cluster),
                gate,
                changes,
                controlled: true.into(),
                around: Mutex::new(Surroundings {
                    nodes: Arc::new(two_nodes()),
                    database: Arc::new(AnyPassword),
                    cloud: Arc::new(NoCloud),
                }),
            }),
        }
    }

    /// The cluster's clock.
    pub fn clock(&self) -> Clock {
        self.inner.clock
    }

    /// From now on, refuses requests without this bearer token. `None` lets everyone in.
    pub fn require_token(&self, token: Option<&str>) {
        self.cluster().token = token.map(str::to_owned);
    }

    /// Sets how many items a page of a list holds where the request sets no limit; 0 is all, as
    /// in a real cluster.
    pub fn set_page_size(&self, items: usize) {
        self.cluster().page_size = items;
    }

    /// The faults that are set.
    pub fn faults(&self) -> Faults {
        self.inner.gate.faults()
    }

    /// Sets the faults, from their beginning, and lets a stopped cluster answer again. Operations
    /// are named `kubernetes:VERB RESOURCE`, for example `kubernetes:patch configmaps`. Reads of
    /// a cluster don't lag: its API promises that they see what was written.
    pub fn set_faults(&self, faults: Faults) {
        self.inner.gate.set_faults(faults);
    }

    /// Every call so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.gate.calls()
    }

    /// How often each operation was called, by `kubernetes:VERB RESOURCE`.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.inner.gate.counts()
    }

    /// Starts the list of calls anew.
    pub fn forget_calls(&self) {
        self.inner.gate.forget_calls();
    }

    /// Completes when a [`crate::sandbox::Effect::Stop`] was hit: the client's process is dead from here on, its
    /// run is to be dropped. Until [`KubeSandbox::set_faults`], no call is answered any more.
    pub async fn stopped(&self) {
        self.inner.gate.stopped().await;
    }

    /// Takes one HTTP request and answers it. Never completes for calls that a fault leaves
    /// without an answer.
    ///
    /// # Errors
    ///
    /// [`Lost`] where a fault breaks the connection.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<KubeBody>, Lost> {
        self.handle_for(None, request).await
    }

    /// The same in the name of `caller`, who is refused what its access policies do not allow.
    /// Without one, nothing is refused.
    pub(super) async fn handle_for(
        &self,
        caller: Option<&Caller>,
        request: Request<Bytes>,
    ) -> Result<Response<KubeBody>, Lost> {
        if self.inner.gate.is_stopped() {
            return std::future::pending().await;
        }
        let asked = match self.admit(request) {
            Ok(asked) => asked,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        if let Some(review) = caller.and_then(|caller| caller.review(&asked)) {
            return Ok(response(201, &review.to_string()));
        }
        if let Some(refusal) = caller.and_then(|caller| caller.refused(&asked)) {
            return Ok(refused(&refusal));
        }
        let call = self.call("kubernetes", asked.operation(), asked.mutates());
        let content = String::from_utf8_lossy(&asked.body).into_owned();
        let arrived = Arrived { sandbox: self, content, answer: |n| self.answer(n, &asked) };
        self.inner.gate.pass(self.inner.clock, call, &arrived).await
    }

    /// Takes a request for a port-forward.
    pub(super) async fn forward(
        &self,
        caller: Option<&Caller>,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<KubeBody>, Lost> {
        if self.inner.gate.is_stopped() {
            return std::future::pending().await;
        }
        let mut bare = Request::new(Bytes::new());
        *bare.uri_mut() = request.uri().clone();
        *bare.headers_mut() = request.headers().clone();
        let asked = match self.admit(bare) {
            Ok(asked) => asked,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        if let Some(refusal) = caller.and_then(|caller| caller.refused(&asked)) {
            return Ok(refused(&refusal));
        }
        let call = self.call("kubernetes", asked.operation(), false);
        // The target is looked for as often as the request arrives; one connection comes of it.
        let target = Mutex::new(None);
        let arrived = Arrived {
            sandbox: self,
            content: String::new(),
            answer: |n| match self.target(&asked) {
                Ok(found) => {
                    self.inner.gate.outcome(n, Outcome::Done);
                    *target.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
                    response(200, "")
                }
                Err(refusal) => self.refuse(n, &refusal),
            },
        };
        let answer = self.inner.gate.pass(self.inner.clock, call, &arrived).await?;
        match target.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(target) => Ok(super::forward::accept(self, request, target)),
            None => Ok(answer),
        }
    }

    /// Reads a request, and turns away who brings no token.
    fn admit(&self, request: Request<Bytes>) -> Answer<Asked> {
        let asked = Asked::read(request)?;
        let wanted = self.cluster().token.clone();
        if wanted.is_some() && wanted != asked.token {
            return Err(Refusal::unauthorized());
        }
        Ok(asked)
    }

    fn call(&self, service: &str, operation: String, mutating: bool) -> Call {
        Call {
            n: 0,
            time: milliseconds(self.inner.clock.now()),
            service: service.to_owned(),
            operation,
            region: String::new(),
            mutating,
            outcome: Outcome::Open,
        }
    }

    fn refuse(&self, n: u64, refusal: &Refusal) -> Response<KubeBody> {
        let outcome = Outcome::Refused { status: refusal.code, code: refusal.reason.clone() };
        self.inner.gate.outcome(n, outcome);
        refused(refusal)
    }

    fn answer(&self, n: u64, asked: &Asked) -> Response<KubeBody> {
        match self.act(asked) {
            Err(refusal) => self.refuse(n, &refusal),
            Ok(outgoing) => {
                self.inner.gate.outcome(n, Outcome::Done);
                match outgoing {
                    Outgoing::Object((code, object)) => response(code, &object.to_string()),
                    Outgoing::Text(text) => response(200, &text),
                    Outgoing::Watch(watch, initial) => {
                        let body = watch::body(self.clone(), *watch, initial);
                        with_body(200, body)
                    }
                }
            }
        }
    }

    /// Carries a call out.
    fn act(&self, asked: &Asked) -> Answer<Outgoing> {
        let mut cluster = self.cluster();
        let cluster = &mut *cluster;
        let lock = match &mut cluster.disk {
            Some(disk) => Some(disk.lock(&mut cluster.store).map_err(|error| broken(&error))?),
            None => None,
        };
        let now = self.now(&cluster.store);
        let known = cluster.store.version;
        self.advance(&mut cluster.store, now);
        let outgoing = cluster.route(asked, now);
        if cluster.store.version != known {
            if let (Some(disk), Some(lock)) = (&mut cluster.disk, &lock) {
                disk.write(&mut cluster.store, lock).map_err(|error| broken(&error))?;
            }
            self.inner.changes.send_replace(cluster.store.version);
        }
        outgoing
    }

    /// Everything that is in the cluster now, as the state file would hold it.
    pub fn dump(&self) -> Value {
        self.with_store(|store| serde_json::to_value(store).unwrap_or_default())
    }

    /// Looks at the store as it is now, for watches.
    pub(super) fn with_store<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        let mut cluster = self.cluster();
        let cluster = &mut *cluster;
        // A file that can't be read fails the next call; the watch goes on with what it knows.
        let lock = match &mut cluster.disk {
            Some(disk) => disk.lock(&mut cluster.store).ok(),
            None => None,
        };
        let now = self.now(&cluster.store);
        if self.advance(&mut cluster.store, now) {
            if let (Some(disk), Some(lock)) = (&mut cluster.disk, &lock)
                && disk.write(&mut cluster.store, lock).is_err()
            {
                tracing::warn!("the cluster sandbox can't write its state");
            }
            self.inner.changes.send_replace(cluster.store.version);
        }
        look(&cluster.store)
    }

    /// A receiver that wakes when this process changes the store.
    pub(super) fn changes(&self) -> tokio::sync::watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    /// Does what time and controllers have done by `now`; answers whether anything changed.
    fn advance(&self, store: &mut Store, now: SystemTime) -> bool {
        if !self.inner.controlled.load(std::sync::atomic::Ordering::SeqCst) {
            return store.advance(now);
        }
        let around = self.around().clone();
        let around = Around {
            nodes: around.nodes.nodes(now),
            database: &*around.database,
            cloud: &*around.cloud,
        };
        let emptied = store.advance(now);
        advance(store, &around, milliseconds(now)) || emptied
    }

    fn around(&self) -> MutexGuard<'_, Surroundings> {
        self.inner.around.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets where the cluster's nodes come from. Without this there are two, of four CPUs each,
    /// in two zones of us-east-1.
    pub fn set_nodes(&self, nodes: impl NodeSource + 'static) {
        self.around().nodes = Arc::new(nodes);
    }

    /// Whether controllers run (as they do from the start). Without them nobody does what
    /// Deployments ask for, and a test may write their status itself.
    pub fn run_controllers(&self, run: bool) {
        self.inner.controlled.store(run, std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets who judges the logins of coderd to its database. Without this every login with a
    /// password is good.
    pub fn set_databases(&self, databases: impl DatabaseSource + 'static) {
        self.around().database = Arc::new(databases);
    }

    /// Sets where volumes and load balancers are made. Without this claims and Services wait for
    /// theirs.
    pub fn set_cloud(&self, cloud: impl Cloud + 'static) {
        self.around().cloud = Arc::new(cloud);
    }

    fn now(&self, store: &Store) -> SystemTime {
        let latest = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(store.latest_ms));
        self.inner.clock.now().max(latest.unwrap_or(SystemTime::UNIX_EPOCH))
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.inner.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The nodes of a cluster that nobody gave any.
fn two_nodes() -> Vec<NodeFacts> {
    let node = |number: u8, zone: &str| NodeFacts {
        name: format!("ip-10-0-{number}-10.ec2.internal"),
        instance_id: format!("i-0000000000000000{number}"),
        zone: zone.to_owned(),
        instance_type: "m5.xlarge".to_owned(),
        labels: BTreeMap::new(),
        taints: Vec::new(),
        cpus: 4,
        memory_mib: 16_384,
        ready_at: SystemTime::UNIX_EPOCH,
    };
    vec![node(1, "us-east-1a"), node(2, "us-east-1b")]
}
