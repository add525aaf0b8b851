//! What AWS offers: SSL policies and limits.

use super::model::paged;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Policies of network load balancers, and the oldest TLS version that each takes.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/describe-ssl-policies.html>
const POLICIES: &[(&str, &[&str])] = &[
    ("ELBSecurityPolicy-2016-08", &["TLSv1", "TLSv1.1", "TLSv1.2"]),
    ("ELBSecurityPolicy-FS-1-2-Res-2020-10", &["TLSv1.2"]),
    ("ELBSecurityPolicy-TLS-1-2-2017-01", &["TLSv1.2"]),
    ("ELBSecurityPolicy-TLS13-1-0-2021-06", &["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]),
    ("ELBSecurityPolicy-TLS13-1-2-2021-06", &["TLSv1.2", "TLSv1.3"]),
    ("ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06", &["TLSv1.2", "TLSv1.3"]),
    ("ELBSecurityPolicy-TLS13-1-2-Res-2021-06", &["TLSv1.2", "TLSv1.3"]),
    ("ELBSecurityPolicy-TLS13-1-2-Res-FIPS-2023-04", &["TLSv1.2", "TLSv1.3"]),
    ("ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", &["TLSv1.2", "TLSv1.3"]),
    ("ELBSecurityPolicy-TLS13-1-3-2021-06", &["TLSv1.3"]),
    ("ELBSecurityPolicy-TLS13-1-3-PQ-2025-09", &["TLSv1.3"]),
];

/// Service quotas of network load balancers.
const LIMITS: &[(&str, &str)] = &[
    ("listeners-per-network-load-balancer", "50"),
    ("network-load-balancer-enis-per-vpc", "1200"),
    ("network-load-balancers", "50"),
    ("target-groups", "3000"),
    ("targets-per-network-load-balancer", "3000"),
];

/// Whether there is such a policy.
pub(super) fn is_known(name: &str) -> bool {
    POLICIES.iter().any(|(known, _)| *known == name)
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let names = params.texts("Names");
    if let Some(name) = names.iter().find(|name| !is_known(name)) {
        let message = format!("SSL policy '{name}' not found");
        return Err(Failure::new("SSLPolicyNotFound", message));
    }
    let found = POLICIES.iter().filter(|(name, _)| names.is_empty() || names.contains(name));
    let items: Vec<(String, Value)> = found
        .map(|(name, protocols)| {
            let written = json!({
                "Name": name,
                "SslProtocols": protocols,
                "SupportedLoadBalancerTypes": ["application", "network"],
            });
            ((*name).to_owned(), written)
        })
        .collect();
    Ok(paged(view, params, "SslPolicies", items)?.into())
}

pub(super) fn describe_limits(view: &View<'_>, params: &Params) -> Answer {
    let items =
        LIMITS.iter().map(|(name, max)| ((*name).to_owned(), json!({ "Name": name, "Max": max })));
    Ok(paged(view, params, "Limits", items.collect())?.into())
}
