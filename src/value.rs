//! Values that a resource consumes: known now, or known after another resource exists.
//!
//! A node's edges are not declared. They are found by serialising the desired state with
//! [`edges`], a serialiser that keeps nothing but the outputs it meets, so that a reference can
//! not be used without being an edge.

use serde::{Serialize, Serializer, ser};
use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

/// A node's place in its graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// The place as an index into [`crate::graph::Graph::nodes`].
    pub fn index(self) -> usize {
        self.0
    }
}

/// A kind's `Live`, its type forgotten.
pub type Facts = dyn Any + Send + Sync;

/// A value, or the certainty that it will be known once the plan has been applied.
#[derive(Clone, Debug, PartialEq)]
pub enum Known<T> {
    /// Known now.
    Yes(T),
    /// "Known after apply".
    AfterApply,
}

impl<T> Known<T> {
    /// The value, if it is known.
    pub fn yes(&self) -> Option<&T> {
        match self {
            Known::Yes(value) => Some(value),
            Known::AfterApply => None,
        }
    }
}

/// What a consumer needs of the node that it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Need {
    /// Its id is known; it may still be coming up.
    Exists,
    /// It has settled.
    Ready,
}

type Read<T> = Arc<dyn Fn(&Facts) -> Option<T> + Send + Sync>;

/// Something that the resource at `node` tells once it exists.
#[derive(Clone)]
pub struct Output<T> {
    pub(crate) node: NodeId,
    pub(crate) name: &'static str,
    pub(crate) need: Need,
    pub(crate) read: Read<T>,
}

/// A literal, or another node's output.
#[derive(Clone)]
pub enum In<T> {
    /// Known from the spec or from facts.
    Literal(T),
    /// Told by another node.
    Output(Output<T>),
}

impl<T> In<T> {
    /// The node this value comes from.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            In::Literal(_) => None,
            In::Output(output) => Some(output.node),
        }
    }

    /// The same output, but the consumer waits until the node has settled.
    pub fn ready(self) -> Self {
        match self {
            In::Literal(value) => In::Literal(value),
            In::Output(output) => In::Output(Output { need: Need::Ready, ..output }),
        }
    }

    /// The value with `change` applied to it.
    pub fn map<U>(self, change: impl Fn(T) -> U + Send + Sync + 'static) -> In<U>
    where
        T: 'static,
    {
        match self {
            In::Literal(value) => In::Literal(change(value)),
            In::Output(Output { node, name, need, read }) => In::Output(Output {
                node,
                name,
                need,
                read: Arc::new(move |facts| read(facts).map(&change)),
            }),
        }
    }
}

impl<T> From<T> for In<T> {
    fn from(value: T) -> Self {
        In::Literal(value)
    }
}

impl<T: fmt::Debug> fmt::Debug for In<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            In::Literal(value) => value.fmt(f),
            In::Output(output) => write!(f, "(#{}.{})", output.node.0, output.name),
        }
    }
}

/// The name under which an output serialises; it can not be a type's name.
const MARK: &str = "\u{0}coderctl::Output";

impl<T: Serialize> Serialize for In<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            In::Literal(value) => value.serialize(serializer),
            In::Output(output) => serializer
                .serialize_newtype_struct(MARK, &(output.node.0, output.need == Need::Ready)),
        }
    }
}

/// The id of a live resource of kind `K`: a subnet's id is not a VPC's.
pub struct Id<K> {
    text: String,
    kind: PhantomData<fn() -> K>,
}

impl<K> Id<K> {
    /// An id as the provider wrote it.
    pub fn new(text: impl Into<String>) -> Self {
        Id { text: text.into(), kind: PhantomData }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Id::new(self.text.clone())
    }
}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}
impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}
impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}
impl<'de, K> serde::Deserialize<'de> for Id<K> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Id::new)
    }
}

/// A text with holes that other nodes fill: a policy document that names a role's ARN.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Text(Vec<In<String>>);

impl Text {
    /// A text without holes.
    pub fn new(text: impl Into<String>) -> Self {
        Text(vec![In::Literal(text.into())])
    }

    /// Appends a literal, or a hole.
    #[must_use]
    pub fn then(mut self, piece: impl Into<In<String>>) -> Self {
        self.0.push(piece.into());
        self
    }

    /// The pieces in order.
    pub fn pieces(&self) -> &[In<String>] {
        &self.0
    }
}

impl From<&str> for In<String> {
    fn from(text: &str) -> Self {
        In::Literal(text.to_owned())
    }
}

