//! DB clusters: made, restored, described, deleted.

use super::change::{self, check_logs, check_password, read_capacity, security_groups};
use super::engine;
use super::model::{
    Cluster, Password, Pending, Rds, Settings, arn, combination, identifier, invalid, of, of_mut,
    paged, passes,
};
use super::parameter_group::default_name;
use super::snapshot;
use super::tags::{self, read_tags};
use crate::sandbox::coderd::Databases;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::{Millis, number};
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::xml;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long one is `creating`.
const CREATING: Duration = Duration::from_secs(60);
/// How much longer it takes to restore one.
const RESTORING: Duration = Duration::from_secs(300);
/// How long one is `deleting`, after its last instance has gone.
const DELETING: Duration = Duration::from_secs(90);

impl Cluster {
    /// AWS's word for what it is doing.
    pub(super) fn status(&self, now: Millis) -> &str {
        match &self.busy {
            _ if self.gone.is_some() => "deleting",
            _ if now < self.available => "creating",
            Some(busy) if now < busy.until => &busy.status,
            _ => "available",
        }
    }

    /// Refuses what only an available cluster can do.
    pub(super) fn check_available(&self, now: Millis) -> Result<(), Failure> {
        match self.status(now) {
            "available" => Ok(()),
            status => Err(state(format!(
                "DB cluster {} is not in available state. Current state: {status}",
                self.id
            ))),
        }
    }
}

impl Rds {
    /// Finds a cluster by its identifier, in any case, or by its ARN.
    pub(super) fn cluster(&self, id: &str) -> Result<&Cluster, Failure> {
        let name = id.rsplit(':').next().unwrap_or(id).to_lowercase();
        self.clusters.get(&name).ok_or_else(|| {
            let message = format!("DBCluster {id} not found.");
            Failure::new("DBClusterNotFoundFault", message)
        })
    }
}

pub(super) fn state(message: String) -> Failure {
    Failure::new("InvalidDBClusterStateFault", message)
}

/// What answers say about it.
pub(super) fn write(view: &View<'_>, cluster: &Cluster) -> Value {
    let settings = &cluster.settings;
    let host = |kind: &str| {
        let (id, label, region) = (&cluster.id, &cluster.label, &view.scope.region);
        format!("{id}.{kind}-{label}.{region}.rds.amazonaws.com")
    };
    let mut members: Vec<_> =
        of(view).instances.values().filter(|instance| instance.cluster == cluster.id).collect();
    members.sort_by_key(|instance| (instance.tier, instance.created, instance.id.clone()));
    let members: Vec<Value> = members
        .iter()
        .enumerate()
        .map(|(place, instance)| {
            json!({
                "DBInstanceIdentifier": instance.id,
                "IsClusterWriter": place == 0,
                "DBClusterParameterGroupStatus": "in-sync",
                "PromotionTier": instance.tier,
            })
        })
        .collect();
    let groups = settings
        .security_groups
        .iter()
        .map(|id| json!({ "VpcSecurityGroupId": id, "Status": "active" }));
    let zones = cluster.zones.iter().map(|zone| json!(zone));
    let capacity = settings.capacity.map(|capacity| {
        json!({
            "MinCapacity": capacity.min,
            "MaxCapacity": capacity.max,
            "SecondsUntilAutoPause": capacity.pause_after,
        })
    });
    json!({
        "DBClusterIdentifier": cluster.id,
        "DBClusterArn": arn(view.scope, "cluster", &cluster.id),
        "DbClusterResourceId": cluster.resource_id,
        "Status": cluster.status(view.now),
        "Engine": engine::ENGINE,
        "EngineVersion": settings.engine_version,
        "EngineMode": "provisioned",
        "EngineLifecycleSupport": cluster.lifecycle_support,
        "AllocatedStorage": 1,
        "StorageType": settings.storage_type,
        "StorageEncrypted": cluster.key.is_some(),
        "KmsKeyId": cluster.key,
        "AvailabilityZones": xml::named("AvailabilityZone", zones.collect()),
        "MultiAZ": members.len() > 1,
        "DBSubnetGroup": cluster.subnet_group,
        "DBClusterParameterGroup": settings.parameter_group,
        "VpcSecurityGroups": xml::named("VpcSecurityGroupMembership", groups.collect()),
        "DatabaseName": cluster.database,
        "MasterUsername": cluster.master_username,
        "Endpoint": host("cluster"),
        "ReaderEndpoint": host("cluster-ro"),
        "HostedZoneId": "Z2R2ITUGPM61AM",
        "Port": settings.port,
        "BackupRetentionPeriod": settings.backup_retention,
        "PreferredBackupWindow": settings.backup_window,
        "PreferredMaintenanceWindow": settings.maintenance_window,
        "CopyTagsToSnapshot": settings.copy_tags,
        "DeletionProtection": settings.protected,
        "IAMDatabaseAuthenticationEnabled": settings.iam_auth,
        "EnabledCloudwatchLogsExports": settings.logs,
        "ServerlessV2ScalingConfiguration": capacity,
        "PendingModifiedValues": change::pending(cluster, view.now),
        "DBClusterMembers": xml::named("DBClusterMember", members),
        "ClusterCreateTime": cluster.created.iso(),
        "AutoMinorVersionUpgrade": true,
        "HttpEndpointEnabled": false,
        "CrossAccountClone": false,
        "DatabaseInsightsMode": "standard",
        "NetworkType": "IPV4",
        "TagList": tags::write(&cluster.tags),
    })
}

