//! YAML text -> tree.

use super::diagnostic::Diagnostic;
use super::source::{Sources, Span, floor};
use super::tree::{Entry, Form, Node, Scalar, Tree};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};
use std::fmt;

/// Texts above this size are refused unread: no spec is a megabyte long.
pub(crate) const MAX_BYTES: usize = 1 << 20;

/// How deep lists and maps may be nested. The deepest path of the spec, a statement's condition
/// in an inline policy, has ten levels.
const MAX_DEPTH: usize = 40;

/// How many values one text may hold, aliases counted as often as they are used.
const MAX_NODES: usize = 50_000;

/// The parser recurses through several frames a level, and those of a debug build are large.
const STACK_BYTES: usize = 16 << 20;

/// Parses the numbered source.
pub(crate) fn parse(sources: &Sources, number: usize) -> Result<Node, Diagnostic> {
    let text = sources.get(number).map_or("", |source| source.text.as_str());
    parse_text(text, number, 0)
}

/// Parses `text`, which stands in the numbered source from the byte `offset` on.
pub(crate) fn parse_text(text: &str, source: usize, offset: usize) -> Result<Node, Diagnostic> {
    let whole = Span { source, start: offset, end: offset };
    if text.trim_start_matches('\u{feff}').trim().is_empty() {
        return Ok(Node { tree: Tree::Null, span: whole });
    }
    let place = Place { text, source, offset };
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || place.parse())
            .ok()
            .and_then(|thread| thread.join().ok())
    })
    .unwrap_or_else(|| Err(Diagnostic::new("parsing YAML: the parser could not run", Some(whole))))
}

/// A text and where it stands.
#[derive(Clone, Copy)]
struct Place<'a> {
    text: &'a str,
    source: usize,
    offset: usize,
}

impl Place<'_> {
    fn parse(self) -> Result<Node, Diagnostic> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: MAX_DEPTH,
                flow_nesting_limit: MAX_DEPTH,
                max_nodes: MAX_NODES,
                max_events: 4 * MAX_NODES,
            },
            alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_NODES },
            non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::AsString,
            with_snippet: false,
        };
        match serde_saphyr::from_str_with_options::<Spanned<Raw>>(self.text, options) {
            Ok(raw) => Ok(self.node(raw)),
            Err(error) => Err(self.refuse(&error)),
        }
    }

    /// What the parser refused.
    fn refuse(self, error: &serde_saphyr::Error) -> Diagnostic {
        use serde_saphyr::Error;
        let error = error.without_snippet();
        let mut at = error.location().map(|location| self.place_of(location));
        let (message, hint) = match error {
            Error::DuplicateMappingKey { key, .. } => {
                if let (Some(at), Some(key)) = (&mut at, key)
                    && self
                        .text
                        .get(at.start - self.offset..)
                        .is_some_and(|text| text.starts_with(key.as_str()))
                {
                    at.end = at.start + key.len();
                }
                let key = key.as_deref().map_or("a key".to_owned(), super::diagnostic::quote);
                let hint = "a map holds each key once; merge the two, or remove one";
                (format!("parsing YAML: {key} stands twice in one map"), Some(hint))
            }
            Error::MultipleDocuments { .. } => (
                "parsing YAML: more than one document in one file".to_owned(),
                Some("give several files by several -f"),
            ),
            Error::Budget { .. } => (
                "parsing YAML: nested too deeply, too large, or aliases expand to too much"
                    .to_owned(),
                None,
            ),
            other => {
                // The words end in the place, which is shown with the line.
                let words = first_line(&other.to_string());
                let words = words.split(" at line ").next().unwrap_or_default();
                let words = match words {
                    words if words.contains("alias replay") => "aliases expand to too much",
                    words if words.contains("recursion limit") => "nested too deeply",
                    words => words,
                };
                (format!("parsing YAML: {words}"), None)
            }
        };
        let mut diagnostic = Diagnostic::new(message, at);
        diagnostic.hint = hint.map(str::to_owned);
        diagnostic.is_syntax = true;
        diagnostic
    }

    /// The character at a line and column: errors come without an offset in bytes.
    fn place_of(self, location: Location) -> Span {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let line = number(location.line()).saturating_sub(1);
        let column = number(location.column()).saturating_sub(1);
        let line_start: usize = self.text.split_inclusive('\n').take(line).map(str::len).sum();
        let rest = self.text.get(line_start..).unwrap_or_default();
        let rest = rest.lines().next().unwrap_or_default();
        let (at, width) = rest
            .char_indices()
            .nth(column)
            .map_or((rest.len(), 0), |(at, character)| (at, character.len_utf8()));
        let start = self.offset + line_start + at;
        Span { source: self.source, start, end: start + width }
    }

    fn span(self, location: Location) -> Span {
        let span = location.span();
        let size = |bytes: Option<u64>| bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let start = size(span.byte_offset()).unwrap_or_default().min(self.text.len());
        let end = start + size(span.byte_len()).unwrap_or_default();
        let (start, end) = (floor(self.text, start), floor(self.text, end));
        let covered = self.text.get(start..end).unwrap_or_default();
        let end = start + covered.trim_end().len();
        Span { source: self.source, start: self.offset + start, end: self.offset + end }
    }

    fn node(self, raw: Spanned<Raw>) -> Node {
        let span = self.span(raw.defined);
        let plain = |form| {
            let text = self.text.get(span.start - self.offset..span.end - self.offset);
            Tree::Scalar(Scalar { text: text.unwrap_or_default().to_owned(), form })
        };
        match raw.value {
            Raw::Null => Node { tree: Tree::Null, span },
            Raw::Bool => Node { tree: plain(Form::Bool), span },
            Raw::Number => Node { tree: plain(Form::Number), span },
            Raw::Text(text) => Node { tree: Tree::Scalar(Scalar { text, form: Form::Text }), span },
            Raw::List(items) => {
                let tree = Tree::List(items.into_iter().map(|item| self.node(item)).collect());
                Node { tree, span: Span { end: span.start, ..span } }
            }
            Raw::Map(entries) => {
                let tree = Tree::Map(
                    entries
                        .into_iter()
                        .map(|(key, value)| Entry {
                            key_span: self.span(key.defined),
                            key: key.value,
                            node: self.node(value),
                        })
                        .collect(),
                );
                Node { tree, span: Span { end: span.start, ..span } }
            }
        }
    }
}

fn first_line(text: &str) -> String {
    super::diagnostic::printable(text.lines().next().unwrap_or_default())
}

/// What YAML takes a node for; scalars that are not text are read from the source instead.
enum Raw {
    Null,
    Bool,
    Number,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a scalar, a list or a map")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Raw, E> {
        Ok(Raw::Bool)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_i128<E: de::Error>(self, _: i128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_u128<E: de::Error>(self, _: u128) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}
