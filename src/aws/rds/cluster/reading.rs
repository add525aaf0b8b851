//! What `DescribeDBClusters` says of a cluster.

use super::TAG_PASSWORD_VERSION;
use super::{Backup, Capacity, Cluster, Live, TAG_DELETE_BACKUPS, TAG_FINAL_SNAPSHOT, log_group};
use crate::aws::call::{gone_is_fine, safe};
use crate::aws::ec2::Reading;
use crate::aws::rds::{Rds, arn, from_rds, told};
use crate::kind::{Cx, Result, Status};
use crate::name::PhysicalId;
use crate::value::Id;
use aws_sdk_rds::types::DbCluster;

/// One cluster, by identifier.
pub(super) async fn read_one(cx: &Cx, name: &str) -> Result<Option<Reading<Cluster>>> {
    let rds = cx.api::<Rds>()?;
    let answer = gone_is_fine(
        safe(cx, "rds:DescribeDBClusters", || {
            rds.0.describe_db_clusters().db_cluster_identifier(name).send()
        })
        .await,
    )?;
    let cluster = answer.as_ref().and_then(|answer| answer.db_clusters().first());
    cluster.map(|cluster| reading(cx, cluster)).transpose()
}

/// States that end only when somebody does something, and what.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/accessing-monitoring.html>
fn status(status: &str) -> Status {
    match status {
        "available" => Status::Ready,
        "deleting" => Status::Leaving,
        "inaccessible-encryption-credentials"
        | "inaccessible-encryption-credentials-recoverable" => {
            Status::Failed(format!("{status}: its KMS key can not be used"))
        }
        "cloning-failed" | "migration-failed" => Status::Failed(status.to_owned()),
        "stopped" => Status::Failed("stopped: start it (aws rds start-db-cluster)".to_owned()),
        busy => Status::Busy(busy.to_owned()),
    }
}

/// What a change that is under way will make of it counts as live: it was asked for with
/// `ApplyImmediately`, and asking again would change nothing.
pub(super) fn reading(cx: &Cx, cluster: &DbCluster) -> Result<Reading<Cluster>> {
    let name = told(cluster.db_cluster_identifier(), "identifier of a database cluster")?;
    let arn = cluster.db_cluster_arn().map_or_else(|| arn(cx, "cluster", &name), str::to_owned);
    let tags = from_rds(cluster.tag_list());
    let pending = cluster.pending_modified_values();
    let says = |key: &str, otherwise: bool| match tags.get(key).map(String::as_str) {
        Some("true") => true,
        Some("false") => false,
        _ => otherwise,
    };
    let scaling = cluster.serverless_v2_scaling_configuration();
    let groups = cluster.vpc_security_groups().iter();
    let insights = cluster.performance_insights_enabled().unwrap_or(false);
    let live = Live {
        name: Id::new(&name),
        arn: arn.clone(),
        resource_id: cluster.db_cluster_resource_id().map(str::to_owned),
        endpoint: cluster.endpoint().map(str::to_owned),
        reader_endpoint: cluster.reader_endpoint().map(str::to_owned),
        port: cluster.port(),
        version: pending
            .and_then(|pending| pending.engine_version())
            .or(cluster.engine_version())
            .unwrap_or_default()
            .to_owned(),
        capacity: scaling.and_then(|scaling| {
            Some(Capacity { min: scaling.min_capacity()?, max: scaling.max_capacity()? })
        }),
        database: cluster.database_name().map(str::to_owned),
        master: cluster.master_username().unwrap_or_default().to_owned(),
        password_version: tags.get(TAG_PASSWORD_VERSION).cloned(),
        subnet_group: Id::new(cluster.db_subnet_group().unwrap_or_default()),
        security_groups: groups
            .filter(|group| group.status() != Some("removing"))
            .filter_map(|group| group.vpc_security_group_id())
            .map(Id::new)
            .collect(),
        parameter_group: Id::new(cluster.db_cluster_parameter_group().unwrap_or_default()),
        key: cluster.kms_key_id().map(str::to_owned),
        backup: Backup {
            retention_days: pending
                .and_then(|pending| pending.backup_retention_period())
                .or(cluster.backup_retention_period())
                .unwrap_or_default(),
            window: cluster.preferred_backup_window().map(str::to_owned),
            // What nobody has said is what loses nothing.
            final_snapshot: says(TAG_FINAL_SNAPSHOT, true),
            delete_automated: says(TAG_DELETE_BACKUPS, false),
        },
        maintenance_window: cluster.preferred_maintenance_window().map(str::to_owned),
        deletion_protection: cluster.deletion_protection().unwrap_or(false),
        iam_authentication: pending
            .and_then(|pending| pending.iam_database_authentication_enabled())
            .or(cluster.iam_database_authentication_enabled())
            .unwrap_or(false),
        log_exports: exports(cluster),
        copies_tags: cluster.copy_tags_to_snapshot().unwrap_or(false),
        performance_insights_days: cluster
            .performance_insights_retention_period()
            .filter(|_| insights),
    };
    let status = match status(cluster.status().unwrap_or("creating")) {
        // A password is set at once, whatever the rest waits for; until then, the old one is in
        // force.
        Status::Ready if pending.is_some_and(|it| it.master_user_password().is_some()) => {
            Status::Busy("resetting-master-credentials".to_owned())
        }
        status => status,
    };
    Ok(Reading { id: arn, status, parents: parents(cx, &live), tags, live })
}

/// The log exports that are on, or will be when a change that is under way is through.
fn exports(cluster: &DbCluster) -> std::collections::BTreeSet<String> {
    let mut exports: std::collections::BTreeSet<String> =
        cluster.enabled_cloudwatch_logs_exports().iter().cloned().collect();
    let pending = cluster
        .pending_modified_values()
        .and_then(|pending| pending.pending_cloudwatch_logs_exports());
    if let Some(pending) = pending {
        exports.extend(pending.log_types_to_enable().iter().cloned());
        for off in pending.log_types_to_disable() {
            exports.remove(off);
        }
    }
    exports
}

fn parents(cx: &Cx, live: &Live) -> Vec<PhysicalId> {
    // What it still writes to would come back if it went first.
    let logs = live.log_exports.iter().map(|log| log_group(live.name.as_str(), log));
    let key = live.key.iter().filter_map(|arn| arn.rsplit('/').next()).map(PhysicalId::new);
    [
        PhysicalId::new(arn(cx, "subgrp", live.subnet_group.as_str())),
        PhysicalId::new(arn(cx, "cluster-pg", live.parameter_group.as_str())),
    ]
    .into_iter()
    .chain(live.security_groups.iter().map(|group| PhysicalId::new(group.as_str())))
    .chain(key)
    .chain(logs.map(PhysicalId::new))
    .collect()
}

/// Whether `have` is `want` or newer. A wanted major version alone is met by all of its minor ones.
#[expect(clippy::ptr_arg, reason = "it is given to a comparison of Strings")]
pub(super) fn is_at_least(have: &String, want: &String) -> bool {
    let numbers = |version: &str| -> Vec<u32> {
        version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
    };
    numbers(have) >= numbers(want)
}
