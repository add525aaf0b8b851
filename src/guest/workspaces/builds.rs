//! Deleting workspaces through Coder.

use crate::aws::secrets;
use crate::coderd::client::Coderd;
use crate::coderd::{Place, wants_pods};
use crate::kind::{Class, Cx, Error, Result, seconds};
use crate::secret::{Secret, SecretRef};
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

/// The server that knows the workspaces.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Server {
    pub(super) place: Place,
    /// The secret with its owner's token.
    pub(super) token_secret: String,
    /// Whether a token is known to have been made.
    pub(super) has_had_a_token: bool,
}

impl Server {
    /// The stored token; `None` where none was ever made.
    async fn token(&self, cx: &Cx) -> Result<Option<Secret>> {
        let reference = SecretRef::SecretsManager(self.token_secret.clone());
        match secrets::resolve(cx, &reference).await {
            Ok(resolved) => Ok(Some(resolved.value)),
            // It has no value, and nobody has noted one.
            Err(error) if error.class == Class::NotFound && !self.has_had_a_token => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// All workspaces. `None` where it is certain that there is no Coder to ask: no pod of it is
/// wanted, or nobody has ever had a token.
///
/// # Errors
/// When it can't be asked now. That says nothing of what it knows.
pub(super) async fn all(cx: &Cx, server: &Server) -> Result<Option<Vec<Workspace>>> {
    if !wants_pods(cx, &server.place).await? {
        return Ok(None);
    }
    let Some(token) = server.token(cx).await? else { return Ok(None) };
    let answer = Coderd::at(&server.place).with(token).get(cx, "/workspaces").await?;
    match answer["workspaces"].as_array() {
        Some(all) => Ok(Some(all.iter().map(read).collect())),
        None => Err(Error::of(Class::Refused, "Coder's answer has no workspaces")),
    }
}

/// Has Coder delete these, and waits until it has.
pub(super) async fn delete(cx: &Cx, server: &Server, workspaces: &[Workspace]) -> Result<()> {
    if workspaces.is_empty() {
        return Ok(());
    }
    let Some(token) = server.token(cx).await? else {
        return Err(Error::of(Class::NotFound, "the token of Coder's owner is gone"));
    };
    let session = Coderd::at(&server.place).with(token);
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
