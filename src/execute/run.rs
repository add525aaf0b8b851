//! The loop of a run.

use super::queue::{Queue, Stage};
use super::step::{Done, Known};
use super::{Execution, deletes, step};
use crate::event::{StepName, Verb, What};
use crate::graph::BoxFuture;
use crate::kind::{Class, Error, Result, seconds};
use crate::plan::{AppliedResource, kind_named};
use futures::stream::{FuturesUnordered, StreamExt};
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every step was done, failed or skipped.
    Through,
    /// The user interrupted.
    Interrupted,
    /// The lock was lost.
    LockLost(String),
}

/// What a run has done.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps done.
    pub done: Vec<StepName>,
    /// Steps that failed, and why.
    pub failed: Vec<(StepName, Error)>,
    /// Steps not begun, and why not.
    pub skipped: Vec<(StepName, String)>,
    /// How it ended.
    pub ended: Ended,
}

impl Outcome {
    /// Whether everything that was planned is done.
    pub fn is_complete(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.ended == Ended::Through
    }
}

/// After an interruption, calls in flight have this long to be answered; the rest of the ten
/// seconds that a CI system gives is for releasing the lock.
const GRACE: Duration = Duration::from_secs(7);
/// How often slow steps are looked for.
const TICK: Duration = Duration::from_secs(15);

struct Ending {
    step: usize,
    result: Result<Done>,
}

struct Loop<'a> {
    e: &'a Execution<'a>,
    queue: Queue<'a>,
    started: Vec<Option<SystemTime>>,
    took: Vec<u32>,
    slow_said: Vec<bool>,
    outcome: Outcome,
    last_done: Option<usize>,
}

/// Runs a plan to its end.
pub async fn execute(e: &Execution<'_>) -> Outcome {
    let steps = &e.plan.steps;
    let begin = e.cx.clock.now();
    let known = Known::new(e);
    let mut state = Loop {
        e,
        queue: Queue::new(steps),
        started: vec![None; steps.len()],
        took: vec![0; steps.len()],
        slow_said: vec![false; steps.len()],
        outcome: Outcome {
            done: Vec::new(),
            failed: Vec::new(),
            skipped: Vec::new(),
            ended: Ended::Through,
        },
        last_done: None,
    };
    e.say(What::RunStarted {
        run: e.run.to_owned(),
        steps: steps.len(),
        estimate: e.plan.estimate,
    });
    state.drive(&known).await;
    state.finish(begin).await
}

impl<'a> Loop<'a> {
    async fn drive(&mut self, known: &'a Known<'a>) {
        let e = self.e;
        let (exists, mut existing) = mpsc::unbounded_channel::<(usize, String)>();
        let mut running: FuturesUnordered<BoxFuture<'_, Vec<Ending>>> = FuturesUnordered::new();
        let mut stopping = false;
        let grace = e.cx.clock.sleep(Duration::MAX / 4);
        tokio::pin!(grace);
        loop {
            // Asked here too: an interruption must win against a step that ends at the same moment.
            if e.cx.cancel.is_cancelled() && self.outcome.ended == Ended::Through {
                self.outcome.ended = Ended::Interrupted;
                e.say(What::Interrupted);
                if !stopping {
                    stopping = true;
                    grace.set(e.cx.clock.sleep(e.cx.clock.wall(GRACE)));
                }
            }
            while !stopping && running.len() < e.width {
                let Some(first) = self.queue.take() else { break };
                running.push(self.start(first, known, exists.clone()));
            }
            if running.is_empty() {
                break;
            }
            tokio::select! {
                biased;
                Some((step, id)) = existing.recv() => {
                    self.queue.exists(step);
                    e.say(What::StepExists { step: self.name(step), id });
                }
                Some(endings) = running.next() => {
                    let mut lost = false;
                    for ending in endings {
                        lost |= self.end(ending);
                    }
                    if lost && !stopping {
                        stopping = true;
                        grace.set(e.cx.clock.sleep(e.cx.clock.wall(GRACE)));
                    }
                }
                // The next round takes note of it.
                () = e.cx.cancel.cancelled(), if !stopping => {}
                () = &mut grace, if stopping => {
                    // Calls that were not answered in time stay what their intents say.
                    break;
                }
                () = e.cx.clock.sleep(TICK) => {}
            }
            self.look_for_slow();
        }
    }

    fn name(&self, step: usize) -> StepName {
        self.e.plan.steps[step].name.clone()
    }

