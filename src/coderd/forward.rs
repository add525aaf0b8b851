//! HTTP over a port-forward to a pod that is ready.
//! <https://kubernetes.io/docs/tasks/access-application-cluster/port-forward-access-application-cluster/>

use super::Place;
use crate::kind::{Class, Cx, Error, Result};
use crate::kube::client::{Call, chain};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

/// The longest answer that is read, in bytes.
const LONGEST: usize = 4 << 20;

/// How an exchange failed.
pub(super) enum Broken {
    /// Nothing was sent.
    NotSent(Error),
    /// It was sent, and nothing came back.
    NoAnswer(Error),
}

/// The server's Deployment; `None` where there is none.
async fn deployment(cx: &Cx, place: &Place) -> Result<Option<Value>> {
    let Place { namespace, deployment, .. } = place;
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}");
    place.kube(cx)?.look(cx, &Call::get(path, "deployments", false)).await
}

/// Whether the server is meant to run: its Deployment is there, and not scaled to nothing.
pub(crate) async fn wants_pods(cx: &Cx, place: &Place) -> Result<bool> {
    let server = deployment(cx, place).await?;
    Ok(server.is_some_and(|server| server["spec"]["replicas"] != 0))
}

/// The name of a pod of the server that is ready; `None` where there is none.
pub(super) async fn ready_pod(cx: &Cx, place: &Place) -> Result<Option<String>> {
    match deployment(cx, place).await? {
        Some(server) => ready_pod_of(cx, place, &server).await,
        None => Ok(None),
    }
}

/// The same, where the server's Deployment has just been read.
pub(super) async fn ready_pod_of(cx: &Cx, place: &Place, server: &Value) -> Result<Option<String>> {
    let kube = place.kube(cx)?;
    let namespace = &place.namespace;
    let labels = server["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<String> = labels
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let mut call = Call::get(format!("/api/v1/namespaces/{namespace}/pods"), "pods", false);
    call.operation = "list pods".to_owned();
    call.query = vec![("labelSelector", selector.join(","))];
    let pods = kube.list(cx, &call).await?;
    let ready = pods.iter().find(|pod| is_ready(pod));
    Ok(ready.and_then(|pod| pod["metadata"]["name"].as_str()).map(str::to_owned))
}

fn is_ready(pod: &Value) -> bool {
    let mut conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    pod["metadata"]["deletionTimestamp"].is_null()
        && conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// Sends one request to the pod, over a port-forward of its own.
pub(super) async fn exchange(
    cx: &Cx,
    place: &Place,
    pod: &str,
    request: Request<Full<Bytes>>,
) -> std::result::Result<Response<Bytes>, Broken> {
    let unavailable = |why: String| Error {
        operation: Some("kubernetes:create pods/portforward".to_owned()),
        ..Error::of(Class::Unavailable, cx.masks.clean(&why))
    };
    let not_sent = |why: String| Broken::NotSent(unavailable(why));
    let client = place.kube(cx).map_err(Broken::NotSent)?.cluster().client();
    let pods: kube::Api<Pod> = kube::Api::namespaced(client, &place.namespace);
    let mut forward = match pods.portforward(pod, &[place.port]).await {
        Ok(forward) => forward,
        Err(kube::Error::Api(status)) if matches!(status.code, 401 | 403) => {
            let error = Error::of(Class::Denied, cx.masks.clean(&status.message))
                .hint("a role in the cluster must allow: create pods/portforward");
            return Err(Broken::NotSent(error));
        }
        Err(error) => return Err(not_sent(chain(&error))),
    };
    let (stream, refusal) = match (forward.take_stream(place.port), forward.take_error(place.port))
    {
        (Some(stream), Some(refusal)) => (stream, refusal),
        _ => return Err(not_sent("the port-forward has no such port".to_owned())),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| not_sent(chain(&error)))?;
    let connection = tokio::spawn(connection);
    let answer = async {
        let response = sender.send_request(request).await.map_err(|error| chain(&error))?;
        let (parts, body) = response.into_parts();
        let body =
            Limited::new(body, LONGEST).collect().await.map_err(|error| error.to_string())?;
        Ok::<_, String>(Response::from_parts(parts, body.to_bytes()))
    };
    let refused = async {
        match refusal.await {
            Some(message) if !message.is_empty() => message,
            // Nothing to complain of: only the answer counts.
            _ => std::future::pending().await,
        }
    };
    let outcome = tokio::select! {
        biased;
        answer = answer => answer.map_err(|why| Broken::NoAnswer(unavailable(why))),
        // The pod has never been reached.
        message = refused => Err(not_sent(message)),
    };
    connection.abort();
    forward.abort();
    outcome
}
