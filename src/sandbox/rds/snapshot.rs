//! DB cluster snapshots, made by hand.

use super::engine;
use super::model::{Cluster, Rds, Snapshot, arn, identifier, of, of_mut, paged, passes};
use super::tags::{self, read_tags};
use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::xml;
use serde_json::{Value, json};
use std::time::Duration;

/// How long one is `creating`.
const CREATING: Duration = Duration::from_secs(90);

impl Snapshot {
    pub(super) fn status(&self, now: Millis) -> &'static str {
        if now < self.available { "creating" } else { "available" }
    }
}

impl Rds {
    /// Finds a snapshot by its identifier or ARN.
    pub(super) fn snapshot(&self, id: &str) -> Result<&Snapshot, Failure> {
        let name = id.rsplit(':').next().unwrap_or(id).to_lowercase();
        self.snapshots.get(&name).ok_or_else(|| {
            let message = format!("DBClusterSnapshot not found: {id}");
            Failure::new("DBClusterSnapshotNotFoundFault", message)
        })
    }
}

fn write(view: &View<'_>, snapshot: &Snapshot) -> Value {
    let cluster = &snapshot.cluster;
    let done = snapshot.status(view.now) == "available";
    let zones = cluster.zones.iter().map(|zone| json!(zone));
    json!({
        "DBClusterSnapshotIdentifier": snapshot.id,
        "DBClusterSnapshotArn": arn(view.scope, "cluster-snapshot", &snapshot.id),
        "DBClusterIdentifier": cluster.id,
        "DbClusterResourceId": cluster.resource_id,
        "SourceDBClusterSnapshotArn": snapshot.source,
        "AvailabilityZones": xml::named("AvailabilityZone", zones.collect()),
        "SnapshotCreateTime": snapshot.created.iso(),
        "ClusterCreateTime": cluster.created.iso(),
        "Engine": engine::ENGINE,
        "EngineMode": "provisioned",
        "EngineVersion": cluster.settings.engine_version,
        "AllocatedStorage": 1,
        "Status": snapshot.status(view.now),
        "PercentProgress": if done { 100 } else { 0 },
        "Port": 0,
        "VpcId": snapshot.vpc,
        "MasterUsername": cluster.master_username,
        "LicenseModel": "postgresql-license",
        "SnapshotType": "manual",
        "StorageEncrypted": cluster.key.is_some(),
        "KmsKeyId": cluster.key,
        "IAMDatabaseAuthenticationEnabled": cluster.settings.iam_auth,
        "StorageType": cluster.settings.storage_type,
        "TagList": tags::write(&snapshot.tags),
    })
}

/// Takes a snapshot; also the last one of a cluster that is being deleted.
pub(super) fn take(
    cx: &mut Cx<'_>,
    id: String,
    cluster: &Cluster,
    tags: Tags,
) -> Result<(), Failure> {
    let view = cx.view();
    free(&view, &id)?;
    let vpc = of(&view).subnet_group(&cluster.subnet_group)?.vpc.clone();
    let snapshot = Snapshot {
        id: id.clone(),
        cluster: cluster.clone(),
        vpc,
        created: cx.now,
        available: cx.now.plus(CREATING),
        source: None,
        tags,
    };
    of_mut(cx).snapshots.insert(id, snapshot);
    Ok(())
}

fn free(view: &View<'_>, id: &str) -> Result<(), Failure> {
    if of(view).snapshots.contains_key(id) {
        let message = format!(
            "Cannot create the cluster snapshot because one with the identifier {id} already exists."
        );
        return Err(Failure::new("DBClusterSnapshotAlreadyExistsFault", message));
    }
    Ok(())
}

fn whole(cx: &Cx<'_>, id: &str) -> crate::sandbox::wire::reply::Reply {
    let view = cx.view();
    let written = of(&view).snapshots.get(id).map(|snapshot| write(&view, snapshot));
    json!({ "DBClusterSnapshot": written }).into()
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let id = identifier(params, "DBClusterSnapshotIdentifier", 255)?;
    let cluster = of(&cx.view()).cluster(params.required("DBClusterIdentifier"))?.clone();
    cluster.check_available(cx.now)?;
    let mut tags = if cluster.settings.copy_tags { cluster.tags.clone() } else { Tags::new() };
    tags.extend(read_tags(params)?);
    take(cx, id.clone(), &cluster, tags)?;
    Ok(whole(cx, &id))
}

pub(super) fn copy(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let id = identifier(params, "TargetDBClusterSnapshotIdentifier", 255)?;
    let view = cx.view();
    let source = of(&view).snapshot(params.required("SourceDBClusterSnapshotIdentifier"))?;
    if source.status(cx.now) != "available" {
        let message = format!("The snapshot {} is not available.", source.id);
        return Err(Failure::new("InvalidDBClusterSnapshotStateFault", message));
    }
    free(&view, &id)?;
    let mut copy = source.clone();
    if let Some(key) = params.text("KmsKeyId") {
        let arn = view.store.kms(view.scope).enabled(key, view.now).ok_or_else(|| {
            let message = format!("The specified KMS key [{key}] can't be used.");
            Failure::new("KMSKeyNotAccessibleFault", message)
        })?;
        copy.cluster.key = Some(arn.to_owned());
    }
    if !params.flag("CopyTags").unwrap_or(false) {
        copy.tags.clear();
    }
    copy.tags.extend(read_tags(params)?);
    copy.source = Some(arn(view.scope, "cluster-snapshot", &source.id));
    copy.id.clone_from(&id);
    copy.created = cx.now;
    copy.available = cx.now.plus(CREATING);
    of_mut(cx).snapshots.insert(id.clone(), copy);
    Ok(whole(cx, &id))
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let rds = of(view);
    let found: Vec<&Snapshot> = match params.text("DBClusterSnapshotIdentifier") {
        Some(id) => vec![rds.snapshot(id)?],
        None => rds.snapshots.values().collect(),
    };
    let cluster = params.text("DBClusterIdentifier").map(str::to_lowercase);
    let kind = params.text("SnapshotType");
    let mut items = Vec::new();
    for snapshot in found {
        let kept = passes(params, |name| match name {
            "db-cluster-id" => Some(vec![snapshot.cluster.id.clone()]),
            "db-cluster-snapshot-id" => Some(vec![snapshot.id.clone()]),
            "snapshot-type" => Some(vec!["manual".to_owned()]),
            "engine" => Some(vec![engine::ENGINE.to_owned()]),
            _ => None,
        })?;
        let resource = params.text("DbClusterResourceId");
        if kept
            && cluster.as_ref().is_none_or(|id| *id == snapshot.cluster.id)
            && resource.is_none_or(|id| id == snapshot.cluster.resource_id)
            && kind.is_none_or(|kind| kind == "manual")
        {
            items.push((snapshot.id.clone(), write(view, snapshot)));
        }
    }
    Ok(paged(view, params, ("DBClusterSnapshots", "DBClusterSnapshot"), items)?.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let view = cx.view();
    let snapshot = of(&view).snapshot(params.required("DBClusterSnapshotIdentifier"))?;
    if snapshot.status(cx.now) != "available" {
        let message = format!("The snapshot {} is not available.", snapshot.id);
        return Err(Failure::new("InvalidDBClusterSnapshotStateFault", message));
    }
    let (id, answer) =
        (snapshot.id.clone(), json!({ "DBClusterSnapshot": write(&view, snapshot) }));
    of_mut(cx).snapshots.remove(&id);
    Ok(answer.into())
}
