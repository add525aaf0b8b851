//! SR-Simple from one file: from an empty account to a Coder that is owned, and back.

use super::deployment::{Deployment, End, destroy, spec};
use super::picture::difference;
use coderctl::kind::{Change, Effect};
use coderctl::plan::{Action, Options, Plan};
use serde_json::json;
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
