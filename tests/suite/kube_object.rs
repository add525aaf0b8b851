//! Objects, planned and applied by the engine against the sandbox cluster, on paused time.

use super::record_world::{caller, clients, deployment, world};
use coderctl::aws::secrets::SecretSources;
use coderctl::event::{Event, Sink};
use coderctl::execute::{Execution, NoJournal, Outcome as Ran, execute};
use coderctl::graph::{AnyKind, Graph, Of};
use coderctl::kind::{Connectors, Cx};
use coderctl::kube::{Cluster, ClusterExpected, Content, DatabaseUrl, Entry, Object, Stored};
use coderctl::name::{Address, Region};
use coderctl::observe::{Snapshot, observe};
use coderctl::plan::{Action, Applied, Input, Options, Plan, plan};
use coderctl::sandbox::kube::{KubeSandbox, KubeService};
use coderctl::sandbox::{Effect, Fault, Faults, Sandbox};
use coderctl::secret::SecretRef;
use coderctl::value::In;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

const KINDS: &[&dyn AnyKind] = &[&Of::<Object>::KIND];

pub(super) struct World {
    pub(super) aws: Sandbox,
    pub(super) kube: KubeSandbox,
    pub(super) client: kube::Client,
    pub(super) cluster: Cluster,
    pub(super) cx: Cx,
    pub(super) said: Arc<Mutex<Vec<Event>>>,
    kinds: &'static [&'static dyn AnyKind],
}

pub(super) async fn set_up() -> World {
    set_up_with(KINDS, |kube| kube::Client::new(KubeService::new(kube), "default")).await
}

pub(super) async fn set_up_with(
    kinds: &'static [&'static dyn AnyKind],
    connect: impl FnOnce(KubeSandbox) -> kube::Client,
) -> World {
    let aws = world();
    let kube = KubeSandbox::in_memory(aws.clock(), 7);
    // These tests say themselves how a rollout goes.
    kube.run_controllers(false);
    let client = connect(kube.clone());
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let coder = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "coder"}});
    let coder: Namespace = serde_json::from_value(coder).unwrap();
    namespaces.create(&PostParams::default(), &coder).await.unwrap();
    let cluster = Cluster::new(client.clone());
    let base = caller(&aws, 0);
    let sources = SecretSources::new("/nowhere", |name| {
        name.strip_prefix("VALUE_OF_").map(|name| format!("value-of-{name}"))
    });
    let connectors =
        Connectors::default().with(clients(&aws, base.clock)).with(cluster.clone()).with(sources);
    let cx = Cx::new(deployment("us-east-1", Some("uid-1")), base.clock, connectors);
    World { aws, kube, client, cluster, cx, said: Arc::default(), kinds }
}

pub(super) fn address(name: &str) -> Address {
    Address::global(&format!("kubernetes/{name}"))
}

pub(super) fn config_map(data: &[(&str, &str)]) -> Object {
    let data = data.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
    Object {
        cluster: None,
        namespace: "coder".to_owned(),
        name: "settings".to_owned(),
        content: Content::ConfigMap { data },
    }
}

pub(super) fn secret(data: &[(&str, SecretRef)]) -> Object {
    let string_data = data.iter().map(|(key, it)| ((*key).to_owned(), it.clone().into())).collect();
    Object {
        cluster: None,
        namespace: "coder".to_owned(),
        name: "tokens".to_owned(),
        content: Content::Secret { kind: "Opaque".to_owned(), string_data },
    }
}

pub(super) fn env(name: &str) -> SecretRef {
    SecretRef::Env(format!("VALUE_OF_{name}"))
}

pub(super) fn graph(objects: &[(&str, &Object)]) -> Graph {
    let mut graph = Graph::default();
    for (name, object) in objects {
        let path = format!("kubernetes.objects.{name}");
        graph.add(&Region::new("us-east-1"), address(name), path, (*object).clone());
    }
    graph
}

