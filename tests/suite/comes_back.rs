//! The way back from a destroy: the last snapshot, restored by `database.from_snapshot`; and how
//! long the owner's token lasts.

use super::deployment::{Deployment, End, destroy, spec};
use super::harness::config;
use coderctl::plan::Options;
use coderctl::sandbox::{Effect, Fault, Faults, Stop};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

/// The example.
const SIMPLE: &str = "examples/sr-simple.yaml";
/// The longest lease of a dead holder, and a little.
const LEASE: u64 = 130;

async fn snapshots(account: &Deployment) -> Vec<String> {
    let rds = aws_sdk_rds::Client::new(&config(&account.sandbox));
    let found = rds.describe_db_cluster_snapshots().send().await.unwrap();
    let names = found.db_cluster_snapshots().iter();
    names.map(|one| one.db_cluster_snapshot_identifier().unwrap().to_owned()).collect()
}

/// When the first user of the database was made, in milliseconds since 1970.
fn first_user(account: &Deployment) -> u64 {
    let dump = account.sandbox.dump();
    let region = &dump["accounts"]["123456789012"]["regions"]["us-east-1"];
    let contents = region["rds"]["clusters"]["coder-prod"]["contents"].as_object().unwrap();
    let users = contents.values().next().unwrap()["users"].as_array().unwrap().clone();
    assert_eq!(users.len(), 1);
    users[0]["created_at"].as_u64().unwrap()
}

/// What is remembered of the owner.
async fn owner(account: &Deployment, key: &str) -> String {
    let notes: Api<ConfigMap> = Api::namespaced(account.kube(), "coder");
    let note = notes.get("coderctl-us-east-1-coder-owner").await.unwrap();
    note.data.unwrap()[key].clone()
}

#[tokio::test(start_paused = true)]
async fn a_destroyed_coder_comes_back_with_its_first_user() {
    let (account, plain) = (Deployment::new(5), spec(SIMPLE, &[]));
    account.done(&plain, &Options::default()).await;
    let user = first_user(&account);
    account.done(&plain, &destroy()).await;
    let [last] = snapshots(&account).await.try_into().unwrap();
    assert!(last.starts_with("coder-prod-final-"), "{last}");
    account.pass(3600).await;
    // What stays for the snapshot's sake is nobody's: there is nothing more to destroy, also for who
    // has no record of it.
    let forgotten = account.fork();
    forgotten.forget().await;
    assert_eq!(forgotten.left(&plain, &destroy()).await, "");
    // What waits for its end is taken back, and nothing is deleted.
    let plan = account.plan(&plain, &Options::default()).await;
    assert_eq!(plan.tally().delete, 0);
    let back: Vec<&str> = plan
        .items
        .iter()
        .filter(|item| item.reason.as_deref() == Some("its deletion is cancelled"))
        .map(|item| item.kind.as_str())
        .collect();
    assert_eq!(back.iter().filter(|kind| **kind == "aws.secretsmanager.secret").count(), 3);
    // Without the snapshot, everything is new.
    let empty = account.fork();
    empty.done(&plain, &Options::default()).await;
    assert_ne!(first_user(&empty), user);
    // With it, the user is there, and the stored passwords open everything.
    let set = format!("database.from_snapshot={last}");
    let restored = spec(SIMPLE, &[&set]);
    account.done(&restored, &Options::default()).await;
    assert_eq!(first_user(&account), user);
    // It counts only when the cluster is made.
    assert_eq!(account.left(&plain, &Options::default()).await, "");
    account.done(&plain, &Options::default()).await;
    assert_eq!(snapshots(&account).await, [last], "no further snapshot");
}

/// The version that the database is live in.
async fn version(account: &Deployment) -> String {
    let rds = aws_sdk_rds::Client::new(&account.config());
    let found = rds.describe_db_clusters().send().await.unwrap();
    found.db_clusters()[0].engine_version().unwrap().to_owned()
}

/// AWS has upgraded the database, and the spec still names the version that it was made in; or the
/// spec has gone on since the snapshot was taken.
#[tokio::test(start_paused = true)]
async fn a_database_comes_back_in_the_newer_of_its_own_and_the_wanted_version() {
    let (account, older) =
        (Deployment::new(5), spec(SIMPLE, &["database.engine_version=\"16.9\""]));
    account.done(&older, &Options::default()).await;
    assert_eq!(version(&account).await, "16.9");
    let upgraded = account.fork();
    let rds = aws_sdk_rds::Client::new(&upgraded.config());
    let upgrade = rds.modify_db_cluster().db_cluster_identifier("coder-prod");
    upgrade.engine_version("16.13").apply_immediately(true).send().await.unwrap();
    upgraded.pass(3600).await;
    assert_eq!(version(&upgraded).await, "16.13");
    for (account, wanted, back) in [
        (&upgraded, "16.9", "16.13"),
        (&account, "16.13", "16.13"),
        (&account.fork(), "16.9", "16.9"),
    ] {
        account.done(&older, &destroy()).await;
        account.pass(3600).await;
        let [last] = snapshots(account).await.try_into().unwrap();
        let version_wanted = format!("database.engine_version=\"{wanted}\"");
        let from = format!("database.from_snapshot={last}");
        // `done` asserts that the plan afterwards is empty.
        account.done(&spec(SIMPLE, &[&version_wanted, &from]), &Options::default()).await;
        assert_eq!(version(account).await, back, "wanted {wanted}");
    }
}

