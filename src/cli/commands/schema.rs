//! `coderctl schema`.

use crate::cli::args::{SchemaArgs, SchemaFormat};
use crate::cli::exit::Exit;
use crate::cli::failure::Result;
use crate::cli::print;

pub(super) fn run(args: &SchemaArgs) -> Result<Exit> {
    match args.format {
        SchemaFormat::Json => print::json_out(&crate::spec::schema()),
        SchemaFormat::Markdown => print::out(&crate::spec::reference()),
    }
    Ok(Exit::Done)
}
