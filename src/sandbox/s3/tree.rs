//! XML documents as trees, in the wire's own names and in the model's.

use crate::sandbox::failure::Failure;
use crate::sandbox::law::Kind;
use crate::sandbox::law::Shape;
use crate::sandbox::wire::xml;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::Event;
use serde_json::{Map, Number, Value};

/// How deep a document may nest; none of S3's comes near it.
const DEPTH: usize = 32;

fn malformed() -> Failure {
    let message =
        "The XML you provided was not well-formed or did not validate against our published schema";
    Failure::new("MalformedXML", message)
}

/// Reads a document: the name of its root element, and what is in it. An element is a text or an
/// object by its children's names; children of one name are a list.
pub(crate) fn read(body: &[u8]) -> Result<(String, Value), Failure> {
    let text = std::str::from_utf8(body).map_err(|_| malformed())?;
    let mut reader = Reader::from_str(text);
    // Open elements: name, text so far, children so far.
    let mut open: Vec<(String, String, Map<String, Value>)> = Vec::new();
    loop {
        let closed = match reader.read_event().map_err(|_| malformed())? {
            Event::Start(tag) => {
                if open.len() >= DEPTH {
                    return Err(malformed());
                }
                let name = tag.local_name().as_ref().to_owned();
                open.push((name, String::new(), Map::new()));
                continue;
            }
            Event::Empty(tag) => {
                let name = tag.local_name().as_ref().to_owned();
                (name, Value::from(""))
            }
            Event::Text(part) => {
                if let Some((_, text, _)) = open.last_mut() {
                    text.push_str(&part.xml10_content());
                }
                continue;
            }
            Event::CData(part) => {
                if let Some((_, text, _)) = open.last_mut() {
                    text.push_str(&part.xml10_content());
                }
                continue;
            }
            Event::GeneralRef(entity) => {
                let letter = match entity.resolve_char_ref().map_err(|_| malformed())? {
                    Some(letter) => letter.to_string(),
                    None => resolve_xml_entity(&entity).ok_or_else(malformed)?.to_owned(),
                };
                if let Some((_, text, _)) = open.last_mut() {
                    text.push_str(&letter);
                }
                continue;
            }
            Event::End(_) => {
                let (name, text, children) = open.pop().ok_or_else(malformed)?;
                let value =
                    if children.is_empty() { Value::from(text.trim()) } else { children.into() };
                (name, value)
            }
            Event::Eof => return Err(malformed()),
            _ => continue,
        };
        let (name, value) = closed;
        let Some((_, _, siblings)) = open.last_mut() else { return Ok((name, value)) };
        match siblings.get_mut(&name) {
            None => {
                siblings.insert(name, value);
            }
            Some(Value::Array(items)) => items.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
}

/// A tree in the wire's names as one in the model's, so that the law can be held against it.
pub(crate) fn members(tree: &Value, shape: &Shape) -> Value {
    match (shape.kind, tree) {
        (Kind::Structure, Value::Object(found)) => {
            let mut out = Map::new();
            for (wire, value) in found {
                let known = shape.members.iter().find(|(name, member)| {
                    member.wire.as_ref().map_or(name.as_str() == wire, |other| other == wire)
                });
                match known {
                    Some((name, member)) => {
                        out.insert(name.clone(), members(value, member));
                    }
                    None => {
                        out.insert(wire.clone(), value.clone());
                    }
                }
            }
            Value::Object(out)
        }
        (Kind::Structure, Value::String(text)) if text.is_empty() => Value::Object(Map::new()),
        (Kind::List, tree) => {
            let Some(item) = &shape.item else { return tree.clone() };
            // A flat list is its items; another is an element around them.
            let inner = match (&shape.wire, tree) {
                (None, Value::Object(wrapper)) => wrapper.values().next().unwrap_or(tree),
                (None, Value::String(text)) if text.is_empty() => &Value::Null,
                _ => tree,
            };
            match inner {
                Value::Null => Value::Array(Vec::new()),
                Value::Array(items) => items.iter().map(|value| members(value, item)).collect(),
                one => Value::Array(vec![members(one, item)]),
            }
        }
        (Kind::Boolean, Value::String(text)) => match text.as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => tree.clone(),
        },
        (Kind::Integer | Kind::Long, Value::String(text)) => {
            text.parse::<i64>().map_or_else(|_| tree.clone(), |n| Value::Number(Number::from(n)))
        }
        _ => tree.clone(),
    }
}

/// Writes a tree in the wire's names: a list is its items, one element each.
pub(super) fn write(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Array(items) => items.iter().for_each(|item| write(out, name, item)),
        Value::Object(children) => {
            xml::open(out, name);
            children.iter().for_each(|(name, value)| write(out, name, value));
            xml::close(out, name);
        }
        _ => {
            xml::open(out, name);
            xml::content(out, value, "");
            xml::close(out, name);
        }
    }
}

/// What a wire tree holds at `name`: none, one or several.
pub(super) fn items<'a>(tree: &'a Value, name: &str) -> Vec<&'a Value> {
    match tree.get(name) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(items)) => items.iter().collect(),
        Some(one) => vec![one],
    }
}
