//! Objects of all types by manifest, and Deployments that come up or say why not, against the
//! sandbox cluster with a controller that the test plays.

use super::kube_object::{World, address, config_map, env, fields, secret, set_up};
use coderctl::event::What;
use coderctl::graph::Graph;
use coderctl::kind::Effect;
use coderctl::kube::{Holes, Manifest, Object};
use coderctl::name::Region;
use coderctl::plan::{Action, Applied, Options};
use coderctl::value::Text;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn object(manifest: &Value) -> Object {
    Object::of_manifest(None, Manifest::new(manifest, Holes::default()).unwrap())
}

fn namespace() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": "apps", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}})
}

fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "coder", "labels": {"app": "web"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "serviceAccountName": "web",
                    "containers": [{
                        "name": "web",
                        "image": image,
                        "args": ["server"],
                        "ports": [{"name": "http", "containerPort": 8080}],
                        "env": [
                            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                            {"name": "URL", "value": "http://$(POD_IP):8080"},
                        ],
                        "resources": {
                            "requests": {"cpu": "1000m", "memory": "1024Mi"},
                            "limits": {"cpu": "2", "memory": "1Gi"},
                        },
                        "volumeMounts": [{"name": "home", "mountPath": "/data"}],
                    }],
                    "volumes": [{"name": "home", "emptyDir": {}}],
                },
            },
        },
    })
}

fn others() -> Vec<(&'static str, Value)> {
    let meta = |name: &str| json!({"name": name, "namespace": "coder"});
    let rbac = "rbac.authorization.k8s.io";
    vec![
        ("account", json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("web")})),
        (
            "role",
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "Role",
            "metadata": meta("web"),
            "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}]}),
        ),
        (
            "binding",
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "RoleBinding",
            "metadata": meta("web"),
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "web"},
            "subjects": [{"kind": "ServiceAccount", "name": "web", "namespace": "coder"}]}),
        ),
        (
            "service",
            json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"),
            "spec": {"type": "NodePort", "selector": {"app": "web"},
                "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}]}}),
        ),
        (
            "budget",
            json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": meta("web"),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "web"}}}}),
        ),
        (
            "policy",
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": meta("web"),
            "spec": {"podSelector": {}, "policyTypes": ["Ingress"],
                "ingress": [{"ports": [{"port": 8080}]}]}}),
        ),
        (
            "class",
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "gp3"}, "provisioner": "ebs.csi.aws.com",
            "parameters": {"type": "gp3"}, "reclaimPolicy": "Delete",
            "volumeBindingMode": "WaitForFirstConsumer"}),
        ),
    ]
}

/// Sets what the controllers of a real cluster would say of a Deployment.
async fn report(w: &World, replicas: i64, available: i64) {
    let api: Api<Deployment> = Api::namespaced(w.client.clone(), "coder");
    let Some(live) = api.get_opt("web").await.unwrap() else { return };
    let status = json!({"status": {"observedGeneration": live.metadata.generation,
        "replicas": replicas, "updatedReplicas": replicas, "availableReplicas": available}});
    api.patch_status("web", &PatchParams::default(), &Patch::Merge(status)).await.unwrap();
}

