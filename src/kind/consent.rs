//! What deleting a live resource takes, and what goes with it.

use serde::{Deserialize, Serialize};

/// Whose consent deleting a live resource takes, beyond that the plan is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Nobody's: the spec makes it anew.
    None,
    /// The user's, given by address, for it holds data or the whole; that everything goes is
    /// consent as well.
    Data,
    /// The user's, given by address, also when everything goes: others made it.
    Others,
    /// Nobody's is enough: it is not ours, and stays. What it is in the way of can't go.
    Never,
}

/// One thing that a live resource holds and that goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// What it is called: `alice/dev`.
    pub name: String,
    /// How it is doing, and what else is worth knowing: `running, 1 volume`.
    pub detail: String,
}
