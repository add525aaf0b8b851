//! Kubernetes: the kinds, and the only code that talks to a cluster.

pub mod client;
pub mod connection;
pub mod object;
pub(crate) mod places;
pub mod rollout;
pub mod transport;

use crate::kind::{Cx, Kind};
use crate::plan::Applied;
pub use connection::{Cluster, ClusterExpected};
pub use object::{Content, DatabaseUrl, Entry, Holes, Manifest, Object, Stored};
pub use transport::ClusterTransport;

/// Whether objects were applied in a cluster that is not the deployment's own: only the user can
/// name that one again.
pub fn are_in_a_given_cluster(applied: &Applied) -> bool {
    let mut objects = applied.0.values().filter(|resource| resource.kind == Object::NAME);
    objects.any(|object| !object.fields.contains_key("cluster"))
}

/// From now on, every cluster that `cx` reaches refuses all but reads (`true`), or takes
/// everything.
pub fn set_planning(cx: &Cx, planning: bool) {
    if let Some(cluster) = cx.connector::<Cluster>() {
        cluster.set_planning(planning);
    }
    if let Some(transport) = cx.connector::<ClusterTransport>() {
        transport.set_planning(planning);
    }
}
