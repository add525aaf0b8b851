//! The Kubernetes objects of a graph, for those who read or check them before there is a cluster.

use crate::graph::Graph;
use crate::kube::object::Object;
use crate::name::Address;
use serde_json::Value;

/// An object of the graph as a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Rendered {
    /// Where it stands in the graph.
    pub address: Address,
    /// The manifest, whole. What is only known after an apply, and what is secret, is a text such
    /// as `<database endpoint of us-east-1/database/cluster>`.
    pub manifest: Value,
}

impl Rendered {
    /// One of the texts that say what the object is: `kind`, `metadata.name`.
    fn text(&self, pointer: &str) -> &str {
        self.manifest.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// A name for a file: `deployment-coder-coder`.
    pub fn file_stem(&self) -> String {
        let parts = ["/kind", "/metadata/namespace", "/metadata/name"].map(|at| self.text(at));
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        // Names of roles may have colons in them, which not every file system takes.
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        parts.join("-").to_lowercase().replace(|c| !sound(c), "-")
    }
}

/// All Kubernetes objects of a graph, in an order in which they can be made.
pub fn manifests(graph: &Graph) -> Vec<Rendered> {
    let named = |node| {
        let node = graph.node(node);
        (node.desired.kind().title().to_owned(), node.address.to_string())
    };
    let objects = graph.nodes.iter().filter_map(|node| {
        let object = node.desired.any().downcast_ref::<Object>()?;
        Some(Rendered { address: node.address.clone(), manifest: object.rendered(&named) })
    });
    objects.collect()
}
