//! How long a plan takes that finds nothing to do, where every answer takes as long as it would on
//! the way to AWS and back.
//!
//! `cargo bench --bench plan` measures the release build, `cargo bench --bench plan --profile dev`
//! the build that the tests use. Behind `--`: the spec, and the milliseconds that an answer takes.

#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "what it measures is for whoever started it")]

#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../suite/deployment.rs"]
mod deployment;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../suite/harness.rs"]
mod harness;
#[path = "../suite/kube_picture.rs"]
mod kube_picture;
#[expect(dead_code, reason = "the tests need more of it")]
#[path = "../suite/picture.rs"]
mod picture;

use coderctl::plan::Options;
use coderctl::sandbox::{Effect, Fault, Faults, Matching};
use deployment::{Deployment, spec};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tokio::runtime::Builder;

/// How often a plan is made.
const ROUNDS: usize = 20;
/// What half of the plans of the example may take at most, with 50 ms an answer.
const TARGET: Duration = Duration::from_millis(600);

fn main() -> ExitCode {
    // Cargo itself passes `--bench`.
    let mut given = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    let file = given.next().unwrap_or_else(|| "examples/sr-simple.yaml".to_owned());
    let answer = given.next().map_or(50, |text| text.parse().expect("milliseconds"));
    let answer = Duration::from_millis(answer);
    let spec = spec(&file, &[]);

    // Made in no time, on a clock that leaps.
    let leaping = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let account = leaping.block_on(async {
        let account = Deployment::new(5);
        account.done(&spec, &Options::default()).await;
        account
    });

    // Planned on a clock that runs as the wall's.
    let running = Builder::new_current_thread().enable_all().build().unwrap();
    let (mut took, calls) = running.block_on(async {
        let account = account.fork_at(account.sandbox.clock().now());
        let late = Fault::on(Matching::Any, Effect::Delay(answer)).times(u32::MAX);
        account.sandbox.set_faults(Faults::script([late]));
        let mut took = Vec::new();
        let mut count = 0;
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            let (plan, calls) = account.asked(&spec).await;
            took.push(begun.elapsed());
            assert!(plan.is_empty(), "there is something to do: {:?}", plan.steps);
            count = calls.values().sum::<u32>();
        }
        (took, count)
    });
    took.sort();
    let half = took[ROUNDS / 2];
    println!("{file}, {} ms an answer: {calls} calls of AWS a plan", answer.as_millis());
    println!(
        "of {ROUNDS} plans: fastest {} ms, half within {} ms, slowest {} ms (target: half within {} ms)",
        took[0].as_millis(),
        half.as_millis(),
        took[ROUNDS - 1].as_millis(),
        TARGET.as_millis()
    );
    if half <= TARGET { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
