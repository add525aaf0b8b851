//! `coderctl destroy`.

use super::apply::{confirm, go};
use super::plan::obstacle;
use crate::cli::args::{DestroyArgs, Global};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::session::Planned;
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
        allow_delete: args.allow_delete.clone(),
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
