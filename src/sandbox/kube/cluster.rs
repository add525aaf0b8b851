//! The cluster itself: takes requests, lets faults happen, and keeps the store.

use super::controllers::{
    Around, NodeFacts, NodeSource, advance, coderd_version, environment, is_ready, stopping,
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
use crate::sandbox::fault::{Call, Effect, FaultBoard, Faults, Outcome, Stop};
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
    board: Mutex<FaultBoard>,
    stop: tokio::sync::watch::Sender<bool>,
    /// The store's version, for watches to wake on.
    changes: tokio::sync::watch::Sender<u64>,
    /// Where nodes come from, and whose passwords databases take.
    /// Whether anybody does what Deployments ask for.
    controlled: std::sync::atomic::AtomicBool,
    around: Mutex<(Arc<dyn NodeSource>, Arc<dyn DatabaseSource>)>,
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
        Self::with(clock, Store::new(seed, clock.now()), None)
    }

    /// A cluster that is kept in the file `path`, which several processes may share. `seed` counts
    /// only where the file is new. Where `clock` is behind the latest time that the file has
    /// seen, the cluster's clock starts there (see [`KubeSandbox::clock`]).
    ///
    /// # Errors
    ///
    /// If the file can't be read, is not a cluster's, or is damaged.
    pub fn open(path: &std::path::Path, clock: Clock, seed: u64) -> Result<Self, OpenError> {
        let (disk, store) = Disk::open(path, seed, clock.now())?;
        let latest = SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(store.latest_ms))
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let clock =
            if clock.now() < latest { Clock::starting_at(latest, clock.rate()) } else { clock };
        Ok(Self::with(clock, store, Some(disk)))
    }

    fn with(clock: Clock, store: Store, disk: Option<Disk>) -> Self {
        let (stop, _) = tokio::sync::watch::channel(false);
        let (changes, _) = tokio::sync::watch::channel(store.version);
        let cluster = Cluster { store, disk, token: None, page_size: 0 };
        KubeSandbox {
            inner: Arc::new(Inner {
                clock,
                cluster: Mutex::new(cluster),
                board: Mutex::new(FaultBoard::default()),
                stop,
                changes,
                controlled: true.into(),
                around: Mutex::new((Arc::new(two_nodes()), Arc::new(AnyPassword))),
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
        self.board().faults().clone()
    }

    /// Sets the faults, from their beginning, and lets a stopped cluster answer again. Operations
    /// are named `kubernetes:VERB RESOURCE`, for example `kubernetes:patch configmaps`. Reads of
    /// a cluster don't lag: its API promises that they see what was written.
    pub fn set_faults(&self, faults: Faults) {
        self.board().set(faults);
        self.inner.stop.send_replace(false);
    }

    /// Every call so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Call> {
        self.board().calls().to_vec()
    }

    /// How often each operation was called, by `kubernetes:VERB RESOURCE`.
    pub fn counts(&self) -> BTreeMap<String, usize> {
        self.board().counts()
    }

    /// Starts the list of calls anew.
    pub fn forget_calls(&self) {
        self.board().forget_calls();
    }

    /// Completes when an [`Effect::Stop`] was hit: the client's process is dead from here on, its
    /// run is to be dropped. Until [`KubeSandbox::set_faults`], no call is answered any more.
    pub async fn stopped(&self) {
        let mut stop = self.inner.stop.subscribe();
        // The sender lives in `self`, so the channel can't be closed while this waits.
        let _ = stop.wait_for(|stopped| *stopped).await;
    }

    /// Takes one HTTP request and answers it. Never completes for calls that a fault leaves
    /// without an answer.
    ///
    /// # Errors
    ///
    /// [`Lost`] where a fault breaks the connection.
    pub async fn handle(&self, request: Request<Bytes>) -> Result<Response<KubeBody>, Lost> {
        if *self.inner.stop.borrow() {
            return std::future::pending().await;
        }
        let asked = match Asked::read(request) {
            Ok(asked) => asked,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let wanted = self.cluster().token.clone();
        if wanted.is_some() && wanted != asked.token {
            return Ok(refused(&Refusal::unauthorized()));
        }
        let (n, effect) = self.record(&asked);
        match effect {
            None => Ok(self.answer(n, &asked)),
            Some(Effect::Delay(delay)) => {
                let response = self.answer(n, &asked);
                self.inner.clock.sleep(delay).await;
                Ok(response)
            }
            Some(Effect::Throttle) => Ok(self.refuse(n, &Refusal::too_many_requests())),
            Some(Effect::Error { status, code, message }) => {
                Ok(self.refuse(n, &Refusal::new(status, code, message)))
            }
            Some(Effect::ServerError500) => {
                let message = "Internal error occurred: the sandbox was told to fail";
                Ok(self.refuse(n, &Refusal::new(500, "InternalError", message)))
            }
            Some(Effect::LoseRequest) => {
                self.board().outcome(n, Outcome::Lost { acted: false });
                Err(Lost)
            }
            Some(Effect::LoseAnswer) => {
                let acted = self.answer(n, &asked).status().is_success();
                self.board().outcome(n, Outcome::Lost { acted });
                Err(Lost)
            }
            Some(Effect::NeverAnswer) => {
                let acted = self.answer(n, &asked).status().is_success();
                self.board().outcome(n, Outcome::Lost { acted });
                std::future::pending().await
            }
            Some(Effect::Stop(stop)) => {
                if stop == Stop::After {
                    self.answer(n, &asked);
                }
                self.board().outcome(n, Outcome::Stopped(stop));
                self.inner.stop.send_replace(true);
                std::future::pending().await
            }
        }
    }

    /// Takes a request for a port-forward.
    pub(super) fn forward(
        &self,
        request: Request<hyper::body::Incoming>,
    ) -> Result<Response<KubeBody>, Lost> {
        let mut bare = Request::new(Bytes::new());
        *bare.uri_mut() = request.uri().clone();
        *bare.headers_mut() = request.headers().clone();
        let asked = match Asked::read(bare) {
            Ok(asked) => asked,
            Err(refusal) => return Ok(refused(&refusal)),
        };
        let wanted = self.cluster().token.clone();
        if wanted.is_some() && wanted != asked.token {
            return Ok(refused(&Refusal::unauthorized()));
        }
        let (n, effect) = self.record(&asked);
        match effect {
            Some(Effect::Throttle) => {
                return Ok(self.refuse(n, &Refusal::too_many_requests()));
            }
            Some(Effect::Error { status, code, message }) => {
                return Ok(self.refuse(n, &Refusal::new(status, code, message)));
            }
            Some(Effect::ServerError500) => {
                let message = "Internal error occurred: the sandbox was told to fail";
                return Ok(self.refuse(n, &Refusal::new(500, "InternalError", message)));
            }
            Some(_) => {
                self.board().outcome(n, Outcome::Lost { acted: false });
                return Err(Lost);
            }
            None => {}
        }
        match self.target(&asked) {
            Ok(target) => {
                self.board().outcome(n, Outcome::Done);
                Ok(super::forward::accept(self, request, target))
            }
            Err(refusal) => Ok(self.refuse(n, &refusal)),
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
        let mut cluster = self.cluster();
        let cluster = &mut *cluster;
        let lock = match &mut cluster.disk {
            Some(disk) => Some(disk.lock(&mut cluster.store).ok()?),
            None => None,
        };
        asked.at = milliseconds(self.now(&cluster.store));
        let reply = coderd::answer(&mut cluster.store.coder, &asked);
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

    fn record(&self, asked: &Asked) -> (u64, Option<Effect>) {
        let operation = asked.operation();
        let mutating = asked.mutates();
        let mut board = self.board();
        let n = board.record(Call {
            n: 0,
            time: milliseconds(self.inner.clock.now()),
            service: "kubernetes".to_owned(),
            operation: operation.clone(),
            region: String::new(),
            mutating,
            outcome: Outcome::Open,
        });
        (n, board.decide(&format!("kubernetes:{operation}"), mutating))
    }

    fn refuse(&self, n: u64, refusal: &Refusal) -> Response<KubeBody> {
        let outcome = Outcome::Refused { status: refusal.code, code: refusal.reason.clone() };
        self.board().outcome(n, outcome);
        refused(refusal)
    }

    fn answer(&self, n: u64, asked: &Asked) -> Response<KubeBody> {
        match self.act(asked) {
            Err(refusal) => self.refuse(n, &refusal),
            Ok(outgoing) => {
                self.board().outcome(n, Outcome::Done);
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
        let around = Around { nodes: around.0.nodes(now), database: &*around.1 };
        let emptied = store.advance(now);
        advance(store, &around, milliseconds(now)) || emptied
    }

    fn around(&self) -> MutexGuard<'_, (Arc<dyn NodeSource>, Arc<dyn DatabaseSource>)> {
        self.inner.around.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets where the cluster's nodes come from. Without this there are two, of four CPUs each,
    /// in two zones of us-east-1.
    pub fn set_nodes(&self, nodes: impl NodeSource + 'static) {
        self.around().0 = Arc::new(nodes);
    }

    /// Whether controllers run (as they do from the start). Without them nobody does what
    /// Deployments ask for, and a test may write their status itself.
    pub fn run_controllers(&self, run: bool) {
        self.inner.controlled.store(run, std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets who judges the logins of coderd to its database. Without this every login with a
    /// password is good.
    pub fn set_databases(&self, databases: impl DatabaseSource + 'static) {
        self.around().1 = Arc::new(databases);
    }

    fn now(&self, store: &Store) -> SystemTime {
        let latest = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(store.latest_ms));
        self.inner.clock.now().max(latest.unwrap_or(SystemTime::UNIX_EPOCH))
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.inner.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn board(&self) -> MutexGuard<'_, FaultBoard> {
        self.inner.board.lock().unwrap_or_else(PoisonError::into_inner)
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

fn refused(refusal: &Refusal) -> Response<KubeBody> {
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
