//! A Deployment of coderd in the sandbox's cluster: ready, reached by port-forward, owned.

use coderctl::clock::Clock;
use coderctl::sandbox::kube::{KubeSandbox, KubeService};
use coderctl::sandbox::{Effect, Fault, Faults, Stop};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{ListParams, LogParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

fn sandbox() -> KubeSandbox {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    KubeSandbox::in_memory(Clock::starting_at(now, 1), 7)
}

fn cluster() -> Client {
    Client::new(KubeService::new(sandbox()), "default")
}

async fn deploy(client: &Client, image: &str, cpu: &str) -> Api<Deployment> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), "default");
    let object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coder"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "coder"}},
            "template": {
                "metadata": {"labels": {"app": "coder"}},
                "spec": {"containers": [{
                    "name": "coder", "image": image, "args": ["server"],
                    "resources": {"requests": {"cpu": cpu}},
                    "env": [{"name": "CODER_PG_CONNECTION_URL", "valueFrom": {
                        "secretKeyRef": {"name": "coder-db", "key": "url"}}}],
                    "readinessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
                }]},
            },
        },
    });
    api.patch("coder", &PatchParams::apply("test"), &Patch::Apply(object)).await.unwrap();
    api
}

async fn secret(client: &Client, url: &str) {
    let secret: Secret = serde_json::from_value(
        json!({"metadata": {"name": "coder-db"}, "stringData": {"url": url}}),
    )
    .unwrap();
    let api: Api<Secret> = Api::namespaced(client.clone(), "default");
    api.create(&PostParams::default(), &secret).await.unwrap();
}

async fn pod(client: &Client) -> Value {
    let api: Api<Pod> = Api::namespaced(client.clone(), "default");
    let pods = api.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(pods.len(), 1);
    serde_json::to_value(&pods[0]).unwrap()
}

fn waits_for(pod: &Value) -> &str {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].as_str().unwrap()
}

async fn ask(client: &Client, method: &str, path: &str, body: Value) -> (u16, Value) {
    try_ask(client, method, path, body).await.unwrap()
}

/// An error is a connection that broke.
async fn try_ask(
    client: &Client,
    method: &str,
    path: &str,
    body: Value,
) -> Result<(u16, Value), String> {
    let name = pod(client).await["metadata"]["name"].as_str().unwrap().to_owned();
    let api: Api<Pod> = Api::namespaced(client.clone(), "default");
    let mut forward = api.portforward(&name, &[8080]).await.map_err(|why| why.to_string())?;
    let stream = forward.take_stream(8080).unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header("host", "coder")
        .body(Full::new(bytes::Bytes::from(body.to_string())))
        .unwrap();
    let answer = sender.send_request(request).await.map_err(|why| why.to_string())?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
}

#[tokio::test(start_paused = true)]
async fn a_deployment_becomes_ready_and_takes_its_first_owner() {
    let client = cluster();
    secret(&client, "postgres://coder:secret@db.example:5432/coder").await;
    let api = deploy(&client, "ghcr.io/coder/coder:v2.30.1", "2").await;
    assert_eq!(api.get("coder").await.unwrap().status.unwrap().ready_replicas, None);
    tokio::time::sleep(Duration::from_secs(44)).await;
    assert_eq!(api.get("coder").await.unwrap().status.unwrap().ready_replicas, None);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let status = api.get("coder").await.unwrap().status.unwrap();
    assert_eq!((status.ready_replicas, status.observed_generation), (Some(1), Some(1)));

    assert_eq!(ask(&client, "GET", "/api/v2/users/first", Value::Null).await.0, 404);
    let mut owner = json!({"email": "a@b.c", "username": "admin", "password": "password"});
    assert_eq!(ask(&client, "POST", "/api/v2/users/first", owner.clone()).await.0, 400);
    owner["password"] = "Tr0ub4dor&3-and-more".into();
    assert_eq!(ask(&client, "POST", "/api/v2/users/first", owner.clone()).await.0, 201);
    assert_eq!(ask(&client, "POST", "/api/v2/users/first", owner.clone()).await.0, 409);
    let (status, session) = ask(&client, "POST", "/api/v2/users/login", owner).await;
    assert_eq!(status, 201);
    assert!(session["session_token"].is_string());
    assert_eq!(ask(&client, "GET", "/api/v2/users/me", Value::Null).await.0, 401);
}

