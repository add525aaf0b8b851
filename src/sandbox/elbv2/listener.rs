//! Listeners.

use super::certificate::check_usable;
use super::load_balancer::tail;
use super::model::{Listener, arn, configuration, of, of_mut, paged, validation};
use super::ssl_policy;
use super::tags::read_tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The policy of a TLS listener that was given none.
const DEFAULT_POLICY: &str = "ELBSecurityPolicy-2016-08";

fn write(listener: &Listener) -> Value {
    let groups: Vec<Value> = listener
        .forwards
        .iter()
        .map(|(arn, weight)| json!({ "TargetGroupArn": arn, "Weight": weight }))
        .collect();
    let single = match listener.forwards.as_slice() {
        [(arn, _)] => Some(arn),
        _ => None,
    };
    let certificates: Vec<Value> =
        listener.certificate.iter().map(|arn| json!({ "CertificateArn": arn })).collect();
    json!({
        "ListenerArn": listener.arn,
        "LoadBalancerArn": listener.balancer,
        "Port": listener.port,
        "Protocol": listener.protocol,
        "Certificates": certificates,
        "SslPolicy": listener.ssl_policy,
        "AlpnPolicy": listener.alpn.as_ref().map(|policy| json!([policy])),
        "DefaultActions": [{
            "Type": "forward",
            "TargetGroupArn": single,
            "ForwardConfig": { "TargetGroups": groups },
        }],
    })
}

/// The target groups that a request forwards to.
fn read_forwards(
    view: &View<'_>,
    params: &Params,
    balancer: &str,
    protocol: &str,
) -> Result<Vec<(String, Option<i64>)>, Failure> {
    let action = match params.list("DefaultActions") {
        [action] => action,
        _ => {
            return Err(validation("A listener of a network load balancer has one default action"));
        }
    };
    if action["Type"].as_str() != Some("forward") {
        let message = "Only forward actions are supported for network load balancers";
        return Err(Failure::new("InvalidLoadBalancerAction", message));
    }
    let mut forwards: Vec<(String, Option<i64>)> = action["ForwardConfig"]["TargetGroups"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|group| {
            Some((group["TargetGroupArn"].as_str()?.to_owned(), group["Weight"].as_i64()))
        })
        .collect();
    if let Some(arn) = action["TargetGroupArn"].as_str()
        && forwards.iter().all(|(known, _)| known != arn)
    {
        if !forwards.is_empty() {
            return Err(validation("The target group must be that of the forward config"));
        }
        forwards.push((arn.to_owned(), None));
    }
    if forwards.is_empty() {
        return Err(validation("A forward action needs a target group"));
    }
    let vpc = &of(view).balancer(balancer)?.vpc;
    for (arn, _) in &forwards {
        let group = of(view).group(arn)?;
        let fits = match protocol {
            "TCP" => group.protocol == "TCP" || group.protocol == "TCP_UDP",
            "TLS" => group.protocol == "TCP" || group.protocol == "TLS",
            other => group.protocol == other,
        };
        if !fits {
            let message = format!(
                "The protocol '{}' of the target group is not compatible with '{protocol}'",
                group.protocol
            );
            return Err(Failure::new("IncompatibleProtocols", message));
        }
        if group.vpc != *vpc {
            return Err(configuration("The target group is in another VPC"));
        }
        if of(view).balancers_of(arn).iter().any(|other| *other != balancer) {
            let message = format!("Target group '{arn}' is used by another load balancer");
            return Err(Failure::new("TargetGroupAssociationLimit", message));
        }
    }
    Ok(forwards)
}