impl World {
    pub(super) async fn plan_with(
        &self,
        graph: &Graph,
        applied: &Applied,
        options: &Options,
    ) -> (Plan, Snapshot) {
        self.cluster.set_planning(true);
        let regions = BTreeSet::from([Region::new("us-east-1")]);
        let snapshot = observe(&self.cx, self.kinds, graph, &regions).await;
        let plan = plan(&Input {
            deployment: &self.cx.deployment,
            graph,
            snapshot: &snapshot,
            applied,
            kinds: self.kinds,
            options,
        });
        self.cluster.set_planning(false);
        (plan, snapshot)
    }

    pub(super) async fn plan(&self, objects: &[(&str, &Object)]) -> Plan {
        self.plan_with(&graph(objects), &Applied::default(), &Options::default()).await.0
    }

    pub(super) async fn apply_with(
        &self,
        objects: &[(&str, &Object)],
        options: &Options,
    ) -> (Plan, Ran) {
        let graph = graph(objects);
        let (plan, snapshot) = self.plan_with(&graph, &Applied::default(), options).await;
        assert_eq!(plan.refusals, Vec::new());
        let ran = self.execute(&plan, &graph, &snapshot).await;
        (plan, ran)
    }

    pub(super) async fn execute(&self, plan: &Plan, graph: &Graph, snapshot: &Snapshot) -> Ran {
        let said = self.said.clone();
        let sink: Sink = Arc::new(move |event| said.lock().unwrap().push(event));
        execute(&Execution {
            plan,
            graph,
            kinds: self.kinds,
            snapshot,
            cx: &self.cx,
            journal: &NoJournal,
            sink: &sink,
            run: "run-1",
            width: 4,
        })
        .await
    }

    /// Applies, and expects to have nothing left to do.
    pub(super) async fn apply(&self, objects: &[(&str, &Object)]) -> Plan {
        let (plan, ran) = self.apply_with(objects, &Options::default()).await;
        assert!(ran.is_complete(), "{:?}", ran.failed);
        let again = self.plan(objects).await;
        assert!(again.is_empty() && !again.is_incomplete(), "{:#?}", again.items);
        plan
    }

    fn config_maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.client.clone(), "coder")
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), "coder")
    }

    async fn data(&self) -> BTreeMap<String, String> {
        self.config_maps().get("settings").await.unwrap().data.unwrap_or_default()
    }

    async fn values(&self) -> BTreeMap<String, String> {
        let data = self.secrets().get("tokens").await.unwrap().data.unwrap_or_default();
        data.into_iter().map(|(key, it)| (key, String::from_utf8(it.0).unwrap())).collect()
    }

    /// Somebody else edits an object.
    pub(super) async fn edit<K>(&self, api: &Api<K>, name: &str, patch: serde_json::Value)
    where
        K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
    {
        let params =
            PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..Default::default() };
        api.patch(name, &params, &Patch::Merge(patch)).await.unwrap();
    }
}

