//! The database's password is exchanged: at rest, after a crash at any call, with lost answers and
//! throttling, by `rotate` and by a plain apply.

use super::deployment::{Deployment, End, spec};
use super::harness::config;
use coderctl::cli::drive::Caller;
use coderctl::cli::failure::Failure;
use coderctl::cli::rotation::Rotation;
use coderctl::event::{Event, What};
use coderctl::plan::{Action, Options};
use coderctl::sandbox::{Effect, Fault, Faults, Matching, Stop};
use coderctl::spec::Loaded;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::Api;
use kube::api::ListParams;
use std::sync::{Arc, Mutex};

/// The example.
const SIMPLE: &str = "examples/sr-simple.yaml";
/// The longest lease of a dead holder, and a little.
const LEASE: u64 = 130;
/// The secret with the password.
const MASTER: &str = "coder-prod/database";

fn example() -> Loaded {
    spec(SIMPLE, &[])
}

/// SR-Simple, as it stands after an apply.
async fn made() -> Deployment {
    let account = Deployment::new(5);
    account.done(&example(), &Options::default()).await;
    account
}

/// What `coderctl rotate db-password` does, and what was said.
async fn rotate(account: &Deployment, spec: &Loaded) -> (Result<(), String>, Vec<String>) {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let sink = Arc::new(move |event: Event| match event.what {
        What::Note { text } => heard.lock().unwrap().push(text),
        What::StepFailed { step, error, .. } => {
            heard.lock().unwrap().push(format!("{}: {error}", step.address));
        }
        _ => {}
    });
    let why = |failure: Failure| format!("{:?}: {}", failure.exit, failure.message);
    let done = async {
        let mut session = account.open(spec).await?;
        let rotation = Rotation::prepare(&mut session).await.map_err(why)?;
        let carried = rotation.carry_out(&mut session, &Caller::default(), |_, _| sink).await;
        let outcome = carried.map_err(why)?.outcome;
        if outcome.is_complete() { Ok(()) } else { Err(format!("{:?}", outcome.failed)) }
    };
    let done = done.await;
    let said = said.lock().unwrap().clone();
    (done, said)
}

/// The same, unless the process dies.
async fn run(account: &Deployment, spec: &Loaded) -> End {
    tokio::select! {
        biased;
        () = account.sandbox.stopped() => End::Died,
        (end, _) = rotate(account, spec) => match end {
            Ok(()) => End::Complete,
            Err(why) => End::Failed(why),
        },
    }
}

/// The current password in Secrets Manager.
async fn stored(account: &Deployment) -> String {
    let manager = aws_sdk_secretsmanager::Client::new(&config(&account.sandbox));
    let value = manager.get_secret_value().secret_id(MASTER).send().await.unwrap();
    let value: serde_json::Value = serde_json::from_str(value.secret_string().unwrap()).unwrap();
    value["password"].as_str().unwrap().to_owned()
}

/// The password in the URL that Coder is given.
async fn given(account: &Deployment) -> String {
    let secrets: Api<Secret> = Api::namespaced(account.kube(), "coder");
    let url = secrets.get("coder-db-url").await.unwrap().data.unwrap()["url"].0.clone();
    let url = String::from_utf8(url).unwrap();
    url.split(['/', ':', '@']).nth(4).unwrap().to_owned()
}

/// The name of Coder's only pod, which is ready.
async fn pod(account: &Deployment) -> String {
    let pods: Api<Pod> = Api::namespaced(account.kube(), "coder");
    let pods = pods.list(&ListParams::default()).await.unwrap().items;
    assert_eq!(pods.len(), 1);
    let ready = pods[0].status.iter().flat_map(|status| status.conditions.iter().flatten());
    assert!(ready.clone().any(|it| it.type_ == "Ready" && it.status == "True"), "{pods:?}");
    pods[0].metadata.name.clone().unwrap()
}

fn takes(account: &Deployment, password: &str) -> bool {
    account.sandbox.accepts_password("us-east-1", "coder-prod", password)
}

