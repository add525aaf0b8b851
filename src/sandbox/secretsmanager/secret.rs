//! Secrets themselves.

use super::model::{Deletion, Secret, asked, asked_mut, not_leaving, of_mut, refused};
use super::value::{content, store_version};
use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("Name");
    let value = content(params)?;
    check_key(cx, params)?;
    let mut tags = BTreeMap::new();
    read_tags(params, &mut tags)?;
    let view = cx.view();
    let known = view.store.secrets(view.scope).secrets.get(name);
    if let Some(known) = known.filter(|secret| secret.takes_name(cx.now)) {
        if known.deletion.is_some() {
            return Err(refused(
                "You can't create this secret because a secret with this name is already scheduled for deletion.",
            ));
        }
        // The same token with the same value is the same call again.
        let token = params.text("ClientRequestToken").unwrap_or_default();
        let again = known.versions.get(token).is_some_and(|v| Some(&v.value) == value.as_ref());
        if again {
            let answer = json!({"ARN": known.arn, "Name": known.name, "VersionId": token});
            return Ok(answer.into());
        }
        let message = format!("The operation failed because the secret {name} already exists.");
        return Err(Failure::new("ResourceExistsException", message));
    }
    let suffix = suffix(cx.store.random());
    let mut secret = Secret {
        name: name.to_owned(),
        arn: format!(
            "arn:{}:secretsmanager:{}:{}:secret:{name}-{suffix}",
            cx.scope.partition(),
            cx.scope.region,
            cx.scope.account
        ),
        description: params.text("Description").map(str::to_owned),
        key: params.text("KmsKeyId").map(str::to_owned),
        created: cx.now,
        changed: cx.now,
        tags,
        versions: BTreeMap::new(),
        deletion: None,
    };
    let mut answer = json!({"ARN": secret.arn, "Name": name});
    if let Some(value) = value {
        let version = store_version(&mut secret, cx.now, params, value, &[])?;
        answer["VersionId"] = version.into();
    }
    of_mut(cx).secrets.insert(name.to_owned(), secret);
    Ok(answer.into())
}

/// Six letters and digits that make the ARNs of secrets with one name differ.
fn suffix(number: u64) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnopqrstuvwxyzABCDEFG";
    (0..6_u32)
        .map(|place| {
            let bits = (number >> (5 * place)) & 31;
            // Five bits are always a place in the list.
            char::from(LETTERS[usize::try_from(bits).unwrap_or(0)])
        })
        .collect()
}

fn check_key(cx: &Cx<'_>, params: &Params) -> Result<(), Failure> {
    match params.text("KmsKeyId") {
        Some(key) if key != "alias/aws/secretsmanager" => {
            if cx.store.kms(cx.scope).is_enabled(key, cx.now) {
                Ok(())
            } else {
                let message = "Secrets Manager can't encrypt with the specified KMS key.";
                Err(Failure::new("EncryptionFailure", message))
            }
        }
        _ => Ok(()),
    }
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    Ok(asked(view, params)?.description("VersionIdsToStages").into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let deleted_too = params.flag("IncludePlannedDeletion").unwrap_or(false);
    let found = view.store.secrets(view.scope).secrets.values().filter(|secret| {
        secret.is_alive(view.now)
            && (deleted_too || secret.deletion.is_none())
            && params.list("Filters").iter().all(|filter| keeps(filter, secret))
    });
    let items = found
        .map(|secret| (secret.name.clone(), secret.description("SecretVersionsToStages")))
        .collect::<Vec<_>>();
    let asked = params.number("MaxResults").and_then(|size| usize::try_from(size).ok());
    let size = asked.unwrap_or_else(|| view.knobs.page_size.min(100));
    let Page { items, next } = page::cut(items, params.text("NextToken"), size).map_err(|_| {
        Failure::new("InvalidNextTokenException", "The NextToken value is invalid.")
    })?;
    let mut answer = json!({"SecretList": items});
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer.into())
}

