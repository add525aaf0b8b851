//! One changed field in a line.

use super::Style;
use super::text::{clean, clip, width};
use crate::kind::{Change, show};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Values that are wider than this are cut to where they differ.
const WIDE: usize = 48;
/// How much of what two long values have in common is shown on either side.
const CONTEXT: usize = 12;

/// Of a value with parts, so many that differ are shown.
const PARTS: usize = 3;

/// `max 10 → 20`; with `whole`, values are never cut. Of values with parts, those that differ are
/// shown: `policy.Statement[0].Effect Allow → Deny`.
pub(super) fn field(change: &Change, whole: bool, style: &Style) -> String {
    told(change, whole, style, |name, from, to| format!("{name} {from} → {to}"))
}

/// `retention 35 → 7`, what it should be first, for what somebody else changed.
pub(super) fn drifted(change: &Change, whole: bool, style: &Style) -> String {
    told(change, whole, style, |name, live, wanted| format!("{name} {wanted} → {live}"))
}

fn told(
    change: &Change,
    whole: bool,
    style: &Style,
    say: impl Fn(&str, String, String) -> String,
) -> String {
    let Change { field, from, to, .. } = change;
    let Some(to) = to else {
        let from = clean(&value(from), style);
        let from = if whole { from } else { clip(&from, WIDE, style) };
        return say(field, from, "(known after apply)".to_owned());
    };
    let mut parts = Vec::new();
    let (old, new) = (document(from), document(to));
    if !whole {
        differing_parts(field, Some(&old), Some(&new), &mut parts);
    }
    // Whole, or the same but for something that does not show.
    if parts.is_empty() {
        parts.push(Part { path: field.clone(), from: Some(from), to: Some(to) });
    }
    let shown = parts.iter().take(PARTS).map(|part| {
        let (from, to) = sides(part, whole, style);
        say(&clean(&part.path, style), from, to)
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if parts.len() > PARTS {
        text.push_str(&format!(", and {} more", parts.len() - PARTS));
    }
    text
}

/// What a text says that is a JSON document, as policies are; anything else as it is.
fn document(value: &Value) -> Cow<'_, Value> {
    let parsed = value.as_str().filter(|text| text.starts_with(['{', '[']));
    let parsed = parsed.and_then(|text| serde_json::from_str(text).ok());
    parsed.map_or(Cow::Borrowed(value), Cow::Owned)
}

/// A part of a value, on either side; `None` where there is none.
struct Part<'a> {
    path: String,
    from: Option<&'a Value>,
    to: Option<&'a Value>,
}

/// Goes down to where two values differ.
fn differing_parts<'a>(
    path: &str,
    from: Option<&'a Value>,
    to: Option<&'a Value>,
    parts: &mut Vec<Part<'a>>,
) {
    match (from, to) {
        _ if from == to => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                differing_parts(&format!("{path}.{key}"), old.get(key), new.get(key), parts);
            }
        }
        // Of lists that grew or shrank, it is not known which of their members are the same.
        (Some(Value::Array(old)), Some(Value::Array(new)))
            if old.len() == new.len() && new.iter().any(is_nested) =>
        {
            for (at, (old, new)) in old.iter().zip(new).enumerate() {
                differing_parts(&format!("{path}[{at}]"), Some(old), Some(new), parts);
            }
        }
        _ => parts.push(Part { path: path.to_owned(), from, to }),
    }
}

fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Array(_))
}

fn sides(part: &Part<'_>, whole: bool, style: &Style) -> (String, String) {
    let show = |side: Option<&Value>| {
        side.map_or_else(|| "(none)".to_owned(), |side| clean(&value(side), style))
    };
    let (from, to) = (show(part.from), show(part.to));
    if whole || (width(&from) <= WIDE && width(&to) <= WIDE) {
        return (from, to);
    }
    let (from, to) = differing(&from, &to);
    (clip(&from, WIDE, style), clip(&to, WIDE, style))
}

/// A value; an empty text would be invisible.
fn value(value: &Value) -> String {
    match value {
        Value::String(text) if text.trim().is_empty() => format!("{text:?}"),
        other => show(other),
    }
}

/// Two long texts without most of what they begin and end with alike.
fn differing(from: &str, to: &str) -> (String, String) {
    let from: Vec<char> = from.chars().collect();
    let to: Vec<char> = to.chars().collect();
    let head = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let shorter = from.len().min(to.len());
    let alike = from.iter().rev().zip(to.iter().rev()).take_while(|(a, b)| a == b).count();
    let tail = alike.min(shorter - head);
    let cut = |text: &[char]| {
        let start = head.saturating_sub(CONTEXT);
        let end = (text.len() - tail + CONTEXT).min(text.len());
        let middle: String = text[start..end].iter().collect();
        let before = if start > 0 { "…" } else { "" };
        let after = if end < text.len() { "…" } else { "" };
        format!("{before}{middle}{after}")
    };
    (cut(&from), cut(&to))
}
