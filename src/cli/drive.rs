//! Carrying a plan out: bucket, lock, record, the plan once more, the run, release.

use super::exit::Exit;
use super::failure::{Failure, Result};
use super::session::{Planned, Session};
use super::trace::TraceParent;
use crate::aws::record::{
    Acquired, Held, Holder, Loaded as Recorded, Lock, Record, RunHead, RunLog, S3Journal, VERSION,
    ensure, run_id,
};
use crate::clock::timestamp;
use crate::event::{Event, Sink, What};
use crate::execute::{Ended, Execution, Outcome, execute};
use crate::graph::Graph;
use crate::kind::Class;
use crate::observe::Snapshot;
use crate::plan::{Action, Moved, Options, Plan, moved_since};
use std::time::SystemTime;

/// How many steps may be under way at once. Most of them wait for AWS, which costs nothing.
const WIDTH: usize = 48;

/// What was carried out.
pub struct Carried {
    /// The plan that was carried out.
    pub plan: Plan,
    /// What the run has done.
    pub outcome: Outcome,
    /// The run's id.
    pub run: String,
    /// What was live when the run began.
    pub snapshot: Snapshot,
}

/// Who is at it, for those who find the deployment locked.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// The host's name.
    pub host: String,
    /// The page of the CI run.
    pub url: Option<String>,
    /// The trace that the CI run has begun.
    pub trace: Option<TraceParent>,
    /// Whether all of the world is a sandbox on this machine. Its clock stands still between
    /// processes, so the lease of a process that was killed would never run out.
    pub in_sandbox: bool,
}

impl Caller {
    /// The caller as the environment tells it.
    pub fn from_env(in_sandbox: bool) -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let github = || {
            let (server, repository) = (var("GITHUB_SERVER_URL")?, var("GITHUB_REPOSITORY")?);
            Some(format!("{server}/{repository}/actions/runs/{}", var("GITHUB_RUN_ID")?))
        };
        let host = var("HOSTNAME")
            .or_else(|| std::fs::read_to_string("/etc/hostname").ok())
            .map(|name| name.trim().to_owned());
        Caller {
            host: host.unwrap_or_else(|| "unknown host".to_owned()),
            url: github().or_else(|| var("CI_JOB_URL")).or_else(|| var("BUILD_URL")),
            trace: TraceParent::from_env(),
            in_sandbox,
        }
    }
}

/// Carries out what `shown` says: takes the lock, reads and plans again, and goes on only if
/// nothing has moved since.
///
/// # Errors
/// Locked by another, something moved, or the record can not be written. What fails in a step is
/// in the outcome.
pub async fn carry_out(
    session: &mut Session,
    shown: &Plan,
    options: &Options,
    caller: &Caller,
    sink: impl FnOnce(&str, &Plan) -> Sink,
) -> Result<Carried> {
    let command = if options.destroy { "destroy" } else { "apply" };
    let nothing = async |_: &mut Session| Ok(None);
    let fits = |now: &Plan| {
        let moved = moved_since(shown, now);
        if moved.is_empty() { Ok(()) } else { Err(has_moved(&moved)) }
    };
    carry_out_after(session, command, options, caller, nothing, fits, sink).await
}

/// As [`carry_out`], with something to do under the lock before the plan is made, which may have
/// something to say. `fits` looks at the plan: an error means that it is not carried out.
///
/// # Errors
/// As [`carry_out`], and those of `first` and `fits`.
pub async fn carry_out_after(
    session: &mut Session,
    command: &str,
    options: &Options,
    caller: &Caller,
    first: impl AsyncFnOnce(&mut Session) -> Result<Option<String>>,
    fits: impl FnOnce(&Plan) -> Result<()>,
    sink: impl FnOnce(&str, &Plan) -> Sink,
) -> Result<Carried> {
    let held = lock(session, caller).await?;
    let run = held.holder().run;
    let result = {
        let errand = Errand { command, options, caller, run };
        let work = under_lock(session, &held, errand, first, fits, sink);
        let beat = held.beat();
        tokio::select! {
            biased;
            result = work => result,
            never = beat => match never {},
        }
    };
    // A lock that was lost is not ours to release; the lease is checked there.
    let released = held.release().await;
    let carried = result?;
    if !matches!(carried.outcome.ended, Ended::LockLost(_)) {
        released.map_err(|error| Failure::doing("releasing the lock", error))?;
    }
    Ok(carried)
}

