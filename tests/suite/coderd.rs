//! The owner, token and licence of a Coder server, planned and applied by the engine, through a
//! real port-forward to a server that the tests play.

mod fake;
mod websocket;

use super::kube_object::{World, address, set_up_with};
use super::record_world::clients;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coderctl::coderd::Server;
use coderctl::coderd::license::License;
use coderctl::coderd::owner::{Owner, Password};
use coderctl::execute::Outcome as Ran;
use coderctl::graph::{AnyKind, Graph, Of};
use coderctl::kube::{Object, Stored};
use coderctl::name::Region;
use coderctl::plan::{Action, Applied, Options, Plan};
use coderctl::secret::SecretRef;
use coderctl::value::In;
use fake::Coder;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::time::Duration;

const KINDS: &[&dyn AnyKind] = &[&Of::<Object>::KIND, &Of::<Owner>::KIND, &Of::<License>::KIND];

/// What must never show.
const PASSWORD: &str = "P4ssw0rd-of-the-owner!";

fn decoded(part: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn jwt(name: &str) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({"jti": name, "license_expires": 1_900_000_000});
    format!("{}.{}.signature-of-{name}", part(json!({"alg": "EdDSA"})), part(claims))
}

struct Site {
    w: World,
    coder: Coder,
    manager: aws_sdk_secretsmanager::Client,
    password: String,
    token: String,
    license: String,
}

async fn site() -> Site {
    let coder = Coder::default();
    let w = set_up_with(KINDS, |kube| coder.client(kube)).await;
    let manager = clients(&w.aws, w.cx.clock).secrets_manager(&w.cx.region);
    let secret = async |name: &str, value: Option<String>| {
        let made = manager.create_secret().name(name).set_secret_string(value);
        let token = format!("0000000000000000000000000000{:04}", name.len());
        made.client_request_token(token).send().await.unwrap().arn().unwrap().to_owned()
    };
    let password = json!({"username": "admin", "password": PASSWORD}).to_string();
    let password = secret("coder/owner-password", Some(password)).await;
    let token = secret("coder/owner-token", None).await;
    let license = secret("coder/license", Some(jwt("one"))).await;
    let site = Site { w, coder, manager, password, token, license };
    site.start().await;
    site
}

impl Site {
    /// The server comes up.
    async fn start(&self) {
        let deployments: Api<Deployment> = Api::namespaced(self.w.client.clone(), "coder");
        let labels = json!({"app": "coder"});
        let server = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "coder"},
            "spec": {"selector": {"matchLabels": labels}, "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "coder", "image": "coder"}]}}}});
        let server: Deployment = serde_json::from_value(server).unwrap();
        deployments.create(&PostParams::default(), &server).await.unwrap();
        let pods = self.pods();
        let pod = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "coder-1", "labels": labels},
            "spec": {"containers": [{"name": "coder", "image": "coder"}]}});
        let pod: Pod = serde_json::from_value(pod).unwrap();
        pods.create(&PostParams::default(), &pod).await.unwrap();
        self.is_ready("True").await;
    }

    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.w.client.clone(), "coder")
    }

    async fn is_ready(&self, status: &str) {
        let status = json!({"status": {"conditions": [{"type": "Ready", "status": status}]}});
        let patch = Patch::Merge(status);
        self.pods().patch_status("coder-1", &PatchParams::default(), &patch).await.unwrap();
    }

    fn server(&self) -> Server {
        Server {
            cluster: None,
            namespace: "coder".to_owned(),
            deployment: "coder".to_owned(),
            port: 8080,
        }
    }

    fn owner(&self) -> Owner {
        Owner {
            server: self.server(),
            email: "admin@example.com".to_owned(),
            username: "admin".to_owned(),
            full_name: "The Admin".to_owned(),
            password: Password::Stored(Stored {
                secret: In::Literal(self.password.clone()),
                field: Some("password".to_owned()),
                version: None,
            }),
            token_secret: In::Literal(self.token.clone()),
        }
    }

    fn graph(&self, owner: &Owner, with_license: bool) -> Graph {
        let region = Region::new("us-east-1");
        let mut graph = Graph::default();
        let made = graph.add(&region, address("coder/owner"), "coder.owner", owner.clone());
        if with_license {
            let license = License {
                server: self.server(),
                token_secret: made
                    .output("token secret", |live| Some(live.token_secret.clone()))
                    .ready(),
                jwt: SecretRef::SecretsManager(self.license.clone()),
            };
            graph.add(&region, address("coder/license"), "coder.license", license);
        }
        graph
    }

    async fn run(&self, graph: &Graph) -> (Plan, Ran) {
        let (plan, snapshot) =
            self.w.plan_with(graph, &Applied::default(), &Options::default()).await;
        assert_eq!(plan.refusals, Vec::new());
        let ran = self.w.execute(&plan, graph, &snapshot).await;
        (plan, ran)
    }

    async fn plan(&self, graph: &Graph) -> Plan {
        self.w.plan_with(graph, &Applied::default(), &Options::default()).await.0
    }

    /// Applies, and expects to have nothing left to do.
    async fn apply(&self, graph: &Graph) -> Plan {
        let (plan, ran) = self.run(graph).await;
        assert!(ran.is_complete(), "{:?}", ran.failed);
        let again = self.plan(graph).await;
        assert!(again.is_empty() && !again.is_incomplete(), "{:#?}", again.items);
        plan
    }

    async fn stored_token(&self) -> Option<String> {
        let read = self.manager.get_secret_value().secret_id(&self.token).send().await;
        read.ok()?.secret_string().map(str::to_owned)
    }

    fn count(&self, call: &str) -> usize {
        self.coder.with(|state| state.calls.iter().filter(|known| *known == call).count())
    }

    async fn notes(&self) -> Vec<ConfigMap> {
        let api: Api<ConfigMap> = Api::namespaced(self.w.client.clone(), "coder");
        let params = ListParams::default().labels("coderctl.dev/note-of");
        api.list(&params).await.unwrap().items
    }
}

