//! Client tokens: the same token with the same parameters gives the same answer, even after what
//! it made is gone; with other parameters it is refused.

use super::model::Token;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx};
use crate::sandbox::store::number;
use crate::sandbox::wire::params::Params;
use serde_json::Value;

/// Runs `create` once per client token.
pub(super) fn once(
    cx: &mut Cx<'_>,
    operation: &str,
    params: &Params,
    create: fn(&mut Cx<'_>, &Params) -> Result<Value, Failure>,
) -> Answer {
    let Some(token) = params.text("ClientToken").filter(|token| !token.is_empty()) else {
        return create(cx, params).map(Into::into);
    };
    let key = format!("{operation}/{token}");
    let request = digest(params);
    if let Some(known) = cx.ec2().tokens.get(&key) {
        if known.request != request {
            let message = "The request uses the same client token as a previous, but non-identical request. Do not reuse a client token with different requests, unless the requests are identical";
            return Err(Failure::new("IdempotentParameterMismatch", message));
        }
        return Ok(known.answer.clone().into());
    }
    let mut answer = create(cx, params)?;
    answer["clientToken"] = Value::from(token);
    let remembered = Token { request, answer: answer.clone() };
    cx.ec2().tokens.insert(key, remembered);
    Ok(answer.into())
}

/// Digest of all parameters but the token itself.
fn digest(params: &Params) -> u64 {
    let mut tree = params.tree().clone();
    if let Some(members) = tree.as_object_mut() {
        members.remove("ClientToken");
        members.remove("DryRun");
        members.sort_keys();
    }
    number(&tree.to_string())
}
