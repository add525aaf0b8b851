//! A run on a terminal: what is done scrolls by, what is under way stays below it.
//!
//! The view is repainted by hand, not by a library, so that it is a function of events, the
//! program's time and the window's size. The cursor always rests below the view and is never
//! hidden: a process that is killed leaves nothing to put right.

use super::lines::past;
use super::{InFlight, Track, View};
use crate::event::{Event, StepName, What};
use crate::report::Style;
use crate::report::page::{Line, Paint};
use crate::report::text::{clean, clip, clock, keep_end, nearly, width, wrap};
use std::io::{self, Write};
use std::time::SystemTime;

/// One turn of the spinner.
const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
/// The narrowest window with columns; below it, lines are simply cut.
const NARROW: usize = 50;

/// The size of a window: columns and rows.
pub type Size = Box<dyn Fn() -> (usize, usize) + Send>;

/// The live view.
pub struct Bar<W> {
    out: W,
    style: Style,
    size: Size,
    /// The widths of the lines that are on the screen and will be painted over.
    painted: Vec<usize>,
    turn: usize,
    now: Option<SystemTime>,
}

/// What stands beside the name of a step that is under way: the mark, a word or two of AWS's, and
/// the time.
const BESIDE: usize = 44;
/// The narrowest window in which the time is told in full, and what stands beside a name below it.
const WIDE: usize = 76;
const BESIDE_IN_NARROW: usize = 32;
/// What stands beside the name of a step that is done: the mark, `created`, the time.
const BESIDE_DONE: usize = 18;

fn beside(columns: usize) -> usize {
    if columns < WIDE { BESIDE_IN_NARROW } else { BESIDE }
}

impl<W: Write> Bar<W> {
    /// Paints on `out`, whose window has the `size` that is asked for at each painting.
    pub fn new(out: W, style: Style, size: Size) -> Self {
        Bar { out, style, size, painted: Vec::new(), turn: 0, now: None }
    }

    /// Writes `above` for good, and `below` until the next painting.
    fn paint(&mut self, columns: usize, above: &[Line], below: &[Line]) -> io::Result<()> {
        // A window that became narrower has broken long lines into several.
        let rows: usize = self.painted.iter().map(|width| width.div_ceil(columns).max(1)).sum();
        let mut text = String::new();
        if rows > 0 {
            text.push_str(&format!("\r\x1b[{rows}A\x1b[J"));
        }
        for line in above.iter().chain(below) {
            text.push_str(&line.render(&self.style));
            text.push('\n');
        }
        self.painted = below.iter().map(Line::width).collect();
        if text.is_empty() {
            return Ok(());
        }
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }

    fn window(&self) -> (usize, usize) {
        let (columns, rows) = (self.size)();
        // A terminal breaks a line that ends in its last column in different ways.
        (columns.max(2) - 1, rows)
    }

    fn show(&mut self, above: &[Line], track: &Track) -> io::Result<()> {
        let (columns, rows) = self.window();
        let below = match self.now {
            Some(now) if track.took.is_none() => self.frame(now, track, columns, rows),
            _ => Vec::new(),
        };
        self.paint(columns + 1, above, &below)
    }

    /// What is under way.
    fn frame(&self, now: SystemTime, track: &Track, columns: usize, rows: usize) -> Vec<Line> {
        let mut lines = vec![self.head(now, track, columns)];
        // The view leaves room for a few lines of what is done.
        let room = rows.saturating_sub(4).max(1);
        let shown = if track.in_flight.len() > room { room - 1 } else { track.in_flight.len() };
        // Those that take the longest are what everybody is waiting for.
        let mut flying: Vec<&InFlight> = track.in_flight.iter().collect();
        flying.sort_by_key(|flying| std::cmp::Reverse(flying.typical));
        let names = flying.iter().take(shown).map(|f| width(track.short(&f.step))).max();
        let column =
            names.unwrap_or(0).clamp(20, columns.saturating_sub(beside(columns)).max(20)) + 4;
        for flying in flying.iter().take(shown) {
            lines.push(self.row(now, track, flying, column, columns));
        }
        if track.in_flight.len() > shown {
            let more = format!("   +{} more", track.in_flight.len() - shown);
            lines.push(Line::new().then(Paint::Faint, clip(&more, columns, &self.style)));
        }
        lines
    }

    fn head(&self, now: SystemTime, track: &Track, columns: usize) -> Line {
        let mut left =
            format!(" {} of {} done, {} in flight", track.done, track.steps, track.in_flight.len());
        if track.failed > 0 {
            left.push_str(&format!(", {} failed", track.failed));
        }
        if track.stopping {
            left.push_str("; stopping");
        }
        let mut right = format!("{} elapsed", clock(track.elapsed(now)));
        let still = track.left(now);
        if !track.stopping && still > 0 {
            right.push_str(&format!(", about {} left", nearly(still)));
        }
        let left = clip(&left, columns, &self.style);
        let line = Line::new().then(Paint::Strong, left);
        if line.width() + 2 + width(&right) > columns {
            return line;
        }
        line.to(columns - width(&right)).then(Paint::Faint, right)
    }