#[tokio::test(start_paused = true)]
async fn pods_say_why_they_are_not_ready() {
    let client = cluster();
    deploy(&client, "ghcr.io/coder/coder:v2.30.1", "64").await;
    let found = pod(&client).await;
    let why = found["status"]["conditions"][0]["message"].as_str().unwrap();
    assert!(why.starts_with("0/2 nodes are available: 2 Insufficient cpu."), "{why}");

    let client = cluster();
    deploy(&client, "ghcr.io/coder/coder:v2.30.1", "1").await;
    pod(&client).await;
    tokio::time::sleep(Duration::from_secs(16)).await;
    assert_eq!(waits_for(&pod(&client).await), "CreateContainerConfigError");
    secret(&client, "mysql://wrong").await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    let crashed = pod(&client).await;
    assert_eq!(waits_for(&crashed), "CrashLoopBackOff");
    let api: Api<Pod> = Api::namespaced(client.clone(), "default");
    let name = crashed["metadata"]["name"].as_str().unwrap();
    let log = api.logs(name, &LogParams::default()).await.unwrap();
    assert!(log.contains("connect to postgres") && !log.contains("wrong"), "{log}");

    let client = cluster();
    deploy(&client, "ghcr.io/coder/coder:latest", "1").await;
    pod(&client).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(waits_for(&pod(&client).await), "ImagePullBackOff");
}

#[tokio::test(start_paused = true)]
async fn faults_hit_the_port_forward_and_what_is_said_in_it() {
    const LONG: Duration = Duration::from_secs(300);
    let sandbox = sandbox();
    let client = Client::new(KubeService::new(sandbox.clone()), "default");
    secret(&client, "postgres://coder:secret@db.example:5432/coder").await;
    deploy(&client, "ghcr.io/coder/coder:v2.30.1", "2").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let owner = json!({"email": "a@b.c", "username": "admin", "password": "Tr0ub4dor&3-and-more"});
    let first = async || ask(&client, "GET", "/api/v2/users/first", Value::Null).await.0;
    let make = async || try_ask(&client, "POST", "/api/v2/users/first", owner.clone()).await;
    let on = |effect| Fault::on_operation("coder:POST users/first", effect);
    sandbox.set_faults(Faults::script([
        on(Effect::ServerError500),
        on(Effect::Throttle).nth(2),
        on(Effect::LoseRequest).nth(3),
        on(Effect::Stop(Stop::Before)).nth(4),
    ]));
    assert_eq!(make().await.unwrap().0, 500);
    assert_eq!(make().await.unwrap().0, 429);
    assert!(make().await.is_err());
    assert_eq!(first().await, 404, "none of these has made a user");
    tokio::select! {
        answer = make() => panic!("a dead client was answered: {answer:?}"),
        () = sandbox.stopped() => {}
    }
    sandbox.set_faults(Faults::script([on(Effect::NeverAnswer)]));
    assert_eq!(first().await, 404);
    assert!(tokio::time::timeout(LONG, make()).await.is_err(), "answered");
    assert_eq!(first().await, 200, "made, and never said so");
    sandbox.set_faults(Faults::script([on(Effect::Twice)]));
    assert_eq!(make().await.unwrap().0, 409);

    let on = |effect| Fault::on_operation("kubernetes:get pods/portforward", effect);
    sandbox.set_faults(Faults::script([on(Effect::LoseRequest), on(Effect::NeverAnswer).nth(2)]));
    let forward = async || try_ask(&client, "GET", "/api/v2/users/first", Value::Null).await;
    assert!(forward().await.is_err());
    assert!(tokio::time::timeout(LONG, forward()).await.is_err(), "answered");
    sandbox.set_faults(Faults::script([on(Effect::Stop(Stop::After))]));
    tokio::select! {
        answer = forward() => panic!("a dead client was answered: {answer:?}"),
        () = sandbox.stopped() => {}
    }
    sandbox.set_faults(Faults::none());
    assert_eq!(first().await, 200);

    // One sequence, in which what changes something is told from what does not.
    let changing: Vec<String> = sandbox
        .calls()
        .iter()
        .filter(|call| call.mutating)
        .map(|call| format!("{}:{}", call.service, call.operation))
        .collect();
    assert_eq!(changing[..2], ["kubernetes:create secrets", "kubernetes:patch deployments"]);
    assert_eq!(changing[2..], vec!["coder:POST users/first"; 6]);
}
