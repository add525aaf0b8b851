//! Secrets never get out: neither through plans, events, the record and logs, nor through what
//! AWS says when it quotes what it refuses.

use super::binary::Folder;
use super::deployment::{World, destroy, small, spec};
use coderctl::plan::Options;
use coderctl::sandbox::kube::KubeService;
use coderctl::sandbox::{Effect, Fault, Faults};
use std::fmt::Write;

const FROM_ENV: &str = "canary-env-Zq7/x+\"quoted\"";
const FROM_FILE: &str = "canary-file-Wm3 with spaces";
const FROM_MANAGER: &str = "canary-manager-Kp9";

fn assert_silent(text: &str, place: &str) {
    assert!(!text.contains("canary-"), "a secret is in {place}:\n{text}");
}

/// The world as it stands, but for where the secrets are meant to be.
fn dump(world: &World) -> String {
    let mut dump = world.sandbox.dump();
    for account in dump["accounts"].as_object_mut().unwrap().values_mut() {
        for region in account["regions"].as_object_mut().unwrap().values_mut() {
            region["secrets"].take();
        }
    }
    // Objects of buckets are kept encoded; what is in them counts.
    let mut text = dump.to_string();
    decode(&dump["s3"], &mut text);
    text
}

/// Everything in `value` that may be base64, decoded.
pub(super) fn decode(value: &serde_json::Value, into: &mut String) {
    use base64::Engine;
    match value {
        serde_json::Value::String(text) => {
            if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(text) {
                into.push_str(&String::from_utf8_lossy(&bytes));
                into.push('\n');
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| decode(item, into)),
        serde_json::Value::Object(map) => map.values().for_each(|item| decode(item, into)),
        _ => {}
    }
}

#[tokio::test(start_paused = true)]
async fn secrets_reach_the_cluster_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), FROM_FILE).unwrap();
    let mut world = World::new();
    world.folder = folder.path().to_owned();
    world.env = vec![("CANARY".to_owned(), FROM_ENV.to_owned())];
    let manager = aws_sdk_secretsmanager::Client::new(&world.config());
    manager
        .create_secret()
        .name("coder/prod/db")
        .secret_string(FROM_MANAGER)
        .client_request_token("00000000-0000-4000-8000-000000000001")
        .send()
        .await
        .unwrap();
    let wanted = spec(
        small(),
        &[
            "kubernetes.objects.db.secret.namespace=default",
            "kubernetes.objects.db.secret.name=db",
            "kubernetes.objects.db.secret.string_data.env.env=CANARY",
            "kubernetes.objects.db.secret.string_data.file.file=token",
            "kubernetes.objects.db.secret.string_data.manager.secrets_manager=coder/prod/db",
        ],
    );
    let mut said = String::new();

    // AWS quotes what it refuses, and so does this one, whatever it was asked.
    let quote = Effect::Error {
        status: 400,
        code: "InvalidParameterValue".to_owned(),
        message: format!("invalid: {FROM_MANAGER} {FROM_FILE} {FROM_ENV}"),
    };
    let refuse = Fault::on_operation("ec2:CreateNatGateway", quote).times(u32::MAX);
    // The values are known once the object is made, which the gateway need not wait for; the
    // second run knows them from reading them again.
    world.sandbox.set_faults(Faults::script([refuse]));
    let carried = world.run(&wanted, &Options::default()).await.unwrap();
    assert!(!carried.outcome.failed.is_empty());
    for (step, error) in &carried.outcome.failed {
        writeln!(said, "{step:?} {error} {error:?} {:?}", error.hint).unwrap();
    }
    world.sandbox.set_faults(Faults::none());
    let plan = world.plan(&wanted, &Options::default()).await;
    write!(said, "{plan:?}\n{}", serde_json::to_string(&plan).unwrap()).unwrap();
    world.apply(&wanted).await;
    world.assert_converged(&wanted).await;

    // It is where it belongs, or all of this proves nothing.
    let service = KubeService::new(world.cluster.clone());
    let client = kube::Client::new(service, "default");
    let secrets: kube::Api<k8s_openapi::api::core::v1::Secret> =
        kube::Api::default_namespaced(client);
    let data = secrets.get("db").await.unwrap().data.unwrap();
    for (key, value) in [("env", FROM_ENV), ("file", FROM_FILE), ("manager", FROM_MANAGER)] {
        assert_eq!(data[key].0, value.as_bytes(), "{key}");
    }

    let events = world.events.lock().unwrap().clone();
    for event in &events {
        writeln!(said, "{event:?}\n{}", serde_json::to_string(event).unwrap()).unwrap();
    }
    assert_silent(&said, "what was said");
    let kept = dump(&world);
    assert!(kept.contains("network/vpc"), "the record can be read here");
    assert_silent(&kept, "the account");
    world.done(&wanted, &destroy()).await;
    assert_silent(&dump(&world), "the account after the end");
}

#[test]
fn secrets_are_not_in_the_program_s_output() {
    let folder = Folder::new();
    folder.write("token", FROM_FILE);
    folder.tiny();
    let secret = folder.write(
        "secret.yaml",
        "assume_role:\n  role_arn: arn:aws:iam::123456789012:role/deploy\n  \
         external_id: {file: token}\nkubernetes:\n  objects:\n    db:\n      secret:\n        \
         namespace: default\n        name: db\n        string_data: {token: {file: token}}\n",
    );
    let secret = secret.to_str().unwrap();
    let files = ["-f", "coderctl.yaml", "-f", secret];
    let run = |args: &[&str]| {
        let all: Vec<&str> = files.iter().chain(args).copied().collect();
        let ran = folder.run(&all).exits(0);
        assert_silent(&ran.out, "standard output");
        assert_silent(&ran.err, "standard error");
    };
    run(&["plan", "--out", "plan.json"]);
    assert_silent(&std::fs::read_to_string(folder.path("plan.json")).unwrap(), "the plan file");
    run(&["plan", "--output", "json"]);
    run(&["apply", "--yes", "-vv", "--json-into", "events.jsonl"]);
    assert_silent(&std::fs::read_to_string(folder.path("events.jsonl")).unwrap(), "the events");
    assert_silent(&std::fs::read_to_string(folder.path("account.json")).unwrap(), "the account");
    run(&["outputs", "--output", "json"]);
    run(&["runs"]);
}
