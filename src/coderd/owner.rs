//! The first user of a Coder server, who owns it, and the API token that is kept for automation.
//!
//! A server without a first user gives itself to whoever comes first, so this is made before anybody
//! can reach it. The password is in Secrets Manager before the user is made with it: a run that dies
//! after that logs in the next time, and goes on. If the stored password does not open a server that
//! has a first user already, somebody else was first, and nothing is changed.
//! <https://coder.com/docs/reference/api/users#create-initial-user>

mod session;

use super::client::Coderd;
use super::forward::{ready_pod, ready_pod_of};
use super::note::{self, Note};
use super::{Place, Server};
use crate::aws::secrets;
use crate::aws::secretsmanager::secret::current_versions;
use crate::kind::{
    self, Change, Class, CreateIs, Cx, Damaged, Diff, Error, Found, Kind, Listed, Nature, Result,
    Scope, Seen, Status, Typical, Wanted,
};
use crate::kube::object::{Object, Type, field_of};
use crate::kube::places::Wants;
use crate::kube::{Stored, object};
use crate::name::{Address, PhysicalId};
use crate::secret::{Secret, SecretRef};
use crate::value::In;
use futures::future::try_join_all;
use serde::Serialize;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The first user.
#[derive(Clone, Debug, Serialize)]
pub struct Owner {
    /// The server.
    pub server: Server,
    /// The address that the user logs in with; fixed.
    pub email: String,
    /// The user's name.
    pub username: String,
    /// The user's name in full; may be empty.
    pub full_name: String,
    /// Where the password is, before the user is made.
    pub password: Password,
    /// The ARN of the secret in Secrets Manager that the token is put into. Its whole value is the
    /// token.
    pub token_secret: In<String>,
}

/// Where the password is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// In a secret of the deployment, which has made it.
    Stored(Stored),
    /// Where the spec says.
    Reference(SecretRef),
}

impl Password {
    async fn read(&self, cx: &Cx) -> Result<Secret> {
        let (reference, field) = match self {
            Password::Reference(reference) => (reference.clone(), None),
            Password::Stored(object::Stored { secret, field, version: _ }) => {
                (SecretRef::SecretsManager(cx.get(secret)?), field.as_ref())
            }
        };
        let resolved = secrets::resolve(cx, &reference).await?;
        let Some(field) = field else { return Ok(resolved.value) };
        let value = field_of(&resolved.value, field, &reference)?;
        cx.masks.add(&value);
        Ok(value)
    }
}

/// A live first user, as far as it is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The address that the user logs in with.
    pub email: String,
    /// The user's name.
    pub username: String,
    full_name: String,
    /// Coder's id of the user; empty as long as the user is not known to be made.
    pub user: String,
    /// The ARN of the secret with the token.
    pub token_secret: String,
    /// How the token is doing: `valid`, or what is wrong with it.
    pub token: String,
    /// When the token ends, RFC 3339; empty where there is none.
    pub token_ends: String,
    namespace: String,
    deployment: String,
    note: Note,
}

/// What is said of a token that is as it should be.
const VALID: &str = "valid";

impl Live {
    /// Where the server is.
    pub(crate) fn place(&self) -> &Place {
        &self.note.place
    }

    /// Whether a token is known to have been made, however it is doing now.
    pub(crate) fn has_had_a_token(&self) -> bool {
        self.note.get("token_made_at").is_some()
    }

    /// What a note says, with how the token is doing now. The versions of secrets in `known` have
    /// just been looked up.
    async fn of(cx: &Cx, note: Note, known: &BTreeMap<String, String>) -> Result<Live> {
        let text = |key: &str| note.get(key).unwrap_or_default().to_owned();
        Ok(Live {
            email: text("email"),
            username: text("username"),
            full_name: text("full_name"),
            user: text("user"),
            token_secret: text("token_secret"),
            token: session::token_state(cx, &note, known).await?,
            token_ends: text("token_ends"),
            namespace: note.place.namespace.clone(),
            deployment: note.place.deployment.clone(),
            note,
        })
    }
}

fn found(note: &Note, live: Live) -> Found<Owner> {
    Found {
        id: PhysicalId::new(note.id()),
        owner: note.owner.clone(),
        status: Status::Ready,
        parents: note.parents.clone(),
        tags: note.tags.clone(),
        live,
    }
}

/// Whether the server has a first user.
async fn has_first_user(cx: &Cx, place: &Place) -> Result<bool> {
    is_owned(cx, Coderd::at(place)).await
}

