//! What KMS keeps.

use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::policy;
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::{Millis, Scope};
use crate::sandbox::wire::params::Params;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One region's KMS.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kms {
    /// By id.
    #[serde(default)]
    pub(super) keys: BTreeMap<String, Key>,
    /// By name, `alias/` included.
    #[serde(default)]
    pub(super) aliases: BTreeMap<String, Alias>,
}

/// A key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Key {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) account: String,
    pub(super) created: Millis,
    pub(super) description: String,
    pub(super) spec: String,
    pub(super) usage: String,
    pub(super) multi_region: bool,
    pub(super) enabled: bool,
    pub(super) policy: String,
    pub(super) rotation: Option<Rotation>,
    pub(super) tags: BTreeMap<String, String>,
    /// When it will be gone.
    pub(super) deletion: Option<Millis>,
}

/// Yearly or other rotation.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    pub(super) days: u64,
    pub(super) since: Millis,
}

/// A name of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Alias {
    pub(super) target: String,
    pub(super) created: Millis,
    pub(super) updated: Millis,
}

impl Key {
    /// Whether it still exists.
    pub(super) fn is_alive(&self, now: Millis) -> bool {
        self.deletion.is_none_or(|gone| now < gone)
    }

    /// `Enabled`, `Disabled` or `PendingDeletion`.
    pub(super) fn state(&self) -> &'static str {
        match (self.deletion, self.enabled) {
            (Some(_), _) => "PendingDeletion",
            (None, true) => "Enabled",
            (None, false) => "Disabled",
        }
    }

    /// What `DescribeKey` says about it.
    pub(super) fn metadata(&self) -> Value {
        let mut metadata = json!({
            "AWSAccountId": self.account,
            "KeyId": self.id,
            "Arn": self.arn,
            "CreationDate": self.created.seconds(),
            "Enabled": self.state() == "Enabled",
            "Description": self.description,
            "KeyUsage": self.usage,
            "KeyState": self.state(),
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "CustomerMasterKeySpec": self.spec,
            "KeySpec": self.spec,
            "MultiRegion": self.multi_region,
        });
        if self.spec == "SYMMETRIC_DEFAULT" {
            metadata["EncryptionAlgorithms"] = json!(["SYMMETRIC_DEFAULT"]);
        }
        if let Some(gone) = self.deletion {
            metadata["DeletionDate"] = gone.seconds().into();
        }
        metadata
    }

    /// Refuses what can't be done to a key that is on its way out.
    pub(super) fn not_leaving(&self) -> Result<(), Failure> {
        match self.deletion {
            Some(_) => Err(invalid_state(&format!("{} is pending deletion.", self.arn))),
            None => Ok(()),
        }
    }
}

impl Kms {
    /// Whether `service` may use the key `arn` now: the key is enabled and its policy lets the
    /// service encrypt with it. Conditions of the policy are not weighed.
    pub(crate) fn is_usable_by(&self, arn: &str, service: &str, now: Millis) -> bool {
        let key = self.keys.values().find(|key| key.arn == arn || key.id == arn);
        key.filter(|key| key.is_alive(now) && key.state() == "Enabled").is_some_and(|key| {
            let document: Value = serde_json::from_str(&key.policy).unwrap_or(Value::Null);
            policy::allows(&document, "Service", &[service], "kms:Encrypt")
                || policy::allows(&document, "Service", &[service], "kms:GenerateDataKey")
        })
    }

    /// Whether the key `arn` can be used by calls of its own account now.
    pub(crate) fn is_enabled(&self, arn: &str, now: Millis) -> bool {
        self.enabled(arn, now).is_some()
    }

    /// The ARN of the key that `arn` (an ARN, an id or an alias) names, if it can be used by
    /// calls of its own account now.
    pub(crate) fn enabled(&self, arn: &str, now: Millis) -> Option<&str> {
        let id = match arn.split_once(":alias/") {
            Some((_, name)) => {
                self.aliases.get(&format!("alias/{name}")).map(|a| a.target.as_str())
            }
            None if arn.starts_with("alias/") => self.aliases.get(arn).map(|a| a.target.as_str()),
            None => Some(arn.rsplit('/').next().unwrap_or(arn)),
        };
        id.and_then(|id| self.keys.get(id))
            .filter(|key| key.is_alive(now) && key.state() == "Enabled")
            .map(|key| key.arn.as_str())
    }

    /// Finds a key by id or ARN, and where `aliases` says so by alias name or ARN.
    pub(super) fn key(
        &self,
        scope: &Scope,
        text: &str,
        aliases: bool,
        now: Millis,
    ) -> Result<&Key, Failure> {
        let own = format!("arn:{}:kms:{}:{}:", scope.partition(), scope.region, scope.account);
        let local = text.strip_prefix(&own).unwrap_or(text);
        let missing = |what: String| Failure::new("NotFoundException", what);
        let id = if local.starts_with("alias/") {
            if !aliases {
                return Err(missing(format!("Invalid keyId '{text}'")));
            }
            let alias = self.aliases.get(local);
            let alias =
                alias.ok_or_else(|| missing(format!("Alias {own}{local} is not found.")))?;
            alias.target.as_str()
        } else {
            local.strip_prefix("key/").unwrap_or(local)
        };
        let found = self.keys.get(id).filter(|key| key.is_alive(now));
        found.ok_or_else(|| missing(format!("Key '{own}key/{id}' does not exist")))
    }
}

/// 400: the key is not in a state for that.
pub(super) fn invalid_state(message: &str) -> Failure {
    Failure::new("KMSInvalidStateException", message)
}

/// The region's KMS, as a read sees it.
pub(super) fn of<'a>(view: &View<'a>) -> &'a Kms {
    view.store.kms(view.scope)
}

/// The region's KMS, to change it.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Kms {
    &mut cx.store.regional_mut(cx.scope).kms
}

/// The key that the request's `KeyId` names.
pub(super) fn asked<'a>(
    view: &View<'a>,
    params: &Params,
    aliases: bool,
) -> Result<&'a Key, Failure> {
    of(view).key(view.scope, params.required("KeyId"), aliases, view.now)
}

/// The same by id or ARN, to change it.
pub(super) fn asked_mut<'a>(cx: &'a mut Cx<'_>, params: &Params) -> Result<&'a mut Key, Failure> {
    let id = asked(&cx.view(), params, false)?.id.clone();
    let missing = || Failure::new("NotFoundException", format!("Key '{id}' does not exist"));
    of_mut(cx).keys.get_mut(&id).ok_or_else(missing)
}

/// A page by the request's `Marker` and `Limit`, as members of the answer.
pub(super) fn paged(
    view: &View<'_>,
    params: &Params,
    set: &str,
    most: usize,
    items: Vec<(String, Value)>,
) -> Result<Value, Failure> {
    let asked = params.number("Limit").and_then(|size| usize::try_from(size).ok());
    let size = asked.unwrap_or_else(|| view.knobs.page_size.min(most));
    let Page { items, next } = page::cut(items, params.text("Marker"), size)
        .map_err(|_| Failure::new("InvalidMarkerException", "Invalid marker."))?;
    let mut answer = json!({"Truncated": next.is_some()});
    answer[set] = Value::Array(items);
    if let Some(next) = next {
        answer["NextMarker"] = next.into();
    }
    Ok(answer)
}
