//! How long SR-Simple takes, by the typical durations of its kinds.

use super::deployment::{Deployment, destroy, spec};
use coderctl::plan::{Options, Plan};
use std::fmt::Write;

const SIMPLE: &str = "examples/sr-simple.yaml";

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
}
