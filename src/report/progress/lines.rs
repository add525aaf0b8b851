//! A run for a log: a line for everything that happens, and a heartbeat.

use super::{Track, View};
use crate::event::{Event, StepName, Verb, What};
use crate::report::Style;
use crate::report::page::{Paint, paint};
use crate::report::text::{clean, clock, count, rough};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

/// How long a log may be quiet; CI systems end what says nothing for longer.
const QUIET: Duration = Duration::from_secs(60);
/// So many steps are named in a heartbeat.
const NAMED: usize = 4;

/// Writes lines. They are not wrapped: a log is searched line by line.
pub struct Lines<W> {
    out: W,
    style: Style,
    /// When something was last written.
    last: Option<SystemTime>,
    /// What was last said of each step under way.
    said: BTreeMap<StepName, String>,
}

impl<W: Write> Lines<W> {
    /// Writes to `out`.
    pub fn new(out: W, style: Style) -> Self {
        Lines { out, style, last: None, said: BTreeMap::new() }
    }

    fn line(&mut self, at: SystemTime, track: &Track, color: Paint, text: &str) -> io::Result<()> {
        self.last = Some(at);
        let text = paint(&clean(text, &self.style), color, &self.style);
        let since = paint(&format!("{:>7}", clock(track.elapsed(at))), Paint::Faint, &self.style);
        writeln!(self.out, "{since}  {text}")?;
        self.out.flush()
    }

    fn failed(&mut self, at: SystemTime, track: &Track, failure: Failure<'_>) -> io::Result<()> {
        let Failure { step, error, hint, elapsed } = failure;
        let doing = format!("{} {}", step.verb.gerund(), step.address);
        let text = format!("failed after {}: {doing}: {error}", clock(u64::from(elapsed)));
        self.line(at, track, Paint::Bad, &text)?;
        hint.map_or(Ok(()), |hint| {
            writeln!(self.out, "         hint: {}", clean(hint, &self.style))
        })
    }
}

struct Failure<'a> {
    step: &'a StepName,
    error: &'a str,
    hint: Option<&'a str>,
    elapsed: u32,
}

/// What is said of a step that is done.
pub(super) fn past(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "created",
        Verb::Update => "updated",
        Verb::Settle => "ready",
        Verb::Delete => "deleted",
    }
}

impl<W: Write + Send> View for Lines<W> {
    fn event(&mut self, event: &Event, track: &Track) -> io::Result<()> {
        let at = event.at;
        match &event.what {
            What::RunStarted { run, steps, estimate } => {
                let about = rough(u64::from(*estimate));
                let text = format!("run {run}: {}, about {about}", count(*steps, "step"));
                self.line(at, track, Paint::Strong, &text)
            }
            What::Traced { trace_id, .. } => {
                self.line(at, track, Paint::Plain, &format!("part of trace {trace_id}"))
            }
            What::StepStarted { step, .. } => {
                let text = format!("{} {}", step.verb.gerund(), step.address);
                self.line(at, track, Paint::Plain, &text)
            }
            What::StepProgress { step, status } => {
                if self.said.get(step) == Some(status) {
                    return Ok(());
                }
                self.said.insert(step.clone(), status.clone());
                self.line(at, track, Paint::Plain, &format!("{}: {status}", step.address))
            }
            What::StepExists { .. } => Ok(()),
            What::StepSlow { step, elapsed, typical } => {
                let (elapsed, typical) = (clock(u64::from(*elapsed)), clock(u64::from(*typical)));
                let doing = format!("{} {}", step.verb.gerund(), step.address);
                let text = format!("slow: {doing} for {elapsed}, typically {typical}");
                self.line(at, track, Paint::Change, &text)
            }
            What::StepFinished { step, elapsed, id, already } => {
                self.said.remove(step);
                let mut text = format!("{} {}", past(step.verb), step.address);
                if let Some(id) = id.as_ref().filter(|_| step.verb != Verb::Delete) {
                    text.push_str(&format!(" ({id})"));
                }
                if *already {
                    text.push_str(": it was so already");
                } else {
                    text.push_str(&format!(" in {}", clock(u64::from(*elapsed))));
                }
                self.line(at, track, Paint::Good, &text)
            }
            What::StepFailed { step, error, hint, elapsed } => {
                let (hint, elapsed) = (hint.as_deref(), *elapsed);
                self.failed(at, track, Failure { step, error, hint, elapsed })
            }
            What::StepSkipped { step, because } => {
                let doing = format!("{} {}", step.verb.gerund(), step.address);
                self.line(at, track, Paint::Change, &format!("skipped {doing}: {because}"))
            }
            What::Interrupted => {
                let text = "interrupted: nothing more is started; calls in flight are finished";
                self.line(at, track, Paint::Bad, text)
            }
            What::LockLost { holder } => {
                let text = format!("the lock was lost, nothing more is started: {holder}");
                self.line(at, track, Paint::Bad, &text)
            }
            What::Note { text } => self.line(at, track, Paint::Plain, &format!("note: {text}")),
            What::CheckPassed { check, found } => {
                self.line(at, track, Paint::Good, &format!("{check} OK: {found}"))
            }
            What::CheckWaits { check, why } => {
                self.line(at, track, Paint::Plain, &format!("waiting for {check}: {why}"))
            }
            What::CheckFailed { check, why, hint } => {
                self.line(at, track, Paint::Bad, &format!("{check} failed: {why}"))?;
                hint.as_ref().map_or(Ok(()), |hint| {
                    writeln!(self.out, "         hint: {}", clean(hint, &self.style))
                })
            }
            What::RunFinished { done, failed, skipped, elapsed, .. } => {
                let elapsed = clock(u64::from(*elapsed));
                let text = format!("{done} done, {failed} failed, {skipped} skipped in {elapsed}");
                self.line(at, track, Paint::Strong, &text)
            }
        }
    }

    fn tick(&mut self, now: SystemTime, track: &Track) -> io::Result<()> {
        let Some(last) = self.last else { return Ok(()) };
        let is_quiet = now.duration_since(last).is_ok_and(|quiet| quiet >= QUIET);
        if !is_quiet || track.took.is_some() {
            return Ok(());
        }
        let mut named: Vec<String> = track
            .in_flight
            .iter()
            .take(NAMED)
            .map(|flying| {
                let elapsed = clock(flying.elapsed(now));
                let status = flying.status.as_ref().map(|status| format!(" {status}"));
                let name = track.short(&flying.step);
                let typical = clock(u64::from(flying.typical));
                format!("{name}{} {elapsed} of typically {typical}", status.unwrap_or_default())
            })
            .collect();
        if track.in_flight.len() > NAMED {
            named.push(format!("{} more", track.in_flight.len() - NAMED));
        }
        let left = rough(track.left(now));
        let text = format!(
            "{} of {} done, about {left} left, in flight: {}",
            track.done,
            track.steps,
            named.join(", ")
        );
        self.line(now, track, Paint::Plain, &text)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
