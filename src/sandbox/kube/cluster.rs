//! The cluster itself: takes requests, lets faults happen, and keeps the store.

use super::caller::Caller;
use super::controllers::{
    Around, Cloud, NoCloud, NodeFacts, NodeSource, advance, coderd_version, databases, environment,
    is_ready, stopping,
};
use super::disk::Disk;
use super::forward::Target;
use super::request::{Asked, Path, Place};
use super::resources::{Resource, find};
use super::selector::Selector;
use super::status::{Answer, Refusal};
use super::store::{Store, milliseconds};
use super::verbs::{Call as Verb, Reply};
use super::{discovery, openapi, watch};
use crate::clock::Clock;
use crate::sandbox::coderd::{self, AnyPassword, DatabaseSource};
use crate::sandbox::fault::{Call, Faults, Outcome};
use crate::sandbox::gate::{Gate, Refused, Served};
use crate::sandbox::{Lost, OpenError};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
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

/// What is sent back.
enum Outgoing {
    Object(Reply),
    Text(String),
    Watch(Box<watch::Watch>, std::collections::VecDeque<Value>),
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

    /// Lets a request to the coderd at `target` pass the gate.
    pub(super) async fn coder(
        &self,
        target: &Target,
        asked: coderd::Asked,
    ) -> Result<coderd::Reply, Lost> {
        let call = self.call("coder", coderd::operation(&asked), asked.method != "GET");
        let arrived = InPod { sandbox: self, target, asked };
        // A pod that has gone meanwhile breaks the connection.
        self.inner.gate.pass(self.inner.clock, call, &arrived).await?.ok_or(Lost)
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

    fn target(&self, asked: &Asked) -> Answer<Target> {
        let Path::Resource(place) = &asked.path else { return Err(Refusal::no_such_path()) };
        let (Some(namespace), Some(pod)) = (&place.namespace, &place.name) else {
            return Err(Refusal::no_such_path());
        };
        let port = asked
            .query("ports")
            .parse()
            .map_err(|_| Refusal::bad_request("one port must be named: ports=8080"))?;
        self.with_store(|store| match store.get("pods", namespace, pod) {
            None => {
                let named = super::status::Named { group: "", plural: "pods", name: pod };
                Err(Refusal::not_found(named))
            }
            Some(found) if found["status"]["phase"] != "Running" => {
                Err(Refusal::bad_request(format!(
                    "unable to forward port because pod is not running. Current status={}",
                    found["status"]["phase"].as_str().unwrap_or("Pending")
                )))
            }
            Some(_) => Ok(Target { namespace: namespace.clone(), pod: pod.clone(), port }),
        })
    }

    /// Version and environment of the coderd that answers at `target`, if one does.
    pub(super) fn coderd_in(&self, target: &Target) -> Option<(String, BTreeMap<String, String>)> {
        self.with_store(|store| {
            let pod = store.get("pods", &target.namespace, &target.pod)?;
            if target.port != 8080 || !is_ready(pod) || stopping(pod) {
                return None;
            }
            let mut all = pod["spec"]["containers"].as_array()?.iter();
            all.find_map(|container| {
                let version = coderd_version(container)?;
                Some((version, environment(store, pod, container).ok()?))
            })
        })
    }

    /// Lets the coderd at `target` answer; `None` when there is none any more.
    pub(super) fn ask_coderd(
        &self,
        target: &Target,
        mut asked: coderd::Asked,
    ) -> Option<coderd::Reply> {
        let (version, environment) = self.coderd_in(target)?;
        asked.database = coderd::database_of(&environment)?;
        (asked.version, asked.environment) = (version, environment);
        let source = self.around().database.clone();
        let mut cluster = self.cluster();
        let cluster = &mut *cluster;
        let lock = match &mut cluster.disk {
            Some(disk) => Some(disk.lock(&mut cluster.store).ok()?),
            None => None,
        };
        asked.at = milliseconds(self.now(&cluster.store));
        let host = asked.database.split('/').next().unwrap_or_default();
        let own = &mut cluster.store.coder;
        let reply = coderd::in_databases(&*source, own, host, |databases| {
            coderd::answer(databases, &asked)
        })?;
        if asked.method != "GET" {
            cluster.store.builds = true;
        }
        if let (Some(disk), Some(lock)) = (&mut cluster.disk, &lock) {
            disk.write(&mut cluster.store, lock).ok()?;
        }
        Some(reply)
    }

    /// Whether something answers on `port` of the node: a service has it, and a pod behind that is
    /// ready. With the traffic policy `Local`, one on this very node.
    pub(in crate::sandbox) fn answers_on(&self, node: &str, port: u16) -> bool {
        let has = |service: &&Value| {
            let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
            ports.any(|one| one["nodePort"] == port)
        };
        self.with_store(|store| {
            store.of("services").filter(has).any(|service| {
                let text = |at: &str| service["metadata"][at].as_str().unwrap_or_default();
                let endpoints = store.get("endpoints", text("namespace"), text("name"));
                let subsets = endpoints.and_then(|found| found["subsets"].as_array());
                let mut addresses = subsets
                    .into_iter()
                    .flatten()
                    .filter_map(|subset| subset["addresses"].as_array())
                    .flatten();
                let is_local = service["spec"]["externalTrafficPolicy"] == "Local";
                addresses.any(|address| !is_local || address["nodeName"] == node)
            })
        })
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

    /// Lets `owner`, a user of a coderd that runs here, start a workspace of a template that puts it
    /// into `namespace`, or nowhere in the cluster if that is empty; the user is made if there is
    /// none of that name. Answers whether there is a coderd with users.
    pub fn start_workspace(&self, owner: &str, name: &str, namespace: &str) -> bool {
        let mut started = false;
        self.tell_coderd(|all, database, at| {
            started = started || all.start(database, (owner, name), namespace, at);
        });
        started
    }

    /// From now on no build can delete the workspaces of this name, or every one can.
    pub fn stick_workspace(&self, name: &str, is_stuck: bool) {
        self.tell_coderd(|all, database, _| all.stick(database, name, is_stuck));
    }

    /// Works on the databases of the coderds that run here, one after the other.
    fn tell_coderd(&self, mut tell: impl FnMut(&mut coderd::Databases, &str, u64)) {
        let source = self.around().database.clone();
        let mut cluster = self.cluster();
        let cluster = &mut *cluster;
        let lock = match &mut cluster.disk {
            Some(disk) => disk.lock(&mut cluster.store).ok(),
            None => None,
        };
        let at = milliseconds(self.now(&cluster.store));
        for database in databases(&cluster.store) {
            let host = database.split('/').next().unwrap_or_default();
            let own = &mut cluster.store.coder;
            coderd::in_databases(&*source, own, host, |all| tell(all, &database, at));
        }
        // Controllers look again, as after a write.
        cluster.store.builds = true;
        cluster.store.version += 1;
        if let (Some(disk), Some(lock)) = (&mut cluster.disk, &lock)
            && disk.write(&mut cluster.store, lock).is_err()
        {
            tracing::warn!("the cluster sandbox can't write its state");
        }
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

/// A call to the API, as far as it has come.
struct Arrived<'a, A> {
    sandbox: &'a KubeSandbox,
    content: String,
    answer: A,
}

impl<A: Fn(u64) -> Response<KubeBody>> Served for Arrived<'_, A> {
    type Answer = Response<KubeBody>;

    fn act(&self, n: u64) -> Response<KubeBody> {
        (self.answer)(n)
    }

    fn refuse(&self, n: u64, why: &Refused) -> Response<KubeBody> {
        let refusal = match why {
            Refused::Throttled => Refusal::too_many_requests(),
            Refused::Internal => {
                let message = "Internal error occurred: the sandbox was told to fail";
                Refusal::new(500, "InternalError", message)
            }
            Refused::With { status, code, message } => {
                Refusal::new(*status, code.clone(), message.clone())
            }
        };
        self.sandbox.refuse(n, &refusal)
    }

    fn content(&self) -> String {
        self.content.clone()
    }

    fn is_success(answer: &Response<KubeBody>) -> bool {
        answer.status().is_success()
    }
}

/// A call to coderd, as far as it has come. There is no answer where the pod has gone.
struct InPod<'a> {
    sandbox: &'a KubeSandbox,
    target: &'a Target,
    asked: coderd::Asked,
}

impl Served for InPod<'_> {
    type Answer = Option<coderd::Reply>;

