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
        .filter(|call| call.mutating && call.service != "s3")
        .map(|call| call.operation.clone())
        .collect();
    let order =
        ["PutSecretValue", "ModifyDBCluster", "UpdateSecretVersionStage", "AddTagsToResource"];
    assert_eq!(changed, order);
    // Again, and it is another one.
    let second = stored(&account).await;
    rotate(&account, &example()).await.0.unwrap();
    assert_rotated(&account, &second).await.unwrap();
    assert!(!takes(&account, &before));
}

/// After each call that changes something, the process dies, before or after it. Whether `rotate`
/// goes on or a plain apply, everybody has the same password in the end.
async fn survives(go_on: impl AsyncFn(&Deployment) -> Result<(), String>) {
    let mut cases = 0;
    let mut wrong = Vec::new();
    'calls: for nth in 1.. {
        for stop in [Stop::Before, Stop::After] {
            let account = made().await;
            let before = stored(&account).await;
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
            if let Err(why) = go_on(&account).await {
                wrong.push(format!("{died}: going on: {why}"));
            } else if goes_on && let Err(why) = assert_rotated(&account, &before).await {
                wrong.push(format!("{died}: {why}"));
            }
        }
    }
    assert!(cases >= 8, "{cases}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_may_die_at_every_call_and_rotate_goes_on() {
    survives(async |account| {
        let begun = given(account).await;
        let (done, _) = rotate(account, &example()).await;
        done?;
        assert_rotated(account, &begun).await
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_rotation_may_die_at_every_call_and_apply_goes_on() {
    survives(async |account| match account.run(&example(), &Options::default()).await {
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
