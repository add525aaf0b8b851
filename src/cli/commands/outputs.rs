//! `coderctl outputs`.

use crate::cli::args::{Global, Output, OutputsArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::cli::session::Session;
use crate::observe::Snapshot;
use crate::value::In;
use serde_json::{Map, Value, json};

pub(super) async fn run(global: &Global, args: &OutputsArgs) -> Result<Exit> {
    let session = super::session(global, None).await?;
    let snapshot = session.observe().await;
    let outputs = live(&session, &snapshot);
    let shown: Vec<(String, Option<String>)> = match &args.name {
        None => outputs,
        Some(name) => {
            let one: Vec<_> = outputs.into_iter().filter(|(known, _)| known == name).collect();
            if one.is_empty() {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("there is no output {name}"),
                    "`coderctl outputs` lists them",
                ));
            }
            one
        }
    };
    let all_known = shown.iter().all(|(_, value)| value.is_some());
    if args.raw {
        if let Some((name, value)) = shown.first() {
            let value = value.as_ref().ok_or_else(|| {
                let message = format!("{name} is not known yet");
                Failure::new(Exit::Failed, message, "apply first: coderctl apply")
            })?;
            print::out(value);
        }
        return Ok(Exit::Done);
    }
    match global.output {
        Output::Json => {
            let map: Map<String, Value> =
                shown.into_iter().map(|(name, value)| (name, json!(value))).collect();
            print::json_out(&json!({"format_version": "1.0", "outputs": map}));
        }
        Output::Human | Output::Markdown => {
            let longest = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
            for (name, value) in &shown {
                let value = value.as_deref().unwrap_or("(known after apply)");
                print::out(&format!("{name:longest$}  {value}"));
            }
        }
    }
    // Something that can not be read may only look as if it were not there.
    let incomplete = !snapshot.unreadable.is_empty() && !all_known;
    Ok(if incomplete { Exit::Incomplete } else { Exit::Done })
}

/// The outputs of what is live; `None` for what is not.
pub(super) fn live(session: &Session, snapshot: &Snapshot) -> Vec<(String, Option<String>)> {
    for (node, wanted) in session.graph.iter() {
        let kind = wanted.desired.kind().name();
        if let Some(live) = snapshot.at(kind, &wanted.address).last() {
            session.cx.outputs.set(node, live.found.live());
        }
    }
    session
        .graph
        .outputs
        .iter()
        .map(|output| (output.name.clone(), value(session, &output.value)))
        .collect()
}

fn value(session: &Session, input: &In<String>) -> Option<String> {
    session.cx.get(input).ok()
}

/// The outputs that a run has left known.
pub(super) fn known(session: &Session) -> Vec<(String, String)> {
    let outputs = session.graph.outputs.iter();
    outputs
        .filter_map(|output| Some((output.name.clone(), value(session, &output.value)?)))
        .collect()
}
