//! Patches other than apply: JSON merge patch, and strategic merge patch.

use super::shape::{Shape, key_step, shape};
use serde_json::{Map, Value};

/// `target` changed by a JSON merge patch (RFC 7386).
pub(super) fn merge(target: &Value, patch: &Value) -> Value {
    let Some(patch) = patch.as_object() else { return patch.clone() };
    let mut fields = target.as_object().cloned().unwrap_or_default();
    for (name, value) in patch {
        if value.is_null() {
            fields.shift_remove(name);
        } else {
            let merged = merge(fields.get(name).unwrap_or(&Value::Null), value);
            fields.insert(name.clone(), merged);
        }
    }
    Value::Object(fields)
}

/// `target` changed by a strategic merge patch: lists of built-in types merge by their keys,
/// `$patch: delete` removes an item, `$patch: replace` replaces a map or list. Directives that
/// only order or guard (`$setElementOrder/…`, `$retainKeys`) are read over.
pub(super) fn strategic(target: &Value, patch: &Value, builtin: bool) -> Value {
    merged(target, patch, builtin, &mut Vec::new())
}

fn merged<'v>(target: &Value, patch: &'v Value, builtin: bool, path: &mut Vec<&'v str>) -> Value {
    match patch {
        Value::Object(changes) => {
            let replace = changes.get("$patch").is_some_and(|directive| directive == "replace");
            let mut fields = match target {
                Value::Object(fields) if !replace => fields.clone(),
                _ => Map::new(),
            };
            for (name, value) in changes {
                if let Some(list) = name.strip_prefix("$deleteFromPrimitiveList/") {
                    drop_members(fields.get_mut(list), value);
                    continue;
                }
                if name.starts_with('$') {
                    continue;
                }
                if value.is_null() {
                    fields.shift_remove(name);
                    continue;
                }
                path.push(name);
                let before = fields.get(name).unwrap_or(&Value::Null);
                let after = merged(before, value, builtin, path);
                path.pop();
                fields.insert(name.clone(), after);
            }
            Value::Object(fields)
        }
        Value::Array(changes) => list(target, changes, patch, builtin, path),
        scalar => scalar.clone(),
    }
}

fn drop_members(list: Option<&mut Value>, gone: &Value) {
    if let (Some(Value::Array(members)), Some(gone)) = (list, gone.as_array()) {
        members.retain(|member| !gone.contains(member));
    }
}

fn list<'v>(
    target: &Value,
    changes: &'v [Value],
    patch: &Value,
    builtin: bool,
    path: &mut Vec<&'v str>,
) -> Value {
    let before = target.as_array().map_or(&[][..], Vec::as_slice);
    let directive = |change: &Value, wanted: &str| change["$patch"] == wanted;
    match shape(builtin, path, patch) {
        Shape::Keyed(keys) if !changes.iter().any(|change| directive(change, "replace")) => {
            let mut items = before.to_vec();
            for change in changes {
                let step = key_step(change, keys);
                let at = items.iter().position(|item| key_step(item, keys) == step);
                match (at, directive(change, "delete")) {
                    (Some(at), true) => {
                        items.remove(at);
                    }
                    (Some(at), false) => {
                        items[at] = merged(&items[at], change, builtin, path);
                    }
                    (None, true) => {}
                    (None, false) => items.push(merged(&Value::Null, change, builtin, path)),
                }
            }
            Value::Array(items)
        }
        Shape::Set => {
            let fresh = changes.iter().filter(|change| !before.contains(change));
            before.iter().chain(fresh).cloned().collect()
        }
        _ => changes.iter().filter(|change| !directive(change, "replace")).cloned().collect(),
    }
}