/// What every request that makes a cluster has in common.
struct Place {
    id: String,
    subnet_group: String,
    vpc: String,
    zones: Vec<String>,
    parameter_group: String,
}

fn place(view: &View<'_>, params: &Params, version: &str) -> Result<Place, Failure> {
    let id = identifier(params, "DBClusterIdentifier", 63)?;
    let rds = of(view);
    if rds.clusters.contains_key(&id) {
        let message = format!("DB Cluster already exists: {id}");
        return Err(Failure::new("DBClusterAlreadyExistsFault", message));
    }
    let group = rds.subnet_group(params.text("DBSubnetGroupName").unwrap_or("default"))?;
    let parameter_group = parameter_group(view, params, version)?;
    let asked = params.texts("AvailabilityZones");
    let mut zones: BTreeSet<String> = asked.iter().map(|&zone| zone.to_owned()).collect();
    let subnets = group.subnets.iter().filter_map(|id| view.ec2().subnets.get(id));
    zones.extend(subnets.map(|subnet| subnet.zone.clone()));
    // Storage is in three zones, whatever the subnets are in.
    for letter in ["a", "b", "c"] {
        if zones.len() < 3 {
            zones.insert(format!("{}{letter}", view.scope.region));
        }
    }
    Ok(Place {
        id,
        subnet_group: group.name.clone(),
        vpc: group.vpc.clone(),
        zones: zones.into_iter().take(3).collect(),
        parameter_group,
    })
}

/// The parameter group that a request names, or the default; of the version's family.
pub(super) fn parameter_group(
    view: &View<'_>,
    params: &Params,
    version: &str,
) -> Result<String, Failure> {
    let family = engine::family(version);
    let default = default_name(&family);
    let name = params.text("DBClusterParameterGroupName").unwrap_or(&default);
    let group = of(view).parameter_group(name).ok_or_else(|| {
        let message = format!("DBClusterParameterGroup not found: {name}");
        Failure::new("DBClusterParameterGroupNotFound", message)
    })?;
    if group.family != family {
        return Err(combination(format!(
            "The Parameter Group {name} with DBParameterGroupFamily {} can't be used for this instance. Please use a Parameter Group with DBParameterGroupFamily {family}",
            group.family
        )));
    }
    Ok(group.name)
}

