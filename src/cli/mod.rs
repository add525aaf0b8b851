//! The command line: one file a command.

mod args;
mod chosen;
mod commands;
pub mod connect;
pub mod drive;
pub mod exit;
pub mod failure;
pub mod left;
mod plan_file;
mod preflight;
mod print;
pub mod rotation;
pub mod session;
pub mod trace;
mod view;
mod zones;

pub use args::Cli;
pub use commands::status::accept;
pub use exit::Exit;
pub use failure::{Failure, Result};
pub use plan_file::PlanFile;

use args::Global;
use clap::Parser;
use clap::error::ErrorKind;
use std::ffi::OsString;
use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// Parses, runs, and says what went wrong. The exit code is what the process should end with.
pub fn main(args: impl IntoIterator<Item = OsString>) -> i32 {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            let _ = error.print();
            return if asked { Exit::Done as i32 } else { Exit::Usage as i32 };
        }
    };
    log(&cli.global);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print::note(&format!("error: starting the runtime: {error}"));
            return Exit::Failed as i32;
        }
    };
    let global = cli.global.clone();
    let exit = match runtime.block_on(commands::run(cli)) {
        Ok(exit) => exit,
        Err(failure) => {
            print::failure(Some(&global), &failure);
            failure.exit
        }
    };
    // What still runs (a read in the background) must not keep the process.
    runtime.shutdown_background();
    exit as i32
}

/// Logs go to standard error with -vv, or as `CODERCTL_LOG` says. They name operations and codes,
/// never bodies: bodies can hold secrets. The SDKs write whole requests into their finer logs, so
/// of others than this program nothing below `info` is let through, whatever the filter says.
fn log(global: &Global) {
    let filter = match std::env::var("CODERCTL_LOG") {
        Ok(filter) => filter,
        Err(_) if global.verbose >= 2 => "coderctl=debug".to_owned(),
        Err(_) => return,
    };
    let harmless = filter_fn(|log| {
        log.target().split("::").next() == Some("coderctl") || *log.level() <= Level::INFO
    });
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_filter(EnvFilter::new(filter).and(harmless));
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
