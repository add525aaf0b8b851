//! Sets of fields, in the form that server-side apply keeps them in `metadata.managedFields`.
//!
//! The wire form, `FieldsV1`, is a trie: `f:<name>` steps into a field, `k:{"name":"x"}` into the
//! item of a list that has those keys, `v:<json>` is a member of a set, and `.` says that the
//! node itself is in the set. An empty object stands for `{".":{}}`.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A set of paths in an object, as a trie. Children are keyed by their `FieldsV1` step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldSet {
    /// Whether the path that ends here is a member.
    pub(super) here: bool,
    children: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// Whether no path is a member.
    pub(super) fn is_empty(&self) -> bool {
        !self.here && self.children.values().all(FieldSet::is_empty)
    }

    /// The set below `step`, if any path goes there.
    pub(super) fn child(&self, step: &str) -> Option<&FieldSet> {
        self.children.get(step)
    }

    /// The set below `step`, made when it is not there yet.
    pub(super) fn enter(&mut self, step: &str) -> &mut FieldSet {
        self.children.entry(step.to_owned()).or_default()
    }

    /// Steps and the sets below them.
    pub(super) fn children(&self) -> impl Iterator<Item = (&str, &FieldSet)> {
        self.children.iter().map(|(step, set)| (step.as_str(), set))
    }

    /// Drops everything below `step`.
    pub(super) fn forget(&mut self, step: &str) {
        self.children.remove(step);
    }

    /// Keeps only what lies below `step`.
    pub(super) fn keep_only(&mut self, step: &str) {
        self.here = false;
        self.children.retain(|name, _| name == step);
    }

    /// What is in either set.
    pub(super) fn union(&self, other: &FieldSet) -> FieldSet {
        let mut all = self.clone();
        all.here |= other.here;
        for (step, set) in &other.children {
            let mine = all.children.entry(step.clone()).or_default();
            *mine = mine.union(set);
        }
        all
    }

    /// What is in both sets.
    pub(super) fn intersection(&self, other: &FieldSet) -> FieldSet {
        let shared = self.children.iter().filter_map(|(step, set)| {
            let both = set.intersection(other.children.get(step)?);
            (!both.is_empty()).then(|| (step.clone(), both))
        });
        FieldSet { here: self.here && other.here, children: shared.collect() }
    }

    /// What is in this set and not in `other`.
    pub(super) fn difference(&self, other: &FieldSet) -> FieldSet {
        let rest = self.children.iter().filter_map(|(step, set)| {
            let left = match other.children.get(step) {
                Some(theirs) => set.difference(theirs),
                None => set.clone(),
            };
            (!left.is_empty()).then(|| (step.clone(), left))
        });
        FieldSet { here: self.here && !other.here, children: rest.collect() }
    }

    /// Every member as the API server prints it: `.spec.containers[name="coder"].image`.
    pub(super) fn paths(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.collect_paths(&mut String::new(), &mut found);
        found
    }

    fn collect_paths(&self, path: &mut String, found: &mut Vec<String>) {
        if self.here {
            found.push(path.clone());
        }
        for (step, set) in &self.children {
            let length = path.len();
            path.push_str(&printed(step));
            set.collect_paths(path, found);
            path.truncate(length);
        }
    }

    /// Reads the wire form. What is not an object is taken as empty.
    pub(super) fn from_wire(wire: &Value) -> FieldSet {
        let mut set = FieldSet::default();
        let Some(steps) = wire.as_object() else { return set };
        set.here = steps.contains_key(".");
        for (step, below) in steps.iter().filter(|(step, _)| *step != ".") {
            let child = if below.as_object().is_some_and(Map::is_empty) {
                FieldSet { here: true, children: BTreeMap::new() }
            } else {
                FieldSet::from_wire(below)
            };
            set.children.insert(step.clone(), child);
        }
        set
    }

    /// Writes the wire form.
    pub(super) fn to_wire(&self) -> Value {
        let mut steps = Map::new();
        if self.here && !self.children.is_empty() {
            steps.insert(".".to_owned(), Value::Object(Map::new()));
        }
        for (step, set) in self.children.iter().filter(|(_, set)| !set.is_empty()) {
            steps.insert(step.clone(), set.to_wire());
        }
        Value::Object(steps)
    }
}

/// The step into the field `name`.
pub(super) fn field(name: &str) -> String {
    format!("f:{name}")
}

/// One step as it is printed in messages.
fn printed(step: &str) -> String {
    match step.split_at_checked(2) {
        Some(("f:", name)) => format!(".{name}"),
        Some(("v:", value)) => format!("[={value}]"),
        Some(("k:", keys)) => match serde_json::from_str::<Map<String, Value>>(keys) {
            Ok(keys) => {
                let pairs: Vec<String> =
                    keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                format!("[{}]", pairs.join(","))
            }
            Err(_) => format!("[{keys}]"),
        },
        _ => format!("[{step}]"),
    }
}
