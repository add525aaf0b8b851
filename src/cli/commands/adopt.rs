//! `coderctl adopt`: a resource that was made by other means becomes ours, by its tags alone.
//!
//! What would change is shown first. Adopting itself changes tags and nothing else; the next
//! apply brings the rest in line.

use super::apply::confirm;
use crate::cli::args::{AdoptArgs, Global, Output};
use crate::cli::drive::{Caller, lock};
use crate::cli::exit::Exit;
use crate::cli::failure::{Failure, Result};
use crate::cli::print;
use crate::cli::session::{Planned, Session};
use crate::graph::{AnyFound, GraphNode};
use crate::kind::{Cause, Change, Effect, Ownership, StepCx, TAG_DEPLOYMENT, identity_tags, show};
use crate::name::{Address, PhysicalId, Uid};
use crate::plan::Options;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn run(global: &Global, args: &AdoptArgs) -> Result<Exit> {
    let mut session = super::session(global, None).await?;
    let address = Address::parse(&args.address)
        .filter(|address| session.graph.find(address).is_some())
        .ok_or_else(|| unknown(&session, &args.address))?;
    let Planned { snapshot, .. } = session.plan(&Options::default()).await;
    let node = session.graph.find(&address).ok_or_else(|| unknown(&session, &args.address))?;
    let wanted = session.graph.node(node);
    let kind = wanted.desired.kind();
    if let Some(live) = snapshot.at(kind.name(), &address).first() {
        return Err(if live.found.id.as_str() == args.id {
            Failure::plain(Exit::Done, format!("{} is at {address} already", args.id))
        } else {
            Failure::new(
                Exit::Refused,
                format!("{address} is {} already", live.found.id),
                "an address has one resource; remove that one first, or choose another address",
            )
        });
    }
    let uid = session.cx.deployment.uid.clone().unwrap_or_else(|| Uid::new("(made by adopting)"));
    let owner = Ownership { address: address.clone(), generation: 1, uid };
    let id = PhysicalId::new(args.id.as_str());
    let found = find(&session, wanted, &id, &owner).await?;
    of_another(&session, &found)?;
    let changes = compare(&session, wanted, &found, &snapshot)?;
    tell(global, &address, kind.title(), &found, &changes);
    if let Some(fixed) = changes.iter().find(|change| change.effect == Effect::Replace) {
        return Err(Failure::new(
            Exit::Refused,
            format!(
                "{} of {id} is {}, and the spec says otherwise; the next apply would replace it",
                fixed.field,
                show(&fixed.from)
            ),
            "let the spec say what is there, then adopt it",
        ));
    }
    if !args.yes {
        confirm(&session, &format!("tag {id} as {address}?"), "yes", "--yes")?;
    }
    let caller = Caller::from_env(global.sandbox.is_some());
    take(&mut session, &caller, &address, &found).await?;
    print::note(&format!("{id} is {address} now; see what is left to do: coderctl plan"));
    Ok(Exit::Done)
}

/// What another deployment calls its own is not taken from it.
fn of_another(session: &Session, found: &AnyFound) -> Result<()> {
    let ours = session.cx.deployment.name.as_str();
    match found.tags.get(TAG_DEPLOYMENT).filter(|name| *name != ours) {
        None => Ok(()),
        Some(other) => Err(Failure::new(
            Exit::Refused,
            format!("{} belongs to the deployment {other}", found.id),
            format!(
                "give ours another name; or, if {other} is no more, remove its coderctl tags first"
            ),
        )),
    }
}

fn unknown(session: &Session, address: &str) -> Failure {
    let near = session.graph.nodes.iter().map(|node| node.address.as_str()).max_by(|a, b| {
        strsim::jaro_winkler(a, address).total_cmp(&strsim::jaro_winkler(b, address))
    });
    let hint = match near {
        Some(near) => format!("did you mean {near}? `coderctl plan` lists them"),
        None => "the spec asks for nothing".to_owned(),
    };
    Failure::new(Exit::Usage, format!("the spec asks for nothing at {address}"), hint)
}

async fn find(
    session: &Session,
    wanted: &GraphNode,
    id: &PhysicalId,
    owner: &Ownership,
) -> Result<AnyFound> {
    let kind = wanted.desired.kind();
    let cx = session.cx.in_region(&wanted.region);
    kind.find_foreign(&cx, id, owner)
        .await
        .map_err(|error| Failure::doing(&format!("reading {} {id}", kind.title()), error))?
        .ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!("there is no {} {id} in {}", kind.title(), wanted.region),
                "ids are those of the AWS console and CLI, such as vpc-0abc",
            )
        })
}

/// What the next apply would change.
fn compare(
    session: &Session,
    wanted: &GraphNode,
    found: &AnyFound,
    snapshot: &crate::observe::Snapshot,
) -> Result<Vec<Change>> {
    super::outputs::live(session, snapshot);
    let fields = crate::execute::differences(&session.cx, &session.graph, wanted, found)
        .map_err(|error| Failure::doing("comparing", error))?;
    Ok(fields)
}

fn tell(global: &Global, address: &Address, title: &str, found: &AnyFound, changes: &[Change]) {
    if global.output == Output::Json {
        print::json_out(&json!({
            "format_version": "1.0",
            "address": address,
            "id": found.id,
            "tags": found.tags,
            "changes_by_the_next_apply": changes,
        }));
        return;
    }
    print::out(&format!("{title} {} becomes {address}", found.id));
    for (name, value) in &found.described {
        print::out(&format!("    {name:<10} {value}"));
    }
    if changes.is_empty() {
        print::out("  it is as the spec says; only its tags change");
    } else {
        print::out("  its tags change now; the next apply changes");
    }
    for change in changes {
        let to = change.to.as_ref().map_or("(known after apply)".to_owned(), show);
        print::out(&format!("    {} {} → {to}", change.field, show(&change.from)));
    }
}

async fn take(
    session: &mut Session,
    caller: &Caller,
    address: &Address,
    found: &AnyFound,
) -> Result<()> {
    let held = lock(session, caller).await?;
    let work = async {
        crate::cli::drive::open_record(session, &held).await?;
        let node = session.graph.find(address).ok_or_else(|| unknown(session, address.as_str()))?;
        let wanted = session.graph.node(node);
        let tags = identity_tags(&session.cx.deployment, address, 1).unwrap_or_default();
        let changes: Vec<Change> = tags
            .into_iter()
            .map(|(key, value)| Change {
                from: found.tags.get(&key).map_or(Value::Null, |tag| Value::from(tag.as_str())),
                field: format!("tags.{key}"),
                to: Some(Value::from(value)),
                effect: Effect::InPlace,
                cause: Cause::Spec,
            })
            .collect();
        let cx = session.cx.in_region(&wanted.region).in_step(StepCx {
            address: address.clone(),
            generation: 1,
            token: uuid::Uuid::new_v4().to_string(),
            progress: Arc::new(|_| {}),
        });
        wanted
            .desired
            .update(&cx, found, &changes)
            .await
            .map_err(|error| Failure::doing(&format!("tagging {}", found.id), error))
    };
    let result = tokio::select! {
        biased;
        result = work => result,
        never = held.beat() => match never {},
    };
    let released = held.release().await;
    result?;
    released.map_err(|error| Failure::doing("releasing the lock", error))
}
