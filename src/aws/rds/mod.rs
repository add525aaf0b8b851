//! RDS: Aurora clusters and what they need.
//!
//! Names are unique within one kind only: a cluster and its subnet group may have the same. So
//! what stands for a resource here is its ARN. A second create is refused by name.

pub mod cluster;
pub mod cluster_parameter_group;
pub mod instance;
pub mod snapshot;
pub mod subnet_group;

use super::Clients;
use super::call::{Passing, gone_is_fine, safe};
use super::tags::tag_changes;
use crate::kind::{Api, Change, Cx, Error, Result, Tags};
use crate::name::PhysicalId;
use aws_sdk_rds::types::Tag;

/// RDS in the region of a context.
pub struct Rds(pub(crate) aws_sdk_rds::Client);

impl Api for Rds {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Rds(clients.rds(&cx.region)))
    }
}

/// The cluster is busy with something else, and takes no change meanwhile.
const CLUSTER_BUSY: Passing = Passing {
    code: "InvalidDBClusterStateFault",
    message: "",
    seconds: 900,
    waiting_for: "the database cluster to be available",
};

/// The instance is busy with something else, and takes no change meanwhile.
const INSTANCE_BUSY: Passing = Passing {
    code: "InvalidDBInstanceState",
    message: "",
    seconds: 900,
    waiting_for: "the database instance to be available",
};

/// The ARN of a resource of `kind` (`subgrp`) in the account and region of `cx`.
fn arn(cx: &Cx, kind: &str, name: &str) -> String {
    let deployment = &cx.deployment;
    let (partition, account) = (&deployment.partition, &deployment.account);
    format!("arn:{partition}:rds:{}:{account}:{kind}:{name}", cx.region)
}

/// The name that an ARN ends with; a name is its own.
fn name_of(id: &PhysicalId) -> &str {
    id.as_str().rsplit(':').next().unwrap_or_default()
}

/// A field that AWS documents as always there.
fn told(value: Option<&str>, what: &str) -> Result<String> {
    value
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| Error::local(format!("rds answered without the {what}")))
}

fn to_rds(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn from_rds(tags: &[Tag]) -> Tags {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
        .collect()
}

/// The tags of what the list calls leave them out of; `None` when it is gone.
async fn tags_of(cx: &Cx, arn: &str) -> Result<Option<Tags>> {
    let rds = cx.api::<Rds>()?;
    let answer = gone_is_fine(
        safe(cx, "rds:ListTagsForResource", || {
            rds.0.list_tags_for_resource().resource_name(arn).send()
        })
        .await,
    )?;
    Ok(answer.map(|answer| from_rds(answer.tag_list())))
}

/// Carries out the changes of fields `tags.KEY`.
async fn retag(cx: &Cx, arn: &str, changes: &[Change]) -> Result<()> {
    let (set, removed) = tag_changes(changes);
    set_tags(cx, arn, &set).await?;
    if !removed.is_empty() {
        let rds = cx.api::<Rds>()?;
        safe(cx, "rds:RemoveTagsFromResource", || {
            let request = rds.0.remove_tags_from_resource().resource_name(arn);
            request.set_tag_keys(Some(removed.clone())).send()
        })
        .await?;
    }
    Ok(())
}

/// Sets tags.
async fn set_tags(cx: &Cx, arn: &str, tags: &Tags) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let rds = cx.api::<Rds>()?;
    let tags = to_rds(tags);
    safe(cx, "rds:AddTagsToResource", || {
        rds.0.add_tags_to_resource().resource_name(arn).set_tags(Some(tags.clone())).send()
    })
    .await?;
    Ok(())
}
