//! Comparing what is wanted with what is live, field by field, purely.

use crate::value::{Facts, In, Known, NodeId, Text};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What it takes to make a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// The provider can change it.
    InPlace,
    /// The resource must be made anew.
    Replace,
}

/// Who moved: the user's spec, or somebody behind our back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The spec says something else than when it was last applied.
    Spec,
    /// The spec has not moved, the live value has.
    Drift,
    /// There is no record of what was last applied.
    Unknown,
}

/// One field that is not as it should be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The field's name; an entry of a map is `tags.owner`.
    pub field: String,
    /// The live value; null when there is none.
    pub from: Value,
    /// The wanted value; `None` when it is known only after apply.
    pub to: Option<Value>,
    /// What it takes.
    pub effect: Effect,
    /// Who moved.
    pub cause: Cause,
}

/// Where outputs are looked up while comparing.
pub trait Resolve {
    /// The live value of a node, if it will still be the same when the plan has been applied.
    fn facts(&self, node: NodeId) -> Option<&Facts>;
    /// Whether the node is missing and nothing is being replaced: a child that is alive inside a
    /// parent that is not ours must not be replaced, its parent's tags must be mended.
    fn is_missing(&self, node: NodeId) -> bool;
}

/// The value of `input`, looked up in `resolve`.
pub(crate) fn lookup<T: Clone>(input: &In<T>, resolve: &dyn Resolve) -> Known<T> {
    match input {
        In::Literal(value) => Known::Yes(value.clone()),
        In::Output(output) => resolve
            .facts(output.node)
            .and_then(|facts| (output.read)(facts))
            .map_or(Known::AfterApply, Known::Yes),
    }
}

/// Collects field changes. It sees planned outputs, never the network.
pub struct Diff<'a> {
    resolve: &'a dyn Resolve,
    changes: Vec<Change>,
    wanted: BTreeMap<String, Value>,
    notes: Vec<String>,
    /// A live parent that is not the wanted one although the wanted one is missing.
    strayed: Option<(&'static str, String)>,
    extras: Vec<Extra>,
    refused: Option<Refused>,
}

/// A change that must not be made.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The field that would change.
    pub field: String,
    /// Why it must not.
    pub why: String,
    /// What to do instead.
    pub hint: String,
}

/// An entry of a collection that is live and not wanted, in a collection that others may add to.
#[derive(Debug)]
pub struct Extra {
    /// `routes.10.9.0.0/16`.
    pub field: String,
    /// The live value.
    pub live: Value,
}

/// What a finished comparison says.
#[derive(Debug, Default)]
pub struct Compared {
    /// The fields that are not as they should be.
    pub changes: Vec<Change>,
    /// Every field that was compared, with its wanted value, where that is known.
    pub wanted: BTreeMap<String, Value>,
    /// What else is worth knowing.
    pub notes: Vec<String>,
    /// The field and id of a live parent that is not the wanted one, although that is missing.
    pub strayed: Option<(&'static str, String)>,
    /// What is live and not wanted in collections that others may add to.
    pub extras: Vec<Extra>,
    /// What of this must not be done.
    pub refused: Option<Refused>,
}

fn json<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

impl<'a> Diff<'a> {
    pub(crate) fn new(resolve: &'a dyn Resolve) -> Self {
        Diff {
            resolve,
            changes: Vec::new(),
            wanted: BTreeMap::new(),
            notes: Vec::new(),
            strayed: None,
            extras: Vec::new(),
            refused: None,
        }
    }

    pub(crate) fn finish(self) -> Compared {
        let Diff { resolve: _, changes, wanted, notes, strayed, extras, refused } = self;
        Compared { changes, wanted, notes, strayed, extras, refused }
    }

    fn push(&mut self, field: String, from: Value, to: Option<Value>, effect: Effect) {
        self.changes.push(Change { field, from, to, effect, cause: Cause::Unknown });
    }

