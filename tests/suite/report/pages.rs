//! What is said of one resource, and of past runs.

use super::plans::NARROW;
use coderctl::aws::record::RunHead;
use coderctl::event::{Event, What};
use coderctl::report::runs::{self, Past};
use coderctl::report::{Style, values};
use insta::assert_snapshot;
use serde_json::json;
use std::time::{Duration, SystemTime};

#[test]
fn values_go_on_where_they_began() {
    let row = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let rows = [
        row("state", "is as the spec says"),
        row("cluster_security_group", "sg-031b7b072bab4f369"),
        row(
            "needs",
            "us-east-1/cluster/log-group/control-plane: EKS makes it itself if it is not there",
        ),
        row("needed by", "us-east-1/ingress/security-group-rule/nodes/in/servers"),
    ];
    let heading = "us-east-1/cluster/cluster  eks cluster  coder-prod  EKS's default version";
    assert_snapshot!(values::human(heading, &rows, &Style { width: 60, ..NARROW }));
}

fn past() -> Vec<(String, Past)> {
    let head = |run: &str, command: &str| RunHead {
        run: run.to_owned(),
        command: command.to_owned(),
        who: "arn:aws:sts::123456789012:assumed-role/Deployer/alice".to_owned(),
        version: "0.1.0".to_owned(),
        began: "2026-11-21T01:45:00Z".to_owned(),
    };
    let event = |what: What| Event { at: SystemTime::UNIX_EPOCH + Duration::from_secs(9), what };
    let end = |done, failed, skipped, elapsed| {
        let critical_path = Vec::new();
        event(What::RunFinished { done, failed, skipped, elapsed, critical_path })
    };
    let entry = |run: &str, command: &str, events: Vec<Event>| {
        (run.to_owned(), Past::Read(head(run, command), events))
    };
    vec![
        entry("20261121T030000Z-4fa09c", "destroy", vec![event(What::Interrupted)]),
        entry("20261121T024500Z-77ab01", "apply", vec![end(3, 1, 2, 61)]),
        entry("20261121T014500Z-0c33de", "apply", vec![end(75, 0, 0, 1040)]),
        (
            "20261120T014500Z-9d00aa".to_owned(),
            Past::Damaged("line 4: expected value at line 1 column 1".to_owned()),
        ),
    ]
}

#[test]
fn past_runs_at_a_glance() {
    assert_snapshot!(runs::human(&past(), 1, &NARROW));
}

#[test]
fn past_runs_for_programs() {
    let told = runs::json(&past(), 0);
    let states: Vec<&serde_json::Value> =
        told["runs"].as_array().unwrap().iter().map(|run| &run["state"]).collect();
    assert_eq!(states, ["open", "incomplete", "complete", "damaged"]);
    assert_eq!(told["runs"][1]["failed"], json!(1));
    assert_eq!(told["runs"][2]["elapsed"], json!(1040));
    assert_eq!(told["older"], json!(0));
}
