//! A request's input, checked by the law and spoken of in the model's member names.

use bytes::Bytes;
use serde_json::Value;

/// The input of one call: members by their model names, and the HTTP request that carried them.
#[derive(Debug)]
pub(crate) struct Params {
    tree: Value,
    http: http::Request<Bytes>,
}

impl Params {
    pub(crate) fn new(tree: Value, http: http::Request<Bytes>) -> Self {
        Params { tree, http }
    }

    /// Input that no request carried: what AWS's own services ask each other.
    pub(crate) fn of(tree: Value) -> Self {
        Params { tree, http: http::Request::default() }
    }

    /// All members.
    pub(crate) fn tree(&self) -> &Value {
        &self.tree
    }

    /// The HTTP request, for operations whose input is in its headers and body.
    pub(crate) fn http(&self) -> &http::Request<Bytes> {
        &self.http
    }

    /// A member of any shape.
    pub(crate) fn get(&self, member: &str) -> Option<&Value> {
        self.tree.get(member)
    }

    /// A string member.
    pub(crate) fn text(&self, member: &str) -> Option<&str> {
        self.get(member)?.as_str()
    }

    /// A string member that the law has made sure of; empty without it.
    pub(crate) fn required(&self, member: &str) -> &str {
        self.text(member).unwrap_or_default()
    }

    /// A boolean member.
    pub(crate) fn flag(&self, member: &str) -> Option<bool> {
        self.get(member)?.as_bool()
    }

    /// An integer member.
    pub(crate) fn number(&self, member: &str) -> Option<i64> {
        self.get(member)?.as_i64()
    }

    /// A list member; empty without it.
    pub(crate) fn list(&self, member: &str) -> &[Value] {
        self.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// A list of strings; empty without it.
    pub(crate) fn texts(&self, member: &str) -> Vec<&str> {
        self.list(member).iter().filter_map(Value::as_str).collect()
    }
}
