//! Asking the public DNS, where nobody but the world's own servers can answer.

use futures::future::BoxFuture;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::{RData, RecordType};
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// What the public DNS says.
pub trait Dns: Send + Sync {
    /// The name servers of a domain, in lower case and without a final dot; empty when it has
    /// none. The error says why nobody answered.
    fn name_servers<'a>(
        &'a self,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<BTreeSet<String>, String>>;

    /// The IPv4 addresses of a name, aliases followed; empty when it has none. The error says why
    /// nobody answered.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>>;
}

/// Where the public DNS is asked; a connector of [`crate::kind::Cx`].
#[derive(Clone)]
pub struct PublicDns(pub Arc<dyn Dns>);

impl PublicDns {
    /// The resolvers of this machine.
    pub fn of_machine() -> PublicDns {
        PublicDns(Arc::new(Machine))
    }
}

impl fmt::Debug for PublicDns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicDns")
    }
}

struct Machine;

impl Dns for Machine {
    fn name_servers<'a>(
        &'a self,
        domain: &'a str,
    ) -> BoxFuture<'a, Result<BTreeSet<String>, String>> {
        Box::pin(ask(domain, RecordType::NS, |data| match data {
            RData::NS(server) => Some(super::plain(&server.0.to_utf8())),
            _ => None,
        }))
    }

    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>> {
        Box::pin(ask(name, RecordType::A, |data| match data {
            RData::A(address) => Some(address.0.to_string()),
            _ => None,
        }))
    }
}

async fn ask(
    name: &str,
    kind: RecordType,
    read: fn(&RData) -> Option<String>,
) -> Result<BTreeSet<String>, String> {
    let resolver = TokioResolver::builder_tokio()
        .and_then(|builder| builder.build())
        .map_err(|error| error.to_string())?;
    // With the final dot, so that no search domain is put behind it.
    match resolver.lookup(format!("{name}."), kind).await {
        Ok(answer) => Ok(answer.answers().iter().filter_map(|record| read(&record.data)).collect()),
        Err(error) if error.is_no_records_found() => Ok(BTreeSet::new()),
        Err(error) => Err(error.to_string()),
    }
}
