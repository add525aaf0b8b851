//! Deleting workspaces through Coder.

use crate::aws::secrets;
use crate::coderd::Place;
use crate::coderd::client::Coderd;
use crate::kind::{Class, Cx, Error, Result, seconds};
use crate::secret::SecretRef;
use serde_json::{Value, json};
use std::fmt;

/// How often, every four seconds, the builds are looked at: twenty minutes in all.
const LOOKS: usize = 300;

/// A workspace as Coder tells it.
pub(super) struct Workspace {
    id: String,
    owner: String,
    name: String,
    status: String,
}

impl fmt::Display for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

fn read(workspace: &Value) -> Workspace {
    let text = |pointer: &str| {
        workspace.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    Workspace {
        id: text("/id"),
        owner: text("/owner_name"),
        name: text("/name"),
        status: text("/latest_build/status"),
    }
}

/// A session with the stored token.
async fn session<'a>(cx: &Cx, place: &'a Place, token: &str) -> Result<Coderd<'a>> {
    let reference = SecretRef::SecretsManager(token.to_owned());
    Ok(Coderd::at(place).with(secrets::resolve(cx, &reference).await?.value))
}

/// All workspaces; none where Coder can't be asked, because it doesn't answer or its owner's token
/// is gone or has ended.
pub(super) async fn all(cx: &Cx, place: &Place, token: &str) -> Result<Option<Vec<Workspace>>> {
    let asked = async {
        let session = session(cx, place, token).await?;
        session.get(cx, "/workspaces").await
    };
    match asked.await {
        Ok(answer) => {
            let all = answer["workspaces"].as_array().into_iter().flatten();
            Ok(Some(all.map(read).collect()))
        }
        Err(error) if error.class == Class::Interrupted => Err(error),
        Err(error) => {
            cx.progress(&format!("Coder can not be asked for its workspaces: {error}"));
            Ok(None)
        }
    }
}

/// Has Coder delete these, and waits until it has.
pub(super) async fn delete(
    cx: &Cx,
    place: &Place,
    token: &str,
    workspaces: &[Workspace],
) -> Result<()> {
    if workspaces.is_empty() {
        return Ok(());
    }
    let session = session(cx, place, token).await?;
    for workspace in workspaces {
        if workspace.status != "deleting" {
            begin(cx, &session, workspace).await?;
        }
    }
    let mut left: Vec<&Workspace> = workspaces.iter().collect();
    for _ in 0..LOOKS {
        let mut still = Vec::new();
        for workspace in left {
            let path = format!("/workspaces/{}", workspace.id);
            let Some(now) = session.look(cx, &path).await? else { continue };
            match read(&now).status.as_str() {
                "deleted" => {}
                "failed" | "canceled" => return Err(failed(workspace, &now)),
                // Another build was under way when ours was asked for.
                "running" | "stopped" => {
                    begin(cx, &session, workspace).await?;
                    still.push(workspace);
                }
                _ => still.push(workspace),
            }
        }
        left = still;
        let Some(first) = left.first() else { return Ok(()) };
        cx.progress(&format!("{} to go; Coder deletes {first}", left.len()));
        cx.pause(seconds(4)).await?;
    }
    let names: Vec<String> = left.iter().map(ToString::to_string).collect();
    let why = format!("Coder has not deleted these in twenty minutes: {}", names.join(", "));
    Err(Error::of(Class::TimedOut, why).hint("look at their builds in Coder, then run it again"))
}

/// Begins the build that deletes. One that runs already is waited for; one whose answer was lost
/// has begun or not, which the next look tells.
async fn begin(cx: &Cx, session: &Coderd<'_>, workspace: &Workspace) -> Result<()> {
    let path = format!("/workspaces/{}/builds", workspace.id);
    match session.post(cx, &path, &json!({"transition": "delete"})).await {
        Err(error) if matches!(error.class, Class::NotFound | Class::Exists | Class::Ambiguous) => {
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

fn failed(workspace: &Workspace, now: &Value) -> Error {
    let why = now.pointer("/latest_build/job/error").and_then(Value::as_str).unwrap_or_default();
    let why = if why.is_empty() { "no reason given" } else { why };
    Error::of(Class::Failed, format!("Coder could not delete workspace {workspace}: {why}")).hint(
        "see the build's log in Coder; what its template can't delete, an owner can give up: \
         coder delete --orphan",
    )
}
