//! What is named must be there, and what was shown must still be so.

use super::deployment::{Deployment, End, destroy, spec};
use coderctl::plan::{Action, Options, moved_since};

const SIMPLE: &str = "examples/sr-simple.yaml";
const SERVER: &str = "us-east-1/kubernetes/deployment/server";

#[tokio::test(start_paused = true)]
async fn a_slip_in_an_address_is_refused_with_the_nearest() {
    let account = Deployment::new(61);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    let slip = || vec!["us-east-1/databse/cluster".to_owned()];
    for options in [
        Options { exclude: slip(), ..destroy() },
        Options { target: slip(), ..destroy() },
        Options { exclude: slip(), ..Options::default() },
        Options { target: slip(), ..Options::default() },
        Options { allow_delete: slip(), ..Options::default() },
    ] {
        let refusals = account.plan(&simple, &options).await.refusals;
        let [refusal] = &refusals[..] else { panic!("{options:?}: {refusals:?}") };
        assert!(refusal.why.contains("databse/cluster names nothing"), "{refusal:?}");
        assert!(refusal.hint.contains("did you mean us-east-1/database/cluster?"), "{refusal:?}");
    }
    // Consent in advance to what others may make, and patterns.
    let allow_delete = ["workspaces", "us-east-1/cluster/volumes/default/data", "unseen"];
    let options = Options {
        allow_delete: allow_delete.map(str::to_owned).to_vec(),
        exclude: vec!["database/*".to_owned()],
        ..destroy()
    };
    let refusals = account.plan(&simple, &options).await.refusals;
    assert!(refusals.iter().all(|it| !it.why.contains("names nothing")), "{refusals:?}");
}

#[tokio::test(start_paused = true)]
async fn a_home_region_can_not_change() {
    let account = Deployment::new(62);
    account.done(&spec(SIMPLE, &[]), &Options::default()).await;
    let moved = spec(SIMPLE, &["home_region=us-west-2"]);
    for options in [Options::default(), destroy()] {
        let refusals = account.plan(&moved, &options).await.refusals;
        let found = refusals.iter().find(|it| it.why.contains("is in us-east-1"));
        assert!(found.is_some_and(|it| it.hint.contains("say us-east-1")), "{refusals:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_set_meanwhile_is_not_overwritten_by_a_saved_plan() {
    let account = Deployment::new(63);
    account.done(&spec(SIMPLE, &[]), &Options::default()).await;
    let six = spec(SIMPLE, &["database.max_capacity=6"]);
    let saved = account.plan(&six, &Options::default()).await;
    assert_eq!(moved_since(&saved, &account.plan(&six, &Options::default()).await), []);
    let more = spec(SIMPLE, &["database.max_capacity=32"]);
    account.done(&more, &Options::default()).await;
    let now = account.plan(&six, &Options::default()).await;
    let moved = moved_since(&saved, &now);
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert_eq!(moved[0].address.as_str(), "us-east-1/database/cluster");
    assert!(moved[0].why.contains("max_capacity"), "{moved:?}");
}

/// Whoever lets the key go loses what the cluster has encrypted with it.
#[tokio::test(start_paused = true)]
async fn a_key_that_the_cluster_is_encrypted_with_stays() {
    let account = Deployment::new(64);
    account.done(&spec(SIMPLE, &[]), &Options::default()).await;
    let allow_delete = vec!["us-east-1/cluster/key/secrets".to_owned()];
    let options = Options { allow_delete, ..Options::default() };
    let plan = account.plan(&spec(SIMPLE, &["cluster.encrypt_secrets=false"]), &options).await;
    let why: Vec<&str> = plan.refusals.iter().map(|refusal| refusal.why.as_str()).collect();
    let wanted = "us-east-1/cluster/key/secrets can not be deleted: us-east-1/cluster/cluster \
                  lives in it, and stays as it is";
    assert_eq!(why, [wanted]);
}

/// Nobody's workspaces go with a NAT gateway.
#[tokio::test(start_paused = true)]
async fn what_others_made_goes_with_what_it_runs_in_and_no_sooner() {
    let account = Deployment::new(65);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    let chosen = |address: &str| Options { target: vec![address.to_owned()], ..destroy() };
    let part = account.plan(&simple, &chosen("us-east-1/network/nat/a")).await;
    let goes: Vec<&str> = part
        .items
        .iter()
        .filter(|item| item.action == Action::Delete)
        .map(|item| item.address.as_str())
        .collect();
    assert_eq!(goes, ["us-east-1/network/nat/a"], "{:?}", part.refusals);
    let whole = account.plan(&simple, &chosen("us-east-1/cluster/cluster")).await;
    let workspaces =
        whole.items.iter().find(|it| it.address.as_str() == "us-east-1/coder/workspaces");
    assert_eq!(workspaces.map(|it| it.action), Some(Action::Delete));
}

/// A version that doesn't run is put back by putting the spec back: it was nobody else's doing.
#[tokio::test(start_paused = true)]
async fn a_change_that_failed_is_taken_back_with_the_spec() {
    let account = Deployment::new(66);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    // No registry has it, so its server never runs, and no database is changed by it.
    let broken = ["coder.version=2.37.1", "coder.image=ghcr.io/coder/coder2"];
    let broken = spec(SIMPLE, &broken);
    let End::Failed(why) = account.run(&broken, &Options::default()).await else { panic!() };
    assert!(why.contains("kubernetes/deployment/server"), "{why}");
    account.pass(130).await;
    let plan = account.plan(&simple, &Options::default()).await;
    let server = plan.items.iter().find(|item| item.address.as_str() == SERVER).unwrap();
    assert_eq!((server.action, server.drift.len()), (Action::Update, 0), "{server:?}");
    account.done(&simple, &Options::default()).await;
}
