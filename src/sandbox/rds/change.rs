//! Changes of a DB cluster: what is checked, what happens at once, what waits for the maintenance
//! window.

use super::cluster::{parameter_group, whole};
use super::engine;
use super::model::{
    Busy, Capacity, Cluster, Password, Pending, Settings, arn, combination, invalid, of, of_mut,
};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long a change takes.
const MODIFYING: Duration = Duration::from_secs(40);
/// How long a change of the master password takes.
const RESETTING: Duration = Duration::from_secs(20);
/// How long another version takes.
const UPGRADING: Duration = Duration::from_secs(600);
/// What can be sent to CloudWatch Logs.
const LOG_TYPES: &[&str] = &["iam-db-auth-error", "instance", "postgresql"];

pub(super) fn check_password(password: &str) -> Result<(), Failure> {
    let sound = (8..=128).contains(&password.len())
        && password.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@\"".contains(&byte));
    if sound {
        return Ok(());
    }
    Err(invalid(
        "The parameter MasterUserPassword is not a valid password. It must have 8 to 128 printable ASCII characters besides '/', '@', '\"', ' '.",
    ))
}

pub(super) fn check_logs(logs: &BTreeSet<String>) -> Result<(), Failure> {
    match logs.iter().find(|log| !LOG_TYPES.contains(&log.as_str())) {
        Some(unknown) => Err(combination(format!(
            "You cannot use the log types '{unknown}' with engine {}. For supported log types, see the documentation.",
            engine::ENGINE
        ))),
        None => Ok(()),
    }
}

/// Days that automated backups are kept.
pub(super) fn retention(days: i64) -> Result<i64, Failure> {
    if (1..=35).contains(&days) {
        return Ok(days);
    }
    Err(invalid(format!("Invalid backup retention period: {days}. Must be between 1 and 35.")))
}

/// `None` is `aurora`, of which answers say nothing.
pub(super) fn storage(storage: &str) -> Result<Option<String>, Failure> {
    match storage {
        "aurora" => Ok(None),
        "aurora-iopt1" => Ok(Some(storage.to_owned())),
        _ => Err(combination(format!("Invalid storage type: {storage}"))),
    }
}

/// The security groups of a request; the VPC's default group where it names none.
pub(super) fn security_groups(
    view: &View<'_>,
    params: &Params,
    vpc: &str,
) -> Result<Vec<String>, Failure> {
    let known = &view.ec2().security_groups;
    let asked = params.texts("VpcSecurityGroupIds");
    if asked.is_empty() {
        let default = known.values().find(|group| group.vpc == vpc && group.name == "default");
        return Ok(default.map(|group| group.id.clone()).into_iter().collect());
    }
    for id in &asked {
        match known.get(*id) {
            None => {
                let message = format!("Invalid security group , groupId= {id}, groupName=.");
                return Err(invalid(message));
            }
            Some(group) if group.vpc != vpc => {
                return Err(combination(format!(
                    "The DB cluster and EC2 security group are in different VPCs. The DB cluster is in {vpc} and the EC2 security group is in {}",
                    group.vpc
                )));
            }
            Some(_) => {}
        }
    }
    Ok(asked.into_iter().map(str::to_owned).collect())
}

