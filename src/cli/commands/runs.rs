//! `coderctl runs`.

use crate::aws::record::{list_runs, read_run};
use crate::cli::args::{Global, Output, RunsArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::event::{Event, What};
use crate::report::runs::{self, Past};
use futures::{StreamExt, stream};

/// How many are listed unless all are asked for, and how many are read at once.
const NEWEST: usize = 20;
const AT_ONCE: usize = 8;

pub(super) async fn run(global: &Global, args: &RunsArgs) -> Result<Exit> {
    let session = super::session(global, None).await?;
    let (cx, bucket) = (&session.cx, &session.bucket);
    let Some(run) = &args.run else {
        let entries = list_runs(cx, bucket)
            .await
            .map_err(|error| Failure::doing("listing the runs", error))?;
        let shown = if args.all { entries.len() } else { entries.len().min(NEWEST) };
        let runs: Vec<(String, Past)> = stream::iter(&entries[..shown])
            .map(|entry| async move {
                let past = match read_run(cx, bucket, &entry.run).await {
                    Ok(Some((head, events))) => Past::Read(head, events),
                    Ok(None) => Past::Damaged("it is gone".to_owned()),
                    // One that can't be read hides no other.
                    Err(error) => Past::Damaged(error.to_string()),
                };
                (entry.run.clone(), past)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let older = entries.len() - shown;
        if global.output == Output::Json {
            print::json_out(&runs::json(&runs, older));
        } else if runs.is_empty() {
            print::out(&format!("{} has not been applied yet", session.cx.deployment.name));
        } else {
            let style = print::style(Some(global), print::out_is_terminal());
            print::out(&runs::human(&runs, older, &style));
        }
        return Ok(Exit::Done);
    };
    let (head, events) = read_run(cx, bucket, run)
        .await
        .map_err(|error| Failure::doing("reading the run", error))?
        .ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("there is no run {run}"),
                "`coderctl runs` lists them",
            )
        })?;
    if global.output != Output::Json {
        print::out(&format!("{} by {}, coderctl {}", head.command, head.who, head.version));
    }
    for event in &events {
        match global.output {
            Output::Json => print::out(&serde_json::to_string(event).unwrap_or_default()),
            Output::Human | Output::Markdown => print::out(&line(event)),
        }
    }
    Ok(Exit::Done)
}

/// An event of the past in a line.
fn line(event: &Event) -> String {
    let at = crate::clock::timestamp(event.at);
    let text = match &event.what {
        What::RunStarted { run, steps, .. } => format!("run {run} begins: {steps} steps"),
        What::Traced { trace_id, parent_id } => {
            format!("part of trace {trace_id}, begun by span {parent_id}")
        }
        What::StepStarted { step, .. } => format!("{} {}", step.verb.gerund(), step.address),
        What::StepProgress { step, status } => format!("{}: {status}", step.address),
        What::StepExists { step, id } => format!("{} is {id}", step.address),
        What::StepSlow { step, elapsed, typical } => {
            format!("{} is slow: {elapsed} s of typically {typical}", step.address)
        }
        What::StepFinished { step, elapsed, .. } => {
            format!("{} {} done in {elapsed} s", step.verb.gerund(), step.address)
        }
        What::StepFailed { step, error, .. } => {
            format!("{} {} failed: {error}", step.verb.gerund(), step.address)
        }
        What::StepSkipped { step, because } => format!("{} skipped: {because}", step.address),
        What::Interrupted => "interrupted".to_owned(),
        What::LockLost { holder } => format!("the lock was lost: {holder}"),
        What::Note { text } => text.clone(),
        What::CheckPassed { check, found } => format!("{check} OK: {found}"),
        What::CheckWaits { check, why } => format!("waiting for {check}: {why}"),
        What::CheckFailed { check, why, .. } => format!("{check} failed: {why}"),
        What::RunFinished { done, failed, skipped, elapsed, .. } => {
            format!("run ends after {elapsed} s: {done} done, {failed} failed, {skipped} skipped")
        }
    };
    format!("{at}  {text}")
}
