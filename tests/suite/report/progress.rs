//! A run while it goes on, and its end.

use super::plans::{NARROW, plan, step};
use super::screen::Screen;
use coderctl::event::{Event, StepName, Verb, What};
use coderctl::execute::{Ended, Outcome};
use coderctl::kind::{Class, Error};
use coderctl::name::Address;
use coderctl::plan::Plan;
use coderctl::report::Progress;
use coderctl::report::progress::{Bar, Json, Lines, View};
use coderctl::report::style::Style;
use coderctl::report::summary::{self, Summary};
use insta::assert_snapshot;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// A log whose content can be looked at.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const VPC: (&str, &str) = ("aws.ec2.vpc", "us-east-1/network/vpc");
const NAT: (&str, &str) = ("aws.ec2.nat_gateway", "us-east-1/network/nat/a");
const CLUSTER: (&str, &str) = ("aws.eks.cluster", "us-east-1/cluster/cluster");
const NODES: (&str, &str) = ("aws.eks.node_group", "us-east-1/cluster/node-group/control");
const SUBNET: (&str, &str) = ("aws.ec2.subnet", "us-east-1/network/subnet/private-a");

fn name(of: (&str, &str)) -> StepName {
    StepName { verb: Verb::Create, kind: of.0.to_owned(), address: Address::parse(of.1).unwrap() }
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
}

fn five() -> Plan {
    let create = |of: (&str, &str), typical, pole| step("create", of.0, of.1, typical, pole);
    let items: Vec<Value> = [VPC, SUBNET, NAT, CLUSTER, NODES]
        .iter()
        .map(|(kind, address)| {
            json!({ "address": address, "kind": kind, "action": "create",
                                       "spec_path": "network" })
        })
        .collect();
    plan(
        json!(items),
        json!({ "steps": [create(VPC, 2, 742), create(SUBNET, 1, 1), create(NAT, 106, 106),
                          create(CLUSTER, 590, 740), create(NODES, 150, 150)] }),
    )
}

fn started(of: (&str, &str), typical: u32) -> What {
    What::StepStarted { step: name(of), typical }
}

fn finished(of: (&str, &str), elapsed: u32, id: &str) -> What {
    What::StepFinished { step: name(of), elapsed, id: Some(id.to_owned()), already: false }
}

fn status(of: (&str, &str), status: &str) -> What {
    What::StepProgress { step: name(of), status: status.to_owned() }
}

fn conflict() -> Error {
    Error {
        class: Class::Refused,
        operation: Some("ec2:CreateSubnet".to_owned()),
        code: Some("InvalidSubnet.Conflict".to_owned()),
        message: "the CIDR 10.0.64.0/20 conflicts with another subnet".to_owned(),
        hint: Some(
            "subnet-0abc (not managed by coderctl) uses 10.0.64.0/18; choose another CIDR or \
             adopt it: coderctl adopt us-east-1/network/subnet/private-a subnet-0abc"
                .to_owned(),
        ),
        request_id: Some("6f0a-11".to_owned()),
        attempts: 1,
    }
}

/// An apply of which one step fails; `None` is a tick.
fn failing() -> Vec<(u64, Option<What>)> {
    let run_started = What::RunStarted { run: "r-1".to_owned(), steps: 5, estimate: 742 };
    let failed = What::StepFailed {
        step: name(SUBNET),
        error: conflict().to_string(),
        hint: conflict().hint,
        elapsed: 1,
    };
    let skipped = What::StepSkipped {
        step: name(NODES),
        because: "creating us-east-1/network/subnet/private-a failed".to_owned(),
    };
    vec![
        (0, Some(run_started)),
        (0, Some(started(VPC, 2))),
        (2, Some(finished(VPC, 2, "vpc-0abc"))),
        (2, Some(started(CLUSTER, 590))),
        (2, Some(started(NAT, 106))),
        (2, Some(started(SUBNET, 1))),
        (3, Some(failed)),
        (3, Some(skipped)),
        (4, Some(status(CLUSTER, "CREATING"))),
        (5, Some(status(NAT, "pending"))),
        (20, None),
        (64, Some(status(CLUSTER, "CREATING"))),
        (66, None),
        (70, None),
        (110, Some(finished(NAT, 108, "nat-0abc"))),
        (
            130,
            Some(What::Note {
                text: "the account's quota of Elastic IPs is nearly used up".into(),
            }),
        ),
    ]
}

