//! Merging, comparing and pruning objects field by field, by their [`Shape`].

use super::fields::{FieldSet, field};
use super::shape::{Shape, key_step, shape, value_step};
use serde_json::{Map, Value};

/// The rules of one object's type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Whether the type is built into Kubernetes, so that its lists' keys are known.
    pub(super) builtin: bool,
}

impl Rules {
    /// Every field that `value` sets.
    pub(super) fn fields_of(self, value: &Value) -> FieldSet {
        let mut set = FieldSet::default();
        self.collect(value, &mut Vec::new(), &mut set);
        set
    }

    fn collect<'v>(self, value: &'v Value, path: &mut Vec<&'v str>, set: &mut FieldSet) {
        match (shape(self.builtin, path, value), value) {
            (Shape::Granular, Value::Object(fields)) => {
                for (name, below) in fields {
                    path.push(name);
                    self.collect(below, path, set.enter(&field(name)));
                    path.pop();
                }
            }
            (Shape::Keyed(keys), Value::Array(items)) => {
                for item in items {
                    let child = set.enter(&key_step(item, keys));
                    child.here = true;
                    for (name, below) in item.as_object().into_iter().flatten() {
                        path.push(name);
                        self.collect(below, path, child.enter(&field(name)));
                        path.pop();
                    }
                }
            }
            (Shape::Set, Value::Array(members)) => {
                for member in members {
                    set.enter(&value_step(member)).here = true;
                }
            }
            _ => set.here = true,
        }
    }

    /// `live` with everything that `wanted` sets laid over it.
    pub(super) fn merge(self, live: &Value, wanted: &Value) -> Value {
        self.merged(live, wanted, &mut Vec::new())
    }

    fn merged<'v>(self, live: &'v Value, wanted: &'v Value, path: &mut Vec<&'v str>) -> Value {
        match (shape(self.builtin, path, wanted), live, wanted) {
            (Shape::Granular, Value::Object(old), Value::Object(new)) => {
                let mut all = old.clone();
                for (name, value) in new {
                    path.push(name);
                    let merged = match old.get(name) {
                        Some(before) => self.merged(before, value, path),
                        None => value.clone(),
                    };
                    path.pop();
                    all.insert(name.clone(), merged);
                }
                Value::Object(all)
            }
            (Shape::Keyed(keys), Value::Array(old), Value::Array(new)) => {
                let mut all = old.clone();
                for item in new {
                    let step = key_step(item, keys);
                    match old.iter().position(|before| key_step(before, keys) == step) {
                        Some(at) => all[at] = self.merged_item(&old[at], item, path),
                        None => all.push(item.clone()),
                    }
                }
                Value::Array(all)
            }
            (Shape::Set, Value::Array(old), Value::Array(new)) => {
                let fresh = new.iter().filter(|member| !old.contains(member));
                Value::Array(old.iter().chain(fresh).cloned().collect())
            }
            _ => wanted.clone(),
        }
    }

    fn merged_item<'v>(self, old: &'v Value, new: &'v Value, path: &mut Vec<&'v str>) -> Value {
        let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
        let mut all = old.clone();
        for (name, value) in new {
            path.push(name);
            let merged = match old.get(name) {
                Some(before) => self.merged(before, value, path),
                None => value.clone(),
            };
            path.pop();
            all.insert(name.clone(), merged);
        }
        Value::Object(all)
    }

    /// What changed from `old` to `new`.
    pub(super) fn compare(self, old: &Value, new: &Value) -> Comparison {
        let mut found = Comparison::default();
        self.compared(
            Some(old),
            Some(new),
            &mut Vec::new(),
            &mut found.written,
            &mut found.removed,
        );
        found
    }

    fn compared<'v>(
        self,
        old: Option<&'v Value>,
        new: Option<&'v Value>,
        path: &mut Vec<&'v str>,
        written: &mut FieldSet,
        removed: &mut FieldSet,
    ) {
        let (old, new) = match (old, new) {
            (None, None) => return,
            (None, Some(new)) => return self.collect(new, path, written),
            (Some(old), None) => return self.collect(old, path, removed),
            (Some(old), Some(new)) if old == new => return,
            (Some(old), Some(new)) => (old, new),
        };
        match (shape(self.builtin, path, old), shape(self.builtin, path, new)) {
            (Shape::Granular, Shape::Granular) => {
                self.compare_fields(old, new, path, written, removed);
            }
            (Shape::Keyed(keys), Shape::Keyed(_)) => {
                let items = |list: &'v Value| list.as_array().map_or(&[][..], Vec::as_slice);
                let find = |list: &'v Value, step: &str| {
                    items(list).iter().find(|item| key_step(item, keys) == step)
                };
                for item in items(old) {
                    let step = key_step(item, keys);
                    if find(new, &step).is_none() {
                        let gone = removed.enter(&step);
                        gone.here = true;
                        self.compare_fields(
                            item,
                            &Value::Null,
                            path,
                            &mut FieldSet::default(),
                            gone,
                        );
                    }
                }
                for item in items(new) {
                    let step = key_step(item, keys);
                    match find(old, &step) {
                        Some(before) => self.compare_fields(
                            before,
                            item,
                            path,
                            written.enter(&step),
                            removed.enter(&step),
                        ),
                        None => {
                            let fresh = written.enter(&step);
                            fresh.here = true;
                            self.compare_fields(
                                &Value::Null,
                                item,
                                path,
                                fresh,
                                &mut FieldSet::default(),
                            );
                        }
                    }
                }
            }
            (Shape::Set, Shape::Set) => {
                let members = |list: &'v Value| list.as_array().map_or(&[][..], Vec::as_slice);
                for member in members(old).iter().filter(|member| !members(new).contains(member)) {
                    removed.enter(&value_step(member)).here = true;
                }
                for member in members(new).iter().filter(|member| !members(old).contains(member)) {
                    written.enter(&value_step(member)).here = true;
                }
            }
            // Of different shapes: what was there is gone, what is there is new.
            _ => {
                self.collect(old, path, removed);
                self.collect(new, path, written);
                *removed = removed.difference(written);
            }
        }
    }

    fn compare_fields<'v>(
        self,
        old: &'v Value,
        new: &'v Value,
        path: &mut Vec<&'v str>,
        written: &mut FieldSet,
        removed: &mut FieldSet,
    ) {
        let fields = |value: &'v Value| value.as_object().into_iter().flat_map(Map::iter);
        for (name, before) in fields(old) {
            path.push(name);
            let step = field(name);
            let after = new.get(name);
            self.compared(Some(before), after, path, written.enter(&step), removed.enter(&step));
            path.pop();
        }
        for (name, after) in fields(new).filter(|(name, _)| old.get(name.as_str()).is_none()) {
            path.push(name);
            let step = field(name);
            self.compared(None, Some(after), path, written.enter(&step), removed.enter(&step));
            path.pop();
        }
    }

    /// `value` without what is in `dropped`, unless something in `kept` lies at or below it.
    /// Maps and lists that this leaves empty go too.
    pub(super) fn without(self, value: &Value, dropped: &FieldSet, kept: &FieldSet) -> Value {
        let mut value = value.clone();
        self.prune(&mut value, dropped, kept, &mut Vec::new());
        value
    }

    fn prune(self, value: &mut Value, dropped: &FieldSet, kept: &FieldSet, path: &mut Vec<String>) {
        let names: Vec<&str> = path.iter().map(String::as_str).collect();
        let shape = shape(self.builtin, &names, value);
        let nothing = FieldSet::default();
        match (shape, value) {
            (Shape::Granular, Value::Object(fields)) => {
                self.prune_fields(fields, dropped, kept, path);
            }
            (Shape::Keyed(keys), Value::Array(items)) => {
                items.retain_mut(|item| {
                    let step = key_step(item, keys);
                    let Some(below) = dropped.child(&step) else { return true };
                    let kept = kept.child(&step).unwrap_or(&nothing);
                    if below.here && kept.is_empty() {
                        return false;
                    }
                    if let Value::Object(fields) = item {
                        self.prune_fields(fields, below, kept, path);
                    }
                    true
                });
            }
            (Shape::Set, Value::Array(members)) => members.retain(|member| {
                let step = value_step(member);
                let gone = dropped.child(&step).is_some_and(|below| below.here);
                !gone || kept.child(&step).is_some_and(|below| below.here)
            }),
            _ => {}
        }
    }

    fn prune_fields(
        self,
        fields: &mut Map<String, Value>,
        dropped: &FieldSet,
        kept: &FieldSet,
        path: &mut Vec<String>,
    ) {
        let nothing = FieldSet::default();
        for (step, below) in dropped.children() {
            let Some(name) = step.strip_prefix("f:") else { continue };
            let kept = kept.child(step).unwrap_or(&nothing);
            let Some(value) = fields.get_mut(name) else { continue };
            if below.here && kept.is_empty() {
                fields.shift_remove(name);
                continue;
            }
            path.push(name.to_owned());
            self.prune(value, below, kept, path);
            path.pop();
            let hollow = match value {
                Value::Object(fields) => fields.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            if hollow && !kept.here {
                fields.shift_remove(name);
            }
        }
    }
}

/// What changed between two versions of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    /// Fields that were added or have another value.
    pub(super) written: FieldSet,
    /// Fields that are gone.
    pub(super) removed: FieldSet,
}
