//! What Elastic Load Balancing keeps.

use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::{Millis, Scope};
use crate::sandbox::wire::params::Params;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One region's load balancers, listeners and target groups, by ARN.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Elbv2 {
    pub(super) balancers: BTreeMap<String, Balancer>,
    pub(super) groups: BTreeMap<String, TargetGroup>,
    pub(super) listeners: BTreeMap<String, Listener>,
    /// Load balancers that were deleted, and when their network interfaces go.
    pub(super) leaving: BTreeMap<String, Millis>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Balancer {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) dns: String,
    pub(super) scheme: String,
    pub(super) vpc: String,
    /// Subnets, and the Elastic IP address in each that was given one.
    pub(super) subnets: BTreeMap<String, Option<String>>,
    pub(super) security_groups: Vec<String>,
    /// Whether security groups are enforced for what comes through PrivateLink.
    pub(super) enforced: Option<String>,
    pub(super) address_type: String,
    pub(super) created: Millis,
    pub(super) active: Millis,
    /// What was set; the rest are defaults.
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: Tags,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HealthCheck {
    pub(super) enabled: bool,
    pub(super) protocol: String,
    pub(super) port: String,
    pub(super) path: Option<String>,
    pub(super) matcher: Option<String>,
    pub(super) interval: i64,
    pub(super) timeout: i64,
    pub(super) healthy: i64,
    pub(super) unhealthy: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TargetGroup {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) port: i64,
    pub(super) vpc: String,
    pub(super) target_type: String,
    pub(super) address_type: String,
    pub(super) check: HealthCheck,
    pub(super) targets: Vec<Target>,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    /// An instance id or an address.
    pub(super) id: String,
    pub(super) port: i64,
    pub(super) zone: Option<String>,
    pub(super) since: Millis,
    /// When draining ends, once it was taken out.
    pub(super) gone: Option<Millis>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listener {
    pub(super) arn: String,
    pub(super) balancer: String,
    pub(super) protocol: String,
    pub(super) port: i64,
    /// The default certificate of a TLS listener.
    pub(super) certificate: Option<String>,
    pub(super) more_certificates: Vec<String>,
    pub(super) ssl_policy: Option<String>,
    pub(super) alpn: Option<String>,
    /// Target groups that it forwards to, with their weights.
    pub(super) forwards: Vec<(String, Option<i64>)>,
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) tags: Tags,
}

static NOTHING: LazyLock<Elbv2> = LazyLock::new(Elbv2::default);

/// The load balancing of the region of the call.
pub(super) fn of<'a>(view: &View<'a>) -> &'a Elbv2 {
    view.store.regional(view.scope).map_or(&*NOTHING, |regional| &regional.elbv2)
}

/// The same, to change it.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Elbv2 {
    &mut cx.store.regional_mut(cx.scope).elbv2
}

/// `arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/name/0123456789abcdef`.
pub(super) fn arn(scope: &Scope, rest: &str) -> String {
    format!(
        "arn:{}:elasticloadbalancing:{}:{}:{rest}",
        scope.partition(),
        scope.region,
        scope.account
    )
}

pub(super) fn validation(message: impl Into<String>) -> Failure {
    Failure::new("ValidationError", message)
}

pub(super) fn configuration(message: impl Into<String>) -> Failure {
    Failure::new("InvalidConfigurationRequest", message)
}

fn missing(code: &str, what: &str, arn: &str) -> Failure {
    Failure::new(code, format!("{what} '{arn}' not found"))
}

impl Elbv2 {
    pub(super) fn balancer(&self, arn: &str) -> Result<&Balancer, Failure> {
        let found = self.balancers.get(arn);
        found.ok_or_else(|| missing("LoadBalancerNotFound", "Load balancer", arn))
    }

    pub(super) fn balancer_mut(&mut self, arn: &str) -> Result<&mut Balancer, Failure> {
        let found = self.balancers.get_mut(arn);
        found.ok_or_else(|| missing("LoadBalancerNotFound", "Load balancer", arn))
    }

    pub(super) fn group(&self, arn: &str) -> Result<&TargetGroup, Failure> {
        let found = self.groups.get(arn);
        found.ok_or_else(|| missing("TargetGroupNotFound", "Target group", arn))
    }

    pub(super) fn group_mut(&mut self, arn: &str) -> Result<&mut TargetGroup, Failure> {
        let found = self.groups.get_mut(arn);
        found.ok_or_else(|| missing("TargetGroupNotFound", "Target group", arn))
    }

    pub(super) fn listener(&self, arn: &str) -> Result<&Listener, Failure> {
        let found = self.listeners.get(arn);
        found.ok_or_else(|| missing("ListenerNotFound", "Listener", arn))
    }

    pub(super) fn listener_mut(&mut self, arn: &str) -> Result<&mut Listener, Failure> {
        let found = self.listeners.get_mut(arn);
        found.ok_or_else(|| missing("ListenerNotFound", "Listener", arn))
    }

    /// The load balancers whose listeners forward to a target group.
    pub(super) fn balancers_of(&self, group: &str) -> Vec<&str> {
        let mut found: Vec<&str> = self
            .listeners
            .values()
            .filter(|listener| listener.forwards.iter().any(|(arn, _)| arn == group))
            .map(|listener| listener.balancer.as_str())
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }
}

/// A name of a load balancer or target group: at most 32 letters, digits and hyphens, none of
/// those at an end.
pub(super) fn check_name(name: &str) -> Result<(), Failure> {
    let sound = (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.starts_with("internal-");
    if sound {
        return Ok(());
    }
    Err(validation(format!(
        "The name '{name}' must have 1 to 32 letters, digits and hyphens, must not begin or end with a hyphen, and must not begin with 'internal-'"
    )))
}

/// Cuts a page and writes it as `{member: [...], NextMarker}`.
pub(super) fn paged(
    view: &View<'_>,
    params: &Params,
    member: &str,
    items: Vec<(String, Value)>,
) -> Result<Value, Failure> {
    let asked = params.number("PageSize").and_then(|size| usize::try_from(size).ok());
    let size = asked.unwrap_or_else(|| view.knobs.page_size.min(400));
    let Page { items, next } = page::cut(items, params.text("Marker"), size)
        .map_err(|_| validation("The marker is not valid."))?;
    Ok(json!({ member: items, "NextMarker": next }))
}
