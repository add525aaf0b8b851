//! Lets Kubernetes clients reach the sandbox: in the same process, and over HTTP.

use super::caller::Caller;
use super::cluster::{KubeBody, KubeSandbox, refused};
use super::forward::is_upgrade;
use super::status::Refusal;
use crate::sandbox::Lost;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use std::task::{Context, Poll};

/// What is wrong with an exchange: the connection broke, or the request's body did.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// A [`tower::Service`] whose whole network is one sandbox: `kube::Client::new(service, "default")`.
#[derive(Clone, Debug)]
pub struct KubeService {
    sandbox: KubeSandbox,
}

impl KubeService {
    /// A service in front of `sandbox`.
    pub fn new(sandbox: KubeSandbox) -> Self {
        KubeService { sandbox }
    }
}

impl tower::Service<Request<kube::client::Body>> for KubeService {
    type Response = Response<KubeBody>;
    type Error = Broken;
    type Future = BoxFuture<'static, Result<Self::Response, Broken>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<kube::client::Body>) -> Self::Future {
        let sandbox = self.sandbox.clone();
        if is_upgrade(&request) {
            return Box::pin(upgraded(sandbox, request));
        }
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body: Bytes = body.collect_bytes().await?;
            Ok(sandbox.handle(Request::from_parts(parts, body)).await?)
        })
    }
}

/// Sends one request over a connection of its own, which may become another protocol's.
async fn upgraded(
    sandbox: KubeSandbox,
    request: Request<kube::client::Body>,
) -> Result<Response<KubeBody>, Broken> {
    let (near, far) = tokio::io::duplex(1 << 16);
    tokio::spawn(async move {
        let service = hyper::service::service_fn(move |request| {
            let sandbox = sandbox.clone();
            async move { answer(&sandbox, None, request).await }
        });
        // An error here is a client that went away, or a connection that a fault broke.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(far), service)
            .with_upgrades()
            .await;
    });
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(near)).await?;
    tokio::spawn(connection.with_upgrades());
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| body.map_err(|_| Lost).boxed_unsync()))
}

/// Answers one request over HTTP, in the name of `caller` where there is one: without one, nothing
/// is refused. An error makes hyper close the connection without an answer, as a lost one is.
pub(in crate::sandbox) async fn answer(
    sandbox: &KubeSandbox,
    caller: Option<&Caller>,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<KubeBody>, Lost> {
    if is_upgrade(&request) {
        return sandbox.forward(caller, request).await;
    }
    let (parts, body) = request.into_parts();
    // A body that breaks off is the client's end of a lost connection.
    let body = body.collect().await.map_err(|_| Lost)?.to_bytes();
    sandbox.handle_for(caller, Request::from_parts(parts, body)).await
}

/// What the API answers somebody whom it does not know.
pub(in crate::sandbox) fn unauthorized() -> Response<KubeBody> {
    refused(&Refusal::unauthorized())
}
