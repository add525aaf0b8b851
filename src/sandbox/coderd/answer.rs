//! Answers in the form of Coder's API.

use serde_json::{Value, json};

/// Status and body.
pub(crate) type Reply = (u16, Value);

/// An answer that says something: `{message, detail}`.
pub(super) fn say(status: u16, message: &str, detail: &str) -> Reply {
    let mut body = json!({"message": message});
    if !detail.is_empty() {
        body["detail"] = detail.into();
    }
    (status, body)
}

/// 400, because of these fields.
pub(super) fn invalid(message: &str, fields: &[(&str, String)]) -> Reply {
    let all: Vec<Value> =
        fields.iter().map(|(field, detail)| json!({"field": field, "detail": detail})).collect();
    (400, json!({"message": message, "validations": all}))
}

/// 404 as Coder says it of what is not there or not to be seen.
pub(super) fn not_found() -> Reply {
    say(404, "Resource not found or you do not have access to this resource", "")
}
