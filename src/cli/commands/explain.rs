//! `coderctl explain`.

use crate::cli::args::{ExplainArgs, Global, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::cli::session::Session;
use crate::kind::Change;
use crate::observe::Snapshot;
use crate::plan::{Action, Input, Item, Options, plan};
use crate::report::values;
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
    let style = print::style(Some(global), print::out_is_terminal());
    let pages = items.into_iter().map(|item| {
        let (heading, rows) = told(&session, &snapshot, item);
        values::human(&heading, &rows, &style)
    });
    print::out(&pages.collect::<Vec<_>>().join("\n"));
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

/// What there is to say of an item: a heading, and names with values.
fn told(session: &Session, snapshot: &Snapshot, item: &Item) -> (String, Vec<(String, String)>) {
    let node = session.graph.find(&item.address).map(|node| session.graph.node(node));
    let title = node.map_or(item.kind.as_str(), |node| node.desired.kind().title());
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut row = |name: &str, value: String| rows.push((name.to_owned(), value));
    row("state", state(item));
    if let Some(reason) = &item.reason {
        row("because", reason.clone());
    }
    for (name, value) in described(snapshot, item) {
        row(&name, value);
    }
    for change in &item.drift {
        let (from, to) = (crate::kind::show(&change.from), wanted(change));
        row("changed", format!("{} {to} → {from}, outside", change.field));
    }
    for change in &item.changes {
        let (from, to) = (crate::kind::show(&change.from), wanted(change));
        row("differs", format!("{} {from} → {to}", change.field));
    }
    if let Some(path) = &item.spec_path {
        let origin = session.loaded.as_ref().and_then(|loaded| loaded.origin(path));
        let place = origin.map(|origin| format!(" ({origin})")).unwrap_or_default();
        row("spec", format!("{path}{place}"));
    }
    if let Some(node) = node {
        for edge in node.edges() {
            let other = session.graph.node(edge.node);
            row("needs", format!("{}: {}", other.address, edge.reason));
        }
        for other in &session.graph.nodes {
            let needs = |address| session.graph.node(address).address == item.address;
            if other.edges().iter().any(|edge| needs(edge.node)) {
                row("needed by", other.address.to_string());
            }
        }
    }
    (format!("{}  {title}  {}", item.address, item.summary), rows)
}

fn state(item: &Item) -> String {
    match item.action {
        Action::Keep if !item.drift.is_empty() => "was changed outside".to_owned(),
        Action::Keep => "is as the spec says".to_owned(),
        Action::Create => "is not there yet".to_owned(),
        other => {
            let word = serde_json::to_value(other).unwrap_or_default();
            format!("would see: {}", word.as_str().unwrap_or_default())
        }
    }
}

/// What a change leads to.
fn wanted(change: &Change) -> String {
    change.to.as_ref().map_or("(known after apply)".to_owned(), crate::kind::show)
}