    fn compare<T: PartialEq + Serialize>(
        &mut self,
        field: &str,
        want: Known<&T>,
        have: &T,
        effect: Effect,
    ) {
        match want {
            Known::Yes(want) => {
                self.wanted.insert(field.to_owned(), json(want));
                if want != have {
                    self.push(field.to_owned(), json(have), Some(json(want)), effect);
                }
            }
            Known::AfterApply => self.push(field.to_owned(), json(have), None, effect),
        }
    }

    /// A field that the provider can change.
    pub fn in_place<T: PartialEq + Serialize>(&mut self, field: &str, want: &T, have: &T) {
        self.compare(field, Known::Yes(want), have, Effect::InPlace);
    }

    /// A field that is fixed when the resource is made.
    pub fn replaces<T: PartialEq + Serialize>(&mut self, field: &str, want: &T, have: &T) {
        self.compare(field, Known::Yes(want), have, Effect::Replace);
    }

    /// A changeable field that another node fills. A value that only becomes known because its
    /// node is replaced shows as a change to "known after apply".
    pub fn input<T>(&mut self, field: &str, want: &In<T>, have: &T)
    where
        T: Clone + PartialEq + Serialize,
    {
        self.filled(field, want, have, Effect::InPlace);
    }

    /// A fixed field that another node fills, where the resource does not live inside it.
    pub fn replaces_input<T>(&mut self, field: &str, want: &In<T>, have: &T)
    where
        T: Clone + PartialEq + Serialize,
    {
        self.filled(field, want, have, Effect::Replace);
    }

    /// A field that another node fills.
    fn filled<T>(&mut self, field: &str, want: &In<T>, have: &T, effect: Effect)
    where
        T: Clone + PartialEq + Serialize,
    {
        let want = lookup(want, self.resolve);
        self.compare(field, want.yes().map_or(Known::AfterApply, Known::Yes), have, effect);
    }

