//! Why a command did not do what was asked, and what to do next.

use super::exit::Exit;
use crate::kind::Error;
use crate::spec::Diagnostics;

/// Why a command ends without having done what was asked.
#[derive(Debug)]
pub struct Failure {
    /// What the process says to its caller.
    pub exit: Exit,
    /// What went wrong; empty when everything has been said already.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The provider's request id and how often the call was sent.
    pub call: Option<(Option<String>, u32)>,
    /// Problems in the spec, shown where they are written.
    pub diagnostics: Option<Diagnostics>,
}

/// The result of a command.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure with advice.
    pub fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Failure { hint: Some(hint.into()), ..Failure::plain(exit, message) }
    }

    /// A failure that explains itself.
    pub fn plain(exit: Exit, message: impl Into<String>) -> Self {
        Failure { exit, message: message.into(), hint: None, call: None, diagnostics: None }
    }

    /// An end of which everything has been said.
    pub fn said(exit: Exit) -> Self {
        Failure::plain(exit, "")
    }

    /// What was being done when a provider's edge failed: `reading the record`.
    pub fn doing(what: &str, error: Error) -> Self {
        let asked = error.operation.is_some();
        Failure {
            exit: Exit::of(error.class),
            message: format!("{what}: {error}"),
            hint: error.hint.clone(),
            call: asked.then(|| (error.request_id.clone(), error.attempts)),
            diagnostics: None,
        }
    }
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Failure { diagnostics: Some(diagnostics), ..Failure::said(Exit::Spec) }
    }
}
