//! The Aurora PostgreSQL cluster, with serverless v2 capacity: storage, endpoints, backups. What
//! computes are its instances.
//!
//! `DescribeDBClusters` tells tags inline and takes no filter by tag; a second create is refused
//! by name. Changes are sent with `ApplyImmediately`: without, AWS defers them to the maintenance
//! window and says nothing. AWS upgrades minor versions by itself, so a live version ahead of the
//! wanted one is no drift, and a snapshot that is ahead is restored in its own version. The zones that AWS names are its own choice, and not compared.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBCluster.html>
//!
//! The master password is in a secret. It can't be read back; a tag says which version of the
//! secret it was set from, so a new version of the secret is a change of the cluster, and so is a
//! cluster restored from a snapshot, which comes up with the password of back then.
//!
//! A rotation stages the new value beside the current one; the change of the password is then the
//! call that sets it, waiting until it is in force, making the value the current one, and the tag,
//! in this order. If the process dies anywhere between, the version that the tag does not name yet
//! is a change again, and the same password is set once more.
//!
//! Deleting takes a last snapshot, unless the spec says no. AWS takes it as a part of the delete,
//! and refuses a second delete meanwhile; its name follows from the cluster, so that there are never
//! two of one delete, whoever sends it again.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBCluster.html>

mod final_snapshot;
mod reading;
mod requests;
pub mod versions;

use super::cluster_parameter_group::ClusterParameterGroup;
use super::subnet_group::SubnetGroup;
use super::{CLUSTER_BUSY, Rds, name_of, retag, set_tags};
use crate::aws::call::{Repeat, call, gone_is_fine, pages};
use crate::aws::ec2::security_group::SecurityGroup;
use crate::aws::secretsmanager::secret::{ManagedSecret, rotation};
use crate::aws::settle::{Patience, until_gone, until_ready, until_seen};
use crate::aws::tags::{foreign, made_before, touches};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Found, Kind, Listed, Nature, Ownership, Result, Seen,
    Status, Tags, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Known};
use reading::{read_one, reading};
use serde::Serialize;
use std::collections::BTreeSet;

/// The tag that says from which version of its secret the master password was set.
pub const TAG_PASSWORD_VERSION: &str = "coderctl:password-version";
/// The tag that says whether a last snapshot is taken: by then, nobody may want the cluster any
/// more who could say it.
pub const TAG_FINAL_SNAPSHOT: &str = "coderctl:final-snapshot";
/// The tag that says whether automated backups go with the cluster.
pub const TAG_DELETE_BACKUPS: &str = "coderctl:delete-automated-backups";

/// Aurora PostgreSQL, the engine of every cluster here.
pub(super) const ENGINE: &str = "aurora-postgresql";
/// Ends standard support without entering the extended one, which costs extra.
const NO_EXTENDED_SUPPORT: &str = "open-source-rds-extended-support-disabled";

/// An Aurora PostgreSQL cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Cluster {
    /// Its identifier, in lower case, 63 characters at most; fixed.
    pub name: String,
    /// The engine's version, `16.4`, or its major version alone; what is live without. It only
    /// goes up.
    pub version: Option<String>,
    /// The capacity of each instance.
    pub capacity: Capacity,
    /// The name of the database that is made in it; fixed.
    pub database: String,
    /// The master user and where its password is.
    pub master: Master,
    /// Where its instances stand; fixed.
    pub subnet_group: In<Id<SubnetGroup>>,
    /// Who may connect.
    pub security_groups: Vec<In<Id<SecurityGroup>>>,
    /// PostgreSQL's settings.
    pub parameter_group: In<Id<ClusterParameterGroup>>,
    /// The ARN of the KMS key that encrypts it; RDS's own without. Fixed.
    pub key: Option<In<String>>,
    /// Backups.
    pub backup: Backup,
    /// When AWS may maintain it, `sun:05:00-sun:06:00` UTC; AWS's choice without.
    pub maintenance_window: Option<String>,
    /// Whether AWS refuses to delete it until this is turned off.
    pub deletion_protection: bool,
    /// Whether IAM principals can log in.
    pub iam_authentication: bool,
    /// Which logs go to CloudWatch, `postgresql`.
    pub log_exports: BTreeSet<String>,
    /// For how many days Performance Insights keeps what it sees; off without.
    pub performance_insights_days: Option<i32>,
    /// The snapshot that it is made from, by identifier or ARN. Only looked at when it is made.
    pub from_snapshot: Option<String>,
}

