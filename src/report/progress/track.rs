//! What is known of a run, from its events.

use crate::event::{Event, StepName, What};
use crate::plan::Plan;
use crate::report::text::width;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// A step that is under way.
#[derive(Clone, Debug, PartialEq)]
pub struct InFlight {
    /// Which.
    pub step: StepName,
    /// Since when.
    pub since: SystemTime,
    /// Typical seconds.
    pub typical: u32,
    /// What the provider, or the step, last said.
    pub status: Option<String>,
}

impl InFlight {
    /// Seconds so far.
    pub fn elapsed(&self, now: SystemTime) -> u64 {
        now.duration_since(self.since).map_or(0, |since| since.as_secs())
    }
}

/// What is known of a run.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// Steps in all.
    pub steps: usize,
    /// Steps done.
    pub done: usize,
    /// Steps failed.
    pub failed: usize,
    /// Steps not begun.
    pub skipped: usize,
    /// Those under way, in the order in which they began.
    pub in_flight: Vec<InFlight>,
    /// When it began.
    pub started: Option<SystemTime>,
    /// Whether nothing more is started.
    pub stopping: bool,
    /// The chain of steps that took the longest, once the run has ended.
    pub critical_path: Vec<(StepName, u32)>,
    /// Seconds that it took, once it has ended.
    pub took: Option<u32>,
    /// What addresses begin with that need not be said: the only region, or `global` where nothing
    /// is in a region.
    pub scope: Option<String>,
    /// Typical seconds from the beginning of each step that has not begun to the end of what
    /// depends on it.
    waiting: BTreeMap<StepName, u32>,
    /// The same for those under way.
    poles: BTreeMap<StepName, u32>,
}

impl Track {
    /// Of a run of `plan` that has not begun.
    pub fn new(plan: &Plan) -> Self {
        let mut poles: BTreeMap<StepName, u32> = BTreeMap::new();
        for step in &plan.steps {
            let pole = poles.entry(step.name.clone()).or_default();
            *pole = step.pole.max(*pole);
        }
        let scopes: BTreeSet<&str> =
            plan.steps.iter().map(|step| step.name.address.scope()).collect();
        let mut regions = scopes.iter().filter(|scope| **scope != "global");
        let scope = match (regions.next(), regions.next()) {
            (Some(only), None) => Some(*only),
            (None, _) => scopes.first().copied(),
            _ => None,
        };
        Track {
            steps: plan.steps.len(),
            scope: scope.map(str::to_owned),
            waiting: poles.clone(),
            poles,
            ..Track::default()
        }
    }

    /// The width of the longest name of a step.
    pub fn longest_name(&self) -> usize {
        self.poles.keys().map(|step| width(self.short(step))).max().unwrap_or(0)
    }

    /// Takes note of an event.
    pub fn take(&mut self, event: &Event) {
        match &event.what {
            What::RunStarted { steps, .. } => {
                self.steps = *steps;
                self.started = Some(event.at);
            }
            What::StepStarted { step, typical } => {
                self.waiting.remove(step);
                self.in_flight.push(InFlight {
                    step: step.clone(),
                    since: event.at,
                    typical: *typical,
                    status: None,
                });
            }
            What::StepProgress { step, status } => {
                if let Some(flying) = self.in_flight.iter_mut().find(|f| f.step == *step) {
                    flying.status = Some(status.clone());
                }
            }
            What::StepFinished { step, .. } => {
                self.done += 1;
                self.land(step);
            }
            What::StepFailed { step, .. } => {
                self.failed += 1;
                self.land(step);
            }
            What::StepSkipped { step, .. } => {
                self.skipped += 1;
                self.waiting.remove(step);
                self.land(step);
            }
            What::Interrupted | What::LockLost { .. } => self.stopping = true,
            What::RunFinished { elapsed, critical_path, .. } => {
                self.took = Some(*elapsed);
                self.critical_path.clone_from(critical_path);
            }
            What::Traced { .. }
            | What::CheckPassed { .. }
            | What::CheckWaits { .. }
            | What::CheckFailed { .. }
            | What::StepExists { .. }
            | What::StepSlow { .. }
            | What::Note { .. } => {}
        }
    }

    fn land(&mut self, step: &StepName) {
        if let Some(at) = self.in_flight.iter().position(|flying| flying.step == *step) {
            self.in_flight.remove(at);
        }
    }

    /// Seconds since the run began.
    pub fn elapsed(&self, now: SystemTime) -> u64 {
        let since = self.started.and_then(|started| now.duration_since(started).ok());
        since.map_or(0, |since| since.as_secs())
    }

    /// Seconds that are typically left: the longest chain that is not done. A step that takes
    /// longer than it should is taken to be about to end.
    pub fn left(&self, now: SystemTime) -> u64 {
        let flying = self.in_flight.iter().map(|flying| {
            let pole = self.poles.get(&flying.step).copied().unwrap_or(flying.typical);
            let behind = pole.saturating_sub(flying.typical);
            u64::from(behind) + u64::from(flying.typical).saturating_sub(flying.elapsed(now))
        });
        let waiting = self.waiting.values().map(|pole| u64::from(*pole));
        flying.chain(waiting).max().unwrap_or(0)
    }

    /// An address as short as it can be without being mistaken.
    pub fn short<'a>(&self, step: &'a StepName) -> &'a str {
        let address = step.address.as_str();
        match address.split_once('/') {
            Some((scope, rest)) if self.scope.as_deref() == Some(scope) => rest,
            _ => address,
        }
    }
}
