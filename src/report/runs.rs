//! Past runs, a line each.

use super::page::{Line, Page, Paint};
use super::text::{clock, count};
use super::{FORMAT_VERSION, Style};
use crate::aws::record::RunHead;
use crate::event::{Event, What};
use serde_json::{Value, json};

/// Where what is said of a run begins.
const COLUMN: usize = 25;

/// A run of the past.
pub enum Past {
    /// What it was, and what happened.
    Read(RunHead, Vec<Event>),
    /// Why that can't be read.
    Damaged(String),
}

/// How a run ended.
enum End {
    Finished {
        done: usize,
        failed: usize,
        skipped: usize,
        elapsed: u32,
    },
    /// It died, or is under way.
    Open {
        done: usize,
    },
}

fn end(events: &[Event]) -> End {
    let finished = events.iter().rev().find_map(|event| match event.what {
        What::RunFinished { done, failed, skipped, elapsed, .. } => {
            Some(End::Finished { done, failed, skipped, elapsed })
        }
        _ => None,
    });
    let done = || events.iter().filter(|event| matches!(event.what, What::StepFinished { .. }));
    finished.unwrap_or_else(|| End::Open { done: done().count() })
}

/// For people. `older` runs are not shown.
pub fn human(runs: &[(String, Past)], older: usize, style: &Style) -> String {
    let mut page = Page::new(style);
    for (run, past) in runs {
        let (color, text) = match past {
            Past::Read(head, events) => {
                let (color, how) = said(&end(events), was_interrupted(events));
                (color, format!("{:<8} {how}, by {}", head.command, caller(&head.who)))
            }
            Past::Damaged(why) => (Paint::Odd, why.clone()),
        };
        page.entry(Line::new().then(Paint::Plain, run), COLUMN, color, &text, None);
    }
    if older > 0 {
        let text = format!("{}: coderctl runs --all", count(older, "older run"));
        page.line(&Line::new().then(Paint::Faint, text));
    }
    page.finish()
}

fn was_interrupted(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event.what, What::Interrupted))
}

fn said(end: &End, was_interrupted: bool) -> (Paint, String) {
    match *end {
        End::Finished { done, failed: 0, skipped: 0, elapsed } => {
            (Paint::Plain, format!("{done} done in {}", clock(u64::from(elapsed))))
        }
        End::Finished { done, failed, skipped, elapsed } => {
            let elapsed = clock(u64::from(elapsed));
            let why = if was_interrupted { "interrupted: " } else { "" };
            let text = format!("{why}{done} done, {failed} failed, {skipped} skipped in {elapsed}");
            (Paint::Bad, text)
        }
        End::Open { done } => (Paint::Odd, format!("{done} done; it died, or is under way")),
    }
}

/// `assumed-role/Deployer/alice` of an ARN: the account is that of the deployment.
fn caller(arn: &str) -> &str {
    arn.splitn(6, ':').nth(5).unwrap_or(arn)
}

/// For programs. `older` runs are not in it.
pub fn json(runs: &[(String, Past)], older: usize) -> Value {
    let runs: Vec<Value> = runs
        .iter()
        .map(|(run, past)| match past {
            Past::Damaged(why) => json!({"run": run, "state": "damaged", "why": why}),
            Past::Read(head, events) => {
                let mut value = json!({
                    "run": run,
                    "command": head.command,
                    "who": head.who,
                    "version": head.version,
                    "began": head.began,
                    "interrupted": was_interrupted(events),
                });
                let more = match end(events) {
                    End::Finished { done, failed, skipped, elapsed } => json!({
                        "state": if failed + skipped == 0 { "complete" } else { "incomplete" },
                        "done": done,
                        "failed": failed,
                        "skipped": skipped,
                        "elapsed": elapsed,
                    }),
                    End::Open { done } => json!({"state": "open", "done": done}),
                };
                if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
                    value.extend(more);
                }
                value
            }
        })
        .collect();
    json!({"format_version": FORMAT_VERSION, "runs": runs, "older": older})
}
