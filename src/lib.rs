//! `coderctl` deploys Coder on AWS from one YAML file and keeps no state file.
//!
//! # Map
//!
//! A module uses only what stands above it in this list; `tests/suite/architecture.rs` reads the
//! `use` lines and refuses anything else.
//!
//! | module | what it is |
//! |---|---|
//! | [`name`], [`secret`], [`clock`] | plain data: addresses, regions, secrets that never print, time |
//! | [`spec`] | the user's file: load with spans, merge, check; no AWS |
//! | [`value`] | literals, outputs of other nodes, what is known only after apply |
//! | [`kind`] | what one kind of resource says about itself |
//! | [`graph`] | the desired state; the only type erasure |
//! | [`event`] | the only thing that the engine ever says |
//! | [`plan`] | pure: graph + snapshot + what was applied -> plan |
//! | [`observe`] | kinds x regions -> snapshot; reads only |
//! | [`execute`] | runs a plan |
//! | [`aws`], [`kube`] | the kinds, and the only code that talks to a provider |
//! | [`coderd`] | Coder's own configuration, through its API |
//! | [`guest`] | what others make in what is ours |
//! | [`registry`] | every kind, in the order in which they must exist |
//! | [`pattern`] | (spec, facts) -> graph |
//! | [`accept`] | whether what was made is usable: from its name to its answer |
//! | [`report`] | plan and events -> terminal, lines, JSON, Markdown |
//! | [`sandbox`] | the embedded AWS and cluster; shares no code with the kinds |
//! | [`cli`] | one file a command |
//!
//! # Invariants
//!
//! * `plan` never awaits, and reads neither clock nor environment.
//! * `plan`, `observe` and `execute` never name `aws`, `kube` or `coderd`: kinds arrive as `&[&dyn AnyKind]`.
//! * Only `report` and `cli` print.
//! * Only `aws/call.rs` sees an SDK error.
//! * While planning, every operation that is not a read is refused before it is sent.

pub mod accept;
pub mod aws;
pub mod cli;
pub mod clock;
pub mod coderd;
pub mod event;
pub mod execute;
pub mod graph;
pub mod guest;
pub mod kind;
pub mod kube;
pub mod name;
pub mod observe;
pub mod pattern;
pub mod plan;
pub mod registry;
pub mod report;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod secret;
pub mod spec;
pub mod value;
