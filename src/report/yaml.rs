//! Values as YAML for people and for kubectl, whose parser still reads YAML 1.1: a text that any
//! reader could take for something else (`yes`, `1e3`, `0x1f`, `12:30`) is quoted.

use serde_json::Value;

/// One YAML document, without a separator. The same value gives the same text.
pub fn document(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => entries(value, 0, &mut text),
        Value::Array(list) if !list.is_empty() => entries(value, 0, &mut text),
        other => text.push_str(&format!("{}\n", scalar(other))),
    }
    text
}

fn entries(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, item) in map {
                text.push_str(&format!("{indent}{}:", plain(key)));
                below(item, depth, text);
            }
        }
        Value::Array(list) => {
            for item in list {
                let mut inner = String::new();
                if is_nested(item) {
                    entries(item, depth + 1, &mut inner);
                    // The first line stands behind the dash.
                    text.push_str(&format!("{indent}- {}", inner.trim_start()));
                } else {
                    text.push_str(&format!("{indent}- {}\n", scalar(item)));
                }
            }
        }
        _ => {}
    }
}

fn below(item: &Value, depth: usize, text: &mut String) {
    if is_nested(item) {
        text.push('\n');
        entries(item, depth + 1, text);
    } else {
        text.push_str(&format!(" {}\n", scalar(item)));
    }
}

fn is_nested(value: &Value) -> bool {
    match value {
        Value::Object(map) => !map.is_empty(),
        Value::Array(list) => !list.is_empty(),
        _ => false,
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        // Empty collections, numbers, booleans and null read as in JSON.
        other => other.to_string(),
    }
}

/// A text without quotes where nobody can mistake it, else as a JSON string, which YAML reads as
/// it is.
fn plain(text: &str) -> String {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let ends = !text.ends_with([' ', ':']);
    let sound = |c: char| c.is_ascii_alphanumeric() || "-_./ ()".contains(c);
    let word = text.to_ascii_lowercase();
    let means_more = ["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"];
    if starts && ends && text.chars().all(sound) && !means_more.contains(&word.as_str()) {
        text.to_owned()
    } else {
        Value::from(text).to_string()
    }
}
