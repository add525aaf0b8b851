//! Keys themselves.

use super::model::{Key, Rotation, asked, asked_mut, of, of_mut, paged};
use super::policy::{check_policy, default_policy};
use super::tags::read_tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let policy = match params.text("Policy") {
        Some(text) => {
            check_policy(cx, text, params.flag("BypassPolicyLockoutSafetyCheck") == Some(true))?;
            text.to_owned()
        }
        None => default_policy(cx.scope),
    };
    if params.text("Origin").is_some_and(|origin| origin != "AWS_KMS") {
        let message = "the sandbox models keys of origin AWS_KMS only";
        return Err(Failure::new("UnsupportedOperationException", message));
    }
    let mut tags = BTreeMap::new();
    read_tags(params, &mut tags)?;
    let (high, low) = (cx.store.random(), cx.store.random());
    let multi_region = params.flag("MultiRegion").unwrap_or(false);
    let id = if multi_region {
        format!("mrk-{high:016x}{low:016x}")
    } else {
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    };
    let spec = params.text("KeySpec").or_else(|| params.text("CustomerMasterKeySpec"));
    let key = Key {
        arn: format!(
            "arn:{}:kms:{}:{}:key/{id}",
            cx.scope.partition(),
            cx.scope.region,
            cx.scope.account
        ),
        id: id.clone(),
        account: cx.scope.account.clone(),
        created: cx.now,
        description: params.text("Description").unwrap_or_default().to_owned(),
        spec: spec.unwrap_or("SYMMETRIC_DEFAULT").to_owned(),
        usage: params.text("KeyUsage").unwrap_or("ENCRYPT_DECRYPT").to_owned(),
        multi_region,
        enabled: true,
        policy,
        rotation: None,
        tags,
        deletion: None,
    };
    let answer = json!({"KeyMetadata": key.metadata()});
    of_mut(cx).keys.insert(id, key);
    Ok(answer.into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    Ok(json!({"KeyMetadata": asked(view, params, true)?.metadata()}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let alive = of(view).keys.values().filter(|key| key.is_alive(view.now));
    let items: Vec<(String, Value)> =
        alive.map(|key| (key.id.clone(), json!({"KeyId": key.id, "KeyArn": key.arn}))).collect();
    Ok(paged(view, params, "Keys", 100, items)?.into())
}

pub(super) fn update_description(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = asked_mut(cx, params)?;
    key.not_leaving()?;
    key.description = params.required("Description").to_owned();
    Ok(json!({}).into())
}

pub(super) fn enable_rotation(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let key = asked_mut(cx, params)?;
    rotatable(key)?;
    let days = params.number("RotationPeriodInDays").and_then(|days| u64::try_from(days).ok());
    let since = key.rotation.as_ref().map_or(now, |rotation| rotation.since);
    let kept = key.rotation.as_ref().map(|rotation| rotation.days);
    key.rotation = Some(Rotation { days: days.or(kept).unwrap_or(365), since });
    Ok(json!({}).into())
}

pub(super) fn disable_rotation(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = asked_mut(cx, params)?;
    rotatable(key)?;
    key.rotation = None;
    Ok(json!({}).into())
}

fn rotatable(key: &Key) -> Result<(), Failure> {
    key.not_leaving()?;
    if key.spec != "SYMMETRIC_DEFAULT" {
        let message = format!("{} does not support rotation.", key.arn);
        return Err(Failure::new("UnsupportedOperationException", message));
    }
    if !key.enabled {
        return Err(Failure::new("DisabledException", format!("{} is disabled.", key.arn)));
    }
    Ok(())
}

/// While a key is pending deletion its rotation is off, and on again when that is cancelled.
pub(super) fn rotation_status(view: &View<'_>, params: &Params) -> Answer {
    let key = asked(view, params, false)?;
    let on = key.rotation.as_ref().filter(|_| key.deletion.is_none());
    let mut answer = json!({"KeyId": key.arn, "KeyRotationEnabled": on.is_some()});
    if let Some(rotation) = on {
        let period = Duration::from_secs(rotation.days * 86_400);
        answer["RotationPeriodInDays"] = rotation.days.into();
        answer["NextRotationDate"] = rotation.since.plus(period).seconds().into();
    }
    Ok(answer.into())
}