/// The capacity of each instance, in Aurora capacity units; steps of a half.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Capacity {
    /// The least, from 0 (pauses when idle).
    pub min: f64,
    /// The most, up to 256.
    pub max: f64,
}

/// The master user.
#[derive(Clone, Debug, Serialize)]
pub struct Master {
    /// Its name; fixed.
    pub username: String,
    /// The secret with its password.
    pub secret: In<Id<ManagedSecret>>,
    /// The version of the secret's value to set.
    pub version: In<String>,
    /// The member of the secret's JSON object that is the password; the whole text without.
    pub key: Option<String>,
}

/// Backups of a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Backup {
    /// For how many days a point in time can be restored, 1 to 35.
    pub retention_days: i32,
    /// When the daily one is taken, `03:00-04:00` UTC; AWS's choice without.
    pub window: Option<String>,
    /// Whether deleting the cluster takes a last snapshot.
    pub final_snapshot: bool,
    /// Whether deleting the cluster deletes its automated backups.
    pub delete_automated: bool,
}

/// A live cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its identifier.
    pub name: Id<Cluster>,
    /// Its ARN.
    pub arn: String,
    /// The id that IAM policies and CloudTrail know it by, `cluster-ABC`.
    pub resource_id: Option<String>,
    /// Where writes go.
    pub endpoint: Option<String>,
    /// Where reads may go.
    pub reader_endpoint: Option<String>,
    /// The port of both.
    pub port: Option<i32>,
    /// The engine's version.
    pub version: String,
    /// The capacity of each instance.
    pub capacity: Option<Capacity>,
    /// The first database in it.
    pub database: Option<String>,
    /// The master user's name.
    pub master: String,
    /// The version of the secret that its password was set from.
    pub password_version: Option<String>,
    /// Where its instances stand.
    pub subnet_group: Id<SubnetGroup>,
    /// Who may connect.
    pub security_groups: BTreeSet<Id<SecurityGroup>>,
    /// PostgreSQL's settings.
    pub parameter_group: Id<ClusterParameterGroup>,
    /// The ARN of its key.
    pub key: Option<String>,
    /// Backups; the window is always known.
    pub backup: Backup,
    /// When AWS may maintain it.
    pub maintenance_window: Option<String>,
    /// Whether AWS refuses to delete it.
    pub deletion_protection: bool,
    /// Whether IAM principals can log in.
    pub iam_authentication: bool,
    /// Which logs go to CloudWatch.
    pub log_exports: BTreeSet<String>,
    /// Whether snapshots carry its tags.
    pub copies_tags: bool,
    /// For how many days Performance Insights keeps what it sees.
    pub performance_insights_days: Option<i32>,
}

/// The log group that a cluster of this name exports a log to. RDS has fixed it, and makes it anew,
/// to be kept for ever, when it is gone while an instance still writes.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.CloudWatch.html>
pub fn log_group(name: &str, log: &str) -> String {
    format!("/aws/rds/cluster/{name}/{log}")
}

impl Handle<Cluster> {
    /// The cluster's identifier. Instances need it [`In::ready`]: one can't be added to a cluster
    /// that is still `creating`.
    pub fn name(&self) -> In<Id<Cluster>> {
        self.output("database cluster identifier", |live| Some(live.name.clone()))
    }

    /// The host name that writes go to.
    pub fn endpoint(&self) -> In<String> {
        self.output("database endpoint", |live| live.endpoint.clone())
    }

    /// The host name that reads may go to.
    pub fn reader_endpoint(&self) -> In<String> {
        self.output("database reader endpoint", |live| live.reader_endpoint.clone())
    }

    /// The port of both endpoints.
    pub fn port(&self) -> In<i32> {
        self.output("database port", |live| live.port)
    }

    /// The version of the secret that the master password in force was set from. Whoever hands the
    /// password on needs it [`In::ready`].
    pub fn password_version(&self) -> In<String> {
        self.output("version of the database's password", |live| live.password_version.clone())
    }

    /// The id that IAM policies name it by, `cluster-ABC`.
    pub fn resource_id(&self) -> In<String> {
        self.output("database resource id", |live| live.resource_id.clone())
    }
}

