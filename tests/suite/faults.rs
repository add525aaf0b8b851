//! Bad days: answers that are lost, reads that lag, throttling, and all of it by chance.
//!
//! `CODERCTL_SEEDS=17..18` runs the random schedule of seed 17 alone.

use super::deployment::{Deployment, End, SMALL, destroy, spec};
use super::dying::none_wrong;
use super::picture::difference;
use coderctl::plan::Options;
use coderctl::sandbox::{Effect, Fault, Faults, Matching, Profile};
use coderctl::spec::Loaded;
use std::time::Duration;

/// What is done one after another to one account, and what it looks like after each.
pub(crate) struct Stage {
    pub(crate) what: &'static str,
    pub(crate) spec: Loaded,
    pub(crate) options: Options,
    pub(crate) should: Vec<String>,
}

/// Runs until everything is done, as a patient user would; the faults go on.
async fn until_done(account: &Deployment, stage: &Stage, most: u32) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..most {
        match account.run(&stage.spec, &stage.options).await {
            End::Complete => return Ok(()),
            // Nothing but ours is in the account: whatever a bad day leaves, a plan can go on.
            End::Failed(why) if why.starts_with("refused") => return Err(why),
            End::Failed(why) => last = why,
            End::Died => return Err("died".to_owned()),
        }
        account.pass(130).await;
    }
    Err(format!("not done after {most} runs: {last}"))
}

/// Goes through the stages under `faults`; after each, without them, the account is as it should
/// be.
pub(crate) async fn live(faults: &Faults, most: u32, stages: &[Stage]) -> Result<(), String> {
    let account = Deployment::new(5);
    for stage in stages {
        let what = stage.what;
        account.sandbox.set_faults(faults.clone());
        until_done(&account, stage, most).await.map_err(|why| format!("{what}: {why}"))?;
        account.sandbox.set_faults(Faults::none());
        account.pass(310).await;
        let mut left = account.left(&stage.spec, &stage.options).await;
        // A request that arrived twice has made two, where it takes no client token; the next plan
        // sees the second one, and takes it away.
        if !left.is_empty() && left.lines().all(|line| line.starts_with("Delete ")) {
            let again = account.run(&stage.spec, &stage.options).await;
            if again != End::Complete {
                return Err(format!("{what} left: {left}; and again: {again:?}"));
            }
            left = account.left(&stage.spec, &stage.options).await;
        }
        if !left.is_empty() {
            return Err(format!("{what} left: {left}"));
        }
        let differs = difference(&account.picture().await, &stage.should);
        if !differs.is_empty() {
            return Err(format!("{what} differs:\n{differs}"));
        }
    }
    Ok(())
}

/// The stages with what an undisturbed account looks like after them; the account at the end.
pub(crate) async fn undisturbed(
    stages: impl IntoIterator<Item = (&'static str, Loaded, Options)>,
) -> (Deployment, Vec<Stage>) {
    let account = Deployment::new(5);
    let mut all = Vec::new();
    for (what, spec, options) in stages {
        account.done(&spec, &options).await;
        // A look leaves no trace in the account that goes on.
        let should = account.picture().await;
        all.push(Stage { what, spec, options, should });
    }
    (account, all)
}

async fn up_and_down() -> (Deployment, Vec<Stage>) {
    let small = || spec(SMALL, &[]);
    undisturbed([("apply", small(), Options::default()), ("destroy", small(), destroy())]).await
}

/// The seeds that `CODERCTL_SEEDS` names, or else the first so many.
pub(crate) fn seeds(most: u64) -> std::ops::Range<u64> {
    let named = std::env::var("CODERCTL_SEEDS").ok().and_then(|seeds| {
        let (from, to) = seeds.split_once("..")?;
        Some(from.parse().ok()?..to.parse().ok()?)
    });
    named.unwrap_or(0..most)
}

#[tokio::test(start_paused = true)]
async fn any_create_may_go_unanswered_or_arrive_twice() {
    let (account, stages) = up_and_down().await;
    let mut creates: Vec<String> = account
        .sandbox
        .counts()
        .into_keys()
        .filter(|name| {
            let name = name.split(':').nth(1).unwrap();
            ["Create", "Allocate", "Run", "Authorize", "Attach", "Associate"]
                .iter()
                .any(|verb| name.starts_with(verb))
        })
        .collect();
    creates.sort();
    assert!(creates.len() > 10, "{creates:?}");
    let mut wrong = Vec::new();
    let effects = [Effect::LoseAnswer, Effect::NeverAnswer, Effect::Twice];
    let cases = creates.len() * effects.len() * 2;
    for create in creates {
        for effect in effects.clone() {
            for nth in [1, 2] {
                let fault = Fault::on_operation(&create, effect.clone()).nth(nth);
                if let Err(why) = live(&Faults::script([fault]), 2, &stages).await {
                    wrong.push(format!("{create} #{nth} {effect:?}: {why}"));
                }
            }
        }
    }
    none_wrong(wrong, cases);
}

#[tokio::test(start_paused = true)]
async fn reads_may_lag() {
    let (_, stages) = up_and_down().await;
    let lag = Faults::none().with_lag(Duration::from_secs(30));
    assert_eq!(live(&lag, 3, &stages).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn bursts_of_throttling_are_waited_out() {
    let (_, stages) = up_and_down().await;
    for nth in [1, 20, 60, 120] {
        let burst = Fault::on(Matching::Any, Effect::Throttle).nth(nth).times(15);
        assert_eq!(live(&Faults::script([burst]), 1, &stages).await, Ok(()), "from call {nth}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rough_day_ends_well() {
    let (_, stages) = up_and_down().await;
    let mut wrong = Vec::new();
    let seeds = seeds(200);
    let cases = seeds.clone().count();
    for seed in seeds {
        let faults = Faults::random(seed, Profile::ROUGH);
        if let Err(why) = live(&faults, 10, &stages).await {
            wrong.push(format!("seed {seed}: {why}"));
        }
    }
    none_wrong(wrong, cases);
}
