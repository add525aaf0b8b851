//! What can go wrong at a provider's edge, classified once.

use std::fmt;

/// The result of a kind's calls.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a failure means for what may be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The provider understood and said no; the same call will be refused again.
    Refused,
    /// The provider says that the thing does not exist, with its own modelled error.
    NotFound,
    /// The name is taken.
    Exists,
    /// Something else still depends on it.
    InUse,
    /// Credentials are missing, expired, or not allowed to do this.
    Denied,
    /// A quota is used up.
    Quota,
    /// Throttled or failing on the provider's side, for longer than retries could bridge.
    Unavailable,
    /// The call was sent and no answer came: it may have been carried out.
    Ambiguous,
    /// It did not become what was waited for in time.
    TimedOut,
    /// It went into a failed state.
    Failed,
    /// The user interrupted, or the lock was lost: nothing more is started.
    Interrupted,
    /// Not from a provider: a fault in what we were given or in this program.
    Local,
}

/// A failure at a provider's edge. Its text is already cleaned of secrets.
#[derive(Clone, Debug)]
pub struct Error {
    /// What it means.
    pub class: Class,
    /// `ec2:CreateSubnet`, if a call was made.
    pub operation: Option<String>,
    /// The provider's error code, `InvalidSubnet.Conflict`.
    pub code: Option<String>,
    /// What the provider, or this program, says of it.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The provider's request id.
    pub request_id: Option<String>,
    /// How often the call was sent.
    pub attempts: u32,
}

impl Error {
    /// A failure that no call caused.
    pub fn local(message: impl Into<String>) -> Self {
        Error {
            class: Class::Local,
            operation: None,
            code: None,
            message: message.into(),
            hint: None,
            request_id: None,
            attempts: 0,
        }
    }

    /// A failure of another class that no single call caused.
    pub fn of(class: Class, message: impl Into<String>) -> Self {
        Error { class, ..Error::local(message) }
    }

    /// The same with advice on what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Whether the provider answered with this error code.
    pub fn is_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error { class, operation, code, message, .. } = self;
        if let Some(operation) = operation {
            let verb = match class {
                Class::Ambiguous => "was sent and not answered",
                Class::Unavailable => "could not be carried out",
                Class::Denied => "was not allowed",
                Class::TimedOut => "took too long",
                Class::Interrupted => "was interrupted",
                _ => "refused",
            };
            write!(f, "{operation} {verb}: ")?;
        }
        if let Some(code) = code {
            write!(f, "{code}: ")?;
        }
        f.write_str(message)
    }
}

impl std::error::Error for Error {}
