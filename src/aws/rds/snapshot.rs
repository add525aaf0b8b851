//! Snapshots of clusters: what a destroy leaves behind on purpose. They are no kind: nothing wants
//! one, and nobody but the user deletes them.

use super::Rds;
use crate::aws::call::pages;
use crate::kind::{Cx, Result, TAG_DEPLOYMENT};
use aws_sdk_rds::types::DbClusterSnapshot;

/// A snapshot that somebody took, or that was taken when a cluster was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its identifier.
    pub name: String,
    /// The ARN of the key that encrypts it.
    pub key: Option<String>,
    /// Whether it carries the deployment's tag.
    pub is_ours: bool,
}

/// All snapshots of clusters in the region that do not go by themselves.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusterSnapshots.html>
///
/// # Errors
/// Whatever RDS says.
pub async fn all(cx: &Cx) -> Result<Vec<Snapshot>> {
    let rds = cx.api::<Rds>()?;
    let pages = pages(
        cx,
        "rds:DescribeDBClusterSnapshots",
        |marker| {
            rds.0.describe_db_cluster_snapshots().snapshot_type("manual").set_marker(marker).send()
        },
        |page| page.marker(),
    )
    .await?;
    let snapshots = pages.iter().flat_map(|page| page.db_cluster_snapshots());
    Ok(snapshots.filter_map(|snapshot| of(cx, snapshot)).collect())
}

fn of(cx: &Cx, snapshot: &DbClusterSnapshot) -> Option<Snapshot> {
    let deployment = cx.deployment.name.as_str();
    Some(Snapshot {
        name: snapshot.db_cluster_snapshot_identifier()?.to_owned(),
        key: snapshot.kms_key_id().map(str::to_owned),
        is_ours: snapshot
            .tag_list()
            .iter()
            .any(|tag| tag.key() == Some(TAG_DEPLOYMENT) && tag.value() == Some(deployment)),
    })
}
