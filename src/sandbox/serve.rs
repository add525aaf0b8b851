//! A sandbox on a port, for the AWS CLI, boto and SDKs of other languages
//! (`AWS_ENDPOINT_URL=http://127.0.0.1:PORT`).

use super::clusters::{Clusters, is_of_cluster};
use super::kube::{self, KubeSandbox};
use super::world::Sandbox;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::Future;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What is wrong with an exchange: the connection broke, or a body did.
type Broken = Box<dyn std::error::Error + Send + Sync>;

/// Answers AWS requests on `listener` until `shutdown` completes. Requests in flight then are
/// dropped.
///
/// # Errors
///
/// If the listener breaks.
pub async fn serve(
    sandbox: Sandbox,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let answer = move |request| {
        let sandbox = sandbox.clone();
        async move { answer(&sandbox, request).await }
    };
    answer_on(listener, shutdown, answer).await
}

/// Answers Kubernetes requests on `listener` until `shutdown` completes: below the ids of EKS's
/// clusters to whoever they know, all others in the name of nobody from `alone`. Requests in flight
/// then are dropped.
///
/// # Errors
///
/// If the listener breaks.
pub async fn serve_kubernetes(
    alone: KubeSandbox,
    clusters: Clusters,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let answer = move |request: http::Request<Incoming>| {
        let (alone, clusters) = (alone.clone(), clusters.clone());
        async move {
            match is_of_cluster(request.uri()) {
                true => clusters.answer(request).await,
                false => kube::answer(&alone, None, request).await,
            }
        }
    };
    answer_on(listener, shutdown, answer).await
}

/// Takes connections on `listener` and lets `answer` answer the requests on them, until `shutdown`
/// completes. Requests in flight then are dropped.
///
/// # Errors
///
/// If the listener breaks.
async fn answer_on<A, F, B, E>(
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
    answer: A,
) -> std::io::Result<()>
where
    A: Fn(http::Request<Incoming>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<http::Response<B>, E>> + Send + 'static,
    B: Body<Data: Send, Error: Into<Broken>> + Send + 'static,
    E: Into<Broken>,
{
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => return Ok(()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => return Err(error),
            },
            Some(_) = connections.join_next() => continue,
        };
        let service = hyper::service::service_fn(answer.clone());
        connections.spawn(async move {
            // An error here is a client that went away, or a connection that a fault broke.
            let _ = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades()
                .await;
        });
    }
}

/// An error makes hyper close the connection without an answer, as a lost one is.
async fn answer(
    sandbox: &Sandbox,
    request: http::Request<Incoming>,
) -> std::io::Result<http::Response<Full<bytes::Bytes>>> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let request = http::Request::from_parts(parts, body);
    let response = sandbox.handle(request).await.map_err(std::io::Error::other)?;
    Ok(response.map(Full::new))
}

fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind;
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