/// Makes sure of the record's bucket and takes the lock.
///
/// # Errors
/// Locked by another, or S3 refuses.
pub async fn lock(session: &mut Session, caller: &Caller) -> Result<Held> {
    if let Some(error) = &session.record_unread {
        return Err(Failure::doing("reading the record", error.clone()));
    }
    session.allow_changes();
    // The lock and the record are written when everything else has stopped.
    let quiet = session.cx.unstoppable();
    let doing = |what: &'static str| move |error| Failure::doing(what, error);
    let notes = ensure(&quiet, &session.bucket, session.whose)
        .await
        .map_err(doing("preparing the record's bucket"))?;
    session.notes.extend(notes);
    let run = run_id(&session.cx.clock);
    let holder = Holder {
        who: session.caller.clone(),
        host: caller.host.clone(),
        pid: std::process::id(),
        run: run.clone(),
        url: caller.url.clone(),
        ..Holder::default()
    };
    let mut acquired = Lock::acquire(&quiet, &session.bucket, holder.clone()).await;
    if let Ok(Acquired::Locked(locked)) = &acquired
        && caller.in_sandbox
        && locked.holder.host == caller.host
        && !is_alive(locked.holder.pid)
    {
        Lock::force_release(&quiet, &session.bucket, &locked.holder.id)
            .await
            .map_err(doing("taking the lock of a dead process"))?;
        acquired = Lock::acquire(&quiet, &session.bucket, holder).await;
    }
    match acquired {
        Ok(Acquired::Held(held)) => Ok(held),
        Ok(Acquired::Locked(locked)) => {
            let message = format!("{} is locked by {}", session.cx.deployment.name, locked.holder);
            let seconds = locked.expires_in.as_secs();
            let hint = if locked.is_expired() {
                "its lease has run out: run the same command again".to_owned()
            } else {
                format!(
                    "wait for it; if it died, its lease runs out in {seconds} s, or take it away: \
                     coderctl lock release --run {}",
                    locked.holder.run
                )
            };
            Err(Failure::new(Exit::Locked, message, hint))
        }
        Err(error) => Err(Failure::doing("taking the lock", error)),
    }
}

/// Whether a process of this machine runs; taken for granted where that can't be asked.
fn is_alive(pid: u32) -> bool {
    let asked = std::process::Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status();
    asked.map_or(true, |status| status.success())
}

/// Opens the record under the lock: from here on, the deployment has its uid, and every call that
/// changes something asks the lock first.
///
/// # Errors
/// When the record can not be read or made.
pub async fn open_record(session: &mut Session, held: &Held) -> Result<S3Journal> {
    let quiet = session.cx.unstoppable().behind(held.fence());
    let uid = session.cx.deployment.uid.clone();
    let doing = |error| Failure::doing("opening the record", error);
    let record = Record::begin(&quiet, &session.bucket, uid.as_ref()).await.map_err(doing)?;
    let journal = S3Journal::open(&session.cx, &session.bucket, held, &session.regions())
        .await
        .map_err(doing)?;
    session.set_uid(Some(record.uid.clone()));
    session.record =
        Some(Recorded { record, applied: journal.applied_now(), intents: Vec::new(), lock: None });
    session.cx = session.cx.behind(held.fence());
    Ok(journal)
}

/// Which run this is.
struct Errand<'a> {
    command: &'a str,
    options: &'a Options,
    caller: &'a Caller,
    run: String,
}

