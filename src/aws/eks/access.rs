//! What it takes to reach a cluster's Kubernetes API.

use crate::name::Region;
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
