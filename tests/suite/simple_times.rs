//! How long SR-Simple takes, by the typical durations of its kinds, and why.

use super::deployment::{Deployment, destroy, spec};
use coderctl::event::StepName;
use coderctl::name::Address;
use coderctl::plan::{Options, Plan, Step};
use coderctl::value::Need;
use std::collections::BTreeSet;
use std::fmt::Write;

const SIMPLE: &str = "examples/sr-simple.yaml";

/// The longest chain, a line each, with what makes each step wait for the one above it.
fn chain(plan: &Plan) -> String {
    let mut lines = format!("{} s in all\n", plan.estimate);
    let mut before = None;
    for (address, seconds) in &plan.critical_path {
        write!(lines, "{seconds:>4} s {address}").unwrap();
        if let Some(before) = before.replace(address) {
            write!(lines, ": {}", reason(plan, address, before)).unwrap();
        }
        lines.push('\n');
    }
    lines
}

/// Why the step at one address waits for the one at another.
fn reason<'a>(plan: &'a Plan, later: &Address, earlier: &Address) -> &'a str {
    let place = place(plan, earlier);
    let step = &plan.steps[self::place(plan, later)];
    let wait = step.after.iter().find(|wait| wait.step == place).unwrap();
    wait.reason.as_deref().unwrap()
}

/// Where the only step at an address is.
fn place(plan: &Plan, address: &Address) -> usize {
    let is_it = |step: &Step| step.name.address == *address;
    assert_eq!(plan.steps.iter().filter(|step| is_it(step)).count(), 1, "steps at {address}");
    plan.steps.iter().position(is_it).unwrap()
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

/// Which kinds wait for which, and why: a line for each pair and reason.
fn waits(plan: &Plan) -> String {
    let mut lines = BTreeSet::new();
    for step in &plan.steps {
        for wait in &step.after {
            let reason = wait.reason.as_deref().map(str::trim).unwrap_or_default();
            let earlier = &plan.steps[wait.step].name;
            // A reference that is in no field would be the bare "its".
            assert!(!matches!(reason, "" | "its"), "{:?}: {earlier:?}", step.name);
            let one = |name: &StepName| format!("{} {}", name.verb.gerund(), name.kind);
            let begun = match wait.need {
                Need::Exists => ", which may go on",
                Need::Ready => "",
            };
            let (later, earlier) = (one(&step.name), one(earlier));
            lines.insert(format!("{later} after {earlier}{begun}: {reason}\n"));
        }
    }
    lines.into_iter().collect()
}

#[tokio::test(start_paused = true)]
async fn kinds_wait_for_those_that_they_waited_for() {
    let (account, wanted) = (Deployment::new(5), spec(SIMPLE, &[]));
    let up = account.plan(&wanted, &Options::default()).await;
    account.done(&wanted, &Options::default()).await;
    let down = account.plan(&wanted, &destroy()).await;
    insta::assert_snapshot!("waits_of_an_apply", waits(&up));
    insta::assert_snapshot!("waits_of_a_destroy", waits(&down));
}

#[tokio::test(start_paused = true)]
async fn the_load_balancer_waits_for_no_more_of_the_network_than_it_needs() {
    let account = Deployment::new(5);
    for (scheme, tables) in
        [("internet_facing", vec!["us-east-1/network/route-table/public"]), ("internal", vec![])]
    {
        let wanted = spec(SIMPLE, &[&format!("ingress.scheme={scheme}")]);
        let plan = account.plan(&wanted, &Options::default()).await;
        let balancer = |step: &&Step| step.name.address.as_str().ends_with("load-balancer");
        let step = plan.steps.iter().find(balancer).unwrap();
        let earlier = step.after.iter().map(|wait| plan.steps[wait.step].name.address.as_str());
        let waits: Vec<&str> = earlier.filter(|address| address.contains("route-table")).collect();
        assert_eq!(waits, tables, "{scheme}");
    }
}