/// Plays the controller that brings up all that is asked for, a while later.
fn bring_up(w: &World) -> tokio::task::JoinHandle<()> {
    let (client, clock) = (w.client.clone(), w.cx.clock);
    tokio::spawn(async move {
        let api: Api<Deployment> = Api::all(client.clone());
        loop {
            clock.sleep(std::time::Duration::from_secs(20)).await;
            for live in api.list(&ListParams::default()).await.unwrap() {
                let wanted = live.spec.replicas.unwrap_or(1);
                let status = json!({"status": {"observedGeneration": live.metadata.generation,
                    "replicas": wanted, "updatedReplicas": wanted, "availableReplicas": wanted}});
                let (space, name) = (live.metadata.namespace.unwrap(), live.metadata.name.unwrap());
                let api: Api<Deployment> = Api::namespaced(client.clone(), &space);
                let patch = Patch::Merge(status);
                api.patch_status(&name, &PatchParams::default(), &patch).await.unwrap();
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn every_type_lives_its_life() {
    let w = set_up().await;
    let controller = bring_up(&w);
    let mut wanted: Vec<(&str, Object)> = vec![("namespace", object(&namespace()))];
    wanted.extend(others().iter().map(|(name, manifest)| (*name, object(manifest))));
    wanted.push(("web", object(&deployment("example.com/web:1"))));
    let refs: Vec<(&str, &Object)> = wanted.iter().map(|(name, it)| (*name, it)).collect();
    // The plan after it is empty: what the server fills in or writes otherwise is no difference.
    let plan = w.apply(&refs).await;
    assert!(plan.items.iter().all(|item| item.action == Action::Create));
    let said = format!("{:?}", w.said.lock().unwrap());
    assert!(said.contains("replicas"), "the rollout was waited for: {said}");
    // Gone from the spec, gone from the cluster.
    // A namespace takes what is in it along, so that needs to be said.
    let allow_delete = vec!["global/kubernetes/namespace".to_owned()];
    let options = Options { allow_delete, ..Options::default() };
    let (plan, _) = w.apply_with(&[], &options).await;
    assert_eq!(plan.items.len(), refs.len());
    assert!(plan.items.iter().all(|item| item.action == Action::Delete));
    let spaces: Api<Namespace> = Api::all(w.client.clone());
    assert!(spaces.get_opt("apps").await.unwrap().is_none());
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn each_field_changes_by_itself_and_fixed_ones_replace() {
    let w = set_up().await;
    let controller = bring_up(&w);
    let before = deployment("example.com/web:1");
    w.apply(&[("web", &object(&before))]).await;
    let container = "/spec/template/spec/containers/0";
    let named = "spec.template.spec.containers[name=\"web\"]";
    let cases = [
        ("/spec/replicas".to_owned(), json!(3), "spec.replicas".to_owned()),
        (format!("{container}/image"), json!("example.com/web:2"), format!("{named}.image")),
        (format!("{container}/args"), json!(["server", "-v"]), format!("{named}.args")),
        (
            format!("{container}/env/1/value"),
            json!("other"),
            format!("{named}.env[name=\"URL\"].value"),
        ),
        (
            format!("{container}/resources/limits/cpu"),
            json!("3"),
            format!("{named}.resources.limits.cpu"),
        ),
        ("/metadata/labels/app".to_owned(), json!("other"), "labels.app".to_owned()),
    ];
    for (pointer, value, field) in cases {
        let mut after = before.clone();
        *after.pointer_mut(&pointer).unwrap() = value;
        let plan = w.apply(&[("web", &object(&after))]).await;
        assert_eq!(fields(&plan), [field]);
        assert_eq!(plan.items[0].action, Action::Update);
        w.apply(&[("web", &object(&before))]).await;
    }
    // An entry more, and away again.
    let mut more = before.clone();
    let env = more.pointer_mut(&format!("{container}/env")).unwrap().as_array_mut().unwrap();
    env.push(json!({"name": "MORE", "value": "1"}));
    assert_eq!(
        fields(&w.apply(&[("web", &object(&more))]).await),
        [format!("{named}.env[name=\"MORE\"]")]
    );
    let plan = w.apply(&[("web", &object(&before))]).await;
    assert_eq!(fields(&plan), [format!("{named}.env[name=\"MORE\"]")]);
    let api: Api<Deployment> = Api::namespaced(w.client.clone(), "coder");
    let live = serde_json::to_value(api.get("web").await.unwrap()).unwrap();
    assert_eq!(live.pointer(&format!("{container}/env")).unwrap().as_array().unwrap().len(), 2);
    // What is fixed.
    let mut other = before.clone();
    other["spec"]["selector"]["matchLabels"] = json!({"app": "web", "tier": "one"});
    other["spec"]["template"]["metadata"]["labels"] = json!({"app": "web", "tier": "one"});
    let plan = w.apply(&[("web", &object(&other))]).await;
    assert_eq!(plan.items[0].action, Action::Replace);
    let replacing = plan.items[0].changes.iter().filter(|it| it.effect == Effect::Replace);
    let replacing: Vec<&str> = replacing.map(|change| change.field.as_str()).collect();
    assert_eq!(replacing, ["spec.selector"]);
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_sets_is_named_and_left_where_the_spec_says_nothing() {
    let w = set_up().await;
    let controller = bring_up(&w);
    let wanted = object(&deployment("example.com/web:1"));
    w.apply(&[("web", &wanted)]).await;
    let api: Api<Deployment> = Api::namespaced(w.client.clone(), "coder");
    // A field of their own, and a container of their own in our list.
    let theirs = json!({"spec": {"minReadySeconds": 5}, "metadata": {"labels": {"team": "x"}}});
    w.edit(&api, "web", theirs).await;
    w.cx.clock.sleep(std::time::Duration::from_secs(30)).await;
    assert!(w.plan(&[("web", &wanted)]).await.is_empty());
    w.edit(&api, "web", json!({"spec": {"replicas": 7}})).await;
    let plan = w.plan(&[("web", &wanted)]).await;
    assert_eq!(fields(&plan), ["spec.replicas"]);
    assert_eq!(plan.items[0].notes, ["spec.replicas is set by kubectl-edit"]);
    w.apply(&[("web", &wanted)]).await;
    let live = api.get("web").await.unwrap().spec;
    assert_eq!((live.replicas, live.min_ready_seconds), (Some(2), Some(5)));
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn what_the_cluster_would_refuse_is_in_the_plan() {
    let w = set_up().await;
    let controller = bring_up(&w);
    let before = deployment("example.com/web:1");
    w.apply(&[("web", &object(&before))]).await;
    let mut wrong = before.clone();
    wrong["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    w.kube.forget_calls();
    let plan = w.plan(&[("web", &object(&wrong))]).await;
    let note = &plan.items[0].notes[0];
    assert!(note.contains("the cluster would refuse this"), "{note}");
    assert!(note.contains("does not match template"), "{note}");
    assert!(w.kube.calls().iter().all(|call| !call.mutating), "{:?}", w.kube.calls());
    // Nothing to change, nothing to ask.
    w.kube.forget_calls();
    w.plan(&[("web", &object(&before))]).await;
    assert!(!w.kube.counts().contains_key("kubernetes:patch deployments"));
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn pods_start_anew_when_their_configuration_changes_and_no_digest_tells_a_secret() {
    let w = set_up().await;
    let controller = bring_up(&w);
    let with = |text: &str, variable: &str| {
        let settings = config_map(&[("a", text)]);
        let tokens = secret(&[("token", env(variable))]);
        let read = BTreeMap::from([
            ("settings".to_owned(), settings.content),
            ("tokens".to_owned(), tokens.content),
        ]);
        object(&deployment("example.com/web:1")).reading_at_start(read)
    };
    w.apply(&[("web", &with("1", "one"))]).await;
    let checksum = "spec.template.annotations.checksum/config";
    let checksum = [checksum.replace("template.", "template.metadata.")];
    assert_eq!(fields(&w.apply(&[("web", &with("2", "one"))]).await), checksum);
    let plan = w.apply(&[("web", &with("2", "two"))]).await;
    let changed: Vec<String> = fields(&plan);
    assert_eq!(changed, checksum);
    controller.abort();
}

#[tokio::test(start_paused = true)]
async fn holes_are_edges_and_are_filled() {
    let w = set_up().await;
    let mut graph = Graph::default();
    let region = Region::new("us-east-1");
    let first = graph.add(&region, address("first"), "x", config_map(&[("a", "1")]));
    let name = first.output("name", |live| Some(live.name.clone()));
    let mut holes = Holes::default();
    let manifest = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": "web", "namespace": "coder",
        "annotations": {"example.com/of": holes.text(Text::new("of ").then(name))}}});
    let account = Object::of_manifest(None, Manifest::new(&manifest, holes).unwrap());
    graph.add(&region, address("second"), "x", account);
    let second = &graph.nodes[1];
    assert_eq!(second.edges().len(), 1, "the hole makes the edge");
    let (plan, snapshot) = w.plan_with(&graph, &Applied::default(), &Options::default()).await;
    let ran = w.execute(&plan, &graph, &snapshot).await;
    assert!(ran.is_complete(), "{:?}", ran.failed);
    let api: Api<k8s_openapi::api::core::v1::ServiceAccount> =
        Api::namespaced(w.client.clone(), "coder");
    let annotations = api.get("web").await.unwrap().metadata.annotations.unwrap();
    assert_eq!(annotations["example.com/of"], "of settings");
    let (plan, _) = w.plan_with(&graph, &Applied::default(), &Options::default()).await;
    assert!(plan.is_empty(), "{:#?}", plan.items);
    // Only whole strings can be holes, and only managed types can be objects.
    let mut holes = Holes::default();
    let part = format!("a {}", holes.text(Text::new("x")));
    let bad = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
        "name": "web", "namespace": "coder", "annotations": {"a": part}}});
    assert!(Manifest::new(&bad, holes).is_err());
    let bad =
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x", "namespace": "y"}});
    assert!(Manifest::new(&bad, Holes::default()).is_err());
}

/// Makes a pod of the Deployment with this status.
async fn pod(w: &World, status: Value) {
    let api: Api<Pod> = Api::namespaced(w.client.clone(), "coder");
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "web-1", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]}});
    let pod: Pod = serde_json::from_value(pod).unwrap();
    api.create(&PostParams::default(), &pod).await.unwrap();
    let patch = Patch::Merge(json!({"status": status}));
    api.patch_status("web-1", &PatchParams::default(), &patch).await.unwrap();
}

