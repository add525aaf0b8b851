//! Workspaces, as coderd keeps them, and their builds.
//! <https://coder.com/docs/reference/api/workspaces>

use super::answer::{Reply, not_found, say};
use super::model::{Database, Databases, User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How long Terraform takes before it changes anything, in milliseconds.
const INIT: u64 = 12_000;

/// A workspace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Workspace {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner_id: String,
    pub(crate) owner: String,
    /// Where its template puts it.
    pub(crate) namespace: String,
    /// What the latest build does: `start`, `stop` or `delete`.
    pub(crate) transition: String,
    pub(crate) build: String,
    /// `running`, `succeeded` or `failed`.
    pub(crate) job: String,
    /// When the latest build begins to change anything, in milliseconds since 1970.
    pub(crate) until: u64,
    pub(crate) deleted: bool,
    /// Whether no build can delete it.
    pub(crate) is_stuck: bool,
}

impl Workspace {
    pub(crate) fn succeeded(&mut self) {
        self.job = "succeeded".to_owned();
        self.deleted = self.transition == "delete";
    }

    pub(crate) fn failed(&mut self) {
        self.job = "failed".to_owned();
    }

    /// Whether its latest build runs.
    pub(crate) fn is_building(&self) -> bool {
        self.job == "running"
    }

    fn status(&self) -> &'static str {
        match (self.job.as_str(), self.transition.as_str()) {
            ("failed", _) => "failed",
            ("running", "start") => "starting",
            ("running", "stop") => "stopping",
            ("running", _) => "deleting",
            (_, "start") => "running",
            (_, "stop") => "stopped",
            _ => "deleted",
        }
    }

    fn shown(&self) -> Value {
        json!({
            "id": self.id, "name": self.name,
            "owner_id": self.owner_id, "owner_name": self.owner,
            "latest_build": self.shown_build(),
        })
    }

    fn shown_build(&self) -> Value {
        let error = if self.job == "failed" { "terraform destroy: exit status 1" } else { "" };
        json!({
            "id": self.build, "workspace_id": self.id, "workspace_name": self.name,
            "transition": self.transition, "status": self.status(),
            "job": {"id": self.build, "status": self.job, "error": error},
        })
    }
}

impl Databases {
    /// The workspaces of one database, named as [`super::database_of`] does, whose build runs.
    pub(crate) fn building(&self, name: &str) -> Vec<Workspace> {
        let all = self.0.get(name).into_iter().flat_map(|database| &database.workspaces);
        all.filter(|workspace| workspace.is_building()).cloned().collect()
    }

    /// Takes over what became of these.
    pub(crate) fn built(&mut self, name: &str, workspaces: Vec<Workspace>) {
        let Some(database) = self.0.get_mut(name) else { return };
        for workspace in workspaces {
            if let Some(old) = database.workspaces.iter_mut().find(|old| old.id == workspace.id) {
                *old = workspace;
            }
        }
    }

    /// Lets a user start a workspace, as in the dashboard; the user is made if there is none of
    /// that name. False where the database has no users yet.
    pub(crate) fn start(
        &mut self,
        salt: &str,
        (owner, name): (&str, &str),
        namespace: &str,
        at: u64,
    ) -> bool {
        let Some(database) = self.0.get_mut(salt).filter(|it| !it.users.is_empty()) else {
            return false;
        };
        let known = database.users.iter().find(|user| user.username == owner);
        let owner_id = known.map(|user| user.id.clone()).unwrap_or_else(|| {
            let id = database.uuid(salt);
            database.users.push(User {
                id: id.clone(),
                email: format!("{owner}@example.com"),
                username: owner.to_owned(),
                name: owner.to_owned(),
                password_digest: String::new(),
                created_at: at,
            });
            id
        });
        let (id, build) = (database.uuid(salt), database.uuid(salt));
        database.workspaces.push(Workspace {
            id,
            name: name.to_owned(),
            owner_id,
            owner: owner.to_owned(),
            namespace: namespace.to_owned(),
            transition: "start".to_owned(),
            build,
            job: "running".to_owned(),
            until: at,
            ..Workspace::default()
        });
        true
    }

    /// From now on no build can delete the workspaces of this name in a database, or every one can.
    pub(crate) fn stick(&mut self, database: &str, name: &str, is_stuck: bool) {
        let all = self.0.get_mut(database).into_iter().flat_map(|it| &mut it.workspaces);
        for workspace in all.filter(|workspace| workspace.name == name) {
            workspace.is_stuck = is_stuck;
        }
    }
}

impl Database {
    /// Every workspace that is not deleted.
    pub(super) fn shown_workspaces(&self) -> Reply {
        let live = self.workspaces.iter().filter(|workspace| !workspace.deleted);
        let all: Vec<Value> = live.map(Workspace::shown).collect();
        (200, json!({"count": all.len(), "workspaces": all}))
    }

    /// One; what was deleted is `Gone`.
    pub(super) fn shown_workspace(&self, id: &str) -> Reply {
        match self.workspaces.iter().find(|workspace| workspace.id == id) {
            None => not_found(),
            Some(workspace) if workspace.deleted => say(
                410,
                &format!(
                    "Workspace {id:?} was deleted, you can view this workspace by specifying '?deleted=true' and trying again."
                ),
                "",
            ),
            Some(workspace) => (200, workspace.shown()),
        }
    }

    /// Begins a build.
    pub(super) fn build(&mut self, id: &str, body: &Value, at: u64, salt: &str) -> Reply {
        let build = self.uuid(salt);
        let found = self.workspaces.iter_mut().find(|it| it.id == id && !it.deleted);
        let Some(workspace) = found else { return not_found() };
        let transition = body["transition"].as_str().unwrap_or_default();
        if !["start", "stop", "delete"].contains(&transition) {
            return say(400, "Validation failed.", "transition");
        }
        if workspace.job == "running" {
            return say(409, "A workspace build is already active.", "");
        }
        workspace.transition = transition.to_owned();
        workspace.job = "running".to_owned();
        workspace.build = build;
        workspace.until = at.saturating_add(INIT);
        (201, workspace.shown_build())
    }
}