fn ending() -> Vec<(u64, Option<What>)> {
    let slow = What::StepSlow { step: name(CLUSTER), elapsed: 1300, typical: 590 };
    vec![
        (1302, Some(slow)),
        (1310, None),
        (1400, Some(finished(CLUSTER, 1398, "coder-dev"))),
        (
            1400,
            Some(What::RunFinished {
                done: 3,
                failed: 1,
                skipped: 1,
                elapsed: 1400,
                critical_path: vec![(name(VPC), 2), (name(CLUSTER), 1398)],
            }),
        ),
    ]
}

fn interrupted() -> Vec<(u64, Option<What>)> {
    let because = "interrupted; the next run goes on with it".to_owned();
    vec![
        (140, Some(What::Interrupted)),
        (141, None),
        (142, Some(What::StepSkipped { step: name(CLUSTER), because })),
        (
            142,
            Some(What::RunFinished {
                done: 2,
                failed: 1,
                skipped: 2,
                elapsed: 142,
                critical_path: vec![(name(VPC), 2), (name(NAT), 108)],
            }),
        ),
    ]
}

fn play(progress: &Progress, script: Vec<(u64, Option<What>)>) {
    for (seconds, what) in script {
        match what {
            Some(what) => progress.event(&Event { at: at(seconds), what }),
            None => progress.tick(at(seconds)),
        }
    }
}

fn on(view: impl View + 'static) -> Progress {
    Progress::new(&five(), vec![Box::new(view)])
}

fn bar(screen: &Screen, columns: usize, rows: usize) -> Bar<Screen> {
    Bar::new(screen.clone(), NARROW, Box::new(move || (columns, rows)))
}

#[test]
fn lines_of_an_apply_with_a_failure() {
    let log = Log::default();
    let progress = on(Lines::new(log.clone(), NARROW));
    play(&progress, failing());
    play(&progress, ending());
    progress.close().unwrap();
    assert_snapshot!(log.text());
}

#[test]
fn lines_of_an_apply_that_is_interrupted() {
    let log = Log::default();
    let progress = on(Lines::new(log.clone(), NARROW));
    play(&progress, failing());
    let before = log.text().len();
    play(&progress, interrupted());
    assert_snapshot!(&log.text()[before..]);
}

#[test]
fn a_heartbeat_comes_only_after_a_quiet_minute() {
    let log = Log::default();
    let progress = on(Lines::new(log.clone(), NARROW));
    play(&progress, failing()[..6].to_vec());
    let before = log.text().lines().count();
    for seconds in 3..62 {
        progress.tick(at(seconds));
    }
    assert_eq!(log.text().lines().count(), before);
    progress.tick(at(62));
    progress.tick(at(63));
    assert_eq!(log.text().lines().count(), before + 1);
}

#[test]
fn events_for_programs() {
    let log = Log::default();
    let progress = on(Json::new(log.clone()));
    play(&progress, failing());
    play(&progress, ending());
    let text = log.text();
    let mut lines = text.lines();
    let version: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(version["type"], "version");
    assert_eq!(version["format_version"], "1.0");
    assert_eq!(version["coderctl"], env!("CARGO_PKG_VERSION"));
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        events.len(),
        failing().iter().chain(&ending()).filter(|(_, e)| e.is_some()).count()
    );
    assert!(events.iter().all(|event| event["type"] == "event"));
    assert_eq!(
        events[1],
        json!({ "type": "event", "at": "2027-01-15T08:00:00Z", "event": "step_started",
                "step": { "verb": "create", "kind": "aws.ec2.vpc", "address": "us-east-1/network/vpc" },
                "typical": 2 })
    );
}

