//! The Kubernetes APIs of the sandbox's EKS clusters: one for each, at the endpoint that EKS tells,
//! with the nodes that Auto Scaling has started and the databases that RDS runs.

use super::coderd::{Contents, DatabaseSource, Databases as Kept, Login};
use super::disk::OpenError;
use super::doorkeeper::signer;
use super::eks::{Access, Around, Endpoint};
use super::kube::{self, Caller, Grant, KubeBody, KubeSandbox, NodeFacts, NodeSource};
use super::running::{Backends, scope};
use super::store::Scope;
use super::{Lost, Sandbox};
use crate::clock::Clock;
use http::{Request, Response, Uri, header};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The Kubernetes APIs of an account's clusters.
#[derive(Clone, Debug)]
pub struct Clusters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sandbox: Sandbox,
    account: String,
    /// The file of the sandbox's state; those of the clusters are beside it.
    path: Option<PathBuf>,
    /// By the cluster's id.
    open: Mutex<BTreeMap<String, Open>>,
}

/// A cluster that somebody has reached.
#[derive(Clone, Debug)]
struct Open {
    api: KubeSandbox,
    account: String,
    region: String,
    name: String,
}

/// Why a cluster can not be reached.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// No cluster has this endpoint.
    #[error("nothing answers at {0}")]
    Nothing(String),
    /// Its state can not be read.
    #[error("opening the state of the cluster")]
    State(#[from] OpenError),
}

impl Clusters {
    /// The clusters of `account` in `sandbox`; their state is kept beside the file `path`, or as
    /// long as this lives.
    pub fn new(sandbox: Sandbox, account: &str, path: Option<PathBuf>) -> Self {
        let clusters = Clusters(Arc::new(Inner {
            sandbox: sandbox.clone(),
            account: account.to_owned(),
            path,
            open: Mutex::default(),
        }));
        let inner: Arc<dyn Backends> = clusters.0.clone();
        sandbox.set_backends(Arc::downgrade(&inner));
        clusters
    }

    /// What `GET https://host/healthz` answers somebody on the internet: status and body. From
    /// the name to the load balancer of `region`, its listener, its target group, and a node on
    /// which a server answers.
    ///
    /// # Errors
    ///
    /// Where the way ends, in a client's words.
    pub fn healthz(&self, region: &str, host: &str) -> Result<(u16, String), String> {
        let Inner { sandbox, account, .. } = self.0.as_ref();
        let scope = scope(account, region);
        let addresses = sandbox.resolve(host, "A");
        let Some(first) = addresses.first() else {
            return Err(format!("{host} has no address"));
        };
        let Some(door) = sandbox.door(&scope, &addresses) else {
            return Err(format!("connecting to {first}:443: connection refused"));
        };
        let parent = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        if !door.names.iter().any(|name| name == host || Some(name) == parent.as_ref()) {
            let names = door.names.join(", ");
            return Err(format!("the certificate is for {names}, not for {host}"));
        }
        match sandbox.answering(&scope, &door.target_group) {
            Some(answering) if !answering.is_empty() => Ok((200, "OK".to_owned())),
            _ => Err("the connection was closed before an answer".to_owned()),
        }
    }

    /// The API at `endpoint`.
    ///
    /// # Errors
    ///
    /// When no cluster of the region has it, or its state can not be read.
    pub fn at(&self, region: &str, endpoint: &str) -> Result<KubeSandbox, Unreachable> {
        let clusters = self.0.sandbox.clusters(&self.0.account, region);
        match clusters.into_iter().find(|cluster| cluster.url == endpoint) {
            Some(cluster) => Ok(self.0.open(&self.0.account, region, &cluster)?),
            None => Err(Unreachable::Nothing(endpoint.to_owned())),
        }
    }