pub(super) fn pairs(data: &[(&str, &str)]) -> BTreeMap<String, String> {
    data.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

pub(super) fn fields(plan: &Plan) -> Vec<String> {
    let items = plan.items.iter().flat_map(|item| item.changes.iter().chain(&item.drift));
    items.map(|change| change.field.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_config_map_lives_its_life() {
    let w = set_up().await;
    let plan = w.apply(&[("settings", &config_map(&[("a", "1"), ("b.c", "2")]))]).await;
    assert_eq!(plan.items[0].action, Action::Create);
    assert_eq!(plan.items[0].summary, "ConfigMap coder/settings");
    assert_eq!(w.data().await, pairs(&[("a", "1"), ("b.c", "2")]));
    let plan = w.apply(&[("settings", &config_map(&[("a", "3"), ("d", "4")]))]).await;
    assert_eq!(fields(&plan), ["data.a", "data.d", "data.b.c"]);
    assert_eq!(w.data().await, pairs(&[("a", "3"), ("d", "4")]));
    // Gone from the cluster, and made again; gone from the spec, and deleted.
    w.config_maps().delete("settings", &DeleteParams::default()).await.unwrap();
    w.apply(&[("settings", &config_map(&[("a", "3")]))]).await;
    let plan = w.apply(&[]).await;
    assert_eq!(plan.items[0].action, Action::Delete);
    assert!(w.config_maps().get_opt("settings").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_renamed_object_is_made_anew() {
    let w = set_up().await;
    w.apply(&[("settings", &config_map(&[("a", "1")]))]).await;
    let renamed = Object { name: "others".to_owned(), ..config_map(&[("a", "1")]) };
    let plan = w.apply(&[("settings", &renamed)]).await;
    assert_eq!(plan.items[0].action, Action::Replace);
    assert!(w.config_maps().get_opt("settings").await.unwrap().is_none());
    assert!(w.config_maps().get_opt("others").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_plan_sends_nothing_but_reads_and_no_secret() {
    let w = set_up().await;
    let objects =
        [("settings", &config_map(&[("a", "1")])), ("tokens", &secret(&[("token", env("one"))]))];
    w.kube.forget_calls();
    w.plan(&objects).await;
    assert!(w.kube.calls().iter().all(|call| !call.mutating), "{:?}", w.kube.calls());
    w.apply(&objects).await;
    // What an apply sends is refused while planning.
    w.cluster.set_planning(true);
    let (kind, cx) = (KINDS[0], &w.cx);
    let found = kind.list(cx, &[], &Nothing).await.unwrap().ours;
    let error = kind.delete(cx, &found[0]).await.unwrap_err().to_string();
    assert!(error.contains("not a read"), "{error}");
    let plan = w.plan(&objects).await;
    let said = format!("{:?} {plan:?}", w.said.lock().unwrap());
    assert!(!said.contains("value-of-one"));
}

struct Nothing;
impl coderctl::kind::Seen for Nothing {
    fn of(
        &self,
        _: &str,
    ) -> Vec<(
        &coderctl::name::PhysicalId,
        &coderctl::kind::Ownership,
        &(dyn std::any::Any + Send + Sync),
    )> {
        Vec::new()
    }

    fn ids(&self) -> Vec<&coderctl::name::PhysicalId> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_add_stays_and_what_they_change_is_shown() {
    let w = set_up().await;
    let object = config_map(&[("a", "1"), ("b", "2")]);
    w.apply(&[("settings", &object)]).await;
    w.edit(&w.config_maps(), "settings", json!({"data": {"theirs": "x"}})).await;
    assert!(w.plan(&[("settings", &object)]).await.is_empty(), "their own entry is theirs");
    w.edit(&w.config_maps(), "settings", json!({"data": {"a": "9"}})).await;
    let plan = w.plan(&[("settings", &object)]).await;
    assert_eq!(fields(&plan), ["data.a"]);
    assert_eq!(plan.items[0].notes, ["data.a is set by kubectl-edit"]);
    w.apply(&[("settings", &object)]).await;
    assert_eq!(w.data().await, pairs(&[("a", "1"), ("b", "2"), ("theirs", "x")]));
}

#[tokio::test(start_paused = true)]
async fn drift_that_nobody_wants_set_back_is_left_alone() {
    let w = set_up().await;
    let objects = [("settings", &config_map(&[("a", "1"), ("b", "2")]))];
    w.apply(&objects).await;
    w.edit(&w.config_maps(), "settings", json!({"data": {"a": "9"}})).await;
    // The record says that both were applied as the spec wants them.
    let fields_of = |b: &str| {
        let fields = [("data.a", "1"), ("data.b", b)];
        let fields = fields.iter().map(|(key, it)| ((*key).to_owned(), (*it).into())).collect();
        let resource = coderctl::plan::AppliedResource {
            kind: "kube.object".to_owned(),
            at: "2027-01-15T08:00:00Z".to_owned(),
            fields,
        };
        Applied(BTreeMap::from([(address("settings"), resource)]))
    };
    let changed = [("settings", &config_map(&[("a", "1"), ("b", "3")]))];
    let graph = graph(&changed);
    let (plan, snapshot) = w.plan_with(&graph, &fields_of("2"), &Options::default()).await;
    assert_eq!(plan.items[0].drift.len(), 1);
    assert_eq!(plan.items[0].changes.len(), 1);
    let sink: Sink = Arc::new(|_| {});
    let ran = execute(&Execution {
        plan: &plan,
        graph: &graph,
        kinds: KINDS,
        snapshot: &snapshot,
        cx: &w.cx,
        journal: &NoJournal,
        sink: &sink,
        run: "run-1",
        width: 4,
    })
    .await;
    assert!(ran.is_complete(), "{:?}", ran.failed);
    assert_eq!(w.data().await, pairs(&[("a", "9"), ("b", "3")]));
}

#[tokio::test(start_paused = true)]
async fn foreign_and_half_ours_objects_are_not_touched() {
    let w = set_up().await;
    let api = w.config_maps();
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "settings"}, "data": {"a": "theirs"}});
    let theirs: ConfigMap = serde_json::from_value(theirs).unwrap();
    api.create(&PostParams::default(), &theirs).await.unwrap();
    let object = config_map(&[("a", "1")]);
    let plan = w.plan(&[("settings", &object)]).await;
    assert_eq!(plan.refusals.len(), 1, "{plan:#?}");
    // One that appears after the plan was made.
    api.delete("settings", &DeleteParams::default()).await.unwrap();
    let graph = graph(&[("settings", &object)]);
    let (plan, snapshot) = w.plan_with(&graph, &Applied::default(), &Options::default()).await;
    api.create(&PostParams::default(), &theirs).await.unwrap();
    let sink: Sink = Arc::new(|_| {});
    let execution = Execution {
        plan: &plan,
        graph: &graph,
        kinds: KINDS,
        snapshot: &snapshot,
        cx: &w.cx,
        journal: &NoJournal,
        sink: &sink,
        run: "run-1",
        width: 4,
    };
    let ran = execute(&execution).await;
    assert!(ran.failed[0].1.to_string().contains("is not ours"), "{:?}", ran.failed);
    assert_eq!(w.data().await, pairs(&[("a", "theirs")]));
}

#[tokio::test(start_paused = true)]
async fn a_label_that_was_taken_off_is_put_back() {
    let w = set_up().await;
    let object = config_map(&[("a", "1")]);
    w.apply(&[("settings", &object)]).await;
    let off = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}});
    w.edit(&w.config_maps(), "settings", off).await;
    let plan = w.apply(&[("settings", &object)]).await;
    assert_eq!(fields(&plan), ["labels.app.kubernetes.io/managed-by"]);
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_written_by_reference_and_compared_by_version() {
    let w = set_up().await;
    let manager = clients(&w.aws, w.cx.clock).secrets_manager(&w.cx.region);
    let made = manager
        .create_secret()
        .name("coder/license")
        .client_request_token("11111111-1111-1111-1111-111111111111")
        .secret_string("license-one")
        .send()
        .await
        .unwrap();
    let license = SecretRef::SecretsManager(made.arn().unwrap().to_owned());
    let object = secret(&[("license", license.clone()), ("token", env("one"))]);
    w.apply(&[("tokens", &object)]).await;
    assert_eq!(w.values().await, pairs(&[("license", "license-one"), ("token", "value-of-one")]));

    // A new version is a change; the value of it is only read when it is applied.
    manager
        .put_secret_value()
        .secret_id("coder/license")
        .client_request_token("22222222-2222-2222-2222-222222222222")
        .secret_string("license-two")
        .send()
        .await
        .unwrap();
    w.aws.forget_calls();
    let plan = w.plan(&[("tokens", &object)]).await;
    assert_eq!(fields(&plan), ["data.license"]);
    assert!(!w.aws.counts().contains_key("secretsmanager:GetSecretValue"));
    w.apply(&[("tokens", &object)]).await;
    assert_eq!(w.values().await, pairs(&[("license", "license-two"), ("token", "value-of-one")]));

    // Another reference is a change, an entry nobody wants goes, and all without reading values.
    let object = secret(&[("license", license), ("token", env("two"))]);
    let plan = w.apply(&[("tokens", &object)]).await;
    assert_eq!(fields(&plan), ["data.token"]);
    assert_eq!(w.values().await, pairs(&[("license", "license-two"), ("token", "value-of-two")]));
    let fewer = secret(&[("token", env("two"))]);
    w.apply(&[("tokens", &fewer)]).await;
    assert_eq!(w.values().await, pairs(&[("token", "value-of-two")]));

    // Nothing of it is on the object but in its data.
    let live = w.secrets().get("tokens").await.unwrap();
    let metadata = serde_json::to_string(&live.metadata).unwrap();
    assert!(!metadata.contains("value-of") && !metadata.contains("license-"), "{metadata}");
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_somebody_overwrote_is_noticed_without_reading_it() {
    let w = set_up().await;
    let object = secret(&[("token", env("one")), ("other", env("two"))]);
    w.apply(&[("tokens", &object)]).await;
    w.edit(&w.secrets(), "tokens", json!({"data": {"token": "aGFja2Vk"}})).await;
    let plan = w.plan(&[("tokens", &object)]).await;
    assert_eq!(fields(&plan), ["data.token"]);
    assert_eq!(plan.items[0].changes[0].from, json!("set by kubectl-edit"));
    w.apply(&[("tokens", &object)]).await;
    assert_eq!(w.values().await, pairs(&[("other", "value-of-two"), ("token", "value-of-one")]));
    // An entry that somebody removed comes back.
    w.edit(&w.secrets(), "tokens", json!({"data": {"token": null}})).await;
    w.apply(&[("tokens", &object)]).await;
    assert_eq!(w.values().await.len(), 2);
    // A type is fixed.
    let Content::Secret { string_data, .. } = object.content.clone() else { unreachable!() };
    let kind = "example.com/token".to_owned();
    let other = Object { content: Content::Secret { kind, string_data }, ..object };
    let plan = w.apply(&[("tokens", &other)]).await;
    assert_eq!(plan.items[0].action, Action::Replace);
    assert_eq!(w.secrets().get("tokens").await.unwrap().type_.unwrap(), "example.com/token");
}

#[tokio::test(start_paused = true)]
async fn a_missing_namespace_is_named() {
    let w = set_up().await;
    let object = Object { namespace: "nowhere".to_owned(), ..config_map(&[("a", "1")]) };
    let (_, ran) = w.apply_with(&[("settings", &object)], &Options::default()).await;
    let (_, error) = &ran.failed[0];
    assert!(error.to_string().contains("the namespace nowhere does not exist"), "{error}");
    assert_eq!(error.hint.as_deref(), Some("kubectl create namespace nowhere"));
}

#[tokio::test(start_paused = true)]
async fn a_rough_cluster_is_asked_again_and_a_dead_one_is_unreadable() {
    let objects = [("settings", &config_map(&[("a", "1")]))];
    for effect in [
        Effect::Throttle,
        Effect::ServerError500,
        Effect::LoseAnswer,
        Effect::LoseRequest,
        Effect::NeverAnswer,
    ] {
        let w = set_up().await;
        let on = |operation: &str| Fault::on_operation(operation, effect.clone());
        w.kube.set_faults(Faults::script([
            on("kubernetes:list configmaps"),
            on("kubernetes:get configmaps"),
            on("kubernetes:patch configmaps"),
        ]));
        w.apply(&objects).await;
        assert_eq!(w.data().await, pairs(&[("a", "1")]));
    }
    let w = set_up().await;
    w.apply(&objects).await;
    let dead = Fault::on_operation("kubernetes:list configmaps", Effect::LoseRequest).times(1000);
    w.kube.set_faults(Faults::script([dead]));
    let plan = w.plan(&objects).await;
    assert!(plan.is_incomplete());
    assert!(plan.is_empty(), "what can not be read is not made again");
    w.kube.set_faults(Faults::none());
    w.kube.require_token(Some("a-token-that-the-client-does-not-have"));
    let plan = w.plan(&objects).await;
    assert!(plan.unread[0].why.contains("was not allowed"), "{}", plan.unread[0].why);
}

#[tokio::test(start_paused = true)]
async fn without_a_cluster_objects_are_unreadable_where_there_may_be_any() {
    let w = set_up().await;
    let bare = Connectors::default().with(clients(&w.aws, w.cx.clock));
    let objects = [("settings", &config_map(&[("a", "1")]))];
    let regions = BTreeSet::from([Region::new("us-east-1")]);
    let cx = Cx::new(deployment("us-east-1", Some("uid-1")), w.cx.clock, bare.clone());
    let snapshot = observe(&cx, KINDS, &graph(&objects), &regions).await;
    assert!(snapshot.unreadable[0].error.to_string().contains("pass --kubeconfig"));
    let snapshot = observe(&cx, KINDS, &graph(&[]), &regions).await;
    assert!(snapshot.unreadable.is_empty());
    let expected = bare.with(ClusterExpected);
    let cx = Cx::new(deployment("us-east-1", Some("uid-1")), w.cx.clock, expected);
    assert_eq!(observe(&cx, KINDS, &graph(&[]), &regions).await.unreadable.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_database_url_is_put_together_from_a_stored_password_that_no_plan_reads() {
    const PASSWORD: &str = "p@ss/w:rd?#%";
    const ENCODED: &str = "p%40ss%2Fw%3Ard%3F%23%25";
    let w = set_up().await;
    let manager = clients(&w.aws, w.cx.clock).secrets_manager(&w.cx.region);
    let stored = |password: &str| json!({"username": "coder", "password": password}).to_string();
    let made = manager
        .create_secret()
        .name("coder/database")
        .client_request_token("11111111-1111-1111-1111-111111111111")
        .secret_string(stored(PASSWORD))
        .send()
        .await
        .unwrap();
    let arn = made.arn().unwrap().to_owned();
    let url = |host: &str| {
        let mut object = secret(&[]);
        let url = DatabaseUrl {
            user: "coder".to_owned(),
            password: Stored {
                secret: In::Literal(arn.clone()),
                field: Some("password".to_owned()),
                version: None,
            },
            host: In::Literal(host.to_owned()),
            port: 5432,
            database: "coder".to_owned(),
            in_force: None,
        };
        if let Content::Secret { string_data, .. } = &mut object.content {
            string_data.insert("url".to_owned(), Entry::DatabaseUrl(url));
        }
        object
    };
    let object = url("db.example.com");
    w.apply(&[("tokens", &object)]).await;
    let expected = format!("postgres://coder:{ENCODED}@db.example.com:5432/coder?sslmode=require");
    assert_eq!(w.values().await["url"], expected);
    for part in [PASSWORD, ENCODED, expected.as_str()] {
        assert!(!w.cx.masks.clean(&format!("quoted: {part}")).contains("w%3Ard"));
        assert!(!w.cx.masks.clean(&format!("quoted: {part}")).contains("w:rd"));
    }
    // Another server, or another version, is a change, told without reading anything.
    w.aws.forget_calls();
    let elsewhere = url("other.example.com");
    let plan = w.plan(&[("tokens", &elsewhere)]).await;
    assert_eq!(fields(&plan), ["data.url"]);
    assert!(!w.aws.counts().contains_key("secretsmanager:GetSecretValue"));
    w.apply(&[("tokens", &elsewhere)]).await;
    assert!(w.values().await["url"].contains("@other.example.com:"));
    manager
        .put_secret_value()
        .secret_id("coder/database")
        .client_request_token("22222222-2222-2222-2222-222222222222")
        .secret_string(stored("another-one"))
        .send()
        .await
        .unwrap();
    let plan = w.apply(&[("tokens", &elsewhere)]).await;
    assert_eq!(fields(&plan), ["data.url"]);
    assert!(w.values().await["url"].contains(":another-one@"));
    let live = w.secrets().get("tokens").await.unwrap();
    let said = format!("{plan:?} {:?} {:?}", w.said.lock().unwrap(), live.metadata);
    for part in [PASSWORD, ENCODED, "another-one"] {
        assert!(!said.contains(part), "{said}");
    }
    // A secret without the value that is asked for says so, and names nothing that is in it.
    manager
        .put_secret_value()
        .secret_id("coder/database")
        .client_request_token("33333333-3333-3333-3333-333333333333")
        .secret_string("{\"secret\": \"hidden-value\"}")
        .send()
        .await
        .unwrap();
    let (_, ran) = w.apply_with(&[("tokens", &elsewhere)], &Options::default()).await;
    let error = ran.failed[0].1.to_string();
    assert!(error.contains("\"password\"") && !error.contains("hidden-value"), "{error}");
}
