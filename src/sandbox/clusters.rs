//! The Kubernetes APIs of the sandbox's EKS clusters: one for each, at the endpoint that EKS tells,
//! with the nodes that Auto Scaling has started and the databases that RDS runs.

use super::Sandbox;
use super::coderd::{DatabaseSource, Login};
use super::disk::OpenError;
use super::kube::{KubeSandbox, NodeFacts, NodeSource};
use super::running::{Backends, scope};
use super::store::Scope;
use std::collections::HashMap;
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
    open: Mutex<HashMap<String, KubeSandbox>>,
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
        self.0.api(region, endpoint)
    }
}

impl Inner {
    fn api(&self, region: &str, endpoint: &str) -> Result<KubeSandbox, Unreachable> {
        let Inner { sandbox, account, path, open } = self;
        let clusters = sandbox.clusters(account, region);
        let Some(cluster) = clusters.into_iter().find(|cluster| cluster.url == endpoint) else {
            return Err(Unreachable::Nothing(endpoint.to_owned()));
        };
        let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get(endpoint) {
            return Ok(known.clone());
        }
        let host = endpoint.trim_start_matches("https://");
        let id = host.split('.').next().unwrap_or_default().to_lowercase();
        let clock = sandbox.clock();
        let api = match path {
            Some(path) => {
                let path = path.with_extension(format!("{id}.cluster.json"));
                KubeSandbox::open(&path, clock, clock.unix())?
            }
            None => KubeSandbox::in_memory(clock, 7),
        };
        api.set_nodes(Nodes {
            sandbox: sandbox.clone(),
            account: account.clone(),
            region: region.to_owned(),
            cluster: cluster.name,
        });
        api.set_databases(Databases(sandbox.clone()));
        open.insert(endpoint.to_owned(), api.clone());
        Ok(api)
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
                let api = self.api(&scope.region, &cluster.url);
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
}
