//! DB instances of Aurora clusters. What is the cluster's (storage, backups, security groups) can't
//! be given to them.

use super::cluster::{resource_id, state};
use super::engine;
use super::model::{
    Busy, Instance, Rds, arn, combination, identifier, invalid, of, of_mut, paged, passes,
};
use super::tags::{self, read_tags};
use super::{model, subnet_group};
use crate::sandbox::ec2::network_interface::{self, New};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::reply::Reply;
use crate::sandbox::wire::xml;
use serde_json::{Value, json};
use std::time::Duration;

/// How long one is `creating`: 6 min 21 s in public logs.
const CREATING: Duration = Duration::from_secs(381);
/// How long a change takes.
const MODIFYING: Duration = Duration::from_secs(60);
/// How long one is `deleting`.
const DELETING: Duration = Duration::from_secs(240);

impl Instance {
    /// AWS's word for what it is doing.
    pub(super) fn status(&self, now: Millis) -> &str {
        match &self.busy {
            _ if self.gone.is_some() => "deleting",
            _ if now < self.available => "creating",
            Some(busy) if now < busy.until => &busy.status,
            _ => "available",
        }
    }
}

impl Rds {
    fn instance(&self, id: &str) -> Result<&Instance, Failure> {
        let name = id.rsplit(':').next().unwrap_or(id).to_lowercase();
        self.instances.get(&name).ok_or_else(|| {
            Failure::new("DBInstanceNotFound", format!("DBInstance {id} not found."))
        })
    }
}

fn write(view: &View<'_>, instance: &Instance) -> Value {
    let Some(cluster) = of(view).clusters.get(&instance.cluster) else { return Value::Null };
    let settings = &cluster.settings;
    let group = of(view).subnet_groups.get(&cluster.subnet_group);
    let groups = settings
        .security_groups
        .iter()
        .map(|id| json!({ "VpcSecurityGroupId": id, "Status": "active" }));
    let endpoint = (view.now >= instance.available).then(|| {
        json!({
            "Address": format!(
                "{}.{}.{}.rds.amazonaws.com", instance.id, cluster.label, view.scope.region
            ),
            "Port": settings.port,
            "HostedZoneId": "Z2R2ITUGPM61AM",
        })
    });
    json!({
        "DBInstanceIdentifier": instance.id,
        "DBInstanceArn": arn(view.scope, "db", &instance.id),
        "DbiResourceId": instance.resource_id,
        "DBClusterIdentifier": instance.cluster,
        "DBInstanceClass": instance.class,
        "DBInstanceStatus": instance.status(view.now),
        "Engine": engine::ENGINE,
        "EngineVersion": settings.engine_version,
        "MasterUsername": cluster.master_username,
        "DBName": cluster.database,
        "Endpoint": endpoint,
        "AllocatedStorage": 1,
        "StorageType": "aurora",
        "StorageEncrypted": cluster.key.is_some(),
        "KmsKeyId": cluster.key,
        "AvailabilityZone": instance.zone,
        "MultiAZ": false,
        "DBSubnetGroup": group.map(|group| subnet_group::write(view, group)),
        "VpcSecurityGroups": xml::named("VpcSecurityGroupMembership", groups.collect()),
        "PromotionTier": instance.tier,
        "PubliclyAccessible": instance.public,
        "AutoMinorVersionUpgrade": instance.minor_upgrades,
        "CopyTagsToSnapshot": instance.copy_tags,
        "DeletionProtection": false,
        "IAMDatabaseAuthenticationEnabled": settings.iam_auth,
        "BackupRetentionPeriod": settings.backup_retention,
        "PreferredBackupWindow": settings.backup_window,
        "PreferredMaintenanceWindow": instance.maintenance_window,
        "LicenseModel": "postgresql-license",
        "CACertificateIdentifier": instance.ca,
        "PerformanceInsightsEnabled": instance.insights.is_some(),
        "PerformanceInsightsKMSKeyId": instance.insights.as_ref().map(|(key, _)| key),
        "PerformanceInsightsRetentionPeriod": instance.insights.as_ref().map(|(_, days)| days),
        "MonitoringInterval": instance.monitoring.as_ref().map_or(0, |(seconds, _)| *seconds),
        "MonitoringRoleArn": instance.monitoring.as_ref().map(|(_, role)| role),
        "InstanceCreateTime": (view.now >= instance.available).then(|| instance.available.iso()),
        "NetworkType": "IPV4",
        "TagList": tags::write(&instance.tags),
    })
}

fn whole(cx: &Cx<'_>, id: &str) -> Reply {
    let view = cx.view();
    let written = of(&view).instances.get(id).map(|instance| write(&view, instance));
    json!({ "DBInstance": written }).into()
}

