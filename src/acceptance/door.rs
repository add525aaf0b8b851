//! What somebody outside sees: names, and the page behind them.

use bytes::Bytes;
use futures::future::BoxFuture;
use hickory_resolver::TokioResolver;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How much of a page is read, in bytes.
const ENOUGH: usize = 4096;

/// Somebody outside. Errors say in a sentence why there was no answer.
pub trait Outside: Send + Sync {
    /// The addresses of a name; empty when it has none.
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>>;

    /// Asks `https://HOST/PATH` and gives the status and the beginning of the page. Redirects are
    /// not followed.
    fn page<'a>(
        &'a self,
        host: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<(u16, String), String>>;
}

/// Who looks from outside; a connector of [`crate::kind::Cx`].
#[derive(Clone)]
pub struct Door(pub Arc<dyn Outside>);

impl Door {
    /// This machine, with its own resolvers and the authorities that it trusts.
    pub fn of_machine() -> Door {
        Door(Arc::new(Machine))
    }
}

impl fmt::Debug for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Door")
    }
}

struct Machine;

impl Outside for Machine {
    fn addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<BTreeSet<String>, String>> {
        Box::pin(async move {
            // Made anew each time, so that no answer of a minute ago is taken for one of now.
            let resolver = TokioResolver::builder_tokio()
                .and_then(|builder| builder.build())
                .map_err(|error| error.to_string())?;
            match resolver.lookup_ip(format!("{name}.")).await {
                Ok(found) => Ok(found.iter().map(|address| address.to_string()).collect()),
                Err(error) if error.is_no_records_found() => Ok(BTreeSet::new()),
                Err(error) => Err(error.to_string()),
            }
        })
    }

    fn page<'a>(
        &'a self,
        host: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<(u16, String), String>> {
        Box::pin(async move {
            tokio::time::timeout(PATIENCE, page(host, path))
                .await
                .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
        })
    }
}

async fn page(host: &str, path: &str) -> Result<(u16, String), String> {
    let connector = HttpsConnectorBuilder::new()
        .try_with_platform_verifier()
        .map_err(|error| error.to_string())?
        .https_only()
        .enable_http1()
        .build();
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let uri = format!("https://{host}{path}").parse().map_err(|error| format!("{error}"))?;
    let answer = client.get(uri).await.map_err(|error| reasons(&error))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), ENOUGH).collect().await;
    let text = body.map(|body| String::from_utf8_lossy(&body.to_bytes()).into_owned());
    Ok((status, text.unwrap_or_default()))
}

/// An error with all that it stands on, each said once.
fn reasons(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}
