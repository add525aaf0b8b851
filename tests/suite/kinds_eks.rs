//! EKS, launch templates, attachments and service-linked roles, each through its whole life
//! against the sandbox.

mod attachment;
mod cluster;
mod inside;
mod node_group;
mod service_linked_role;
mod site;
pub(crate) mod template;
mod whole;
