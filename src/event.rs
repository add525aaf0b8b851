//! The only thing that the engine ever says. Reporters turn it into terminal lines, JSON lines
//! and the record of a run.

use crate::name::Address;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::SystemTime;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, on the program's clock.
    pub at: SystemTime,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum What {
    /// The run that begins is part of a trace that somebody else has begun.
    Traced {
        /// The id of the trace, 32 hexadecimal digits (W3C trace context).
        trace_id: String,
        /// The id of the span that the run belongs to, 16 hexadecimal digits.
        parent_id: String,
    },
    /// A run begins.
    RunStarted {
        /// The run's id.
        run: String,
        /// How many steps it has.
        steps: usize,
        /// The estimate for the whole, in seconds.
        estimate: u32,
    },
    /// A step begins.
    StepStarted {
        /// Which.
        step: StepName,
        /// Typical seconds until it is done.
        typical: u32,
    },
    /// The provider's own status while a step waits, or what it is waiting for.
    StepProgress {
        /// Which.
        step: StepName,
        /// `pending`, `waiting for the role to be known everywhere`.
        status: String,
    },
    /// What a step makes exists; it may still be coming up.
    StepExists {
        /// Which.
        step: StepName,
        /// The provider's id.
        id: String,
    },
    /// A step takes far longer than it typically does.
    StepSlow {
        /// Which.
        step: StepName,
        /// Seconds so far.
        elapsed: u32,
        /// Typical seconds.
        typical: u32,
    },
    /// A step is done.
    StepFinished {
        /// Which.
        step: StepName,
        /// Seconds it took.
        elapsed: u32,
        /// The provider's id.
        id: Option<String>,
        /// Whether the thing was as wanted already, left so by an earlier run.
        already: bool,
    },
    /// A step failed.
    StepFailed {
        /// Which.
        step: StepName,
        /// Why; cleaned of secrets.
        error: String,
        /// What to do next.
        hint: Option<String>,
        /// Seconds it took.
        elapsed: u32,
    },
    /// A step was not begun.
    StepSkipped {
        /// Which.
        step: StepName,
        /// Why not.
        because: String,
    },
    /// The user interrupted; nothing more is started.
    Interrupted,
    /// The lock was lost; nothing more is started.
    LockLost {
        /// Who has it, if that is known.
        holder: String,
    },
    /// Something worth knowing that is nobody's failure.
    Note {
        /// The sentence.
        text: String,
    },
    /// After an apply: something of what makes the deployment usable is as it should be.
    CheckPassed {
        /// What was looked at: `targets`.
        check: String,
        /// What was found.
        found: String,
    },
    /// After an apply: it is not yet, and is looked at again.
    CheckWaits {
        /// What was looked at.
        check: String,
        /// Why not.
        why: String,
    },
    /// After an apply: it is not.
    CheckFailed {
        /// What was looked at.
        check: String,
        /// Why not.
        why: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// A run ends.
    RunFinished {
        /// Steps done.
        done: usize,
        /// Steps failed.
        failed: usize,
        /// Steps not begun.
        skipped: usize,
        /// Seconds in all.
        elapsed: u32,
        /// The chain of steps that took the longest, first to last.
        critical_path: Vec<(StepName, u32)>,
    },
}

/// What a step is called.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StepName {
    /// What it does.
    pub verb: Verb,
    /// To what kind.
    pub kind: String,
    /// To which.
    pub address: Address,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Makes a resource.
    Create,
    /// Changes one in place.
    Update,
    /// Waits for one that an earlier run left behind on its way.
    Settle,
    /// Deletes one.
    Delete,
}

impl Verb {
    /// `creating`.
    pub fn gerund(self) -> &'static str {
        match self {
            Verb::Create => "creating",
            Verb::Update => "updating",
            Verb::Settle => "waiting for",
            Verb::Delete => "deleting",
        }
    }
}

/// Takes events as they happen. Must return at once.
pub type Sink = Arc<dyn Fn(Event) + Send + Sync>;
