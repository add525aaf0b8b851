//! What others make in what is ours: workspaces, volumes, load balancers.
//!
//! No spec asks for these, and nobody looks for them but a destroy: they would be in its way, or be
//! left over. Each is listed with what it holds, and goes only with consent by its address; a plan
//! that lacks it is refused before anything is touched. They are called by addresses as all else
//! is, but carry no tags of ours: whose they are follows from what they live in.

mod cluster;
pub mod interface;
pub mod load_balancer;
pub mod volume;
pub mod workspaces;

use crate::kind::{Cx, Error, Ownership};
use crate::name::{Address, Region};
use crate::plan;

/// The sorts of what others make, by which consent may be given to all of a sort.
pub(crate) const SORTS: [&str; 3] = ["workspaces", "volumes", "load-balancers"];

/// A connector of [`Cx`]: what the user has consented to delete, as written on the command line. A
/// plan without the consent that it takes is refused before; this is for what only shows later.
#[derive(Clone, Debug)]
pub struct Allowed(pub Vec<String>);

impl Allowed {
    /// Whether what others made at `address` may go.
    fn covers(cx: &Cx, address: &Address) -> bool {
        cx.connector::<Allowed>()
            .is_some_and(|allowed| allowed.0.iter().any(|one| plan::covers(one, address)))
    }
}

/// Who owns what is found at `rest`: the deployment that `inside` belongs to.
fn owner(region: &Region, rest: &str, inside: &Ownership) -> Ownership {
    Ownership { address: Address::in_region(region, rest), generation: 1, uid: inside.uid.clone() }
}

/// Nobody makes or changes these here.
fn not_wanted(cx: &Cx) -> Error {
    let _ = cx;
    Error::local("nothing asks for what others make")
}
