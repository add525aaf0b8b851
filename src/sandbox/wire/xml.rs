//! Writes trees as XML. A list becomes one wrapper element with an element per item, or only the
//! elements where its name ends in `[]`; what is `null` is left out. Where items have a name of
//! their own, [`named`] makes the list.

use serde_json::{Map, Value};
use std::borrow::Cow;

/// What a member's name begins with whose value is a list without a wrapper element.
const FLAT: &str = "[]";

/// A list whose items are called `item`, whatever the protocol calls them elsewhere.
pub(crate) fn named(item: &str, items: Vec<Value>) -> Value {
    let mut members = Map::new();
    members.insert(format!("{FLAT}{item}"), Value::Array(items));
    Value::Object(members)
}

/// Writes `value` as `<name>…</name>`; items of lists are called `item`.
pub(crate) fn element(out: &mut String, name: &str, value: &Value, item: &str) {
    if value.is_null() {
        return;
    }
    let flat = name.strip_suffix(FLAT).or_else(|| name.strip_prefix(FLAT));
    if let (Some(name), Value::Array(items)) = (flat, value) {
        items.iter().for_each(|value| element(out, name, value, item));
        return;
    }
    open(out, name);
    content(out, value, item);
    close(out, name);
}

/// Writes what is inside an element.
pub(crate) fn content(out: &mut String, value: &Value, item: &str) {
    match value {
        Value::Null => {}
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number.to_string()),
        Value::String(text) => out.push_str(&escaped(text)),
        Value::Array(items) => items.iter().for_each(|value| element(out, item, value, item)),
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| element(out, name, value, item));
        }
    }
}

/// Writes `<name>`.
pub(crate) fn open(out: &mut String, name: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
}

/// Writes `</name>`.
pub(crate) fn close(out: &mut String, name: &str) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// `text` as it stands in an element or an attribute.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '>', '&', '"', '\r', '\n']) && !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        match letter {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\n' => out.push_str("&#xA;"),
            // XML 1.0 can't carry the other control characters at all.
            letter if letter.is_control() && letter != '\t' => out.push('\u{FFFD}'),
            letter => out.push(letter),
        }
    }
    Cow::Owned(out)
}
