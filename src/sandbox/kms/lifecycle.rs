//! Enabling, disabling, and the long goodbye.

use super::model::{asked_mut, invalid_state};
use crate::sandbox::service::{Answer, Cx};
use crate::sandbox::wire::params::Params;
use serde_json::json;
use std::time::Duration;

pub(super) fn enable(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = asked_mut(cx, params)?;
    key.not_leaving()?;
    key.enabled = true;
    Ok(json!({}).into())
}

pub(super) fn disable(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = asked_mut(cx, params)?;
    key.not_leaving()?;
    key.enabled = false;
    Ok(json!({}).into())
}

pub(super) fn schedule_deletion(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let days = params.number("PendingWindowInDays").unwrap_or(30);
    if !(7..=30).contains(&days) {
        let message = format!(
            "1 validation error detected: Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: Member must have value between 7 and 30"
        );
        return Err(crate::sandbox::failure::Failure::new("ValidationException", message));
    }
    let seconds = u64::try_from(days).unwrap_or(30) * 86_400;
    let gone = cx.now.plus(Duration::from_secs(seconds));
    let key = asked_mut(cx, params)?;
    key.not_leaving()?;
    key.deletion = Some(gone);
    let answer = json!({
        "KeyId": key.arn,
        "DeletionDate": gone.seconds(),
        "KeyState": key.state(),
        "PendingWindowInDays": days,
    });
    Ok(answer.into())
}

pub(super) fn cancel_deletion(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let key = asked_mut(cx, params)?;
    if key.deletion.take().is_none() {
        return Err(invalid_state(&format!("{} is not pending deletion.", key.arn)));
    }
    key.enabled = false;
    Ok(json!({"KeyId": key.arn}).into())
}
