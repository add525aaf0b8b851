//! Coder itself, as objects of Kubernetes: what runs, what may be done, who may talk to whom.

mod access;
mod environment;
mod labels;
mod namespaces;
mod network_policy;
pub(super) mod objects;
pub(super) mod server;
mod service;
mod storage;
