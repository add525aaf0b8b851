//! `coderctl version`.

use crate::cli::args::{Global, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::Result;
use crate::cli::print;
use serde_json::json;

pub(super) fn run(global: &Global) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    match global.output {
        Output::Json => print::json_out(&json!({
            "version": version,
            "spec_version": 1,
            "plan_format": "coderctl-plan/1",
            "sandbox": cfg!(feature = "sandbox"),
        })),
        Output::Human | Output::Markdown => print::out(&format!("coderctl {version}")),
    }
    Ok(Exit::Done)
}
