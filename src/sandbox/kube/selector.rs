//! Label and field selectors.

use super::status::{Answer, Refusal};
use serde_json::Value;

/// What a list, a watch or a delete of a collection is limited to.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Requirement>,
}

#[derive(Clone, Debug)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

/// Fields by which every type can be selected, and the few more that some types have.
const FIELDS: &[&str] = &[
    "metadata.name",
    "metadata.namespace",
    "status.phase",
    "spec.nodeName",
    "type",
    "involvedObject.name",
    "involvedObject.namespace",
    "involvedObject.kind",
    "involvedObject.uid",
];

impl Selector {
    /// Reads the two selectors of a request.
    pub(super) fn parse(labels: &str, fields: &str) -> Answer<Selector> {
        let labels = terms(labels).iter().map(|term| label(term)).collect::<Answer<_>>()?;
        let fields: Vec<Requirement> =
            terms(fields).iter().map(|term| label(term)).collect::<Answer<_>>()?;
        match fields.iter().find(|field| !FIELDS.contains(&field.key.as_str())) {
            Some(unknown) => {
                Err(Refusal::bad_request(format!("field label not supported: {}", unknown.key)))
            }
            None => Ok(Selector { labels, fields }),
        }
    }

    /// Whether `object` is selected.
    pub(super) fn selects(&self, object: &Value) -> bool {
        let labels = &object["metadata"]["labels"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.labels.iter().all(|wanted| wanted.holds(text(&labels[wanted.key.as_str()])))
            && self.fields.iter().all(|wanted| {
                let value = wanted.key.split('.').fold(object, |value, name| &value[name]);
                wanted.holds(Some(text(value).unwrap_or_default()))
            })
    }
}

impl Requirement {
    fn holds(&self, value: Option<String>) -> bool {
        match &self.test {
            Test::In(values) => value.is_some_and(|value| values.contains(&value)),
            Test::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
        }
    }
}

/// The terms of a selector: parted by commas, but not by those within parentheses.
fn terms(text: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut depth = 0_u32;
    for letter in text.chars() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (letter, found.last_mut()) {
            (',', _) if depth == 0 => found.push(String::new()),
            (_, Some(last)) => last.push(letter),
            (_, None) => {}
        }
    }
    found.into_iter().map(|term| term.trim().to_owned()).filter(|term| !term.is_empty()).collect()
}

fn label(term: &str) -> Answer<Requirement> {
    let one = |key: &str, test: Test| Requirement { key: key.trim().to_owned(), test };
    let value = |text: &str| vec![text.trim().to_owned()];
    let found = if let Some((key, text)) = term.split_once("!=") {
        one(key, Test::NotIn(value(text)))
    } else if let Some((key, text)) = term.split_once("==") {
        one(key, Test::In(value(text)))
    } else if let Some((key, text)) = term.split_once('=') {
        one(key, Test::In(value(text)))
    } else if let Some((head, list)) = term.split_once('(') {
        let values: Vec<String> =
            list.trim_end_matches(')').split(',').map(|text| text.trim().to_owned()).collect();
        match head.split_whitespace().collect::<Vec<_>>().as_slice() {
            [key, "in"] => one(key, Test::In(values)),
            [key, "notin"] => one(key, Test::NotIn(values)),
            _ => return Err(unreadable(term)),
        }
    } else if let Some(key) = term.strip_prefix('!') {
        one(key, Test::Absent)
    } else {
        one(term, Test::Exists)
    };
    let key_ok = !found.key.is_empty()
        && found.key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if key_ok { Ok(found) } else { Err(unreadable(term)) }
}

fn unreadable(term: &str) -> Refusal {
    Refusal::bad_request(format!("unable to parse requirement: {term:?}"))
}
