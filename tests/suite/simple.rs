//! SR-Simple from one file: from an empty account to a Coder that is owned, and back.

use super::deployment::{Deployment, End, destroy, spec};
use super::picture::{difference, ids};
use coderctl::cli::Exit;
use coderctl::cli::left::{Left, left};
use coderctl::kind::{Change, Effect};
use coderctl::plan::{Action, Options, Plan};
use coderctl::sandbox::{self, Fault, Faults};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The example.
const SIMPLE: &str = "examples/sr-simple.yaml";

/// Room for more workspaces: nothing but the least size of a group adds nodes.
const MORE_NODES: &str = "cluster.node_groups.workspace.min_size=3";

/// What a user changes on the second day.
const CHANGES: &[&str] = &[
    MORE_NODES,
    "database.max_capacity=8",
    "coder.version=2.37.1",
    "ingress.ssl_policy=ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "cluster.endpoint.public_access_cidrs=[203.0.113.0/24]",
    "coder.settings.CODER_SESSION_DURATION=12h",
    "ingress.node_port=30090",
    "ingress.allowed_cidrs=[203.0.113.0/24]",
];

#[tokio::test(start_paused = true)]
async fn sr_simple_lives_and_leaves_what_it_says() {
    let account = Deployment::new(5);
    let before = account.picture().await;
    account.done(&spec(SIMPLE, &[]), &Options::default()).await;
    assert_eq!(ready_nodes(&account, "workspace").await, 2);
    let mut set: Vec<&str> = Vec::new();
    let mut touched = String::new();
    for change in CHANGES {
        set.push(change);
        let changed = spec(SIMPLE, &set);
        let plan = account.plan(&changed, &Options::default()).await;
        writeln!(touched, "{change}\n{}", acts(&plan)).unwrap();
        account.done(&changed, &Options::default()).await;
        if *change == MORE_NODES {
            // Nodes join a while after their group has grown.
            account.pass(120).await;
            assert_eq!(ready_nodes(&account, "workspace").await, 3);
        }
    }
    insta::assert_snapshot!("second_day", touched);
    account.done(&spec(SIMPLE, &set), &destroy()).await;
    // What is left is the way back, a last snapshot and the key that it needs, and the roles that
    // AWS's services have made for themselves.
    let after = account.picture().await;
    let left: Vec<String> = difference(&after, &before)
        .lines()
        .map(|line| {
            let service = line.contains("/aws-service-role/");
            let kind = line.split(' ').next().unwrap_or_default();
            let kind = [kind, line.split(' ').nth(1).unwrap_or_default()].join(" ");
            if service { format!("{kind} of a service") } else { kind }
        })
        .collect();
    let of_services = left.iter().filter(|line| *line == "+1 iam/roles of a service").count();
    let own: Vec<&String> = left.iter().filter(|line| !line.ends_with("of a service")).collect();
    assert_eq!(own, ["+1 kms/keys", "+1 rds/snapshots"], "{left:?}");
    assert_eq!(of_services, 3, "{left:?}");
}

/// How many nodes of a group Kubernetes has, as far as they are ready.
async fn ready_nodes(account: &Deployment, group: &str) -> usize {
    let nodes: Api<Node> = Api::all(account.kube());
    let of_group = ListParams::default().labels(&format!("coder.com/node-type={group}"));
    let is_ready = |node: &Node| {
        let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
        conditions
            .is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
    };
    nodes.list(&of_group).await.unwrap().iter().filter(|node| is_ready(node)).count()
}

