//! IAM policy documents, as far as their grammar goes.

use super::Check;
use crate::spec::decode::similar;
use crate::spec::diagnostic::quote;
use crate::spec::types::access::PolicyDocument;
use serde_json::{Map, Value};

/// What a document is attached to, which decides what its statements name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// An identity: statements name resources, and no principals.
    Identity,
    /// A role's trust: statements name principals, and no resources.
    Trust,
    /// A resource: statements name both.
    Resource,
}

const KEYS: [&str; 9] = [
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

/// Checks the statements of a document and its length, spaces aside.
pub(super) fn check(
    document: &PolicyDocument,
    path: &[&str],
    purpose: Use,
    longest: usize,
    cx: &mut Check<'_>,
) {
    let length = document.to_json().chars().count();
    if length > longest {
        let message = format!("the document has {length} characters, and AWS takes {longest}");
        cx.push(cx.problem(path, message));
    }
    let path: Vec<&str> = path.iter().copied().chain(["Statement"]).collect();
    match document.0.get("Statement") {
        Some(Value::Object(only)) => statement(only, &path, purpose, cx),
        Some(Value::Array(statements)) if !statements.is_empty() => {
            for (at, one) in statements.iter().enumerate() {
                let index = format!("[{at}]");
                let path: Vec<&str> = path.iter().copied().chain([index.as_str()]).collect();
                match one {
                    Value::Object(one) => statement(one, &path, purpose, cx),
                    _ => cx.push(cx.problem(&path, "a statement is a map")),
                }
            }
        }
        _ => cx.push(cx.problem(&path, "expected a statement, or a list of them")),
    }
}

fn statement(statement: &Map<String, Value>, path: &[&str], purpose: Use, cx: &mut Check<'_>) {
    for key in statement.keys().filter(|key| !KEYS.contains(&key.as_str())) {
        let path: Vec<&str> = path.iter().copied().chain([key.as_str()]).collect();
        let problem = cx.problem(&path, format!("a statement has no {}", quote(key)));
        cx.push(match similar(key, KEYS.into_iter()) {
            Some(similar) => problem.hint(format!("did you mean `{similar}`?")),
            None => problem,
        });
    }
    match statement.get("Effect").and_then(Value::as_str) {
        Some("Allow" | "Deny") => {}
        Some(_) => {
            let path: Vec<&str> = path.iter().copied().chain(["Effect"]).collect();
            cx.push(cx.problem(&path, "expected `Allow` or `Deny`"));
        }
        None => cx.push(cx.problem(path, "the statement has no `Effect`")),
    }
    let has =
        |key: &str| statement.contains_key(key) || statement.contains_key(&format!("Not{key}"));
    let wanted = [
        ("Action", true),
        ("Principal", purpose != Use::Identity),
        ("Resource", purpose != Use::Trust),
    ];
    for (key, is_wanted) in wanted {
        if has(key) && !is_wanted {
            let where_from = match purpose {
                Use::Identity => "an identity's policy",
                Use::Trust => "a trust policy",
                Use::Resource => "this policy",
            };
            cx.push(cx.problem(path, format!("{where_from} names no `{key}`")));
        } else if !has(key) && is_wanted {
            cx.push(cx.problem(path, format!("the statement has no `{key}`")));
        }
    }
}
