//! Elastic Load Balancing: load balancers, target groups, listeners.
//!
//! Ids are ARNs, names are unique in the account and region, and at most 32 characters. The list
//! calls tell no tags; `DescribeTags` takes twenty ARNs. A second create with the same settings
//! answers with what is there, with others it is refused by name.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html>

pub mod listener;
pub mod load_balancer;
pub(crate) mod of_cluster;
pub mod target_group;
mod whose;

use super::Clients;
use super::call::{gone_is_fine, safe};
use super::tags::tag_changes;
use crate::kind::{Api, Change, Cx, Error, Result, Tags};
use aws_sdk_elasticloadbalancingv2::types::Tag;
use std::collections::BTreeMap;

/// Elastic Load Balancing in the region of a context.
pub struct Elb(pub(crate) aws_sdk_elasticloadbalancingv2::Client);

impl Api for Elb {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Elb(clients.elbv2(&cx.region)))
    }
}

/// How many ARNs `DescribeTags` takes.
const ARNS: usize = 20;

/// A field that AWS documents as always there.
fn told(value: Option<&str>, what: &str) -> Result<String> {
    value
        .filter(|value| !value.is_empty())
        .map(str::to_owned)
        .ok_or_else(|| Error::local(format!("elasticloadbalancing answered without the {what}")))
}

fn to_elb(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// The tags of all these, by ARN. What is gone meanwhile is left out.
async fn tags_of(cx: &Cx, arns: &[String]) -> Result<BTreeMap<String, Tags>> {
    let mut tags = BTreeMap::new();
    for some in arns.chunks(ARNS) {
        match describe_tags(cx, some).await? {
            Some(told) => tags.extend(told),
            // One of them is gone, and AWS does not say which.
            None => {
                for one in some {
                    let told = describe_tags(cx, std::slice::from_ref(one)).await?;
                    tags.extend(told.unwrap_or_default());
                }
            }
        }
    }
    Ok(tags)
}

async fn describe_tags(cx: &Cx, arns: &[String]) -> Result<Option<BTreeMap<String, Tags>>> {
    let elb = cx.api::<Elb>()?;
    let answer = gone_is_fine(
        safe(cx, "elasticloadbalancing:DescribeTags", || {
            elb.0.describe_tags().set_resource_arns(Some(arns.to_vec())).send()
        })
        .await,
    )?;
    let Some(answer) = answer else { return Ok(None) };
    let told = answer.tag_descriptions().iter().filter_map(|described| {
        let tags = described.tags().iter().filter_map(|tag| {
            Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned()))
        });
        Some((described.resource_arn()?.to_owned(), tags.collect()))
    });
    Ok(Some(told.collect()))
}

/// Carries out the changes of fields `tags.KEY`.
async fn retag(cx: &Cx, arn: &str, changes: &[Change]) -> Result<()> {
    let elb = cx.api::<Elb>()?;
    let (set, removed) = tag_changes(changes);
    if !set.is_empty() {
        let set = to_elb(&set);
        safe(cx, "elasticloadbalancing:AddTags", || {
            elb.0.add_tags().resource_arns(arn).set_tags(Some(set.clone())).send()
        })
        .await?;
    }
    if !removed.is_empty() {
        safe(cx, "elasticloadbalancing:RemoveTags", || {
            let request = elb.0.remove_tags().resource_arns(arn);
            request.set_tag_keys(Some(removed.clone())).send()
        })
        .await?;
    }
    Ok(())
}
