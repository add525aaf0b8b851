//! Changes of clusters. One at a time, and one category a call.

use super::cluster::{check_endpoint, log_types, public_cidrs};
use super::cluster_version::{is_offered, minor};
use super::model::{Cluster, Origin, Update};
use super::network;
use super::words::{asked, asked_mut, in_use, invalid, new_uuid, refused, strings};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::time::Duration;

/// Type of the update and how long it takes, by the member that asks for it. The times are this
/// project's guess; AWS says that updates can take several minutes.
const CATEGORIES: &[(&str, &str, u64)] = &[
    ("accessConfig", "AccessConfigUpdate", 60),
    ("controlPlaneScalingConfig", "ControlPlaneScalingConfigUpdate", 300),
    ("deletionProtection", "DeletionProtectionUpdate", 5),
    ("logging", "LoggingUpdate", 120),
    ("resourcesVpcConfig", "", 240),
    ("upgradePolicy", "UpgradePolicyUpdate", 60),
    ("zonalShiftConfig", "ZonalShiftConfigUpdate", 60),
];
/// How long a new version of the control plane takes.
const UPGRADING: Duration = Duration::from_secs(600);

impl Cluster {
    /// The update that this request has already made.
    pub(super) fn again(&self, params: &Params) -> Option<&Update> {
        let origin = Origin::of(params);
        self.updates.iter().find(|update| origin.is_again(&update.origin))
    }
}

/// Begins an update of the cluster that a request names.
pub(super) fn start(
    cx: &mut Cx<'_>,
    params: &Params,
    kind: &str,
    shown: Vec<(String, String)>,
    takes: Duration,
) -> Answer {
    let now = cx.now;
    match asked(&cx.view(), params)?.status(now) {
        "ACTIVE" => {}
        "UPDATING" => {
            return Err(in_use(
                "Cannot update because cluster currently has an update in progress",
            ));
        }
        status => {
            return Err(in_use(format!("Cannot update because cluster is currently {status}")));
        }
    }
    let update = Update {
        id: new_uuid(cx),
        origin: Origin::of(params),
        kind: kind.to_owned(),
        params: shown,
        created: now,
        ends: now.plus(takes),
    };
    let answer = json!({"update": update.write(now)});
    asked_mut(cx, params)?.updates.push(update);
    Ok(answer.into())
}

pub(super) fn config(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let cluster = asked(&cx.view(), params)?;
    if let Some(known) = cluster.again(params) {
        return Ok(json!({"update": known.write(now)}).into());
    }
    for unmodelled in
        ["computeConfig", "kubernetesNetworkConfig", "storageConfig", "remoteNetworkConfig"]
    {
        if params.get(unmodelled).is_some() {
            return Err(invalid(format!("The sandbox does not model updates of {unmodelled}.")));
        }
    }
    let mut given = CATEGORIES.iter().filter(|(member, ..)| params.get(member).is_some());
    let (member, kind, seconds) = match (given.next(), given.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(invalid("No update parameters were given")),
        (Some(_), Some(_)) => {
            return Err(invalid("Only one type of update can be allowed."));
        }
    };
    let given = params.get(member).unwrap_or(&Value::Null);
    let (changed, kind) = changed(cx, cluster.clone(), member, given, kind)?;
    let shown = shown(&changed, member, given);
    let answer = start(cx, params, &kind, shown, Duration::from_secs(*seconds))?;
    let groups = changed.all_groups();
    network::regroup(cx.ec2(), &changed.arn, &groups);
    let cluster = asked_mut(cx, params)?;
    let updates = std::mem::take(&mut cluster.updates);
    *cluster = Cluster { updates, ..changed };
    Ok(answer)
}

/// The cluster as the request wants it, and the type of the update.
fn changed(
    cx: &mut Cx<'_>,
    mut cluster: Cluster,
    member: &str,
    given: &Value,
    kind: &str,
) -> Result<(Cluster, String), Failure> {
    let same = || invalid("No changes needed for the cluster configuration");
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    let mut kind = kind.to_owned();
    match member {
        "accessConfig" => {
            const MODES: &[&str] = &["CONFIG_MAP", "API_AND_CONFIG_MAP", "API"];
            let place = |mode: &str| MODES.iter().position(|known| *known == mode);
            let wanted = text("authenticationMode").ok_or_else(same)?;
            match (place(&cluster.authentication), place(&wanted)) {
                (Some(from), Some(to)) if to == from + 1 => cluster.authentication = wanted,
                (Some(from), Some(to)) if to == from => return Err(same()),
                _ => {
                    return Err(invalid(format!(
                        "Unsupported authentication mode update from {} to {wanted}",
                        cluster.authentication
                    )));
                }
            }
        }
        "controlPlaneScalingConfig" => cluster.tier = text("tier").ok_or_else(same)?,
        "deletionProtection" => {
            let wanted = given.as_bool().unwrap_or(false);
            if cluster.protected == wanted {
                return Err(same());
            }
            cluster.protected = wanted;
        }
        "logging" => {
            let wanted = log_types(given, &cluster.logging);
            if cluster.logging == wanted {
                return Err(invalid("No changes needed for the logging config provided"));
            }
            cluster.logging = wanted;
        }
        "upgradePolicy" => cluster.support = text("supportType").ok_or_else(same)?,
        "zonalShiftConfig" => cluster.zonal_shift = given["enabled"] == true,
        _ => kind = network_config(cx, &mut cluster, given)?,
    }
    Ok((cluster, kind))
}