fn changed(plan: &Plan) -> Vec<&str> {
    plan.items.iter().flat_map(|item| &item.changes).map(|change| change.field.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_owner_lives_its_life() {
    let s = site().await;
    let graph = s.graph(&s.owner(), false);
    let plan = s.plan(&graph).await;
    assert_eq!(plan.items[0].action, Action::Create);
    assert_eq!(plan.items[0].summary, "admin (admin@example.com)");
    assert_eq!(s.count("POST /users/first"), 0, "a plan makes nothing");
    s.apply(&graph).await;
    let first = s.coder.with(|state| state.first.clone()).unwrap();
    assert_eq!(first["email"], "admin@example.com");
    assert_eq!(first["password"], PASSWORD);
    // The token works, and is the only one; the session that made it has ended.
    let token = s.stored_token().await.unwrap();
    s.coder.with(|state| {
        assert_eq!(state.tokens.len(), 1);
        assert_eq!(state.tokens[0]["key"], token.as_str());
        assert_eq!(state.sessions, Vec::<String>::new());
    });
    // A plan asks for nothing but whether there is a first user.
    s.coder.with(|state| state.calls.clear());
    s.w.aws.forget_calls();
    assert!(s.plan(&graph).await.is_empty());
    s.coder.with(|state| assert_eq!(state.calls, ["GET /users/first"]));
    assert!(!s.w.aws.counts().contains_key("secretsmanager:GetSecretValue"));
    // Nothing secret is anywhere.
    let notes = s.notes().await;
    let said = format!("{:?} {plan:?} {notes:?}", s.w.said.lock().unwrap());
    assert!(!said.contains(PASSWORD) && !said.contains(&token), "{said}");
    // A field that can change.
    let renamed = Owner { username: "root".to_owned(), ..s.owner() };
    let plan = s.apply(&s.graph(&renamed, false)).await;
    assert_eq!(changed(&plan), ["username"]);
    assert_eq!(s.coder.with(|state| state.first.clone()).unwrap()["username"], "root");
    assert_eq!(s.stored_token().await.unwrap(), token, "the token stays");
    // One that can not is said, and changes nothing.
    let other = Owner { email: "other@example.com".to_owned(), ..renamed };
    let plan = s.plan(&s.graph(&other, false)).await;
    assert!(plan.is_empty());
    // The user stays with its database, the note goes.
    s.apply(&Graph::default()).await;
    assert!(s.notes().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_vanished_with_its_database_is_made_again() {
    let s = site().await;
    let graph = s.graph(&s.owner(), false);
    s.apply(&graph).await;
    s.coder.with(|state| {
        state.first = None;
        state.tokens.clear();
    });
    let plan = s.apply(&graph).await;
    assert_eq!(plan.items[0].action, Action::Create);
    let token = s.stored_token().await.unwrap();
    s.coder.with(|state| assert_eq!(state.tokens[0]["key"], token.as_str()));
    // A server that does not run is no reason to make anything.
    s.is_ready("False").await;
    assert!(s.plan(&graph).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends_and_when_it_is_lost() {
    let s = site().await;
    let graph = s.graph(&s.owner(), false);
    s.apply(&graph).await;
    let before = s.stored_token().await.unwrap();
    s.w.cx.clock.sleep(Duration::from_secs(4 * 24 * 3600)).await;
    assert!(s.plan(&graph).await.is_empty());
    s.w.cx.clock.sleep(Duration::from_secs(24 * 3600)).await;
    let plan = s.apply(&graph).await;
    assert_eq!(changed(&plan), ["token"]);
    // As missing, not as drift: what drifts is left alone.
    assert_eq!(plan.items[0].changes[0].from, Value::Null);
    assert!(plan.items[0].notes.iter().any(|note| note.contains("about to end")));
    let after = s.stored_token().await.unwrap();
    assert_ne!(before, after);
    s.coder.with(|state| {
        assert_eq!(state.tokens.len(), 1, "the one before is taken away");
        assert_eq!(state.tokens[0]["key"], after.as_str());
    });
    // Somebody writes something else over it.
    let put = s.manager.put_secret_value().secret_id(&s.token).secret_string("not a token");
    let token = "99999999-9999-9999-9999-999999999999";
    put.client_request_token(token).send().await.unwrap();
    assert_eq!(changed(&s.apply(&graph).await), ["token"]);
    // It has ended, and nothing but the password opens the server.
    s.w.cx.clock.sleep(Duration::from_secs(8 * 24 * 3600)).await;
    s.coder.with(|state| state.tokens.clear());
    s.apply(&graph).await;
    assert_eq!(s.coder.with(|state| state.tokens.len()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_somebody_else_owns_is_left_alone() {
    let s = site().await;
    let theirs = json!({"email": "them@example.com", "password": "theirs"});
    s.coder.with(|state| state.first = Some(theirs.clone()));
    let (_, ran) = s.run(&s.graph(&s.owner(), false)).await;
    let (_, error) = &ran.failed[0];
    assert!(error.to_string().contains("has a first user"), "{error}");
    assert!(error.hint.as_deref().unwrap().contains("empty database"));
    assert!(s.notes().await.is_empty());
    assert_eq!(s.stored_token().await, None);
    s.coder.with(|state| assert_eq!(state.first, Some(theirs)));
}

#[tokio::test(start_paused = true)]
async fn lost_answers_and_rough_servers_make_one_owner() {
    for call in [
        "GET /users/first",
        "POST /users/first",
        "POST /users/login",
        "POST /users/me/keys/tokens",
        "GET /users/me",
        "POST /users/logout",
    ] {
        let s = site().await;
        let graph = s.graph(&s.owner(), false);
        s.coder.with(|state| state.lose = vec![call.to_owned()]);
        let (_, ran) = s.run(&graph).await;
        if !ran.is_complete() {
            s.apply(&graph).await;
        }
        assert!(s.plan(&graph).await.is_empty(), "{call}");
        let token = s.stored_token().await.unwrap();
        s.coder.with(|state| {
            assert_eq!(state.tokens.len(), 1, "{call}");
            assert_eq!(state.tokens[0]["key"], token.as_str(), "{call}");
        });
    }
    let s = site().await;
    s.coder.with(|state| state.throttle = 4);
    s.apply(&s.graph(&s.owner(), false)).await;
    // Made, and died before anything was noted of the user.
    let s = site().await;
    let graph = s.graph(&s.owner(), false);
    let ours = json!({"email": "admin@example.com", "password": PASSWORD, "username": "admin"});
    s.coder.with(|state| state.first = Some(ours));
    s.apply(&graph).await;
    assert_eq!(s.count("POST /users/first"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_can_not_be_reached_is_unreadable_and_a_plan_can_not_write() {
    let s = site().await;
    let graph = s.graph(&s.owner(), false);
    s.apply(&graph).await;
    s.coder.with(|state| state.is_down = true);
    let plan = s.plan(&graph).await;
    assert!(plan.is_incomplete() && plan.is_empty());
    assert!(plan.unread[0].why.contains("connection refused"), "{}", plan.unread[0].why);
    // The pod is there, the port is not: an apply says so, and gives up.
    s.coder.with(|state| state.is_down = false);
    let (plan, snapshot) =
        s.w.plan_with(&Graph::default(), &Applied::default(), &Options::default()).await;
    s.w.cluster.set_planning(true);
    let ran = s.w.execute(&plan, &Graph::default(), &snapshot).await;
    assert!(ran.failed[0].1.to_string().contains("not a read"), "{:?}", ran.failed);
}

#[tokio::test(start_paused = true)]
async fn a_license_is_uploaded_once_and_replaced_with_its_text() {
    let s = site().await;
    let graph = s.graph(&s.owner(), true);
    s.coder.with(|state| state.lose = vec!["POST /licenses".to_owned()]);
    s.apply(&graph).await;
    s.coder.with(|state| {
        assert_eq!(state.licenses.len(), 1);
        assert_eq!(state.licenses[0]["claims"]["jti"], "one");
    });
    // The note is lost: the same licence is not uploaded again.
    let api: Api<ConfigMap> = Api::namespaced(s.w.client.clone(), "coder");
    api.delete("coderctl-global-kubernetes-coder-license", &DeleteParams::default()).await.unwrap();
    s.apply(&graph).await;
    assert_eq!(s.count("POST /licenses"), 1);
    // A new one takes the place of the old.
    let put = s.manager.put_secret_value().secret_id(&s.license).secret_string(jwt("two"));
    let token = "99999999-9999-9999-9999-999999999999";
    put.client_request_token(token).send().await.unwrap();
    let plan = s.apply(&graph).await;
    assert_eq!(changed(&plan), ["license.source"]);
    s.coder.with(|state| {
        assert_eq!(state.licenses.len(), 1);
        assert_eq!(state.licenses[0]["claims"]["jti"], "two");
    });
    let notes = s.notes().await;
    let said = format!("{:?} {plan:?} {notes:?}", s.w.said.lock().unwrap());
    assert!(!said.contains("signature-of"), "{said}");
    // Gone from the spec, gone from the server; the owner stays.
    s.apply(&s.graph(&s.owner(), false)).await;
    s.coder.with(|state| assert_eq!(state.licenses, Vec::<Value>::new()));
}