/// The capacity of a request, with what it leaves out from `known`.
pub(super) fn read_capacity(
    params: &Params,
    known: Option<Capacity>,
) -> Result<Option<Capacity>, Failure> {
    let Some(asked) = params.get("ServerlessV2ScalingConfiguration") else { return Ok(None) };
    let min = asked["MinCapacity"].as_f64().or(known.map(|known| known.min));
    let max = asked["MaxCapacity"].as_f64().or(known.map(|known| known.max));
    let (Some(min), Some(max)) = (min, max) else {
        return Err(combination(
            "Set both MinCapacity and MaxCapacity in the Serverless v2 scaling configuration.",
        ));
    };
    let halves = |capacity: f64| (capacity * 2.0).fract() == 0.0;
    if !halves(min) || !(0.0..=256.0).contains(&min) {
        return Err(invalid(
            "Serverless v2 minimum capacity must be between 0 and 256 in steps of 0.5.",
        ));
    }
    if !halves(max) || !(1.0..=256.0).contains(&max) || max < min {
        return Err(invalid(
            "Serverless v2 maximum capacity must be between 1 and 256 in steps of 0.5, and not less than the minimum.",
        ));
    }
    let pause_after =
        asked["SecondsUntilAutoPause"].as_i64().or(known.and_then(|known| known.pause_after));
    match pause_after {
        Some(_) if min > 0.0 => {
            return Err(combination("SecondsUntilAutoPause needs a minimum capacity of 0."));
        }
        Some(seconds) if !(300..=86_400).contains(&seconds) => {
            return Err(invalid("SecondsUntilAutoPause must be between 300 and 86400."));
        }
        _ => {}
    }
    let pause_after = pause_after.or((min == 0.0).then_some(300));
    Ok(Some(Capacity { min, max, pause_after }))
}

/// What no rule but the law's holds for, and what is in force at once.
pub(super) fn plain(params: &Params, settings: &mut Settings) -> Result<(), Failure> {
    let texts = [
        ("PreferredBackupWindow", &mut settings.backup_window),
        ("PreferredMaintenanceWindow", &mut settings.maintenance_window),
    ];
    for (member, place) in texts {
        if let Some(text) = params.text(member) {
            *place = text.to_lowercase();
        }
    }
    let flags = [
        ("CopyTagsToSnapshot", &mut settings.copy_tags),
        ("DeletionProtection", &mut settings.protected),
    ];
    for (member, place) in flags {
        if let Some(flag) = params.flag(member) {
            *place = flag;
        }
    }
    if let Some(port) = params.number("Port") {
        if !(1150..=65535).contains(&port) {
            return Err(invalid(format!("Invalid port: {port}. Must be between 1150 and 65535.")));
        }
        settings.port = port;
    }
    Ok(())
}

/// What waits, as answers have it; nothing if nothing does.
pub(super) fn pending(cluster: &Cluster, now: Millis) -> Value {
    let Cluster { pending, settings, next_password, .. } = cluster;
    let is_resetting = next_password.as_ref().is_some_and(|(_, since)| now < *since);
    if *pending == Pending::default() && !is_resetting {
        return Value::Null;
    }
    let logs = pending.logs.as_ref().map(|logs| {
        json!({
            "LogTypesToEnable": logs.difference(&settings.logs).collect::<Vec<_>>(),
            "LogTypesToDisable": settings.logs.difference(logs).collect::<Vec<_>>(),
        })
    });
    json!({
        "EngineVersion": pending.engine_version,
        "BackupRetentionPeriod": pending.backup_retention,
        "IAMDatabaseAuthenticationEnabled": pending.iam_auth,
        "PendingCloudwatchLogsExports": logs,
        "StorageType": pending.storage_type,
        "MasterUserPassword": is_resetting.then_some("****"),
    })
}

