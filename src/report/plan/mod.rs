//! Plans, for people, pull requests and programs.

mod fold;
mod human;
mod json;
mod markdown;
mod words;

pub use human::human;
pub use json::json;
pub use markdown::{MAX_BYTES, markdown};
pub(super) use words::longest;

use std::time::Duration;

/// What is shown with a plan and is not in it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The spec's pattern, if it has one.
    pub pattern: Option<&'a str>,
    /// How many calls were made to read what is live, and how long that took.
    pub reads: Option<(usize, Duration)>,
    /// Where a part of the spec is written: `coderctl.yaml:31`.
    pub origin: &'a dyn Fn(&str) -> Option<String>,
    /// Whether nothing is folded away.
    pub verbose: bool,
}

impl Context<'_> {
    /// Nothing but the plan itself.
    pub const NONE: Context<'static> =
        Context { pattern: None, reads: None, origin: &|_| None, verbose: false };
}