fn waiting(reason: &str, message: &str, restarts: i64) -> Value {
    json!({"phase": "Pending", "containerStatuses": [{
        "name": "web", "image": "example.com/web:1", "ready": false, "restartCount": restarts,
        "imageID": "", "state": {"waiting": {"reason": reason, "message": message}}}]})
}

/// Applies a Deployment whose pod is like this, and gives the error, its hint, and how long it
/// took to say so.
async fn fails(status: Value) -> (String, String, u64) {
    let w = set_up().await;
    pod(&w, status).await;
    let begin = w.cx.clock.unix();
    let wanted = object(&deployment("example.com/web:1"));
    let (_, ran) = w.apply_with(&[("web", &wanted)], &Options::default()).await;
    let (_, error) = &ran.failed[0];
    (error.to_string(), error.hint.clone().unwrap_or_default(), w.cx.clock.unix() - begin)
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_does_not_come_up_says_why() {
    let (error, hint, after) = fails(waiting("InvalidImageName", "couldn't parse image", 0)).await;
    assert!(error.contains("InvalidImageName: couldn't parse image"), "{error}");
    assert_eq!(hint, "kubectl -n coder describe pod web-1");
    assert!(after < 30, "what never recovers is not waited for: {after} s");

    let (error, _, after) = fails(waiting("ErrImagePull", "not found", 0)).await;
    assert!(error.contains("not found (image example.com/web:1)"), "{error}");
    assert!((60..120).contains(&after), "{after} s");

    let missing = "secret \"db\" not found";
    let (error, _, after) = fails(waiting("CreateContainerConfigError", missing, 0)).await;
    assert!(error.contains(missing) && (60..120).contains(&after), "{error} after {after} s");

    let (error, _, after) = fails(waiting("CrashLoopBackOff", "back-off", 5)).await;
    assert!(error.contains("CrashLoopBackOff") && error.contains("5 restarts"), "{error}");
    assert!(after < 30, "{after} s");

    let unschedulable = "0/2 nodes are available: 2 Insufficient cpu.";
    let status = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled",
        "status": "False", "reason": "Unschedulable", "message": unschedulable}]});
    let (error, _, after) = fails(status).await;
    assert!(error.contains(unschedulable), "{error}");
    assert!(after >= 900, "a node may still come: {after} s");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_was_left_halfway_is_waited_for_and_a_broken_one_can_be_mended() {
    let w = set_up().await;
    let broken = object(&deployment("example.com/web:broken"));
    pod(&w, waiting("InvalidImageName", "couldn't parse image", 0)).await;
    let (_, ran) = w.apply_with(&[("web", &broken)], &Options::default()).await;
    assert_eq!(ran.failed.len(), 1);
    report(&w, 2, 1).await;
    let plan = w.plan(&[("web", &broken)]).await;
    assert_eq!(plan.items[0].action, Action::Wait);
    assert_eq!(plan.items[0].reason.as_deref(), Some("it is 1 of 2 replicas available"));
    // The mend is not kept from the cluster by what it mends.
    let pods: Api<Pod> = Api::namespaced(w.client.clone(), "coder");
    pods.delete("web-1", &DeleteParams::default()).await.unwrap();
    let controller = bring_up(&w);
    let plan = w.apply(&[("web", &object(&deployment("example.com/web:2")))]).await;
    assert_eq!(plan.items[0].action, Action::Update);
    let waited = w.said.lock().unwrap().iter().any(
        |event| matches!(&event.what, What::StepProgress { status, .. } if status.contains("replicas")),
    );
    assert!(waited);
    controller.abort();
}
