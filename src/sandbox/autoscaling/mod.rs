//! Auto Scaling: the groups that EKS makes. No request makes one.

mod model;
mod scale;

pub(crate) use model::{AutoScaling, Group, Source};
