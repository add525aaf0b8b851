//! Holds an input against the law.

use super::pattern::Pattern;
use super::shape::{Kind, OperationLaw, Shape};
use crate::sandbox::failure::Failure;
use crate::sandbox::wire::Protocol;
use crate::sandbox::wire::form::Form;
use serde_json::{Map, Number, Value};

impl OperationLaw {
    /// Reads form parameters into members and checks them.
    pub(crate) fn read_form(&self, form: &Form, protocol: Protocol) -> Result<Value, Failure> {
        let tree = structure(form, &self.input, "", protocol)?;
        self.check(&tree, protocol)?;
        Ok(tree)
    }

    /// Checks an input that came as a tree of members.
    pub(crate) fn check(&self, tree: &Value, protocol: Protocol) -> Result<(), Failure> {
        check(tree, &self.input, "", protocol)
    }
}

fn structure(form: &Form, shape: &Shape, path: &str, protocol: Protocol) -> Result<Value, Failure> {
    let mut members = Map::new();
    for (wire, below) in &form.below {
        let found = shape.members.iter().find(|(name, member)| {
            member.wire.as_ref().map_or(name.as_str() == wire, |other| other == wire)
        });
        let Some((name, member)) = found else {
            return Err(unknown(&joined(path, wire), protocol));
        };
        members.insert(name.clone(), value(below, member, &joined(path, wire), protocol)?);
    }
    Ok(Value::Object(members))
}

fn value(form: &Form, shape: &Shape, path: &str, protocol: Protocol) -> Result<Value, Failure> {
    match shape.kind {
        Kind::Structure => structure(form, shape, path, protocol),
        Kind::List => list(form, shape, path, protocol),
        Kind::Map => map(form, shape, path, protocol),
        kind => {
            let text = match (&form.leaf, form.below.keys().next()) {
                (Some(text), None) => text,
                (_, Some(below)) => return Err(unknown(&joined(path, below), protocol)),
                (None, None) => return Ok(Value::Null),
            };
            scalar(text, kind)
                .ok_or_else(|| invalid(protocol, &format!("Invalid value '{text}' for {path}")))
        }
    }
}

fn list(form: &Form, shape: &Shape, path: &str, protocol: Protocol) -> Result<Value, Failure> {
    // An empty list is sent as the bare name.
    if form.below.is_empty() {
        return match form.leaf.as_deref() {
            None | Some("") => Ok(Value::Array(Vec::new())),
            Some(_) => Err(unknown(path, protocol)),
        };
    }
    // `Name.member.1` in the query protocol, `Name.1` where the list is flat.
    let inner = match (form.below.len(), form.below.iter().next()) {
        (1, Some((name, inner))) if name.parse::<u32>().is_err() => inner,
        _ => form,
    };
    let Some(items) = inner.items() else { return Err(unknown(path, protocol)) };
    let Some(item) = &shape.item else { return Err(unknown(path, protocol)) };
    items
        .into_iter()
        .enumerate()
        .map(|(index, form)| value(form, item, &format!("{path}.{}", index + 1), protocol))
        .collect::<Result<Vec<_>, _>>()
        .map(Value::Array)
}

fn map(form: &Form, shape: &Shape, path: &str, protocol: Protocol) -> Result<Value, Failure> {
    let inner = form.below.get("entry").unwrap_or(form);
    let Some(entries) = inner.items() else { return Err(unknown(path, protocol)) };
    let Some(item) = &shape.item else { return Err(unknown(path, protocol)) };
    let mut members = Map::new();
    for entry in entries {
        let key = entry.below.get("key").and_then(|key| key.leaf.clone()).unwrap_or_default();
        let below = entry.below.get("value").cloned().unwrap_or_default();
        members.insert(key, value(&below, item, path, protocol)?);
    }
    Ok(Value::Object(members))
}

