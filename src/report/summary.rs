//! The end of a run.

use super::FORMAT_VERSION;
use super::error::{self, ErrorReport};
use super::page::{Line, Page, Paint};
use super::style::Style;
use super::text::{clock, width};
use crate::event::{StepName, Verb};
use crate::execute::{Ended, Outcome};
use crate::plan::Plan;
use crate::report::progress::Track;
use crate::value::Need;
use serde_json::{Value, json};

/// So many names stand behind one reason.
const NAMED: usize = 5;

/// What a run has come to.
pub struct Summary<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// What was done.
    pub outcome: &'a Outcome,
    /// What its events told.
    pub track: &'a Track,
    /// Where a part of the spec is written: `coderctl.yaml:31`.
    pub origin: &'a dyn Fn(&str) -> Option<String>,
    /// What the deployment gives to others, by name.
    pub outputs: &'a [(String, String)],
    /// What was left standing on purpose, and why; and what could not be read.
    pub kept: &'a [(String, String)],
    /// What should be gone and is still there.
    pub still: &'a [(String, String)],
}

impl Summary<'_> {
    /// Whether everything was done, and nothing is there that should be gone.
    fn is_complete(&self) -> bool {
        self.outcome.is_complete() && self.still.is_empty()
    }
}

/// The end of a run; ends with a line break.
pub fn human(summary: &Summary<'_>, style: &Style) -> String {
    let mut page = Page::new(style);
    failures(&mut page, summary);
    skipped(&mut page, summary);
    page.gap();
    ending(&mut page, summary);
    path(&mut page, summary);
    table(&mut page, "still there", summary.still);
    table(&mut page, "kept", summary.kept);
    table(&mut page, "outputs", summary.outputs);
    page.finish()
}

fn failures(page: &mut Page<'_>, summary: &Summary<'_>) {
    for (step, error) in &summary.outcome.failed {
        page.gap();
        let item = summary.plan.items.iter().find(|item| item.address == step.address);
        let at = item.and_then(|item| (summary.origin)(item.spec_path.as_deref()?));
        error::write(page, &ErrorReport { at, ..ErrorReport::of_step(step, error) });
    }
}

/// What was not begun, by its reasons.
fn skipped(page: &mut Page<'_>, summary: &Summary<'_>) {
    let mut groups: Vec<(&str, Vec<&StepName>)> = Vec::new();
    for (step, because) in &summary.outcome.skipped {
        match groups.iter_mut().find(|(known, _)| known == because) {
            Some((_, steps)) => steps.push(step),
            None => groups.push((because, vec![step])),
        }
    }
    if groups.is_empty() {
        return;
    }
    page.gap();
    page.line(&Line::new().then(Paint::Strong, "skipped"));
    for (because, steps) in groups {
        let mut names: Vec<&str> =
            steps.iter().take(NAMED).map(|step| summary.track.short(step)).collect();
        let more = format!("{} more", steps.len().saturating_sub(NAMED));
        if steps.len() > NAMED {
            names.push(&more);
        }
        page.hang(Line::new().to(2), Paint::Plain, &format!("{because}:"));
        page.hang(Line::new().to(4), Paint::Plain, &names.join(", "));
    }
}

/// The end of a run as one JSON document.
pub fn json(summary: &Summary<'_>) -> Value {
    let Outcome { done, failed, skipped, ended } = summary.outcome;
    let pairs = |rows: &[(String, String)], value: &str| -> Vec<Value> {
        rows.iter().map(|(name, text)| json!({ "name": name, value: text })).collect()
    };
    let failures: Vec<Value> = failed
        .iter()
        .map(|(step, error)| {
            json!({
                "step": step,
                "class": format!("{:?}", error.class).to_lowercase(),
                "operation": error.operation,
                "code": error.code,
                "message": error.message,
                "hint": error.hint,
                "request_id": error.request_id,
                "attempts": error.attempts,
            })
        })
        .collect();
    json!({
        "format_version": FORMAT_VERSION,
        "coderctl": env!("CARGO_PKG_VERSION"),
        "deployment": summary.plan.deployment,
        "complete": summary.is_complete(),
        "ended": match ended {
            Ended::Through => "through",
            Ended::Interrupted => "interrupted",
            Ended::LockLost(_) => "lock_lost",
        },
        "elapsed_seconds": summary.track.took,
        "estimated_seconds": summary.plan.estimate,
        "done": done,
        "failed": failures,
        "skipped": skipped
            .iter()
            .map(|(step, because)| json!({ "step": step, "because": because }))
            .collect::<Vec<_>>(),
        "critical_path": chain(summary)
            .map(|(step, seconds, typical)| {
                json!({ "step": step, "seconds": seconds, "typical_seconds": typical })
            })
            .collect::<Vec<_>>(),
        "still_there": pairs(summary.still, "why"),
        "kept": pairs(summary.kept, "why"),
        "outputs": pairs(summary.outputs, "value"),
    })
}

