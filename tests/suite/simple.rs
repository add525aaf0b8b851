//! SR-Simple from one file: from an empty account to a Coder that is owned, and back.

use super::deployment::{Deployment, destroy, spec};
use super::picture::difference;
use coderctl::kind::{Change, Effect};
use coderctl::plan::{Action, Options, Plan};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
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