fn scalar(text: &str, kind: Kind) -> Option<Value> {
    match kind {
        Kind::Integer => text.parse::<i32>().ok().map(Value::from),
        Kind::Long => text.parse::<i64>().ok().map(Value::from),
        Kind::Boolean => match text {
            "true" | "True" | "1" => Some(Value::Bool(true)),
            "false" | "False" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Float | Kind::Double => {
            text.parse::<f64>().ok().and_then(Number::from_f64).map(Value::Number)
        }
        _ => Some(Value::from(text)),
    }
}

fn check(tree: &Value, shape: &Shape, path: &str, protocol: Protocol) -> Result<(), Failure> {
    let wrong_type =
        || invalid(protocol, &format!("{path} is not of the type that the model says"));
    match (shape.kind, tree) {
        (_, Value::Null) => Ok(()),
        (Kind::Structure, Value::Object(members)) => {
            for (name, member) in &shape.members {
                let given = members.get(name).is_some_and(|value| !value.is_null());
                if member.required && !given {
                    return Err(missing(protocol, &joined(path, name)));
                }
            }
            for (name, value) in members {
                let path = joined(path, name);
                let member = shape.members.get(name).ok_or_else(|| unknown(&path, protocol))?;
                check(value, member, &path, protocol)?;
            }
            Ok(())
        }
        (Kind::List, Value::Array(items)) => {
            within(items.len(), shape, path, "length", protocol)?;
            let Some(item) = &shape.item else { return Ok(()) };
            items.iter().enumerate().try_for_each(|(index, value)| {
                check(value, item, &format!("{path}.{}", index + 1), protocol)
            })
        }
        (Kind::Map, Value::Object(entries)) => {
            within(entries.len(), shape, path, "length", protocol)?;
            for (key, value) in entries {
                if let Some(shape) = &shape.key {
                    check(&Value::from(key.as_str()), shape, path, protocol)?;
                }
                if let Some(shape) = &shape.item {
                    check(value, shape, &joined(path, key), protocol)?;
                }
            }
            Ok(())
        }
        (Kind::String, Value::String(text)) => string(text, shape, path, protocol),
        (Kind::Integer | Kind::Long, Value::Number(number)) => {
            let number = number.as_i64().ok_or_else(wrong_type)?;
            let fits = shape.min.is_none_or(|min| number >= min)
                && shape.max.is_none_or(|max| number <= max);
            if fits {
                Ok(())
            } else {
                Err(out_of_range(protocol, path, &number.to_string(), shape))
            }
        }
        (Kind::Boolean, Value::Bool(_))
        | (Kind::Float | Kind::Double, Value::Number(_))
        | (Kind::Timestamp, Value::Number(_) | Value::String(_))
        | (Kind::Blob, Value::String(_))
        | (Kind::Document, _) => Ok(()),
        _ => Err(wrong_type()),
    }
}

fn string(text: &str, shape: &Shape, path: &str, protocol: Protocol) -> Result<(), Failure> {
    if !shape.allowed.is_empty() && !shape.allowed.iter().any(|allowed| allowed == text) {
        let message = match protocol {
            Protocol::Ec2Query => format!("Invalid value '{text}' for {path}"),
            _ => violated(
                text,
                path,
                &format!("satisfy enum value set: [{}]", shape.allowed.join(", ")),
            ),
        };
        return Err(invalid(protocol, &message));
    }
    within(text.chars().count(), shape, path, "length", protocol)?;
    match &shape.pattern {
        Some(Pattern::Checked(regex, pattern)) if !regex.is_match(text) => {
            let rule = format!("satisfy regular expression pattern: {pattern}");
            Err(invalid(protocol, &violated(text, path, &rule)))
        }
        _ => Ok(()),
    }
}

/// Checks a length.
fn within(
    length: usize,
    shape: &Shape,
    path: &str,
    what: &str,
    protocol: Protocol,
) -> Result<(), Failure> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let rule = match (shape.min, shape.max) {
        (Some(min), _) if length < min => format!("have {what} greater than or equal to {min}"),
        (_, Some(max)) if length > max => format!("have {what} less than or equal to {max}"),
        _ => return Ok(()),
    };
    Err(invalid(protocol, &violated("(given)", path, &rule)))
}

fn out_of_range(protocol: Protocol, path: &str, given: &str, shape: &Shape) -> Failure {
    let (min, max) = (shape.min.unwrap_or(i64::MIN), shape.max.unwrap_or(i64::MAX));
    let message = match protocol {
        Protocol::Ec2Query => format!(
            "Value ( {given} ) for parameter {path} is invalid. Expecting a value between {min} and {max}."
        ),
        _ => violated(given, path, &format!("have value between {min} and {max}")),
    };
    invalid(protocol, &message)
}

fn violated(given: &str, path: &str, rule: &str) -> String {
    let secret = ["Secret", "Password", "Token"].iter().any(|word| path.contains(word));
    let given = if secret { "***" } else { given };
    format!(
        "1 validation error detected: Value '{given}' at '{path}' failed to satisfy constraint: Member must {rule}"
    )
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn unknown(path: &str, protocol: Protocol) -> Failure {
    match protocol {
        Protocol::Ec2Query => {
            Failure::new("UnknownParameter", format!("The parameter {path} is not recognized"))
        }
        _ => invalid(protocol, &format!("{path} is not a member of this operation's input")),
    }
}

fn missing(protocol: Protocol, path: &str) -> Failure {
    match protocol {
        Protocol::Ec2Query => Failure::new(
            "MissingParameter",
            format!("The request must contain the parameter {path}"),
        ),
        _ => {
            let message = format!(
                "1 validation error detected: Value null at '{path}' failed to satisfy constraint: Member must not be null"
            );
            invalid(protocol, &message)
        }
    }
}

fn invalid(protocol: Protocol, message: &str) -> Failure {
    let code = match protocol {
        Protocol::Ec2Query => "InvalidParameterValue",
        Protocol::AwsQuery => "ValidationError",
        Protocol::AwsJson10 | Protocol::AwsJson11 => "ValidationException",
        Protocol::RestXml => "InvalidArgument",
        // The only service of this protocol is EKS, and so it says.
        Protocol::RestJson => "InvalidParameterException",
        Protocol::RestXmlWrapped => "InvalidInput",
    };
    Failure::new(code, message)
}
