//! The calls that make and change a cluster.

use super::reading::is_at_least;
use super::{Backup, Capacity, Cluster, ENGINE, Live, Master, NO_EXTENDED_SUPPORT, PATIENCE};
use crate::aws::call::{Passing, Repeat, call};
use crate::aws::rds::{CLUSTER_BUSY, Rds, snapshot, to_rds};
use crate::aws::secrets::resolve_version;
use crate::aws::settle::until_ready;
use crate::aws::tags::touches;
use crate::kind::{Change, Class, Cx, Error, Found, Result, Tags, seconds};
use crate::secret::{Secret, SecretRef};
use aws_sdk_rds::types::{
    CloudwatchLogsExportConfiguration, DbCluster, ServerlessV2ScalingConfiguration,
};

/// A parameter group, subnet group or key that RDS has not heard of yet.
const FRESH: [Passing; 3] = [
    fresh("DBClusterParameterGroupNotFound"),
    fresh("DBParameterGroupNotFound"),
    fresh("DBSubnetGroupNotFoundFault"),
];

const fn fresh(code: &'static str) -> Passing {
    Passing { code, message: "", seconds: 120, waiting_for: "RDS to know the new groups" }
}

/// The master password and the version of the secret that it is. It is masked before anything
/// else can see it.
pub(super) async fn password(cx: &Cx, master: &Master) -> Result<(Secret, String)> {
    let arn = cx.get(&master.secret)?;
    // Not the current one, whichever that is by now: whoever uses the password in this run has
    // read the same version.
    let version = cx.get(&master.version)?;
    let reference = SecretRef::SecretsManager(arn.to_string());
    let resolved = resolve_version(cx, &reference, Some(&version)).await?;
    let Some(key) = &master.key else { return Ok((resolved.value, version)) };
    let members: serde_json::Value =
        serde_json::from_str(resolved.value.expose()).unwrap_or_default();
    let password = members.get(key).and_then(serde_json::Value::as_str).ok_or_else(|| {
        Error::of(Class::Refused, format!("the secret {arn} is no JSON object with a text {key:?}"))
    })?;
    let password = Secret::new(password);
    cx.masks.add(&password);
    Ok((password, version))
}

fn scaling(capacity: Capacity) -> ServerlessV2ScalingConfiguration {
    ServerlessV2ScalingConfiguration::builder()
        .min_capacity(capacity.min)
        .max_capacity(capacity.max)
        .build()
}

impl Cluster {
    pub(super) async fn send_create(
        &self,
        cx: &Cx,
        password: &Secret,
        tags: &Tags,
    ) -> Result<DbCluster> {
        let rds = cx.api::<Rds>()?;
        let groups: Vec<String> =
            cx.get_all(&self.security_groups)?.iter().map(ToString::to_string).collect();
        let subnet_group = cx.get(&self.subnet_group)?;
        let parameter_group = cx.get(&self.parameter_group)?;
        let key = self.key.as_ref().map(|key| cx.get(key)).transpose()?;
        let Backup { retention_days, window, final_snapshot: _, delete_automated: _ } =
            &self.backup;
        let insights = self.performance_insights_days;
        let made = call(cx, "rds:CreateDBCluster", Repeat::Safe, &FRESH, || {
            rds.0
                .create_db_cluster()
                .db_cluster_identifier(&self.name)
                .engine(ENGINE)
                .set_engine_version(self.version.clone())
                .engine_lifecycle_support(NO_EXTENDED_SUPPORT)
                .database_name(&self.database)
                .master_username(&self.master.username)
                .master_user_password(password.expose())
                .db_subnet_group_name(subnet_group.as_str())
                .set_vpc_security_group_ids(Some(groups.clone()))
                .db_cluster_parameter_group_name(parameter_group.as_str())
                .serverless_v2_scaling_configuration(scaling(self.capacity))
                .storage_encrypted(true)
                .set_kms_key_id(key.clone())
                .backup_retention_period(*retention_days)
                .set_preferred_backup_window(window.clone())
                .set_preferred_maintenance_window(self.maintenance_window.clone())
                .copy_tags_to_snapshot(true)
                .deletion_protection(self.deletion_protection)
                .enable_iam_database_authentication(self.iam_authentication)
                .set_enable_cloudwatch_logs_exports(self.exports())
                .set_enable_performance_insights(insights.map(|_| true))
                .set_performance_insights_retention_period(insights)
                .set_tags(Some(to_rds(tags)))
                .send()
        })
        .await?;
        answered(made.db_cluster, "CreateDBCluster")
    }

    /// User, password and database come with the snapshot. The password is set anew by the
    /// comparison at the end of the step, which finds no tag that says what it is.
    ///
    /// When the answer is lost, the call is sent again: RDS refuses the second one by name, and what
    /// is there is then taken for this step's by its tags, which it has from the first one on.
    pub(super) async fn send_restore(
        &self,
        cx: &Cx,
        snapshot: &str,
        tags: &Tags,
    ) -> Result<DbCluster> {
        let rds = cx.api::<Rds>()?;
        let groups: Vec<String> =
            cx.get_all(&self.security_groups)?.iter().map(ToString::to_string).collect();
        let subnet_group = cx.get(&self.subnet_group)?;
        let parameter_group = cx.get(&self.parameter_group)?;
        let key = self.key.as_ref().map(|key| cx.get(key)).transpose()?;
        let version = self.version_from(snapshot::version(cx, snapshot).await?);
        let made = call(cx, "rds:RestoreDBClusterFromSnapshot", Repeat::Safe, &FRESH, || {
            rds.0
                .restore_db_cluster_from_snapshot()
                .db_cluster_identifier(&self.name)
                .snapshot_identifier(snapshot)
                .engine(ENGINE)
                .set_engine_version(version.clone())
                .engine_lifecycle_support(NO_EXTENDED_SUPPORT)
                .db_subnet_group_name(subnet_group.as_str())
                .set_vpc_security_group_ids(Some(groups.clone()))
                .db_cluster_parameter_group_name(parameter_group.as_str())
                .serverless_v2_scaling_configuration(scaling(self.capacity))
                .set_kms_key_id(key.clone())
                .copy_tags_to_snapshot(true)
                .deletion_protection(self.deletion_protection)
                .enable_iam_database_authentication(self.iam_authentication)
                .set_enable_cloudwatch_logs_exports(self.exports())
                .set_tags(Some(to_rds(tags)))
                .send()
        })
        .await?;
        answered(made.db_cluster, "RestoreDBClusterFromSnapshot")
    }

