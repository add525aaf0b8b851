//! A licence of a Coder server.
//!
//! Which licences a server has, only an owner may ask. So a note remembers which one was uploaded,
//! and where its text came from, in which version. Whether one that is there already is the same is
//! told by its claims: the text itself is never given back.
//! <https://coder.com/docs/reference/api/enterprise#get-licenses>

use super::client::Coderd;
use super::forward::ready_pod;
use super::note::{self, Note};
use super::{Place, Server};
use crate::aws::secrets;
use crate::kind::{
    Change, Class, CreateIs, Cx, Damaged, Diff, Error, Found, Kind, Listed, Nature, Result, Scope,
    Seen, Status, Typical, Wanted,
};
use crate::kube::places::Wants;
use crate::name::{Address, PhysicalId};
use crate::secret::{Secret, SecretRef};
use crate::value::{In, Known};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A licence.
#[derive(Clone, Debug, Serialize)]
pub struct License {
    /// The server.
    pub server: Server,
    /// The ARN of the secret with an owner's token: [`super::owner::Owner::token_secret`], ready.
    pub token_secret: In<String>,
    /// Where the licence's text is: a JWT.
    pub jwt: SecretRef,
}

/// A live licence, as far as it is remembered.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Coder's number of it; empty as long as it is not known to be uploaded.
    pub id: String,
    /// Its uuid.
    pub uuid: String,
    /// When it ends, in seconds since 1970, as its claims say; empty where they do not.
    pub ends: String,
    /// Where its text came from.
    source: String,
    /// The current versions of references.
    versions: BTreeMap<String, Option<String>>,
    namespace: String,
    deployment: String,
    token_secret: String,
    note: Note,
}

impl Live {
    async fn of(cx: &Cx, note: Note, references: &[&SecretRef]) -> Result<Live> {
        let mut versions = BTreeMap::new();
        for reference in references {
            versions.insert(reference.to_string(), secrets::version(cx, reference).await?);
        }
        let text = |key: &str| note.get(key).unwrap_or_default().to_owned();
        Ok(Live {
            id: text("id"),
            uuid: text("uuid"),
            ends: text("ends"),
            source: text("source"),
            versions,
            namespace: note.place.namespace.clone(),
            deployment: note.place.deployment.clone(),
            token_secret: text("token_secret"),
            note,
        })
    }
}

/// How a source shows in a plan.
fn shown(reference: &SecretRef, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{reference}, version {version}"),
        None => format!("{reference} (unversioned)"),
    }
}

fn found(note: &Note, live: Live) -> Found<License> {
    Found {
        id: PhysicalId::new(note.id()),
        owner: note.owner.clone(),
        status: Status::Ready,
        parents: note.parents.clone(),
        tags: note.tags.clone(),
        live,
    }
}

