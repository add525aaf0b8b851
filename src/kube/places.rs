//! Which clusters there are to look into.

use super::client::no_cluster;
use super::connection::{Cluster, ClusterExpected};
use crate::aws::eks::access::Access;
use crate::aws::eks::access_entry::AccessEntry;
use crate::aws::eks::addon::Addon;
use crate::aws::eks::cluster::{Cluster as OwnCluster, Phase};
use crate::aws::eks::node_group::NodeGroup;
use crate::aws::eks::pod_identity_association::PodIdentityAssociation;
use crate::kind::{self, Cx, Kind, Result, Seen};
use crate::name::PhysicalId;

/// A cluster that can be looked into.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The cluster's id, where it is the deployment's own.
    pub(crate) id: Option<PhysicalId>,
    /// How it is reached; `None` for the one that the user names.
    pub(crate) access: Option<Access>,
    /// What must be there until what is in the cluster is gone.
    pub(crate) needed: Vec<PhysicalId>,
}

/// The clusters to look into: the one that the user names, else those of the deployment that
/// answer. One that is not there, has no endpoint yet, or is on its way out, holds nothing: with no
/// cluster at all, nothing is live.
///
/// # Errors
/// When something is `wanted` that has no cluster, or an earlier apply made something in a cluster
/// that is not given now.
pub(crate) fn places(cx: &Cx, wanted: Wants, seen: &dyn Seen) -> Result<Vec<Place>> {
    let ours: Vec<(PhysicalId, Option<Access>)> = kind::seen::<OwnCluster>(seen)
        .into_iter()
        .map(|(id, _, live)| {
            (id.clone(), live.access.clone().filter(|_| live.phase == Phase::Serving))
        })
        .collect();
    let needed = needed(seen);
    if cx.connector::<Cluster>().is_some() {
        let id = match ours.as_slice() {
            [(id, _)] => Some(id.clone()),
            _ => None,
        };
        return Ok(vec![Place { id, access: None, needed }]);
    }
    let expected = cx.connector::<ClusterExpected>().is_some() && ours.is_empty();
    if wanted == Wants::AClusterGiven || expected {
        return Err(no_cluster());
    }
    let places = ours.into_iter().filter_map(|(id, access)| {
        Some(Place { id: Some(id), access: Some(access?), needed: needed.clone() })
    });
    Ok(places.collect())
}

/// What deleting something in a cluster takes: leave to use it, nodes for what ends in an orderly
/// way, and the controllers that take volumes and load balancers away, with leave to do that.
fn needed(seen: &dyn Seen) -> Vec<PhysicalId> {
    fn ids<K: Kind>(seen: &dyn Seen) -> Vec<PhysicalId> {
        kind::seen::<K>(seen).into_iter().map(|(id, _, _)| id.clone()).collect()
    }
    [
        ids::<AccessEntry>(seen),
        ids::<NodeGroup>(seen),
        ids::<Addon>(seen),
        ids::<PodIdentityAssociation>(seen),
    ]
    .concat()
}

/// What is wanted, as to clusters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Something in a cluster that only the user can name.
    AClusterGiven,
    /// Nothing but what is in clusters of the deployment.
    NoneGiven,
}

impl Wants {
    /// What `clusters`, those of all that is wanted, ask for.
    pub(crate) fn of<T>(mut clusters: impl Iterator<Item = Option<T>>) -> Wants {
        if clusters.any(|cluster| cluster.is_none()) {
            Wants::AClusterGiven
        } else {
            Wants::NoneGiven
        }
    }
}