/// Endpoint access, or subnets and security groups: never both in one call.
fn network_config(
    cx: &mut Cx<'_>,
    cluster: &mut Cluster,
    given: &Value,
) -> Result<String, Failure> {
    let has = |names: &[&str]| names.iter().any(|name| !given[*name].is_null());
    let placement = has(&["subnetIds", "securityGroupIds"]);
    let access = has(&["endpointPublicAccess", "endpointPrivateAccess", "publicAccessCidrs"]);
    if placement && access {
        return Err(invalid("Only one type of update can be allowed."));
    }
    if placement {
        if !given["subnetIds"].is_null() {
            cluster.subnets = strings(given, "subnetIds");
        }
        if !given["securityGroupIds"].is_null() {
            cluster.groups = strings(given, "securityGroupIds");
        }
        let vpc = network::check(cx, &cluster.subnets, &cluster.groups)?;
        if vpc != cluster.vpc {
            return Err(invalid("Subnets must be in the VPC of the cluster"));
        }
        return Ok("VpcConfigUpdate".to_owned());
    }
    let before = (cluster.public, cluster.private, cluster.public_cidrs.clone());
    cluster.public = given["endpointPublicAccess"].as_bool().unwrap_or(cluster.public);
    cluster.private = given["endpointPrivateAccess"].as_bool().unwrap_or(cluster.private);
    if !given["publicAccessCidrs"].is_null() {
        cluster.public_cidrs = strings(given, "publicAccessCidrs");
    }
    check_endpoint(cluster.public, cluster.private, &cluster.public_cidrs)?;
    cluster.public_cidrs = public_cidrs(cluster.public, std::mem::take(&mut cluster.public_cidrs));
    if before == (cluster.public, cluster.private, cluster.public_cidrs.clone()) {
        return Err(invalid("Cluster is already at the desired configuration"));
    }
    Ok("EndpointAccessUpdate".to_owned())
}

/// What `DescribeUpdate` says about the change.
fn shown(cluster: &Cluster, member: &str, given: &Value) -> Vec<(String, String)> {
    let one = |kind: &str, value: String| vec![(kind.to_owned(), value)];
    match member {
        "logging" => one("ClusterLogging", given["clusterLogging"].to_string()),
        "accessConfig" => one("AuthenticationMode", cluster.authentication.clone()),
        "upgradePolicy" => one("UpgradePolicy", cluster.support.clone()),
        "zonalShiftConfig" => one("ZonalShiftConfig", given.to_string()),
        "deletionProtection" => one("DeletionProtection", cluster.protected.to_string()),
        "resourcesVpcConfig" => {
            let mut all = one("EndpointPublicAccess", cluster.public.to_string());
            all.extend(one("EndpointPrivateAccess", cluster.private.to_string()));
            all.extend(one("PublicAccessCidrs", json!(cluster.public_cidrs).to_string()));
            all
        }
        _ => Vec::new(),
    }
}

pub(super) fn version(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (now, wanted) = (cx.now, params.required("version"));
    let cluster = asked(&cx.view(), params)?;
    if let Some(known) = cluster.again(params) {
        return Ok(json!({"update": known.write(now)}).into());
    }
    if !is_offered(wanted, now) {
        return Err(invalid(format!("unsupported Kubernetes version {wanted}")));
    }
    let from = cluster.version(now).to_owned();
    if let Some((next, at)) = &cluster.upgrade
        && now < *at
    {
        return Err(in_use(format!("The cluster is being brought to version {next} already")));
    }
    match (minor(&from), minor(wanted)) {
        (Some(from), Some(to)) if to == from + 1 => {}
        (Some(from), Some(to)) if to == from => {
            return Err(invalid(format!("Cluster is already at version: {wanted}")));
        }
        _ => {
            return Err(invalid(format!(
                "Unsupported Kubernetes minor version update from {from} to {wanted}"
            )));
        }
    }
    let too_old = cluster.node_groups.values().find(|group| {
        minor(&group.version).zip(minor(wanted)).is_some_and(|(nodes, to)| nodes + 3 < to)
    });
    if let Some(group) = too_old {
        return Err(refused(format!(
            "Nodegroup {} runs version {}, which {wanted} does not work with",
            group.name, group.version
        )));
    }
    let shown = vec![
        ("Version".to_owned(), wanted.to_owned()),
        ("PlatformVersion".to_owned(), "eks.1".to_owned()),
    ];
    let answer = start(cx, params, "VersionUpdate", shown, UPGRADING)?;
    let cluster = asked_mut(cx, params)?;
    cluster.version = from;
    cluster.upgrade = Some((wanted.to_owned(), now.plus(UPGRADING)));
    Ok(answer)
}
