//! `coderctl explain`.

use crate::cli::args::{ExplainArgs, Global, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::cli::session::Session;
use crate::observe::Snapshot;
use crate::plan::{Input, Item, Options, plan};
use serde_json::json;

pub(super) async fn run(global: &Global, args: &ExplainArgs) -> Result<Exit> {
    let session = super::session(global, None).await?;
    let snapshot = session.observe().await;
    let covered = |item: &&Item| item.address.is_covered_by(&args.what);
    let plan = plan(&Input {
        deployment: &session.cx.deployment,
        graph: &session.graph,
        snapshot: &snapshot,
        applied: &session.applied(),
        kinds: &session.kinds,
        options: &Options::default(),
    });
    let items: Vec<&Item> = plan.items.iter().filter(covered).collect();
    if items.is_empty() {
        let mut sections: Vec<&str> =
            plan.items.iter().map(|item| item.address.section()).collect();
        sections.sort_unstable();
        sections.dedup();
        return Err(Failure::new(
            Exit::Usage,
            format!("nothing is called {}, and no section is", args.what),
            format!("sections are: {}", sections.join(", ")),
        ));
    }
    if global.output == Output::Json {
        let items: Vec<_> = items
            .iter()
            .map(|item| json!({"item": item, "live": described(&snapshot, item)}))
            .collect();
        print::json_out(&json!({"format_version": "1.0", "resources": items}));
        return Ok(Exit::Done);
    }
    for item in items {
        print::out(&text(&session, &snapshot, item));
    }
    Ok(Exit::Done)
}

fn described(snapshot: &Snapshot, item: &Item) -> Vec<(String, String)> {
    snapshot
        .live
        .iter()
        .filter(|live| live.found.kind == item.kind && Some(&live.found.id) == item.id.as_ref())
        .flat_map(|live| live.found.described.iter())
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect()
}

fn text(session: &Session, snapshot: &Snapshot, item: &Item) -> String {
    let node = session.graph.find(&item.address).map(|node| session.graph.node(node));
    let title = node.map_or(item.kind.as_str(), |node| node.desired.kind().title());
    let mut lines = vec![format!("{}  {title}  {}", item.address, item.summary)];
    let state = serde_json::to_value(item.action).ok().and_then(|v| v.as_str().map(str::to_owned));
    let state = match state.as_deref() {
        Some("keep") if !item.drift.is_empty() => "was changed outside".to_owned(),
        Some("keep") => "is as the spec says".to_owned(),
        Some("create") => "is not there yet".to_owned(),
        Some(other) => format!("would see: {other}"),
        None => String::new(),
    };
    lines.push(format!("  state      {state}"));
    if let Some(reason) = &item.reason {
        lines.push(format!("  because    {reason}"));
    }
    for (name, value) in described(snapshot, item) {
        lines.push(format!("  {name:<10} {value}"));
    }
    for change in &item.drift {
        let from = change.to.as_ref().map_or("(known after apply)".to_owned(), crate::kind::show);
        let to = crate::kind::show(&change.from);
        lines.push(format!("  changed    {} {from} → {to}, outside", change.field));
    }
    for change in &item.changes {
        let to = change.to.as_ref().map_or("(known after apply)".to_owned(), crate::kind::show);
        lines.push(format!(
            "  differs    {} {} → {to}",
            change.field,
            crate::kind::show(&change.from)
        ));
    }
    if let Some(path) = &item.spec_path {
        let origin = session.loaded.as_ref().and_then(|loaded| loaded.origin(path));
        let place = origin.map(|origin| format!(" ({origin})")).unwrap_or_default();
        lines.push(format!("  spec       {path}{place}"));
    }
    if let Some(node) = node {
        for edge in node.edges() {
            let other = session.graph.node(edge.node);
            lines.push(format!("  needs      {}: {}", other.address, edge.reason));
        }
        let needed: Vec<String> = session
            .graph
            .nodes
            .iter()
            .filter(|other| {
                other
                    .edges()
                    .iter()
                    .any(|edge| session.graph.node(edge.node).address == item.address)
            })
            .map(|other| other.address.to_string())
            .collect();
        for other in needed {
            lines.push(format!("  needed by  {other}"));
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
