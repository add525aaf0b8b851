//! Changes of a node group in place. All that is mere configuration goes in one call; a new
//! version, of Kubernetes or of the launch template, is another one that rolls over the nodes.
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupConfig.html>
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_UpdateNodegroupVersion.html>

use super::{BUSY, Eks, Live, NodeGroup, Taint};
use crate::aws::call::{Repeat, call};
use crate::aws::eks::touches;
use crate::aws::eks::update::{Target, follow, token};
use crate::kind::{Change, Class, Cx, Result};
use aws_sdk_eks::types::{NodegroupScalingConfig, UpdateLabelsPayload, UpdateTaintsPayload};
use serde_json::Value;

/// How long a change of the configuration may take, in seconds.
const CONFIGURED_WITHIN: u32 = 1800;
/// How long the nodes may take to be exchanged, in seconds: each drains for up to 15 minutes.
const ROLLED_WITHIN: u32 = 6 * 3600;

pub(super) async fn carry_out(
    wants: &NodeGroup,
    cx: &Cx,
    live: &Live,
    changes: &[Change],
) -> Result<()> {
    let sizes = touches(changes, "min") || touches(changes, "max");
    let configured = ["labels", "taints", "max_unavailable"];
    if sizes || configured.iter().any(|field| touches(changes, field)) {
        configure(wants, cx, live, changes).await?;
    }
    if touches(changes, "version") || touches(changes, "template.data") {
        roll(wants, cx, live, changes).await?;
    }
    Ok(())
}

async fn configure(wants: &NodeGroup, cx: &Cx, live: &Live, changes: &[Change]) -> Result<()> {
    let eks = cx.api::<Eks>()?;
    let (cluster, name) = (live.cluster.as_str(), live.name.as_str());
    let sizes = touches(changes, "min") || touches(changes, "max");
    let min = if touches(changes, "min") { wants.min } else { live.min };
    let max = if touches(changes, "max") { wants.max } else { live.max };
    // The number of nodes is somebody else's, but must lie between the two.
    let scaling = sizes.then(|| {
        NodegroupScalingConfig::builder()
            .min_size(min)
            .max_size(max)
            .desired_size(live.desired.max(min).min(max))
            .build()
    });
    let labels = touches(changes, "labels").then(|| labels(changes));
    let taints = touches(changes, "taints").then(|| taints(live, changes));
    let update = touches(changes, "max_unavailable").then(|| wants.max_unavailable.to_eks());
    let token = token();
    let begun = call(cx, "eks:UpdateNodegroupConfig", Repeat::Safe, &[BUSY], || {
        eks.0
            .update_nodegroup_config()
            .cluster_name(cluster)
            .nodegroup_name(name)
            .set_scaling_config(scaling.clone())
            .set_labels(labels.clone())
            .set_taints(taints.clone())
            .set_update_config(update.clone())
            .client_request_token(&token)
            .send()
    })
    .await?;
    let target = Target::NodeGroup(name);
    follow(cx, cluster, target, begun.update(), CONFIGURED_WITHIN).await
}

async fn roll(wants: &NodeGroup, cx: &Cx, live: &Live, changes: &[Change]) -> Result<()> {
    let eks = cx.api::<Eks>()?;
    let (cluster, name) = (live.cluster.as_str(), live.name.as_str());
    let version = wants.version.clone().filter(|_| touches(changes, "version"));
    let template = wants.template.as_ref().filter(|_| touches(changes, "template.data"));
    let template = template.map(|template| template.specification(cx)).transpose()?;
    let token = token();
    let begun = call(cx, "eks:UpdateNodegroupVersion", Repeat::Safe, &[BUSY], || {
        eks.0
            .update_nodegroup_version()
            .cluster_name(cluster)
            .nodegroup_name(name)
            .set_version(version.clone())
            .set_launch_template(template.clone())
            .client_request_token(&token)
            .send()
    })
    .await?;
    let target = Target::NodeGroup(name);
    match follow(cx, cluster, target, begun.update(), ROLLED_WITHIN).await {
        Err(error) if error.class == Class::Failed && error.message.contains("PodEviction") => {
            Err(error.hint(
                "a pod disruption budget keeps pods on their nodes: see to it that it allows one \
                 to go, then run the same command again",
            ))
        }
        other => other,
    }
}

/// The entries of `field.KEY` among `changes`, with their new value; `None` for those that go.
fn entries<'a>(
    field: &'a str,
    changes: &'a [Change],
) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    changes.iter().filter_map(move |change| {
        let key = change.field.strip_prefix(field)?.strip_prefix('.')?;
        Some((key, change.to.as_ref().and_then(Value::as_str)))
    })
}

fn labels(changes: &[Change]) -> UpdateLabelsPayload {
    let mut payload = UpdateLabelsPayload::builder();
    for (key, value) in entries("labels", changes) {
        payload = match value {
            Some(value) => payload.add_or_update_labels(key, value),
            None => payload.remove_labels(key),
        };
    }
    payload.build()
}

fn taints(live: &Live, changes: &[Change]) -> UpdateTaintsPayload {
    let mut payload = UpdateTaintsPayload::builder();
    for (id, value) in entries("taints", changes) {
        let old = live.taints.get(id).map(String::as_str).unwrap_or_default();
        let Some(taint) = Taint::from_id(id, value.unwrap_or(old)) else { continue };
        payload = match value {
            Some(_) => payload.add_or_update_taints(taint.to_eks()),
            None => payload.remove_taints(taint.to_eks()),
        };
    }
    payload.build()
}
