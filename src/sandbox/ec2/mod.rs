//! EC2: networks. One file a kind; `model.rs` says what there is, `resource.rs` what all kinds
//! have in common, `settle.rs` what time does.

mod filter;
pub(crate) mod model;
mod page;
mod region;
mod resource;
mod settle;
mod tags;
mod vpc;

use super::failure::Failure;
use super::service::{Cx, Operation, Service, View};
use super::store::{Scope, Store};
use super::wire::Protocol;
use model::Ec2;
use serde_json::Value;

pub(crate) static SERVICE: Service = Service {
    name: "ec2",
    protocol: Protocol::Ec2Query,
    xmlns: "http://ec2.amazonaws.com/doc/2016-11-15/",
    throttling: (503, "RequestLimitExceeded"),
    law: include_str!("../law/ec2.json"),
    operations: &[
        Operation::write("CreateVpc", vpc::create),
        Operation::read("DescribeVpcs", vpc::describe_all),
    ],
    route: None,
};

static NOTHING: Ec2 = Ec2::empty();

impl<'a> View<'a> {
    /// EC2 in the region of the call.
    pub(crate) fn ec2(&self) -> &'a Ec2 {
        self.store.regional(self.scope).map_or(&NOTHING, |regional| &regional.ec2)
    }
}

impl Cx<'_> {
    /// EC2 in the region of the call.
    pub(crate) fn ec2(&mut self) -> &mut Ec2 {
        &mut self.store.regional_mut(self.scope).ec2
    }
}

/// Refuses an input that names a resource which is in `current` but not yet in `seen`.
pub(crate) fn none_is_fresh(
    input: &Value,
    current: &Store,
    seen: &Store,
    scope: &Scope,
) -> Result<(), Failure> {
    let of = |store: &'_ Store| store.regional(scope).map(|regional| regional.ec2.clone());
    match (of(current), of(seen)) {
        (Some(current), Some(seen)) => tags::none_is_fresh(input, &current, &seen),
        _ => Ok(()),
    }
}
