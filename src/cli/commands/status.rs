//! `coderctl status`: what is live, and whether it is well.

use crate::acceptance::{Check, Subject};
use crate::cli::args::{Global, Output};
use crate::cli::exit::Exit;
use crate::cli::failure::Result;
use crate::cli::print;
use crate::cli::session::{Planned, Session};
use crate::kind::Status;
use crate::observe::Snapshot;
use crate::plan::{Action, Options, Plan};
use crate::report::health::{self, Health, Part};

pub(super) async fn run(global: &Global) -> Result<Exit> {
    let mut session = super::session(global, None).await?;
    let Planned { snapshot, plan } = session.plan(&Options::default()).await;
    let checks = match subject(&session, &snapshot) {
        Some(subject) if !snapshot.live.is_empty() => subject.look(&session.cx).await,
        _ => Vec::new(),
    };
    let health = Health {
        head: head(&session),
        parts: parts(&snapshot, &plan),
        facts: facts(&session, &snapshot),
        checks,
        plan: words(&plan),
        unread: snapshot
            .unreadable
            .iter()
            .map(|unread| format!("{} in {}: {}", unread.kind, unread.region, unread.error))
            .collect(),
    };
    match global.output {
        Output::Json => print::json_out(&health::json(&health)),
        Output::Human | Output::Markdown => {
            let style = print::style(Some(global), print::out_is_terminal());
            print::out(&health::human(&health, &style));
        }
    }
    Ok(if !health.unread.is_empty() {
        Exit::Incomplete
    } else if health.is_well() {
        Exit::Done
    } else {
        Exit::Unwell
    })
}

/// What is looked at from outside, if the spec has Coder.
pub(super) fn subject(session: &Session, snapshot: &Snapshot) -> Option<Subject> {
    let spec = &session.loaded.as_ref()?.spec;
    spec.coder.as_ref()?;
    let dns = spec.dns.as_ref()?;
    let names: Vec<String> = std::iter::once(dns.host()).chain(dns.wildcard_host()).collect();
    Subject::of(snapshot, &spec.home_region, &names)
}

/// The exit code of what was looked at.
pub(super) fn exit_of(checks: &[Check]) -> Exit {
    if checks.iter().all(Check::is_good) { Exit::Done } else { Exit::Unwell }
}

fn head(session: &Session) -> String {
    let deployment = &session.cx.deployment;
    let pattern = session.loaded.as_ref().and_then(|loaded| loaded.spec.pattern.clone());
    let pattern = pattern.map(|pattern| format!(" · {pattern}")).unwrap_or_default();
    format!(
        "{} · account {}{pattern} · home {}",
        deployment.name, deployment.account, deployment.home_region
    )
}

/// What is live by section, and what of the plan is missing.
fn parts(snapshot: &Snapshot, plan: &Plan) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for item in &plan.items {
        let section = item.address.section();
        let at = parts.iter().position(|part| part.name == section).unwrap_or_else(|| {
            parts.push(Part { name: section.to_owned(), ..Part::default() });
            parts.len() - 1
        });
        let part = &mut parts[at];
        let live = snapshot.at(&item.kind, &item.address);
        let other = match live.last().map(|live| &live.found.status) {
            None if item.action == Action::Create => Some("missing".to_owned()),
            None => continue,
            Some(Status::Ready) => None,
            Some(Status::Busy(word)) => Some(word.clone()),
            Some(Status::Failed(why)) => Some(format!("failed: {why}")),
            Some(Status::Leaving) => Some("going".to_owned()),
        };
        match other {
            None => part.ready += 1,
            Some(other) => part.others.push(format!("{}: {other}", item.address)),
        }
    }
    parts
}

/// What is worth knowing in a word: what `describe` of the live resources calls a version, and the
/// access URL.
fn facts(session: &Session, snapshot: &Snapshot) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    if let Some(spec) = session.loaded.as_ref().map(|loaded| &loaded.spec) {
        if let (Some(_), Some(dns)) = (&spec.coder, &spec.dns) {
            facts.push(("access url".to_owned(), format!("https://{}", dns.host())));
        }
    }
    let named = [("aws.eks.cluster", "kubernetes"), ("aws.rds.cluster", "postgresql")];
    for (kind, name) in named {
        let live = snapshot.live.iter().filter(|live| live.found.kind == kind);
        for live in live.filter(|live| live.found.is_present()) {
            let version = live.found.described.iter().find(|(key, _)| *key == "version");
            facts.extend(version.map(|(_, version)| (name.to_owned(), version.clone())));
        }
    }
    facts
}

fn words(plan: &Plan) -> String {
    if plan.is_incomplete() {
        return "incomplete: see below".to_owned();
    }
    let tally = plan.tally();
    if plan.is_empty() && tally.drifted == 0 {
        return "live is as the spec says".to_owned();
    }
    let counts = [
        (tally.create, "to make"),
        (tally.update, "to change"),
        (tally.replace, "to replace"),
        (tally.delete, "to delete"),
        (tally.drifted, "changed by others"),
    ];
    let some: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{}: coderctl plan", some.join(", "))
}
