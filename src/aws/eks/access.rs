//! What it takes to reach a cluster's Kubernetes API.

use crate::kind::Seen;
use crate::name::{PhysicalId, Region};
use serde::Serialize;

/// How a cluster's Kubernetes API is reached: all that `DescribeCluster` tells about it. Holds no
/// credential; the bearer token is made from the AWS credentials at hand.
/// <https://docs.aws.amazon.com/eks/latest/APIReference/API_Cluster.html>
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Access {
    /// The cluster's name, which its tokens are bound to.
    pub cluster: String,
    /// The region that the cluster is in, and whose STS its tokens are signed for.
    pub region: Region,
    /// `https://0123456789ABCDEF.gr7.us-east-1.eks.amazonaws.com`.
    pub endpoint: String,
    /// The certificate authority of the endpoint: PEM in base64, as AWS gives it.
    pub certificate_authority: String,
}

/// What a cluster tells of how it is reached, as it is found; `None` while it has no endpoint that
/// answers (it is coming up, or going).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reachable(pub Option<Access>);

/// The deployment's clusters that an earlier wave has read: the id of each, and how it is reached.
pub fn clusters(seen: &dyn Seen) -> Vec<(PhysicalId, Option<Access>)> {
    seen.of("aws.eks.cluster")
        .into_iter()
        .filter_map(|(id, _, live)| Some((id.clone(), live.downcast_ref::<Reachable>()?.0.clone())))
        .collect()
}