/// Everybody has the same password, another one than `before`, and nothing is left to do.
async fn assert_rotated(account: &Deployment, before: &str) -> Result<(), String> {
    let (stored, given) = (stored(account).await, given(account).await);
    let left = account.left(&example(), &Options::default()).await;
    for (holds, what) in [
        (left.is_empty(), left.as_str()),
        (stored != before, "the current password is the old one"),
        (given == stored, "Coder is given another password than the current one"),
        (takes(account, &stored), "the database does not take the current password"),
        (!takes(account, before), "the database takes the old password"),
    ] {
        if !holds {
            return Err(what.to_owned());
        }
    }
    pod(account).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn everybody_gets_a_new_password_and_nothing_else_changes() {
    let account = made().await;
    let (before, old_pod) = (stored(&account).await, pod(&account).await);
    assert!(takes(&account, &before));
    account.sandbox.forget_calls();
    let (done, said) = rotate(&account, &example()).await;
    done.unwrap();
    assert!(said[0].contains("a new password is in coder-prod/database, pending"), "{said:?}");
    assert_rotated(&account, &before).await.unwrap();
    assert_ne!(pod(&account).await, old_pod, "Coder was started anew");
    let changed: Vec<String> = account
        .sandbox
        .calls()
        .iter()
        .filter(|call| call.mutating && call.service != "s3" && !call.operation.contains("dry"))
        .map(|call| call.operation.clone())
        .collect();
    let order = [
        "PutSecretValue",
        "ModifyDBCluster",
        "UpdateSecretVersionStage",
        "AddTagsToResource",
        "patch secrets",
        "patch deployments",
    ];
    assert_eq!(changed, order);
    // Again, and it is another one.
    let second = stored(&account).await;
    rotate(&account, &example()).await.0.unwrap();
    assert_rotated(&account, &second).await.unwrap();
    assert!(!takes(&account, &before));
}

/// How it goes on.
#[derive(PartialEq, Eq)]
enum By {
    /// By `rotate`: whether or not anything was changed before, the password is another one.
    Rotate,
    /// By a plain apply, which ends what was begun, and begins nothing.
    Apply,
}

/// After each call that changes something, the process dies, before or after it. Whether `rotate`
/// goes on or a plain apply, everybody has the same password in the end.
async fn survives(by: By, go_on: impl AsyncFn(&Deployment) -> Result<(), String>) {
    let standing = made().await;
    let before = stored(&standing).await;
    let mut cases = 0;
    let mut wrong = Vec::new();
    'calls: for nth in 1.. {
        for stop in [Stop::Before, Stop::After] {
            let account = standing.fork();
            account.sandbox.forget_calls();
            let fault = Fault::on(Matching::Mutating, Effect::Stop(stop)).nth(nth);
            account.sandbox.set_faults(Faults::script([fault]));
            match run(&account, &example()).await {
                End::Died => cases += 1,
                End::Complete => break 'calls,
                End::Failed(why) => panic!("call {nth} {stop:?}: {why}"),
            }
            let calls = account.sandbox.calls();
            let died = calls.iter().filter(|call| call.mutating).nth(nth as usize - 1).unwrap();
            let died = format!("{stop:?} call {nth}, {}", died.operation);
            account.sandbox.set_faults(Faults::none());
            account.pass(LEASE).await;
            // Whatever has happened, Coder was not handed what the database does not take, unless
            // the database's own change was the last thing that happened.
            let half = takes(&account, &given(&account).await);
            let plan = account.plan(&example(), &Options::default()).await;
            let goes_on = plan.items.iter().any(|item| item.action == Action::Update);
            if !half && !goes_on {
                wrong.push(format!("{died}: the plan does not see the half rotation"));
            }
            let always = by == By::Rotate;
            if let Err(why) = go_on(&account).await {
                wrong.push(format!("{died}: going on: {why}"));
            } else if (always || goes_on)
                && let Err(why) = assert_rotated(&account, &before).await
            {
                wrong.push(format!("{died}: {why}"));
            }
        }
    }
    assert!(cases >= 8, "{cases}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_may_die_at_every_call_and_rotate_goes_on() {
    survives(By::Rotate, async |account| {
        // Either it ends what was begun, or it makes another one: `survives` looks.
        rotate(account, &example()).await.0
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rotation_may_die_at_every_call_and_apply_goes_on() {
    survives(By::Apply, async |account| match account.run(&example(), &Options::default()).await {
        End::Complete => {
            let left = account.left(&example(), &Options::default()).await;
            let (stored, given) = (stored(account).await, given(account).await);
            match left.is_empty() && stored == given && takes(account, &stored) {
                true => Ok(()),
                false => Err(format!("left: {left}")),
            }
        }
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// Every call of the rotation in turn is lost, throttled, refused by a broken server, or sent twice.
#[tokio::test(start_paused = true)]
async fn lost_answers_throttling_and_repeats_do_no_harm() {
    let standing = made().await;
    let before = stored(&standing).await;
    let calls = [
        "secretsmanager:PutSecretValue",
        "rds:ModifyDBCluster",
        "secretsmanager:UpdateSecretVersionStage",
        "rds:AddTagsToResource",
        "kubernetes:patch secrets",
        "kubernetes:patch deployments",
    ];
    for call in calls {
        for effect in [
            Effect::LoseAnswer,
            Effect::LoseRequest,
            Effect::Throttle,
            Effect::ServerError500,
            Effect::Twice,
        ] {
            let account = standing.fork();
            let fault = Fault::on_operation(call, effect.clone()).times(2);
            account.sandbox.set_faults(Faults::script([fault]));
            let (done, _) = rotate(&account, &example()).await;
            done.unwrap_or_else(|why| panic!("{call} {effect:?}: {why}"));
            account.sandbox.set_faults(Faults::none());
            let right = assert_rotated(&account, &before).await;
            right.unwrap_or_else(|why| panic!("{call} {effect:?}: {why}"));
        }
    }
}

/// What quotes the password says so without it.
#[tokio::test(start_paused = true)]
async fn a_quoted_password_is_masked() {
    let standing = made().await;
    for call in ["secretsmanager:PutSecretValue", "rds:ModifyDBCluster", "kubernetes:patch secrets"]
    {
        let account = standing.fork();
        let quote = Effect::Error {
            status: 400,
            code: "InvalidParameterValue".to_owned(),
            message: "not this: {request}".to_owned(),
        };
        account.sandbox.set_faults(Faults::script([Fault::on_operation(call, quote)]));
        let (done, mut said) = rotate(&account, &example()).await;
        said.push(done.unwrap_err());
        let said = said.join("\n");
        assert!(said.contains("not this: ") && said.contains("(secret)"), "{call}: {said}");
        account.sandbox.set_faults(Faults::none());
        account.pass(LEASE).await;
        assert_eq!(account.run(&example(), &Options::default()).await, End::Complete);
        for password in every_password(&account).await {
            let base64 = base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                password.as_bytes(),
            );
            assert!(!said.contains(&password) && !said.contains(&base64), "{call}: {said}");
        }
    }
}

/// All that the secret has ever held.
async fn every_password(account: &Deployment) -> Vec<String> {
    let dump = account.sandbox.dump();
    let secrets = &dump["accounts"]["123456789012"]["regions"]["us-east-1"]["secrets"];
    let text = secrets.to_string();
    let parts: Vec<&str> = text.split("password\\\":\\\"").skip(1).collect();
    assert!(!parts.is_empty(), "{text}");
    parts.iter().map(|part| part.split('\\').next().unwrap().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_rotation_changes_nothing_else_and_leaves_others_alone() {
    let account = made().await;
    let other = spec(SIMPLE, &["database.max_capacity=8"]);
    let why = rotate(&account, &other).await.0.unwrap_err();
    assert!(why.contains("database/cluster is not as the spec wants it"), "{why}");
    // Somebody else's rotation.
    let manager = aws_sdk_secretsmanager::Client::new(&config(&account.sandbox));
    let theirs = manager.put_secret_value().secret_id(MASTER).version_stages("AWSPENDING");
    let theirs = theirs.client_request_token("11111111-2222-3333-4444-555555555555");
    theirs.secret_string("{\"password\":\"theirs-theirs\"}").send().await.unwrap();
    let why = rotate(&account, &example()).await.0.unwrap_err();
    assert!(why.contains("somebody else is rotating"), "{why}");
    assert_eq!(account.left(&example(), &Options::default()).await, "");
    let nothing = Deployment::new(5);
    let why = rotate(&nothing, &example()).await.0.unwrap_err();
    assert!(why.contains("is not as the spec wants it"), "{why}");
}

/// A secret that gets another value while the run is under way: pods say what they have read, and
/// the next plan starts them anew.
#[tokio::test(start_paused = true)]
async fn a_secret_that_changes_between_two_steps_is_seen_by_the_next_plan() {
    let account = Deployment::new(5);
    let manager = aws_sdk_secretsmanager::Client::new(&config(&account.sandbox));
    let secret = manager.create_secret().name("idp/coder").secret_string("first");
    secret.client_request_token("00000000-0000-4000-8000-000000000001").send().await.unwrap();
    let wanted = spec(
        SIMPLE,
        &[
            "coder.oidc.issuer_url=https://id.example.com",
            "coder.oidc.client_id=coder",
            "coder.oidc.client_secret.secrets_manager=idp/coder",
        ],
    );
    let mut session = account.open(&wanted).await.unwrap();
    let plan = session.plan(&Options::default()).await.plan;
    let applied = Arc::new(tokio::sync::Notify::new());
    let tell = applied.clone();
    let sink = Arc::new(move |event: Event| {
        if let What::StepFinished { step, .. } = event.what
            && step.address.as_str().ends_with("kubernetes/secret/coder-oidc")
        {
            tell.notify_one();
        }
    });
    let change = async {
        applied.notified().await;
        let other = manager.put_secret_value().secret_id("idp/coder").secret_string("second");
        let token = "00000000-0000-4000-8000-000000000002";
        other.client_request_token(token).send().await.unwrap();
    };
    let (options, caller) = (Options::default(), Caller::default());
    let run = coderctl::cli::drive::carry_out(&mut session, &plan, &options, &caller, |_, _| sink);
    let (carried, ()) = tokio::join!(run, change);
    let outcome = carried.map_err(|failure| failure.message).unwrap().outcome;
    assert!(outcome.is_complete(), "{:?}", outcome.failed);
    let calls = account.sandbox.calls();
    let first = |operation: &str| calls.iter().position(|call| call.operation == operation);
    assert!(first("PutSecretValue") < first("patch deployments"), "the value changed in between");
    let left = account.left(&wanted, &options).await;
    assert!(left.contains("kubernetes/secret/coder-oidc"), "{left}");
    assert!(left.contains("kubernetes/deployment/server"), "{left}");
    let old_pod = pod(&account).await;
    account.done(&wanted, &options).await;
    assert_ne!(pod(&account).await, old_pod);
}
