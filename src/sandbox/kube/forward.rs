//! Port-forwards: a WebSocket to a pod, and behind it the HTTP server of coderd.

use super::cluster::{KubeBody, KubeSandbox};
use super::websocket;
use crate::sandbox::coderd;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where a port-forward goes.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) namespace: String,
    pub(super) pod: String,
    pub(super) port: u16,
}

/// The protocol of channels; two of them a port, one for data and one for errors.
const PROTOCOL: &str = "v4.channel.k8s.io";

/// Whether a request asks for a port-forward by WebSocket.
pub(super) fn is_upgrade<B>(request: &Request<B>) -> bool {
    let header = request.headers().get(http::header::UPGRADE);
    header.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
        && request.uri().path().ends_with("/portforward")
}

/// Agrees to the upgrade, and lets the connection run by itself.
pub(super) fn accept(
    sandbox: &KubeSandbox,
    mut request: Request<hyper::body::Incoming>,
    target: Target,
) -> Response<KubeBody> {
    let key = request.headers().get("sec-websocket-key").and_then(|key| key.to_str().ok());
    let accept = websocket::accept(key.unwrap_or_default());
    let upgrade = hyper::upgrade::on(&mut request);
    let sandbox = sandbox.clone();
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            run(sandbox, TokioIo::new(upgraded), target).await;
        }
    });
    let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = http::StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    for (name, value) in [
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("sec-websocket-protocol", PROTOCOL),
        ("sec-websocket-accept", accept.as_str()),
    ] {
        if let Ok(value) = http::HeaderValue::from_str(value) {
            headers.insert(http::HeaderName::from_static(name), value);
        }
    }
    response
}

async fn run(
    sandbox: KubeSandbox,
    socket: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    target: Target,
) {
    let (mut reader, mut writer) = tokio::io::split(socket);
    // Each channel begins with the port that it is for.
    let [low, high] = target.port.to_le_bytes();
    for channel in [0, 1] {
        if websocket::write(&mut writer, 2, &[channel, low, high]).await.is_err() {
            return;
        }
    }
    if sandbox.coderd_in(&target).is_none() {
        let why = format!(
            "failed to connect to localhost:{} inside namespace: connection refused",
            target.port
        );
        let mut content = vec![1];
        content.extend(why.as_bytes());
        let _ = websocket::write(&mut writer, 2, &content).await;
        let _ = websocket::write(&mut writer, 8, &[]).await;
        return;
    }
    let (near, far) = tokio::io::duplex(1 << 16);
    let server = tokio::spawn(async move {
        let service = hyper::service::service_fn(move |request| {
            let (sandbox, target) = (sandbox.clone(), target.clone());
            async move { answer(&sandbox, &target, request).await }
        });
        // An error is a client that went away.
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(far), service)
            .await;
    });
    let (mut from_pod, mut to_pod) = tokio::io::split(near);
    let down = async {
        let mut buffer = vec![0_u8; 16 << 10];
        loop {
            let read = from_pod.read(&mut buffer[1..]).await.unwrap_or_default();
            if read == 0 || websocket::write(&mut writer, 2, &buffer[..=read]).await.is_err() {
                let _ = websocket::write(&mut writer, 8, &[]).await;
                return;
            }
        }
    };
    let up = async {
        while let Some((opcode, content)) = websocket::read(&mut reader).await {
            match (opcode, content.split_first()) {
                (8, _) => return,
                (0 | 2, Some((0, data))) if to_pod.write_all(data).await.is_err() => return,
                _ => {}
            }
        }
    };
    tokio::select! {
        () = down => {}
        () = up => {}
    }
    server.abort();
}

async fn answer(
    sandbox: &KubeSandbox,
    target: &Target,
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, crate::sandbox::Lost> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| crate::sandbox::Lost)?.to_bytes();
    let token = parts.headers.get("coder-session-token").and_then(|value| value.to_str().ok());
    let asked = coderd::Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        token: token.map(str::to_owned),
        body: body.to_vec(),
        at: 0,
        database: String::new(),
        version: String::new(),
        environment: Default::default(),
    };
    let (status, body) = sandbox.coder(target, asked).await?;
    let text = match &body {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}
