//! A Coder that answers what the kinds ask, behind a port-forward of the sandbox's cluster.

use super::websocket;
use bytes::Bytes;
use coderctl::sandbox::Lost;
use coderctl::sandbox::kube::{KubeBody, KubeSandbox};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

#[derive(Debug, Default)]
pub(super) struct State {
    /// The first user, with `password`.
    pub(super) first: Option<Value>,
    /// Session tokens, and API tokens with `id`, `token_name` and `key`.
    pub(super) sessions: Vec<String>,
    pub(super) tokens: Vec<Value>,
    pub(super) licenses: Vec<Value>,
    /// What was called: `POST /users/first`.
    pub(super) calls: Vec<String>,
    /// The calls whose answer is lost, each once.
    pub(super) lose: Vec<String>,
    /// How many of the next calls are throttled.
    pub(super) throttle: usize,
    /// Whether the port is open at all.
    pub(super) is_down: bool,
    made: u64,
}

/// A Coder.
#[derive(Clone, Debug, Default)]
pub(super) struct Coder(pub(super) Arc<Mutex<State>>);

fn refuse(status: u16, message: &str) -> (u16, Value) {
    (status, json!({"message": message, "detail": "", "validations": []}))
}

impl State {
    fn id(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    fn is_known(&self, token: &str) -> bool {
        self.sessions.iter().any(|session| session == token)
            || self.tokens.iter().any(|known| known["key"] == token)
    }

    fn answer(&mut self, method: &Method, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let path = path.strip_prefix("/api/v2").unwrap();
        match (method.as_str(), path) {
            ("GET", "/users/first") => match self.first {
                Some(_) => (200, json!({"message": "The initial user has already been created!"})),
                None => refuse(404, "The initial user has not been created!"),
            },
            ("POST", "/users/first") if self.first.is_some() => {
                refuse(400, "The initial user has already been created.")
            }
            ("POST", "/users/first") => {
                self.first = Some(body.clone());
                (201, json!({"user_id": "u-1", "organization_id": "o-1"}))
            }
            ("POST", "/users/login") => {
                let opens = self.first.as_ref().is_some_and(|first| {
                    first["email"] == body["email"] && first["password"] == body["password"]
                });
                if !opens {
                    return refuse(401, "Incorrect email or password.");
                }
                let session = format!("session-{}", self.id());
                self.sessions.push(session.clone());
                (201, json!({"session_token": session}))
            }
            _ if !self.is_known(token) => refuse(401, "You are signed out or your session ended."),
            ("POST", "/users/logout") => {
                self.sessions.retain(|session| session != token);
                (200, json!({"message": "Logged out!"}))
            }
            ("GET", "/users/me") => {
                let mut me = self.first.clone().unwrap();
                me["id"] = json!("u-1");
                (200, me)
            }
            ("PUT", "/users/me/profile") => {
                let first = self.first.as_mut().unwrap();
                first["username"] = body["username"].clone();
                first["name"] = body["name"].clone();
                (200, first.clone())
            }
            ("GET", "/users/me/keys/tokens/tokenconfig") => {
                (200, json!({"max_token_lifetime": 604_800_000_000_000_u64}))
            }
            ("GET", "/users/me/keys/tokens") => {
                let shown = self
                    .tokens
                    .iter()
                    .map(|it| json!({"id": it["id"], "token_name": it["token_name"]}));
                (200, Value::Array(shown.collect()))
            }
            ("POST", "/users/me/keys/tokens") => {
                if body["lifetime"].as_u64().unwrap() > 604_800_000_000_000 {
                    return refuse(400, "Failed to validate create API key request.");
                }
                if self.tokens.iter().any(|it| it["token_name"] == body["token_name"]) {
                    return refuse(409, "A token with that name already exists.");
                }
                let id = format!("id{}", self.id());
                let key = format!("{id}-apikeysecret{}", self.id());
                let token = json!({"id": id, "key": key, "token_name": body["token_name"]});
                self.tokens.push(token);
                (201, json!({"key": key}))
            }
            ("GET", "/licenses") => (200, Value::Array(self.licenses.clone())),
            ("POST", "/licenses") => {
                let text = body["license"].as_str().unwrap();
                let claims: Value = super::decoded(text.split('.').nth(1).unwrap());
                let id = self.id();
                let license = json!({"id": id, "uuid": format!("uuid-{id}"), "claims": claims});
                self.licenses.push(license.clone());
                (201, license)
            }
            ("DELETE", path) => {
                let id = path.rsplit('/').next().unwrap();
                if path.starts_with("/licenses/") {
                    self.licenses.retain(|it| it["id"].as_u64() != id.parse().ok());
                    return (200, Value::Null);
                }
                self.tokens.retain(|it| it["id"] != id);
                (204, Value::Null)
            }
            _ => refuse(404, "Route not found."),
        }
    }
}

impl Coder {
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    async fn handle(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Lost> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let token = parts.headers.get("Coder-Session-Token");
        let token = token.map(|it| it.to_str().unwrap()).unwrap_or_default();
        let path = parts.uri.path().to_owned();
        let name = format!("{} {}", parts.method, path.trim_start_matches("/api/v2"));
        let (status, body, is_lost) = self.with(|state| {
            state.calls.push(name.clone());
            if state.throttle > 0 {
                state.throttle -= 1;
                let (status, body) = refuse(429, "You've been rate limited.");
                return (status, body, false);
            }
            let (status, body) = state.answer(&parts.method, &path, token, &body);
            let lost = state.lose.iter().position(|it| *it == name);
            if let Some(at) = lost {
                state.lose.remove(at);
            }
            (status, body, lost.is_some())
        });
        if is_lost {
            return Err(Lost);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        Ok(response)
    }

    /// A connection to the server's port; `None` when nothing listens.
    fn port(&self) -> Option<tokio::io::DuplexStream> {
        if self.with(|state| state.is_down) {
            return None;
        }
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let coder = self.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let coder = coder.clone();
                async move { coder.handle(request).await }
            });
            // A lost answer breaks the connection.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(theirs), service)
                .await;
        });
        Some(ours)
    }

    /// A client of the cluster that also forwards ports to this server, over a connection that can
    /// be upgraded.
    pub(super) fn client(&self, kube: KubeSandbox) -> kube::Client {
        let coder = self.clone();
        let service = tower::service_fn(move |mut request: Request<kube::client::Body>| {
            let (coder, kube) = (coder.clone(), kube.clone());
            async move {
                let (ours, theirs) = tokio::io::duplex(1 << 16);
                let service = hyper::service::service_fn(move |request| {
                    let (coder, kube) = (coder.clone(), kube.clone());
                    async move { api_server(&coder, &kube, request).await }
                });
                tokio::spawn(async move {
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(theirs), service)
                        .with_upgrades()
                        .await;
                });
                let io = TokioIo::new(ours);
                let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
                tokio::spawn(connection.with_upgrades());
                request.headers_mut().insert("host", "cluster".parse().unwrap());
                sender.send_request(request).await
            }
        });
        kube::Client::new(service, "default")
    }
}

async fn api_server(
    coder: &Coder,
    kube: &KubeSandbox,
    mut request: Request<Incoming>,
) -> Result<Response<KubeBody>, Lost> {
    if !request.uri().path().ends_with("/portforward") {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        return kube.handle(Request::from_parts(parts, body)).await;
    }
    assert_eq!(request.uri().query().unwrap().trim_start_matches('&'), "ports=8080");
    let accept = websocket::accept(request.headers()["sec-websocket-key"].to_str().unwrap());
    let upgrade = hyper::upgrade::on(&mut request);
    let pod = coder.port();
    tokio::spawn(async move {
        let io = TokioIo::new(upgrade.await.unwrap());
        // An error is a client that has gone.
        let _ = websocket::forward(io, 8080, pod).await;
    });
    let empty = Full::new(Bytes::new()).map_err(|never: Infallible| match never {});
    let mut response = Response::new(empty.boxed_unsync());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-accept", accept.as_str()),
        ("sec-websocket-protocol", "v4.channel.k8s.io"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}
