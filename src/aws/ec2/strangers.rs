//! Network interfaces in a VPC that are somebody else's: what keeps the VPC from going, and does not
//! go by itself.

use super::{Ec2, blockers, filter, from_ec2, leftover};
use crate::aws::call::pages;
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
    /// What it is, in words.
    pub(crate) described: String,
}

/// The tag of a node with its cluster's name.
const NODE_OF: &str = "eks:cluster-name";

/// The interfaces in these VPCs that belong to load balancers, to instances, or to nobody. Those
/// that AWS's other services manage are left out: whose those are, they don't tell, and they go with
/// what they are for. So are those that carry our tags, and what nodes have left behind.
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
    let balancer = interface.description().and_then(|text| text.strip_prefix("ELB "));
    let is_managed = interface.requester_managed().unwrap_or(false);
    let user = match (instance(interface), balancer) {
        (Some(id), _) => User::Instance { id: id.to_owned(), cluster: clusters.get(id)?.clone() },
        (None, Some(balancer)) if is_managed => User::LoadBalancer(balancer.to_owned()),
        (None, None) if !is_managed && interface.attachment().is_none() => User::Nobody,
        _ => return None,
    };
    Some(Interface {
        id: interface.network_interface_id()?.to_owned(),
        vpc: interface.vpc_id().unwrap_or_default().to_owned(),
        user,
        described: blockers::describe(interface),
    })
}
