//! Who owns which fields: `metadata.managedFields`, and server-side apply's rules about it.

use super::fields::{FieldSet, field};
use super::merge::Rules;
use super::resources::Resource;
use super::status::{Answer, Refusal};
use serde_json::{Map, Value, json};

/// One entry of `managedFields`.
#[derive(Clone, Debug)]
struct Entry {
    manager: String,
    operation: String,
    api_version: String,
    subresource: String,
    time: String,
    fields: FieldSet,
}

/// Who makes a change, how and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Author<'a> {
    /// The field manager's name.
    pub(super) manager: &'a str,
    /// `apps/v1`.
    pub(super) api_version: &'a str,
    /// `status`, or empty.
    pub(super) subresource: &'a str,
    /// RFC 3339.
    pub(super) time: &'a str,
}

/// Fields of `metadata` that the server keeps and nobody owns.
const UNOWNED: &[&str] = &[
    "name",
    "namespace",
    "generateName",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
];

/// Maps whose own path an update owns when it adds them, as the API server has it for them.
const OWNED_MAPS: &[&str] =
    &["labels", "annotations", "data", "stringData", "binaryData", "ownerReferences"];

/// The object that comes of applying `wanted` to `live` in the name of `author`.
pub(super) fn apply(
    resource: &Resource,
    live: &Value,
    wanted: &Value,
    author: Author<'_>,
    force: bool,
) -> Answer<Value> {
    let rules = Rules { builtin: resource.builtin };
    let mut entries = read(live);
    let mine = entries.iter().position(|entry| {
        entry.operation == "Apply"
            && entry.manager == author.manager
            && entry.subresource == author.subresource
    });
    let before = mine.map(|at| entries.remove(at));
    let owned = ownable(rules.fields_of(wanted), resource, author.subresource);

    let merged = rules.merge(live, wanted);
    let written = ownable(rules.compare(live, &merged).written, resource, author.subresource);
    let conflicts: Vec<(usize, FieldSet)> = entries
        .iter()
        .enumerate()
        .map(|(at, entry)| (at, entry.fields.intersection(&written)))
        .filter(|(_, shared)| !shared.is_empty())
        .collect();
    if !force && !conflicts.is_empty() {
        return Err(conflict(&entries, &conflicts));
    }
    for (at, shared) in conflicts {
        entries[at].fields = entries[at].fields.difference(&shared);
    }

    let others = entries.iter().fold(FieldSet::default(), |all, entry| all.union(&entry.fields));
    let kept = others.union(&owned);
    let dropped =
        before.as_ref().map_or_else(FieldSet::default, |entry| entry.fields.difference(&owned));
    let mut result = rules.without(&merged, &dropped, &kept);

    let unchanged = before.as_ref().is_some_and(|entry| {
        entry.fields.to_wire() == owned.to_wire() && without_system(live) == without_system(&result)
    });
    let time = match &before {
        Some(entry) if unchanged => entry.time.clone(),
        _ => author.time.to_owned(),
    };
    let entry = Entry {
        manager: author.manager.to_owned(),
        operation: "Apply".to_owned(),
        api_version: author.api_version.to_owned(),
        subresource: author.subresource.to_owned(),
        time,
        fields: owned,
    };
    match mine {
        Some(at) => entries.insert(at, entry),
        None => entries.push(entry),
    }
    let gone = rules.compare(&merged, &result).removed;
    for entry in &mut entries {
        entry.fields = entry.fields.difference(&gone);
    }
    write(&mut result, &entries);
    Ok(result)
}

/// Notes in `new` what `author` changed from `old` by a create, an update or a plain patch.
pub(super) fn note_update(resource: &Resource, old: &Value, new: &mut Value, author: Author<'_>) {
    let rules = Rules { builtin: resource.builtin };
    let found = rules.compare(old, new);
    let mut written = ownable(found.written, resource, author.subresource);
    let removed = ownable(found.removed, resource, author.subresource);
    mark_maps(old, new, &mut written);
    let mut entries = read(old);
    for entry in &mut entries {
        let same = entry.manager == author.manager
            && entry.operation == "Update"
            && entry.subresource == author.subresource;
        entry.fields = entry.fields.difference(&removed);
        if !same {
            entry.fields = entry.fields.difference(&written);
        }
    }
    let mine = entries.iter_mut().find(|entry| {
        entry.manager == author.manager
            && entry.operation == "Update"
            && entry.subresource == author.subresource
    });
    match mine {
        Some(entry) if !written.is_empty() => {
            entry.fields = entry.fields.union(&written);
            entry.time = author.time.to_owned();
        }
        Some(_) => {}
        None => entries.push(Entry {
            manager: author.manager.to_owned(),
            operation: "Update".to_owned(),
            api_version: author.api_version.to_owned(),
            subresource: author.subresource.to_owned(),
            time: author.time.to_owned(),
            fields: written,
        }),
    }
    write(new, &entries);
}

