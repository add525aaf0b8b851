//! Names of keys.

use super::model::{Alias, of, of_mut, paged};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Scope;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Aliases of AWS's own keys that an account has from the start; they have no target until
/// something uses them.
const AWS_OWN: &[&str] = &["alias/aws/ebs", "alias/aws/rds", "alias/aws/s3"];

fn arn(scope: &Scope, name: &str) -> String {
    format!("arn:{}:kms:{}:{}:{name}", scope.partition(), scope.region, scope.account)
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let kms = of(view);
    let only = match params.text("KeyId") {
        Some(text) => Some(kms.key(view.scope, text, false, view.now)?.id.as_str()),
        None => None,
    };
    let own = AWS_OWN.iter().filter(|_| only.is_none()).map(|name| {
        ((*name).to_owned(), json!({"AliasName": name, "AliasArn": arn(view.scope, name)}))
    });
    let alive = kms.aliases.iter().filter(|(_, alias)| {
        // The name goes with its key.
        let key = kms.keys.get(&alias.target);
        key.is_some_and(|key| key.is_alive(view.now)) && only.is_none_or(|id| alias.target == id)
    });
    let made = alive.map(|(name, alias)| {
        let item = json!({
            "AliasName": name,
            "AliasArn": arn(view.scope, name),
            "TargetKeyId": alias.target,
            "CreationDate": alias.created.seconds(),
            "LastUpdatedDate": alias.updated.seconds(),
        });
        (name.clone(), item)
    });
    let mut items: Vec<(String, Value)> = own.chain(made).collect();
    items.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(paged(view, params, "Aliases", 50, items)?.into())
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = checked_name(params)?;
    let target = target(cx, params)?;
    let view = cx.view();
    let kms = of(&view);
    let known = kms.aliases.get(name).and_then(|alias| kms.keys.get(&alias.target));
    if known.is_some_and(|key| key.is_alive(cx.now)) {
        let message = format!("An alias with the name {} already exists", arn(cx.scope, name));
        return Err(Failure::new("AlreadyExistsException", message));
    }
    let alias = Alias { target, created: cx.now, updated: cx.now };
    of_mut(cx).aliases.insert(name.to_owned(), alias);
    Ok(json!({}).into())
}

pub(super) fn update(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = checked_name(params)?;
    let target = target(cx, params)?;
    let now = cx.now;
    let missing = not_found(cx.scope, name);
    let alias = of_mut(cx).aliases.get_mut(name).ok_or(missing)?;
    alias.target = target;
    alias.updated = now;
    Ok(json!({}).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = checked_name(params)?;
    let missing = not_found(cx.scope, name);
    of_mut(cx).aliases.remove(name).map(|_| json!({}).into()).ok_or(missing)
}

fn not_found(scope: &Scope, name: &str) -> Failure {
    Failure::new("NotFoundException", format!("Alias {} is not found.", arn(scope, name)))
}

fn checked_name(params: &Params) -> Result<&str, Failure> {
    let name = params.required("AliasName");
    if !name.starts_with("alias/") {
        let message = "Alias must start with the prefix \"alias/\".";
        return Err(Failure::new("InvalidAliasNameException", message));
    }
    if name.starts_with("alias/aws/") {
        let message = "Aliases with the prefix alias/aws/ are reserved.";
        return Err(Failure::new("NotAuthorizedException", message));
    }
    Ok(name)
}

/// The id of the key that is to be named; it must not be on its way out.
fn target(cx: &Cx<'_>, params: &Params) -> Result<String, Failure> {
    let view = cx.view();
    let key = of(&view).key(cx.scope, params.required("TargetKeyId"), false, cx.now)?;
    key.not_leaving()?;
    Ok(key.id.clone())
}
