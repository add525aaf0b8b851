//! `coderctl lock`.

use crate::aws::record::Lock;
use crate::cli::args::{Global, LockAction, LockArgs, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::cli::session::Session;
use crate::report::FORMAT_VERSION;
use serde_json::json;

pub(super) async fn run(global: &Global, args: &LockArgs) -> Result<Exit> {
    let session = super::session(global, None).await?;
    let name = session.cx.deployment.name.clone();
    let cx = session.cx.unstoppable();
    let locked = Lock::status(&cx, &session.bucket)
        .await
        .map_err(|error| Failure::doing("reading the lock", error))?;
    match args.action.clone().unwrap_or(LockAction::Status) {
        LockAction::Status => {
            match (&locked, global.output) {
                (locked, Output::Json) => print::json_out(&json!({
                    "format_version": FORMAT_VERSION,
                    "deployment": name,
                    "locked": locked.is_some(),
                    "holder": locked.as_ref().map(|locked| &locked.holder),
                    "expires_in_seconds": locked.as_ref().map(|l| l.expires_in.as_secs()),
                    "expired": locked.as_ref().map(|locked| locked.is_expired()),
                })),
                (None, _) => print::out(&format!("{name} is not locked")),
                (Some(locked), _) if locked.is_expired() => print::out(&format!(
                    "{name} is locked by {} (run {}), whose lease has run out: the next run takes \
                     it over",
                    locked.holder, locked.holder.run
                )),
                (Some(locked), _) => print::out(&format!(
                    "{name} is locked by {} (run {}); the lease runs out in {} s unless it is \
                     renewed",
                    locked.holder,
                    locked.holder.run,
                    locked.expires_in.as_secs()
                )),
            }
            Ok(Exit::Done)
        }
        LockAction::Release { run } => release(&session, &run, locked).await,
    }
}

async fn release(
    session: &Session,
    run: &str,
    locked: Option<crate::aws::record::Locked>,
) -> Result<Exit> {
    let name = &session.cx.deployment.name;
    let Some(locked) = locked else {
        print::out(&format!("{name} is not locked"));
        return Ok(Exit::Done);
    };
    if locked.holder.run != run {
        return Err(Failure::new(
            Exit::Refused,
            format!("{name} is locked by run {}, not by {run}", locked.holder.run),
            "look again: coderctl lock status",
        ));
    }
    session.allow_changes();
    Lock::force_release(&session.cx.unstoppable(), &session.bucket, &locked.holder.id)
        .await
        .map_err(|error| Failure::doing("releasing the lock", error))?;
    print::out(&format!("the lock of {name} was taken from {}", locked.holder));
    Ok(Exit::Done)
}
