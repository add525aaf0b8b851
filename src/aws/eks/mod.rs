//! EKS: clusters, what runs in them, and who may use them.

pub mod access;
pub mod token;
