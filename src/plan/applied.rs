//! What was last applied, field by field: what tells drift from a change of the spec. Losing it
//! costs explanations, never correctness.

use crate::kind::{Cause, Change, TAG_ADDRESS};
use crate::name::Address;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

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
