//! What was last applied, field by field: what tells drift from a change of the spec. Losing it
//! costs explanations, never correctness.

use crate::kind::{Cause, Change, TAG_ADDRESS, TAG_GENERATION};
use crate::name::Address;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The fields of every resource, as last applied. Secrets are not among them: no kind compares
/// one by value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Applied(pub BTreeMap<Address, AppliedResource>);

/// One resource, as last applied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppliedResource {
    /// Its kind's name.
    pub kind: String,
    /// When, RFC 3339.
    pub at: String,
    /// Its fields.
    pub fields: BTreeMap<String, Value>,
}

impl Applied {
    /// The generation that was last applied at an address; 0 where none is known.
    pub(super) fn generation(&self, address: &Address) -> u32 {
        self.0
            .get(address)
            .and_then(|resource| resource.fields.get(&format!("tags.{TAG_GENERATION}")))
            .and_then(|value| value.as_str()?.parse().ok())
            .unwrap_or(0)
    }

    /// The names that resources had when they were last applied, by kind.
    pub fn names(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for resource in self.0.values() {
            if let Some(name) = resource.fields.get("name").and_then(Value::as_str) {
                names.entry(resource.kind.clone()).or_default().insert(name.to_owned());
            }
        }
        names
    }

    /// Who moved a field.
    pub(super) fn cause(&self, address: &Address, change: &Change) -> Cause {
        if change.field.strip_prefix("tags.").is_some_and(|key| key == TAG_ADDRESS) {
            // Only a move of ours changes it: what somebody else makes of it belongs elsewhere.
            return Cause::Spec;
        }
        let Some(resource) = self.0.get(address) else { return Cause::Unknown };
        match (&change.to, resource.fields.get(&change.field)) {
            // What it should be is only known later because something it needs is made anew.
            (None, _) => Cause::Spec,
            (Some(to), Some(applied)) if applied == to => Cause::Drift,
            _ => Cause::Spec,
        }
    }

    /// Whether a field was ours when it was last applied.
    pub(super) fn had(&self, address: &Address, field: &str) -> bool {
        self.0.get(address).is_some_and(|resource| resource.fields.contains_key(field))
    }
}