/// The key that storage is encrypted with; RDS's own where none is named.
fn key(view: &View<'_>, params: &Params, encrypted: bool) -> Result<Option<String>, Failure> {
    match params.text("KmsKeyId") {
        Some(_) if !encrypted => {
            Err(combination("A KMS key can only be given where storage is encrypted."))
        }
        Some(id) => match view.store.kms(view.scope).enabled(id, view.now) {
            Some(arn) => Ok(Some(arn.to_owned())),
            None => {
                let message = format!(
                    "The specified KMS key [{id}] does not exist, is not enabled or you do not have permissions to access it."
                );
                Err(Failure::new("KMSKeyNotAccessibleFault", message))
            }
        },
        None if encrypted => {
            let scope = view.scope;
            let own = number(&format!("{}/{}/aws/rds", scope.account, scope.region));
            Ok(Some(format!(
                "arn:{}:kms:{}:{}:key/{:08x}-0000-4000-8000-{:012x}",
                scope.partition(),
                scope.region,
                scope.account,
                own >> 32,
                own & 0xffff_ffff_ffff
            )))
        }
        None => Ok(None),
    }
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    engine::check_engine(params)?;
    if params.text("EngineMode").is_some_and(|mode| mode != "provisioned") {
        return Err(combination("The sandbox only has clusters of engine mode provisioned."));
    }
    let version = engine::version(params.text("EngineVersion"))?;
    let place = place(&cx.view(), params, version)?;
    let username = params.text("MasterUsername").unwrap_or_default();
    let sound = username.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && username.len() <= 63
        && username.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !sound || ["admin", "rdsadmin", "postgres_admin"].contains(&username) {
        return Err(invalid("The parameter MasterUsername is missing, not valid or reserved."));
    }
    let password = params
        .text("MasterUserPassword")
        .ok_or_else(|| invalid("The parameter MasterUserPassword must be provided."))?;
    check_password(password)?;
    let encrypted = params.flag("StorageEncrypted").unwrap_or(false);
    let key = key(&cx.view(), params, encrypted)?;
    let base = Settings {
        engine_version: version.to_owned(),
        parameter_group: place.parameter_group.clone(),
        security_groups: Vec::new(),
        backup_retention: 1,
        backup_window: "07:00-07:30".to_owned(),
        maintenance_window: "sun:03:00-sun:03:30".to_owned(),
        copy_tags: false,
        protected: false,
        iam_auth: false,
        logs: BTreeSet::new(),
        capacity: None,
        storage_type: None,
        port: 5432,
    };
    let settings = settings(&cx.view(), params, base, &place.vpc)?;
    let database = params.text("DatabaseName").map(str::to_owned);
    let (available, tags) = (cx.now.plus(CREATING), read_tags(params)?);
    let cluster = Cluster {
        id: place.id,
        resource_id: resource_id(cx.store.random(), "cluster"),
        label: label(cx),
        subnet_group: place.subnet_group,
        zones: place.zones,
        key,
        database,
        master_username: username.to_owned(),
        password: Password::new(password),
        next_password: None,
        contents: Databases::default(),
        lifecycle_support: lifecycle(params),
        settings,
        pending: Pending::default(),
        created: cx.now,
        available,
        busy: None,
        gone: None,
        tags,
    };
    Ok(insert(cx, cluster))
}

fn lifecycle(params: &Params) -> String {
    params.text("EngineLifecycleSupport").unwrap_or("open-source-rds-extended-support").to_owned()
}

/// What makes the endpoints of an account and region unlike those of others.
fn label(cx: &Cx<'_>) -> String {
    let text = format!("{}/{}/rds", cx.scope.account, cx.scope.region);
    format!("c{:011x}", number(&text) & 0xfff_ffff_ffff)
}

/// `cluster-0123456789ABCDEFGHIJKLMNOP`.
pub(super) fn resource_id(number: u64, kind: &str) -> String {
    format!("{kind}-{:0>26}", format!("{number:X}"))
}

fn insert(cx: &mut Cx<'_>, cluster: Cluster) -> crate::sandbox::wire::reply::Reply {
    let id = cluster.id.clone();
    of_mut(cx).clusters.insert(id.clone(), cluster);
    whole(cx, &id)
}

/// The answer that is one cluster.
pub(super) fn whole(cx: &Cx<'_>, id: &str) -> crate::sandbox::wire::reply::Reply {
    let view = cx.view();
    let written = of(&view).clusters.get(id).map(|cluster| write(&view, cluster));
    json!({ "DBCluster": written }).into()
}

/// Settings of a request over those that it starts from.
fn settings(
    view: &View<'_>,
    params: &Params,
    mut settings: Settings,
    vpc: &str,
) -> Result<Settings, Failure> {
    change::plain(params, &mut settings)?;
    settings.security_groups = security_groups(view, params, vpc)?;
    if let Some(capacity) = read_capacity(params, settings.capacity)? {
        settings.capacity = Some(capacity);
    }
    let logs: BTreeSet<String> =
        params.texts("EnableCloudwatchLogsExports").into_iter().map(str::to_owned).collect();
    check_logs(&logs)?;
    if !logs.is_empty() {
        settings.logs = logs;
    }
    if let Some(days) = params.number("BackupRetentionPeriod") {
        settings.backup_retention = change::retention(days)?;
    }
    if let Some(on) = params.flag("EnableIAMDatabaseAuthentication") {
        settings.iam_auth = on;
    }
    if let Some(storage) = params.text("StorageType") {
        settings.storage_type = change::storage(storage)?;
    }
    Ok(settings)
}

