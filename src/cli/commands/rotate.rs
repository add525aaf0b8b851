//! `coderctl rotate`.

use super::apply::confirm;
use crate::cli::args::{Global, Output, RotateArgs, RotateWhat};
use crate::cli::drive::{Caller, Carried, exit_of};
use crate::cli::exit::Exit;
use crate::cli::failure::Result;
use crate::cli::left::Left;
use crate::cli::rotation::Rotation;
use crate::cli::{print, view};
use crate::report::rotation::{self, Rotated};
use serde_json::json;

pub(super) async fn run(global: &Global, args: &RotateArgs) -> Result<Exit> {
    let RotateWhat::DbPassword { yes } = args.what;
    let mut session = super::session(global, None).await?;
    let rotation = Rotation::prepare(&mut session).await?;
    let rotated = Rotated {
        deployment: session.cx.deployment.name.as_str(),
        secret: &rotation.secret.name,
        cluster: &rotation.password.cluster,
        has_coder: rotation.password.readers.is_some(),
        goes_on: rotation.goes_on(),
    };
    let style = print::style(Some(global), print::out_is_terminal());
    match global.output {
        Output::Json => print::json_out(&rotation::json(&rotated)),
        Output::Human | Output::Markdown => print::out(&rotation::human(&rotated, &style)),
    }
    if rotation.goes_on() {
        view::plan(global, &session, &rotation.left);
    }
    if !yes {
        confirm(&session, "rotate the password?", "yes", "--yes")?;
    }
    let progress = view::Progress::new(global, session.cx.clock);
    let caller = Caller::from_env(global.sandbox.is_some());
    let carried = rotation.carry_out(&mut session, &caller, |_, plan| progress.sink(plan)).await;
    let report = progress.finish();
    let carried = carried?;
    if let Some(report) = report {
        view::summary(global, &session, &carried, &report, &[], &Left::default());
    }
    if carried.outcome.is_complete() {
        say_what_is_true(global, &rotation, &carried);
    }
    Ok(exit_of(&carried.outcome))
}

/// What the database takes now.
fn say_what_is_true(global: &Global, rotation: &Rotation, carried: &Carried) {
    let Some(version) = rotation.version(carried) else { return };
    let (name, has_coder) = (&rotation.secret.name, rotation.password.readers.is_some());
    if global.output == Output::Json {
        print::json_out(&json!({
            "format_version": crate::report::FORMAT_VERSION,
            "secret": name,
            "version": version,
        }));
        return;
    }
    let style = print::style(Some(global), print::out_is_terminal());
    print::out(&rotation::ended(name, &version, has_coder, &style));
}
