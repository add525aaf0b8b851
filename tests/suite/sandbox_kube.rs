//! The embedded Kubernetes API, through the real client and on paused time.

use coderctl::clock::Clock;
use coderctl::sandbox::kube::{KubeSandbox, KubeService};
use coderctl::sandbox::{Clusters, Effect, Fault, Faults, Outcome, Sandbox, Stop};
use futures::{AsyncBufReadExt as _, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{
    DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::core::{ApiResource, GroupVersionKind, Status};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

fn clock() -> Clock {
    Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), 1)
}

fn cluster() -> (KubeSandbox, Client) {
    let sandbox = KubeSandbox::in_memory(clock(), 7);
    let client = client_of(&sandbox);
    (sandbox, client)
}

fn client_of(sandbox: &KubeSandbox) -> Client {
    Client::new(KubeService::new(sandbox.clone()), "default")
}

fn config_maps(client: &Client) -> Api<ConfigMap> {
    Api::namespaced(client.clone(), "default")
}

fn config_map(data: &[(&str, &str)]) -> Value {
    let data: BTreeMap<&str, &str> = data.iter().copied().collect();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data})
}

async fn apply(
    api: &Api<ConfigMap>,
    manager: &str,
    data: &[(&str, &str)],
) -> kube::Result<ConfigMap> {
    api.patch("settings", &PatchParams::apply(manager), &Patch::Apply(config_map(data))).await
}

fn data_of(object: &ConfigMap) -> Vec<(String, String)> {
    object.data.clone().unwrap_or_default().into_iter().collect()
}