    /// Answers a request over HTTP to a path below a cluster's id: `/0123…/api/v1/pods`. A cluster
    /// that is not there, or still or no more without an API, doesn't answer.
    ///
    /// # Errors
    ///
    /// [`Lost`] where the connection breaks.
    pub(super) async fn answer(
        &self,
        mut request: Request<hyper::body::Incoming>,
    ) -> Result<Response<KubeBody>, Lost> {
        let (id, below) = split(request.uri());
        let Some((account, region, cluster)) = self.of_id(&id) else { return Err(Lost) };
        let api = self.0.open(&account, &region, &cluster).map_err(|_| Lost)?;
        let bearer = request.headers().get(header::AUTHORIZATION);
        let bearer = bearer.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
        let Some(caller) = self.caller(&cluster, token) else { return Ok(kube::unauthorized()) };
        *request.uri_mut() = below.parse().map_err(|_| Lost)?;
        kube::answer(&api, Some(&caller), request).await
    }

    /// Whom an access entry of `cluster` makes of the signer of `token`. Whoever signs has the
    /// machine's clock, for the sandbox's may run faster.
    fn caller(&self, cluster: &Endpoint, token: &str) -> Option<Caller> {
        let signer = signer(&self.0.sandbox, token, &cluster.name, Clock::real().now())?;
        let entry = cluster.access.iter().find(|entry| signer.is(&entry.principal))?;
        let Access { username, groups, policies, .. } = entry;
        let grant = |(arn, namespaces): &(String, Vec<String>)| Grant {
            policy: arn.rsplit('/').next().unwrap_or(arn).to_owned(),
            namespaces: namespaces.clone(),
        };
        Some(Caller {
            name: username.replace("{{SessionName}}", &signer.session),
            groups: groups.clone(),
            grants: policies.iter().map(grant).collect(),
        })
    }

    fn of_id(&self, id: &str) -> Option<(String, String, Endpoint)> {
        let sandbox = &self.0.sandbox;
        sandbox.places().into_iter().find_map(|(account, region)| {
            let mut clusters = sandbox.clusters(&account, &region).into_iter();
            let cluster = clusters.find(|cluster| cluster.id == id)?;
            Some((account, region, cluster))
        })
    }

    /// Other clusters that are as these are now, in `sandbox`, which is a fork of theirs, and on
    /// its clock. They are not kept in files.
    pub fn fork(&self, sandbox: &Sandbox) -> Self {
        let fork = Clusters::new(sandbox.clone(), &self.0.account, None);
        let mut taken = BTreeMap::new();
        for (id, cluster) in &*self.0.open.lock().unwrap_or_else(PoisonError::into_inner) {
            let api = cluster.api.fork_on(sandbox.clock(), sandbox.gate());
            let cluster = Open { api, ..cluster.clone() };
            fork.0.surround(&cluster);
            taken.insert(id.clone(), cluster);
        }
        *fork.0.open.lock().unwrap_or_else(PoisonError::into_inner) = taken;
        fork
    }

    /// What each cluster of `region` holds now, by name, as its state file would hold it, after
    /// all that time has brought about. One whose file can't be read is left out.
    pub fn dump(&self, region: &str) -> BTreeMap<String, Value> {
        let all = self.0.sandbox.clusters(&self.0.account, region);
        let dumped = all.into_iter().filter_map(|cluster| {
            let api = self.0.open(&self.0.account, region, &cluster).ok()?;
            Some((cluster.name, api.dump()))
        });
        dumped.collect()
    }
}

/// A path's first part, which is a cluster's id, and the rest with the query.
fn split(uri: &Uri) -> (String, String) {
    let all = uri.path_and_query().map(|all| all.as_str()).unwrap_or_default();
    let all = all.trim_start_matches('/');
    let (id, below) = all.split_once('/').unwrap_or((all, ""));
    (id.to_uppercase(), format!("/{below}"))
}