/// Values match as prefixes; one that begins with `!` must not match.
fn keeps(filter: &Value, secret: &Secret) -> bool {
    let any = |texts: &[&str]| {
        filter["Values"].as_array().into_iter().flatten().any(|value| {
            let value = value.as_str().unwrap_or_default();
            match value.strip_prefix('!') {
                Some(not) => !texts.iter().any(|text| text.starts_with(not)),
                None => texts.iter().any(|text| text.starts_with(value)),
            }
        })
    };
    let keys: Vec<&str> = secret.tags.keys().map(String::as_str).collect();
    let values: Vec<&str> = secret.tags.values().map(String::as_str).collect();
    let description = secret.description.as_deref().unwrap_or_default();
    match filter["Key"].as_str().unwrap_or_default() {
        "name" => any(&[&secret.name]),
        "description" => any(&[description]),
        "tag-key" => any(&keys),
        "tag-value" => any(&values),
        "all" => any(&[&[secret.name.as_str(), description], &keys[..], &values[..]].concat()),
        // No secret of the sandbox is replicated or owned by a service.
        _ => false,
    }
}

pub(super) fn update(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let value = content(params)?;
    check_key(cx, params)?;
    let now = cx.now;
    let secret = asked_mut(cx, params)?;
    not_leaving(secret)?;
    if let Some(description) = params.text("Description") {
        secret.description = Some(description.to_owned());
    }
    if let Some(key) = params.text("KmsKeyId") {
        secret.key = Some(key.to_owned());
    }
    secret.changed = now;
    let mut answer = json!({"ARN": secret.arn, "Name": secret.name});
    if let Some(value) = value {
        answer["VersionId"] = store_version(secret, now, params, value, &[])?.into();
    }
    Ok(answer.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let forced = params.flag("ForceDeleteWithoutRecovery").unwrap_or(false);
    let days = params.number("RecoveryWindowInDays");
    if forced && days.is_some() {
        return Err(Failure::new(
            "InvalidParameterException",
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        ));
    }
    let days = days.unwrap_or(30);
    if !(7..=30).contains(&days) {
        return Err(Failure::new(
            "InvalidParameterException",
            "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).",
        ));
    }
    let secret = asked_mut(cx, params)?;
    if !forced {
        not_leaving(secret)?;
    }
    let window = (!forced).then(|| u64::try_from(days).unwrap_or(30));
    let deletion = Deletion::new(now, window);
    secret.deletion = Some(deletion);
    let answer = json!({
        "ARN": secret.arn,
        "Name": secret.name,
        "DeletionDate": deletion.gone.seconds(),
    });
    Ok(answer.into())
}

pub(super) fn restore(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let secret = asked_mut(cx, params)?;
    secret.deletion = None;
    Ok(json!({"ARN": secret.arn, "Name": secret.name}).into())
}

fn read_tags(params: &Params, tags: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    for tag in params.list("Tags") {
        let text = |member: &str| tag[member].as_str().unwrap_or_default().to_owned();
        let key = text("Key");
        if key.is_empty() || key.starts_with("aws:") {
            let message = format!("The tag key {key:?} is not valid.");
            return Err(Failure::new("InvalidParameterException", message));
        }
        tags.insert(key, text("Value"));
    }
    if tags.len() > 50 {
        let message = "A secret can have no more than 50 tags.";
        return Err(Failure::new("InvalidParameterException", message));
    }
    Ok(())
}

pub(super) fn tag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let secret = asked_mut(cx, params)?;
    not_leaving(secret)?;
    read_tags(params, &mut secret.tags)?;
    Ok(json!({}).into())
}

pub(super) fn untag(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let secret = asked_mut(cx, params)?;
    not_leaving(secret)?;
    for key in params.texts("TagKeys") {
        secret.tags.remove(key);
    }
    Ok(json!({}).into())
}
