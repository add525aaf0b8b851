//! The volumes that the EBS driver of a cluster has made. Nobody but the driver makes them; they are
//! known by the tags that it sets.
//! <https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/tagging.md>

use super::{Ec2, filter, from_ec2};
use crate::aws::call::{gone_is_fine, pages, safe};
use crate::kind::{Cx, Result};
use aws_sdk_ec2::types::{Filter, Volume as Ec2Volume};

/// A volume of a claim.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    /// `vol-0123456789abcdef0`.
    pub(crate) id: String,
    /// The claim's namespace.
    pub(crate) namespace: String,
    /// The claim's name.
    pub(crate) claim: String,
    /// In GiB.
    pub(crate) size: i32,
    /// The instance that it is attached to.
    pub(crate) instance: Option<String>,
    /// Whether it is on its way out.
    pub(crate) is_deleting: bool,
}

/// All volumes of a cluster's claims.
pub(crate) async fn of_cluster(cx: &Cx, cluster: &str) -> Result<Vec<Volume>> {
    let owned = format!("tag:kubernetes.io/cluster/{cluster}");
    all(cx, &[filter(&owned, ["owned"]), filter("tag-key", [CLAIM])]).await
}

/// One of them again.
pub(crate) async fn one(cx: &Cx, id: &str) -> Result<Option<Volume>> {
    Ok(all(cx, &[filter("volume-id", [id])]).await?.pop())
}

/// Deletes one that is attached to nothing.
pub(crate) async fn delete(cx: &Cx, id: &str) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    gone_is_fine(
        safe(cx, "ec2:DeleteVolume", || ec2.0.delete_volume().volume_id(id).send()).await,
    )?;
    Ok(())
}

const CLAIM: &str = "kubernetes.io/created-for/pvc/name";
const NAMESPACE: &str = "kubernetes.io/created-for/pvc/namespace";

async fn all(cx: &Cx, filters: &[Filter]) -> Result<Vec<Volume>> {
    let ec2 = cx.api::<Ec2>()?;
    let pages = pages(
        cx,
        "ec2:DescribeVolumes",
        |token| {
            let request = ec2.0.describe_volumes().set_next_token(token);
            request.set_filters(Some(filters.to_vec())).send()
        },
        |page| page.next_token(),
    )
    .await?;
    Ok(pages.iter().flat_map(|page| page.volumes()).filter_map(read).collect())
}

fn read(volume: &Ec2Volume) -> Option<Volume> {
    let tags = from_ec2(volume.tags());
    let tag = |key: &str| tags.get(key).cloned().unwrap_or_default();
    let attached = volume.attachments().iter().find_map(|it| it.instance_id());
    Some(Volume {
        id: volume.volume_id()?.to_owned(),
        namespace: tag(NAMESPACE),
        claim: tag(CLAIM),
        size: volume.size().unwrap_or_default(),
        instance: attached.map(str::to_owned),
        is_deleting: volume.state().is_some_and(|state| state.as_str() == "deleting"),
    })
}
