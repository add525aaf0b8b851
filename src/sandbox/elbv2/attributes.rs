//! Attributes of load balancers, target groups and listeners: keys with values and defaults.

use super::model::{Balancer, Listener, TargetGroup, configuration, of, of_mut};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Keys, their defaults, and what they may be.
type Known = Vec<(&'static str, &'static str, Rule)>;

#[derive(Clone, Copy, Debug)]
enum Rule {
    Flag,
    Text,
    Within(i64, i64),
    /// A number, or `off`.
    NumberOrOff,
    OneOf(&'static [&'static str]),
}

impl Rule {
    fn takes(self, value: &str) -> bool {
        match self {
            Rule::Flag => value == "true" || value == "false",
            Rule::Text => true,
            Rule::Within(min, max) => {
                value.parse::<i64>().is_ok_and(|number| (min..=max).contains(&number))
            }
            Rule::NumberOrOff => value == "off" || value.parse::<u32>().is_ok(),
            Rule::OneOf(values) => values.contains(&value),
        }
    }
}

fn of_balancer(_: &Balancer) -> Known {
    vec![
        ("access_logs.s3.bucket", "", Rule::Text),
        ("access_logs.s3.enabled", "false", Rule::Flag),
        ("access_logs.s3.prefix", "", Rule::Text),
        ("deletion_protection.enabled", "false", Rule::Flag),
        (
            "dns_record.client_routing_policy",
            "any_availability_zone",
            Rule::OneOf(&[
                "any_availability_zone",
                "availability_zone_affinity",
                "partial_availability_zone_affinity",
            ]),
        ),
        ("ipv6.deny_all_igw_traffic", "false", Rule::Flag),
        ("load_balancing.cross_zone.enabled", "false", Rule::Flag),
        ("secondary_ips.auto_assigned.per_subnet", "0", Rule::Within(0, 7)),
        ("zonal_shift.config.enabled", "false", Rule::Flag),
    ]
}

fn of_group(group: &TargetGroup) -> Known {
    let udp = group.protocol.contains("UDP");
    let preserved = udp || group.target_type == "instance";
    const CROSS: &[&str] = &["true", "false", "use_load_balancer_configuration"];
    const STICKY: &[&str] = &["source_ip"];
    vec![
        ("deregistration_delay.connection_termination.enabled", "false", Rule::Flag),
        ("deregistration_delay.timeout_seconds", "300", Rule::Within(0, 3600)),
        (
            "load_balancing.cross_zone.enabled",
            "use_load_balancer_configuration",
            Rule::OneOf(CROSS),
        ),
        (
            "preserve_client_ip.enabled",
            if preserved { "true" } else { "false" },
            if udp { Rule::OneOf(&["true"]) } else { Rule::Flag },
        ),
        ("proxy_protocol_v2.enabled", "false", Rule::Flag),
        ("stickiness.enabled", "false", Rule::Flag),
        ("stickiness.type", "source_ip", Rule::OneOf(STICKY)),
        ("target_group_health.dns_failover.minimum_healthy_targets.count", "1", Rule::NumberOrOff),
        (
            "target_group_health.dns_failover.minimum_healthy_targets.percentage",
            "off",
            Rule::NumberOrOff,
        ),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
            "1",
            Rule::NumberOrOff,
        ),
        (
            "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
            "off",
            Rule::NumberOrOff,
        ),
        ("target_health_state.unhealthy.connection_termination.enabled", "true", Rule::Flag),
        ("target_health_state.unhealthy.draining_interval_seconds", "0", Rule::Within(0, 360_000)),
    ]
}

/// Only the idle timeout of TCP listeners can be set; that of TLS is fixed.
fn of_listener(listener: &Listener) -> Known {
    match listener.protocol.as_str() {
        "TCP" => vec![("tcp.idle_timeout.seconds", "350", Rule::Within(60, 6000))],
        _ => Vec::new(),
    }
}

fn write(known: &Known, set: &BTreeMap<String, String>) -> Value {
    let written = known.iter().map(|(key, default, _)| {
        json!({ "Key": key, "Value": set.get(*key).map_or(*default, String::as_str) })
    });
    json!({ "Attributes": written.collect::<Vec<_>>() })
}

fn change(
    params: &Params,
    known: &Known,
    set: &mut BTreeMap<String, String>,
) -> Result<(), Failure> {
    for attribute in params.list("Attributes") {
        let text = |member: &str| attribute[member].as_str().unwrap_or_default();
        let (key, value) = (text("Key"), text("Value"));
        let Some((_, _, rule)) = known.iter().find(|(name, ..)| *name == key) else {
            return Err(configuration(format!("Attribute key '{key}' is not recognized")));
        };
        if !rule.takes(value) {
            return Err(configuration(format!("Attribute '{key}' can't be '{value}'")));
        }
        set.insert(key.to_owned(), value.to_owned());
    }
    Ok(())
}

pub(super) fn describe_balancer(view: &View<'_>, params: &Params) -> Answer {
    let balancer = of(view).balancer(params.required("LoadBalancerArn"))?;
    Ok(write(&of_balancer(balancer), &balancer.attributes).into())
}

pub(super) fn modify_balancer(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let balancer = of_mut(cx).balancer_mut(params.required("LoadBalancerArn"))?;
    let known = of_balancer(balancer);
    change(params, &known, &mut balancer.attributes)?;
    Ok(write(&known, &balancer.attributes).into())
}

pub(super) fn describe_group(view: &View<'_>, params: &Params) -> Answer {
    let group = of(view).group(params.required("TargetGroupArn"))?;
    Ok(write(&of_group(group), &group.attributes).into())
}

pub(super) fn modify_group(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let group = of_mut(cx).group_mut(params.required("TargetGroupArn"))?;
    let known = of_group(group);
    change(params, &known, &mut group.attributes)?;
    Ok(write(&known, &group.attributes).into())
}

pub(super) fn describe_listener(view: &View<'_>, params: &Params) -> Answer {
    let listener = of(view).listener(params.required("ListenerArn"))?;
    Ok(write(&of_listener(listener), &listener.attributes).into())
}

pub(super) fn modify_listener(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let listener = of_mut(cx).listener_mut(params.required("ListenerArn"))?;
    let known = of_listener(listener);
    change(params, &known, &mut listener.attributes)?;
    Ok(write(&known, &listener.attributes).into())
}
