//! What people and programs see of plans and runs.

use super::args::{Global, Output, ProgressMode};
use super::drive::Carried;
use super::left::Left;
use super::print;
use super::session::Session;
use crate::clock::Clock;
use crate::event::Sink;
use crate::plan::Plan;
use crate::report::plan::{Context, MAX_BYTES, human, json, markdown};
use crate::report::progress::{Bar, Json, Lines, View};
use crate::report::{Progress as Report, summary as end};
use std::fs::{File, OpenOptions};
use std::io::{stderr, stdout};
use std::sync::Mutex;
use std::time::Duration;

fn origin(session: &Session) -> impl Fn(&str) -> Option<String> + '_ {
    |path| {
        let origin = session.loaded.as_ref()?.origin(path)?;
        Some(origin.to_string())
    }
}

/// Shows a plan on standard output.
pub(super) fn plan(global: &Global, session: &Session, plan: &Plan) {
    let origin = origin(session);
    let reads = usize::try_from(session.clients.counts().total()).unwrap_or(0);
    let context = Context {
        pattern: session.loaded.as_ref().and_then(|loaded| loaded.spec.pattern.as_deref()),
        reads: Some((reads, session.opened.elapsed())),
        origin: &origin,
        verbose: global.verbose > 0,
    };
    match global.output {
        Output::Human => {
            let style = print::style(Some(global), print::out_is_terminal());
            print::out(&human(plan, &context, &style));
        }
        Output::Json => print::json_out(&json(plan, &context)),
        Output::Markdown => print::out(&markdown(plan, &context, MAX_BYTES)),
    }
    if let Some(mut file) = json_file(global)
        && let Err(error) = Json::new(&mut file).document("plan", &json(plan, &context))
    {
        print::note(&format!("warning: writing {}: {error}", shown(global)));
    }
}

/// The file of `--json-into`, opened for more.
fn json_file(global: &Global) -> Option<File> {
    let path = global.json_into.as_ref()?;
    match OpenOptions::new().create(true).append(true).open(path) {
        Ok(file) => Some(file),
        Err(error) => {
            print::note(&format!("warning: opening {}: {error}", path.display()));
            None
        }
    }
}

fn shown(global: &Global) -> String {
    global.json_into.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
}

/// A run while it goes on.
pub(super) struct Progress<'a> {
    global: &'a Global,
    clock: Clock,
    running: Mutex<Option<(Report, tokio::task::JoinHandle<()>)>>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(global: &'a Global, clock: Clock) -> Self {
        Progress { global, clock, running: Mutex::new(None) }
    }

    /// Where the events of a run of `plan` go.
    pub(super) fn sink(&self, plan: &Plan) -> Sink {
        let report = Report::new(plan, self.views());
        let (ticking, clock) = (report.clone(), self.clock);
        let ticker = tokio::spawn(async move {
            loop {
                // The wall's time: this is about the eye, not about AWS.
                tokio::time::sleep(Duration::from_millis(100)).await;
                ticking.tick(clock.now());
            }
        });
        let sink = report.sink();
        *self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some((report, ticker));
        sink
    }

    fn views(&self) -> Vec<Box<dyn View>> {
        let style = print::style(Some(self.global), print::err_is_terminal());
        let mut views: Vec<Box<dyn View>> = Vec::new();
        let bar = || -> Box<dyn View> {
            let size = Box::new(|| print::size().unwrap_or((80, 24)));
            Box::new(Bar::new(stderr(), style, size))
        };
        match self.global.progress {
            ProgressMode::None => {}
            ProgressMode::Bar => views.push(bar()),
            ProgressMode::Auto if print::can_repaint(self.global) => views.push(bar()),
            ProgressMode::Auto | ProgressMode::Lines => {
                views.push(Box::new(Lines::new(stderr(), style)));
            }
        }
        if let Some(file) = json_file(self.global) {
            views.push(Box::new(Json::new(file)));
        }
        if self.global.output == Output::Json {
            views.push(Box::new(Json::new(stdout())));
        }
        views
    }

    /// Where events go after the run.
    pub(super) fn more(&self) -> Option<Sink> {
        let running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        running.as_ref().map(|(report, _)| report.sink())
    }

    /// Ends all views, and gives what they have told.
    pub(super) fn finish(&self) -> Option<Report> {
        let running = self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let (report, ticker) = running?;
        ticker.abort();
        if let Err(error) = report.close() {
            print::note(&format!("warning: showing the run: {error}"));
        }
        Some(report)
    }
}

/// Shows how a run ended.
pub(super) fn summary(
    global: &Global,
    session: &Session,
    carried: &Carried,
    report: &Report,
    outputs: &[(String, String)],
    left: &Left,
) {
    let origin = origin(session);
    let track = report.track();
    let summary = end::Summary {
        plan: &carried.plan,
        outcome: &carried.outcome,
        track: &track,
        origin: &origin,
        outputs,
        kept: &left.kept_rows(),
        still: &left.still_rows(),
    };
    if let Some(mut file) = json_file(global) {
        // What can not be written was said when the run's events could not.
        let _ = Json::new(&mut file).document("summary", &end::json(&summary));
    }
    match global.output {
        Output::Json => print::out(&end::json(&summary).to_string()),
        Output::Human | Output::Markdown => {
            let style = print::style(Some(global), print::out_is_terminal());
            print::out(&end::human(&summary, &style));
        }
    }
    for note in &session.notes {
        print::note(&format!("note: {note}"));
    }
}