impl Kind for Cluster {
    const NAME: &'static str = "aws.rds.cluster";
    const TITLE: &'static str = "database cluster";
    const NATURE: Nature = Nature {
        holds_data: true,
        create_is: CreateIs::Named,
        typical: Typical { create: 60, update: 60, delete: 180 },
        actions: &[
            "rds:CreateDBCluster",
            "rds:RestoreDBClusterFromSnapshot",
            "rds:DescribeDBClusters",
            "rds:DescribeDBEngineVersions",
            "rds:ModifyDBCluster",
            "rds:DeleteDBCluster",
            "rds:CreateDBClusterSnapshot",
            "rds:DescribeDBClusterSnapshots",
            "rds:AddTagsToResource",
            "rds:RemoveTagsFromResource",
            "secretsmanager:GetSecretValue",
            "secretsmanager:DescribeSecret",
            "secretsmanager:UpdateSecretVersionStage",
            // RDS encrypts with the key on the caller's behalf.
            "kms:CreateGrant",
            "kms:DescribeKey",
            // The first cluster of an account makes RDS's service-linked role.
            "iam:CreateServiceLinkedRole",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self {
            name,
            version,
            capacity,
            database,
            master,
            subnet_group,
            security_groups,
            parameter_group,
            key,
            backup,
            maintenance_window,
            deletion_protection,
            iam_authentication,
            log_exports,
            performance_insights_days,
            from_snapshot: _,
        } = self;
        diff.replaces("name", name, &live.name.to_string());
        if let Some(version) = version {
            diff.one_way("version", version, &live.version, reading::is_at_least);
        }
        let Capacity { min, max } = capacity;
        diff.in_place("min_capacity", &Some(*min), &live.capacity.map(|live| live.min));
        diff.in_place("max_capacity", &Some(*max), &live.capacity.map(|live| live.max));
        diff.replaces("database", &Some(database), &live.database.as_ref());
        let Master { username, secret: _, version, key: _ } = master;
        diff.replaces("master_username", username, &live.master);
        diff.input("master_password", &version.clone().map(Some), &live.password_version);
        if let Known::Yes(version) = diff.known(version)
            && rotation::is_ours(&version)
            && live.password_version.as_ref() != Some(&version)
        {
            diff.note("a rotation of its password has begun: this goes on with it");
        }
        diff.replaces_input("subnet_group", subnet_group, &live.subnet_group);
        diff.set("security_groups", security_groups, &live.security_groups);
        diff.input("parameter_group", parameter_group, &live.parameter_group);
        if let Some(key) = key {
            diff.replaces_input("key", &key.clone().map(Some), &live.key);
        }
        let Backup { retention_days, window, final_snapshot, delete_automated } = backup;
        diff.in_place("backup_retention_days", retention_days, &live.backup.retention_days);
        if window.is_some() {
            diff.in_place("backup_window", window, &live.backup.window);
        }
        diff.in_place("final_snapshot", final_snapshot, &live.backup.final_snapshot);
        diff.in_place("delete_automated_backups", delete_automated, &live.backup.delete_automated);
        if maintenance_window.is_some() {
            diff.in_place("maintenance_window", maintenance_window, &live.maintenance_window);
        }
        diff.in_place("deletion_protection", deletion_protection, &live.deletion_protection);
        diff.in_place("iam_authentication", iam_authentication, &live.iam_authentication);
        diff.in_place("log_exports", log_exports, &live.log_exports);
        diff.in_place("copies_tags", &true, &live.copies_tags);
        diff.in_place(
            "performance_insights_days",
            performance_insights_days,
            &live.performance_insights_days,
        );
    }

    fn summary(&self) -> String {
        let Capacity { min, max } = self.capacity;
        let version = self.version.as_deref().unwrap_or("of AWS's choice");
        format!("{}  {ENGINE} {version}  {min}-{max} ACU", self.name)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let mut described =
            vec![("name", live.name.to_string()), ("version", live.version.clone())];
        described.extend(live.endpoint.clone().map(|host| ("endpoint", host)));
        described.extend(live.reader_endpoint.clone().map(|host| ("reader_endpoint", host)));
        described
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let rds = cx.api::<Rds>()?;
        let pages = pages(
            cx,
            "rds:DescribeDBClusters",
            |marker| rds.0.describe_db_clusters().set_marker(marker).send(),
            |page| page.marker(),
        )
        .await?;
        let mut listed = Listed::default();
        for cluster in pages.iter().flat_map(|page| page.db_clusters()) {
            let reading = reading(cx, cluster)?;
            let wants =
                wanted.iter().find(|wants| wants.desired.name == reading.live.name.as_str());
            if let (Some(wants), Some(owner)) = (wants, foreign(cx, &reading.tags)) {
                let id = PhysicalId::new(reading.id);
                listed.clashes.push(Clash { address: wants.address.clone(), id, owner });
                continue;
            }
            reading.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let mut tags = self.on_delete();
        tags.extend(cx.tags()?);
        let made = match &self.from_snapshot {
            Some(snapshot) => self.send_restore(cx, snapshot, &tags).await,
            None => {
                let (password, version) = requests::password(cx, &self.master).await?;
                // Without the tag, the comparison at the end of the step sets the password once
                // more, and so ends the rotation.
                if !rotation::is_ours(&version) {
                    tags.insert(TAG_PASSWORD_VERSION.to_owned(), version);
                }
                self.send_create(cx, &password, &tags).await
            }
        };
        let made = match made {
            Err(error) if error.class == Class::Exists => {
                let there = until_seen(cx, || read_one(cx, &self.name)).await?.ok_or(error)?;
                let owner = made_before(cx, Self::TITLE, &self.name, &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let reading = reading(cx, &made)?;
        // The answer may leave tags out, and with them what they say.
        let live = Live {
            password_version: tags.get(TAG_PASSWORD_VERSION).cloned(),
            backup: Backup {
                final_snapshot: self.backup.final_snapshot,
                delete_automated: self.backup.delete_automated,
                ..reading.live.backup
            },
            ..reading.live
        };
        let status = Status::Busy("creating".to_owned());
        let found = Found::created(cx, reading.id, status, reading.parents, live)?;
        Ok(Found { tags, ..found })
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, PATIENCE).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let ours = ["final_snapshot", "delete_automated_backups"];
        let by_rds = |change: &Change| {
            !change.field.starts_with("tags.") && !ours.contains(&change.field.as_str())
        };
        let mut tags = Tags::new();
        if changes.iter().any(by_rds) {
            let password = match touches(changes, "master_password") {
                true => Some(requests::password(cx, &self.master).await?),
                false => None,
            };
            let (password, version) = password.unzip();
            self.send_modify(cx, found, changes, password.as_ref()).await?;
            requests::until_settled(cx, found).await?;
            if let Some(version) = version {
                let secret = cx.get(&self.master.secret)?;
                rotation::promote(cx, secret.as_str(), &version).await?;
                // Last: a crash before it sets the same password once more.
                tags.insert(TAG_PASSWORD_VERSION.to_owned(), version);
            }
        }
        if ours.iter().any(|field| touches(changes, field)) {
            tags.extend(self.on_delete());
        }
        set_tags(cx, &found.live.arn, &tags).await?;
        retag(cx, &found.live.arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let rds = cx.api::<Rds>()?;
        let name = found.live.name.as_str();
        if found.status != Status::Leaving {
            if found.live.deletion_protection {
                let unprotected =
                    call(cx, "rds:ModifyDBCluster", Repeat::Safe, &[CLUSTER_BUSY], || {
                        rds.0
                            .modify_db_cluster()
                            .db_cluster_identifier(name)
                            .deletion_protection(false)
                            .apply_immediately(true)
                            .send()
                    })
                    .await;
                if gone_is_fine(unprotected)?.is_none() {
                    return Ok(());
                }
            }
            match final_snapshot::delete(cx, found).await {
                Ok(()) => {}
                Err(error) if error.class == Class::NotFound => return Ok(()),
                // An attempt whose answer was lost may have been carried out.
                Err(error) => match Self::read(cx, found).await? {
                    Some(now) if now.status != Status::Leaving => return Err(error),
                    _ => {}
                },
            }
        }
        until_gone(cx, found, Patience { every: 10, at_most: 3600 }).await
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let reading = read_one(cx, name_of(id)).await?;
        Ok(reading.map(|reading| reading.owned(owner)))
    }
}

/// A restore of a large snapshot takes long.
const PATIENCE: Patience = Patience { every: 5, at_most: 7200 };

impl Cluster {
    /// The tags that say what a delete does.
    fn on_delete(&self) -> Tags {
        let Backup { final_snapshot, delete_automated, .. } = self.backup;
        Tags::from([
            (TAG_FINAL_SNAPSHOT.to_owned(), final_snapshot.to_string()),
            (TAG_DELETE_BACKUPS.to_owned(), delete_automated.to_string()),
        ])
    }
}