pub(super) fn restore(cx: &mut Cx<'_>, params: &Params) -> Answer {
    engine::check_engine(params)?;
    let snapshot = of(&cx.view()).snapshot(params.required("SnapshotIdentifier"))?.clone();
    if snapshot.status(cx.now) != "available" {
        let message = format!("The snapshot {} is not available.", snapshot.id);
        return Err(Failure::new("InvalidDBClusterSnapshotStateFault", message));
    }
    let password = snapshot.cluster.password(snapshot.created).clone();
    let old = snapshot.cluster;
    let version = engine::version(params.text("EngineVersion"))?.to_owned();
    engine::check_upgrade(&old.settings.engine_version, &version, true)?;
    let place = place(&cx.view(), params, &version)?;
    let key = match (&old.key, params.text("KmsKeyId")) {
        (Some(_), Some(_)) => key(&cx.view(), params, true)?,
        (Some(known), None) => Some(known.clone()),
        // An unencrypted snapshot can be restored encrypted, with a key.
        (None, Some(_)) => key(&cx.view(), params, true)?,
        (None, None) => None,
    };
    let base = Settings {
        engine_version: version,
        parameter_group: place.parameter_group.clone(),
        logs: BTreeSet::new(),
        protected: false,
        iam_auth: false,
        capacity: None,
        ..old.settings
    };
    let settings = settings(&cx.view(), params, base, &place.vpc)?;
    let cluster = Cluster {
        id: place.id,
        resource_id: resource_id(cx.store.random(), "cluster"),
        label: label(cx),
        subnet_group: place.subnet_group,
        zones: place.zones,
        key,
        database: params.text("DatabaseName").map(str::to_owned).or(old.database),
        master_username: old.master_username,
        password,
        next_password: None,
        contents: old.contents,
        lifecycle_support: lifecycle(params),
        settings,
        pending: Pending::default(),
        created: cx.now,
        available: cx.now.plus(CREATING).plus(RESTORING),
        busy: None,
        gone: None,
        tags: read_tags(params)?,
    };
    Ok(insert(cx, cluster))
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let rds = of(view);
    let found: Vec<&Cluster> = match params.text("DBClusterIdentifier") {
        Some(id) => vec![rds.cluster(id)?],
        None => rds.clusters.values().collect(),
    };
    let mut items = Vec::new();
    for cluster in found {
        let kept = passes(params, |name| match name {
            "db-cluster-id" => {
                Some(vec![cluster.id.clone(), arn(view.scope, "cluster", &cluster.id)])
            }
            "db-cluster-resource-id" => Some(vec![cluster.resource_id.clone()]),
            "engine" => Some(vec![engine::ENGINE.to_owned()]),
            _ => None,
        })?;
        if kept {
            items.push((cluster.id.clone(), write(view, cluster)));
        }
    }
    Ok(paged(view, params, ("DBClusters", "DBCluster"), items)?.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let view = cx.view();
    let cluster = of(&view).cluster(params.required("DBClusterIdentifier"))?.clone();
    if cluster.gone.is_some() {
        return Err(state(format!("Cluster {} is already being deleted.", cluster.id)));
    }
    if cluster.settings.protected {
        return Err(combination(
            "Cannot delete protected Cluster, please disable deletion protection and try again.",
        ));
    }
    let skip = params.flag("SkipFinalSnapshot").unwrap_or(false);
    let last = match (skip, params.text("FinalDBSnapshotIdentifier")) {
        (true, Some(_)) => {
            return Err(combination(
                "FinalDBSnapshotIdentifier can not be specified when deleting with SkipFinalSnapshot.",
            ));
        }
        (false, None) => {
            return Err(combination(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified.",
            ));
        }
        (_, last) => last.map(str::to_owned),
    };
    let instances = of(&view).instances.values().filter(|one| one.cluster == cluster.id);
    let mut free = now;
    for instance in instances {
        match instance.gone {
            Some(gone) => free = free.max(gone),
            None => {
                return Err(state(
                    "Cluster cannot be deleted, it still contains DB instances in non-deleting state."
                        .to_owned(),
                ));
            }
        }
    }
    if last.is_some() {
        cluster.check_available(now)?;
        let id = identifier(params, "FinalDBSnapshotIdentifier", 255)?;
        let tags =
            if cluster.settings.copy_tags { cluster.tags.clone() } else { Default::default() };
        snapshot::take(cx, id, &cluster, tags)?;
    }
    if let Some(cluster) = of_mut(cx).clusters.get_mut(&cluster.id) {
        cluster.gone = Some(free.plus(DELETING));
    }
    Ok(whole(cx, &cluster.id))
}
