//! `coderctl destroy`.

use super::apply::{confirm_destroy, go};
use super::plan::obstacle;
use crate::cli::args::{DestroyArgs, Global};
use crate::cli::exit::Exit;
use crate::cli::failure::Result;
use crate::cli::session::Planned;
use crate::cli::{print, view};
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
