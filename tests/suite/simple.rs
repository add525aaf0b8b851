//! SR-Simple from one file: from an empty account to a Coder that is owned, and back.

use super::deployment::{Deployment, destroy, spec};
use super::picture::difference;
use coderctl::kind::{Change, Effect};
use coderctl::plan::{Action, Options, Plan};
use std::fmt::Write;

/// The example.
const SIMPLE: &str = "examples/sr-simple.yaml";

/// What a user changes on the second day.
const CHANGES: &[&str] = &[
    "cluster.node_groups.workspace.max_size=20",
    "database.max_capacity=8",
    "coder.version=2.37.1",
    "ingress.ssl_policy=ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "cluster.endpoint.public_access_cidrs=[203.0.113.0/24]",
    "coder.settings.CODER_SESSION_DURATION=12h",
];

#[tokio::test(start_paused = true)]
async fn sr_simple_lives_and_leaves_what_it_says() {
    let account = Deployment::new(5);
    let before = account.picture().await;
    account.done(&spec(SIMPLE, &[]), &Options::default()).await;
    let mut set: Vec<&str> = Vec::new();
    let mut touched = String::new();
    for change in CHANGES {
        set.push(change);
        let changed = spec(SIMPLE, &set);
        let plan = account.plan(&changed, &Options::default()).await;
        writeln!(touched, "{change}\n{}", acts(&plan)).unwrap();
        account.done(&changed, &Options::default()).await;
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

/// All that a plan does, with each field that changes.
fn acts(plan: &Plan) -> String {
    let mut lines = String::new();
    for item in plan.items.iter().filter(|item| item.acts()) {
        writeln!(lines, "  {} {}", word(item.action), item.address).unwrap();
        for change in &item.changes {
            let Change { field, from, to, effect, cause: _ } = change;
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

fn word(action: Action) -> &'static str {
    match action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Replace => "replace",
        Action::Delete => "delete",
        _ => "other",
    }
}
