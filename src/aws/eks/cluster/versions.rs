//! The Kubernetes versions that EKS has, and how it supports them.
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeClusterVersions.html>

use crate::aws::call::pages;
use crate::aws::eks::Eks;
use crate::kind::{Cx, Result};
use aws_sdk_eks::types::VersionStatus;

/// A Kubernetes version that clusters can be made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// `1.35`.
    pub version: String,
    /// Whether it is in standard support; in extended support, a cluster costs six times as much.
    /// <https://aws.amazon.com/eks/pricing/>
    pub is_standard: bool,
}

/// All that EKS offers, the newest first.
///
/// # Errors
/// Whatever EKS says.
pub async fn offered(cx: &Cx) -> Result<Vec<Offered>> {
    let eks = cx.api::<Eks>()?;
    let pages = pages(
        cx,
        "eks:DescribeClusterVersions",
        |token| eks.0.describe_cluster_versions().set_next_token(token).send(),
        |page| page.next_token(),
    )
    .await?;
    let all = pages.iter().flat_map(|page| page.cluster_versions());
    let offered = all.filter_map(|one| {
        let is_standard = one.version_status() == Some(&VersionStatus::StandardSupport);
        Some(Offered { version: one.cluster_version()?.to_owned(), is_standard })
    });
    let mut offered: Vec<Offered> = offered.collect();
    offered.sort_by_key(|one| std::cmp::Reverse(super::settings::minor(&one.version)));
    Ok(offered)
}
