//! The attachment of a target group to the Auto Scaling group of a node group: its instances,
//! those of now and those to come, are registered with the target group.
//!
//! It carries no tags. It is ours if both its ends are: the node group, and the target group.
//! So it has no address of its own either; [`address`] makes it from those of its ends, and a
//! graph must put it there. Its generation counts the replaces of both ends, so that of two at
//! one address the newer one is known. A node group that is replaced brings a new Auto Scaling
//! group: that is attached first, and the old one is detached last.
//!
//! Attaching twice changes nothing; detaching what is not attached is refused in words.
//! <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_AttachTrafficSources.html>

use super::AutoScaling;
use crate::aws::call::{pages, safe};
use crate::aws::eks::node_group::NodeGroup;
use crate::aws::settle::{Patience, until_gone, until_ready};
use crate::kind::{
    Change, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, ReplaceOrder,
    Result, Seen, Status, Tags, Typical, Wanted, seen,
};
use crate::name::{Address, PhysicalId};
use crate::value::In;
use aws_sdk_autoscaling::types::TrafficSourceIdentifier;
use serde::Serialize;
use std::collections::BTreeMap;

/// A target group attached to a node group's Auto Scaling group.
#[derive(Clone, Debug, Serialize)]
pub struct Attachment {
    /// The name of the Auto Scaling group: what the node group tells.
    pub auto_scaling_group: In<String>,
    /// The ARN of the target group.
    pub target_group: In<String>,
}

/// A live attachment.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The name of the Auto Scaling group.
    pub auto_scaling_group: String,
    /// The ARN of the target group.
    pub target_group: String,
}

/// The address of the attachment of a target group to a node group: that of the node group, and
/// behind it the last part of the target group's.
pub fn address(node_group: &Address, target_group: &Address) -> Address {
    let last = target_group.as_str().rsplit('/').next().unwrap_or_default();
    let text = format!("{node_group}/{last}");
    // An address with one more part is an address.
    Address::parse(&text).unwrap_or_else(|| node_group.clone())
}

/// The kind of target groups; their ids are their ARNs.
const TARGET_GROUP: &str = "aws.elbv2.target_group";
/// How Auto Scaling calls a target group.
const ELBV2: &str = "elbv2";

