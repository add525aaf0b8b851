//! Exit codes, as `docs/errors.md` lists them.

use crate::kind::Class;

/// What the process says to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed; nothing below fits.
    Failed = 1,
    /// Only with `--detailed-exitcode`: the plan has changes.
    Changes = 2,
    /// Only with `--detailed-exitcode`: the plan has drift and no change of the spec.
    Drift = 3,
    /// The command line is wrong.
    Usage = 10,
    /// The spec or the plan file is wrong.
    Spec = 11,
    /// Credentials, account or permission.
    Credentials = 12,
    /// Refused: guard, clash, consent or confirmation missing.
    Refused = 13,
    /// Locked by another.
    Locked = 14,
    /// Some steps failed or were skipped, or something that should be gone is still there.
    Partial = 15,
    /// Interrupted, and the lock is released.
    Interrupted = 16,
    /// Something could not be read.
    Incomplete = 17,
    /// A quota or a preflight check stands in the way.
    Quota = 18,
    /// What was planned moved.
    Moved = 19,
    /// Everything is made, and it can not be used (yet).
    Unhealthy = 20,
}

impl Exit {
    /// The exit code for a failure of this class.
    pub fn of(class: Class) -> Exit {
        match class {
            Class::Denied => Exit::Credentials,
            Class::Quota => Exit::Quota,
            Class::Interrupted => Exit::Interrupted,
            Class::Exists | Class::InUse => Exit::Refused,
            Class::Refused
            | Class::NotFound
            | Class::Unavailable
            | Class::Ambiguous
            | Class::TimedOut
            | Class::Failed
            | Class::Local => Exit::Failed,
        }
    }
}
