//! One file a command.

mod adopt;
mod apply;
mod completions;
mod destroy;
mod explain;
mod lock;
mod outputs;
mod pattern;
mod plan;
mod runs;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schema;
mod validate;
mod version;

use super::args::{Cli, Command, Global};
use super::exit::Exit;
use super::failure::Result;
use crate::spec::{Input, Loaded, load};
use std::path::PathBuf;

/// Runs a command.
pub(super) async fn run(cli: Cli) -> Result<Exit> {
    let Cli { global, command } = cli;
    match command {
        Command::Validate => validate::run(&global),
        Command::Plan(args) => plan::run(&global, &args).await,
        Command::Apply(args) => apply::run(&global, &args).await,
        Command::Destroy(args) => destroy::run(&global, &args).await,
        Command::Outputs(args) => outputs::run(&global, &args).await,
        Command::Explain(args) => explain::run(&global, &args).await,
        Command::Adopt(args) => adopt::run(&global, &args).await,
        Command::Lock(args) => lock::run(&global, &args).await,
        Command::Runs(args) => runs::run(&global, &args).await,
        Command::Pattern(args) => pattern::run(&global, &args),
        Command::Schema(args) => schema::run(&args),
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => sandbox::run(&global, &args).await,
        Command::Completions { shell } => completions::run(shell),
        Command::Version => version::run(&global),
    }
}

/// Loads the spec that the flags name.
fn spec(global: &Global) -> Result<Loaded> {
    let files = if global.files.is_empty() {
        vec![PathBuf::from("coderctl.yaml")]
    } else {
        global.files.clone()
    };
    Ok(load(&Input { files, set: global.set.clone() })?)
}