/// What a request sets, on create and later alike.
fn settings(view: &View<'_>, params: &Params, instance: &mut Instance) -> Result<(), Failure> {
    if let Some(class) = params.text("DBInstanceClass") {
        if !engine::CLASSES.contains(&class) {
            return Err(combination(format!(
                "RDS does not support creating a DB instance with the following combination: DBInstanceClass={class}, Engine={}.",
                engine::ENGINE
            )));
        }
        class.clone_into(&mut instance.class);
    }
    let cluster = of(view).cluster(&instance.cluster)?;
    if instance.class == "db.serverless" && cluster.settings.capacity.is_none() {
        return Err(combination(
            "Set the Serverless v2 scaling configuration on the parent DB cluster before creating a Serverless v2 DB instance.",
        ));
    }
    if let Some(tier) = params.number("PromotionTier") {
        if !(0..=15).contains(&tier) {
            return Err(invalid("PromotionTier must be between 0 and 15."));
        }
        instance.tier = tier;
    }
    let flags = [
        ("AutoMinorVersionUpgrade", &mut instance.minor_upgrades),
        ("CopyTagsToSnapshot", &mut instance.copy_tags),
        ("PubliclyAccessible", &mut instance.public),
    ];
    for (member, place) in flags {
        if let Some(flag) = params.flag(member) {
            *place = flag;
        }
    }
    if let Some(ca) = params.text("CACertificateIdentifier") {
        ca.clone_into(&mut instance.ca);
    }
    if let Some(window) = params.text("PreferredMaintenanceWindow") {
        instance.maintenance_window = window.to_lowercase();
    }
    insights(view, params, instance)?;
    monitoring(params, instance)
}

fn insights(view: &View<'_>, params: &Params, instance: &mut Instance) -> Result<(), Failure> {
    let known = instance.insights.take();
    let on = params.flag("EnablePerformanceInsights").unwrap_or(known.is_some());
    let (key, days) = (
        params.text("PerformanceInsightsKMSKeyId"),
        params.number("PerformanceInsightsRetentionPeriod"),
    );
    if !on {
        if key.is_some() || days.is_some() {
            return Err(combination("Performance Insights is not enabled."));
        }
        return Ok(());
    }
    let days = days.or(known.as_ref().map(|(_, days)| *days)).unwrap_or(7);
    if !(days == 7 || days == 731 || (days % 31 == 0 && (31..=713).contains(&days))) {
        return Err(invalid(format!("Invalid Performance Insights retention period: {days}")));
    }
    let key = match key {
        None => known.and_then(|(key, _)| key),
        Some(id) => match view.store.kms(view.scope).enabled(id, view.now) {
            Some(arn) => Some(arn.to_owned()),
            None => {
                let message = format!("The specified KMS key [{id}] can't be used.");
                return Err(Failure::new("KMSKeyNotAccessibleFault", message));
            }
        },
    };
    instance.insights = Some((key, days));
    Ok(())
}