    /// The version to restore a snapshot in: the wanted one, unless the snapshot's is newer. AWS
    /// upgrades minor versions by itself, so a snapshot may be ahead of the spec, and RDS restores
    /// none in an older version than its own. The version is always named: without one, RDS takes the
    /// region's default, and for a major version alone one of its minor ones, whatever the
    /// snapshot's is.
    /// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_RestoreDBClusterFromSnapshot.html>
    fn version_from(&self, snapshot: Option<String>) -> Option<String> {
        match (snapshot, &self.version) {
            (Some(snapshot), Some(wanted)) if !is_at_least(&snapshot, wanted) => {
                Some(wanted.clone())
            }
            (Some(snapshot), _) => Some(snapshot),
            // No such snapshot: RDS says so when it is asked to restore it.
            (None, wanted) => wanted.clone(),
        }
    }

    /// One call with all that `changes` name.
    pub(super) async fn send_modify(
        &self,
        cx: &Cx,
        found: &Found<Cluster>,
        changes: &[Change],
        password: Option<&Secret>,
    ) -> Result<()> {
        let rds = cx.api::<Rds>()?;
        let has = |field| touches(changes, field);
        let groups = match has("security_groups") {
            true => {
                Some(cx.get_all(&self.security_groups)?.iter().map(ToString::to_string).collect())
            }
            false => None::<Vec<String>>,
        };
        let version = self.version.clone().filter(|_| has("version"));
        let major = version.as_deref().is_some_and(|to| major(to) != major(&found.live.version));
        // A major upgrade needs the new family's group in the same call.
        let parameter_group = match has("parameter_group") || major {
            true => Some(cx.get(&self.parameter_group)?.to_string()),
            false => None,
        };
        let insights = has("performance_insights_days").then_some(self.performance_insights_days);
        let logs = has("log_exports").then(|| self.export_changes(&found.live));
        let Backup { retention_days, window, final_snapshot: _, delete_automated: _ } =
            &self.backup;
        call(cx, "rds:ModifyDBCluster", Repeat::Safe, &[CLUSTER_BUSY], || {
            let windows = self.maintenance_window.clone();
            rds.0
                .modify_db_cluster()
                .db_cluster_identifier(found.live.name.as_str())
                .apply_immediately(true)
                .set_engine_version(version.clone())
                .set_allow_major_version_upgrade(major.then_some(true))
                .set_db_cluster_parameter_group_name(parameter_group.clone())
                .set_vpc_security_group_ids(groups.clone())
                .set_serverless_v2_scaling_configuration(
                    (has("min_capacity") || has("max_capacity")).then(|| scaling(self.capacity)),
                )
                .set_master_user_password(password.map(|password| password.expose().to_owned()))
                .set_backup_retention_period(
                    has("backup_retention_days").then_some(*retention_days),
                )
                .set_preferred_backup_window(window.clone().filter(|_| has("backup_window")))
                .set_preferred_maintenance_window(windows.filter(|_| has("maintenance_window")))
                .set_copy_tags_to_snapshot(has("copies_tags").then_some(true))
                .set_deletion_protection(
                    has("deletion_protection").then_some(self.deletion_protection),
                )
                .set_enable_iam_database_authentication(
                    has("iam_authentication").then_some(self.iam_authentication),
                )
                .set_cloudwatch_logs_export_configuration(logs.clone())
                .set_enable_performance_insights(insights.map(|days| days.is_some()))
                .set_performance_insights_retention_period(insights.flatten())
                .send()
        })
        .await?;
        Ok(())
    }

    fn exports(&self) -> Option<Vec<String>> {
        let exports: Vec<String> = self.log_exports.iter().cloned().collect();
        (!exports.is_empty()).then_some(exports)
    }

    fn export_changes(&self, live: &Live) -> CloudwatchLogsExportConfiguration {
        let on = self.log_exports.difference(&live.log_exports).cloned().collect();
        let off = live.log_exports.difference(&self.log_exports).cloned().collect();
        CloudwatchLogsExportConfiguration::builder()
            .set_enable_log_types(Some(on))
            .set_disable_log_types(Some(off))
            .build()
    }
}

fn major(version: &str) -> &str {
    version.split('.').next().unwrap_or_default()
}

fn answered(cluster: Option<DbCluster>, operation: &str) -> Result<DbCluster> {
    cluster.ok_or_else(|| {
        Error::of(Class::Ambiguous, format!("{operation} answered without a cluster"))
    })
}

/// How long AWS takes to show that a change has begun. Seconds.
const BEGINS_WITHIN: u32 = 30;

/// Waits until a change is through: it begins a while after the call, and may take minutes.
pub(super) async fn until_settled(cx: &Cx, found: &Found<Cluster>) -> Result<()> {
    cx.pause(seconds(BEGINS_WITHIN)).await?;
    until_ready(cx, found.clone(), PATIENCE).await?;
    Ok(())
}
