//! Updates of clusters, node groups and add-ons: each is an object of its own, and goes on for
//! minutes after the call that began it.
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeUpdate.html>

use super::{Eks, absent_is_fine};
use crate::aws::call::safe;
use crate::kind::{Class, Cx, Error, Result, seconds};
use aws_sdk_eks::types::{Update, UpdateStatus};

/// What is being updated.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target<'a> {
    /// The control plane.
    Cluster,
    /// A node group, by name.
    NodeGroup(&'a str),
    /// An add-on, by name.
    Addon(&'a str),
}

/// How often to look, in seconds.
const EVERY: u32 = 10;
/// How long an update that was just begun may be unknown to the machine that answers, in seconds.
const FRESH: u32 = 120;

/// A client token for one update call and all its retries. Not the step's: one step may make
/// several calls, and EKS refuses a token that comes back with other parameters.
pub(super) fn token() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Waits until an update is through, for at most `at_most` seconds.
///
/// # Errors
/// [`Class::Failed`] with EKS's reasons, [`Class::TimedOut`].
pub(super) async fn follow(
    cx: &Cx,
    cluster: &str,
    target: Target<'_>,
    begun: Option<&Update>,
    at_most: u32,
) -> Result<()> {
    let begun =
        begun.ok_or_else(|| Error::local("eks answered an update call without an update"))?;
    let eks = cx.api::<Eks>()?;
    let id = begun.id().unwrap_or_default();
    let (nodegroup, addon) = match target {
        Target::Cluster => (None, None),
        Target::NodeGroup(name) => (Some(name.to_owned()), None),
        Target::Addon(name) => (None, Some(name.to_owned())),
    };
    let kind = begun.r#type().map_or("Update", |kind| kind.as_str());
    let named = match target {
        Target::Cluster => format!("{kind} of cluster {cluster}"),
        Target::NodeGroup(name) => format!("{kind} of node group {cluster}/{name}"),
        Target::Addon(name) => format!("{kind} of add-on {cluster}/{name}"),
    };
    let started = cx.clock.now();
    let mut now = Some(begun.clone());
    loop {
        match now.as_ref().and_then(|update| update.status()) {
            Some(UpdateStatus::Successful) => return Ok(()),
            Some(status @ (UpdateStatus::Failed | UpdateStatus::Cancelled)) => {
                let why = now.as_ref().map(reasons).unwrap_or_default();
                let message = format!("{named} is {}: {why}", status.as_str());
                return Err(Error::of(Class::Failed, message));
            }
            _ => {}
        }
        let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
        let limit = if now.is_some() { at_most } else { FRESH.min(at_most) };
        if elapsed >= seconds(limit) {
            let message = format!("{named} is not through after {} seconds", elapsed.as_secs());
            return Err(Error::of(Class::TimedOut, message));
        }
        cx.progress(&format!("{kind} in progress"));
        cx.pause(seconds(EVERY)).await?;
        let answer = absent_is_fine(
            safe(cx, "eks:DescribeUpdate", || {
                eks.0
                    .describe_update()
                    .name(cluster)
                    .update_id(id)
                    .set_nodegroup_name(nodegroup.clone())
                    .set_addon_name(addon.clone())
                    .send()
            })
            .await,
        )?;
        now = answer.and_then(|answer| answer.update);
    }
}

fn reasons(update: &Update) -> String {
    let reasons: Vec<String> = update
        .errors()
        .iter()
        .map(|error| {
            let code = error.error_code().map_or("Unknown", |code| code.as_str());
            let of = error.resource_ids().join(", ");
            let of = if of.is_empty() { of } else { format!(" ({of})") };
            format!("{code}: {}{of}", error.error_message().unwrap_or("no reason was given"))
        })
        .collect();
    if reasons.is_empty() { "no reason was given".to_owned() } else { reasons.join("; ") }
}
