//! The security groups that controllers in a cluster have made for load balancers.

use super::{Ec2, blockers, filter, from_ec2};
use crate::aws::call::{pages, safe};
use crate::aws::elbv2::of_cluster::is_of_cluster;
use crate::kind::{Cx, Result, TAG_DEPLOYMENT};

/// The tag of the group that EKS makes for a cluster, and takes away with it.
const OF_EKS: &str = "aws:eks:cluster-name";

/// A security group that a controller has made.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    /// Its id.
    pub(crate) id: String,
    /// Its name.
    pub(crate) name: String,
}

/// All that controllers of the cluster have made in a VPC.
pub(crate) async fn groups(cx: &Cx, cluster: &str, vpc: &str) -> Result<Vec<Group>> {
    let ec2 = cx.api::<Ec2>()?;
    let within = filter("vpc-id", [vpc]);
    let pages = pages(
        cx,
        "ec2:DescribeSecurityGroups",
        |token| {
            ec2.0.describe_security_groups().filters(within.clone()).set_next_token(token).send()
        },
        |page| page.next_token(),
    )
    .await?;
    let all = pages.iter().flat_map(|page| page.security_groups());
    let theirs = all.filter(|group| {
        let tags = from_ec2(group.tags());
        is_of_cluster(&tags, cluster)
            && !tags.contains_key(OF_EKS)
            && !tags.contains_key(TAG_DEPLOYMENT)
    });
    let named = theirs.filter_map(|group| {
        Some(Group {
            id: group.group_id()?.to_owned(),
            name: group.group_name().unwrap_or_default().to_owned(),
        })
    });
    Ok(named.collect())
}

/// Deletes one, once the interfaces of its load balancer are gone.
pub(crate) async fn delete_group(cx: &Cx, id: &str) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    blockers::delete_once_free(cx, filter("group-id", [id]), || async {
        safe(cx, "ec2:DeleteSecurityGroup", || ec2.0.delete_security_group().group_id(id).send())
            .await?;
        Ok(())
    })
    .await
}
