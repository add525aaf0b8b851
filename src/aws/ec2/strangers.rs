//! Network interfaces in a VPC that are somebody else's: what keeps the VPC from going, and does not
//! go by itself.

use super::{Ec2, blockers, filter, from_ec2, leftover};
use crate::aws::call::pages;
use crate::aws::eks::cluster;
use crate::kind::{Cx, Result, TAG_DEPLOYMENT};
use aws_sdk_ec2::types::NetworkInterface;
use std::collections::BTreeMap;

/// Who uses an interface, as far as it can be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum User {
    /// An instance, and the EKS cluster that it is a node of.
    Instance {
        /// Its id.
        id: String,
        /// The cluster's name.
        cluster: Option<String>,
    },
    /// A load balancer: `net/coder/0123456789abcdef`, or the name of a classic one.
    LoadBalancer(String),
    /// The control plane of the EKS cluster of this name.
    ControlPlane(String),
    /// Another service of AWS, for a database, a file system, a function; with the id of the NAT
    /// gateway or the endpoint that it is for, where it is for one.
    Service(Option<String>),
    /// Nobody at the moment.
    Nobody,
}

/// An interface whose user can be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Interface {
    /// Its id.
    pub(crate) id: String,
    /// The VPC.
    pub(crate) vpc: String,
    /// Who uses it.
    pub(crate) user: User,
    /// The security groups that it is in, where a service of AWS has made it.
    pub(crate) groups_of_service: Vec<String>,
    /// What it is, in words.
    pub(crate) described: String,
}

/// What the descriptions of a control plane's interfaces begin with; the cluster's name follows.
const OF_CLUSTER: &str = "Amazon EKS ";
/// The same for those of NAT gateways and of endpoints, whose id follows.
const OF_GATEWAY: &str = "Interface for NAT Gateway ";
const OF_ENDPOINT: &str = "VPC Endpoint Interface ";

/// The tag of a node with its cluster's name.
const NODE_OF: &str = "eks:cluster-name";

/// The interfaces in these VPCs that belong to instances, to services of AWS, or to nobody. Those
/// that carry our tags are left out, and what nodes have left behind.
pub(crate) async fn interfaces(cx: &Cx, vpcs: &[String]) -> Result<Vec<Interface>> {
    let within = filter("vpc-id", vpcs.iter().map(String::as_str));
    let all = leftover::interfaces(cx, &[within]).await?;
    let theirs: Vec<&NetworkInterface> = all
        .iter()
        .filter(|it| !from_ec2(it.tag_set()).contains_key(TAG_DEPLOYMENT))
        .filter(|it| !leftover::is_leftover(it))
        .collect();
    let ids: Vec<&str> = theirs.iter().filter_map(|it| instance(it)).collect();
    let clusters = clusters_of(cx, &ids).await?;
    Ok(theirs.into_iter().filter_map(|it| told(it, &clusters)).collect())
}

/// Whether an interface goes by itself, because the cluster that it was for is gone.
pub(crate) async fn is_leaving(cx: &Cx, interface: &Interface) -> Result<bool> {
    match &interface.user {
        User::ControlPlane(cluster) => Ok(!cluster::exists(cx, cluster).await?),
        _ => Ok(false),
    }
}

fn instance(interface: &NetworkInterface) -> Option<&str> {
    interface.attachment()?.instance_id()
}

/// The clusters that instances are nodes of; those that carry our tags are not among them.
async fn clusters_of(cx: &Cx, ids: &[&str]) -> Result<BTreeMap<String, Option<String>>> {
    let mut clusters = BTreeMap::new();
    if ids.is_empty() {
        return Ok(clusters);
    }
    let ec2 = cx.api::<Ec2>()?;
    let named = filter("instance-id", ids.iter().copied());
    let pages = pages(
        cx,
        "ec2:DescribeInstances",
        |token| ec2.0.describe_instances().filters(named.clone()).set_next_token(token).send(),
        |page| page.next_token(),
    )
    .await?;
    let reservations = pages.iter().flat_map(|page| page.reservations());
    for instance in reservations.flat_map(|reservation| reservation.instances()) {
        let mut tags = from_ec2(instance.tags());
        if let (Some(id), false) = (instance.instance_id(), tags.contains_key(TAG_DEPLOYMENT)) {
            clusters.insert(id.to_owned(), tags.remove(NODE_OF));
        }
    }
    Ok(clusters)
}

fn told(
    interface: &NetworkInterface,
    clusters: &BTreeMap<String, Option<String>>,
) -> Option<Interface> {
    let text = interface.description().unwrap_or_default();
    let balancer = text.strip_prefix("ELB ");
    let is_managed = interface.requester_managed().unwrap_or(false);
    let user = match (instance(interface), balancer) {
        (Some(id), _) => User::Instance { id: id.to_owned(), cluster: clusters.get(id)?.clone() },
        (None, Some(balancer)) if is_managed => User::LoadBalancer(balancer.to_owned()),
        (None, None) if is_managed => match text.strip_prefix(OF_CLUSTER) {
            Some(cluster) => User::ControlPlane(cluster.to_owned()),
            None => {
                let of = text.strip_prefix(OF_GATEWAY).or_else(|| text.strip_prefix(OF_ENDPOINT));
                User::Service(of.map(str::to_owned))
            }
        },
        (None, None) if interface.attachment().is_none() => User::Nobody,
        _ => return None,
    };
    let groups = interface.groups().iter().filter(|_| is_managed);
    Some(Interface {
        id: interface.network_interface_id()?.to_owned(),
        vpc: interface.vpc_id().unwrap_or_default().to_owned(),
        user,
        groups_of_service: groups.filter_map(|group| group.group_id()).map(str::to_owned).collect(),
        described: blockers::describe(interface),
    })
}
