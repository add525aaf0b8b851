//! One changed field in a line.

use super::Style;
use super::text::{clean, clip, width};
use crate::kind::{Change, show};
use serde_json::Value;

/// Values that are wider than this are cut to where they differ.
const WIDE: usize = 48;
/// How much of what two long values have in common is shown on either side.
const CONTEXT: usize = 12;

/// `max 10 → 20`; with `whole`, values are never cut.
pub(super) fn field(change: &Change, whole: bool, style: &Style) -> String {
    let (from, to) = sides(change, whole, style);
    format!("{} {from} → {to}", change.field)
}

/// `retention 35 → 7`, what it should be first, for what somebody else changed.
pub(super) fn drifted(change: &Change, whole: bool, style: &Style) -> String {
    let (live, wanted) = sides(change, whole, style);
    format!("{} {wanted} → {live}", change.field)
}

fn sides(change: &Change, whole: bool, style: &Style) -> (String, String) {
    let from = clean(&value(&change.from), style);
    let Some(to) = &change.to else {
        let from = if whole { from } else { clip(&from, WIDE, style) };
        return (from, "(known after apply)".to_owned());
    };
    let to = clean(&value(to), style);
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
