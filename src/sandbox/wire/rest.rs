//! REST with JSON: method and path name the operation, the path's labels, the query and the body
//! are its input.

use crate::sandbox::failure::Failure;
use crate::sandbox::law::{Kind, Shape};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// The labels of `template` (`/clusters/{name}`) as the request has them; `None` if the request
/// is for something else.
pub(crate) fn matched(
    request: &http::Request<Bytes>,
    method: &str,
    template: &str,
) -> Option<Vec<(String, String)>> {
    if request.method().as_str() != method {
        return None;
    }
    let mut labels = Vec::new();
    let mut segments = request.uri().path().split('/');
    for expected in template.split('/') {
        let found = segments.next()?;
        match expected.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
            Some(_) if found.is_empty() => return None,
            Some(label) => {
                let value = percent_decode_str(found).decode_utf8_lossy().into_owned();
                labels.push((label.to_owned(), value));
            }
            None if found == expected => {}
            None => return None,
        }
    }
    // A slash at the end changes nothing.
    segments.all(str::is_empty).then_some(labels)
}

/// The input of an operation, by member names. What no member is called is kept under its own
/// name, so that the law refuses it.
pub(crate) fn input(
    request: &http::Request<Bytes>,
    labels: &[(String, String)],
    shape: &Shape,
) -> Result<Value, Failure> {
    let malformed = |message: String| Failure::new("SerializationException", message);
    let mut members = match request.body().as_ref() {
        [] => Map::new(),
        body => match serde_json::from_slice(body) {
            Ok(Value::Object(members)) => members,
            Ok(_) => return Err(malformed("The body is not an object.".to_owned())),
            Err(error) => return Err(malformed(error.to_string())),
        },
    };
    let query = request.uri().query().unwrap_or_default();
    for (wire, text) in form_urlencoded::parse(query.as_bytes()) {
        let (name, member) = called(shape, &wire);
        let name = name.to_owned();
        match member.map(|member| member.kind) {
            Some(Kind::List) => {
                let list = members.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                if let Some(list) = list.as_array_mut() {
                    list.push(Value::from(text.into_owned()));
                }
            }
            kind => {
                members.insert(name, scalar(&text, kind));
            }
        }
    }
    for (label, text) in labels {
        let (name, _) = called(shape, label);
        members.insert(name.to_owned(), Value::from(text.as_str()));
    }
    Ok(Value::Object(members))
}

/// The member that the wire calls `wire`.
fn called<'a>(shape: &'a Shape, wire: &'a str) -> (&'a str, Option<&'a Shape>) {
    let known = shape.members.iter().find(|(name, member)| {
        member.wire.as_ref().map_or(name.as_str() == wire, |other| other == wire)
    });
    known.map_or((wire, None), |(name, member)| (name.as_str(), Some(member)))
}

/// A value of the query. One that is not of its member's type stays a string, which the law
/// refuses.
fn scalar(text: &str, kind: Option<Kind>) -> Value {
    match (kind, text) {
        (Some(Kind::Boolean), "true") => Value::Bool(true),
        (Some(Kind::Boolean), "false") => Value::Bool(false),
        (Some(Kind::Integer | Kind::Long), _) => {
            text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from)
        }
        _ => Value::from(text),
    }
}
