//! What others make in what is ours: workspaces, volumes, load balancers.
//!
//! No spec asks for these, and nobody looks for them but a destroy: they would be in its way, or be
//! left over. Each is listed with what it holds, and goes only with consent by its address; a plan
//! that lacks it is refused before anything is touched. They are called by addresses as all else
//! is, but carry no tags of ours: whose they are follows from what they live in.

mod cluster;
pub mod load_balancer;
pub mod volume;
pub mod workspaces;

use crate::kind::{Cx, Error, Ownership};
use crate::name::{Address, Region};

/// Who owns what is found at `rest`: the deployment that `inside` belongs to.
fn owner(region: &Region, rest: &str, inside: &Ownership) -> Ownership {
    Ownership { address: Address::in_region(region, rest), generation: 1, uid: inside.uid.clone() }
}

/// Nobody makes or changes these here.
fn not_wanted(cx: &Cx) -> Error {
    let _ = cx;
    Error::local("nothing asks for what others make")
}
