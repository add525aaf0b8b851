//! Connections to clusters, with the guard that lets a plan do nothing but read.

use super::client::chain;
use crate::aws::eks::token::Tokens;
use crate::kind::{Error, Result};
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method, Request};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A connection to a cluster. As a connector of [`crate::kind::Cx`] it is the cluster that the user names, which
/// goes before the one that the deployment makes.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    planning: Arc<AtomicBool>,
    /// The deployment's own cluster: one that may have come up a moment ago, and has not spread
    /// yet who may use it.
    tokens: Option<Arc<Tokens>>,
}

/// A connector of [`crate::kind::Cx`] that says: an earlier apply made objects in a cluster that is not the
/// deployment's own. Without a [`Cluster`] beside it, objects are then unreadable, even if the spec
/// wants none any more.
#[derive(Clone, Copy, Debug)]
pub struct ClusterExpected;

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// A connection as a kubeconfig file describes it, in `context` or its current one.
    ///
    /// # Errors
    /// When the file can not be read or does not describe a cluster.
    pub async fn from_kubeconfig(path: &Path, context: Option<&str>) -> Result<Cluster> {
        let bad = |why: String| {
            Error::local(format!("the kubeconfig {} can not be used: {why}", path.display()))
        };
        let file = Kubeconfig::read_from(path).map_err(|error| bad(chain(&error)))?;
        let options =
            KubeConfigOptions { context: context.map(str::to_owned), ..Default::default() };
        let config = kube::Config::from_custom_kubeconfig(file, &options)
            .await
            .map_err(|error| bad(chain(&error)))?;
        let client = kube::Client::try_from(config).map_err(|error| bad(chain(&error)))?;
        Ok(Cluster::new(client))
    }

    /// A connection through a client that somebody else made: a test's, the sandbox's.
    pub fn new(client: kube::Client) -> Cluster {
        Cluster::guarded(client, Arc::default(), None)
    }

    /// A connection whose requests are refused while `planning` and they are no reads, and carry
    /// the current one of `tokens`.
    pub(super) fn guarded(
        client: kube::Client,
        planning: Arc<AtomicBool>,
        tokens: Option<Arc<Tokens>>,
    ) -> Cluster {
        let namespace = client.default_namespace().to_owned();
        let (guard, bearer) = (planning.clone(), tokens.clone());
        // Below every request, so that nothing can be sent around it.
        let service = tower::service_fn(move |mut request: Request<Body>| {
            let (client, bearer) = (client.clone(), bearer.clone());
            let refused = guard.load(Ordering::SeqCst) && !only_reads(&request);
            async move {
                if refused {
                    return Err(kube::Error::Service(Box::new(NotARead)));
                }
                if let Some(tokens) = bearer {
                    let token = tokens.current().await.map_err(|error| not_signed(&error))?;
                    let header = format!("Bearer {}", token.expose());
                    let mut header = HeaderValue::from_str(&header)
                        .map_err(|error| kube::Error::Service(Box::new(error)))?;
                    header.set_sensitive(true);
                    request.headers_mut().insert(AUTHORIZATION, header);
                }
                client.send(request).await
            }
        });
        Cluster { client: kube::Client::new(service, namespace), planning, tokens }
    }

    /// From now on, refuses everything but get, list and dry runs (`true`), or lets all pass.
    pub fn set_planning(&self, planning: bool) {
        self.planning.store(planning, Ordering::SeqCst);
    }

    /// Whether only reads pass.
    pub(crate) fn is_planning(&self) -> bool {
        self.planning.load(Ordering::SeqCst)
    }

    /// The tokens that requests carry, where the cluster is the deployment's own.
    pub(super) fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_deref()
    }

    /// The client, for what is more than one call: a port-forward.
    pub(crate) fn client(&self) -> kube::Client {
        self.client.clone()
    }
}

/// Refused: a plan only reads.
#[derive(Debug)]
pub(super) struct NotARead;

impl fmt::Display for NotARead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request is not a read, and a plan only reads")
    }
}
impl std::error::Error for NotARead {}

/// There is no token to send.
#[derive(Debug)]
pub(super) struct NotSigned(String);

impl fmt::Display for NotSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for NotSigned {}

fn not_signed(error: &Error) -> kube::Error {
    kube::Error::Service(Box::new(NotSigned(error.message.clone())))
}

fn only_reads(request: &Request<Body>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let dry_run = form_urlencoded::parse(query.as_bytes())
        .any(|(name, value)| name == "dryRun" && value == "All");
    // To run a command in a pod is a GET as well, which is upgraded.
    let runs = ["/exec", "/attach"].iter().any(|end| request.uri().path().ends_with(end));
    match *request.method() {
        Method::GET => !runs,
        Method::PATCH => dry_run,
        _ => false,
    }
}