/// RDS restores and its answer is lost: it is asked again, refuses the name, and what is there is
/// ours.
#[tokio::test(start_paused = true)]
async fn a_restore_whose_answer_is_lost_is_not_begun_twice() {
    let (account, plain) = (Deployment::new(5), spec(SIMPLE, &[]));
    account.done(&plain, &Options::default()).await;
    account.done(&plain, &destroy()).await;
    let [last] = snapshots(&account).await.try_into().unwrap();
    account.pass(3600).await;
    let restored = spec(SIMPLE, &[&format!("database.from_snapshot={last}")]);
    let lost = Fault::on_operation("rds:RestoreDBClusterFromSnapshot", Effect::LoseAnswer);
    account.sandbox.set_faults(Faults::script([lost]));
    assert_eq!(account.run(&restored, &Options::default()).await, End::Complete);
    account.done(&restored, &Options::default()).await;
}

/// Destroys, while the process dies at the delete of the cluster; and again.
#[tokio::test(start_paused = true)]
async fn one_delete_takes_one_snapshot_whoever_sends_it_again() {
    let (standing, plain) = (Deployment::new(5), spec(SIMPLE, &[]));
    standing.done(&plain, &Options::default()).await;
    for effect in [
        Effect::Stop(Stop::Before),
        Effect::Stop(Stop::After),
        Effect::LoseAnswer,
        Effect::Twice,
        Effect::ServerError500,
    ] {
        let account = standing.fork();
        let fault = Fault::on_operation("rds:DeleteDBCluster", effect.clone());
        account.sandbox.set_faults(Faults::script([fault]));
        if account.run(&plain, &destroy()).await == End::Died {
            account.sandbox.set_faults(Faults::none());
            account.pass(LEASE).await;
        }
        account.done(&plain, &destroy()).await;
        assert_eq!(snapshots(&account).await.len(), 1, "{effect:?}");
    }
    // AWS has taken a snapshot and given the delete up: the cluster has gone on since.
    let rds = aws_sdk_rds::Client::new(&config(&standing.sandbox));
    let found = rds.describe_db_clusters().send().await.unwrap();
    let id = found.db_clusters()[0].db_cluster_resource_id().unwrap();
    let name = format!("coder-prod-final-{}", id.trim_start_matches("cluster-").to_lowercase());
    let early = rds.create_db_cluster_snapshot().db_cluster_identifier("coder-prod");
    early.db_cluster_snapshot_identifier(&name).send().await.unwrap();
    standing.done(&plain, &destroy()).await;
    let mut names = snapshots(&standing).await;
    names.sort();
    assert_eq!(names.len(), 2);
    assert!(names[1].starts_with(&format!("{name}-2")), "{names:?}");
}

const DAY: u64 = 24 * 3600;

/// Days until the owner's token ends.
async fn days_left(account: &Deployment) -> u64 {
    let ends: u64 = owner(account, "token_ends_at").await.parse().unwrap();
    (ends - account.sandbox.clock().unix()).div_ceil(DAY)
}

#[tokio::test(start_paused = true)]
async fn the_owner_s_token_lasts_thirty_days_and_is_renewed_in_time() {
    let (account, plain) = (Deployment::new(5), spec(SIMPLE, &[]));
    account.done(&plain, &Options::default()).await;
    assert_eq!(days_left(&account).await, 30);
    account.pass(19 * DAY).await;
    assert_eq!(account.left(&plain, &Options::default()).await, "");
    account.pass(2 * DAY).await;
    let left = account.left(&plain, &Options::default()).await;
    assert_eq!(left, "Update us-east-1/coder/owner");
    account.done(&plain, &Options::default()).await;
    assert_eq!(days_left(&account).await, 30);
}

#[tokio::test(start_paused = true)]
async fn a_server_s_own_limit_of_tokens_is_kept() {
    let account = Deployment::new(5);
    let short = spec(SIMPLE, &["coder.settings.CODER_MAX_ADMIN_TOKEN_LIFETIME=72h"]);
    account.done(&short, &Options::default()).await;
    assert_eq!(days_left(&account).await, 3);
    account.pass(DAY).await;
    assert_eq!(account.left(&short, &Options::default()).await, "");
    account.pass(DAY + 3600).await;
    let left = account.left(&short, &Options::default()).await;
    assert_eq!(left, "Update us-east-1/coder/owner");
}