    fn start(
        &mut self,
        first: usize,
        known: &'a Known<'a>,
        exists: mpsc::UnboundedSender<(usize, String)>,
    ) -> BoxFuture<'a, Vec<Ending>> {
        let e = self.e;
        let lead = &e.plan.steps[first];
        let kind = kind_named(e.kinds, &lead.name.kind);
        let mut batch = vec![first];
        if lead.name.verb == Verb::Delete && kind.is_some_and(|kind| kind.nature().batch_delete) {
            batch.extend(self.queue.take_like(|other| {
                other.name.verb == Verb::Delete
                    && other.name.kind == lead.name.kind
                    && other.region == lead.region
            }));
        }
        for step in &batch {
            self.started[*step] = Some(e.cx.clock.now());
            e.say(What::StepStarted {
                step: self.name(*step),
                typical: e.plan.steps[*step].typical,
            });
        }
        if batch.len() > 1 {
            return Box::pin(async move {
                let results = deletes::batch(e, known, &batch).await;
                batch
                    .into_iter()
                    .zip(results)
                    .map(|(step, result)| Ending { step, result })
                    .collect()
            });
        }
        Box::pin(async move {
            let tell = move |id: String| {
                // The loop owns the other end for as long as this future lives.
                let _ = exists.send((first, id));
            };
            let result = step::run(e, known, first, &tell).await;
            vec![Ending { step: first, result }]
        })
    }

    /// Takes the end of a step; answers whether nothing more must be started.
    fn end(&mut self, ending: Ending) -> bool {
        let Ending { step, result } = ending;
        let name = self.name(step);
        let elapsed = self.elapsed(step);
        self.took[step] = elapsed;
        match result {
            Ok(done) => {
                self.queue.end(step, Stage::Done);
                self.last_done = Some(step);
                self.outcome.done.push(name.clone());
                let Done { id, already } = done;
                self.e.say(What::StepFinished { step: name, elapsed, id, already });
                false
            }
            Err(error) if error.class == Class::Interrupted => {
                let lost = !self.e.cx.cancel.is_cancelled();
                if lost && self.outcome.ended == Ended::Through {
                    self.outcome.ended = Ended::LockLost(error.message.clone());
                    self.e.say(What::LockLost { holder: error.message.clone() });
                }
                self.queue.end(step, Stage::Skipped);
                let because = "interrupted; the next run goes on with it".to_owned();
                self.skip(step, because);
                lost
            }
            Err(error) => {
                self.queue.end(step, Stage::Failed);
                self.e.say(What::StepFailed {
                    step: name.clone(),
                    error: error.to_string(),
                    hint: error.hint.clone(),
                    elapsed,
                });
                for other in self.queue.skip_dependents(step) {
                    let because = format!("{} {} failed", name.verb.gerund(), name.address);
                    self.skip(other, because);
                }
                self.outcome.failed.push((name, error));
                false
            }
        }
    }

    fn skip(&mut self, step: usize, because: String) {
        let name = self.name(step);
        self.e.say(What::StepSkipped { step: name.clone(), because: because.clone() });
        self.outcome.skipped.push((name, because));
    }

    fn elapsed(&self, step: usize) -> u32 {
        let since = self.started[step].and_then(|at| self.e.cx.clock.now().duration_since(at).ok());
        since.map_or(0, |since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX))
    }

    fn look_for_slow(&mut self) {
        for step in 0..self.e.plan.steps.len() {
            let typical = self.e.plan.steps[step].typical;
            let elapsed = self.elapsed(step);
            if matches!(self.queue.stage(step), Stage::Running | Stage::Exists)
                && !self.slow_said[step]
                && elapsed > typical * 2 + 60
            {
                self.slow_said[step] = true;
                self.e.say(What::StepSlow { step: self.name(step), elapsed, typical });
            }
        }
    }

    async fn finish(mut self, begin: SystemTime) -> Outcome {
        let e = self.e;
        let unfinished: Vec<usize> = (0..e.plan.steps.len())
            .filter(|step| matches!(self.queue.stage(*step), Stage::Running | Stage::Exists))
            .collect();
        for step in unfinished {
            self.queue.end(step, Stage::Skipped);
            self.skip(step, "no answer came before the run had to end".to_owned());
        }
        for step in self.queue.skip_rest() {
            let because = match &self.outcome.ended {
                Ended::Interrupted => "interrupted".to_owned(),
                Ended::LockLost(_) => "the lock was lost".to_owned(),
                Ended::Through => "something it waits for was not done".to_owned(),
            };
            self.skip(step, because);
        }
        self.record_kept();
        if !matches!(self.outcome.ended, Ended::LockLost(_))
            && let Err(error) = e.journal.flush().await
        {
            let text = format!("what was applied could not be recorded: {error}");
            e.say(What::Note { text });
        }
        let elapsed = e.cx.clock.now().duration_since(begin).unwrap_or_default().as_secs();
        let path = self.last_done.map(|last| self.queue.chain(last)).unwrap_or_default();
        e.say(What::RunFinished {
            done: self.outcome.done.len(),
            failed: self.outcome.failed.len(),
            skipped: self.outcome.skipped.len(),
            elapsed: u32::try_from(elapsed).unwrap_or(u32::MAX),
            critical_path: self.times(&path),
        });
        self.outcome
    }

    /// What each step of a chain has added to the whole: less than it took, where the next began
    /// as soon as it existed.
    fn times(&self, path: &[usize]) -> Vec<(StepName, u32)> {
        let until_next = |at: usize| {
            let next = self.started[*path.get(at + 1)?]?;
            let lead = next.duration_since(self.started[path[at]]?).ok()?;
            u32::try_from(lead.as_secs()).ok()
        };
        let time = |(at, step): (usize, &usize)| {
            let took = self.took[*step];
            (self.name(*step), until_next(at).map_or(took, |lead| lead.min(took)))
        };
        path.iter().enumerate().map(time).collect()
    }

    /// What was kept is as applied as what was made: without this, a record that was lost would
    /// stay lost.
    fn record_kept(&self) {
        let e = self.e;
        for item in e.plan.items.iter().filter(|item| item.action == crate::plan::Action::Keep) {
            let Some(node) = e.graph.find(&item.address) else { continue };
            let found =
                e.snapshot.live.iter().find(|live| Some(&live.found.id) == item.id.as_ref());
            let Some(found) = found else { continue };
            let fields = super::conform::wanted_fields(e, node, &found.found);
            if let Some(fields) = fields {
                e.journal.applied(
                    &item.address,
                    AppliedResource { kind: item.kind.clone(), at: e.cx.clock.timestamp(), fields },
                );
            }
        }
    }
}

/// A pause between two looks at something that should change by itself.
pub(super) fn look_again_after(round: u32) -> Duration {
    seconds([1, 1, 2, 3, 5].get(round as usize).copied().unwrap_or(5))
}
