//! Each thing that is looked at, and what to do where it is not as it should be.

use super::web::PublicWeb;
use super::{Subject, Verdict};
use crate::aws::acm::certificate::Certificate;
use crate::aws::call::safe;
use crate::aws::elbv2::Elb;
use crate::aws::elbv2::load_balancer::LoadBalancer;
use crate::aws::elbv2::target_group::TargetGroup;
use crate::aws::route53::dns::PublicDns;
use crate::aws::route53::zone;
use crate::kind::{Cx, Kind, Result, Status};
use std::collections::{BTreeMap, BTreeSet};

/// The certificate is issued, and for all names.
pub(super) fn certificate(_: &Cx, subject: &Subject) -> Verdict {
    if let Some(unread) = subject.unread(Certificate::NAME) {
        return unread;
    }
    if !subject.makes_certificate {
        return Verdict::Good("the spec's own (dns.certificate_arn)".to_owned());
    }
    let Some((live, status)) = &subject.certificate else {
        return Verdict::bad("there is none", "coderctl apply");
    };
    match status {
        Status::Ready => {}
        Status::Busy(status) | Status::Failed(status) => {
            return Verdict::bad(
                format!("it is not issued: {status}"),
                "the CNAME that proves the domain must be visible in the public DNS: is the hosted \
                 zone delegated?",
            );
        }
        Status::Leaving => return Verdict::bad("it is being deleted", "coderctl apply"),
    }
    let names: BTreeSet<&str> =
        live.alternatives.iter().map(String::as_str).chain([live.domain.as_str()]).collect();
    let wanted = [Some(subject.host.as_str()), subject.wildcard.as_deref()];
    let missing: Vec<&str> =
        wanted.into_iter().flatten().filter(|name| !names.contains(name)).collect();
    let shown = names.into_iter().collect::<Vec<_>>().join(", ");
    if !missing.is_empty() {
        return Verdict::bad(
            format!("it is for {shown}, not for {}", missing.join(", ")),
            "coderctl plan shows how it is replaced",
        );
    }
    match &live.expires {
        Some(expires) => Verdict::Good(format!("for {shown}, until {}", day(expires))),
        None => Verdict::Good(format!("for {shown}")),
    }
}

/// The day of a time in RFC 3339.
fn day(time: &str) -> &str {
    time.split('T').next().unwrap_or(time)
}

/// All targets are healthy, and there is one.
pub(super) async fn targets(cx: &Cx, subject: &Subject) -> Verdict {
    if let Some(unread) = subject.unread(TargetGroup::NAME) {
        return unread;
    }
    let Some(group) = &subject.target_group else {
        return Verdict::bad("there is no target group", "coderctl apply");
    };
    let states = match states(cx, group.arn.as_str()).await {
        Ok(states) => states,
        Err(error) => return Verdict::Unread(error.to_string()),
    };
    if states.is_empty() {
        return Verdict::bad(
            format!("target group {} is empty", group.name),
            "no node is registered: is the node group of coder.node_group empty, or its Auto \
             Scaling group not attached?",
        );
    }
    let total: usize = states.values().sum();
    let healthy = states.get(&("healthy".to_owned(), None)).copied().unwrap_or(0);
    // One that leaves takes no new connections, and nothing is wrong with that.
    let leaving: usize =
        states.iter().filter(|((state, _), _)| state == "draining").map(|(_, count)| count).sum();
    let count = format!("{healthy} of {} healthy", total - leaving);
    if healthy > 0 && healthy + leaving == total {
        return Verdict::Good(count);
    }
    let reasons: Vec<String> = states
        .iter()
        .filter(|((state, _), _)| state != "healthy" && state != "draining")
        .map(|((state, reason), count)| match reason {
            Some(reason) => format!("{count} {state} ({reason})"),
            None => format!("{count} {state}"),
        })
        .collect();
    let is = |state: &str| states.keys().any(|(known, _)| known == state);
    let port = subject.node_port;
    let hint = if is("unhealthy") {
        format!(
            "no server answers GET /healthz on port {port} of the nodes: is a pod of Coder ready, \
             and does the nodes' security group let the load balancer's in on {port}?"
        )
    } else if is("unused") {
        "the target group has no listener, or no load balancer in the nodes' zones".to_owned()
    } else {
        "health checks take about a minute".to_owned()
    };
    Verdict::bad(format!("{count}: {}", reasons.join(", ")), hint)
}