/// The changes of a request that can wait, over those that already do.
fn deferrable(
    params: &Params,
    settings: &Settings,
    mut pending: Pending,
) -> Result<Pending, Failure> {
    if let Some(asked) = params.text("EngineVersion") {
        let to = engine::version(Some(asked))?;
        let major_too = params.flag("AllowMajorVersionUpgrade").unwrap_or(false);
        engine::check_upgrade(&settings.engine_version, to, major_too)?;
        pending.engine_version = (to != settings.engine_version).then(|| to.to_owned());
    }
    if let Some(days) = params.number("BackupRetentionPeriod") {
        pending.backup_retention = Some(retention(days)?);
    }
    if let Some(on) = params.flag("EnableIAMDatabaseAuthentication") {
        pending.iam_auth = Some(on);
    }
    if let Some(asked) = params.text("StorageType") {
        storage(asked)?;
        pending.storage_type = Some(asked.to_owned());
    }
    if let Some(change) = params.get("CloudwatchLogsExportConfiguration") {
        let named = |member: &str| -> BTreeSet<String> {
            let names = change[member].as_array().into_iter().flatten();
            names.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let mut logs = pending.logs.take().unwrap_or_else(|| settings.logs.clone());
        logs.extend(named("EnableLogTypes"));
        check_logs(&logs)?;
        let off = named("DisableLogTypes");
        logs.retain(|log| !off.contains(log));
        pending.logs = Some(logs);
    }
    Ok(pending)
}

fn carry_out(pending: Pending, settings: &mut Settings) {
    if let Some(version) = pending.engine_version {
        settings.engine_version = version;
    }
    if let Some(days) = pending.backup_retention {
        settings.backup_retention = days;
    }
    if let Some(on) = pending.iam_auth {
        settings.iam_auth = on;
    }
    if let Some(logs) = pending.logs {
        settings.logs = logs;
    }
    if let Some(storage) = pending.storage_type {
        settings.storage_type = (storage != "aurora").then_some(storage);
    }
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let view = cx.view();
    let mut cluster = of(&view).cluster(params.required("DBClusterIdentifier"))?.clone();
    cluster.check_available(now)?;
    let vpc = of(&view).subnet_group(&cluster.subnet_group)?.vpc.clone();
    let before = cluster.settings.clone();
    plain(params, &mut cluster.settings)?;
    if !params.texts("VpcSecurityGroupIds").is_empty() {
        cluster.settings.security_groups = security_groups(&view, params, &vpc)?;
    }
    if let Some(capacity) = read_capacity(params, before.capacity)? {
        cluster.settings.capacity = Some(capacity);
    }
    let pending = deferrable(params, &before, std::mem::take(&mut cluster.pending))?;
    let at_once = params.flag("ApplyImmediately").unwrap_or(false);
    let mut target = before.engine_version.clone();
    if at_once {
        carry_out(pending, &mut cluster.settings);
        target.clone_from(&cluster.settings.engine_version);
    } else {
        if let Some(version) = &pending.engine_version {
            target.clone_from(version);
        }
        cluster.pending = pending;
    }
    let other_family = engine::family(&target) != engine::family(&before.engine_version);
    if params.text("DBClusterParameterGroupName").is_some() {
        cluster.settings.parameter_group = parameter_group(&view, params, &target)?;
    } else if other_family && at_once {
        let is_default = before.parameter_group.starts_with("default.");
        if !is_default {
            return Err(combination(
                "A new major version needs a DB cluster parameter group of its family.",
            ));
        }
        cluster.settings.parameter_group = parameter_group(&view, params, &target)?;
    }
    let mut busy = None;
    if cluster.settings != before {
        busy = Some(("modifying", MODIFYING));
    }
    if let Some(password) = params.text("MasterUserPassword") {
        check_password(password)?;
        // Until it is in force, the old one is.
        cluster.password = cluster.password(now).clone();
        cluster.next_password = Some((Password::new(password), now.plus(RESETTING)));
        busy = busy.or(Some(("resetting-master-credentials", RESETTING)));
    }
    if cluster.settings.engine_version != before.engine_version {
        busy = Some(("upgrading", UPGRADING));
    }
    cluster.busy =
        busy.map(|(status, time)| Busy { status: status.to_owned(), until: now.plus(time) });
    let owners: Vec<String> = of(&view)
        .instances
        .values()
        .filter(|instance| instance.cluster == cluster.id)
        .map(|instance| arn(view.scope, "db", &instance.id))
        .collect();
    let (id, groups) = (cluster.id.clone(), cluster.settings.security_groups.clone());
    of_mut(cx).clusters.insert(id.clone(), cluster);
    for nic in cx.ec2().network_interfaces.values_mut() {
        if nic.owner.as_ref().is_some_and(|owner| owners.contains(owner)) {
            nic.groups.clone_from(&groups);
        }
    }
    Ok(whole(cx, &id))
}
