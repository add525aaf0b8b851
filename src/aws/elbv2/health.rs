//! How the targets of a target group are doing.

use super::Elb;
use crate::aws::call::{gone_is_fine, safe};
use crate::kind::{Cx, Result};

/// A target, and how it is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetHealth {
    /// The instance's id, or the address.
    pub id: String,
    /// The load balancer's word: `initial`, `healthy`, `unhealthy`, `unused`, `draining`.
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html>
    pub state: String,
    /// Why it is not healthy, in the load balancer's words.
    pub why: Option<String>,
}

/// The targets of a group; none when there is no such group.
///
/// # Errors
/// Whatever Elastic Load Balancing says.
pub async fn targets(cx: &Cx, group: &str) -> Result<Vec<TargetHealth>> {
    let elb = cx.api::<Elb>()?;
    let answer = gone_is_fine(
        safe(cx, "elasticloadbalancing:DescribeTargetHealth", || {
            elb.0.describe_target_health().target_group_arn(group).send()
        })
        .await,
    )?;
    let told = answer.and_then(|answer| answer.target_health_descriptions).unwrap_or_default();
    Ok(told
        .into_iter()
        .map(|one| {
            let health = one.target_health();
            TargetHealth {
                id: one.target().and_then(|target| target.id()).unwrap_or_default().to_owned(),
                state: health
                    .and_then(|health| health.state())
                    .map_or_else(String::new, |state| state.as_str().to_owned()),
                why: health
                    .and_then(|health| {
                        let reason = health.reason().map(|reason| reason.as_str());
                        health.description().or(reason)
                    })
                    .map(str::to_owned),
            }
        })
        .collect())
}
