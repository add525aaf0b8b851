//! Rotating the database's password: what is found, what is staged, what is left for the plan.
//!
//! The only thing that is not a plan's is the first: a fresh value beside the current one. From there
//! on, what is live says what is left to do (the cluster's password, the Secret, the pods), and a
//! plan finds it, whoever makes it: after a crash, `rotate` and `apply` go on alike.

use super::drive::{Caller, Carried, carry_out_after, obstacle};
use super::exit::Exit;
use super::failure::{Failure, Result};
use super::session::{Planned, Session};
use crate::aws::secretsmanager::secret::rotation::{self, Staged};
use crate::aws::secretsmanager::secret::{self, ManagedSecret};
use crate::event::{Sink, Verb};
use crate::kind::Kind;
use crate::name::Address;
use crate::observe::Snapshot;
use crate::pattern::DatabasePassword;
use crate::plan::{Options, Plan};

/// A rotation that is about to be carried out.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// What is rotated.
    pub password: DatabasePassword,
    /// The secret, as it was found.
    pub secret: secret::Live,
    /// What is left of an earlier rotation; empty if none was begun.
    pub left: Plan,
    options: Options,
}

impl Rotation {
    /// Looks at what is live.
    ///
    /// # Errors
    /// When there is no database, when the deployment is not as its spec says in what the rotation
    /// touches or needs, or when somebody else rotates the secret.
    pub async fn prepare(session: &mut Session) -> Result<Rotation> {
        let spec = session.loaded.as_ref().map(|loaded| &loaded.spec);
        let password = spec.and_then(DatabasePassword::of).ok_or_else(|| {
            Failure::new(
                Exit::Refused,
                format!("{} has no database", session.cx.deployment.name),
                "a spec with a section `database` has a password to rotate",
            )
        })?;
        let target = password.readers.as_ref().map_or(&password.cluster, |(_, server)| server);
        let options = Options { target: vec![target.to_string()], ..Options::default() };
        let Planned { snapshot, plan } = session.plan(&options).await;
        if let Some(failure) = obstacle(&plan) {
            return Err(failure);
        }
        check(&password, &plan)?;
        let secret = live(&snapshot, &password)?;
        if let (Some(pending), Some(_)) = (&secret.pending, &secret.version)
            && !rotation::is_ours(pending)
        {
            let error = rotation::others(secret.arn.as_str());
            return Err(Failure::doing("rotating the database's password", error));
        }
        Ok(Rotation { password, secret, left: plan, options })
    }

    /// Whether an earlier rotation is gone on with.
    pub fn goes_on(&self) -> bool {
        !self.left.is_empty()
    }

    /// The version of the secret that the database takes once the run is complete.
    pub fn version(&self, carried: &Carried) -> Option<String> {
        live(&carried.snapshot, &self.password).ok()?.wanted_version()
    }

    /// Carries it out, under the lock of the deployment.
    ///
    /// # Errors
    /// Locked by another, something moved, or the new value can not be stored. What fails in a step
    /// is in the outcome; whoever plans next goes on from there.
    pub async fn carry_out(
        &self,
        session: &mut Session,
        caller: &Caller,
        sink: impl FnOnce(&str, &Plan) -> Sink,
    ) -> Result<Carried> {
        let Rotation { password, secret, options, .. } = self;
        let first = async |session: &mut Session| {
            if self.goes_on() {
                let text = "going on with a rotation that was begun before".to_owned();
                return Ok(Some(text));
            }
            let (arn, known) = (secret.arn.as_str(), secret.version.as_deref());
            let staged = rotation::stage(&session.cx, arn, &password.content, known)
                .await
                .map_err(|error| Failure::doing("storing the new password", error))?;
            Ok(Some(match staged {
                Staged::Fresh(version) => {
                    format!("a new password is in {}, pending, as version {version}", secret.name)
                }
                Staged::Before(version) => format!(
                    "somebody has begun a rotation since: going on with it, version {version}"
                ),
            }))
        };
        let fits = |plan: &Plan| {
            if let Some(failure) = obstacle(plan) {
                return Err(failure);
            }
            if plan.is_empty() && !self.goes_on() {
                let why = "the new password is stored, and the plan does not see it yet";
                let hint = "run the same command again: it goes on with it";
                return Err(Failure::new(Exit::Failed, why, hint));
            }
            check(password, plan)
        };
        carry_out_after(session, "rotate", options, caller, first, fits, sink).await
    }
}

/// The live secret.
fn live(snapshot: &Snapshot, password: &DatabasePassword) -> Result<secret::Live> {
    let found = snapshot.at(ManagedSecret::NAME, &password.secret);
    let found = found.last().and_then(|live| live.found.downcast::<ManagedSecret>().ok());
    found.map(|found| found.live.clone()).ok_or_else(|| not_as_wanted(&password.secret))
}

/// Refuses a plan with anything but what a rotation does.
fn check(password: &DatabasePassword, plan: &Plan) -> Result<()> {
    let (secret, server) = password.readers.clone().unzip();
    let belongs = |address: &Address, field: &str| match address {
        it if *it == password.cluster => field == "master_password",
        it if Some(it) == secret.as_ref() => field.starts_with("data."),
        it if Some(it) == server.as_ref() => field.ends_with(".annotations.checksum/config"),
        _ => false,
    };
    for step in &plan.steps {
        let item = plan.items.iter().find(|item| item.address == step.name.address);
        let changes = item.map(|item| item.changes.as_slice()).unwrap_or_default();
        let is_ours = match step.name.verb {
            Verb::Update => changes.iter().all(|change| belongs(&step.name.address, &change.field)),
            // What an earlier run has left on its way.
            Verb::Settle => true,
            Verb::Create | Verb::Delete => false,
        };
        if !is_ours {
            return Err(not_as_wanted(&step.name.address));
        }
    }
    Ok(())
}

fn not_as_wanted(address: &Address) -> Failure {
    Failure::new(
        Exit::Refused,
        format!("{address} is not as the spec wants it, and a rotation changes nothing else"),
        "apply first: coderctl apply (it also goes on with a rotation that was begun)",
    )
}
