//! `coderctl status`, and the same checks at the end of an apply.

use crate::accept::parts::parts;
use crate::accept::{Check, Subject, Verdict, Wants, look, wait};
use crate::aws::acm::certificate::Certificate;
use crate::aws::elbv2::load_balancer::LoadBalancer;
use crate::aws::elbv2::target_group::TargetGroup;
use crate::cli::args::{Global, Output, StatusArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::cli::session::Session;
use crate::event::{Event, Sink, What};
use crate::graph::AnyKind;
use crate::kind::Kind;
use crate::observe::{Snapshot, observe};
use crate::plan::Options;
use crate::report::health::{self, Row};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

pub(super) async fn run(global: &Global, args: &StatusArgs) -> Result<Exit> {
    let session = super::session(global, None).await?;
    let snapshot = session.observe().await;
    let parts = parts(&session.cx, &session.graph, &snapshot).await;
    let checks = match subject(&session, &snapshot) {
        Some(subject) => look(&session.cx, &subject).await,
        None => Vec::new(),
    };
    let mut rows: Vec<Row<'_>> =
        parts.iter().map(|part| (part.name.as_str(), &part.verdict)).collect();
    rows.extend(checks.iter().map(|check| (check.name, &check.verdict)));
    let deployment = &session.cx.deployment;
    if args.json || global.output == Output::Json {
        print::json_out(&health::json(deployment.name.as_str(), &rows));
    } else {
        let style = print::style(Some(global), print::out_is_terminal());
        let title = format!(
            "{} · account {} · {}",
            deployment.name, deployment.account, deployment.home_region
        );
        print::out(&health::human(&title, &rows, &style));
    }
    let is = |bad: fn(&Verdict) -> bool| rows.iter().any(|(_, verdict)| bad(verdict));
    Ok(if is(|verdict| matches!(verdict, Verdict::Bad { .. })) {
        Exit::Unhealthy
    } else if is(|verdict| matches!(verdict, Verdict::Unread(_))) {
        Exit::Incomplete
    } else {
        Exit::Done
    })
}

/// What makes the deployment usable; `None` where the spec has no way in.
fn subject(session: &Session, snapshot: &Snapshot) -> Option<Subject> {
    let spec = &session.loaded.as_ref()?.spec;
    let (ingress, dns) = (spec.ingress.as_ref()?, spec.dns.as_ref()?);
    let wants =
        Wants { host: dns.host(), wildcard: dns.wildcard_host(), node_port: ingress.node_port };
    Subject::of(&session.graph, snapshot, wants)
}

/// How often it is said of a check that it still waits.
const AGAIN: Duration = Duration::from_secs(60);

/// After an apply: waits until Coder can be used, and tells of every check. Nothing is changed any
/// more.
///
/// # Errors
/// [`Exit::Unhealthy`] with the checks that failed, [`Exit::Interrupted`].
pub async fn accept(session: &Session, options: &Options, sink: &Sink) -> Result<()> {
    if options.destroy || !options.target.is_empty() || !options.exclude.is_empty() {
        return Ok(());
    }
    session.clients.set_planning(true);
    let names = [Certificate::NAME, TargetGroup::NAME, LoadBalancer::NAME];
    let kinds: Vec<&dyn AnyKind> =
        session.kinds.iter().copied().filter(|kind| names.contains(&kind.name())).collect();
    let snapshot = observe(&session.cx, &kinds, &session.graph, &session.regions()).await;
    let Some(subject) = subject(session, &snapshot) else { return Ok(()) };
    let say = |what| sink(Event { at: session.cx.clock.now(), what });
    let said: Mutex<BTreeMap<&'static str, (String, SystemTime)>> = Mutex::default();
    let waits = |checks: &[Check]| {
        let mut said = said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for check in checks {
            let why = match &check.verdict {
                Verdict::Good(_) => continue,
                Verdict::Bad { why, .. } | Verdict::Unread(why) => why.clone(),
            };
            let now = session.cx.clock.now();
            let is_news = said.get(check.name).is_none_or(|(before, at)| {
                *before != why || now.duration_since(*at).is_ok_and(|since| since >= AGAIN)
            });
            if is_news {
                said.insert(check.name, (why.clone(), now));
                say(What::CheckWaits { check: check.name.to_owned(), why });
            }
        }
    };
    let checks = wait(&session.cx, &subject, waits).await.map_err(|_| {
        Failure::new(
            Exit::Interrupted,
            "everything is applied; whether Coder can be used was not seen",
            "coderctl status",
        )
    })?;
    let mut failed = Vec::new();
    for Check { name, verdict } in checks {
        let check = name.to_owned();
        match verdict {
            Verdict::Good(found) => say(What::CheckPassed { check, found }),
            Verdict::Bad { why, hint } => {
                failed.push((format!("{name}: {why}"), hint.clone()));
                say(What::CheckFailed { check, why, hint });
            }
            Verdict::Unread(why) => {
                let why = format!("could not be read: {why}");
                failed.push((format!("{name}: {why}"), None));
                say(What::CheckFailed { check, why, hint: None });
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let lines: Vec<&str> = failed.iter().map(|(line, _)| line.as_str()).collect();
    let hint = failed.iter().find_map(|(_, hint)| hint.clone());
    let message =
        format!("everything is applied, and Coder can't be used yet: {}", lines.join("; "));
    let hint = hint.unwrap_or_else(|| "look again: coderctl status".to_owned());
    Err(Failure::new(Exit::Unhealthy, message, hint))
}