async fn under_lock(
    session: &mut Session,
    held: &Held,
    errand: Errand<'_>,
    first: impl AsyncFnOnce(&mut Session) -> Result<Option<String>>,
    fits: impl FnOnce(&Plan) -> Result<()>,
    sink: impl FnOnce(&str, &Plan) -> Sink,
) -> Result<Carried> {
    let Errand { command, options, caller, run } = errand;
    let journal = open_record(session, held).await?;
    let said = first(session).await?;
    let Planned { snapshot, plan } = session.plan(options).await;
    fits(&plan)?;
    if let Some(refusal) = plan.refusals.first() {
        return Err(Failure::new(Exit::Moved, refusal.why.clone(), refusal.hint.clone()));
    }
    let head = RunHead {
        run: run.clone(),
        command: command.to_owned(),
        who: session.caller.clone(),
        version: VERSION.to_owned(),
        began: session.cx.clock.timestamp(),
    };
    let log = RunLog::new(&session.cx, &session.bucket, head);
    // A run that dies is history, too; and without the log, this one is none the worse.
    if let Err(error) = log.write().await {
        session.notes.push(format!("the log of this run could not be begun: {error}"));
    }
    let both = log.sink(sink(&run, &plan));
    let say = |what| both(Event { at: session.cx.clock.now(), what });
    if let Some(trace) = &caller.trace {
        say(What::Traced {
            trace_id: trace.trace_id().to_owned(),
            parent_id: trace.parent_id().to_owned(),
        });
    }
    if let Some(text) = said {
        say(What::Note { text });
    }
    let end = session.clients.credentials_end(|name| std::env::var(name).ok()).await;
    if let Some(text) = end.and_then(|end| end_early(end, session.cx.clock.now(), plan.estimate)) {
        say(What::Note { text });
    }
    let empty = Graph::default();
    let outcome = execute(&Execution {
        plan: &plan,
        graph: if options.destroy { &empty } else { &session.graph },
        kinds: &session.kinds,
        snapshot: &snapshot,
        cx: &session.cx,
        journal: &journal,
        sink: &both,
        run: &run,
        width: WIDTH,
    })
    .await;
    // The log is history: without it, the run was none the worse. Whoever robbed us of the lock
    // writes a log of their own.
    if !matches!(outcome.ended, Ended::LockLost(_))
        && let Err(error) = log.write().await
    {
        session.notes.push(format!("the log of this run could not be written: {error}"));
    }
    Ok(Carried { plan, outcome, run, snapshot })
}

/// A warning if credentials that end at `end` do not typically last for a run of `estimate` seconds.
fn end_early(end: SystemTime, now: SystemTime, estimate: u32) -> Option<String> {
    let left = end.duration_since(now).unwrap_or_default().as_secs();
    (left < u64::from(estimate)).then(|| {
        format!(
            "the credentials end at {}, in {} min, and this typically takes {} min: renew them \
             first, or run the same command again with new ones, and it goes on from what is live",
            timestamp(end),
            left / 60,
            estimate.div_ceil(60)
        )
    })
}

/// What moved since the plan was shown.
pub fn has_moved(moved: &[Moved]) -> Failure {
    let lines: Vec<String> =
        moved.iter().take(10).map(|moved| format!("{}: {}", moved.address, moved.why)).collect();
    let more = moved.len().saturating_sub(10);
    let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
    Failure::new(
        Exit::Moved,
        format!("what was planned has moved:\n{}{more}", lines.join("\n")),
        "look at the new plan: coderctl plan",
    )
}

/// The exit code of a run.
pub fn exit_of(outcome: &Outcome) -> Exit {
    match &outcome.ended {
        Ended::Interrupted => Exit::Interrupted,
        Ended::LockLost(_) => Exit::Locked,
        Ended::Through if outcome.is_complete() => Exit::Done,
        // Nothing else stands in the way: more of the same, and the same command goes on.
        Ended::Through if only_quotas(outcome) => Exit::Quota,
        Ended::Through => Exit::Partial,
    }
}

/// Whether every step that failed did so because a quota is used up.
fn only_quotas(outcome: &Outcome) -> bool {
    let mut failed = outcome.failed.iter();
    !outcome.failed.is_empty() && failed.all(|(_, error)| error.class == Class::Quota)
}

/// Why a plan can not be carried out, if it can not: it is incomplete, or refused.
pub fn obstacle(plan: &Plan) -> Option<Failure> {
    if let Some(unread) = plan.unread.first() {
        return Some(Failure::new(
            Exit::Incomplete,
            format!(
                "the plan is incomplete: {} can not be read in {}: {}",
                unread.kind, unread.region, unread.why
            ),
            unread
                .hint
                .clone()
                .unwrap_or_else(|| "make it readable and run the same command again".to_owned()),
        ));
    }
    refused(plan)
}

/// Why a plan must not be carried out, if there is a reason.
pub fn refused(plan: &Plan) -> Option<Failure> {
    let first = plan.refusals.first()?;
    let more = plan.refusals.len() - 1;
    let count = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    Some(Failure::new(Exit::Refused, format!("{}{count}", first.why), first.hint.clone()))
}

/// Whether a plan does anything at all to what is there or should be.
pub fn acts(plan: &Plan) -> bool {
    plan.items.iter().any(|item| item.action != Action::Keep && item.action != Action::Withheld)
}
