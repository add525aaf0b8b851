//! Policy documents: what makes one malformed, and who one lets in.

use serde_json::{Map, Value};

/// What a policy is attached to; it decides which members a statement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// To a principal: statements name resources.
    Identity,
    /// To a role, as its trust policy: statements name principals, no resources.
    Trust,
    /// To a resource: statements name principals and resources.
    Resource,
}

/// Reads a policy document, or says what is malformed about it.
pub(crate) fn read(text: &str, purpose: Use) -> Result<Value, &'static str> {
    let document: Value = serde_json::from_str(text)
        .map_err(|_| "Syntax errors in policy: This policy contains invalid Json")?;
    let Some(members) = document.as_object() else { return Err("Syntax errors in policy.") };
    let version = members.get("Version").map_or(Some("2012-10-17"), Value::as_str);
    if !matches!(version, Some("2012-10-17" | "2008-10-17")) {
        return Err("Syntax errors in policy: the policy version is not valid");
    }
    let found = statements(&document);
    if found.is_empty() {
        return Err("Syntax errors in policy: Policy statement is missing or empty");
    }
    for statement in found {
        check(statement, purpose)?;
    }
    Ok(document)
}

fn check(statement: &Value, purpose: Use) -> Result<(), &'static str> {
    let Some(members) = statement.as_object() else {
        return Err("Syntax errors in policy: a statement is not an object");
    };
    const KNOWN: &[&str] = &[
        "Sid",
        "Effect",
        "Principal",
        "NotPrincipal",
        "Action",
        "NotAction",
        "Resource",
        "NotResource",
        "Condition",
    ];
    if members.keys().any(|name| !KNOWN.contains(&name.as_str())) {
        return Err("Syntax errors in policy: a statement has an unknown element");
    }
    if !matches!(members.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return Err("Syntax errors in policy: Effect must be Allow or Deny");
    }
    let has = |one: &str, other: &str| members.contains_key(one) || members.contains_key(other);
    if !has("Action", "NotAction") {
        return Err("Policy statement must contain actions.");
    }
    match (purpose, has("Resource", "NotResource"), has("Principal", "NotPrincipal")) {
        (Use::Identity, false, _) | (Use::Resource, false, _) => {
            Err("Policy statement must contain resources.")
        }
        (Use::Identity, _, true) => Err("Policy document should not specify a principal."),
        (Use::Trust, true, _) => Err("Has prohibited field Resource"),
        (Use::Trust | Use::Resource, _, false) => Err("Missing required field Principal"),
        _ => Ok(()),
    }
}

/// The statements of a document: a list, or one that stands alone.
pub(crate) fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(all) => all.iter().collect(),
        one @ Value::Object(_) => vec![one],
        _ => Vec::new(),
    }
}

/// One or several strings, as policies write them.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// The principals of one kind (`AWS`, `Service`) in a statement; `*` counts as any kind.
pub(crate) fn principals<'a>(statement: &'a Value, kind: &str) -> Vec<&'a str> {
    match &statement["Principal"] {
        Value::String(any) => vec![any],
        Value::Object(by_kind) => strings(member(by_kind, kind)),
        _ => Vec::new(),
    }
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> &'a Value {
    members.get(name).unwrap_or(&Value::Null)
}

/// Whether an `Allow` statement lets one of `principals` (of the given kind) do `action`.
/// Conditions are not weighed.
pub(crate) fn allows(document: &Value, kind: &str, principal: &[&str], action: &str) -> bool {
    statements(document).into_iter().any(|statement| {
        statement["Effect"] == "Allow"
            && principals(statement, kind)
                .iter()
                .any(|named| *named == "*" || principal.contains(named))
            && strings(&statement["Action"]).iter().any(|pattern| covers(pattern, action))
    })
}

/// Whether an `Allow` statement of an identity's policy covers `action` on some resource.
pub(crate) fn grants(document: &Value, action: &str) -> bool {
    statements(document).into_iter().any(|statement| {
        statement["Effect"] == "Allow"
            && strings(&statement["Action"]).iter().any(|pattern| covers(pattern, action))
    })
}

/// Whether an action pattern (`kms:*`, `kms:Decrypt*`) covers an action. Actions have no case.
fn covers(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == action,
        Some((head, "")) => action.starts_with(head),
        Some((head, tail)) => {
            action.len() >= head.len() + tail.len()
                && action.starts_with(head)
                && action.ends_with(tail.trim_start_matches('*'))
        }
    }
}
