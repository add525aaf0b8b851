//! Snapshots of clusters: what a destroy leaves behind on purpose, and what a cluster is made from.
//! They are no kind: nothing wants one, and nobody but the user deletes them.

use super::Rds;
use crate::aws::call::{gone_is_fine, pages, safe};
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

/// The engine's version of one snapshot, by identifier or ARN, whoever took it; `None` when RDS knows
/// none of that name. RDS finds one that it, or AWS Backup, took by itself only when it is told so,
/// and one that another account shares only when it is asked for those.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DescribeDBClusterSnapshots.html>
///
/// # Errors
/// Whatever RDS says, but for not found.
pub(super) async fn version(cx: &Cx, id: &str) -> Result<Option<String>> {
    let rds = cx.api::<Rds>()?;
    let name = id.split_once(":cluster-snapshot:").map_or(id, |(_, name)| name);
    let kind = ["rds:", "awsbackup:"].into_iter().find(|prefix| name.starts_with(prefix));
    let kind = kind.map(|prefix| if prefix == "rds:" { "automated" } else { "awsbackup" });
    let answer = gone_is_fine(
        safe(cx, "rds:DescribeDBClusterSnapshots", || {
            rds.0
                .describe_db_cluster_snapshots()
                .db_cluster_snapshot_identifier(id)
                .set_snapshot_type(kind.map(str::to_owned))
                .include_shared(true)
                .send()
        })
        .await,
    )?;
    let snapshots = answer.map(|answer| answer.db_cluster_snapshots.unwrap_or_default());
    let first = snapshots.and_then(|snapshots| snapshots.into_iter().next());
    Ok(first.and_then(|snapshot| snapshot.engine_version))
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
