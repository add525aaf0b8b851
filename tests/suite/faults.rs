//! Bad days: answers that are lost, reads that lag, throttling, and all of it by chance.
//!
//! `CODERCTL_SEEDS=17..18` runs the random schedule of seed 17 alone.

use super::deployment::{Deployment, End, SMALL, destroy, difference, spec};
use coderctl::plan::Options;
use coderctl::sandbox::{Effect, Fault, Faults, Matching, Profile};
use std::time::Duration;

/// Runs until everything is done, as a patient user would; the faults go on.
async fn until_done(account: &Deployment, options: &Options, most: u32) -> Result<(), String> {
    let mut last = String::new();
    for _ in 0..most {
        match account.run(&spec(SMALL, &[]), options).await {
            End::Complete => return Ok(()),
            End::Failed(why) => last = why,
            End::Died => return Err("died".to_owned()),
        }
        account.pass(130).await;
    }
    Err(format!("not done after {most} runs: {last}"))
}

/// Up and down again under `faults`; between and after, the account is as it should be.
async fn up_and_down(faults: &Faults, most: u32, made: &[String]) -> Result<(), String> {
    let account = Deployment::new(5);
    let small = spec(SMALL, &[]);
    let before = account.picture().await;
    for (options, should) in [(Options::default(), made), (destroy(), before.as_slice())] {
        let what = if options.destroy { "destroy" } else { "apply" };
        account.sandbox.set_faults(faults.clone());
        until_done(&account, &options, most).await.map_err(|why| format!("{what}: {why}"))?;
        account.sandbox.set_faults(Faults::none());
        account.pass(310).await;
        let left = account.left(&small, &options).await;
        if !left.is_empty() {
            return Err(format!("{what} left: {left}"));
        }
        let differs = difference(&account.picture().await, should);
        if !differs.is_empty() {
            return Err(format!("{what} differs:\n{differs}"));
        }
    }
    Ok(())
}

async fn undisturbed() -> (Deployment, Vec<String>) {
    let account = Deployment::new(5);
    account.done(&spec(SMALL, &[]), &Options::default()).await;
    let picture = account.picture().await;
    (account, picture)
}

fn none_wrong(wrong: &mut Vec<String>) {
    let count = wrong.len();
    wrong.truncate(12);
    assert!(wrong.is_empty(), "{count} cases:\n{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_any_create_may_be_lost() {
    let (account, made) = undisturbed().await;
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
    for create in creates {
        for effect in [Effect::LoseAnswer, Effect::NeverAnswer] {
            for nth in [1, 2] {
                let fault = Fault::on_operation(&create, effect.clone()).nth(nth);
                if let Err(why) = up_and_down(&Faults::script([fault]), 2, &made).await {
                    wrong.push(format!("{create} #{nth} {effect:?}: {why}"));
                }
            }
        }
    }
    none_wrong(&mut wrong);
}

#[tokio::test(start_paused = true)]
async fn reads_may_lag() {
    let (_, made) = undisturbed().await;
    let lag = Faults::none().with_lag(Duration::from_secs(30));
    assert_eq!(up_and_down(&lag, 3, &made).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn bursts_of_throttling_are_waited_out() {
    let (_, made) = undisturbed().await;
    for nth in [1, 20, 60, 120] {
        let burst = Fault::on(Matching::Any, Effect::Throttle).nth(nth).times(15);
        assert_eq!(
            up_and_down(&Faults::script([burst]), 1, &made).await,
            Ok(()),
            "from call {nth}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_rough_day_ends_well() {
    let (from, to) = std::env::var("CODERCTL_SEEDS")
        .ok()
        .and_then(|seeds| {
            let (from, to) = seeds.split_once("..")?;
            Some((from.parse::<u64>().ok()?, to.parse::<u64>().ok()?))
        })
        .unwrap_or((0, 200));
    let (_, made) = undisturbed().await;
    let mut wrong = Vec::new();
    for seed in from..to {
        let faults = Faults::random(seed, Profile::ROUGH);
        if let Err(why) = up_and_down(&faults, 10, &made).await {
            wrong.push(format!("seed {seed}: {why}"));
        }
    }
    none_wrong(&mut wrong);
}
