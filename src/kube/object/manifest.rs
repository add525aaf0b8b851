//! Manifests with holes: what an object should be, where other resources fill some of its texts.

use super::types::Type;
use crate::kind::{Cx, Diff, Error, Result};
use crate::value::{In, Known, Text};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// Begins and ends a text that stands for a hole. No manifest can hold it: Kubernetes takes no
/// control characters in names, and YAML none at all.
const FENCE: char = '\u{1}';

/// Where the annotations of a Deployment's pods are.
const POD_ANNOTATIONS: &str = "/spec/template/metadata/annotations";

/// Texts that other resources fill. Each gives a placeholder, to be put where a whole string
/// stands in the manifest.
#[derive(Debug, Default)]
pub struct Holes(Vec<Text>);

impl Holes {
    /// What to write where `text` belongs.
    pub fn text(&mut self, text: Text) -> String {
        self.0.push(text);
        format!("{FENCE}{}{FENCE}", self.0.len() - 1)
    }
}

/// What an object should be: its manifest without name, namespace, version and kind, and what is
/// only known once other resources are.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    of: Type,
    namespace: String,
    name: String,
    object: Value,
    /// By JSON pointer into `object` (RFC 6901).
    holes: BTreeMap<String, Text>,
}

impl Manifest {
    /// The manifest of `object`, any of the types that are managed; those of `k8s_openapi`
    /// serialise as they must. `holes` made its placeholders.
    ///
    /// # Errors
    /// When it is of a type that is not managed, has no name, lacks its namespace, or a
    /// placeholder is not the whole of a string.
    pub fn new<T: Serialize>(object: &T, holes: Holes) -> Result<Manifest> {
        let mut object = serde_json::to_value(object)
            .map_err(|error| Error::local(format!("a manifest can not be written: {error}")))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let of = Type::of_manifest(&version, &kind).ok_or_else(|| {
            Error::local(format!("objects of type {version}/{kind} are not managed"))
        })?;
        let name = text(&object["metadata"]["name"]);
        let namespace = text(&object["metadata"]["namespace"]);
        if name.is_empty() || namespace.is_empty() == of.is_namespaced() {
            return Err(Error::local(format!("a {of} without name, or in no place of its own")));
        }
        for parent in ["/metadata/labels", "/metadata/annotations", POD_ANNOTATIONS] {
            if !object.pointer(parent).is_none_or(|value| value.is_null() || value.is_object()) {
                return Err(Error::local(format!("{parent} of a {of} must be a map")));
            }
        }
        if let Some(top) = object.as_object_mut() {
            top.retain(|key, _| !matches!(key.as_str(), "apiVersion" | "kind" | "status"));
        }
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.retain(|key, _| !matches!(key.as_str(), "name" | "namespace"));
        }
        let mut filled = BTreeMap::new();
        take_holes(&mut object, "", &holes.0, &mut filled)?;
        Ok(Manifest { of, namespace, name, object, holes: filled })
    }

    /// Its type.
    pub fn object_type(&self) -> Type {
        self.of
    }

    /// Its namespace; empty where its type has none.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The manifest as far as it is known while comparing, and where it is not: there it is null.
    pub(super) fn known(&self, diff: &Diff<'_>) -> (Value, Vec<String>) {
        let mut object = self.object.clone();
        let mut unknown = Vec::new();
        for (pointer, text) in &self.holes {
            match (diff.whole(text), object.pointer_mut(pointer)) {
                (Some(text), Some(place)) => *place = Value::from(text),
                _ => unknown.push(pointer.clone()),
            }
        }
        (object, unknown)
    }

    /// The whole manifest for readers; `hole` says what stands where other resources fill it.
    pub(super) fn shown(&self, hole: impl Fn(&In<String>) -> String) -> Value {
        let mut object = self.object.clone();
        for (pointer, text) in &self.holes {
            if let Some(place) = object.pointer_mut(pointer) {
                *place = Value::from(text.pieces().iter().map(&hole).collect::<String>());
            }
        }
        object
    }

    /// The whole manifest, if nothing else fills any of it.
    pub(super) fn literal(&self) -> Option<Value> {
        let mut object = self.object.clone();
        for (pointer, text) in &self.holes {
            let pieces = text.pieces().iter().map(|piece| match piece {
                In::Literal(text) => Some(text.as_str()),
                In::Output(_) => None,
            });
            *object.pointer_mut(pointer)? = Value::from(pieces.collect::<Option<String>>()?);
        }
        Some(object)
    }

    /// The whole manifest, once everything is known.
    pub(super) fn whole(&self, cx: &Cx) -> Result<Value> {
        let mut object = self.object.clone();
        for (pointer, text) in &self.holes {
            if let Some(place) = object.pointer_mut(pointer) {
                *place = Value::from(cx.text(text)?);
            }
        }
        Ok(object)
    }
}

/// Moves the placeholders below `value` into `filled`, and leaves null where they stood.
fn take_holes(
    value: &mut Value,
    at: &str,
    texts: &[Text],
    filled: &mut BTreeMap<String, Text>,
) -> Result<()> {
    match value {
        Value::String(text) if text.contains(FENCE) => {
            let hole = text.strip_prefix(FENCE).and_then(|text| text.strip_suffix(FENCE));
            let hole = hole.and_then(|number| number.parse().ok());
            let hole = hole.and_then(|number: usize| texts.get(number)).ok_or_else(|| {
                Error::local(format!("what fills {at} must be the whole of a string"))
            })?;
            filled.insert(at.to_owned(), hole.clone());
            *value = Value::Null;
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                take_holes(item, &format!("{at}/{index}"), texts, filled)?;
            }
        }
        Value::Object(map) => {
            for (key, item) in map {
                take_holes(item, &below(at, key), texts, filled)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// The JSON pointer of an entry of the object at `at`.
pub(super) fn below(at: &str, key: &str) -> String {
    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// What a leaf of a manifest should be, given where it is not known yet.
pub(super) fn known_at(value: &Value, pointer: &str, unknown: &[String]) -> Known<Value> {
    let is_unknown = unknown.iter().any(|hole| {
        hole.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    if is_unknown { Known::AfterApply } else { Known::Yes(value.clone()) }
}
