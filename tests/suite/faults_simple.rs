//! Bad days of SR-Simple: by chance, calls to AWS, to the cluster and to Coder are throttled, fail,
//! are answered late, never or twice, while it is made, changed and taken down. The user runs the
//! same command until it is done; then, and after each step, everything is as on a good day.
//!
//! `CODERCTL_SEEDS=0..1000 cargo test --release rough_days_of_sr_simple` takes as many schedules,
//! `CODERCTL_SEEDS=17..18` that of seed 17 alone. A thousand took five minutes on two cores, once
//! the release was built. In a debug build one takes some 8 s of one core, and the 50 of a plain run
//! under four minutes.

use super::deployment::{destroy, spec};
use super::dying::none_wrong;
use super::faults::{Stage, live, seeds, undisturbed};
use coderctl::plan::Options;
use coderctl::sandbox::{Faults, Profile};

/// The example.
const SIMPLE: &str = "examples/sr-simple.yaml";

/// What is changed: in AWS, in the cluster, in what runs there.
const CHANGES: [&str; 5] = [
    "cluster.node_groups.workspace.min_size=3",
    "database.max_capacity=8",
    "coder.version=2.37.1",
    "coder.settings.CODER_SESSION_DURATION=12h",
    "ingress.ssl_policy=ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
];

/// As rough as elsewhere, and some calls arrive twice.
const ROUGH: Profile = Profile { twice: 10, ..Profile::ROUGH };

async fn stages() -> Vec<Stage> {
    let (made, changed) = (spec(SIMPLE, &[]), spec(SIMPLE, &CHANGES));
    let stages = [
        ("apply", made, Options::default()),
        ("change", changed.clone(), Options::default()),
        ("destroy", changed, destroy()),
    ];
    undisturbed(stages).await.1
}

/// The schedules of every fourth seed: four tests share the machine's cores.
async fn rough_days(quarter: u64) {
    let stages = stages().await;
    let mut wrong = Vec::new();
    let mut cases = 0;
    for seed in seeds(50).filter(|seed| seed % 4 == quarter) {
        cases += 1;
        if let Err(why) = live(&Faults::random(seed, ROUGH), 12, &stages).await {
            wrong.push(format!("seed {seed}: {why}"));
        }
    }
    none_wrong(wrong, cases);
}

#[tokio::test(start_paused = true)]
async fn rough_days_of_sr_simple_end_well() {
    rough_days(0).await;
}

#[tokio::test(start_paused = true)]
async fn more_rough_days_of_sr_simple_end_well() {
    rough_days(1).await;
}

#[tokio::test(start_paused = true)]
async fn still_more_rough_days_of_sr_simple_end_well() {
    rough_days(2).await;
}

#[tokio::test(start_paused = true)]
async fn the_last_rough_days_of_sr_simple_end_well() {
    rough_days(3).await;
}