/// An object without what the server keeps in it, to tell a change from none.
pub(super) fn without_system(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.shift_remove("managedFields");
        metadata.shift_remove("resourceVersion");
        metadata.shift_remove("generation");
    }
    object
}

/// What of `fields` can be owned through the main resource or the given subresource.
fn ownable(mut fields: FieldSet, resource: &Resource, subresource: &str) -> FieldSet {
    fields.here = false;
    fields.forget(&field("apiVersion"));
    fields.forget(&field("kind"));
    let metadata = fields.enter(&field("metadata"));
    metadata.here = false;
    for name in UNOWNED {
        metadata.forget(&field(name));
    }
    if !subresource.is_empty() {
        fields.keep_only(&field(subresource));
    } else if resource.status {
        fields.forget(&field("status"));
    }
    fields
}

fn mark_maps(old: &Value, new: &Value, written: &mut FieldSet) {
    for name in OWNED_MAPS {
        let inside = |object: &Value| match *name {
            "labels" | "annotations" | "ownerReferences" => object["metadata"].get(name).is_some(),
            _ => object.get(name).is_some(),
        };
        if inside(new) && !inside(old) {
            let step = field(name);
            match *name {
                "labels" | "annotations" | "ownerReferences" => {
                    written.enter(&field("metadata")).enter(&step).here = true;
                }
                _ => written.enter(&step).here = true,
            }
        }
    }
}

fn conflict(entries: &[Entry], conflicts: &[(usize, FieldSet)]) -> Refusal {
    let mut causes: Vec<(String, String)> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let mut named: Vec<(String, Vec<String>)> =
        conflicts.iter().map(|(at, shared)| (words(&entries[*at]), shared.paths())).collect();
    named.sort();
    for (manager, paths) in &named {
        lines.push(format!("conflicts with {manager}:"));
        for path in paths {
            lines.push(format!("- {path}"));
            causes.push((format!("conflict with {manager}"), path.clone()));
        }
    }
    let message = match causes.as_slice() {
        [(manager, path)] => format!("Apply failed with 1 conflict: {manager}: {path}"),
        all => format!("Apply failed with {} conflicts: {}", all.len(), lines.join("\n")),
    };
    Refusal::apply_conflict(message, &causes)
}

/// A manager as messages name it.
fn words(entry: &Entry) -> String {
    let mut text = format!("{:?}", entry.manager);
    if !entry.subresource.is_empty() {
        text = format!("{text} with subresource {:?}", entry.subresource);
    }
    match entry.operation.as_str() {
        "Update" => format!("{text} using {} at {}", entry.api_version, entry.time),
        _ => text,
    }
}

fn read(object: &Value) -> Vec<Entry> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries
        .map(|entry| Entry {
            manager: text(&entry["manager"]),
            operation: text(&entry["operation"]),
            api_version: text(&entry["apiVersion"]),
            subresource: text(&entry["subresource"]),
            time: text(&entry["time"]),
            fields: FieldSet::from_wire(&entry["fieldsV1"]),
        })
        .collect()
}

fn write(object: &mut Value, entries: &[Entry]) {
    let entries: Vec<Value> = entries
        .iter()
        .filter(|entry| !entry.fields.is_empty())
        .map(|entry| {
            let mut wire = json!({
                "manager": entry.manager,
                "operation": entry.operation,
                "apiVersion": entry.api_version,
                "time": entry.time,
                "fieldsType": "FieldsV1",
                "fieldsV1": entry.fields.to_wire(),
            });
            if !entry.subresource.is_empty() {
                wire["subresource"] = entry.subresource.clone().into();
            }
            wire
        })
        .collect();
    let Some(object) = object.as_object_mut() else { return };
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        if entries.is_empty() {
            metadata.shift_remove("managedFields");
        } else {
            metadata.insert("managedFields".to_owned(), Value::Array(entries));
        }
    }
}
