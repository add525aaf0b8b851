//! A small Kubernetes API: enough of one that clients apply, read, watch and delete objects of
//! any listed type, with the rules of server-side apply.
//!
//! It stores objects and keeps the books (versions, owners of fields, finalizers, namespaces that
//! take a while to go). Deployments make pods that run on the cluster's nodes (`controllers`).

mod admit;
mod caller;
mod cluster;
mod connect;
mod controllers;
mod discovery;
mod disk;
mod fields;
mod forward;
mod managers;
mod merge;
mod openapi;
mod patch;
mod protobuf;
mod request;
mod resources;
mod selector;
mod shape;
mod status;
mod store;
mod verbs;
mod watch;
mod websocket;

pub use caller::{Caller, Grant};
pub use cluster::{KubeBody, KubeSandbox};
pub use connect::KubeService;
pub(super) use connect::{answer, unauthorized};
pub use controllers::{Claimed, Cloud, NoCloud, NodeFacts, NodeSource};
