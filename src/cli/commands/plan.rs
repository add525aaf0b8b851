//! `coderctl plan`.

use crate::cli::args::{Global, PlanArgs, Selection};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::plan_file::PlanFile;
use crate::cli::session::{Planned, Session};
use crate::cli::{print, view};
use crate::plan::{Options, Plan};

pub(super) async fn run(global: &Global, args: &PlanArgs) -> Result<Exit> {
    let mut session = super::session(global, None).await?;
    let options = options(&args.selection, args.destroy);
    let Planned { plan, .. } = session.plan(&options).await;
    view::plan(global, &session, &plan);
    if let Some(path) = &args.out {
        if plan.is_incomplete() {
            return Err(Failure::new(
                Exit::Incomplete,
                "the plan is incomplete, so it is not written to a file",
                "what could not be read is listed above; make it readable and plan again",
            ));
        }
        let merged = session.loaded.as_ref().map(|loaded| loaded.merged.clone());
        let uid = session.record.as_ref().map(|read| read.record.uid.clone());
        let file = PlanFile::new(uid, merged, session.facts.clone(), plan.clone());
        file.write(path)?;
        print::note(&format!(
            "the plan is in {}; carry it out: coderctl apply {}",
            path.display(),
            path.display()
        ));
    }
    Ok(exit_of(&plan, args.detailed_exitcode))
}

/// What the user asked for.
pub(super) fn options(selection: &Selection, destroy: bool) -> Options {
    Options {
        destroy,
        allow_delete: selection.allow_delete.clone(),
        overwrite_drift: selection.overwrite_drift,
        target: selection.target.clone(),
        exclude: selection.exclude.clone(),
    }
}

/// The exit code of a plan: what is wrong with it first, then what is in it.
fn exit_of(plan: &Plan, detailed: bool) -> Exit {
    if plan.is_incomplete() {
        return Exit::Incomplete;
    }
    if !plan.refusals.is_empty() {
        return Exit::Refused;
    }
    match (detailed, plan.is_empty(), plan.tally().drifted) {
        (true, false, _) => Exit::Changes,
        (true, true, drifted) if drifted > 0 => Exit::Drift,
        _ => Exit::Done,
    }
}

/// Why a plan can not be carried out, if it can not.
pub(super) fn obstacle(session: &Session, plan: &Plan) -> Option<Failure> {
    let _ = session;
    crate::cli::drive::obstacle(plan)
}
