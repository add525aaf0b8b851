//! `coderctl runs`.

use crate::aws::record::{list_runs, read_run};
use crate::cli::args::{Global, Output, RunsArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::event::{Event, What};
use serde_json::json;

pub(super) async fn run(global: &Global, args: &RunsArgs) -> Result<Exit> {
    let session = super::session(global, None).await?;
    let (cx, bucket) = (&session.cx, &session.bucket);
    let Some(run) = &args.run else {
        let runs = list_runs(cx, bucket)
            .await
            .map_err(|error| Failure::doing("listing the runs", error))?;
        if global.output == Output::Json {
            let runs: Vec<&String> = runs.iter().map(|entry| &entry.run).collect();
            print::json_out(&json!({"format_version": "1.0", "runs": runs}));
        } else if runs.is_empty() {
            print::out(&format!("{} has not been applied yet", session.cx.deployment.name));
        } else {
            for entry in &runs {
                print::out(&entry.run);
            }
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
