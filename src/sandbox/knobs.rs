//! What may be turned while a sandbox runs.

/// Limits and sizes that AWS sets per account or that tests want small.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knobs {
    /// Items per page where the request asks for no `MaxResults`. AWS gives up to 1000.
    pub page_size: usize,
    /// VPCs per region (service quota L-F678F1CE), the default VPC included.
    pub vpcs_per_region: usize,
    /// Elastic IP addresses per region (service quota L-0263D0A3).
    pub addresses_per_region: usize,
    /// NAT gateways per availability zone (service quota L-FE5A380F).
    pub nat_gateways_per_zone: usize,
    /// Rules per security group and direction (service quota L-0EA8095F).
    pub rules_per_security_group: usize,
    /// Whether nodes of node groups that are made from now on leave network interfaces of pods
    /// behind when they go, as the VPC CNI sometimes does in AWS.
    pub nodes_leave_interfaces: bool,
    /// Where the Kubernetes APIs of clusters are served, if they are.
    pub kubernetes: Option<Front>,
}

/// Where the Kubernetes APIs of EKS clusters are served: that of each below its own path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Front {
    /// Without a final slash: `http://127.0.0.1:5598`. A cluster's endpoint is this, a slash and
    /// the cluster's id.
    pub url: String,
    /// The certificate authority that clusters tell their clients to trust, as PEM; `None` is one
    /// that has signed nothing.
    pub authority: Option<String>,
}

impl Default for Knobs {
    fn default() -> Self {
        Knobs {
            page_size: 1000,
            vpcs_per_region: 5,
            addresses_per_region: 5,
            nat_gateways_per_zone: 5,
            rules_per_security_group: 60,
            nodes_leave_interfaces: false,
            kubernetes: None,
        }
    }
}
