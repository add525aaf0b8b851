//! How long SR-Simple takes, by the typical durations of its kinds, and what it asks of AWS when
//! nothing is to do.

use super::deployment::{Deployment, destroy, spec};
use coderctl::plan::{Options, Plan};
use std::fmt::Write;

const SIMPLE: &str = "examples/sr-simple.yaml";

/// The most calls of a plan that finds nothing to do.
const CALLS: u32 = 700;

/// Operations that are called more than once, how often, and why.
const MORE: &[(&str, u32, &str)] = &[];

/// The longest chain, a line each.
fn chain(plan: &Plan) -> String {
    let mut lines = format!("{} s in all\n", plan.estimate);
    for (address, seconds) in &plan.critical_path {
        writeln!(lines, "{seconds:>4} s {address}").unwrap();
    }
    lines
}

#[tokio::test(start_paused = true)]
async fn an_apply_takes_a_quarter_of_an_hour_and_a_destroy_thirteen_minutes() {
    let (account, wanted) = (Deployment::new(5), spec(SIMPLE, &[]));
    let up = account.plan(&wanted, &Options::default()).await;
    assert!(up.estimate <= 15 * 60, "{}", chain(&up));
    account.done(&wanted, &Options::default()).await;
    let down = account.plan(&wanted, &destroy()).await;
    assert!(down.estimate <= 13 * 60, "{}", chain(&down));
    insta::assert_snapshot!(
        "longest_chains",
        format!("apply: {}\ndestroy: {}", chain(&up), chain(&down))
    );

    let (plan, calls) = account.asked(&wanted).await;
    assert!(plan.is_empty());
    let all: u32 = calls.values().sum();
    let list: String = calls.iter().map(|(what, count)| format!("{count:>4} {what}\n")).collect();
    assert!(all <= CALLS, "{all} calls:\n{list}");
    insta::assert_snapshot!(
        "calls_of_a_plan_with_nothing_to_do",
        format!("{list}{all:>4} in all\n")
    );
    let more: Vec<(&str, u32)> = calls
        .iter()
        .filter(|(_, count)| **count > 1)
        .map(|(operation, count)| (operation.as_str(), *count))
        .collect();
    let argued: Vec<(&str, u32)> = MORE.iter().map(|(what, count, _)| (*what, *count)).collect();
    assert_eq!(more, argued, "each has a reason, and none that is not needed");
}
