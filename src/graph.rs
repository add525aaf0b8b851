//! The desired state as a graph; the only place where a kind's type is forgotten.
//!
//! A node can only refer to nodes added before it, so the graph has no cycle by construction and
//! the order of insertion is a valid order.

mod erased;

pub use erased::{AnyFound, AnyKind, AnyListed, BoxFuture, Node, Of};

use crate::kind::{Kind, Status};
use crate::name::{Address, Region};
use crate::value::{Edge, In, Need, NodeId, Output, strongest};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

/// A node that was added, and the kind it has: where outputs come from.
pub struct Handle<K> {
    node: NodeId,
    kind: PhantomData<fn() -> K>,
}

impl<K> Clone for Handle<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Handle<K> {}

impl<K: Kind> Handle<K> {
    /// The node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// What `read` takes from the live resource. The consumer waits until the resource exists;
    /// [`In::ready`] makes it wait until it has settled.
    pub fn output<T: Clone + 'static>(
        &self,
        name: &'static str,
        read: fn(&K::Live) -> Option<T>,
    ) -> In<T> {
        In::Output(Output {
            node: self.node,
            name,
            need: Need::Exists,
            read: Arc::new(move |facts| read(facts.downcast_ref::<K::Live>()?)),
        })
    }
}

/// One resource that is wanted.
pub struct GraphNode {
    /// What it is called.
    pub address: Address,
    /// Where it is listed and made; the home region for what has none.
    pub region: Region,
    /// The part of the spec that asks for it, `network.nat`.
    pub spec_path: String,
    /// What it should be.
    pub desired: Box<dyn Node>,
    edges: Vec<Edge>,
}

impl GraphNode {
    /// Everything that must come first, each node once with its strongest need.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }
}

/// A value that `outputs` shows after an apply.
pub struct NamedOutput {
    /// Its name, `vpc_id`.
    pub name: String,
    /// Where it comes from.
    pub value: In<String>,
}

/// The desired state of one deployment.
#[derive(Default)]
pub struct Graph {
    /// In an order in which they can be made.
    pub nodes: Vec<GraphNode>,
    /// What `outputs` shows.
    pub outputs: Vec<NamedOutput>,
    /// Old address to new: a live resource with the old one is retagged in place.
    pub moved: BTreeMap<Address, Address>,
    by_address: BTreeMap<Address, NodeId>,
}

impl Graph {
    /// Adds a resource.
    ///
    /// # Panics
    /// When the address is taken: two resources with one address are a fault of the pattern, not
    /// of the user, and no plan can be made of them.
    pub fn add<K: Kind>(
        &mut self,
        region: &Region,
        address: Address,
        spec_path: impl Into<String>,
        desired: K,
    ) -> Handle<K> {
        let node = NodeId(self.nodes.len());
        let previous = self.by_address.insert(address.clone(), node);
        assert!(previous.is_none(), "two resources are at {address}");
        let edges = crate::value::edges(&desired);
        assert!(edges.iter().all(|edge| edge.node < node), "{address} refers to a later node");
        self.nodes.push(GraphNode {
            address,
            region: region.clone(),
            spec_path: spec_path.into(),
            desired: Box::new(desired),
            edges,
        });
        Handle { node, kind: PhantomData }
    }

    /// Makes `later` wait for `earlier` although no value flows between them.
    ///
    /// # Panics
    /// When `earlier` was added after `later`.
    pub fn after<A: Kind, B: Kind>(
        &mut self,
        later: Handle<A>,
        earlier: Handle<B>,
        need: Need,
        reason: &'static str,
    ) {
        assert!(earlier.node < later.node, "an order against the order of insertion");
        let edges = &mut self.nodes[later.node.index()].edges;
        // First, so that of two that need as much the one with words of its own stays.
        edges.insert(0, Edge { node: earlier.node, need, reason: reason.to_owned() });
        strongest(edges);
    }

    /// Shows a value after an apply.
    pub fn show(&mut self, name: impl Into<String>, value: impl Into<In<String>>) {
        self.outputs.push(NamedOutput { name: name.into(), value: value.into() });
    }

    /// The node at an address.
    pub fn find(&self, address: &Address) -> Option<NodeId> {
        self.by_address.get(address).copied()
    }

    /// The node.
    pub fn node(&self, node: NodeId) -> &GraphNode {
        &self.nodes[node.index()]
    }

    /// All nodes with their places, in an order in which they can be made.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (NodeId, &GraphNode)> {
        self.nodes.iter().enumerate().map(|(at, node)| (NodeId(at), node))
    }
}

impl AnyFound {
    /// Whether it counts as present for the plan.
    pub fn is_present(&self) -> bool {
        self.status != Status::Leaving
    }
}
