//! Target groups.

use super::model::{
    HealthCheck, TargetGroup, arn, check_name, configuration, of, of_mut, paged, validation,
};
use super::tags::read_tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

fn write(view: &View<'_>, group: &TargetGroup) -> Value {
    let check = &group.check;
    json!({
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": group.port,
        "VpcId": group.vpc,
        "HealthCheckProtocol": check.protocol,
        "HealthCheckPort": check.port,
        "HealthCheckEnabled": check.enabled,
        "HealthCheckIntervalSeconds": check.interval,
        "HealthCheckTimeoutSeconds": check.timeout,
        "HealthyThresholdCount": check.healthy,
        "UnhealthyThresholdCount": check.unhealthy,
        "HealthCheckPath": check.path,
        "Matcher": check.matcher.as_ref().map(|codes| json!({ "HttpCode": codes })),
        "LoadBalancerArns": of(view).balancers_of(&group.arn),
        "TargetType": group.target_type,
        "IpAddressType": group.address_type,
    })
}

/// What a request says of the health check, over what was.
fn read_check(params: &Params, known: Option<&HealthCheck>) -> Result<HealthCheck, Failure> {
    let before = known.map_or("TCP", |check| check.protocol.as_str());
    let protocol = params.text("HealthCheckProtocol").unwrap_or(before);
    if !["TCP", "HTTP", "HTTPS"].contains(&protocol) {
        return Err(configuration(format!("Health check protocol '{protocol}' is not supported")));
    }
    let web = protocol != "TCP";
    let known = known.filter(|check| (check.protocol != "TCP") == web);
    let timeout = if protocol == "HTTP" { 6 } else { 10 };
    let mut check = known.cloned().unwrap_or(HealthCheck {
        enabled: true,
        protocol: String::new(),
        port: "traffic-port".to_owned(),
        path: web.then(|| "/".to_owned()),
        matcher: web.then(|| "200-399".to_owned()),
        interval: 30,
        timeout,
        healthy: 5,
        unhealthy: 2,
    });
    protocol.clone_into(&mut check.protocol);
    if let Some(port) = params.text("HealthCheckPort") {
        let sound = port == "traffic-port" || port.parse::<u16>().is_ok_and(|port| port > 0);
        if !sound {
            return Err(validation(format!("Health check port '{port}' is not valid")));
        }
        port.clone_into(&mut check.port);
    }
    let path = params.text("HealthCheckPath");
    let matcher = params.get("Matcher").and_then(|matcher| matcher["HttpCode"].as_str());
    if !web && (path.is_some() || matcher.is_some()) {
        return Err(configuration(
            "Health check path and matcher are only supported for HTTP and HTTPS health checks",
        ));
    }
    check.path = path.map(str::to_owned).or(check.path);
    check.matcher = matcher.map(str::to_owned).or(check.matcher);
    let numbers = [
        ("HealthCheckIntervalSeconds", &mut check.interval),
        ("HealthCheckTimeoutSeconds", &mut check.timeout),
        ("HealthyThresholdCount", &mut check.healthy),
        ("UnhealthyThresholdCount", &mut check.unhealthy),
    ];
    for (member, place) in numbers {
        if let Some(number) = params.number(member) {
            *place = number;
        }
    }
    if params.flag("HealthCheckEnabled") == Some(false) {
        return Err(configuration(
            "Health checks cannot be disabled for target groups of this target type",
        ));
    }
    if check.timeout > check.interval {
        return Err(validation(
            "Health check timeout must not be longer than the health check interval",
        ));
    }
    Ok(check)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("Name");
    check_name(name)?;
    let target_type = params.text("TargetType").unwrap_or("instance");
    if !["instance", "ip"].contains(&target_type) {
        return Err(validation(format!(
            "The sandbox does not model target groups of type '{target_type}'."
        )));
    }
    let protocol = params.text("Protocol").unwrap_or_default();
    if !["TCP", "TLS", "UDP", "TCP_UDP"].contains(&protocol) {
        return Err(configuration(format!(
            "Target groups of network load balancers can't have protocol '{protocol}'"
        )));
    }
    let port = params.number("Port").ok_or_else(|| validation("A port must be specified"))?;
    let vpc = params.text("VpcId").ok_or_else(|| validation("A VPC ID must be specified"))?;
    if !cx.ec2().vpcs.contains_key(vpc) {
        return Err(validation(format!("The VPC ID '{vpc}' is not found")));
    }
    let address_type = params.text("IpAddressType").unwrap_or("ipv4");
    let (check, tags) = (read_check(params, None)?, read_tags(params)?);
    let view = cx.view();
    if let Some(known) = of(&view).groups.values().find(|known| known.name == name) {
        let same = known.protocol == protocol
            && known.port == port
            && known.vpc == vpc
            && known.target_type == target_type
            && known.check == check
            && known.tags == tags;
        if same {
            return Ok(json!({ "TargetGroups": [write(&view, known)] }).into());
        }
        let message = "A target group with the same name exists, but with different settings";
        return Err(Failure::new("DuplicateTargetGroupName", message));
    }
    let drawn = cx.store.random();
    let group = TargetGroup {
        arn: arn(cx.scope, &format!("targetgroup/{name}/{drawn:016x}")),
        name: name.to_owned(),
        protocol: protocol.to_owned(),
        port,
        vpc: vpc.to_owned(),
        target_type: target_type.to_owned(),
        address_type: address_type.to_owned(),
        check,
        targets: Vec::new(),
        attributes: BTreeMap::new(),
        tags,
    };
    let answer = json!({ "TargetGroups": [write(&cx.view(), &group)] });
    of_mut(cx).groups.insert(group.arn.clone(), group);
    Ok(answer.into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let elb = of(view);
    let (arns, names) = (params.texts("TargetGroupArns"), params.texts("Names"));
    for arn in &arns {
        elb.group(arn)?;
    }
    for name in &names {
        if !elb.groups.values().any(|group| group.name == *name) {
            let message = "One or more target groups not found";
            return Err(Failure::new("TargetGroupNotFound", message));
        }
    }
    let balancer = params.text("LoadBalancerArn");
    if let Some(arn) = balancer {
        elb.balancer(arn)?;
    }
    let found = elb.groups.values().filter(|group| {
        (arns.is_empty() || arns.contains(&group.arn.as_str()))
            && (names.is_empty() || names.contains(&group.name.as_str()))
            && balancer.is_none_or(|arn| elb.balancers_of(&group.arn).contains(&arn))
    });
    let items = found.map(|group| (group.arn.clone(), write(view, group))).collect();
    Ok(paged(view, params, "TargetGroups", items)?.into())
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("TargetGroupArn");
    let check = read_check(params, Some(&of(&cx.view()).group(arn)?.check))?;
    of_mut(cx).group_mut(arn)?.check = check;
    let view = cx.view();
    Ok(json!({ "TargetGroups": [write(&view, of(&view).group(arn)?)] }).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("TargetGroupArn");
    let elb = of_mut(cx);
    if !elb.balancers_of(arn).is_empty() {
        let message = format!("Target group '{arn}' is currently in use by a listener or a rule");
        return Err(Failure::new("ResourceInUse", message));
    }
    elb.groups.remove(arn);
    Ok(json!({}).into())
}
