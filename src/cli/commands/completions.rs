//! `coderctl completions`.

use crate::cli::args::Cli;
use crate::cli::exit::Exit;
use crate::cli::failure::Result;
use crate::cli::print;
use clap::CommandFactory;

pub(super) fn run(shell: clap_complete::Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "coderctl", &mut script);
    print::out(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
