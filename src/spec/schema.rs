//! The JSON Schema of the spec, generated from the types, and a view of it.

use super::types::Spec;
use schemars::Schema;
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::OnceLock;

/// The JSON Schema (draft 2020-12) of a spec, for editors and for `coderctl schema`.
pub fn schema() -> Value {
    root().clone()
}

/// [`schema`], generated once.
pub(crate) fn root() -> &'static Value {
    static ROOT: OnceLock<Value> = OnceLock::new();
    ROOT.get_or_init(|| schemars::schema_for!(Spec).to_value())
}

/// For `#[schemars(transform)]`: the keys of this map are parts of addresses and of names.
pub(crate) fn named(schema: &mut Schema) {
    schema.insert(
        "propertyNames".to_owned(),
        serde_json::json!({
            "pattern": "^[a-z][a-z0-9-]*$",
            "maxLength": 40,
            "x-expected": "lower-case letters, digits and dashes, starting with a letter",
        }),
    );
}

/// For `#[schemars(transform)]`: what each item of this list of different strings is, in words.
pub(crate) fn items_are(expected: &'static str) -> impl FnMut(&mut Schema) {
    move |schema| {
        schema.insert("uniqueItems".to_owned(), true.into());
        if let Some(Value::Object(items)) = schema.get_mut("items") {
            items.insert("x-expected".to_owned(), expected.into());
        }
    }
}

/// A schema with its references followed. What stands next to a reference comes before what it
/// refers to.
#[derive(Clone)]
pub(crate) struct View {
    layers: Vec<&'static Map<String, Value>>,
    /// This is where a reference to a secret is written.
    pub(crate) is_secret: bool,
}

impl View {
    /// Follows `$ref` and the one choice of an `anyOf` that is not null.
    pub(crate) fn of(schema: &'static Value) -> Self {
        let mut view = View { layers: Vec::new(), is_secret: false };
        let mut next = schema.as_object();
        while let Some(layer) = next {
            view.layers.push(layer);
            let reference = layer.get("$ref").and_then(Value::as_str);
            next = match (reference, &not_null(layer)[..]) {
                (Some(reference), _) => {
                    view.is_secret |= reference.ends_with("/SecretRef");
                    reference.strip_prefix('#').and_then(|at| root().pointer(at)?.as_object())
                }
                (None, [only]) => only.as_object(),
                (None, _) => None,
            };
        }
        view
    }

