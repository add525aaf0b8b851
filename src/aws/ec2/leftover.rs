//! What a cluster's nodes leave behind: network interfaces that the VPC CNI had taken for pods, and
//! did not give back before its node ended. They belong to nobody, and keep subnets and security
//! groups from going, for ever: <https://github.com/aws/amazon-vpc-cni-k8s/issues/608>

use super::{Ec2, filter, from_ec2};
use crate::aws::call::{gone_is_fine, pages, safe};
use crate::kind::{Class, Cx, Result};
use aws_sdk_ec2::types::{Filter, NetworkInterface, NetworkInterfaceStatus};

/// What descriptions of the CNI's interfaces begin with.
const DESCRIBED: &str = "aws-K8S-";
/// The tag with the node that it took the interface for.
const NODE: &str = "node.k8s.amazonaws.com/instance_id";
/// The tag with the cluster's name.
const CLUSTER: &str = "cluster.k8s.amazonaws.com/name";
/// The tag of the group that EKS makes for a cluster.
const GROUP: &str = "aws:eks:cluster-name";

/// Whether an interface is one of the CNI's that nobody uses any more.
pub(super) fn is_leftover(interface: &NetworkInterface) -> bool {
    interface.status() == Some(&NetworkInterfaceStatus::Available)
        && !interface.requester_managed().unwrap_or(false)
        && interface.description().is_some_and(|text| text.starts_with(DESCRIBED))
        && from_ec2(interface.tag_set()).contains_key(NODE)
}

/// Deletes one; answers whether it is gone. One that somebody attaches meanwhile is no leftover.
pub(super) async fn delete(cx: &Cx, interface: &NetworkInterface) -> Result<bool> {
    let ec2 = cx.api::<Ec2>()?;
    let id = interface.network_interface_id().unwrap_or_default();
    let deleted = gone_is_fine(
        safe(cx, "ec2:DeleteNetworkInterface", || {
            ec2.0.delete_network_interface().network_interface_id(id).send()
        })
        .await,
    );
    match deleted {
        Err(error) if error.class == Class::InUse || error.is_code("InvalidParameterValue") => {
            Ok(false)
        }
        other => other.map(|_| true),
    }
}

/// All interfaces that match.
pub(super) async fn interfaces(cx: &Cx, filters: &[Filter]) -> Result<Vec<NetworkInterface>> {
    let ec2 = cx.api::<Ec2>()?;
    let pages = pages(
        cx,
        "ec2:DescribeNetworkInterfaces",
        |token| {
            let request = ec2.0.describe_network_interfaces().set_next_token(token);
            request.set_filters(Some(filters.to_vec())).send()
        },
        |page| page.next_token(),
    )
    .await?;
    Ok(pages.into_iter().flat_map(|page| page.network_interfaces.unwrap_or_default()).collect())
}

/// Takes away what the nodes of a cluster of ours have left in its VPC. Before the cluster itself
/// goes, so that EKS can take its security group along.
pub(in crate::aws) async fn sweep(cx: &Cx, cluster: &str, vpc: &str) -> Result<()> {
    let filters = [
        filter("status", ["available"]),
        filter(&format!("tag:{CLUSTER}"), [cluster]),
        filter("vpc-id", [vpc]),
    ];
    for left in interfaces(cx, &filters).await?.iter().filter(|it| is_leftover(it)) {
        delete(cx, left).await?;
    }
    Ok(())
}

/// The groups in a VPC that EKS made for clusters, by the name of the cluster: it takes them away
/// with it, unless something is still in them.
pub(super) async fn groups_of_clusters(cx: &Cx, vpc: &str) -> Result<Vec<(String, String)>> {
    let ec2 = cx.api::<Ec2>()?;
    let filters = [filter("vpc-id", [vpc]), filter("tag-key", [GROUP])];
    let answer = safe(cx, "ec2:DescribeSecurityGroups", || {
        ec2.0.describe_security_groups().set_filters(Some(filters.to_vec())).send()
    })
    .await?;
    let named = answer.security_groups().iter().filter_map(|group| {
        Some((group.group_id()?.to_owned(), from_ec2(group.tags()).remove(GROUP)?))
    });
    Ok(named.collect())
}
