//! What an operation says when it refuses.

/// A refusal: AWS's code, its message, and the HTTP status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The wire's code: `InvalidVpcID.NotFound`.
    pub(crate) code: String,
    /// For people.
    pub(crate) message: String,
    /// 400 unless said otherwise; the law's status for a modelled code replaces a 400.
    pub(crate) status: u16,
}

impl Failure {
    /// A refusal with status 400.
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Failure { code: code.into(), message: message.into(), status: 400 }
    }

    /// The same with another HTTP status.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}
