//! Key policies.

use super::model::{asked, asked_mut};
use crate::sandbox::failure::Failure;
use crate::sandbox::policy::{self, Use};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Scope;
use crate::sandbox::wire::params::Params;
use serde_json::json;

/// What KMS gives a key that is made without a policy.
pub(super) fn default_policy(scope: &Scope) -> String {
    json!({
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [{
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": root(scope)},
            "Action": "kms:*",
            "Resource": "*",
        }],
    })
    .to_string()
}

fn root(scope: &Scope) -> String {
    format!("arn:{}:iam::{}:root", scope.partition(), scope.account)
}

/// Refuses a policy that is malformed, names a role that does not exist, or locks its owner out.
pub(super) fn check_policy(cx: &Cx<'_>, text: &str, bypass: bool) -> Result<(), Failure> {
    let malformed = |message: &str| Failure::new("MalformedPolicyDocumentException", message);
    let document = policy::read(text, Use::Resource).map_err(malformed)?;
    let iam = cx.store.iam(cx.scope);
    if iam.unknown_principal(&document, &cx.scope.account).is_some() {
        return Err(malformed("Policy contains a statement with one or more invalid principals."));
    }
    let (root, account) = (root(cx.scope), cx.scope.account.as_str());
    let caller = format!("arn:{}:iam::{account}:user/sandbox", cx.scope.partition());
    let keeps = policy::allows(
        &document,
        "AWS",
        &[root.as_str(), account, caller.as_str()],
        "kms:PutKeyPolicy",
    );
    if keeps || bypass {
        Ok(())
    } else {
        Err(malformed(
            "The new key policy will not allow you to update the key policy in the future.",
        ))
    }
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let key = asked(view, params, false)?;
    named_default(params)?;
    Ok(json!({"Policy": key.policy, "PolicyName": "default"}).into())
}

pub(super) fn put(cx: &mut Cx<'_>, params: &Params) -> Answer {
    asked(&cx.view(), params, false)?.not_leaving()?;
    named_default(params)?;
    let text = params.required("Policy");
    check_policy(cx, text, params.flag("BypassPolicyLockoutSafetyCheck") == Some(true))?;
    asked_mut(cx, params)?.policy = text.to_owned();
    Ok(json!({}).into())
}

fn named_default(params: &Params) -> Result<(), Failure> {
    match params.text("PolicyName") {
        None | Some("default") => Ok(()),
        Some(other) => {
            Err(Failure::new("NotFoundException", format!("No such policy exists: {other}")))
        }
    }
}