fn monitoring(params: &Params, instance: &mut Instance) -> Result<(), Failure> {
    let known = instance.monitoring.take();
    let seconds = params.number("MonitoringInterval");
    let role = params.text("MonitoringRoleArn").map(str::to_owned);
    let seconds = seconds.or(known.as_ref().map(|(seconds, _)| *seconds)).unwrap_or(0);
    if ![0, 1, 5, 10, 15, 30, 60].contains(&seconds) {
        return Err(invalid(format!("Invalid monitoring interval: {seconds}")));
    }
    if seconds == 0 {
        return Ok(());
    }
    let role = role.or(known.map(|(_, role)| role)).ok_or_else(|| {
        combination("A MonitoringRoleArn value is required if you specify a MonitoringInterval value other than 0.")
    })?;
    instance.monitoring = Some((seconds, role));
    Ok(())
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    engine::check_engine(params)?;
    let id = identifier(params, "DBInstanceIdentifier", 63)?;
    let cluster = params
        .text("DBClusterIdentifier")
        .ok_or_else(|| combination("The sandbox only has DB instances of Aurora clusters."))?;
    let random = cx.store.random();
    let view = cx.view();
    if of(&view).instances.contains_key(&id) {
        return Err(Failure::new("DBInstanceAlreadyExists", "DB instance already exists"));
    }
    let cluster = of(&view).cluster(cluster)?.clone();
    if matches!(cluster.status(cx.now), "creating" | "deleting") {
        return Err(state(format!("DB cluster {} is not available.", cluster.id)));
    }
    if params.text("EngineVersion").is_some_and(|v| v != cluster.settings.engine_version) {
        return Err(combination(
            "The engine version that you requested for your DB instance does not match the engine version of your DB cluster.",
        ));
    }
    if params.text("DBSubnetGroupName").is_some_and(|name| name != cluster.subnet_group) {
        return Err(combination("The DB subnet group does not match that of the DB cluster."));
    }
    let group = of(&view).subnet_group(&cluster.subnet_group)?;
    let subnets: Vec<_> =
        group.subnets.iter().filter_map(|id| view.ec2().subnets.get(id)).cloned().collect();
    let members = of(&view).instances.values().filter(|one| one.cluster == cluster.id).count();
    let subnet = match params.text("AvailabilityZone") {
        Some(zone) => subnets.iter().find(|subnet| subnet.zone == zone),
        None => subnets.get(members % subnets.len().max(1)),
    };
    let subnet = subnet.cloned().ok_or_else(|| {
        let message = "The DB subnet group has no subnet in the Availability Zone.";
        Failure::new("InvalidVPCNetworkStateFault", message)
    })?;
    let mut instance = Instance {
        id: id.clone(),
        resource_id: resource_id(random, "db").to_uppercase().replacen("DB-", "db-", 1),
        cluster: cluster.id.clone(),
        class: String::new(),
        zone: subnet.zone.clone(),
        tier: 1,
        minor_upgrades: true,
        copy_tags: false,
        public: false,
        ca: "rds-ca-rsa2048-g1".to_owned(),
        maintenance_window: cluster.settings.maintenance_window.clone(),
        insights: None,
        monitoring: None,
        created: cx.now,
        available: cx.now.plus(CREATING),
        busy: None,
        gone: None,
        tags: read_tags(params)?,
    };
    settings(&view, params, &mut instance)?;
    let new = New {
        subnet: &subnet,
        groups: cluster.settings.security_groups,
        description: "RDSNetworkInterface".to_owned(),
        interface_type: "interface",
        requester: "amazon-rds",
        owner: &arn(cx.scope, "db", &id),
    };
    network_interface::create(cx, new)?;
    of_mut(cx).instances.insert(id.clone(), instance);
    Ok(whole(cx, &id))
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let rds = of(view);
    let found: Vec<&Instance> = match params.text("DBInstanceIdentifier") {
        Some(id) => vec![rds.instance(id)?],
        None => rds.instances.values().collect(),
    };
    let mut items = Vec::new();
    for instance in found {
        let both = |kind: &str, id: &str| Some(vec![id.to_owned(), arn(view.scope, kind, id)]);
        let kept = passes(params, |name| match name {
            "db-cluster-id" => both("cluster", &instance.cluster),
            "db-instance-id" => both("db", &instance.id),
            "dbi-resource-id" => Some(vec![instance.resource_id.clone()]),
            "engine" => Some(vec![engine::ENGINE.to_owned()]),
            _ => None,
        })?;
        if kept {
            items.push((instance.id.clone(), write(view, instance)));
        }
    }
    Ok(paged(view, params, ("DBInstances", "DBInstance"), items)?.into())
}

fn not_available(instance: &Instance, now: Millis) -> Result<(), Failure> {
    match instance.status(now) {
        "available" => Ok(()),
        status => Err(Failure::new(
            "InvalidDBInstanceState",
            format!("Database instance {} is not in available state: {status}.", instance.id),
        )),
    }
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let view = cx.view();
    let mut instance = of(&view).instance(params.required("DBInstanceIdentifier"))?.clone();
    not_available(&instance, now)?;
    if params.text("DBInstanceClass").is_some_and(|class| class != instance.class)
        && !params.flag("ApplyImmediately").unwrap_or(false)
    {
        return Err(model::combination(
            "The sandbox has no maintenance windows for instances: a new class needs ApplyImmediately.",
        ));
    }
    settings(&view, params, &mut instance)?;
    instance.busy = Some(Busy { status: "modifying".to_owned(), until: now.plus(MODIFYING) });
    let id = instance.id.clone();
    of_mut(cx).instances.insert(id.clone(), instance);
    Ok(whole(cx, &id))
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    if params.text("FinalDBSnapshotIdentifier").is_some() {
        return Err(combination(
            "FinalDBSnapshotIdentifier can not be specified when deleting a cluster instance.",
        ));
    }
    let id = of(&cx.view()).instance(params.required("DBInstanceIdentifier"))?.id.clone();
    if let Some(instance) = of_mut(cx).instances.get_mut(&id) {
        if instance.gone.is_some() {
            let message = format!("Instance {id} is already being deleted.");
            return Err(Failure::new("InvalidDBInstanceState", message));
        }
        instance.gone = Some(now.plus(DELETING));
    }
    Ok(whole(cx, &id))
}