/// How many targets are in which state, for which reason.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health-checks.html>
async fn states(cx: &Cx, arn: &str) -> Result<BTreeMap<(String, Option<String>), usize>> {
    let elb = cx.api::<Elb>()?;
    let answer = safe(cx, "elasticloadbalancing:DescribeTargetHealth", || {
        elb.0.describe_target_health().target_group_arn(arn).send()
    })
    .await?;
    let mut states = BTreeMap::new();
    for target in answer.target_health_descriptions() {
        let Some(health) = target.target_health() else { continue };
        let state = health.state().map(|state| state.as_str().to_owned()).unwrap_or_default();
        let reason = health.reason().map(|reason| reason.as_str().to_owned());
        *states.entry((state, reason)).or_default() += 1;
    }
    Ok(states)
}

/// The names lead to the load balancer, that of apps by any name below.
pub(super) async fn names(cx: &Cx, subject: &Subject) -> Verdict {
    if let Some(unread) = subject.unread(LoadBalancer::NAME) {
        return unread;
    }
    let Some(balancer) = &subject.load_balancer else {
        return Verdict::bad("there is no load balancer", "coderctl apply");
    };
    let Some(dns) = cx.connector::<PublicDns>() else {
        return Verdict::Unread("there is no way to ask the public DNS".to_owned());
    };
    let own = match dns.0.addresses(&balancer.dns_name).await {
        Ok(own) => own,
        Err(why) => return Verdict::Unread(format!("asking for {}: {why}", balancer.dns_name)),
    };
    let below = subject.wildcard.as_ref().map(|name| name.replacen('*', "coderctl-check", 1));
    for name in [Some(&subject.host), below.as_ref()].into_iter().flatten() {
        let found = match dns.0.addresses(name).await {
            Ok(found) => found,
            Err(why) => return Verdict::Unread(format!("asking for {name}: {why}")),
        };
        if found.is_empty() {
            return Verdict::bad(
                format!("{name} has no address in the public DNS"),
                delegation(cx, &subject.host).await,
            );
        }
        if found.is_disjoint(&own) {
            let found = found.into_iter().collect::<Vec<_>>().join(", ");
            return Verdict::bad(
                format!("{name} leads to {found}, not to {}", balancer.dns_name),
                "resolvers may remember an older record; else another zone or record answers",
            );
        }
    }
    Verdict::Good(format!("{} leads to the load balancer", subject.host))
}

/// What to do about a name that nobody knows.
async fn delegation(cx: &Cx, host: &str) -> String {
    let missing = match zone::find(cx, host).await {
        Ok(zone) => zone::delegation(cx, &zone).await.ok().filter(|found| !found.is_whole()),
        Err(_) => None,
    };
    match missing {
        Some(delegation) => delegation.to_string(),
        None => "a new record takes up to a minute, and resolvers remember for up to five that \
                 there was none"
            .to_owned(),
    }
}

/// Coder answers through its name.
pub(super) async fn healthz(cx: &Cx, subject: &Subject) -> Verdict {
    let Some(web) = cx.connector::<PublicWeb>() else {
        return Verdict::Unread("there is no way to the internet".to_owned());
    };
    let host = &subject.host;
    let is_internal =
        subject.load_balancer.as_ref().is_some_and(|balancer| balancer.scheme == "internal");
    let hint = match is_internal {
        true => "the load balancer is internal: look from a machine in the VPC",
        false => {
            "what fails above comes first; else ingress.allowed_cidrs may keep this machine out"
        }
    };
    match web.0.healthz(host).await {
        Ok((200, body)) if body == "OK" => Verdict::Good(format!("https://{host}/healthz says OK")),
        Ok((200, _)) => Verdict::bad(
            format!("https://{host}/healthz answers, but not as Coder does"),
            "something else answers under this name",
        ),
        Ok((status, _)) => Verdict::bad(format!("https://{host}/healthz answers {status}"), hint),
        Err(why) => {
            let why = cx.masks.clean(&why);
            Verdict::bad(format!("https://{host}/healthz: {why}"), hint)
        }
    }
}