impl Kind for License {
    const NAME: &'static str = "coderd.license";
    const TITLE: &'static str = "licence of Coder";
    const NATURE: Nature = Nature {
        scope: Scope::Global,
        wave: 3,
        taggable: false,
        create_is: CreateIs::Named,
        typical: Typical { create: 2, update: 2, delete: 1 },
        actions: &["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { server, token_secret, jwt } = self;
        let Server { cluster: _, namespace, deployment, port: _ } = server;
        diff.replaces("namespace", namespace, &live.namespace);
        diff.in_place("deployment", deployment, &live.deployment);
        diff.input("token_secret", token_secret, &live.token_secret);
        let source = match live.versions.get(&jwt.to_string()) {
            Some(version) => Known::Yes(shown(jwt, version.as_deref())),
            None => Known::AfterApply,
        };
        let want = BTreeMap::from([("source".to_owned(), source)]);
        let have = BTreeMap::from([("source".to_owned(), live.source.clone())]);
        diff.exclusive("license", &want, &have);
    }

    fn summary(&self) -> String {
        self.jwt.to_string()
    }

    fn exclusive(&self) -> Option<String> {
        Some(format!("coderd {}/{}", self.server.namespace, self.server.deployment))
    }

    /// Only a server with its database deletes it, asked by the owner, whose token is in a secret:
    /// none of these may go, or be on its way out, before.
    fn goes_first(_: &Live) -> bool {
        true
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![
            ("id", live.id.clone()),
            ("uuid", live.uuid.clone()),
            ("ends", live.ends.clone()),
            ("source", live.source.clone()),
        ]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], seen: &dyn Seen) -> Result<Listed<Self>> {
        let wants = Wants::of(wanted.iter().map(|it| it.desired.server.cluster.as_ref()));
        let addresses: Vec<&Address> = wanted.iter().map(|wanted| wanted.address).collect();
        let (notes, torn) = note::all(cx, Self::NAME, wants, &addresses, seen).await?;
        let mut listed = Listed::default();
        listed.damaged.extend(torn.into_iter().map(|torn| Damaged {
            id: torn.id,
            why: torn.why,
            mend: None,
        }));
        for note in notes {
            let wanted = wanted.iter().find(|wanted| *wanted.address == note.owner.address);
            let reference: Vec<&SecretRef> = wanted.iter().map(|it| &it.desired.jwt).collect();
            let live = Live::of(cx, note.clone(), &reference).await?;
            listed.ours.push(found(&note, live));
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, before: &Found<Self>) -> Result<Option<Found<Self>>> {
        let Some(note) = note::again(cx, &before.live.note).await? else { return Ok(None) };
        let mut live = Live::of(cx, note.clone(), &[]).await?;
        for reference in before.live.versions.keys() {
            let version = match note.get("secret") {
                Some(id) if shown_id(id) == *reference => {
                    secrets::version(cx, &SecretRef::SecretsManager(id.to_owned())).await?
                }
                _ => before.live.versions.get(reference).cloned().flatten(),
            };
            live.versions.insert(reference.clone(), version);
        }
        Ok(Some(found(&note, live)))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let place = self.server.place(cx)?;
        let note = self.upload(cx, &place).await?;
        let live = Live::of(cx, note.clone(), &[&self.jwt]).await?;
        Ok(found(&note, live))
    }

    async fn update(&self, cx: &Cx, before: &Found<Self>, _: &[Change]) -> Result<()> {
        let place = self.server.place(cx)?;
        let note = self.upload(cx, &place).await?;
        let old = before.live.id.as_str();
        if !old.is_empty() && note.get("id") != Some(old) {
            let session = session(cx, &place, &cx.get(&self.token_secret)?).await?;
            session.delete(cx, &format!("/licenses/{old}")).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, before: &Found<Self>) -> Result<()> {
        let Live { note, id, token_secret, .. } = &before.live;
        // A server that does not run any more takes its licences with it.
        if !id.is_empty() && ready_pod(cx, &note.place).await?.is_some() {
            match session(cx, &note.place, token_secret).await {
                Ok(session) => {
                    let deleted = session.delete(cx, &format!("/licenses/{id}")).await;
                    deleted.map_err(|error| silent(error, &note.place))?;
                }
                // Somebody has taken the token's secret away. Nobody but an owner can delete the
                // licence then; where the deployment goes, it goes with the database.
                Err(error) if matches!(error.class, Class::NotFound | Class::Refused) => {
                    tracing::warn!(%error, license = %id, "a licence stays in Coder's database");
                }
                Err(error) => return Err(error),
            }
        }
        note::forget(cx, note).await
    }
}

/// With what to do about a server that does not answer although it runs.
fn silent(error: Error, place: &Place) -> Error {
    if error.class != Class::Unavailable {
        return error;
    }
    let Place { namespace, deployment, .. } = place;
    error.hint(format!(
        "a server that does not run is not asked: kubectl -n {namespace} scale deployment \
         {deployment} --replicas=0, and run this again"
    ))
}

fn shown_id(id: &str) -> String {
    SecretRef::SecretsManager(id.to_owned()).to_string()
}

async fn session<'a>(cx: &Cx, place: &'a Place, token_secret: &str) -> Result<Coderd<'a>> {
    let token = secrets::resolve(cx, &SecretRef::SecretsManager(token_secret.to_owned())).await?;
    Ok(Coderd::at(place).with(token.value))
}

impl License {
    /// Uploads the licence unless it is there, and notes it.
    async fn upload(&self, cx: &Cx, place: &Place) -> Result<Note> {
        let token_secret = cx.get(&self.token_secret)?;
        let session = session(cx, place, &token_secret).await?;
        let jwt = secrets::resolve(cx, &self.jwt).await?;
        let claims = claims(&jwt.value).ok_or_else(|| {
            Error::of(Class::Refused, format!("the value of {} is no licence", self.jwt))
                .hint("a licence is a JWT: three parts with dots between them, on one line")
        })?;
        let license = match there(cx, &session, &claims).await? {
            Some(license) => license,
            None => {
                let body = json!({"license": jwt.value.expose().trim()});
                match session.post(cx, "/licenses", &body).await {
                    Err(error) if error.class == Class::Ambiguous => {
                        there(cx, &session, &claims).await?.ok_or(error)?
                    }
                    license => license?,
                }
            }
        };
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let mut data = BTreeMap::from([
            ("id".to_owned(), text(&license["id"])),
            ("uuid".to_owned(), text(&license["uuid"])),
            ("ends".to_owned(), text(&claims["license_expires"])),
            ("source".to_owned(), shown(&self.jwt, jwt.version.as_deref())),
            ("token_secret".to_owned(), token_secret),
        ]);
        if let SecretRef::SecretsManager(id) = &self.jwt {
            data.insert("secret".to_owned(), id.clone());
        }
        note::write(cx, place, Self::NAME, data).await
    }
}

/// A licence of the server with these claims.
async fn there(cx: &Cx, session: &Coderd<'_>, claims: &Value) -> Result<Option<Value>> {
    let licenses = session.get(cx, "/licenses").await?;
    let mut licenses = licenses.as_array().cloned().unwrap_or_default().into_iter();
    // Coder adds to what it gives back; what the text says, it keeps.
    let same = |license: &Value| {
        let theirs = &license["claims"];
        claims.as_object().is_some_and(|ours| {
            !ours.is_empty() && ours.iter().all(|(name, value)| theirs[name] == *value)
        })
    };
    Ok(licenses.find(same))
}

/// What a JWT says; `None` when it is none. Whether it is genuine, Coder checks.
fn claims(jwt: &Secret) -> Option<Value> {
    let mut parts = jwt.expose().trim().split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&payload).ok().filter(Value::is_object)
}