async fn is_owned(cx: &Cx, coderd: Coderd<'_>) -> Result<bool> {
    Ok(coderd.look(cx, "/users/first").await?.is_some())
}

/// A pod that is ready of each of `servers` (namespace and Deployment), as far as their Deployments
/// have just been read: who asks them need not look for those again.
async fn ready_pods(
    cx: &Cx,
    servers: &BTreeSet<(&str, &str)>,
    seen: &dyn Seen,
) -> Result<Vec<(Place, Option<String>)>> {
    let deployments = kind::seen::<Object>(seen).into_iter().filter(|(_, _, live)| {
        live.of == Type::Deployment && servers.contains(&(&*live.namespace, &*live.name))
    });
    let pods = deployments.map(|(_, _, live)| async move {
        let place = Place {
            access: live.access().cloned(),
            namespace: live.namespace.clone(),
            deployment: live.name.clone(),
            port: 0,
        };
        let pod = ready_pod_of(cx, &place, live.object()).await?;
        Ok::<_, Error>((place, pod))
    });
    try_join_all(pods).await
}

impl Kind for Owner {
    const NAME: &'static str = "coderd.owner";
    const TITLE: &'static str = "owner of Coder";
    const NATURE: Nature = Nature {
        scope: Scope::Global,
        // After what the server is made of.
        wave: 3,
        taggable: false,
        create_is: CreateIs::Named,
        typical: Typical { create: 3, update: 3, delete: 1 },
        actions: &[
            "secretsmanager:DescribeSecret",
            "secretsmanager:GetSecretValue",
            "secretsmanager:PutSecretValue",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { server, email, username, full_name, password, token_secret } = self;
        // A new value of the password is one for the next first user: Coder keeps its own.
        let _ = password;
        let Server { cluster: _, namespace, deployment, port: _ } = server;
        diff.replaces("namespace", namespace, &live.namespace);
        diff.in_place("deployment", deployment, &live.deployment);
        if *email != live.email {
            diff.note(format!(
                "the first user logs in with {}, which Coder keeps: change it there",
                live.email
            ));
        }
        diff.in_place("username", username, &live.username);
        diff.in_place("full_name", full_name, &live.full_name);
        diff.input("token_secret", token_secret, &live.token_secret);
        // One that is not as it should be counts as missing: nobody has to ask for a new one, while
        // what somebody else has set to something else would be left.
        let is_valid = live.token == VALID;
        diff.in_place("token", &Some(VALID), &is_valid.then_some(VALID));
        if !is_valid {
            diff.note(format!("its token: {}", live.token));
        }
    }

    fn summary(&self) -> String {
        format!("{} ({})", self.username, self.email)
    }

    fn exclusive(&self) -> Option<String> {
        Some(format!("coderd {}/{}", self.server.namespace, self.server.deployment))
    }

    /// Its note says that there is a server to be asked for workspaces. Once those are gone, that
    /// is no longer so: a run that goes on after this one must not ask what has lost its database.
    fn goes_first(_: &Live) -> bool {
        true
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![
            ("email", live.email.clone()),
            ("username", live.username.clone()),
            ("user", live.user.clone()),
            ("token_secret", live.token_secret.clone()),
            ("token", live.token.clone()),
            ("token_ends", live.token_ends.clone()),
        ]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], seen: &dyn Seen) -> Result<Listed<Self>> {
        let wants = Wants::of(wanted.iter().map(|it| it.desired.server.cluster.as_ref()));
        let addresses: Vec<&Address> = wanted.iter().map(|wanted| wanted.address).collect();
        let servers: BTreeSet<(&str, &str)> = wanted
            .iter()
            .map(|it| (&*it.desired.server.namespace, &*it.desired.server.deployment))
            .collect();
        let ((notes, torn), ready) = futures::try_join!(
            note::all(cx, Self::NAME, wants, &addresses, seen),
            ready_pods(cx, &servers, seen)
        )?;
        let known = current_versions(seen);
        let mut listed = Listed::default();
        listed.damaged.extend(torn.into_iter().map(|torn| Damaged {
            id: torn.id,
            why: torn.why,
            mend: None,
        }));
        for note in notes {
            // Where nobody wants the user any more, only the note goes: nothing to ask for.
            let is_wanted = wanted.iter().any(|wanted| *wanted.address == note.owner.address);
            if is_wanted {
                // A server that does not run tells nothing; what was made in it is still in its
                // database.
                let pod = match ready.iter().find(|(place, _)| place.is_same_server(&note.place)) {
                    Some((_, pod)) => pod.clone(),
                    None => ready_pod(cx, &note.place).await?,
                };
                if let Some(pod) = pod
                    && !is_owned(cx, Coderd::at(&note.place).on(pod)).await?
                {
                    continue;
                }
            }
            let live = Live::of(cx, note.clone(), &known).await?;
            listed.ours.push(found(&note, live));
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, before: &Found<Self>) -> Result<Option<Found<Self>>> {
        let Some(note) = note::again(cx, &before.live.note).await? else { return Ok(None) };
        let live = Live::of(cx, note.clone(), &BTreeMap::new()).await?;
        Ok(Some(found(&note, live)))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let place = self.server.place(cx)?;
        let coderd = Coderd::at(&place);
        let password = self.password.read(cx).await?;
        let mut made_by_us = false;
        if !has_first_user(cx, &place).await? {
            // Noted before it is made: a run that dies in between leaves a trace.
            note::write(cx, &place, Self::NAME, self.noted(cx, "")?).await?;
            let body = json!({
                "email": self.email,
                "username": self.username,
                "name": self.full_name,
                "password": password.expose(),
                "trial": false,
            });
            match coderd.post(cx, "/users/first", &body).await {
                Ok(_) => made_by_us = true,
                // Made, and the answer was lost; or somebody else was a moment faster. Logging in
                // tells.
                Err(error) if error.class == Class::Ambiguous => {}
                Err(_) if has_first_user(cx, &place).await? => {}
                Err(error) => return Err(error),
            }
        }
        let session = match self.log_in(cx, &coderd, &password).await {
            Ok(session) => session,
            Err(error) if error.class == Class::Denied && !made_by_us => {
                let Server { namespace, deployment, .. } = &self.server;
                let why = format!(
                    "Coder at {namespace}/{deployment} has a first user, and the stored password \
                     does not open it for {}",
                    self.email
                );
                return Err(Error::of(Class::Exists, why).hint(
                    "if the user is yours, put its password into the secret; if not, somebody was \
                     faster: give the server an empty database",
                ));
            }
            Err(error) => return Err(error),
        };
        let note = self.renew(cx, &place, &session).await?;
        session.post(cx, "/users/logout", &json!({})).await.ok();
        let live = Live::of(cx, note.clone(), &BTreeMap::new()).await?;
        Ok(found(&note, live))
    }

    async fn update(&self, cx: &Cx, before: &Found<Self>, changes: &[Change]) -> Result<()> {
        if before.live.user.is_empty() {
            // Noted by a run that died before it knew of the user.
            self.create(cx).await?;
            return Ok(());
        }
        let place = self.server.place(cx)?;
        let coderd = Coderd::at(&place);
        let session = match self.stored_session(cx, &coderd, &before.live).await? {
            Some(session) => session,
            None => {
                let password = self.password.read(cx).await?;
                self.log_in(cx, &coderd, &password).await?
            }
        };
        let is_due = |field: &str| changes.iter().any(|change| change.field == field);
        if is_due("username") || is_due("full_name") {
            let profile = json!({"username": self.username, "name": self.full_name});
            session.put(cx, "/users/me/profile", &profile).await?;
        }
        let mut data = self.noted(cx, &before.live.user)?;
        if is_due("token") || is_due("token_secret") {
            self.renew(cx, &place, &session).await?;
            return Ok(());
        }
        let kept =
            ["token_secret", "token_version", "token_made_at", "token_ends_at", "token_ends"];
        for key in kept {
            if let Some(text) = before.live.note.get(key) {
                data.insert(key.to_owned(), text.to_owned());
            }
        }
        note::write(cx, &place, Self::NAME, data).await?;
        Ok(())
    }

    async fn delete(cx: &Cx, before: &Found<Self>) -> Result<()> {
        // The user is in the database, and goes with it: Coder has no owner but this one.
        note::forget(cx, &before.live.note).await
    }
}

impl Owner {
    /// What is noted before there is a token.
    pub(super) fn noted(&self, cx: &Cx, user: &str) -> Result<BTreeMap<String, String>> {
        let entry = |key: &str, text: &str| (key.to_owned(), text.to_owned());
        Ok(BTreeMap::from([
            entry("email", &self.email),
            entry("username", &self.username),
            entry("full_name", &self.full_name),
            entry("user", user),
            entry("token_secret", &cx.get(&self.token_secret)?),
        ]))
    }
}
