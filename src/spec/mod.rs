//! The user's file: load with spans, merge, check, and hand over plain structs. No AWS.
//!
//! | step | file |
//! |---|---|
//! | text -> tree of source texts and spans | `parse`, `set` |
//! | pattern below, files in order, `--set` last | `load`, `pattern`, `overlay` |
//! | tree against the JSON Schema of [`types`]: every problem at once | `decode` |
//! | what a schema cannot say: address plans, references, AWS's limits | `check` |
//! | problems -> excerpts with carets | [`diagnostic`] |
//!
//! The types are the one source: the JSON Schema is generated from them, the tree is checked
//! against that schema, and the reference page is printed from it.

mod check;
mod decode;
pub mod diagnostic;
mod load;
mod overlay;
mod parse;
mod path;
mod pattern;
mod reference;
mod schema;
mod set;
mod source;
pub mod subnets;
mod tree;
pub mod types;

pub use diagnostic::{Diagnostic, Diagnostics};
pub use load::{Input, Loaded, from_merged, load};
pub use pattern::{Preset, presets};
pub use reference::reference;
pub use schema::schema;
pub use source::Origin;
pub use types::Spec;