/// The id as the sandbox keeps it: without the rest of an ARN, and a secret by its name.
fn kept_as(id: &str) -> &str {
    if let Some((_, name)) = id.split_once(":secret:") {
        return name.rsplit_once('-').unwrap().0;
    }
    id.rsplit([':', '/']).next().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_destroy_lists_as_kept_is_what_it_leaves() {
    let (standing, simple) = (Deployment::new(5), spec(SIMPLE, &[]));
    // An account is there from the first call on.
    standing.picture().await;
    let before = ids(&standing.sandbox.dump());
    standing.done(&simple, &Options::default()).await;
    let (with_spec, by_name) = (standing.fork(), standing.fork());
    standing.forget().await;
    let forgotten = standing;
    for (account, has_spec) in [(&with_spec, true), (&by_name, false), (&forgotten, true)] {
        let mut session = match has_spec {
            true => account.open(&simple).await.unwrap(),
            false => account.open_by_name(&simple).await.unwrap(),
        };
        let carried = account.carry_in(&mut session, &destroy()).await.unwrap().unwrap();
        let listed = left(&session, &carried, &destroy()).await;
        assert!(listed.still.is_empty() && listed.unread.is_empty(), "{listed:?}");
        assert_eq!(listed.exit_of(&carried.outcome), Exit::Done);
        // Two hours later, what is only shown for a while is no longer there.
        account.picture().await;
        let after = ids(&account.sandbox.dump());
        // AWS's services have made these for themselves.
        let of_service = |id: &str| id.to_lowercase().starts_with("awsservicerole");
        let there: BTreeSet<&str> = after
            .difference(&before)
            .filter(|(kind, id)| !(kind == "iam/roles" && of_service(id)))
            .map(|(_, id)| id.as_str())
            .collect();
        let kept = listed.kept.iter().filter(|kept| kept.what != "bucket");
        let kept: BTreeSet<&str> = kept.map(|kept| kept_as(&kept.id)).collect();
        assert_eq!(kept, there, "{listed:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_after_a_destroy_is_said() {
    let (account, simple) = (Deployment::new(5), spec(SIMPLE, &[]));
    account.done(&simple, &Options::default()).await;
    let mut session = account.open(&simple).await.unwrap();
    let carried = account.carry_in(&mut session, &destroy()).await.unwrap().unwrap();
    let denied = sandbox::Effect::Error {
        status: 403,
        code: "AccessDenied".to_owned(),
        message: "no".to_owned(),
    };
    let denied = Fault::on_operation("rds:DescribeDBClusterSnapshots", denied).times(100);
    account.sandbox.set_faults(Faults::script([denied]));
    let listed = left(&session, &carried, &destroy()).await;
    let rows = listed.kept_rows();
    let (_, why) = rows.iter().find(|(what, _)| what == "us-east-1/database/snapshots").unwrap();
    assert!(why.starts_with("could not be read"), "{why}");
    assert!(why.contains("rds:DescribeDBClusterSnapshots"), "{why}");
    // The key that they need is not taken for one that should be gone.
    assert!(listed.still.is_empty(), "{:?}", listed.still);
}

/// Somebody puts a thing of ours back while everything goes.
#[tokio::test(start_paused = true)]
async fn a_destroy_that_leaves_something_of_ours_is_not_done() {
    let (account, simple) = (Deployment::new(5), spec(SIMPLE, &[]));
    account.done(&simple, &Options::default()).await;
    let mut session = account.open(&simple).await.unwrap();
    let uid = session.cx.deployment.uid.clone().unwrap();
    let carried = account.carry_in(&mut session, &destroy()).await.unwrap().unwrap();
    assert_eq!(Left::default().exit_of(&carried.outcome), Exit::Done);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&account.config());
    let again = logs.create_log_group().log_group_name("/coder/again");
    let tags = [
        ("coderctl:deployment", "coder-prod"),
        ("coderctl:uid", uid.as_str()),
        ("coderctl:address", "us-east-1/log-group/again"),
        ("coderctl:generation", "1"),
    ];
    let again = tags.into_iter().fold(again, |call, (key, value)| call.tags(key, value));
    again.send().await.unwrap();
    let listed = left(&session, &carried, &destroy()).await;
    let still: Vec<String> = listed.still_rows().into_iter().map(|(what, _)| what).collect();
    assert_eq!(still, ["us-east-1/log-group/again /coder/again"]);
    assert_eq!(listed.exit_of(&carried.outcome), Exit::Partial);
    // As the row says: the same command again takes it away.
    assert_eq!(account.left(&simple, &destroy()).await, "Delete us-east-1/log-group/again");
    account.done(&simple, &destroy()).await;
}

#[tokio::test(start_paused = true)]
async fn coder_goes_to_newer_versions_and_never_back() {
    let account = Deployment::new(6);
    account.done(&spec(SIMPLE, &[]), &Options::default()).await;
    let server = "us-east-1/kubernetes/deployment/server";
    let refused = |plan: &Plan| -> Vec<(String, String)> {
        assert!(plan.refusals.iter().all(|it| it.address.as_ref().unwrap().as_str() == server));
        plan.refusals.iter().map(|it| (it.why.clone(), it.hint.clone())).collect()
    };
    for older in ["2.34.10", "2.36.4"] {
        let older = spec(SIMPLE, &[&format!("coder.version={older}")]);
        let refusals = refused(&account.plan(&older, &Options::default()).await);
        let [(why, hint)] = refusals.as_slice() else { panic!("{refusals:?}") };
        assert!(why.contains("v2.36.5 is live, and v2.3"), "{why}");
        assert!(why.ends_with(" is older"), "{why}");
        assert!(hint.contains("set coder.version to at least the live one"), "{hint}");
        assert!(hint.contains("database.from_snapshot"), "{hint}");
        account.sandbox.forget_calls();
        let End::Failed(why) = account.run(&older, &Options::default()).await else {
            panic!("it was carried out")
        };
        assert!(why.contains("is live, and"), "{why}");
        assert!(account.sandbox.calls().iter().all(|call| !call.mutating));
    }

    // Numbers are compared as numbers, and another image counts by its tag alone.
    let newer = spec(SIMPLE, &["coder.version=2.37.1"]);
    assert_eq!(refused(&account.plan(&newer, &Options::default()).await), []);
    account.done(&newer, &Options::default()).await;
    let mirrored = ["coder.version=2.37.1", "coder.image=registry.example.com:5000/coder"];
    let mirrored = account.plan(&spec(SIMPLE, &mirrored), &Options::default()).await;
    assert_eq!(refused(&mirrored), []);
    let back = ["coder.version=2.36.5", "coder.image=registry.example.com:5000/coder"];
    let back = account.plan(&spec(SIMPLE, &back), &Options::default()).await;
    assert_eq!(refused(&back).len(), 1);

    // What somebody else has put there is left alone, and is nothing to refuse; setting it back is.
    set_image(&account, "ghcr.io/coder/coder:v2.38.0").await;
    account.pass(300).await;
    assert_eq!(refused(&account.plan(&newer, &Options::default()).await), []);
    let set_back = Options { overwrite_drift: true, ..Options::default() };
    assert_eq!(refused(&account.plan(&newer, &set_back).await).len(), 1);
    // No version, no opinion.
    set_image(&account, "ghcr.io/coder/coder:main").await;
    assert_eq!(refused(&account.plan(&newer, &set_back).await), []);
}

/// Has the server run another image, as somebody does by hand.
async fn set_image(account: &Deployment, image: &str) {
    let api: kube::Api<k8s_openapi::api::apps::v1::Deployment> =
        kube::Api::namespaced(account.kube(), "coder");
    let containers = json!([{"name": "coder", "image": image}]);
    let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
    let patch = kube::api::Patch::Strategic(patch);
    api.patch("coder", &kube::api::PatchParams::default(), &patch).await.unwrap();
}

/// All that a plan does, with each field that changes.
fn acts(plan: &Plan) -> String {
    let mut lines = String::new();
    for item in plan.items.iter().filter(|item| item.acts()) {
        writeln!(lines, "  {} {}", word(item.action), item.address).unwrap();
        for change in &item.changes {
            let Change { field, from, to, effect, cause: _ } = change;
            let from = without_id(&from.to_string());
            let to = to.as_ref().map_or("(known after apply)".to_owned(), ToString::to_string);
            let how = match effect {
                Effect::InPlace => "in place",
                Effect::Replace => "replaces it",
            };
            writeln!(lines, "    {field}: {from} → {to}, {how}").unwrap();
        }
    }
    lines
}

/// An ARN without the id at its end, which AWS draws.
fn without_id(value: &str) -> String {
    match value.rsplit_once('/') {
        Some((before, _)) if before.starts_with("\"arn:") => format!("{before}/…\""),
        _ => value.to_owned(),
    }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        _ => "other",
    }
}