fn pairs(data: &[(&str, &str)]) -> Vec<(String, String)> {
    data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn status(error: kube::Error) -> Status {
    match error {
        kube::Error::Api(status) => *status,
        other => panic!("not an answer of the API: {other:?}"),
    }
}

fn refusal<T: std::fmt::Debug>(result: kube::Result<T>) -> (u16, String) {
    let status = status(result.unwrap_err());
    (status.code, status.reason)
}

fn fields_of(object: &ConfigMap, manager: &str, operation: &str) -> Option<Value> {
    let entries = object.metadata.managed_fields.as_ref()?;
    let entry = entries.iter().find(|entry| {
        entry.manager.as_deref() == Some(manager) && entry.operation.as_deref() == Some(operation)
    })?;
    Some(entry.fields_v1.as_ref()?.0.clone())
}

#[tokio::test(start_paused = true)]
async fn apply_creates_owns_and_prunes() {
    let (_, client) = cluster();
    let api = config_maps(&client);
    let made = apply(&api, "coderctl", &[("a", "1"), ("b", "2")]).await.unwrap();
    assert!(made.metadata.uid.is_some() && made.metadata.creation_timestamp.is_some());
    assert_eq!(
        fields_of(&made, "coderctl", "Apply"),
        Some(json!({"f:data": {"f:a": {}, "f:b": {}}}))
    );

    let again = apply(&api, "coderctl", &[("a", "1"), ("b", "2")]).await.unwrap();
    assert_eq!(again.metadata.resource_version, made.metadata.resource_version, "nothing changed");

    let fewer = apply(&api, "coderctl", &[("a", "3")]).await.unwrap();
    assert_eq!(data_of(&fewer), pairs(&[("a", "3")]));
    assert_ne!(fewer.metadata.resource_version, made.metadata.resource_version);
    assert_eq!(fields_of(&fewer, "coderctl", "Apply"), Some(json!({"f:data": {"f:a": {}}})));
}

#[tokio::test(start_paused = true)]
async fn apply_shares_conflicts_and_forces() {
    let (_, client) = cluster();
    let api = config_maps(&client);
    apply(&api, "coderctl", &[("a", "1"), ("b", "1")]).await.unwrap();
    // The same value is shared, not fought over; another value is refused and named.
    apply(&api, "team", &[("a", "1"), ("c", "1")]).await.unwrap();
    let refused = status(apply(&api, "team", &[("a", "2"), ("b", "2")]).await.unwrap_err());
    assert_eq!((refused.code, refused.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        refused.message,
        "Apply failed with 2 conflicts: conflicts with \"coderctl\":\n- .data.a\n- .data.b"
    );
    let causes = refused.details.unwrap().causes;
    assert_eq!(causes.len(), 2);
    assert_eq!(causes[0].field, ".data.a");
    assert_eq!(causes[0].message, "conflict with \"coderctl\"");

    // What the other shares stays when one of them lets go of it.
    let left = apply(&api, "coderctl", &[("b", "1")]).await.unwrap();
    assert_eq!(data_of(&left), pairs(&[("a", "1"), ("b", "1"), ("c", "1")]));

    let forced = api
        .patch(
            "settings",
            &PatchParams::apply("team").force(),
            &Patch::Apply(config_map(&[("b", "9")])),
        )
        .await
        .unwrap();
    assert_eq!(data_of(&forced), pairs(&[("b", "9")]), "`a` and `c` were only the team's");
    assert_eq!(fields_of(&forced, "coderctl", "Apply"), None, "it owns nothing any more");
}

#[tokio::test(start_paused = true)]
async fn plain_writes_are_owned_and_conflict_with_an_apply() {
    let (_, client) = cluster();
    let api = config_maps(&client);
    apply(&api, "coderctl", &[("a", "1")]).await.unwrap();
    let hand = PatchParams { field_manager: Some("kubectl-edit".to_owned()), ..Default::default() };
    let edited =
        api.patch("settings", &hand, &Patch::Merge(json!({"data": {"a": "2"}}))).await.unwrap();
    assert_eq!(fields_of(&edited, "kubectl-edit", "Update"), Some(json!({"f:data": {"f:a": {}}})));
    assert_eq!(fields_of(&edited, "coderctl", "Apply"), None);
    let refused = status(apply(&api, "coderctl", &[("a", "1")]).await.unwrap_err());
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using v1 at 2027-01-15T08:00:00Z: .data.a"
    );
    let nulled =
        api.patch("settings", &hand, &Patch::Merge(json!({"data": {"a": null}}))).await.unwrap();
    assert_eq!(data_of(&nulled), vec![]);
}

#[tokio::test(start_paused = true)]
async fn lists_merge_by_their_keys() {
    let (_, client) = cluster();
    let api: Api<Deployment> = Api::namespaced(client, "default");
    let deployment = |containers: Value, replicas: Option<u8>| {
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coder"},
            "spec": {
                "selector": {"matchLabels": {"app": "coder"}},
                "template": {"metadata": {"labels": {"app": "coder"}}, "spec": {"containers": containers}},
            },
        });
        if let Some(replicas) = replicas {
            object["spec"]["replicas"] = replicas.into();
        }
        Patch::Apply(object)
    };
    let ours = json!([{"name": "coder", "image": "coder:1", "env": [
        {"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]);
    let made = api
        .patch("coder", &PatchParams::apply("coderctl"), &deployment(ours, Some(2)))
        .await
        .unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    let sidecar = json!([{"name": "proxy", "image": "proxy:1"}]);
    api.patch("coder", &PatchParams::apply("mesh"), &deployment(sidecar, None)).await.unwrap();
    let refused = status(
        api.patch(
            "coder",
            &PatchParams::apply("mesh"),
            &deployment(json!([{"name": "coder", "image": "coder:2"}]), None),
        )
        .await
        .unwrap_err(),
    );
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"coderctl\": \
         .spec.template.spec.containers[name=\"coder\"].image"
    );
    let ours = json!([{"name": "coder", "image": "coder:2", "env": [{"name": "B", "value": "2"}]}]);
    let after = api
        .patch("coder", &PatchParams::apply("coderctl"), &deployment(ours, Some(2)))
        .await
        .unwrap();
    let containers = after.spec.template.spec.unwrap().containers;
    let names: Vec<&str> = containers.iter().map(|container| container.name.as_str()).collect();
    assert_eq!(names, ["coder", "proxy"]);
    let env = containers[0].env.as_ref().unwrap();
    assert_eq!(env.iter().map(|env| env.name.as_str()).collect::<Vec<_>>(), ["B"]);
    assert_eq!(after.metadata.generation, Some(3), "one for the sidecar, one for this");

    let moved = json!({"spec": {"selector": {"matchLabels": {"app": "other"}},
        "template": {"metadata": {"labels": {"app": "other"}}}}});
    let moved = api.patch("coder", &PatchParams::default(), &Patch::Merge(moved)).await;
    assert_eq!(refusal(moved), (422, "Invalid".to_owned()), "a selector can't change");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_be_and_keeps_nothing() {
    let (sandbox, client) = cluster();
    let api = config_maps(&client);
    let mut rehearsal = PatchParams::apply("coderctl");
    rehearsal.dry_run = true;
    let would = api.patch("settings", &rehearsal, &Patch::Apply(config_map(&[("a", "1")]))).await;
    assert_eq!(data_of(&would.unwrap()), pairs(&[("a", "1")]));
    assert_eq!(refusal(api.get("settings").await), (404, "NotFound".to_owned()));
    assert!(sandbox.calls().iter().all(|call| !call.mutating));
    apply(&api, "coderctl", &[("a", "1")]).await.unwrap();
    let all = DeleteParams { dry_run: true, ..Default::default() };
    api.delete("settings", &all).await.unwrap();
    api.get("settings").await.unwrap();
    assert_eq!(sandbox.calls().iter().filter(|call| call.mutating).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_update_needs_the_latest_version() {
    let (_, client) = cluster();
    let api = config_maps(&client);
    let object = |value: &str| ConfigMap {
        metadata: ObjectMeta { name: Some("settings".to_owned()), ..Default::default() },
        data: Some(BTreeMap::from([("a".to_owned(), value.to_owned())])),
        ..Default::default()
    };
    let first = api.create(&PostParams::default(), &object("1")).await.unwrap();
    let twice = api.create(&PostParams::default(), &object("1")).await;
    assert_eq!(refusal(twice), (409, "AlreadyExists".to_owned()));
    let mut second = first.clone();
    second.data = object("2").data;
    let stored = api.replace("settings", &PostParams::default(), &second).await.unwrap();
    assert_eq!(stored.metadata.uid, first.metadata.uid);
    let stale = api.replace("settings", &PostParams::default(), &second).await;
    assert_eq!(refusal(stale), (409, "Conflict".to_owned()));
    let mut other = object("1");
    other.metadata.name = Some("other".to_owned());
    let missing = api.replace("other", &PostParams::default(), &other).await;
    assert_eq!(refusal(missing), (404, "NotFound".to_owned()));
    other.metadata.name = Some("Not_A_Name".to_owned());
    let bad = api.create(&PostParams::default(), &other).await;
    assert_eq!(refusal(bad), (422, "Invalid".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn secrets_fold_string_data_and_keep_their_type() {
    let (_, client) = cluster();
    let api: Api<Secret> = Api::namespaced(client, "default");
    let secret = Secret {
        metadata: ObjectMeta { name: Some("db".to_owned()), ..Default::default() },
        string_data: Some(BTreeMap::from([("password".to_owned(), "hunter2".to_owned())])),
        ..Default::default()
    };
    let made = api.create(&PostParams::default(), &secret).await.unwrap();
    assert_eq!(made.string_data, None);
    assert_eq!(made.data.unwrap()["password"].0, b"hunter2");
    assert_eq!(made.type_.as_deref(), Some("Opaque"));
    let retype = Patch::Merge(json!({"type": "other"}));
    let retyped = api.patch("db", &PatchParams::default(), &retype).await;
    assert_eq!(refusal(retyped), (422, "Invalid".to_owned()));
    let bad = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"},
        "data": {"password": "not base64!"}});
    let bad = api.patch("db", &PatchParams::apply("coderctl").force(), &Patch::Apply(bad)).await;
    assert_eq!(refusal(bad), (400, "BadRequest".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn lists_select_and_page() {
    let (_, client) = cluster();
    let api = config_maps(&client);
    for (name, tier) in [("one", "web"), ("two", "db"), ("three", "web"), ("four", "")] {
        let mut object = config_map(&[]);
        object["metadata"] = json!({"name": name, "labels": {"app": "coder"}});
        if !tier.is_empty() {
            object["metadata"]["labels"]["tier"] = tier.into();
        }
        api.patch(name, &PatchParams::apply("coderctl"), &Patch::Apply(object)).await.unwrap();
    }
    let names = async |params: ListParams| {
        let list = api.list(&params).await.unwrap();
        list.items.into_iter().filter_map(|object| object.metadata.name).collect::<Vec<_>>()
    };
    let labels = |text: &str| ListParams::default().labels(text);
    assert_eq!(names(labels("app=coder,tier=web")).await, ["one", "three"]);
    assert_eq!(names(labels("app=coder,tier!=web")).await, ["four", "two"]);
    assert_eq!(names(labels("tier in (db, web)")).await, ["one", "three", "two"]);
    assert_eq!(names(labels("app,!tier")).await, ["four"]);
    assert_eq!(names(labels("app,tier notin (db)")).await, ["four", "one", "three"]);
    assert_eq!(names(ListParams::default().fields("metadata.name=two")).await, ["two"]);
    let unknown = api.list(&ListParams::default().fields("data.a=1")).await;
    assert_eq!(refusal(unknown), (400, "BadRequest".to_owned()));

    let mut page = labels("app=coder").limit(3);
    let first = api.list(&page).await.unwrap();
    assert_eq!(first.items.len(), 3);
    assert_eq!(first.metadata.remaining_item_count, Some(1));
    page.continue_token = first.metadata.continue_;
    let rest = api.list(&page).await.unwrap();
    assert_eq!(rest.items.len(), 1);
    assert_eq!(rest.metadata.continue_, None);
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_is_there_and_what_changes() {
    let (_, client) = cluster();
    let api = config_maps(&client);
    let labelled = |value: &str, label: &str| {
        let mut object = config_map(&[("a", value)]);
        object["metadata"]["labels"] = json!({"app": label});
        Patch::Apply(object)
    };
    let ours = PatchParams::apply("coderctl");
    api.patch("settings", &ours, &labelled("1", "coder")).await.unwrap();
    let params = WatchParams::default().labels("app=coder");
    let mut events = api.watch(&params, "0").await.unwrap().boxed();
    let writes = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        api.patch("settings", &ours, &labelled("2", "coder")).await.unwrap();
        api.patch("settings", &ours, &labelled("2", "other")).await.unwrap();
        api.patch("settings", &ours, &labelled("2", "coder")).await.unwrap();
        api.delete("settings", &DeleteParams::default()).await.unwrap();
    };
    let reads = async {
        let mut told = Vec::new();
        while told.len() < 5 {
            told.push(match events.try_next().await.unwrap().unwrap() {
                WatchEvent::Added(_) => "added",
                WatchEvent::Modified(_) => "modified",
                WatchEvent::Deleted(_) => "deleted",
                other => panic!("{other:?}"),
            });
        }
        told
    };
    let (told, ()) = tokio::join!(reads, writes);
    assert_eq!(told, ["added", "modified", "deleted", "added", "deleted"]);
    let mut late = api.watch(&params.timeout(10), "1").await.unwrap().boxed();
    let mut seen = 0;
    while let Some(event) = late.try_next().await.unwrap() {
        assert!(!matches!(event, WatchEvent::Error(_)));
        seen += 1;
    }
    assert_eq!(seen, 5, "all from the beginning, and then the end after ten seconds");
}

#[tokio::test(start_paused = true)]
async fn a_watch_from_a_forgotten_version_is_told_so() {
    let (_, client) = cluster();
    let api = config_maps(&client);
    for round in 0..600 {
        apply(&api, "coderctl", &[("a", &round.to_string())]).await.unwrap();
    }
    let mut events = api.watch(&WatchParams::default(), "5").await.unwrap().boxed();
    match events.try_next().await.unwrap().unwrap() {
        WatchEvent::Error(status) => assert_eq!(status.code, 410),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_takes_its_time_to_go_and_takes_its_contents_along() {
    let (sandbox, client) = cluster();
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "coder"}});
    let ours = PatchParams::apply("coderctl");
    let inside: Api<ConfigMap> = Api::namespaced(client.clone(), "coder");
    let early = inside.patch("settings", &ours, &Patch::Apply(config_map(&[]))).await;
    assert_eq!(refusal(early), (404, "NotFound".to_owned()));
    namespaces.patch("coder", &ours, &Patch::Apply(&object)).await.unwrap();
    let accounts: Api<ServiceAccount> = Api::namespaced(client, "coder");
    accounts.get("default").await.unwrap();
    inside.patch("settings", &ours, &Patch::Apply(config_map(&[]))).await.unwrap();

    namespaces.delete("coder", &DeleteParams::default()).await.unwrap();
    let going = namespaces.get("coder").await.unwrap();
    assert_eq!(going.status.unwrap().phase.as_deref(), Some("Terminating"));
    inside.get("settings").await.unwrap();
    let mut other = config_map(&[]);
    other["metadata"]["name"] = "other".into();
    let late = inside.patch("other", &ours, &Patch::Apply(other)).await;
    let late = status(late.unwrap_err());
    assert_eq!((late.code, late.reason.as_str()), (403, "Forbidden"));
    assert_eq!(late.details.unwrap().causes[0].reason, "NamespaceTerminating");

    sandbox.clock().sleep(Duration::from_secs(10)).await;
    assert_eq!(refusal(namespaces.get("coder").await), (404, "NotFound".to_owned()));
    assert_eq!(refusal(inside.get("settings").await), (404, "NotFound".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn finalizers_hold_and_owners_take_along() {
    let (_, client) = cluster();
    let api = config_maps(&client);
    let mut held = config_map(&[]);
    held["metadata"]["finalizers"] = json!(["coder.com/hold"]);
    let owner =
        api.patch("settings", &PatchParams::apply("coderctl"), &Patch::Apply(held)).await.unwrap();
    let child = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
        "name": "child", "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap",
            "name": "settings", "uid": owner.metadata.uid}]}});
    api.patch("child", &PatchParams::apply("coderctl"), &Patch::Apply(child)).await.unwrap();
    let left = api.delete("settings", &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(left.metadata.deletion_timestamp.is_some());
    assert_eq!(refusal(api.get("child").await), (404, "NotFound".to_owned()));
    api.patch(
        "settings",
        &PatchParams::default(),
        &Patch::Merge(json!({"metadata": {"finalizers": null}})),
    )
    .await
    .unwrap();
    assert_eq!(refusal(api.get("settings").await), (404, "NotFound".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn custom_resources_are_served_once_they_are_defined() {
    let (_, client) = cluster();
    let things = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("coder.example", "v1", "Thing"),
        "things",
    );
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &things);
    assert_eq!(refusal(api.list(&ListParams::default()).await).0, 404);
    let definitions = ApiResource::from_gvk(&GroupVersionKind::gvk(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
    ));
    let definitions: Api<DynamicObject> = Api::all_with(client, &definitions);
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.coder.example"},
        "spec": {"group": "coder.example", "scope": "Namespaced",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {}}]},
    });
    definitions
        .patch("things.coder.example", &PatchParams::apply("c"), &Patch::Apply(definition))
        .await
        .unwrap();
    let thing = json!({"apiVersion": "coder.example/v1", "kind": "Thing",
        "metadata": {"name": "x"}, "spec": {"list": [{"name": "a"}, {"name": "b"}]}});
    api.patch("x", &PatchParams::apply("c"), &Patch::Apply(thing)).await.unwrap();
    let found = api.list(&ListParams::default()).await.unwrap();
    assert_eq!(found.items.len(), 1);
    let owned = &found.items[0].metadata.managed_fields.as_ref().unwrap()[0].fields_v1;
    assert_eq!(
        owned.as_ref().unwrap().0,
        json!({"f:spec": {"f:list": {}}}),
        "without a schema's marks a list is one value"
    );
}

#[tokio::test(start_paused = true)]
async fn services_get_an_address_that_stays() {
    let (_, client) = cluster();
    let api: Api<Service> = Api::namespaced(client, "default");
    let service = |port: u16| {
        Patch::Apply(json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "coder"},
            "spec": {"selector": {"app": "coder"}, "ports": [{"name": "http", "port": port}]}}))
    };
    let ours = PatchParams::apply("coderctl");
    let made = api.patch("coder", &ours, &service(80)).await.unwrap().spec.unwrap();
    assert!(made.cluster_ip.as_ref().is_some_and(|address| address.starts_with("172.20.")));
    let after = api.patch("coder", &ours, &service(8080)).await.unwrap().spec.unwrap();
    assert_eq!(after.cluster_ip, made.cluster_ip);
    let ports: Vec<i32> = after.ports.unwrap().iter().map(|port| port.port).collect();
    assert_eq!(ports, [8080]);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_where_one_is_set() {
    let (sandbox, client) = cluster();
    sandbox.require_token(Some("k8s-aws-v1.x"));
    assert_eq!(refusal(config_maps(&client).list(&ListParams::default()).await).0, 401);
    let request = |token: &str| {
        http::Request::get("/api/v1/namespaces/default/configmaps")
            .header("authorization", format!("Bearer {token}"))
            .body(bytes::Bytes::new())
            .unwrap()
    };
    assert_eq!(sandbox.handle(request("other")).await.unwrap().status(), 401);
    assert_eq!(sandbox.handle(request("k8s-aws-v1.x")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn faults_hit_and_are_written_down() {
    let (sandbox, client) = cluster();
    let api = config_maps(&client);
    let on = |effect| Fault::on_operation("kubernetes:patch configmaps", effect);
    sandbox.set_faults(Faults::script([
        on(Effect::Throttle),
        on(Effect::ServerError500).nth(2),
        on(Effect::LoseRequest).nth(3),
        on(Effect::LoseAnswer).nth(4),
    ]));
    assert_eq!(refusal(apply(&api, "c", &[]).await), (429, "TooManyRequests".to_owned()));
    assert_eq!(refusal(apply(&api, "c", &[]).await), (500, "InternalError".to_owned()));
    assert!(matches!(apply(&api, "c", &[("a", "1")]).await, Err(kube::Error::Service(_))));
    assert_eq!(refusal(api.get("settings").await).0, 404, "the request was lost");
    assert!(matches!(apply(&api, "c", &[("a", "1")]).await, Err(kube::Error::Service(_))));
    api.get("settings").await.unwrap();
    let outcomes: Vec<Outcome> = sandbox.calls().into_iter().map(|call| call.outcome).collect();
    assert_eq!(outcomes[2], Outcome::Lost { acted: false });
    assert_eq!(outcomes[4], Outcome::Lost { acted: true });
    assert_eq!(sandbox.counts()["kubernetes:patch configmaps"], 4);

    sandbox.set_faults(Faults::script([on(Effect::Stop(Stop::After))]));
    let dead = tokio::select! {
        _ = apply(&api, "c", &[("a", "2")]) => false,
        () = sandbox.stopped() => true,
    };
    assert!(dead);
    sandbox.set_faults(Faults::none());
    assert_eq!(data_of(&api.get("settings").await.unwrap()), pairs(&[("a", "2")]));
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_a_file_and_damage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cluster.json");
    let one = KubeSandbox::open(&path, clock(), 1).unwrap();
    let two = KubeSandbox::open(&path, clock(), 1).unwrap();
    let (first, second) = (config_maps(&client_of(&one)), config_maps(&client_of(&two)));
    let mut events = second
        .watch(&WatchParams::default().fields("metadata.name=settings"), "0")
        .await
        .unwrap()
        .boxed();
    apply(&first, "a", &[("a", "1")]).await.unwrap();
    apply(&second, "b", &[("b", "1")]).await.unwrap();
    assert_eq!(data_of(&first.get("settings").await.unwrap()), pairs(&[("a", "1"), ("b", "1")]));
    assert!(matches!(events.try_next().await.unwrap().unwrap(), WatchEvent::Added(_)));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    let error = KubeSandbox::open(&path, clock(), 1).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    std::fs::write(&path, "").unwrap();
    assert_eq!(refusal(first.get("settings").await).0, 500, "never taken for an empty cluster");
}

#[tokio::test]
async fn it_is_found_over_http() {
    let sandbox = KubeSandbox::in_memory(clock(), 1);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clusters = Clusters::new(Sandbox::in_memory(clock(), 1), "123456789012", None);
    let server = tokio::spawn(coderctl::sandbox::serve_kubernetes(
        sandbox.clone(),
        clusters,
        listener,
        std::future::pending(),
    ));
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let client = Client::try_from(config).unwrap();
    let groups = client.list_api_groups().await.unwrap();
    assert!(groups.groups.iter().any(|group| group.name == "apps"));
    let core = client.list_core_api_resources("v1").await.unwrap();
    assert!(core.resources.iter().any(|resource| resource.name == "configmaps"));
    assert_eq!(client.apiserver_version().await.unwrap().major, "1");
    let api = config_maps(&client);
    apply(&api, "coderctl", &[("a", "1")]).await.unwrap();
    let lines = client
        .request_stream(
            http::Request::get("/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3Dsettings")
                .body(vec![])
                .unwrap(),
        )
        .await
        .unwrap();
    let line = lines.lines().try_next().await.unwrap().unwrap();
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["type"], "ADDED");
    sandbox.set_faults(Faults::script([Fault::on_operation(
        "kubernetes:get configmaps",
        Effect::LoseAnswer,
    )]));
    assert!(matches!(
        api.get("settings").await,
        Err(kube::Error::HyperError(_) | kube::Error::Service(_))
    ));
    server.abort();
}

#[tokio::test(start_paused = true)]
async fn a_strategic_patch_merges_lists_by_their_keys() {
    let (_, client) = cluster();
    let api: Api<Deployment> = Api::namespaced(client, "default");
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "coder"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "one", "image": "x:1"}, {"name": "two", "image": "y:1"}]},
        }},
    });
    api.patch("coder", &PatchParams::apply("c"), &Patch::Apply(deployment)).await.unwrap();
    let patch = Patch::Strategic(json!({"spec": {"template": {"spec": {
        "$setElementOrder/containers": [{"name": "two"}, {"name": "three"}],
        "containers": [
            {"name": "one", "$patch": "delete"},
            {"name": "two", "image": "y:2"},
            {"name": "three", "image": "z:1"},
        ],
    }}}}));
    let after = api.patch("coder", &PatchParams::default(), &patch).await.unwrap();
    let containers = after.spec.template.spec.unwrap().containers;
    let found: Vec<(&str, Option<&str>)> = containers
        .iter()
        .map(|container| (container.name.as_str(), container.image.as_deref()))
        .collect();
    assert_eq!(found, [("two", Some("y:2")), ("three", Some("z:1"))]);
}
