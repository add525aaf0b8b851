//! Runs a plan: a bounded ready queue, the longest pole first.
//!
//! Nothing is spawned: all steps are futures of one task, so that dropping the run stops it
//! between two calls, as a crash would.

mod conform;
mod create;
mod deletes;
mod journal;
mod queue;
mod run;
mod step;

pub use conform::differences;
pub use journal::{Intent, Journal, NoJournal, SETTLED_AFTER};
pub use run::{Ended, Outcome, execute};

use crate::event::{Event, Sink, What};
use crate::graph::{AnyKind, Graph};
use crate::kind::Cx;
use crate::observe::Snapshot;
use crate::plan::Plan;

/// What a run works with.
pub struct Execution<'a> {
    /// What to do.
    pub plan: &'a Plan,
    /// What is wanted.
    pub graph: &'a Graph,
    /// Every kind.
    pub kinds: &'a [&'a dyn AnyKind],
    /// What was live when the plan was made.
    pub snapshot: &'a Snapshot,
    /// The deployment, its uid made, with the fence of the lock.
    pub cx: &'a Cx,
    /// Where intents and applied fields go.
    pub journal: &'a dyn Journal,
    /// Where events go.
    pub sink: &'a Sink,
    /// The run's id.
    pub run: &'a str,
    /// How many steps may be under way at once.
    pub width: usize,
}

impl Execution<'_> {
    fn say(&self, what: What) {
        (self.sink)(Event { at: self.cx.clock.now(), what });
    }
}
