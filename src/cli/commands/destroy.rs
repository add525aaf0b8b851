//! `coderctl destroy`.

use super::apply::{confirm, go};
use super::plan::obstacle;
use crate::cli::args::{DestroyArgs, Global};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::session::{Planned, Session};
use crate::cli::view;
use crate::name::{DeploymentName, Region};
use crate::plan::Options;

pub(super) async fn run(global: &Global, args: &DestroyArgs) -> Result<Exit> {
    let mut session = match (&args.deployment, &args.home_region) {
        (Some(name), Some(region)) => {
            let name = DeploymentName::new(name.as_str());
            super::session_without_spec(global, name, Region::new(region.as_str())).await?
        }
        _ => super::session(global, None).await?,
    };
    let options = Options {
        destroy: true,
        target: args.target.clone(),
        exclude: args.exclude.clone(),
        ..Options::default()
    };
    let Planned { plan, .. } = session.plan(&options).await;
    view::plan(global, &session, &plan);
    if let Some(failure) = obstacle(&session, &plan) {
        return Err(failure);
    }
    if plan.is_empty() {
        return Ok(Exit::Done);
    }
    let name = session.cx.deployment.name.to_string();
    match &args.confirm {
        Some(confirmed) if *confirmed != name => {
            return Err(Failure::new(
                Exit::Refused,
                format!("--confirm says {confirmed}, and the deployment is {name}"),
                "nothing was changed; check that this is the deployment that you mean",
            ));
        }
        Some(_) if args.yes => {}
        Some(_) | None => {
            let question = format!("this destroys {name}; type its name to go on:");
            confirm(&session, &question, &name, &format!("--yes --confirm {name}"))?;
        }
    }
    go(global, &mut session, &plan, &options).await
}

/// What a destroy leaves behind, and why.
pub(super) async fn kept(session: &Session) -> Vec<(String, String)> {
    let bucket = format!("bucket {}", session.bucket);
    let mut kept =
        vec![(bucket, "holds the record and the logs of runs; empty it to remove it".to_owned())];
    if session.cx.cancel.is_cancelled() {
        return kept;
    }
    let snapshot = session.observe().await;
    for live in &snapshot.live {
        let why = if live.found.is_present() {
            "still there; run the same command again"
        } else {
            "scheduled for deletion; what it encrypted can be read until then"
        };
        kept.push((format!("{} {}", live.found.owner.address, live.found.id), why.to_owned()));
    }
    kept
}
