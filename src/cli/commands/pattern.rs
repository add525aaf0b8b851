//! `coderctl pattern`.

use crate::cli::args::{Global, Output, PatternAction, PatternArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::spec::presets;
use serde_json::json;

pub(super) fn run(global: &Global, args: &PatternArgs) -> Result<Exit> {
    match &args.action {
        PatternAction::List if global.output == Output::Json => {
            let names: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
            print::json_out(&json!({"patterns": names}));
        }
        PatternAction::List => {
            for preset in presets() {
                print::out(preset.name);
            }
        }
        PatternAction::Show { name } => {
            let preset = presets().iter().find(|preset| preset.name == name).ok_or_else(|| {
                let known: Vec<&str> = presets().iter().map(|preset| preset.name).collect();
                Failure::new(
                    Exit::Usage,
                    format!("there is no pattern {name}"),
                    format!("there is: {}", known.join(", ")),
                )
            })?;
            print::out(preset.text);
        }
    }
    Ok(Exit::Done)
}
