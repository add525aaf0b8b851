//! `Filters` of the `Describe` operations: every filter must hold, any of its values will do, `*`
//! and `?` are wildcards, and a name that AWS does not know is refused.

use super::model::Tags;
use super::resource::{Fields, Resource};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::View;
use crate::sandbox::wire::params::Params;
use serde_json::Value;

/// One filter.
pub(crate) struct Filter<T: 'static> {
    subject: Subject<T>,
    values: Vec<String>,
}

enum Subject<T: 'static> {
    Tag(String),
    TagKey,
    TagValue,
    Field(fn(&View<'_>, &T) -> Vec<String>),
}

/// Reads the filters of a request.
pub(crate) fn read<T>(
    params: &Params,
    member: &str,
    fields: Fields<T>,
) -> Result<Vec<Filter<T>>, Failure> {
    params.list(member).iter().map(|filter| one(filter, fields)).collect()
}

fn one<T>(filter: &Value, fields: Fields<T>) -> Result<Filter<T>, Failure> {
    let name = filter.get("Name").and_then(Value::as_str).unwrap_or_default();
    let values: Vec<String> = filter
        .get("Values")
        .and_then(Value::as_array)
        .map(|values| values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default();
    let subject = match name.strip_prefix("tag:") {
        Some(key) => Subject::Tag(key.to_owned()),
        None if name == "tag-key" => Subject::TagKey,
        None if name == "tag-value" => Subject::TagValue,
        None => match fields.iter().find(|(known, _)| *known == name) {
            Some((_, field)) => Subject::Field(*field),
            None => {
                let message = format!("The filter '{name}' is invalid");
                return Err(Failure::new("InvalidParameterValue", message));
            }
        },
    };
    if values.is_empty() {
        let message = format!("The filter '{name}' must have a value");
        return Err(Failure::new("InvalidParameterValue", message));
    }
    Ok(Filter { subject, values })
}

impl<T> Filter<T> {
    /// Whether a resource passes.
    pub(crate) fn keeps(&self, view: &View<'_>, item: &T) -> bool
    where
        T: Resource,
    {
        self.keeps_with(view, item, item.tags())
    }

    /// Whether an item with these tags passes.
    pub(crate) fn keeps_with(&self, view: &View<'_>, item: &T, tags: &Tags) -> bool {
        let any = |text: &str| self.values.iter().any(|pattern| matches(pattern, text));
        match &self.subject {
            Subject::Tag(key) => tags.get(key).is_some_and(|value| any(value)),
            Subject::TagKey => tags.keys().any(|key| any(key)),
            Subject::TagValue => tags.values().any(|value| any(value)),
            Subject::Field(field) => field(view, item).iter().any(|value| any(value)),
        }
    }
}

/// Whether `text` is what `pattern` says: `*` stands for any run of characters, `?` for one, `\`
/// takes the special meaning from what follows.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    // Where to try again: behind the last star, one character further on.
    let mut again: Option<(usize, usize)> = None;
    while t < text.len() {
        let (literal, width) = match pattern.get(p) {
            Some('\\') if p + 1 < pattern.len() => (Some(pattern[p + 1]), 2),
            Some('*') => {
                again = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some('?') => (Some(text[t]), 1),
            Some(letter) => (Some(*letter), 1),
            None => (None, 0),
        };
        if literal == Some(text[t]) {
            p += width;
            t += 1;
        } else if let Some((behind, from)) = again {
            p = behind;
            t = from + 1;
            again = Some((behind, from + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|letter| *letter == '*')
}
