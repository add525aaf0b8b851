//! Encrypting a cluster's secrets with a key of one's own: once, and for good.

use super::cluster_update::start;
use super::words::{asked, asked_mut, invalid, strings};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::time::Duration;

/// How long it takes. AWS encrypts again what is there.
const ENCRYPTING: Duration = Duration::from_secs(240);

/// The key of an `encryptionConfig`.
pub(super) fn key(cx: &Cx<'_>, config: &Value) -> Result<Option<String>, Failure> {
    let configs = config.as_array().map(Vec::as_slice).unwrap_or_default();
    let config = match configs {
        [] => return Ok(None),
        [config] => config,
        _ => return Err(invalid("Only one encryption config can be given")),
    };
    // What is encrypted is no choice any more: the member may be left out.
    if strings(config, "resources").iter().any(|resource| resource != "secrets") {
        return Err(invalid("The only resource that can be encrypted is secrets"));
    }
    let Some(key) = config["provider"]["keyArn"].as_str() else {
        return Err(invalid("The encryption config names no key"));
    };
    if !key.starts_with("arn:") || !cx.store.kms(cx.scope).is_enabled(key, cx.now) {
        return Err(invalid(format!("The keyArn {key} is not valid or not accessible")));
    }
    Ok(Some(key.to_owned()))
}

pub(super) fn associate(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (cx_now, config) = (cx.now, params.get("encryptionConfig").unwrap_or(&Value::Null));
    let key = key(cx, config)?;
    let cluster = asked(&cx.view(), params)?;
    if let Some(known) = cluster.again(params) {
        return Ok(json!({"update": known.write(cx_now)}).into());
    }
    if cluster.key.is_some() {
        return Err(invalid("Cluster already has an encryption config"));
    }
    let shown = vec![("EncryptionConfig".to_owned(), config.to_string())];
    let answer = start(cx, params, "AssociateEncryptionConfig", shown, ENCRYPTING)?;
    asked_mut(cx, params)?.key = key;
    Ok(answer)
}
