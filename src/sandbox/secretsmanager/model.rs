//! What Secrets Manager keeps.

use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// How long the name of a secret stays taken that was deleted without recovery.
const FORCED_DELETION: Duration = Duration::from_secs(5);

/// One region's secrets, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secrets {
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, Secret>,
}

/// A secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) description: Option<String>,
    pub(super) key: Option<String>,
    pub(super) created: Millis,
    pub(super) changed: Millis,
    pub(super) tags: BTreeMap<String, String>,
    /// By version id.
    pub(super) versions: BTreeMap<String, Version>,
    pub(super) deletion: Option<Deletion>,
}

/// A deletion that was asked for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deletion {
    pub(super) asked: Millis,
    /// When the secret is gone.
    pub(super) gone: Millis,
    /// Without recovery it is invisible at once.
    pub(super) forced: bool,
}

/// One version of a value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    pub(super) created: Millis,
    pub(super) value: Content,
    pub(super) stages: BTreeSet<String>,
}

/// What a secret holds; it never prints.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content {
    /// `SecretString`.
    Text(String),
    /// `SecretBinary`, in base64.
    Binary(String),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// The stage of the version that readers get.
pub(super) const CURRENT: &str = "AWSCURRENT";
/// The stage of the version before it.
pub(super) const PREVIOUS: &str = "AWSPREVIOUS";

impl Secret {
    /// Whether it still exists for readers.
    pub(super) fn is_alive(&self, now: Millis) -> bool {
        self.deletion.is_none_or(|deletion| !deletion.forced && now < deletion.gone)
    }

    /// Whether its name is still taken.
    pub(super) fn takes_name(&self, now: Millis) -> bool {
        self.deletion.is_none_or(|deletion| now < deletion.gone)
    }

    /// Version ids and their stages.
    pub(super) fn stages(&self) -> Value {
        let staged = self.versions.iter().filter(|(_, version)| !version.stages.is_empty());
        let members: Map<String, Value> =
            staged.map(|(id, version)| (id.clone(), json!(version.stages))).collect();
        Value::Object(members)
    }

    /// The id of the version that has `stage`.
    pub(super) fn staged(&self, stage: &str) -> Option<&str> {
        let found = self.versions.iter().find(|(_, version)| version.stages.contains(stage));
        found.map(|(id, _)| id.as_str())
    }

    /// What `DescribeSecret` says, and `ListSecrets` under another name for the stages.
    pub(super) fn description(&self, stages_as: &str) -> Value {
        let tags: Vec<Value> =
            self.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let mut description = json!({
            "ARN": self.arn,
            "Name": self.name,
            "CreatedDate": self.created.seconds(),
            "LastChangedDate": self.changed.seconds(),
            "Tags": tags,
        });
        let optional = [("Description", &self.description), ("KmsKeyId", &self.key)];
        for (member, value) in optional {
            if let Some(value) = value {
                description[member] = value.clone().into();
            }
        }
        if !self.versions.is_empty() {
            description[stages_as] = self.stages();
        }
        if let Some(deletion) = self.deletion {
            description["DeletedDate"] = deletion.asked.seconds().into();
        }
        description
    }
}

impl Deletion {
    /// A deletion with so many days to think again, or none.
    pub(super) fn new(now: Millis, days: Option<u64>) -> Self {
        let wait = days.map_or(FORCED_DELETION, |days| Duration::from_secs(days * 86_400));
        Deletion { asked: now, gone: now.plus(wait), forced: days.is_none() }
    }
}

impl Secrets {
    /// Finds a secret by name, ARN, or ARN without the six characters at its end.
    fn name_of(&self, id: &str, now: Millis) -> Option<&str> {
        let found = self.secrets.values().find(|secret| {
            let end = secret.arn.len().saturating_sub(7);
            let bare = secret.arn.get(..end);
            secret.name == id || secret.arn == id || bare == Some(id)
        });
        found.filter(|secret| secret.is_alive(now)).map(|secret| secret.name.as_str())
    }
}

fn missing() -> Failure {
    let message = "Secrets Manager can't find the specified secret.";
    Failure::new("ResourceNotFoundException", message)
}

/// The secret that `SecretId` names.
pub(super) fn asked<'a>(view: &View<'a>, params: &Params) -> Result<&'a Secret, Failure> {
    let secrets = view.store.secrets(view.scope);
    let name = secrets.name_of(params.required("SecretId"), view.now).ok_or_else(missing)?;
    secrets.secrets.get(name).ok_or_else(missing)
}

/// The same, to change it.
pub(super) fn asked_mut<'a>(
    cx: &'a mut Cx<'_>,
    params: &Params,
) -> Result<&'a mut Secret, Failure> {
    let name = asked(&cx.view(), params)?.name.clone();
    of_mut(cx).secrets.get_mut(&name).ok_or_else(missing)
}

/// The region's secrets, to change them.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Secrets {
    &mut cx.store.regional_mut(cx.scope).secrets
}

/// 400: not in this state, or not so.
pub(super) fn refused(message: impl Into<String>) -> Failure {
    Failure::new("InvalidRequestException", message)
}

/// Refuses what can't be done to a secret that is marked for deletion.
pub(super) fn not_leaving(secret: &Secret) -> Result<(), Failure> {
    match secret.deletion {
        Some(_) => Err(refused(
            "You can't perform this operation on the secret because it was marked for deletion.",
        )),
        None => Ok(()),
    }
}
