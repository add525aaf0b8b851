//! Kubernetes: the kinds, and the only code that talks to a cluster.

pub mod client;
pub mod object;

pub use client::{Cluster, ClusterExpected};
pub use object::{Content, Object};
