//! The law's tables as trees.

use super::pattern::{self, Pattern};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One service's law.
#[derive(Debug)]
pub(crate) struct Law {
    /// By operation.
    pub(crate) operations: BTreeMap<String, OperationLaw>,
}

/// One operation's law.
#[derive(Debug)]
pub(crate) struct OperationLaw {
    /// The input: always a structure.
    pub(crate) input: Shape,
    /// HTTP statuses of modelled errors, by the code on the wire.
    pub(crate) statuses: BTreeMap<String, u16>,
    /// Method and path (`/clusters/{name}`), for protocols that name the operation by them.
    pub(crate) http: Option<(String, String)>,
}

/// What a member is and may be.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// The name in form parameters, where it is not the member's.
    pub(crate) wire: Option<String>,
    pub(crate) allowed: Vec<String>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    /// A structure's members.
    pub(crate) members: BTreeMap<String, Shape>,
    /// What a list holds, or a map's values.
    pub(crate) item: Option<Box<Shape>>,
    /// What a map's keys are.
    pub(crate) key: Option<Box<Shape>>,
}

/// The types of the models.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    #[default]
    Structure,
    List,
    Map,
    String,
    Integer,
    Long,
    Boolean,
    Float,
    Double,
    Timestamp,
    Blob,
    Document,
}

#[derive(Deserialize)]
struct Document {
    operations: BTreeMap<String, Table>,
}

#[derive(Deserialize)]
struct Table {
    input: BTreeMap<String, Line>,
    #[serde(default)]
    errors: BTreeMap<String, (String, Option<u16>)>,
    http: Option<(String, String)>,
}

#[derive(Deserialize)]
struct Line {
    t: Kind,
    #[serde(default)]
    required: bool,
    #[serde(default, rename = "enum")]
    allowed: Vec<String>,
    pattern: Option<String>,
    min: Option<f64>,
    max: Option<f64>,
    wire: Option<String>,
}

impl Law {
    /// Reads a table.
    pub(crate) fn read(text: &str) -> Result<Self, serde_json::Error> {
        let document: Document = serde_json::from_str(text)?;
        let operations = document
            .operations
            .into_iter()
            .map(|(name, table)| (name, OperationLaw::of(table)))
            .collect();
        Ok(Law { operations })
    }
}

impl OperationLaw {
    fn of(table: Table) -> Self {
        let mut input = Shape::default();
        for (path, line) in table.input {
            place(&mut input, &path, line);
        }
        let statuses = table
            .errors
            .into_values()
            .filter_map(|(code, status)| status.map(|status| (code, status)))
            .collect();
        OperationLaw { input, statuses, http: table.http }
    }
}

/// Puts one line of the table where its path says.
fn place(root: &mut Shape, path: &str, line: Line) {
    let mut shape = root;
    for part in path.split('.') {
        let name_end = part.find(['[', '{']).unwrap_or(part.len());
        let (name, mut rest) = part.split_at(name_end);
        shape = shape.members.entry(name.to_owned()).or_default();
        loop {
            let (slot, tail) = if let Some(tail) = rest.strip_prefix("[]") {
                (&mut shape.item, tail)
            } else if let Some(tail) = rest.strip_prefix("{}") {
                (&mut shape.item, tail)
            } else if let Some(tail) = rest.strip_prefix("{key}") {
                (&mut shape.key, tail)
            } else {
                break;
            };
            shape = slot.get_or_insert_default();
            rest = tail;
        }
    }
    shape.kind = line.t;
    shape.required = line.required;
    shape.allowed = line.allowed;
    shape.pattern = line.pattern.map(|text| pattern::compile(&text));
    shape.min = line.min.map(whole);
    shape.max = line.max.map(whole);
    shape.wire = line.wire;
}

#[expect(clippy::cast_possible_truncation, reason = "limits of the models are whole and small")]
fn whole(number: f64) -> i64 {
    number as i64
}

impl Shape {
    /// Collects the patterns that can't be checked.
    pub(crate) fn unchecked(&self, path: &str, found: &mut Vec<String>) {
        if let Some(Pattern::Unreadable(text)) = &self.pattern {
            found.push(format!("{path}: {text}"));
        }
        for (name, member) in &self.members {
            member.unchecked(&format!("{path}.{name}"), found);
        }
        for below in [&self.item, &self.key].into_iter().flatten() {
            below.unchecked(&format!("{path}[]"), found);
        }
    }
}