    /// A keyword.
    pub(crate) fn get(&self, keyword: &str) -> Option<&'static Value> {
        self.layers.iter().find_map(|layer| layer.get(keyword))
    }

    fn text(&self, keyword: &str) -> Option<&'static str> {
        self.get(keyword).and_then(Value::as_str)
    }

    /// The type, null aside.
    pub(crate) fn kind(&self) -> Option<&'static str> {
        match self.get("type")? {
            Value::Array(kinds) => {
                kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null")
            }
            kind => kind.as_str(),
        }
    }

    /// The values that are allowed, if only these are.
    pub(crate) fn constants(&self) -> Option<Vec<&'static Value>> {
        if let Some(only) = self.get("const") {
            return Some(vec![only]);
        }
        if let Some(Value::Array(allowed)) = self.get("enum") {
            return Some(allowed.iter().filter(|value| !value.is_null()).collect());
        }
        let choices = not_null(self.layers.last()?);
        if choices.len() < 2 {
            return None;
        }
        choices
            .iter()
            .map(|choice| View::of(choice).constants())
            .collect::<Option<Vec<_>>>()
            .map(|constants| constants.concat())
    }

    /// The shapes of which a value has one, if there are several.
    pub(crate) fn branches(&self) -> Vec<View> {
        let choices = self.layers.last().map(|layer| not_null(layer)).unwrap_or_default();
        if choices.len() < 2 {
            return Vec::new();
        }
        choices.into_iter().map(View::of).collect()
    }

    /// Whether a value is text: any, or one of some words.
    pub(crate) fn is_text(&self) -> bool {
        self.kind() == Some("string")
            || self.constants().is_some_and(|constants| constants.iter().all(|one| one.is_string()))
    }

    /// The keys that a map must have.
    pub(crate) fn required(&self) -> Vec<&'static str> {
        let required = self.get("required").and_then(Value::as_array);
        required.into_iter().flatten().filter_map(Value::as_str).collect()
    }

    /// The keys that a map may have.
    pub(crate) fn keys(&self) -> Vec<&'static str> {
        let properties = self.get("properties").and_then(Value::as_object);
        properties.into_iter().flat_map(Map::keys).map(String::as_str).collect()
    }

    /// The schema of a key.
    pub(crate) fn property(&self, key: &str) -> Option<View> {
        self.get("properties")?.get(key).map(View::of)
    }

    /// What it means.
    pub(crate) fn description(&self) -> Option<String> {
        self.text("description").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// What to do when it is wrong.
    pub(crate) fn hint(&self) -> Option<String> {
        self.text("x-hint").map(str::to_owned)
    }

    /// What is wanted, with its article, to follow "expected".
    pub(crate) fn expected(&self) -> String {
        if let Some(expected) = self.text("x-expected") {
            return expected.to_owned();
        }
        if let Some(constants) = self.constants() {
            let words: Vec<String> = constants
                .iter()
                .map(|value| match value.as_str() {
                    Some(text) => format!("`{text}`"),
                    None => format!("`{value}`"),
                })
                .collect();
            return match words.as_slice() {
                [only] => only.clone(),
                _ => format!("one of {}", words.join(", ")),
            };
        }
        let example = self.get("examples").and_then(Value::as_array).and_then(|all| all.last());
        if let (Some(title), Some(Value::String(example))) = (self.text("title"), example) {
            return format!("an {title} such as `{example}`");
        }
        let bound = |key| self.get(key).and_then(Value::as_i64);
        match (self.kind(), bound("minimum"), bound("maximum")) {
            (Some("integer"), Some(least), Some(most)) => {
                format!("an integer from {least} to {most}")
            }
            (Some("integer"), Some(least), None) => format!("an integer of at least {least}"),
            (Some("integer"), _, _) => "an integer".to_owned(),
            (Some("boolean"), _, _) => "true or false".to_owned(),
            (Some("string"), _, _) => "a string".to_owned(),
            (Some("array"), _, _) => "a list".to_owned(),
            (_, _, _) => "a map".to_owned(),
        }
    }

    /// Whether the values of this map's own keys are, or hold, references to secrets.
    pub(crate) fn holds_secret(&self) -> bool {
        self.children().iter().any(|child| View::of(child).is_secret)
    }

    /// Whether anything in or below this may be a reference to a secret.
    pub(crate) fn reaches_secret(&self) -> bool {
        fn reaches(view: &View, seen: &mut HashSet<*const Value>) -> bool {
            view.is_secret
                || view.children().into_iter().any(|child| {
                    seen.insert(std::ptr::from_ref(child)) && reaches(&View::of(child), seen)
                })
        }
        reaches(self, &mut HashSet::new())
    }

    fn children(&self) -> Vec<&'static Value> {
        let properties = self.get("properties").and_then(Value::as_object);
        let mut children: Vec<_> = properties.into_iter().flat_map(Map::values).collect();
        children.extend(self.get("additionalProperties"));
        children.extend(self.get("items"));
        children.extend(self.layers.last().map(|layer| not_null(layer)).unwrap_or_default());
        children
    }
}

/// The choices of `anyOf` or `oneOf` that are not null.
fn not_null(layer: &'static Map<String, Value>) -> Vec<&'static Value> {
    let choices = layer.get("anyOf").or_else(|| layer.get("oneOf")).and_then(Value::as_array);
    let is_null = |choice: &Value| choice.get("type").and_then(Value::as_str) == Some("null");
    choices.into_iter().flatten().filter(|choice| !is_null(choice)).collect()
}