#[test]
fn documents_stand_between_events() {
    let log = Log::default();
    let mut json = Json::new(log.clone());
    json.document("plan", &json!({ "format_version": "1.0", "items": [] })).unwrap();
    let text = log.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["type"], "version");
    assert_eq!(lines[1], json!({ "type": "plan", "format_version": "1.0", "items": [] }));
}

#[test]
fn live_view_of_an_apply() {
    let screen = Screen::new(80);
    let progress = on(bar(&screen, 80, 24));
    play(&progress, failing()[..11].to_vec());
    assert_snapshot!(screen.shown());
}

/// Nothing is broken or out of line, and what is under way can be told from its like.
#[test]
fn live_view_of_a_narrow_window() {
    const ROLE: (&str, &str) = ("aws.iam.role", "global/cluster/role/node");
    const RULE: (&str, &str) =
        ("aws.ec2.security_group_rule", "us-east-1/ingress/security-group-rule/nodes/in/servers");
    const MORE: (&str, &str) = ("aws.eks.node_group", "us-east-1/cluster/node-group/workspace");
    let create = |of: (&str, &str)| step("create", of.0, of.1, 150, 150);
    let items: Vec<Value> = [ROLE, RULE, NODES, MORE]
        .iter()
        .map(|(kind, address)| json!({"address": address, "kind": kind, "action": "create"}))
        .collect();
    let steps = [ROLE, RULE, NODES, MORE].map(create);
    let plan = plan(json!(items), json!({"steps": steps}));
    for columns in [60, 80] {
        let screen = Screen::new(columns);
        let progress = Progress::new(&plan, vec![Box::new(bar(&screen, columns, 24))]);
        let script = vec![
            (0, Some(What::RunStarted { run: "r-1".to_owned(), steps: 4, estimate: 150 })),
            (0, Some(started(ROLE, 1))),
            (0, Some(started(RULE, 1))),
            (2, Some(finished(ROLE, 2, "coder-node"))),
            (12, Some(finished(RULE, 12, "sgr-0abc"))),
            (12, Some(started(NODES, 150))),
            (12, Some(started(MORE, 150))),
            (40, Some(status(NODES, "CREATING"))),
            (41, None),
        ];
        play(&progress, script);
        assert_snapshot!(format!("narrow_{columns}"), screen.shown());
    }
}

#[test]
fn live_view_leaves_only_what_is_done() {
    let screen = Screen::new(80);
    let progress = on(bar(&screen, 80, 24));
    play(&progress, failing());
    play(&progress, ending());
    progress.close().unwrap();
    progress.tick(at(1401));
    assert_snapshot!(screen.shown());
}

#[test]
fn live_view_is_gone_when_something_else_is_written() {
    let screen = Screen::new(80);
    let progress = on(bar(&screen, 80, 24));
    play(&progress, failing()[..11].to_vec());
    progress.clear();
    writeln!(screen.clone(), "error: something else").unwrap();
    assert!(!screen.shown().contains("in flight"), "{}", screen.shown());
    progress.tick(at(21));
    let shown = screen.shown();
    assert!(shown.contains("error: something else\n 1 of 5 done, 2 in flight"), "{shown}");
}

#[test]
fn live_view_of_a_low_window() {
    let screen = Screen::new(80);
    let progress = on(bar(&screen, 80, 5));
    play(&progress, failing()[..6].to_vec());
    progress.tick(at(3));
    let shown = screen.shown();
    assert!(shown.ends_with("   +3 more"), "{shown}");
    assert_eq!(
        shown.lines().filter(|line| line.contains("more") || line.contains("done,")).count(),
        2
    );
}

