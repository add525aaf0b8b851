//! `coderctl render`: the Kubernetes objects as manifests, without a cluster and without AWS.

use crate::cli::args::{Global, Output, RenderArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::{files, print};
use crate::graph::Graph;
use crate::kube::Object;
use crate::name::Address;
use crate::pattern::Facts;
use crate::value::NodeId;
use serde_json::{Value, json};
use std::path::Path;

/// How each file begins that this command has written, and may replace or remove.
const WRITTEN_BY: &str = "# Written by coderctl render: ";

pub(super) fn run(global: &Global, args: &RenderArgs) -> Result<Exit> {
    let loaded = super::spec(global)?;
    let graph = crate::cli::session::build(&loaded, &Facts::assumed(&loaded.spec))?;
    let manifests = manifests(&graph);
    if let Some(folder) = &args.into {
        write(folder, &manifests)?;
        print::note(&format!("wrote {} objects into {}", manifests.len(), folder.display()));
        return Ok(Exit::Done);
    }
    if global.output == Output::Json {
        let items: Vec<&Value> = manifests.iter().map(|(_, manifest)| manifest).collect();
        print::json_out(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
        return Ok(Exit::Done);
    }
    let mut all = String::new();
    for (number, (address, manifest)) in manifests.iter().enumerate() {
        if number > 0 {
            all.push_str("---\n");
        }
        all.push_str(&format!("# {address}\n{}", yaml(manifest)?));
    }
    print::out(&all);
    Ok(Exit::Done)
}

/// Every object, in an order in which they can be applied. What is only known after an apply is
/// told in words between angle brackets.
fn manifests(graph: &Graph) -> Vec<(Address, Value)> {
    let unknown = |node: NodeId, name: &str| match graph.nodes.get(node.0) {
        Some(node) => format!("<{name} of {}>", node.address),
        None => format!("<{name}>"),
    };
    let objects = graph.nodes.iter().filter_map(|node| {
        let object = node.desired.any().downcast_ref::<Object>()?;
        Some((node.address.clone(), object.rendered(&unknown)))
    });
    objects.collect()
}

fn yaml(manifest: &Value) -> Result<String> {
    let text = serde_saphyr::to_string(manifest).map_err(|error| {
        let message = format!("writing a manifest as YAML: {error}");
        Failure::new(Exit::Failed, message, "this is a fault in coderctl; please report it")
    })?;
    Ok(if text.ends_with('\n') { text } else { format!("{text}\n") })
}

/// One file an object. Files of an earlier run whose objects are no more are removed; those of
/// others are not touched.
fn write(folder: &Path, manifests: &[(Address, Value)]) -> Result<()> {
    let failed = |what: &str, path: &Path, error: std::io::Error| {
        let message = format!("{what} {}: {error}", path.display());
        Failure::new(Exit::Failed, message, "name a folder that is yours to write to")
    };
    std::fs::create_dir_all(folder).map_err(|error| failed("making", folder, error))?;
    let mut kept = Vec::new();
    for (address, manifest) in manifests {
        let path = folder.join(format!("{}.yaml", address.as_str().replace('/', "_")));
        if path.exists() && !is_ours(&path) {
            return Err(Failure::new(
                Exit::Refused,
                format!("{} was not written by coderctl render", path.display()),
                "name another folder, or move the file away",
            ));
        }
        files::write(&path, &format!("{WRITTEN_BY}{address}\n{}", yaml(manifest)?))?;
        kept.push(path);
    }
    let there = std::fs::read_dir(folder).map_err(|error| failed("reading", folder, error))?;
    for path in there.flatten().map(|entry| entry.path()) {
        if !kept.contains(&path) && is_ours(&path) {
            std::fs::remove_file(&path).map_err(|error| failed("removing", &path, error))?;
        }
    }
    Ok(())
}

fn is_ours(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml")
        && std::fs::read_to_string(path).is_ok_and(|text| text.starts_with(WRITTEN_BY))
}