/// Protocol, certificate, policy and ALPN of a request, over what was.
fn read_tls(view: &View<'_>, params: &Params, listener: &mut Listener) -> Result<(), Failure> {
    if let Some(protocol) = params.text("Protocol") {
        protocol.clone_into(&mut listener.protocol);
    }
    if let Some(port) = params.number("Port") {
        listener.port = port;
    }
    if !["TCP", "TLS", "UDP", "TCP_UDP"].contains(&listener.protocol.as_str()) {
        let message =
            format!("Protocol '{}' is not supported for network load balancers", listener.protocol);
        return Err(Failure::new("UnsupportedProtocol", message));
    }
    let certificates = params.list("Certificates");
    let alpn = params.texts("AlpnPolicy");
    if listener.protocol != "TLS" {
        if !certificates.is_empty() || params.text("SslPolicy").is_some() || !alpn.is_empty() {
            return Err(configuration(
                "Certificates, SSL policy and ALPN policy are only for TLS listeners",
            ));
        }
        listener.certificate = None;
        listener.more_certificates.clear();
        listener.ssl_policy = None;
        listener.alpn = None;
        return Ok(());
    }
    match certificates {
        [] => {}
        [one] => {
            let arn = one["CertificateArn"].as_str().unwrap_or_default();
            check_usable(view, arn)?;
            listener.certificate = Some(arn.to_owned());
        }
        _ => {
            let message = "Only one default certificate can be given";
            return Err(Failure::new("TooManyCertificates", message));
        }
    }
    if listener.certificate.is_none() {
        return Err(validation("A certificate must be specified for TLS listeners"));
    }
    let policy = params.text("SslPolicy").map(str::to_owned);
    let policy = policy.or_else(|| listener.ssl_policy.clone());
    let policy = policy.unwrap_or_else(|| DEFAULT_POLICY.to_owned());
    if !ssl_policy::is_known(&policy) {
        let message = format!("SSL policy '{policy}' not found");
        return Err(Failure::new("SSLPolicyNotFound", message));
    }
    listener.ssl_policy = Some(policy);
    match alpn.as_slice() {
        [] => {}
        [policy] => {
            let known = ["HTTP1Only", "HTTP2Only", "HTTP2Optional", "HTTP2Preferred", "None"];
            if !known.contains(policy) {
                let message = format!("ALPN policy '{policy}' not found");
                return Err(Failure::new("ALPNPolicyNotFound", message));
            }
            listener.alpn = Some((*policy).to_owned());
        }
        _ => return Err(validation("Only one ALPN policy can be given")),
    }
    Ok(())
}

fn check_port(view: &View<'_>, listener: &Listener) -> Result<(), Failure> {
    let taken = of(view).listeners.values().any(|known| {
        known.balancer == listener.balancer
            && known.port == listener.port
            && known.arn != listener.arn
    });
    if taken {
        let message = "A listener already exists on this port for this load balancer";
        return Err(Failure::new("DuplicateListener", message));
    }
    Ok(())
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let balancer = params.required("LoadBalancerArn");
    let drawn = cx.store.random();
    let view = cx.view();
    of(&view).balancer(balancer)?;
    if params.number("Port").is_none() || params.text("Protocol").is_none() {
        return Err(validation("A port and a protocol must be specified"));
    }
    let mut listener = Listener {
        arn: arn(cx.scope, &format!("listener/{}/{drawn:016x}", tail(balancer))),
        balancer: balancer.to_owned(),
        protocol: String::new(),
        port: 0,
        certificate: None,
        more_certificates: Vec::new(),
        ssl_policy: None,
        alpn: None,
        forwards: Vec::new(),
        attributes: BTreeMap::new(),
        tags: read_tags(params)?,
    };
    read_tls(&view, params, &mut listener)?;
    listener.forwards = read_forwards(&view, params, balancer, &listener.protocol)?;
    let known = of(&view)
        .listeners
        .values()
        .find(|known| known.balancer == balancer && known.port == listener.port);
    if let Some(known) = known {
        // The same request again is the same listener.
        let same = write(known)["DefaultActions"] == write(&listener)["DefaultActions"]
            && known.protocol == listener.protocol
            && known.certificate == listener.certificate
            && known.ssl_policy == listener.ssl_policy
            && known.tags == listener.tags;
        if same {
            return Ok(json!({ "Listeners": [write(known)] }).into());
        }
    }
    check_port(&view, &listener)?;
    let answer = json!({ "Listeners": [write(&listener)] });
    of_mut(cx).listeners.insert(listener.arn.clone(), listener);
    Ok(answer.into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let elb = of(view);
    let arns = params.texts("ListenerArns");
    let balancer = params.text("LoadBalancerArn");
    if arns.is_empty() == balancer.is_none() {
        return Err(validation("You must specify either listener ARNs or a load balancer ARN"));
    }
    if let Some(arn) = balancer {
        elb.balancer(arn)?;
    }
    for arn in &arns {
        elb.listener(arn)?;
    }
    let found = elb.listeners.values().filter(|listener| {
        arns.contains(&listener.arn.as_str()) || balancer == Some(listener.balancer.as_str())
    });
    let items = found.map(|listener| (listener.arn.clone(), write(listener))).collect();
    Ok(paged(view, params, "Listeners", items)?.into())
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let view = cx.view();
    let mut listener = of(&view).listener(params.required("ListenerArn"))?.clone();
    read_tls(&view, params, &mut listener)?;
    check_port(&view, &listener)?;
    if !params.list("DefaultActions").is_empty() {
        listener.forwards = read_forwards(&view, params, &listener.balancer, &listener.protocol)?;
    }
    let answer = json!({ "Listeners": [write(&listener)] });
    of_mut(cx).listeners.insert(listener.arn.clone(), listener);
    Ok(answer.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("ListenerArn");
    of(&cx.view()).listener(arn)?;
    of_mut(cx).listeners.remove(arn);
    Ok(json!({}).into())
}