    fn row(
        &self,
        now: SystemTime,
        track: &Track,
        flying: &InFlight,
        column: usize,
        columns: usize,
    ) -> Line {
        let spinner = clean(SPINNER[self.turn % SPINNER.len()], &self.style);
        let name = clean(track.short(&flying.step), &self.style);
        let status = flying.status.as_deref().unwrap_or(flying.step.verb.gerund());
        let status = clean(status, &self.style);
        let elapsed = clock(flying.elapsed(now));
        let time = match flying.typical {
            // Of what is done at once, there is nothing to say.
            0..5 => elapsed.clone(),
            typical if columns < WIDE => format!("{elapsed} of {}", clock(u64::from(typical))),
            typical => format!("{elapsed} of typically {}", clock(u64::from(typical))),
        };
        let lead = Line::new().then(Paint::Change, format!(" {spinner} "));
        if columns < NARROW {
            let room = columns.saturating_sub(lead.width() + width(&elapsed) + 1);
            let name = keep_end(&name, room, &self.style);
            let line = lead.then(Paint::Plain, name);
            let end = columns.saturating_sub(width(&elapsed));
            return line.to(end).then(Paint::Faint, elapsed);
        }
        let line = lead.then(Paint::Plain, keep_end(&name, column - 4, &self.style)).to(column);
        let time = if column + 10 + width(&time) > columns { elapsed } else { time };
        let room = columns.saturating_sub(column + width(&time) + 2);
        line.then(Paint::Plain, clip(&status, room, &self.style))
            .to(columns - width(&time))
            .then(Paint::Faint, time)
    }

    /// A line that stays.
    fn mark(&self, color: Paint, mark: &str, text: &str) -> Vec<Line> {
        let (columns, _) = self.window();
        let mark = clean(mark, &self.style);
        let column = width(&mark) + 2;
        wrap(&clean(text, &self.style), columns.saturating_sub(column))
            .into_iter()
            .enumerate()
            .map(|(at, part)| {
                let line = Line::new().then(Paint::Plain, " ");
                let line = if at == 0 { line.then(color, mark.clone()) } else { line };
                line.to(column).then(Paint::Plain, part)
            })
            .collect()
    }

    fn finished(&self, track: &Track, step: &StepName, elapsed: u32, already: bool) -> Vec<Line> {
        let took = if already { "already".to_owned() } else { clock(u64::from(elapsed)) };
        let name = track.short(step);
        let (columns, _) = self.window();
        let column = track.longest_name().clamp(20, columns.saturating_sub(BESIDE_DONE).max(20));
        let text = format!("{name:<column$} {:<8} {took:>5}", past(step.verb));
        self.mark(Paint::Good, "✓", &text)
    }

    /// What an event leaves on the screen for good.
    fn scrolled(&self, event: &Event, track: &Track) -> Vec<Line> {
        match &event.what {
            What::StepFinished { step, elapsed, already, .. } => {
                self.finished(track, step, *elapsed, *already)
            }
            What::StepFailed { step, error, .. } => {
                let text = format!("{} {}: {error}", step.verb.gerund(), track.short(step));
                self.mark(Paint::Bad, "✗", &text)
            }
            What::StepSlow { step, typical, .. } => {
                let text = format!(
                    "{} takes longer than its typical {}",
                    track.short(step),
                    clock(u64::from(*typical))
                );
                self.mark(Paint::Change, "!", &text)
            }
            What::Interrupted => {
                let text = "interrupted: calls in flight are finished, nothing more is started; \
                            once more stops at once";
                self.mark(Paint::Bad, "!", text)
            }
            What::LockLost { holder } => {
                let text = format!("the lock was lost, nothing more is started: {holder}");
                self.mark(Paint::Bad, "!", &text)
            }
            What::Note { text } => self.mark(Paint::Odd, "!", text),
            What::CheckPassed { check, found } => {
                self.mark(Paint::Good, "✓", &format!("{check}: {found}"))
            }
            What::CheckFailed { check, why, .. } => {
                self.mark(Paint::Bad, "✗", &format!("{check}: {why}"))
            }
            What::CheckWaits { check, why } => {
                self.mark(Paint::Plain, "…", &format!("{check}: {why}"))
            }
            // What was skipped is told at the end, by its reasons.
            What::Traced { .. }
            | What::RunStarted { .. }
            | What::StepStarted { .. }
            | What::StepProgress { .. }
            | What::StepExists { .. }
            | What::StepSkipped { .. }
            | What::RunFinished { .. } => Vec::new(),
        }
    }
}

impl<W: Write + Send> View for Bar<W> {
    fn event(&mut self, event: &Event, track: &Track) -> io::Result<()> {
        self.now = Some(event.at);
        let above = self.scrolled(event, track);
        // The rest is painted at the next tick: many things happen at once.
        let is_end = matches!(event.what, What::RunStarted { .. } | What::RunFinished { .. });
        if above.is_empty() && !is_end {
            return Ok(());
        }
        self.show(&above, track)
    }

    fn tick(&mut self, now: SystemTime, track: &Track) -> io::Result<()> {
        if track.started.is_none() {
            return Ok(());
        }
        self.turn += 1;
        self.now = Some(now);
        self.show(&[], track)
    }

    fn clear(&mut self) -> io::Result<()> {
        let (columns, _) = self.window();
        self.paint(columns + 1, &[], &[])
    }
}
