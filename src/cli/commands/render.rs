//! `coderctl render`.

use crate::cli::args::{Global, Output, RenderArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::cli::session::build;
use crate::pattern::{Facts, Rendered, manifests};
use crate::report::{FORMAT_VERSION, yaml};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

/// The first line of every file, by which the next run knows its own.
const HEADER: &str = "# Rendered by coderctl";

pub(super) fn run(global: &Global, args: &RenderArgs) -> Result<Exit> {
    let loaded = super::spec(global)?;
    let graph = build(&loaded, &Facts::assumed(&loaded.spec))?;
    let rendered = manifests(&graph);
    if rendered.is_empty() {
        print::note("note: the spec makes no Kubernetes objects");
    }
    if let Some(folder) = &args.out {
        write(folder, &rendered)?;
        print::note(&format!("{} manifests are in {}", rendered.len(), folder.display()));
        return Ok(Exit::Done);
    }
    if global.output == Output::Json {
        let manifests: Vec<&Value> = rendered.iter().map(|one| &one.manifest).collect();
        print::json_out(&json!({"format_version": FORMAT_VERSION, "manifests": manifests}));
        return Ok(Exit::Done);
    }
    print::out(&rendered.iter().map(document).collect::<String>());
    Ok(Exit::Done)
}

fn document(rendered: &Rendered) -> String {
    format!("---\n# {}\n{}", rendered.address, yaml::document(&rendered.manifest))
}

/// One file an object. The numbers keep the order in which they can be made; files that an earlier
/// run has left and this one does not write go, and all others stay.
fn write(folder: &Path, rendered: &[Rendered]) -> Result<()> {
    let failed = |what: &str, path: &Path, error: std::io::Error| {
        let message = format!("{what} {}: {error}", path.display());
        Failure::new(Exit::Failed, message, "name a folder that you may write to")
    };
    std::fs::create_dir_all(folder).map_err(|error| failed("making", folder, error))?;
    let mut written = BTreeSet::new();
    for (number, one) in rendered.iter().enumerate() {
        let path = folder.join(format!("{:02}-{}.yaml", number + 1, one.file_stem()));
        let text = format!("{HEADER}: {}\n{}", one.address, yaml::document(&one.manifest));
        std::fs::write(&path, text).map_err(|error| failed("writing", &path, error))?;
        written.insert(path);
    }
    let there = std::fs::read_dir(folder).map_err(|error| failed("reading", folder, error))?;
    for path in there.flatten().map(|entry| entry.path()) {
        let is_ours = path.extension().is_some_and(|extension| extension == "yaml")
            && std::fs::read_to_string(&path).is_ok_and(|text| text.starts_with(HEADER));
        if is_ours && !written.contains(&path) {
            std::fs::remove_file(&path).map_err(|error| failed("removing", &path, error))?;
        }
    }
    Ok(())
}
