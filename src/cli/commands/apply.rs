//! `coderctl apply`.

use super::plan::{obstacle, options};
use crate::cli::args::{ApplyArgs, Global};
use crate::cli::drive::{Caller, carry_out, exit_of, has_moved};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::left::{Left, left};
use crate::cli::plan_file::PlanFile;
use crate::cli::session::{Planned, Session};
use crate::cli::{print, view};
use crate::plan::{Options, Plan, moved_since};
use crate::spec::from_merged;
use std::path::Path;

pub(super) async fn run(global: &Global, args: &ApplyArgs) -> Result<Exit> {
    match &args.plan {
        Some(path) => saved(global, args, path).await,
        None => fresh(global, args).await,
    }
}

async fn fresh(global: &Global, args: &ApplyArgs) -> Result<Exit> {
    let mut session = super::session(global, None).await?;
    let options = options(&args.selection, false);
    let Planned { plan, .. } = session.plan(&options).await;
    view::plan(global, &session, &plan);
    if let Some(failure) = obstacle(&session, &plan) {
        return Err(failure);
    }
    if plan.is_empty() {
        return Ok(Exit::Done);
    }
    if !args.yes {
        confirm(&session, "apply this plan?", "yes", "--yes")?;
    }
    go(global, &mut session, &plan, &options).await
}

/// Applies a plan file: the plan is made again, and must be what the file says, or what is left
/// of it.
async fn saved(global: &Global, args: &ApplyArgs, path: &Path) -> Result<Exit> {
    let file = PlanFile::read(path)?;
    if !global.files.is_empty() || !global.set.is_empty() || args.selection != Default::default() {
        return Err(Failure::new(
            Exit::Usage,
            "a plan file brings its own spec and options",
            format!("leave the others out: coderctl apply {}", path.display()),
        ));
    }
    let options = file.plan.options.clone();
    let mut session = match &file.spec {
        Some(merged) => {
            let loaded = from_merged(merged)?;
            super::session_of(global, loaded, Some(file.facts.clone())).await?
        }
        None => {
            let name = file.plan.deployment.clone();
            super::session_without_spec(global, name, file.plan.home_region.clone()).await?
        }
    };
    if session.cx.deployment.account != file.plan.account {
        return Err(Failure::new(
            Exit::Credentials,
            format!(
                "the plan is for account {}, and these credentials are for {}",
                file.plan.account, session.cx.deployment.account
            ),
            "choose other credentials: --profile, --assume-role",
        ));
    }
    let uid = session.record.as_ref().map(|read| &read.record.uid);
    if let (Some(planned), Some(found)) = (&file.uid, uid)
        && planned != found
    {
        return Err(Failure::new(
            Exit::Moved,
            format!(
                "the plan is for the deployment with uid {planned}, and {} has {found} now",
                file.plan.deployment
            ),
            "it was destroyed and made again since; plan again",
        ));
    }
    let Planned { plan, .. } = session.plan(&options).await;
    if let Some(failure) = obstacle(&session, &plan) {
        return Err(failure);
    }
    let moved = moved_since(&file.plan, &plan);
    if !moved.is_empty() {
        return Err(has_moved(&moved));
    }
    view::plan(global, &session, &plan);
    if plan.is_empty() {
        return Ok(Exit::Done);
    }
    if options.destroy {
        confirm_destroy(&session, args.yes, args.confirm.as_deref())?;
    }
    go(global, &mut session, &plan, &options).await
}

/// Asks on a terminal; without one, says which flag answers.
///
/// # Errors
/// When there is nobody to ask, or the answer is another.
pub(super) fn confirm(session: &Session, question: &str, wanted: &str, flag: &str) -> Result<()> {
    if !print::can_ask() {
        return Err(Failure::new(
            Exit::Refused,
            format!("{} is not changed without being told so", session.cx.deployment.name),
            format!("there is no terminal to ask on: add {flag}"),
        ));
    }
    match print::ask(question) {
        Some(answer) if answer == wanted || (wanted == "yes" && answer == "y") => Ok(()),
        _ => Err(Failure::new(
            Exit::Refused,
            "not confirmed; nothing was changed",
            format!("the answer that goes on is: {wanted}"),
        )),
    }
}

/// Asks for the deployment's name before all of it goes. `--yes` alone is not enough: in a pipeline
/// it stands beside every command.
///
/// # Errors
/// When the name is another, or not given.
pub(super) fn confirm_destroy(session: &Session, yes: bool, confirmed: Option<&str>) -> Result<()> {
    let name = session.cx.deployment.name.to_string();
    match confirmed {
        Some(confirmed) if confirmed != name => Err(Failure::new(
            Exit::Refused,
            format!("--confirm says {confirmed}, and the deployment is {name}"),
            "nothing was changed; check that this is the deployment that you mean",
        )),
        Some(_) if yes => Ok(()),
        Some(_) | None => {
            let question = format!("this destroys {name}; type its name to go on:");
            confirm(session, &question, &name, &format!("--yes --confirm {name}"))
        }
    }
}

/// Carries a plan out and shows how it went.
pub(super) async fn go(
    global: &Global,
    session: &mut Session,
    plan: &Plan,
    options: &Options,
) -> Result<Exit> {
    let progress = view::Progress::new(global, session.cx.clock);
    let carried = carry_out(
        session,
        plan,
        options,
        &Caller::from_env(global.sandbox.is_some()),
        |_, plan| progress.sink(plan),
    )
    .await;
    // The names of an AWS behind another endpoint are not in the public DNS.
    let accepted = match &carried {
        _ if global.endpoint_url.is_some() => Ok(()),
        Ok(carried) if exit_of(&carried.outcome) == Exit::Done => match progress.more() {
            Some(sink) => super::status::accept(session, options, &sink).await,
            None => Ok(()),
        },
        _ => Ok(()),
    };
    let report = progress.finish();
    let carried = carried?;
    let outputs = if options.destroy { Vec::new() } else { super::outputs::known(session) };
    let left = match options.destroy {
        true => left(session, &carried, options).await,
        false => Left::default(),
    };
    if let Some(report) = report {
        view::summary(global, session, &carried, &report, &outputs, &left);
    }
    accepted?;
    Ok(left.exit_of(&carried.outcome))
}
