//! `coderctl validate`.

use crate::cli::args::{Global, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::Result;
use crate::cli::print;
use crate::pattern::{Facts, graph};
use crate::spec::{Loaded, Spec};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) fn run(global: &Global) -> Result<Exit> {
    let loaded = super::spec(global)?;
    let sections = resources(&loaded.spec);
    let total: usize = sections.values().sum();
    let name = loaded.spec.deployment();
    match global.output {
        Output::Json => print::json_out(&json!({
            "format_version": "1.0",
            "valid": true,
            "deployment": name,
            "resources": total,
            "sections": sections,
        })),
        Output::Human | Output::Markdown => {
            let parts: Vec<String> =
                sections.iter().map(|(section, count)| format!("{section} {count}")).collect();
            print::out(&format!(
                "{} is valid: {name} in account {}, {}, {total} resources ({})",
                shown(&loaded, global),
                loaded.spec.account,
                loaded.spec.home_region,
                parts.join(", ")
            ));
        }
    }
    Ok(Exit::Done)
}

fn shown(_: &Loaded, global: &Global) -> String {
    match global.files.as_slice() {
        [] => "coderctl.yaml".to_owned(),
        files => {
            let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            files.join(" + ")
        }
    }
}

/// How many resources each section asks for. Zones that are not named are counted, whichever
/// they will be.
fn resources(spec: &Spec) -> BTreeMap<String, usize> {
    let mut sections = BTreeMap::new();
    if let Ok(graph) = graph(spec, &Facts::assumed(spec)) {
        for node in &graph.nodes {
            *sections.entry(node.address.section().to_owned()).or_default() += 1;
        }
    }
    sections
}
