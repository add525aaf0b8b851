//! The merged tree against the JSON Schema: every problem at once, and the document as JSON with
//! each scalar as its type wants it.

use super::diagnostic::{Diagnostic, quote, speaks_of_secrets};
use super::source::{Sources, Span};
use super::tree::{Entry, Form, Node, Scalar, Tree};
use super::{path, schema};
use regex::Regex;
use schema::View;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// What a tree is to the schema.
pub(crate) struct Decoded {
    /// The document; worth something only if there are no problems.
    pub(crate) merged: Value,
    pub(crate) problems: Vec<Diagnostic>,
    /// What may be a secret that someone wrote out.
    pub(crate) hidden: Vec<Span>,
}

/// Checks `tree` against the schema of [`super::Spec`]. A key whose value is null is not there.
pub(crate) fn decode(tree: &Node, sources: &Sources) -> Decoded {
    let mut decoder = Decoder {
        sources,
        problems: Vec::new(),
        hidden: Vec::new(),
        path: Vec::new(),
        patterns: HashMap::new(),
        is_near_secret: true,
    };
    let merged = decoder.node(tree, tree.span, schema::root());
    let Decoder { problems, hidden, .. } = decoder;
    Decoded { merged, problems, hidden }
}

/// Collects every scalar but the pattern's name: without the pattern, nothing is known of them.
pub(crate) fn secrets(tree: &Node, hidden: &mut Vec<Span>) {
    match &tree.tree {
        Tree::Null => {}
        Tree::Scalar(_) => hidden.push(tree.span),
        Tree::List(items) => items.iter().for_each(|item| secrets(item, hidden)),
        Tree::Map(entries) => entries
            .iter()
            .filter(|entry| entry.key != "pattern")
            .for_each(|entry| secrets(&entry.node, hidden)),
    }
}

/// The one of `known` that `word` is most likely meant to be.
pub(crate) fn similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|known| (strsim::jaro_winkler(&word.to_lowercase(), known), known))
        .filter(|(score, _)| *score >= 0.85)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known)
}

struct Decoder<'a> {
    sources: &'a Sources,
    problems: Vec<Diagnostic>,
    hidden: Vec<Span>,
    path: Vec<String>,
    /// The schema's patterns that were compiled so far; one that does not compile is nothing.
    patterns: HashMap<&'static str, Option<Regex>>,
    /// References to secrets stand in or below the map that is being read.
    is_near_secret: bool,
}