impl Kind for Attachment {
    const NAME: &'static str = "aws.autoscaling.attachment";
    const TITLE: &'static str = "target group attachment";
    const NATURE: Nature = Nature {
        // Looks at the node groups that were found.
        wave: 2,
        taggable: false,
        create_is: CreateIs::Named,
        replace: ReplaceOrder::CreateFirst,
        typical: Typical { create: 15, update: 1, delete: 60 },
        actions: &[
            "autoscaling:AttachTrafficSources",
            "autoscaling:DescribeAutoScalingGroups",
            "autoscaling:DescribeTrafficSources",
            "autoscaling:DetachTrafficSources",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { auto_scaling_group, target_group } = self;
        diff.replaces_input("auto_scaling_group", auto_scaling_group, &live.auto_scaling_group);
        diff.replaces_input("target_group", target_group, &live.target_group);
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![
            ("auto_scaling_group", live.auto_scaling_group.clone()),
            ("target_group", live.target_group.clone()),
        ]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let node_groups: BTreeMap<&str, (&PhysicalId, &Ownership)> = seen::<NodeGroup>(found)
            .into_iter()
            .filter_map(|(id, owner, live)| {
                Some((live.auto_scaling_group.as_deref()?, (id, owner)))
            })
            .collect();
        let mut listed = Listed::default();
        if node_groups.is_empty() {
            // Without names the call would answer every group of the account.
            return Ok(listed);
        }
        let target_groups: BTreeMap<&str, &Ownership> = found
            .of(TARGET_GROUP)
            .into_iter()
            .map(|(arn, owner, _)| (arn.as_str(), owner))
            .collect();
        let scaling = cx.api::<AutoScaling>()?;
        let names: Vec<String> = node_groups.keys().map(|name| (*name).to_owned()).collect();
        let pages = pages(
            cx,
            "autoscaling:DescribeAutoScalingGroups",
            |token| {
                scaling
                    .0
                    .describe_auto_scaling_groups()
                    .set_auto_scaling_group_names(Some(names.clone()))
                    .set_next_token(token)
                    .send()
            },
            |page| page.next_token(),
        )
        .await?;
        for group in pages.iter().flat_map(|page| page.auto_scaling_groups()) {
            let Some(name) = group.auto_scaling_group_name() else { continue };
            let Some((node_group, owner)) = node_groups.get(name) else { continue };
            let sources = group.traffic_sources().iter().filter_map(|source| source.identifier());
            for arn in sources {
                // What somebody else attached is theirs.
                let Some(target) = target_groups.get(arn) else { continue };
                let live =
                    Live { auto_scaling_group: name.to_owned(), target_group: arn.to_owned() };
                listed.ours.push(Found {
                    id: id(&live),
                    owner: Ownership {
                        address: address(&owner.address, &target.address),
                        generation: owner.generation + target.generation - 1,
                        uid: owner.uid.clone(),
                    },
                    status: Status::Ready,
                    parents: vec![(*node_group).clone(), PhysicalId::new(arn)],
                    tags: Tags::new(),
                    live,
                });
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let state = state(cx, &found.live).await?;
        let status = match state.as_deref() {
            None | Some("Removed") => return Ok(None),
            Some("Removing") => Status::Leaving,
            Some("Adding") => Status::Busy("Adding".to_owned()),
            // In service is one whose instances are healthy: what is behind them may come later.
            Some(_) => Status::Ready,
        };
        Ok(Some(Found { status, ..found.clone() }))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let scaling = cx.api::<AutoScaling>()?;
        let live = Live {
            auto_scaling_group: cx.get(&self.auto_scaling_group)?,
            target_group: cx.get(&self.target_group)?,
        };
        safe(cx, "autoscaling:AttachTrafficSources", || {
            scaling
                .0
                .attach_traffic_sources()
                .auto_scaling_group_name(&live.auto_scaling_group)
                .traffic_sources(source(&live.target_group))
                .send()
        })
        .await?;
        // The node group is known by its Auto Scaling group alone here; the next list names it.
        let parents = vec![PhysicalId::new(live.target_group.as_str())];
        let status = Status::Busy("Adding".to_owned());
        Found::created(cx, id(&live).as_str(), status, parents, live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 5, at_most: 900 }).await
    }

    async fn update(&self, _: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        Err(Error::local(format!("attachment {} has nothing that can change", found.id)))
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let scaling = cx.api::<AutoScaling>()?;
        let Live { auto_scaling_group, target_group } = &found.live;
        if found.status != Status::Leaving {
            let detached = safe(cx, "autoscaling:DetachTrafficSources", || {
                scaling
                    .0
                    .detach_traffic_sources()
                    .auto_scaling_group_name(auto_scaling_group)
                    .traffic_sources(source(target_group))
                    .send()
            })
            .await;
            if let Err(error) = detached
                && !is_gone(&error)
            {
                return Err(error);
            }
        }
        // Connections drain for as long as the target group says, at most an hour.
        until_gone(cx, found, Patience { every: 5, at_most: 3900 }).await
    }
}

/// Of two parts that name it together.
fn id(live: &Live) -> PhysicalId {
    PhysicalId::new(format!("{}/{}", live.auto_scaling_group, live.target_group))
}

fn source(target_group: &str) -> TrafficSourceIdentifier {
    TrafficSourceIdentifier::builder().identifier(target_group).r#type(ELBV2).build()
}

/// How the attachment is doing, in Auto Scaling's own word; `None` when it is not there.
async fn state(cx: &Cx, live: &Live) -> Result<Option<String>> {
    let scaling = cx.api::<AutoScaling>()?;
    let pages = pages(
        cx,
        "autoscaling:DescribeTrafficSources",
        |token| {
            scaling
                .0
                .describe_traffic_sources()
                .auto_scaling_group_name(&live.auto_scaling_group)
                .traffic_source_type(ELBV2)
                .set_next_token(token)
                .send()
        },
        |page| page.next_token(),
    )
    .await;
    let pages = match pages {
        Err(error) if is_gone(&error) => return Ok(None),
        pages => pages?,
    };
    let found = pages
        .iter()
        .flat_map(|page| page.traffic_sources())
        .find(|source| source.identifier() == Some(live.target_group.as_str()));
    Ok(found.map(|source| source.state().unwrap_or("Added").to_owned()))
}

/// Whether the group, or what was attached to it, is not there. Auto Scaling has no error of its
/// own for that.
fn is_gone(error: &Error) -> bool {
    error.class == Class::NotFound
        || (error.is_code("ValidationError")
            && ["not found", "does not exist", "not attached", "not part of the group"]
                .iter()
                .any(|sign| error.message.contains(sign)))
}