/// `12 created, 1 updated in 13:02, typically 12:22`.
fn ending(page: &mut Page<'_>, summary: &Summary<'_>) {
    let Outcome { done, failed, skipped, ended } = summary.outcome;
    let of = |verb: Verb| done.iter().filter(|step| step.verb == verb).count();
    let mut parts: Vec<String> = [
        (of(Verb::Create), "created"),
        (of(Verb::Update), "updated"),
        (of(Verb::Settle), "waited for"),
        (of(Verb::Delete), "deleted"),
        (failed.len(), "failed"),
        (skipped.len(), "skipped"),
        // Where steps failed, they say it.
        (if summary.outcome.is_complete() { summary.still.len() } else { 0 }, "still there"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{number} {what}"))
    .collect();
    if parts.is_empty() {
        parts.push("nothing was done".to_owned());
    }
    let took = summary.track.took.map(|took| format!(" in {}", clock(u64::from(took))));
    // Of what was cut short, there is nothing to compare.
    let typically = (summary.is_complete() && summary.plan.estimate >= 5)
        .then(|| format!(", typically {}", clock(u64::from(summary.plan.estimate))));
    let text = format!(
        "{}{}{}",
        parts.join(", "),
        took.unwrap_or_default(),
        typically.unwrap_or_default()
    );
    let (word, color) = match ended {
        Ended::Interrupted => ("interrupted: ", Paint::Bad),
        Ended::LockLost(_) => ("the lock was lost: ", Paint::Bad),
        Ended::Through if !failed.is_empty() => ("not all is done: ", Paint::Bad),
        Ended::Through if !summary.is_complete() => ("not all is done: ", Paint::Change),
        Ended::Through => ("done: ", Paint::Good),
    };
    page.hang(Line::new().then(color, word), Paint::Plain, &text);
    if let Ended::LockLost(holder) = ended {
        page.hang(Line::new().to(2), Paint::Plain, holder);
    }
    if !summary.is_complete() {
        let text = "run the same command again: it goes on from what is live";
        page.hang(Line::new().to(2).then(Paint::Strong, "hint: "), Paint::Plain, text);
    }
}

/// The chain of steps that decided how long it took: what each added, and what it typically adds.
/// Where the next one needed only its existence, there is nothing to compare with.
fn chain<'a>(
    summary: &'a Summary<'_>,
) -> impl Iterator<Item = (&'a StepName, u32, Option<u32>)> + Clone {
    let (steps, path) = (&summary.plan.steps, &summary.track.critical_path);
    path.iter().enumerate().map(move |(at, (name, took))| {
        let place = steps.iter().position(|step| step.name == *name);
        let next = path.get(at + 1).and_then(|(next, _)| steps.iter().find(|s| s.name == *next));
        let is_left_early = next.is_some_and(|next| {
            let mut waits = next.after.iter();
            waits.any(|wait| Some(wait.step) == place && wait.need == Need::Exists)
        });
        let typical = place.filter(|_| !is_left_early).map(|place| steps[place].typical);
        (name, *took, typical)
    })
}

/// The chain of steps that decided how long it took.
fn path(page: &mut Page<'_>, summary: &Summary<'_>) {
    let path = chain(summary).map(|(step, took, typical)| (&step.address, took, typical));
    let text = super::plan::longest(path);
    if !text.is_empty() {
        page.hang(Line::new().then(Paint::Faint, "longest: "), Paint::Faint, &text);
    }
}

fn table(page: &mut Page<'_>, name: &str, rows: &[(String, String)]) {
    if rows.is_empty() {
        return;
    }
    page.gap();
    page.line(&Line::new().then(Paint::Strong, name));
    let column = rows.iter().map(|(key, _)| width(&page.clean(key)) + 4).max().unwrap_or(0);
    let column = column.min(page.style.width / 2);
    for (key, value) in rows {
        let lead = Line::new().to(2).then(Paint::Plain, page.clean(key));
        page.entry(lead, column, Paint::Plain, value, None);
    }
}