/// One node must come before another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edge {
    /// What comes first.
    pub node: NodeId,
    /// What is needed of it.
    pub need: Need,
    /// Why, in words that somebody can read; for a reference the field that holds it, `its vpc`.
    pub reason: String,
}

/// Every output that `desired` refers to, each node once, with the strongest need.
pub fn edges<T: Serialize>(desired: &T) -> Vec<Edge> {
    let mut found = Vec::new();
    // The collector fails on nothing but a mark that is not ours, which can not be written.
    let _ = desired.serialize(Collect { found: &mut found, field: "" });
    strongest(&mut found);
    found
}

/// Leaves each node once, with the first of the edges that need most of it.
pub(crate) fn strongest(edges: &mut Vec<Edge>) {
    edges.sort_by_key(|edge| (edge.node, std::cmp::Reverse(edge.need)));
    edges.dedup_by_key(|edge| edge.node);
}

/// A serialiser that keeps nothing but the marks, each with the field that it is in.
struct Collect<'a> {
    found: &'a mut Vec<Edge>,
    /// From the outermost field to the innermost, `master.secret`.
    field: &'a str,
}

#[derive(Debug)]
struct NotAMark;
impl fmt::Display for NotAMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a mark")
    }
}
impl std::error::Error for NotAMark {}
impl ser::Error for NotAMark {
    fn custom<T: fmt::Display>(_: T) -> Self {
        NotAMark
    }
}

macro_rules! nothing {
    ($($method:ident($($type:ty),*);)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<(), NotAMark> { Ok(()) })*
    };
}

impl Serializer for Collect<'_> {
    type Ok = ();
    type Error = NotAMark;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    nothing! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32);
        serialize_i64(i64); serialize_u8(u8); serialize_u16(u16); serialize_u32(u32);
        serialize_u64(u64); serialize_f32(f32); serialize_f64(f64); serialize_char(char);
        serialize_str(&str); serialize_bytes(&[u8]); serialize_none(); serialize_unit();
        serialize_unit_struct(&'static str);
        serialize_unit_variant(&'static str, u32, &'static str);
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), NotAMark> {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), NotAMark> {
        if name != MARK {
            return value.serialize(self);
        }
        let mark = serde_json::to_value(value).map_err(|_| NotAMark)?;
        let node = mark.get(0).and_then(serde_json::Value::as_u64).ok_or(NotAMark)?;
        let ready = mark.get(1).and_then(serde_json::Value::as_bool).ok_or(NotAMark)?;
        let node = NodeId(usize::try_from(node).map_err(|_| NotAMark)?);
        let need = if ready { Need::Ready } else { Need::Exists };
        self.found.push(Edge { node, need, reason: format!("its {}", self.field) });
        Ok(())
    }
    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), NotAMark> {
        value.serialize(self)
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Self, NotAMark> {
        Ok(self)
    }
    fn serialize_tuple(self, _: usize) -> Result<Self, NotAMark> {
        Ok(self)
    }
    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, NotAMark> {
        Ok(self)
    }
    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, NotAMark> {
        Ok(self)
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Self, NotAMark> {
        Ok(self)
    }
    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, NotAMark> {
        Ok(self)
    }
    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self, NotAMark> {
        Ok(self)
    }
}

macro_rules! each {
    ($($trait:ident $method:ident($($key:ident)?);)*) => {
        $(impl ser::$trait for Collect<'_> {
            type Ok = ();
            type Error = NotAMark;
            fn $method<T: ?Sized + Serialize>(
                &mut self,
                $($key: &'static str,)?
                value: &T,
            ) -> Result<(), NotAMark> {
                let field = self.field;
                $(let field = &inside(field, $key);)?
                value.serialize(Collect { found: self.found, field })
            }
            fn end(self) -> Result<(), NotAMark> {
                Ok(())
            }
        })*
    };
}

each! {
    SerializeSeq serialize_element();
    SerializeTuple serialize_element();
    SerializeTupleStruct serialize_field();
    SerializeTupleVariant serialize_field();
    SerializeStruct serialize_field(key);
    SerializeStructVariant serialize_field(key);
}

/// The path of a field inside another, which is empty outside of any.
fn inside(field: &str, key: &str) -> String {
    if field.is_empty() { key.to_owned() } else { format!("{field}.{key}") }
}

impl ser::SerializeMap for Collect<'_> {
    type Ok = ();
    type Error = NotAMark;
    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), NotAMark> {
        key.serialize(Collect { found: self.found, field: self.field })
    }
    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), NotAMark> {
        value.serialize(Collect { found: self.found, field: self.field })
    }
    fn end(self) -> Result<(), NotAMark> {
        Ok(())
    }
}
