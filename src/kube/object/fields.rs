//! A manifest against a live object, leaf by leaf.
//!
//! What the server fills in is not ours to compare: `metadata.managedFields` says which fields
//! coderctl has applied, and also which lists are merged by which keys, so no schema is needed.
//! A leaf is a scalar, or what Kubernetes treats as one: an atomic list or map. Fields are named as
//! the server names them in conflicts: `spec.template.spec.containers[name="coder"].image`.
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy>

use super::manifest::below;
use super::quantity;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// A leaf of the manifest, of the live object, or of both.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leaf {
    /// Its name.
    pub(super) field: String,
    /// Where it is in the manifest (RFC 6901), with its value there; `None` where the manifest has
    /// no more what was applied.
    pub(super) wanted: Option<(String, Value)>,
    /// The live value.
    pub(super) live: Option<Value>,
}

impl Leaf {
    /// Whether the two say the same.
    pub(super) fn is_same(&self) -> bool {
        match (&self.wanted, &self.live) {
            (Some((_, want)), Some(live)) => same(want, live, &self.field),
            (Some((_, want)), None) => is_nothing(want),
            (None, live) => live.is_none(),
        }
    }
}

/// All leaves of `manifest`, and those of `live` that `owned` (`fieldsV1`) says were applied.
pub(super) fn leaves(manifest: &Value, live: &Value, owned: &Value) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let place = Place { field: String::new(), pointer: String::new() };
    walk(&place, Some(manifest), Some(live), Some(owned), &mut leaves);
    leaves
}

/// The names of the leaves of `live` that `owned` (`fieldsV1`) names.
pub(super) fn owned_leaves(live: &Value, owned: &Value) -> BTreeSet<String> {
    let mut leaves = Vec::new();
    let place = Place { field: String::new(), pointer: String::new() };
    walk(&place, None, Some(live), Some(owned), &mut leaves);
    leaves.into_iter().filter(|leaf| leaf.live.is_some()).map(|leaf| leaf.field).collect()
}

struct Place {
    field: String,
    pointer: String,
}

impl Place {
    fn entry(&self, key: &str) -> Place {
        let field = match self.field.as_str() {
            // `metadata.labels.x` reads `labels.x`, as tags read.
            "" | "metadata" => key.to_owned(),
            parent => format!("{parent}.{key}"),
        };
        Place { field, pointer: below(&self.pointer, key) }
    }

    fn item(&self, keys: &str, index: Option<usize>) -> Place {
        let pointer = index.map_or_else(String::new, |index| format!("{}/{index}", self.pointer));
        Place { field: format!("{}[{keys}]", self.field), pointer }
    }
}

/// An entry that says nothing: the server keeps neither nulls nor, mostly, what is empty.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}

fn is_atomic(owned: Option<&Value>) -> bool {
    owned.and_then(Value::as_object).is_some_and(Map::is_empty)
}

fn walk(
    place: &Place,
    want: Option<&Value>,
    live: Option<&Value>,
    owned: Option<&Value>,
    leaves: &mut Vec<Leaf>,
) {
    let owns = owned.and_then(Value::as_object).filter(|owned| !owned.is_empty());
    match want {
        Some(Value::Object(map))
            if live.is_some()
                && (owns.is_some_and(is_entered) || (!map.is_empty() && !is_atomic(owned))) =>
        {
            entries(place, Some(map), live, owns, leaves);
        }
        None if owns.is_some_and(is_entered) => {
            entries(place, None, live, owns, leaves);
        }
        Some(Value::Array(items)) if owns.is_some_and(is_keyed) => {
            keyed(place, items, live, owns, leaves);
        }
        None if owns.is_some_and(is_keyed) => keyed(place, &[], live, owns, leaves),
        _ => {
            let wanted = want.map(|value| (place.pointer.clone(), value.clone()));
            leaves.push(Leaf { field: place.field.clone(), wanted, live: live.cloned() });
        }
    }
}

fn entries(
    place: &Place,
    want: Option<&Map<String, Value>>,
    live: Option<&Value>,
    owned: Option<&Map<String, Value>>,
    leaves: &mut Vec<Leaf>,
) {
    let wanted = want.into_iter().flat_map(Map::keys).map(String::as_str);
    let applied = owned.into_iter().flat_map(Map::keys).filter_map(|key| key.strip_prefix("f:"));
    let keys: BTreeSet<&str> = wanted.chain(applied).collect();
    for key in keys {
        let want = want.and_then(|want| want.get(key));
        let live = live.and_then(|live| live.get(key));
        let owned = owned.and_then(|owned| owned.get(&format!("f:{key}")));
        walk(&place.entry(key), want, live, owned, leaves);
    }
}