    /// The resource lives inside `want`: when that is made anew, so is this. When that is missing
    /// although this is alive, its tags are gone, and the plan stops with the mend.
    pub fn parent<T>(&mut self, field: &'static str, want: &In<T>, have: &T)
    where
        T: Clone + PartialEq + Serialize + std::fmt::Display,
    {
        if want.node().is_some_and(|node| self.resolve.is_missing(node)) {
            self.strayed = Some((field, have.to_string()));
            return;
        }
        self.replaces_input(field, want, have);
    }

    /// What the resource is attached to, and can be moved from. As with [`Diff::parent`], when
    /// `want` is missing although this is attached to something alive, the plan stops.
    pub fn attached<T>(&mut self, field: &'static str, want: &In<T>, have: &Option<T>)
    where
        T: Clone + PartialEq + Serialize + std::fmt::Display + 'static,
    {
        match have {
            Some(have) if want.node().is_some_and(|node| self.resolve.is_missing(node)) => {
                self.strayed = Some((field, have.to_string()));
            }
            // Made anew, it could not be there before the old one has let go of this; and the old
            // one can not go while this is attached. So this goes with it.
            Some(_) if lookup(want, self.resolve) == Known::AfterApply => {
                self.replaces_input(field, &want.clone().map(Some), have);
            }
            _ => self.input(field, &want.clone().map(Some), have),
        }
    }

    /// A text with holes: equal when what is known of it is equal and nothing is unknown.
    /// `same` compares two whole texts (two JSON documents, say).
    pub fn text(
        &mut self,
        field: &str,
        want: &Text,
        have: &str,
        same: impl Fn(&str, &str) -> bool,
        effect: Effect,
    ) {
        match self.whole(want) {
            Some(want) => {
                self.wanted.insert(field.to_owned(), Value::from(want.as_str()));
                if !same(&want, have) {
                    self.push(field.to_owned(), Value::from(have), Some(Value::from(want)), effect);
                }
            }
            None => self.push(field.to_owned(), Value::from(have), None, effect),
        }
    }

    /// The whole of a text, if every hole can be filled.
    pub fn whole(&self, text: &Text) -> Option<String> {
        text.pieces()
            .iter()
            .map(|piece| lookup(piece, self.resolve).yes().cloned())
            .collect::<Option<Vec<_>>>()
            .map(|pieces| pieces.concat())
    }

    /// The value of an input, if it is known.
    pub fn known<T: Clone>(&self, input: &In<T>) -> Known<T> {
        lookup(input, self.resolve)
    }

    /// An upgrade that can not be undone. A live value that `ahead` finds further than the wanted
    /// one is not drift: the provider upgrades by itself.
    pub fn one_way<T: PartialEq + Serialize>(
        &mut self,
        field: &str,
        want: &T,
        have: &T,
        ahead: impl FnOnce(&T, &T) -> bool,
    ) {
        if ahead(have, want) {
            self.wanted.insert(field.to_owned(), json(want));
        } else {
            self.compare(field, Known::Yes(want), have, Effect::InPlace);
        }
    }

    /// A collection that others may add to: each entry is a field `field.KEY`. What is live and
    /// not wanted goes if an earlier apply put it there; if not, it stays and the plan says so.
    pub fn ours_only<T: PartialEq + Serialize>(
        &mut self,
        field: &str,
        want: &BTreeMap<String, Known<T>>,
        have: &BTreeMap<String, T>,
    ) {
        self.entries(field, want, have);
        for (key, have) in have.iter().filter(|(key, _)| !want.contains_key(*key)) {
            self.extras.push(Extra { field: format!("{field}.{key}"), live: json(have) });
        }
    }

    /// A collection that is ours alone: what is live and not wanted goes.
    pub fn exclusive<T: PartialEq + Serialize>(
        &mut self,
        field: &str,
        want: &BTreeMap<String, Known<T>>,
        have: &BTreeMap<String, T>,
    ) {
        self.entries(field, want, have);
        for (key, have) in have.iter().filter(|(key, _)| !want.contains_key(*key)) {
            let field = format!("{field}.{key}");
            self.push(field, json(have), Some(Value::Null), Effect::InPlace);
        }
    }

    fn entries<T: PartialEq + Serialize>(
        &mut self,
        field: &str,
        want: &BTreeMap<String, Known<T>>,
        have: &BTreeMap<String, T>,
    ) {
        for (key, want) in want {
            let field = format!("{field}.{key}");
            let from = have.get(key).map_or(Value::Null, json);
            match want {
                Known::Yes(want) => {
                    self.wanted.insert(field.clone(), json(want));
                    if have.get(key) != Some(want) {
                        self.push(field, from, Some(json(want)), Effect::InPlace);
                    }
                }
                Known::AfterApply => self.push(field, from, None, Effect::InPlace),
            }
        }
    }

    /// Fields by their whole paths, where they are as many as somebody wrote: those that are live
    /// and not wanted go. `effect` says what it takes to change one.
    pub fn tree(
        &mut self,
        want: &BTreeMap<String, Known<Value>>,
        have: &BTreeMap<String, Value>,
        effect: impl Fn(&str) -> Effect,
    ) {
        for (field, want) in want {
            let have = have.get(field).unwrap_or(&Value::Null);
            let want = want.yes().map_or(Known::AfterApply, Known::Yes);
            self.compare(field, want, have, effect(field));
        }
        for (field, have) in have.iter().filter(|(field, _)| !want.contains_key(*field)) {
            self.push(field.clone(), have.clone(), Some(Value::Null), effect(field));
        }
    }

    /// A set of ids that is ours alone and changes as a whole.
    pub fn set<T>(&mut self, field: &str, want: &[In<T>], have: &BTreeSet<T>)
    where
        T: Clone + Ord + Serialize,
    {
        let known: Option<BTreeSet<T>> =
            want.iter().map(|want| lookup(want, self.resolve).yes().cloned()).collect();
        let want = known.as_ref().map_or(Known::AfterApply, Known::Yes);
        self.compare(field, want, have, Effect::InPlace);
    }

    /// A change of `field`, or making the resource anew, must not be done: the plan is refused with
    /// `hint`. Where the live value is left to somebody else, nothing is.
    pub fn refuse(
        &mut self,
        field: impl Into<String>,
        why: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.refused = Some(Refused { field: field.into(), why: why.into(), hint: hint.into() });
    }

    /// Something the plan should say beside the changes.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// A value in a line of a plan: strings without quotes, the rest as compact JSON.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "none".to_owned(),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
