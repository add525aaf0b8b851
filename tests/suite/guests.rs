//! Destroying SR-Simple with what others made in it: workspaces, volumes, load balancers.

use super::deployment::{Deployment, End, destroy, difference, spec};
use coderctl::plan::Options;
use coderctl::sandbox::kube::KubeService;
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};

const SIMPLE: &str = "examples/sr-simple.yaml";
/// Where templates put workspaces.
const WORKSPACES: &str = "coder-ws";
/// The addresses of everything that [`occupy`] makes.
const OTHERS: [&str; 3] = [
    "us-east-1/coder/workspaces",
    "us-east-1/cluster/volumes/default/data",
    "us-east-1/cluster/load-balancers/default/web",
];

fn client(account: &Deployment) -> Client {
    Client::new(KubeService::new(account.cluster()), "default")
}

fn api(account: &Deployment, group: &str, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(group, "v1", kind);
    Api::namespaced_with(client(account), "default", &ApiResource::from_gvk(&kind))
}

async fn make(account: &Deployment, group: &str, object: Value) {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    api(account, group, &kind).create(&PostParams::default(), &object).await.unwrap();
}

/// Lets `seconds` pass in which the cluster's controllers work.
async fn work(account: &Deployment, seconds: u64) {
    account.pass(seconds).await;
    api(account, "", "Pod").list(&ListParams::default()).await.unwrap();
}

/// Two workspaces, a database that somebody runs by hand, and a page that is shown.
async fn occupy(account: &Deployment) {
    let kube = account.cluster();
    assert!(kube.start_workspace("alice", "dev", WORKSPACES));
    assert!(kube.start_workspace("bob", "web", WORKSPACES));
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}},
    });
    make(account, "", claim).await;
    let database = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "database", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "database"}},
            "template": {
                "metadata": {"labels": {"app": "database"}},
                "spec": {
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{"name": "database", "image": "postgres:17"}],
                    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
                },
            },
        },
    });
    make(account, "apps", database).await;
    let page = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    });
    make(account, "", page).await;
    work(account, 60).await;
    work(account, 60).await;
    assert_eq!(data_volumes(account).len(), 3, "{:?}", data_volumes(account));
    assert_eq!(things(account, "elbv2", "balancers").len(), 2);
}

/// All of a sort in EC2 or Elastic Load Balancing.
fn things(account: &Deployment, service: &str, sort: &str) -> Vec<Value> {
    let dump = account.sandbox.dump();
    let all = &dump["accounts"]["123456789012"]["regions"]["us-east-1"][service][sort];
    all.as_object().unwrap().values().cloned().collect()
}

/// The volumes that claims have got, in EC2.
fn data_volumes(account: &Deployment) -> Vec<Value> {
    let mut all = things(account, "ec2", "volumes");
    all.retain(|volume| volume["outlives"] == true);
    all
}

fn consenting(addresses: &[&str]) -> Options {
    let allow_delete = addresses.iter().map(|address| (*address).to_owned()).collect();
    Options { allow_delete, ..destroy() }
}

/// What a destroy leaves, but for the roles that AWS's services made.
fn left(after: &[String], before: &[String]) -> Vec<String> {
    difference(after, before)
        .lines()
        .filter(|line| !line.contains("/aws-service-role/"))
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

/// What SR-Simple always leaves: the last snapshot and its key.
const SNAPSHOT: [&str; 2] = ["+1 kms/keys", "+1 rds/snapshots"];

#[tokio::test(start_paused = true)]
async fn what_others_made_goes_with_consent_and_never_without() {
    let account = Deployment::new(31);
    let before = account.picture().await;
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    occupy(&account).await;

    let plan = account.plan(&simple, &destroy()).await;
    assert_eq!(plan.unread, []);
    let refused: Vec<&str> =
        plan.refusals.iter().filter_map(|it| Some(it.address.as_ref()?.as_str())).collect();
    assert_eq!(refused, OTHERS, "{:?}", plan.refusals);
    assert!(plan.refusals[0].why.ends_with(": alice/dev, bob/web"), "{}", plan.refusals[0].why);
    assert!(plan.refusals[1].hint.ends_with("--allow-delete volumes"), "{}", plan.refusals[1].hint);
    let workspaces = plan.items.iter().find(|item| item.address.as_str() == OTHERS[0]).unwrap();
    let held: Vec<String> =
        workspaces.holds.iter().map(|held| format!("{}: {}", held.name, held.detail)).collect();
    assert_eq!(
        held,
        ["alice/dev: running, a volume of 10Gi", "bob/web: running, a volume of 10Gi"]
    );

    // Consent to some is not consent to all, and nothing has been touched.
    account.sandbox.forget_calls();
    let some = consenting(&["workspaces", "volumes"]);
    let End::Failed(why) = account.run(&simple, &some).await else { panic!("it was destroyed") };
    assert!(why.contains(OTHERS[2]), "{why}");
    assert!(account.sandbox.calls().iter().all(|call| !call.mutating));

    // By name of their sort, and by address.
    account.done(&simple, &consenting(&["workspaces", "volumes", OTHERS[2]])).await;
    let after = account.picture().await;
    assert_eq!(left(&after, &before), SNAPSHOT, "{}", difference(&after, &before));
}
