//! The command line: one file a command.

mod args;
mod connect;
mod exit;
mod failure;

pub use args::Cli;
pub use exit::Exit;