/// Whether a path may lead to a cluster of EKS: its first part has the form of an id.
pub(super) fn is_of_cluster(uri: &Uri) -> bool {
    let id = split(uri).0;
    id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Inner {
    fn open(
        &self,
        account: &str,
        region: &str,
        cluster: &Endpoint,
    ) -> Result<KubeSandbox, OpenError> {
        let Inner { sandbox, path, open, .. } = self;
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(&cluster.id) {
            return Ok(known.api.clone());
        }
        let id = cluster.id.to_lowercase();
        let clock = sandbox.clock();
        let path = path.as_ref().map(|path| path.with_extension(format!("{id}.cluster.json")));
        let seed = if path.is_some() { clock.unix() } else { 7 };
        let api = KubeSandbox::behind(sandbox.gate(), path.as_deref(), clock, seed)?;
        let reached = Open {
            api: api.clone(),
            account: account.to_owned(),
            region: region.to_owned(),
            name: cluster.name.clone(),
        };
        self.surround(&reached);
        open.insert(cluster.id.clone(), reached);
        Ok(api)
    }

    /// Gives a cluster its nodes, its databases, and the AWS around it.
    fn surround(&self, Open { api, account, region, name }: &Open) {
        let sandbox = &self.sandbox;
        api.set_nodes(Nodes {
            sandbox: sandbox.clone(),
            account: account.clone(),
            region: region.clone(),
            cluster: name.clone(),
        });
        api.set_cloud(Around {
            sandbox: sandbox.clone(),
            scope: Scope {
                account: account.clone(),
                region: region.clone(),
                access_key: String::new(),
            },
            cluster: name.clone(),
        });
        api.set_databases(Databases(sandbox.clone()));
    }
}

impl Backends for Inner {
    fn answers(&self, scope: &Scope, instance: &str, port: u16) -> bool {
        if scope.account != self.account {
            return false;
        }
        self.sandbox.clusters(&self.account, &scope.region).iter().any(|cluster| {
            let nodes = self.sandbox.nodes(&self.account, &scope.region, &cluster.name);
            let node = nodes.into_iter().find(|node| node.instance_id == instance);
            node.is_some_and(|node| {
                let api = self.open(&scope.account, &scope.region, cluster);
                node.ready_at.is_some() && api.is_ok_and(|api| api.answers_on(&node.name, port))
            })
        })
    }
}

/// The nodes of one cluster.
#[derive(Debug)]
struct Nodes {
    sandbox: Sandbox,
    account: String,
    region: String,
    cluster: String,
}

impl NodeSource for Nodes {
    fn nodes(&self, _: SystemTime) -> Vec<NodeFacts> {
        let nodes = self.sandbox.nodes(&self.account, &self.region, &self.cluster);
        let facts = nodes.into_iter().filter_map(|node| {
            Some(NodeFacts {
                name: node.name,
                instance_id: node.instance_id,
                zone: node.zone,
                instance_type: node
                    .labels
                    .get("node.kubernetes.io/instance-type")
                    .cloned()
                    .unwrap_or_default(),
                labels: node.labels,
                taints: node
                    .taints
                    .into_iter()
                    .map(|(key, value, effect)| (key, value.unwrap_or_default(), effect))
                    .collect(),
                cpus: u32::try_from(node.cpus).unwrap_or(u32::MAX),
                memory_mib: u32::try_from(node.memory).unwrap_or(u32::MAX),
                ready_at: node.ready_at?,
            })
        });
        facts.collect()
    }
}

/// The databases of RDS, by the names of their endpoints:
/// `coder-prod.cluster-0123456789ab.us-east-1.rds.amazonaws.com`.
#[derive(Debug)]
struct Databases(Sandbox);

impl DatabaseSource for Databases {
    fn login(&self, host: &str, _: &str, password: &str) -> Login {
        let mut labels = host.split('.');
        let (Some(id), Some(_), Some(region)) = (labels.next(), labels.next(), labels.next())
        else {
            return Login::Unreachable;
        };
        if self.0.accepts_password(region, id, password) { Login::Accepted } else { Login::Refused }
    }

    fn contents(&self, host: &str, work: &mut dyn FnMut(&mut Kept)) -> Contents {
        let mut labels = host.split('.');
        let (Some(id), Some(_), Some(region)) = (labels.next(), labels.next(), labels.next())
        else {
            return Contents::Lost;
        };
        self.0.in_database((region, id), &mut |databases| {
            databases.move_to(host);
            work(databases);
        })
    }
}
