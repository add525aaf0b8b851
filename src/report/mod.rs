//! What the user sees: plans, progress, errors and the end of a run, for terminals, logs, pull
//! requests and programs.
//!
//! Everything here is a function of what it is given, or writes to a writer that it is given;
//! nothing looks at the environment or knows where standard output is.

mod diff;
pub mod error;
pub mod health;
mod page;
pub mod plan;
pub mod progress;
pub mod rotation;
pub mod runs;
pub mod style;
pub mod summary;
mod text;
pub mod values;
pub mod yaml;

pub use error::ErrorReport;
pub use progress::Progress;
pub use style::Style;

/// The version of everything written for programs. The part before the dot changes when
/// something that was there is gone or means something else; the part behind it when something
/// is added.
pub const FORMAT_VERSION: &str = "1.0";
