//! Coder's own configuration, through its API.
//!
//! The server is always reached through the cluster, by a port-forward to one of its pods: before
//! there is a name and a listener, behind a private load balancer, and while either is broken.
//!
//! # What a plan may know
//!
//! A plan reads no secret, so it has no token, and asks Coder only what Coder tells everybody:
//! whether there is a first user. The rest it takes from a note: a `ConfigMap` in Coder's namespace
//! that says whose the thing is and what was applied, never anything secret. The note is written
//! before the thing is made, so that a run that dies in between leaves something to go on from.

pub(crate) mod client;
mod forward;
pub mod license;
mod note;
pub mod owner;

pub(crate) use forward::wants_pods;

use crate::aws::eks::access::Access;
use crate::kind::{Cx, Result};
use crate::kube::client::Kube;
use crate::value::In;
use serde::Serialize;

/// A Coder server: a Deployment.
#[derive(Clone, Debug, Serialize)]
pub struct Server {
    /// The cluster of the deployment that it runs in; `None` for the one of `--kubeconfig`.
    pub cluster: Option<In<Access>>,
    /// Its namespace.
    pub namespace: String,
    /// The name of its Deployment.
    pub deployment: String,
    /// The port that its pods answer HTTP on.
    pub port: u16,
}

impl Server {
    /// Where it is, within a step.
    fn place(&self, cx: &Cx) -> Result<Place> {
        let is_given = cx.connector::<crate::kube::Cluster>().is_some();
        let cluster = self.cluster.as_ref().filter(|_| !is_given);
        Ok(Place {
            access: cluster.map(|cluster| cx.get(cluster)).transpose()?,
            namespace: self.namespace.clone(),
            deployment: self.deployment.clone(),
            port: self.port,
        })
    }
}

/// Where a live server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) access: Option<Access>,
    pub(crate) namespace: String,
    pub(crate) deployment: String,
    pub(crate) port: u16,
}

impl Place {
    /// Whether it is the same server, on whatever port.
    fn is_same_server(&self, other: &Place) -> bool {
        let Place { access, namespace, deployment, port: _ } = self;
        (access, namespace, deployment) == (&other.access, &other.namespace, &other.deployment)
    }

    fn kube(&self, cx: &Cx) -> Result<Kube> {
        Kube::of(cx, self.access.as_ref())
    }
}