    fn act(&self, n: u64) -> Option<coderd::Reply> {
        let reply = self.sandbox.ask_coderd(self.target, self.asked.clone());
        let outcome = match &reply {
            None => Outcome::Lost { acted: false },
            Some((status, _)) if *status < 400 => Outcome::Done,
            Some((status, _)) => Outcome::Refused { status: *status, code: status.to_string() },
        };
        self.sandbox.inner.gate.outcome(n, outcome);
        reply
    }

    fn refuse(&self, n: u64, why: &Refused) -> Option<coderd::Reply> {
        let (status, message) = match why {
            Refused::Throttled => (429, "You've been rate limited for sending too many requests."),
            Refused::Internal => (500, "An internal server error occurred."),
            Refused::With { status, message, .. } => (*status, message.as_str()),
        };
        let outcome = Outcome::Refused { status, code: status.to_string() };
        self.sandbox.inner.gate.outcome(n, outcome);
        Some((status, serde_json::json!({ "message": message })))
    }

    fn content(&self) -> String {
        String::from_utf8_lossy(&self.asked.body).into_owned()
    }

    fn is_success(answer: &Option<coderd::Reply>) -> bool {
        answer.as_ref().is_some_and(|(status, _)| *status < 400)
    }
}

impl Cluster {
    fn route(&mut self, asked: &Asked, now: SystemTime) -> Answer<Outgoing> {
        let found = |object: Option<Value>| {
            object.map(|object| Outgoing::Object((200, object))).ok_or_else(Refusal::no_such_path)
        };
        match &asked.path {
            Path::Health => Ok(Outgoing::Text("ok".to_owned())),
            Path::Version => found(Some(discovery::version())),
            Path::OpenApi => found(Some(openapi::index(&self.store))),
            Path::OpenApiOf { group, version } => {
                found(openapi::document(&self.store, group, version))
            }
            Path::Core => found(Some(discovery::core_versions())),
            Path::Groups => found(Some(discovery::groups(&self.store))),
            Path::Group(name) => found(discovery::group(&self.store, name)),
            Path::GroupVersion { group, version } => {
                found(discovery::resources(&self.store, group, version))
            }
            Path::Resource(place) => {
                let resource = find(&self.store, &place.group, &place.version, &place.plural)
                    .ok_or_else(Refusal::no_such_path)?;
                if place.plural == "pods" && place.subresource.as_deref() == Some("log") {
                    return self.log(place);
                }
                if asked.watches() {
                    return self.watch(asked, place, resource, now);
                }
                self.verb(asked, place, resource, now)
            }
        }
    }

