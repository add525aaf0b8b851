//! The models' patterns are Java's; these are the same for the `regex` crate.

use regex::Regex;

/// A pattern that a whole value must match.
#[derive(Debug)]
pub(crate) enum Pattern {
    /// Checked.
    Checked(Box<Regex>, String),
    /// In a form that the `regex` crate does not have (look-around): not checked, but listed.
    Unreadable(String),
}

/// Reads a model's pattern.
pub(crate) fn compile(text: &str) -> Pattern {
    match Regex::new(&format!("^(?s:{})$", translated(text))) {
        Ok(regex) => Pattern::Checked(Box::new(regex), text.to_owned()),
        Err(_) => Pattern::Unreadable(text.to_owned()),
    }
}

/// Java's `\u0020` is `\x{0020}` here; surrogate pairs stand for all that is beyond the basic
/// plane, and `\u10FFFF` (five or six digits, in some models) means the code point.
fn translated(text: &str) -> String {
    let text = text
        .replace("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\x{10000}-\\x{10FFFF}")
        .replace("\\ud800\\udc00-\\udbff\\udfff", "\\x{10000}-\\x{10FFFF}")
        .replace("\\u10000-\\u10FFFF", "\\x{10000}-\\x{10FFFF}");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find("\\u") {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let digits =
            escape.get(2..6).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits {
            Some(digits) => {
                out.push_str(&format!("\\x{{{digits}}}"));
                rest = &escape[6..];
            }
            None => {
                out.push_str("\\u");
                rest = &escape[2..];
            }
        }
    }
    out.push_str(rest);
    out
}
