//! YAML as written: source texts and spans, nothing interpreted.

use super::source::Span;
use serde_json::Value;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) tree: Tree,
    /// The scalar's text; of a list or map, where it begins.
    pub(crate) span: Span,
}

/// What a node holds.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Null,
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A scalar by its source text: `1.30` stays `1.30`, `no` stays `no`.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) form: Form,
}

/// What YAML would take a scalar for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Bool,
    Number,
    Text,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) node: Node,
}

impl Entry {
    /// What to point at when the value is wrong: the value itself if it is a scalar, the key if
    /// the value is many lines.
    pub(crate) fn blame(&self) -> Span {
        match self.node.tree {
            Tree::Scalar(_) => self.node.span,
            Tree::Null | Tree::List(_) | Tree::Map(_) => self.key_span,
        }
    }
}

impl Node {
    /// An empty map at the start of a source.
    pub(crate) fn empty(source: usize) -> Self {
        Node { tree: Tree::Map(Vec::new()), span: Span { source, start: 0, end: 0 } }
    }

    /// The entry of `key`, if this is a map that has it.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.tree {
            Tree::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Tree::Null | Tree::Scalar(_) | Tree::List(_) => None,
        }
    }

    /// What this is, with its article, for messages.
    pub(crate) fn noun(&self) -> &'static str {
        match &self.tree {
            Tree::Null => "nothing",
            Tree::Scalar(Scalar { form: Form::Bool, .. }) => "a boolean",
            Tree::Scalar(Scalar { form: Form::Number, .. }) => "a number",
            Tree::Scalar(Scalar { form: Form::Text, .. }) => "a string",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a map",
        }
    }

    /// All that this node covers, as far as it is in the source it starts in.
    pub(crate) fn extent(&self) -> Span {
        let mut extent = self.span;
        let mut include = |span: Span| {
            if span.source == extent.source {
                extent.start = extent.start.min(span.start);
                extent.end = extent.end.max(span.end);
            }
        };
        match &self.tree {
            Tree::Null | Tree::Scalar(_) => {}
            Tree::List(items) => items.iter().for_each(|item| include(item.extent())),
            Tree::Map(entries) => entries.iter().for_each(|entry| {
                include(entry.key_span);
                include(entry.node.extent());
            }),
        }
        extent
    }

    /// As JSON, where no schema says what is wanted. A number whose text JSON would write in
    /// another way (`1.30`, `007`) stays text, and a key without a value is not there.
    pub(crate) fn to_json(&self) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Scalar(scalar) => scalar.to_json(),
            Tree::List(items) => Value::Array(items.iter().map(Node::to_json).collect()),
            Tree::Map(entries) => Value::Object(
                entries
                    .iter()
                    .filter(|entry| !matches!(entry.node.tree, Tree::Null))
                    .map(|entry| (entry.key.clone(), entry.node.to_json()))
                    .collect(),
            ),
        }
    }
}

impl Scalar {
    fn to_json(&self) -> Value {
        let literal = match self.form {
            Form::Bool if self.text == "true" => Some(Value::Bool(true)),
            Form::Bool if self.text == "false" => Some(Value::Bool(false)),
            Form::Number => serde_json::from_str::<Value>(&self.text).ok().filter(|value| {
                let rewritten = value.to_string();
                value.is_number() && rewritten == self.text
            }),
            Form::Bool | Form::Text => None,
        };
        literal.unwrap_or_else(|| Value::String(self.text.clone()))
    }
}

/// Writes `value` as indented JSON into `text` and gives the tree of what was written.
pub(crate) fn write_json(value: &Value, source: usize, depth: usize, text: &mut String) -> Node {
    let start = text.len();
    let tree = match value {
        Value::Null => {
            text.push_str("null");
            Tree::Null
        }
        Value::Bool(_) => write_scalar(value.to_string(), Form::Bool, text),
        Value::Number(_) => write_scalar(value.to_string(), Form::Number, text),
        Value::String(content) => {
            text.push_str(&value.to_string());
            Tree::Scalar(Scalar { text: content.clone(), form: Form::Text })
        }
        Value::Array(items) => {
            text.push('[');
            let mut nodes = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                break_line(at, depth, text);
                nodes.push(write_json(item, source, depth + 1, text));
            }
            text.push(']');
            Tree::List(nodes)
        }
        Value::Object(members) => {
            text.push('{');
            let mut entries = Vec::with_capacity(members.len());
            for (at, (key, member)) in members.iter().enumerate() {
                break_line(at, depth, text);
                let start = text.len();
                text.push_str(&Value::from(key.as_str()).to_string());
                let key_span = Span { source, start, end: text.len() };
                text.push_str(": ");
                let node = write_json(member, source, depth + 1, text);
                entries.push(Entry { key: key.clone(), key_span, node });
            }
            text.push('}');
            Tree::Map(entries)
        }
    };
    let end = match tree {
        Tree::List(_) | Tree::Map(_) => start + 1,
        Tree::Null | Tree::Scalar(_) => text.len(),
    };
    Node { tree, span: Span { source, start, end } }
}

fn write_scalar(content: String, form: Form, text: &mut String) -> Tree {
    text.push_str(&content);
    Tree::Scalar(Scalar { text: content, form })
}

fn break_line(at: usize, depth: usize, text: &mut String) {
    if at > 0 {
        text.push(',');
    }
    text.push('\n');
    text.push_str(&"  ".repeat(depth + 1));
}
