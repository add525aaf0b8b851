//! The internet around the sandbox: its names and its pages.

use crate::acceptance::{Door, Outside};
use crate::aws::route53::dns::Dns;
use crate::sandbox::{Clusters, Sandbox};
use futures::future::BoxFuture;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The public DNS, as the sandbox's Route 53 fills it.
pub(super) struct SandboxDns(pub(super) Sandbox);

impl Dns for SandboxDns {
    fn name_servers<'a>(
        &'a self,
        domain: &'a str,
    ) -> BoxFuture<'a, std::result::Result<BTreeSet<String>, String>> {
        let servers = self.0.resolve(domain, "NS");
        let servers = servers.iter().map(|server| server.trim_end_matches('.').to_lowercase());
        Box::pin(std::future::ready(Ok(servers.collect())))
    }
}

/// Somebody who looks at the sandbox from its own internet.
pub fn outside(sandbox: &Sandbox, clusters: &Clusters) -> Door {
    Door(Arc::new(SandboxOutside { sandbox: sandbox.clone(), clusters: clusters.clone() }))
}

struct SandboxOutside {
    sandbox: Sandbox,
    clusters: Clusters,
}

impl Outside for SandboxOutside {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>> {
        let addresses = self.sandbox.resolve(name, "A").into_iter().collect();
        Box::pin(std::future::ready(Ok(addresses)))
    }

    fn page<'a>(
        &'a self,
        host: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<(u16, String), String>> {
        Box::pin(std::future::ready(self.clusters.page(host, path)))
    }
}
