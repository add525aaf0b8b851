//! How the deployment's own clusters are reached: over TLS that trusts the cluster's authority and
//! no other, with tokens that are made from the AWS credentials at hand.

use super::client::chain;
use super::connection::Cluster;
use crate::aws::Clients;
use crate::aws::eks::access::Access;
use crate::aws::eks::token::Tokens;
use crate::kind::{Cx, Error, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long connecting to a cluster may take.
const CONNECT: Duration = Duration::from_secs(10);

/// Makes a client that reaches a cluster. It brings no credentials: each request gets its own.
type Connect = dyn Fn(&Access) -> Result<kube::Client> + Send + Sync;

/// A connector of [`Cx`]: makes the connections to clusters that are known only once AWS has told
/// how they are reached.
#[derive(Clone)]
pub struct ClusterTransport {
    connect: Arc<Connect>,
    known: Arc<Mutex<HashMap<Access, Cluster>>>,
    planning: Arc<AtomicBool>,
}

impl fmt::Debug for ClusterTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterTransport")
    }
}

impl ClusterTransport {
    /// Over what `connect` makes: the sandbox, a test's cluster.
    pub fn new(
        connect: impl Fn(&Access) -> Result<kube::Client> + Send + Sync + 'static,
    ) -> ClusterTransport {
        ClusterTransport {
            connect: Arc::new(connect),
            known: Arc::default(),
            planning: Arc::default(),
        }
    }

    /// Over the network.
    pub fn over_tls() -> ClusterTransport {
        ClusterTransport::new(over_tls)
    }

    /// From now on, every cluster refuses all but reads (`true`), or takes everything.
    pub fn set_planning(&self, planning: bool) {
        self.planning.store(planning, Ordering::SeqCst);
    }

    /// The connection to a cluster, the same each time.
    pub(super) fn cluster(&self, cx: &Cx, access: &Access) -> Result<Cluster> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cluster) = known.get(access) {
            return Ok(cluster.clone());
        }
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        let clients = Clients::clone(&clients);
        let tokens = Tokens::new(access.clone(), clients, cx.clock, cx.masks.clone());
        let client = (self.connect)(access)?;
        let cluster = Cluster::guarded(client, self.planning.clone(), Some(Arc::new(tokens)));
        known.insert(access.clone(), cluster.clone());
        Ok(cluster)
    }
}

fn over_tls(access: &Access) -> Result<kube::Client> {
    let bad = |why: String| Error::local(format!("the cluster {}: {why}", access.cluster));
    let endpoint = access
        .endpoint
        .parse()
        .map_err(|error| bad(format!("its endpoint {} is no address: {error}", access.endpoint)))?;
    let authority = certificates(&access.certificate_authority)
        .ok_or_else(|| bad("its certificate authority is no certificate".to_owned()))?;
    let mut config = kube::Config::new(endpoint);
    config.root_cert = Some(authority);
    config.connect_timeout = Some(CONNECT);
    // There is one retry layer, which knows what may be sent again.
    config.default_retry = false;
    kube::Client::try_from(config).map_err(|error| bad(chain(&error)))
}

/// The certificates of `text`, PEM in base64, as DER; `None` where there is none.
fn certificates(text: &str) -> Option<Vec<Vec<u8>>> {
    let pem = String::from_utf8(STANDARD.decode(text.trim()).ok()?).ok()?;
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let certificates: Option<Vec<Vec<u8>>> = blocks
        .map(|block| {
            let (body, _) = block.split_once("-----END CERTIFICATE-----")?;
            let body: String = body.split_whitespace().collect();
            STANDARD.decode(body).ok()
        })
        .collect();
    certificates.filter(|certificates| !certificates.is_empty())
}