    fn log(&self, place: &Place) -> Answer<Outgoing> {
        let name = place.name.as_deref().unwrap_or_default();
        let namespace = place.namespace.as_deref().unwrap_or_default();
        let pod = self.store.get("pods", namespace, name).ok_or_else(|| {
            Refusal::not_found(super::status::Named { group: "", plural: "pods", name })
        })?;
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let lines = self.store.lives.get(uid).map(|life| life.log.join("\n") + "\n");
        Ok(Outgoing::Text(lines.unwrap_or_default()))
    }

    fn verb(
        &mut self,
        asked: &Asked,
        place: &Place,
        resource: Resource,
        now: SystemTime,
    ) -> Answer<Outgoing> {
        let page_size = self.page_size;
        let mut rehearsal;
        let store = if asked.dry_run() {
            rehearsal = self.store.clone();
            &mut rehearsal
        } else {
            &mut self.store
        };
        Verb { store, asked, place, resource, now, page_size }.run().map(Outgoing::Object)
    }

    fn watch(
        &self,
        asked: &Asked,
        place: &Place,
        resource: Resource,
        now: SystemTime,
    ) -> Answer<Outgoing> {
        let fields = match &place.name {
            Some(name) => format!("metadata.name={name}"),
            None => asked.query("fieldSelector").to_owned(),
        };
        let selector = Selector::parse(asked.query("labelSelector"), &fields)?;
        let from = asked.query("resourceVersion");
        let streamed_list = asked.flag("sendInitialEvents");
        let anew = matches!(from, "" | "0") || streamed_list;
        let version = if anew {
            self.store.version
        } else {
            from.parse().map_err(|_| {
                Refusal::bad_request(format!("Invalid value: {from:?}: resourceVersion"))
            })?
        };
        let seconds: u64 = asked.query("timeoutSeconds").parse().unwrap_or(0);
        let watch = watch::Watch {
            resource,
            namespace: place.namespace.clone(),
            selector,
            version,
            until: (seconds > 0).then(|| now + Duration::from_secs(seconds.min(86_400))),
        };
        let mut initial = if anew { watch.initial(&self.store) } else { Default::default() };
        if streamed_list {
            initial.push_back(watch.end_of_initial(version));
        }
        Ok(Outgoing::Watch(Box::new(watch), initial))
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

pub(super) fn refused(refusal: &Refusal) -> Response<KubeBody> {
    let mut answer = response(refusal.code, &refusal.to_wire().to_string());
    if refusal.code == 429 {
        answer.headers_mut().insert("retry-after", http::HeaderValue::from_static("1"));
    }
    answer
}

fn response(code: u16, text: &str) -> Response<KubeBody> {
    // `Full` can't fail, so there is no error to turn into one.
    let body = Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {});
    with_body(code, body.boxed_unsync())
}

fn with_body(code: u16, body: KubeBody) -> Response<KubeBody> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

fn broken(error: &OpenError) -> Refusal {
    let message = format!("Internal error occurred: the sandbox can't keep its state: {error}");
    Refusal::new(500, "InternalError", message)
}
