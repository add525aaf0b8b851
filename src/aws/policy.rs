//! Policy documents, compared by what they say.
//!
//! AWS does not give a document back as it was sent: it orders principals, writes an account's
//! number as the ARN of its root, and turns lists of one into a string. So documents are brought
//! into one form first, after the grammar of policies:
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html>.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// What a VPC endpoint without a policy of its own allows.
/// <https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html>
pub(crate) const FULL_ACCESS: &str = r#"{"Version":"2008-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;

/// What a document without a version means.
const OLDEST_VERSION: &str = "2008-10-17";

/// A policy document: equal to another when both say the same, shown as it was written.
#[derive(Clone, Debug)]
pub struct Document(String);

impl Document {
    /// A document as somebody wrote it.
    pub fn new(text: impl Into<String>) -> Self {
        Document(text.into())
    }

    /// A document as IAM answers it: URL-encoded (RFC 3986).
    pub(crate) fn from_url(text: &str) -> Self {
        Document(percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// Whether two policy documents say the same. What is not a document is compared as text.
pub fn same(one: &str, other: &str) -> bool {
    match (canonical(one), canonical(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// The one form of a document; `None` when it is no JSON object.
fn canonical(text: &str) -> Option<Value> {
    let Ok(Value::Object(document)) = serde_json::from_str(text) else { return None };
    let mut members = Map::new();
    members.insert("Version".to_owned(), OLDEST_VERSION.into());
    for (name, value) in document {
        let value = match name.as_str() {
            "Statement" => set(list(value).into_iter().map(statement)),
            _ => value,
        };
        members.insert(name, value);
    }
    members.sort_keys();
    Some(Value::Object(members))
}

fn statement(value: Value) -> Value {
    let Value::Object(statement) = value else { return value };
    let mut members = Map::new();
    for (name, value) in statement {
        let value = match name.as_str() {
            "Sid" if value == "" => continue,
            // Names of actions do not differ by case.
            "Action" | "NotAction" => set(list(value).into_iter().map(lower)),
            "Resource" | "NotResource" => set(list(value)),
            "Principal" | "NotPrincipal" => principal(value),
            "Condition" => condition(value),
            _ => value,
        };
        members.insert(name, value);
    }
    members.sort_keys();
    Value::Object(members)
}

/// `"*"` is everybody, and so is `{"AWS": "*"}`.
fn principal(value: Value) -> Value {
    let Value::Object(kinds) = value else {
        let mut everybody = Map::new();
        everybody.insert("AWS".to_owned(), set(list(value)));
        return Value::Object(everybody);
    };
    let mut members: Map<String, Value> = kinds
        .into_iter()
        .map(|(kind, value)| {
            let items = list(value).into_iter();
            let value = if kind == "AWS" { set(items.map(account)) } else { set(items) };
            (kind, value)
        })
        .collect();
    members.sort_keys();
    Value::Object(members)
}

/// An account's root may be written as its number.
fn account(value: Value) -> Value {
    let number = value.as_str().and_then(|arn| {
        let parts: Vec<&str> = arn.split(':').collect();
        match parts.as_slice() {
            ["arn", _, "iam", "", number, "root"] => Some((*number).to_owned()),
            _ => None,
        }
    });
    number.map_or(value, Value::from)
}

/// Operator, then key, then values: keys do not differ by case, values are a set of texts.
fn condition(value: Value) -> Value {
    let Value::Object(operators) = value else { return value };
    let mut members: Map<String, Value> = operators
        .into_iter()
        .map(|(operator, keys)| {
            let Value::Object(keys) = keys else { return (operator, keys) };
            let mut keys: Map<String, Value> = keys
                .into_iter()
                .map(|(key, values)| (key.to_lowercase(), set(list(values).into_iter().map(text))))
                .collect();
            keys.sort_keys();
            (operator, Value::Object(keys))
        })
        .collect();
    members.sort_keys();
    Value::Object(members)
}

fn text(value: Value) -> Value {
    match value {
        Value::Bool(_) | Value::Number(_) => Value::from(value.to_string()),
        other => other,
    }
}

fn lower(value: Value) -> Value {
    value.as_str().map(str::to_lowercase).map_or(value, Value::from)
}

/// One thing stands for a list of one.
fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        one => vec![one],
    }
}

/// A list whose order and repetitions mean nothing.
fn set(items: impl IntoIterator<Item = Value>) -> Value {
    let mut items: Vec<Value> = items.into_iter().collect();
    items.sort_by_key(Value::to_string);
    items.dedup();
    Value::Array(items)
}