#[test]
fn live_view_survives_a_window_that_becomes_narrow() {
    let screen = Screen::new(100);
    let size = Arc::new(Mutex::new((100, 24)));
    let asked = size.clone();
    let bar = Bar::new(screen.clone(), NARROW, Box::new(move || *asked.lock().unwrap()));
    let progress = on(bar);
    play(&progress, failing()[..11].to_vec());
    for columns in [70, 45, 12, 3] {
        *size.lock().unwrap() = (columns, 24);
        screen.narrow(columns);
        progress.tick(at(21));
        let shown = screen.shown();
        assert_eq!(shown.matches("of 5").count().min(1), usize::from(columns > 6), "{shown}");
        assert!(shown.matches("1 of 5").count() <= 1, "painted twice: {shown}");
    }
    progress.close().unwrap();
    assert!(!screen.shown().contains(" in flight"), "{}", screen.shown());
}

#[test]
fn what_is_left_follows_the_longest_chain() {
    let progress = Progress::new(&five(), Vec::new());
    play(&progress, failing());
    // The cluster has 590 - 58 to go, and 150 are behind it.
    assert_eq!(progress.track().left(at(60)), 532 + 150);
    // It is late: what is behind it is left.
    assert_eq!(progress.track().left(at(900)), 150);
}

#[test]
fn a_log_that_can_not_be_written_stops_nothing_and_is_told_at_the_end() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::Error::other("no space left on device"))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let views: Vec<Box<dyn View>> =
        vec![Box::new(Json::new(Full)), Box::new(Lines::new(log.clone(), Style::PLAIN))];
    let progress = Progress::new(&five(), views);
    play(&progress, failing());
    assert!(log.text().contains("created us-east-1/network/vpc"));
    assert_eq!(progress.close().unwrap_err().to_string(), "no space left on device");
}

fn outcome(ended: Ended) -> Outcome {
    let mut skipped =
        vec![(name(NODES), "creating us-east-1/network/subnet/private-a failed".to_owned())];
    let mut done = vec![name(VPC), name(NAT)];
    if ended == Ended::Interrupted {
        skipped.push((name(CLUSTER), "interrupted; the next run goes on with it".to_owned()));
    } else {
        done.push(name(CLUSTER));
    }
    Outcome { done, failed: vec![(name(SUBNET), conflict())], skipped, ended }
}

#[test]
fn the_end_for_programs() {
    let plan = five();
    let progress = Progress::new(&plan, Vec::new());
    play(&progress, interrupted());
    let (outcome, track) = (outcome(Ended::Interrupted), progress.track());
    let outputs = [("url".to_owned(), "https://coder.example.com".to_owned())];
    let summary = Summary {
        plan: &plan,
        outcome: &outcome,
        track: &track,
        origin: &|_| None,
        outputs: &outputs,
        kept: &[],
        still: &[],
    };
    assert_snapshot!(serde_json::to_string_pretty(&summary::json(&summary)).unwrap());
}

fn end(script: Vec<(u64, Option<What>)>, outcome: &Outcome, tables: &[(String, String)]) -> String {
    let plan = five();
    let progress = Progress::new(&plan, Vec::new());
    play(&progress, failing());
    play(&progress, script);
    let track = progress.track();
    let origin = |_: &str| Some("coderctl.yaml:12".to_owned());
    let summary = Summary {
        plan: &plan,
        outcome,
        track: &track,
        origin: &origin,
        outputs: tables,
        kept: tables,
        still: &[],
    };
    summary::human(&summary, &NARROW)
}

#[test]
fn the_end_of_an_apply_with_a_failure() {
    assert_snapshot!(end(ending(), &outcome(Ended::Through), &[]));
}

#[test]
fn the_end_of_an_apply_that_is_interrupted() {
    assert_snapshot!(end(interrupted(), &outcome(Ended::Interrupted), &[]));
}

#[test]
fn the_end_of_an_apply() {
    let whole = Outcome {
        done: [VPC, NAT, CLUSTER, NODES, SUBNET].map(name).to_vec(),
        failed: Vec::new(),
        skipped: Vec::new(),
        ended: Ended::Through,
    };
    let outputs = [
        ("network.vpc_id".to_owned(), "vpc-0abc".to_owned()),
        ("url".to_owned(), "https://coder.example.com".to_owned()),
    ];
    assert_snapshot!(end(ending(), &whole, &outputs));
}