impl Decoder<'_> {
    fn node(&mut self, node: &Node, blame: Span, schema: &'static Value) -> Value {
        let view = View::of(schema);
        if view.is_secret {
            return self.secret(node, blame);
        }
        if let Some(allowed) = view.constants() {
            return self.constant(node, blame, &view, &allowed);
        }
        let branches = view.branches();
        if !branches.is_empty() {
            return self.union(node, blame, &view, &branches);
        }
        match view.kind() {
            Some("string") => self.string(node, blame, &view),
            Some("integer") => self.integer(node, blame, &view),
            Some("number") => self.number(node, blame, &view),
            Some("boolean") => self.boolean(node, blame, &view),
            Some("array") => self.list(node, blame, &view),
            Some("object") => self.map(node, blame, &view),
            _ => node.to_json(),
        }
    }

    /// Reports a problem at the current path.
    fn report(&mut self, at: Span, message: &str, hint: Option<String>) {
        let place = path::render(&self.path);
        let message =
            if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") };
        let mut problem = Diagnostic::new(message, Some(at));
        problem.hint = hint;
        self.problems.push(problem);
    }

    /// Reports that a node is not what the schema wants.
    fn mismatch(&mut self, node: &Node, blame: Span, view: &View, hint: Option<String>) -> Value {
        let expected = view.expected();
        let found = match &node.tree {
            _ if view.reaches_secret() => {
                self.hidden.push(node.extent());
                node.noun().to_owned()
            }
            Tree::Scalar(Scalar { text, form: Form::Text }) if !view.is_text() => {
                format!("the string {}", self.echo(text, node.span))
            }
            Tree::Scalar(scalar) => self.echo(&scalar.text, node.span),
            Tree::Null | Tree::List(_) | Tree::Map(_) => node.noun().to_owned(),
        };
        let hint = hint.or_else(|| view.hint());
        self.report(blame, &format!("expected {expected}, found {found}"), hint);
        Value::Null
    }

    fn constant(&mut self, node: &Node, blame: Span, view: &View, allowed: &[&Value]) -> Value {
        let words: Vec<String> = allowed.iter().map(|value| word(value)).collect();
        if let Tree::Scalar(Scalar { text, .. }) = &node.tree {
            if let Some(at) = words.iter().position(|word| word == text) {
                return allowed.get(at).map_or(Value::Null, |value| (*value).clone());
            }
            let similar = similar(text, words.iter().map(String::as_str));
            let hint = similar.map(|word| format!("did you mean `{word}`?"));
            return self.mismatch(node, blame, view, hint);
        }
        self.mismatch(node, blame, view, None)
    }

    fn union(&mut self, node: &Node, blame: Span, view: &View, branches: &[View]) -> Value {
        let Tree::Map(entries) = &node.tree else {
            return self.mismatch(node, blame, view, None);
        };
        let is_there = |entry: &&Entry| !matches!(entry.node.tree, Tree::Null);
        let has = |key: &str| entries.iter().filter(is_there).any(|entry| entry.key == key);
        let mut fitting =
            branches.iter().filter(|branch| branch.required().iter().all(|key| has(key)));
        match (fitting.next(), fitting.next()) {
            (Some(branch), None) => self.map(node, blame, branch),
            (first, _) => {
                let keys: Vec<&str> =
                    branches.iter().flat_map(|branch| branch.required()).collect();
                let hint = match (first, entries.first()) {
                    (None, Some(entry)) => similar(&entry.key, keys.iter().copied())
                        .map(|key| format!("did you mean `{key}`?")),
                    _ => None,
                };
                if view.reaches_secret() {
                    self.hidden.push(node.extent());
                }
                let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
                let message = format!("expected exactly one of the keys {}", keys.join(", "));
                self.report(blame, &message, hint.or_else(|| view.hint()));
                Value::Null
            }
        }
    }

    fn string(&mut self, node: &Node, blame: Span, view: &View) -> Value {
        let Tree::Scalar(Scalar { text, .. }) = &node.tree else {
            return self.mismatch(node, blame, view, None);
        };
        if let Err(expected) = self.fits(text, view) {
            let found = match text.as_str() {
                "" => "an empty string".to_owned(),
                text => self.echo(text, node.span),
            };
            self.report(blame, &format!("expected {expected}, found {found}"), view.hint());
        }
        Value::String(text.clone())
    }

    fn integer(&mut self, node: &Node, blame: Span, view: &View) -> Value {
        let Tree::Scalar(Scalar { text, form }) = &node.tree else {
            return self.mismatch(node, blame, view, None);
        };
        let number = text.parse::<i64>().ok();
        let quoted = number.is_some() && *form == Form::Text;
        let bound = |key| view.get(key).and_then(Value::as_i64);
        let fits = |number: &i64| {
            bound("minimum").is_none_or(|minimum| *number >= minimum)
                && bound("maximum").is_none_or(|maximum| *number <= maximum)
        };
        match number.filter(|_| !quoted).filter(fits) {
            Some(number) => Value::from(number),
            None => {
                let hint = quoted.then(|| "write it without quotes".to_owned());
                self.mismatch(node, blame, view, hint)
            }
        }
    }

    /// A number that may have a fraction, in steps of the schema's `multipleOf`.
    fn number(&mut self, node: &Node, blame: Span, view: &View) -> Value {
        let Tree::Scalar(Scalar { text, form }) = &node.tree else {
            return self.mismatch(node, blame, view, None);
        };
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        let quoted = number.is_some() && *form == Form::Text;
        let bound = |key| view.get(key).and_then(Value::as_f64);
        let fits = |number: &f64| {
            bound("minimum").is_none_or(|minimum| *number >= minimum)
                && bound("maximum").is_none_or(|maximum| *number <= maximum)
                && bound("multipleOf").is_none_or(|step| number % step == 0.0)
        };
        match number.filter(|_| !quoted).filter(fits) {
            Some(number) => Value::from(number),
            None => {
                let hint = quoted.then(|| "write it without quotes".to_owned());
                self.mismatch(node, blame, view, hint)
            }
        }
    }

    fn boolean(&mut self, node: &Node, blame: Span, view: &View) -> Value {
        let Tree::Scalar(Scalar { text, form }) = &node.tree else {
            return self.mismatch(node, blame, view, None);
        };
        match (form, text.as_str()) {
            (Form::Bool, "true") => Value::Bool(true),
            (Form::Bool, "false") => Value::Bool(false),
            (Form::Text, "true" | "false") => {
                self.mismatch(node, blame, view, Some("write it without quotes".to_owned()))
            }
            (_, text) => {
                let hint = match text.to_lowercase().as_str() {
                    "yes" | "on" | "y" | "true" => Some("write `true`".to_owned()),
                    "no" | "off" | "n" | "false" => Some("write `false`".to_owned()),
                    _ => None,
                };
                self.mismatch(node, blame, view, hint)
            }
        }
    }

    fn list(&mut self, node: &Node, blame: Span, view: &View) -> Value {
        let Tree::List(items) = &node.tree else {
            let hint = matches!(node.tree, Tree::Scalar(_))
                .then(|| "write it in brackets, or as lines that start with `- `".to_owned());
            return self.mismatch(node, blame, view, hint);
        };
        let bound = |key| view.get(key).and_then(Value::as_u64);
        let count = u64::try_from(items.len()).unwrap_or(u64::MAX);
        if bound("minItems").is_some_and(|least| count < least) {
            self.report(blame, "expected at least one item, found an empty list", view.hint());
        }
        if let Some(most) = bound("maxItems").filter(|most| count > *most) {
            self.report(blame, &format!("expected at most {most} items, found {count}"), None);
        }
        let Some(schema) = view.get("items") else { return node.to_json() };
        let mut values: Vec<Value> = Vec::with_capacity(items.len());
        for (at, item) in items.iter().enumerate() {
            self.path.push(format!("[{at}]"));
            let value = self.node(item, item.span, schema);
            if view.get("uniqueItems").is_some() && values.contains(&value) && !value.is_null() {
                self.report(item.span, &format!("{} is listed twice", quote(&word(&value))), None);
            }
            values.push(value);
            self.path.pop();
        }
        Value::Array(values)
    }

    fn map(&mut self, node: &Node, blame: Span, view: &View) -> Value {
        let Tree::Map(entries) = &node.tree else {
            return self.mismatch(node, blame, view, None);
        };
        let properties = view.get("properties").and_then(Value::as_object);
        let rest = view.get("additionalProperties");
        let was_near_secret = std::mem::replace(&mut self.is_near_secret, view.reaches_secret());
        let mut members = Map::new();
        for entry in entries {
            if matches!(entry.node.tree, Tree::Null) {
                // Removed; but `{value}` in braces is a key without a value, too.
                if view.holds_secret() || self.is_near_secret && entry.key.contains(' ') {
                    self.hidden.push(entry.key_span);
                }
                continue;
            }
            let known = properties.and_then(|properties| properties.get(&entry.key));
            let schema = match (known, rest) {
                (Some(schema), _) => schema,
                (None, Some(Value::Bool(false))) => {
                    self.unknown_key(entry, view);
                    continue;
                }
                (None, Some(schema)) => schema,
                (None, None) => {
                    members.insert(entry.key.clone(), entry.node.to_json());
                    continue;
                }
            };
            if let Some(names) = view.get("propertyNames") {
                self.key(entry, names);
            }
            self.path.push(entry.key.clone());
            let value = self.node(&entry.node, entry.blame(), schema);
            members.insert(entry.key.clone(), value);
            self.path.pop();
        }
        for key in view.required() {
            if members.get(key).is_none() {
                let hint = properties
                    .and_then(|properties| properties.get(key))
                    .and_then(|schema| View::of(schema).description());
                self.report(blame, &format!("the key `{key}` is missing"), hint);
            }
        }
        self.is_near_secret = was_near_secret;
        let most = view.get("maxProperties").and_then(Value::as_u64);
        if let Some(most) = most.filter(|most| members.len() as u64 > *most) {
            let message = format!("expected at most {most} entries, found {}", members.len());
            self.report(blame, &message, view.hint());
        }
        Value::Object(members)
    }

    fn key(&mut self, entry: &Entry, names: &'static Value) {
        if let Err(expected) = self.fits(&entry.key, &View::of(names)) {
            let found = self.echo(&entry.key, entry.key_span);
            let message = format!("the key {found} must be {expected}");
            self.report(entry.key_span, &message, None);
        }
    }

    fn unknown_key(&mut self, entry: &Entry, view: &View) {
        let known: Vec<&str> = view.keys();
        let similar = similar(&entry.key, known.iter().copied());
        let is_top = self.path.is_empty();
        let is_scalar = matches!(entry.node.tree, Tree::Scalar(_));
        let is_harmless = is_top && is_scalar && !speaks_of_secrets(&entry.key);
        if view.reaches_secret() && !is_harmless {
            self.hidden.push(entry.node.extent());
        }
        let hint = match similar {
            Some(key) => format!("did you mean `{key}`?"),
            None => format!("known here: {}", known.join(", ")),
        };
        let found = self.echo(&entry.key, entry.key_span);
        self.report(entry.key_span, &format!("there is no key {found}"), Some(hint));
    }

    /// Text out of the spec for a message. A missing quote or colon can make a key or a value
    /// swallow the secret behind it; what looks like that is hidden instead.
    fn echo(&mut self, text: &str, span: Span) -> String {
        let source = self.sources.get(span.source).map_or("", |source| source.text.as_str());
        let written = source.get(span.start..span.end).unwrap_or_default();
        let is_many_lines = written.trim_end().contains('\n');
        if is_many_lines || (self.is_near_secret && text.contains(char::is_whitespace)) {
            self.hidden.push(span);
            return if is_many_lines { "a text of several lines" } else { "a text with spaces" }
                .to_owned();
        }
        quote(text)
    }

    /// A reference to a secret. Nothing of what stands in its place is ever repeated.
    fn secret(&mut self, node: &Node, blame: Span) -> Value {
        let reference = match &node.tree {
            Tree::Map(entries) => match entries.as_slice() {
                [Entry { key, node: Node { tree: Tree::Scalar(scalar), span }, .. }]
                    if !scalar.text.is_empty() =>
                {
                    let text = scalar.text.clone();
                    match key.as_str() {
                        "secrets_manager" | "env" => Some((key.clone(), text)),
                        "file" => Some((key.clone(), self.relative(&text, *span))),
                        _ => None,
                    }
                }
                _ => None,
            },
            Tree::Null | Tree::Scalar(_) | Tree::List(_) => None,
        };
        match reference {
            Some((key, text)) => Value::Object(Map::from_iter([(key, Value::String(text))])),
            None => {
                self.hidden.push(node.extent());
                let message = format!("expected a reference to a secret, found {}", node.noun());
                let hint = "a spec never holds a secret itself; write one of \
                            {secrets_manager: ARN}, {env: NAME}, {file: PATH}";
                self.report(blame, &message, Some(hint.to_owned()));
                Value::Null
            }
        }
    }

    /// Whether `text` is what the schema of a string says; if not, what was expected.
    fn fits(&mut self, text: &str, view: &View) -> Result<(), String> {
        let length = text.chars().count() as u64;
        let bound = |key| view.get(key).and_then(Value::as_u64);
        if let Some(most) = bound("maxLength").filter(|most| length > *most) {
            return Err(format!("at most {most} characters ({length} are given)"));
        }
        if length > 0
            && let Some(least) = bound("minLength").filter(|least| length < *least)
        {
            return Err(format!("at least {least} characters"));
        }
        let too_short = bound("minLength").is_some_and(|least| length < least);
        let pattern = view.get("pattern").and_then(Value::as_str);
        let matches = pattern.is_none_or(|pattern| {
            let compiled = self.patterns.entry(pattern).or_insert_with(|| Regex::new(pattern).ok());
            compiled.as_ref().is_none_or(|pattern| pattern.is_match(text))
        });
        if matches && !too_short { Ok(()) } else { Err(view.expected()) }
    }

    /// A path as seen from the working directory.
    fn relative(&self, text: &str, span: Span) -> String {
        let directory = self.sources.get(span.source).and_then(|source| source.directory.as_ref());
        match directory {
            Some(directory) => directory.join(text).to_string_lossy().into_owned(),
            None => text.to_owned(),
        }
    }
}

/// A constant as a user writes it.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
