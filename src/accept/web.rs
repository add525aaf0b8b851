//! Asking a server as a browser would: by its name, over TLS that the machine trusts.

use futures::future::BoxFuture;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long one answer may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes: `/healthz` says two letters.
const LONGEST: usize = 4096;

/// The public internet.
pub trait Web: Send + Sync {
    /// Status and body of `GET https://host/healthz`. The error says where the way ended.
    fn healthz<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<(u16, String), String>>;
}

/// How the internet is reached; a connector of [`crate::kind::Cx`].
#[derive(Clone)]
pub struct PublicWeb(pub Arc<dyn Web>);

impl PublicWeb {
    /// From this machine, with its trusted authorities.
    pub fn of_machine() -> PublicWeb {
        PublicWeb(Arc::new(Machine))
    }
}

impl fmt::Debug for PublicWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicWeb")
    }
}

struct Machine;

impl Web for Machine {
    fn healthz<'a>(&'a self, host: &'a str) -> BoxFuture<'a, Result<(u16, String), String>> {
        Box::pin(async move {
            match tokio::time::timeout(ATTEMPT, get(host)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {} s", ATTEMPT.as_secs())),
            }
        })
    }
}

/// Every question is asked over a connection of its own: an old one may lead where the name does
/// not lead any more.
async fn get(host: &str) -> Result<(u16, String), String> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .try_with_platform_verifier()
        .map_err(|error| format!("this machine's trusted authorities can not be read: {error}"))?
        .https_only()
        .enable_http1()
        .build();
    let client: Client<_, Empty<bytes::Bytes>> =
        Client::builder(TokioExecutor::new()).build(connector);
    let uri =
        format!("https://{host}/healthz").parse().map_err(|_| format!("{host} is no name"))?;
    let answer = client.get(uri).await.map_err(|error| crate::kube::client::chain(&error))?;
    let status = answer.status().as_u16();
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).trim().to_owned()))
}