/// Whether the fields are those of a map.
fn is_entered(owned: &Map<String, Value>) -> bool {
    owned.keys().any(|key| key.starts_with("f:"))
}

/// Whether the fields are those of a list that is merged by keys.
fn is_keyed(owned: &Map<String, Value>) -> bool {
    owned.keys().any(|key| key.starts_with("k:"))
}

fn keyed(
    place: &Place,
    want: &[Value],
    live: Option<&Value>,
    owned: Option<&Map<String, Value>>,
    leaves: &mut Vec<Leaf>,
) {
    let live: &[Value] = live.and_then(Value::as_array).map_or(&[], Vec::as_slice);
    let applied: Vec<(Map<String, Value>, &Value)> = owned
        .into_iter()
        .flatten()
        .filter_map(|(key, below)| {
            Some((serde_json::from_str(key.strip_prefix("k:")?).ok()?, below))
        })
        .collect();
    let names: BTreeSet<&String> = applied.iter().flat_map(|(keys, _)| keys.keys()).collect();
    let mut met: Vec<Map<String, Value>> = Vec::new();
    for (index, item) in want.iter().enumerate() {
        let keys: Map<String, Value> =
            names.iter().filter_map(|name| Some(((*name).clone(), key_of(item, name)?))).collect();
        let there = live.iter().find(|live| has_keys(live, &keys));
        let owned = applied.iter().find(|(known, _)| *known == keys).map(|(_, below)| *below);
        walk(&place.item(&shown(&keys), Some(index)), Some(item), there, owned, leaves);
        met.push(keys);
    }
    for (keys, _) in applied.iter().filter(|(keys, _)| !met.contains(keys)) {
        if let Some(there) = live.iter().find(|live| has_keys(live, keys)) {
            let place = place.item(&shown(keys), None);
            leaves.push(Leaf { field: place.field, wanted: None, live: Some(there.clone()) });
        }
    }
}

/// A key of a list's item. A port without protocol is of TCP: the only key that has a default.
fn key_of(item: &Value, name: &str) -> Option<Value> {
    match item.get(name) {
        Some(value) => Some(value.clone()),
        None => (name == "protocol").then(|| Value::from("TCP")),
    }
}

fn has_keys(item: &Value, keys: &Map<String, Value>) -> bool {
    keys.iter().all(|(name, value)| key_of(item, name).as_ref() == Some(value))
}

/// `containerPort=8080,protocol="TCP"`.
fn shown(keys: &Map<String, Value>) -> String {
    let mut keys: Vec<String> =
        keys.iter().map(|(name, value)| format!("{name}={value}")).collect();
    keys.sort();
    keys.join(",")
}

/// What the server fills in inside of lists and maps that are otherwise ours as a whole.
const FILLED_IN: &[(&str, &str)] = &[
    // https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/object-field-selector/
    ("apiVersion", "v1"),
    // https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/resource-field-selector/
    ("divisor", "0"),
    ("protocol", "TCP"),
    ("apiGroup", "rbac.authorization.k8s.io"),
];

/// Whether a live value is the wanted one, as the server writes it.
pub(super) fn same(want: &Value, live: &Value, field: &str) -> bool {
    match (want, live) {
        (Value::Object(want), Value::Object(live)) => {
            let all_there = want.iter().all(|(key, want)| match live.get(key) {
                Some(live) => same(want, live, &format!("{field}.{key}")),
                None => is_nothing(want) || want.as_str() == Some(""),
            });
            let no_more =
                live.iter().filter(|(key, _)| !want.contains_key(*key)).all(|(key, value)| {
                    FILLED_IN.iter().any(|(name, text)| name == key && value == text)
                        || is_nothing(value)
                });
            all_there && no_more
        }
        (Value::Array(want), Value::Array(live)) => {
            want.len() == live.len()
                && want.iter().zip(live).all(|(want, live)| same(want, live, field))
        }
        (Value::String(want), Value::String(live)) => {
            want == live || (quantity::is_at(field) && quantity::same(want, live))
        }
        _ => want == live,
    }
}
