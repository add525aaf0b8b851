//! `coderctl destroy`.

use super::apply::{confirm_destroy, go};
use super::plan::obstacle;
use crate::aws::kms::key::Key;
use crate::aws::rds::snapshot::{self, Snapshot};
use crate::aws::secretsmanager::secret::ManagedSecret;
use crate::cli::args::{DestroyArgs, Global};
use crate::cli::drive::Carried;
use crate::cli::exit::Exit;
use crate::cli::failure::Result;
use crate::cli::session::{Planned, Session};
use crate::cli::{print, view};
use crate::kind::Kind;
use crate::name::{DeploymentName, PhysicalId, Region};
use crate::plan::Options;
use std::collections::BTreeSet;

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
        allow_delete: args.allow_delete.clone(),
        ..Options::default()
    };
    let Planned { plan, .. } = session.plan(&options).await;
    view::plan(global, &session, &plan);
    if let Some(failure) = obstacle(&session, &plan) {
        return Err(failure);
    }
    if plan.is_empty() {
        if args.deployment.is_some() && session.record.is_none() {
            let (name, home) = (&session.cx.deployment.name, &session.cx.deployment.home_region);
            print::note(&format!(
                "note: {name} has no record in {home}, and nothing there is tagged as its own: it \
                 was destroyed, or has another name or home region"
            ));
        }
        return Ok(Exit::Done);
    }
    confirm_destroy(&session, args.yes, args.confirm.as_deref())?;
    go(global, &mut session, &plan, &options).await
}

/// Kinds that AWS deletes days after it was told to, and until then brings back.
const SCHEDULED: [&str; 2] = [Key::NAME, ManagedSecret::NAME];

/// What a destroy leaves behind, and why.
pub(super) async fn kept(
    session: &Session,
    carried: &Carried,
    options: &Options,
) -> Vec<(String, String)> {
    let bucket = format!("bucket {}", session.bucket);
    let mut kept =
        vec![(bucket, "holds the record and the logs of runs; empty it to remove it".to_owned())];
    if session.cx.cancel.is_cancelled() {
        return kept;
    }
    let snapshots = snapshots(session).await;
    let keys: Vec<&str> = snapshots.iter().filter_map(|(_, it)| it.key.as_deref()).collect();
    let encrypts = |id: &str| keys.iter().any(|key| key.ends_with(id));
    for (region, snapshot) in &snapshots {
        let why = "the way back is database.from_snapshot; delete it if nobody needs it";
        kept.push((format!("{region}/database/snapshot {}", snapshot.name), why.to_owned()));
    }
    for key in keys.iter().collect::<BTreeSet<_>>() {
        kept.push((format!("key {key}"), "encrypts the snapshots of the database".to_owned()));
    }
    for step in carried.plan.steps.iter().filter(|step| carried.outcome.done.contains(&step.name)) {
        let Some(id) = &step.id else { continue };
        if SCHEDULED.contains(&step.name.kind.as_str()) && !encrypts(id.as_str()) {
            let why = "scheduled for deletion; can be brought back until then";
            kept.push((format!("{} {id}", step.name.address), why.to_owned()));
        }
    }
    let live = session.observe().await.live;
    // Of what was chosen, where not everything was.
    let is_whole = options.target.is_empty() && options.exclude.is_empty();
    let planned =
        |id: &PhysicalId| carried.plan.steps.iter().any(|step| step.id.as_ref() == Some(id));
    let stays = live
        .iter()
        .map(|live| &live.found)
        .filter(|found| found.is_present() && !encrypts(found.id.as_str()))
        .filter(|found| is_whole || planned(&found.id));
    for found in stays {
        let why = "still there; run the same command again";
        kept.push((format!("{} {}", found.owner.address, found.id), why.to_owned()));
    }
    kept
}

/// The snapshots of the database. Whoever may not look is told nothing: the destroy itself went
/// well.
async fn snapshots(session: &Session) -> Vec<(Region, Snapshot)> {
    let mut ours = Vec::new();
    for region in session.regions() {
        let Ok(all) = snapshot::all(&session.cx.in_region(&region)).await else { continue };
        let all = all.into_iter().filter(|snapshot| snapshot.is_ours);
        ours.extend(all.map(|snapshot| (region.clone(), snapshot)));
    }
    ours
}
