//! Which step may begin: everything it waits for is far enough, and nobody holds its key.

use crate::plan::Step;
use crate::value::Need;
use std::collections::BTreeSet;

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Waiting,
    Running,
    /// Running, and what it makes exists.
    Exists,
    Done,
    Failed,
    Skipped,
}

pub(super) struct Queue<'a> {
    steps: &'a [Step],
    stages: Vec<Stage>,
    keys: BTreeSet<String>,
    /// For each step, the one that it waited for last.
    released_by: Vec<Option<usize>>,
}

impl<'a> Queue<'a> {
    pub(super) fn new(steps: &'a [Step]) -> Self {
        Queue {
            steps,
            stages: vec![Stage::Waiting; steps.len()],
            keys: BTreeSet::new(),
            released_by: vec![None; steps.len()],
        }
    }

    pub(super) fn stage(&self, step: usize) -> Stage {
        self.stages[step]
    }

    fn is_released(&self, step: usize) -> bool {
        self.stages[step] == Stage::Waiting
            && self.steps[step].after.iter().all(|wait| {
                let stage = self.stages[wait.step];
                stage == Stage::Done || (wait.need == Need::Exists && stage == Stage::Exists)
            })
    }

    /// The step with the longest pole among those that may begin, now running.
    pub(super) fn take(&mut self) -> Option<usize> {
        let next = (0..self.steps.len())
            .filter(|step| self.is_released(*step))
            .filter(|step| {
                self.steps[*step].exclusive.as_ref().is_none_or(|key| !self.keys.contains(key))
            })
            // Of equals, the first in the plan.
            .max_by_key(|step| (self.steps[*step].pole, std::cmp::Reverse(*step)))?;
        self.begin(next);
        Some(next)
    }

    /// All others that may begin and that `fits` accepts, now running with it.
    pub(super) fn take_like(&mut self, fits: impl Fn(&Step) -> bool) -> Vec<usize> {
        let mut taken = Vec::new();
        for step in 0..self.steps.len() {
            if self.is_released(step)
                && self.steps[step].exclusive.is_none()
                && fits(&self.steps[step])
            {
                self.begin(step);
                taken.push(step);
            }
        }
        taken
    }

    fn begin(&mut self, step: usize) {
        self.stages[step] = Stage::Running;
        if let Some(key) = &self.steps[step].exclusive {
            self.keys.insert(key.clone());
        }
    }

    /// What a running step makes exists.
    pub(super) fn exists(&mut self, step: usize) {
        if self.stages[step] == Stage::Running {
            self.stages[step] = Stage::Exists;
            self.note_release(step);
        }
    }

    /// A running step has come to its end.
    pub(super) fn end(&mut self, step: usize, stage: Stage) {
        self.stages[step] = stage;
        if let Some(key) = &self.steps[step].exclusive {
            self.keys.remove(key);
        }
        if stage == Stage::Done {
            self.note_release(step);
        }
    }

    fn note_release(&mut self, by: usize) {
        for step in 0..self.steps.len() {
            if self.steps[step].after.iter().any(|wait| wait.step == by) && self.is_released(step) {
                self.released_by[step] = Some(by);
            }
        }
    }

    /// Waiting steps that can never begin, because this one will not be done: all that wait for
    /// it, directly or not.
    pub(super) fn skip_dependents(&mut self, of: usize) -> Vec<usize> {
        let mut skipped = Vec::new();
        let mut dead = BTreeSet::from([of]);
        // Steps stand in an order in which each comes after what it waits for: one pass reaches
        // them all.
        for step in 0..self.steps.len() {
            if self.stages[step] == Stage::Waiting
                && self.steps[step].after.iter().any(|wait| dead.contains(&wait.step))
                && !self.is_released(step)
            {
                self.stages[step] = Stage::Skipped;
                dead.insert(step);
                skipped.push(step);
            }
        }
        skipped
    }

    /// All that still wait, now skipped.
    pub(super) fn skip_rest(&mut self) -> Vec<usize> {
        let rest: Vec<usize> =
            (0..self.steps.len()).filter(|step| self.stages[*step] == Stage::Waiting).collect();
        for step in &rest {
            self.stages[*step] = Stage::Skipped;
        }
        rest
    }

    /// The chain of steps that led to `last`, first to last.
    pub(super) fn chain(&self, last: usize) -> Vec<usize> {
        let mut chain = vec![last];
        while let Some(before) = chain.last().and_then(|step| self.released_by[*step]) {
            chain.push(before);
        }
        chain.reverse();
        chain
    }
}
