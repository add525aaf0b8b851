//! The instance of an Aurora cluster: what computes. Its capacity is the cluster's (serverless
//! v2), and so are storage, encryption, backups and security groups.
//!
//! Instances come up in six minutes or so, all at once as soon as the cluster has left `creating`.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>

use super::cluster::{Cluster, ENGINE};
use super::{INSTANCE_BUSY, Rds, arn, from_rds, name_of, retag, to_rds, told};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::settle::{Patience, until_gone, until_ready, until_seen};
use crate::aws::tags::{foreign, made_before};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, Typical, Wanted, seconds,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_rds::types::DbInstance;
use serde::Serialize;

/// The class of an instance whose capacity follows its load.
pub const SERVERLESS: &str = "db.serverless";

/// An instance of a cluster.
#[derive(Clone, Debug, Serialize)]
pub struct Instance {
    /// Its identifier, in lower case, 63 characters at most; fixed.
    pub name: String,
    /// The cluster that it is a part of.
    pub cluster: In<Id<Cluster>>,
    /// Its class, [`SERVERLESS`].
    pub class: String,
    /// Who takes over when the writer fails: the lowest first, 0 to 15. Those of tier 0 and 1
    /// follow the writer's capacity.
    pub promotion_tier: i32,
    /// Whether Performance Insights looks at it.
    pub performance_insights: bool,
    /// Whether AWS upgrades minor versions in the maintenance window.
    pub minor_upgrades: bool,
    /// Enhanced monitoring; off without.
    pub monitoring: Option<Monitoring>,
}

/// Enhanced monitoring.
#[derive(Clone, Debug, Serialize)]
pub struct Monitoring {
    /// How often, in seconds: 1, 5, 10, 15, 30 or 60.
    pub seconds: i32,
    /// The ARN of the role that writes the numbers to CloudWatch Logs.
    pub role: In<String>,
}

/// A live instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its identifier.
    pub name: Id<Instance>,
    /// Its ARN.
    pub arn: String,
    /// The cluster that it is a part of.
    pub cluster: Id<Cluster>,
    /// Its class.
    pub class: String,
    /// Who takes over when the writer fails.
    pub promotion_tier: i32,
    /// Whether Performance Insights looks at it.
    pub performance_insights: bool,
    /// Whether AWS upgrades minor versions by itself.
    pub minor_upgrades: bool,
    /// How often enhanced monitoring looks, in seconds; 0 is off.
    pub monitoring_seconds: i32,
    /// The ARN of the role that it writes with.
    pub monitoring_role: Option<String>,
    /// The zone that it stands in, once it does.
    pub zone: Option<String>,
}

impl Handle<Instance> {
    /// The instance's identifier.
    pub fn name(&self) -> In<Id<Instance>> {
        self.output("database instance identifier", |live| Some(live.name.clone()))
    }
}

impl Kind for Instance {
    const NAME: &'static str = "aws.rds.instance";
    const TITLE: &'static str = "database instance";
    const NATURE: Nature = Nature {
        create_is: CreateIs::Named,
        typical: Typical { create: 381, update: 60, delete: 300 },
        actions: &[
            "rds:CreateDBInstance",
            "rds:DescribeDBInstances",
            "rds:ModifyDBInstance",
            "rds:DeleteDBInstance",
            "rds:AddTagsToResource",
            "rds:RemoveTagsFromResource",
            // Enhanced monitoring is given a role.
            "iam:PassRole",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self {
            name,
            cluster,
            class,
            promotion_tier,
            performance_insights,
            minor_upgrades,
            monitoring,
        } = self;
        diff.replaces("name", name, &live.name.to_string());
        diff.parent("cluster", cluster, &live.cluster);
        diff.in_place("class", class, &live.class);
        diff.in_place("promotion_tier", promotion_tier, &live.promotion_tier);
        diff.in_place("performance_insights", performance_insights, &live.performance_insights);
        diff.in_place("minor_upgrades", minor_upgrades, &live.minor_upgrades);
        let every = monitoring.as_ref().map_or(0, |monitoring| monitoring.seconds);
        diff.in_place("monitoring_seconds", &every, &live.monitoring_seconds);
        if let Some(Monitoring { seconds: _, role }) = monitoring {
            diff.input("monitoring_role", &role.clone().map(Some), &live.monitoring_role);
        }
    }

    fn summary(&self) -> String {
        format!("{}  {}", self.name, self.class)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let mut described = vec![("name", live.name.to_string())];
        described.extend(live.zone.clone().map(|zone| ("zone", zone)));
        described
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let rds = cx.api::<Rds>()?;
        let pages = pages(
            cx,
            "rds:DescribeDBInstances",
            |marker| rds.0.describe_db_instances().set_marker(marker).send(),
            |page| page.marker(),
        )
        .await?;
        let mut listed = Listed::default();
        for instance in pages.iter().flat_map(|page| page.db_instances()) {
            let reading = reading(cx, instance)?;
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
        let rds = cx.api::<Rds>()?;
        let cluster = cx.get(&self.cluster)?;
        let role = self.monitoring.as_ref().map(|wants| cx.get(&wants.role)).transpose()?;
        let tags = to_rds(&cx.tags()?);
        let made = call(cx, "rds:CreateDBInstance", Repeat::Safe, &CREATING, || {
            rds.0
                .create_db_instance()
                .db_instance_identifier(&self.name)
                .db_cluster_identifier(cluster.as_str())
                .db_instance_class(&self.class)
                .engine(ENGINE)
                .promotion_tier(self.promotion_tier)
                .enable_performance_insights(self.performance_insights)
                .auto_minor_version_upgrade(self.minor_upgrades)
                .set_monitoring_interval(self.monitoring.as_ref().map(|wants| wants.seconds))
                .set_monitoring_role_arn(role.clone())
                .publicly_accessible(false)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        let made = match made {
            Err(error) if error.class == Class::Exists => {
                let there = until_seen(cx, || read_one(cx, &self.name)).await?.ok_or(error)?;
                let owner = made_before(cx, Self::TITLE, &self.name, &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let made = made.db_instance().ok_or_else(|| {
            Error::of(Class::Ambiguous, "CreateDBInstance answered without an instance")
        })?;
        let reading = reading(cx, made)?;
        let status = Status::Busy("creating".to_owned());
        Found::created(cx, reading.id, status, reading.parents, reading.live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, PATIENCE).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        retag(cx, &found.live.arn, changes).await?;
        if changes.iter().all(|change| change.field.starts_with("tags.")) {
            return Ok(());
        }
        let rds = cx.api::<Rds>()?;
        let role = self.monitoring.as_ref().map(|wants| cx.get(&wants.role)).transpose()?;
        call(cx, "rds:ModifyDBInstance", Repeat::Safe, &[INSTANCE_BUSY], || {
            rds.0
                .modify_db_instance()
                .db_instance_identifier(found.live.name.as_str())
                .apply_immediately(true)
                .db_instance_class(&self.class)
                .promotion_tier(self.promotion_tier)
                .enable_performance_insights(self.performance_insights)
                .auto_minor_version_upgrade(self.minor_upgrades)
                .monitoring_interval(self.monitoring.as_ref().map_or(0, |wants| wants.seconds))
                .set_monitoring_role_arn(role.clone())
                .send()
        })
        .await?;
        // The change begins a while after the call, and may take minutes.
        cx.pause(seconds(30)).await?;
        until_ready(cx, found.clone(), PATIENCE).await?;
        Ok(())
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let rds = cx.api::<Rds>()?;
        let name = found.live.name.as_str();
        if found.status != Status::Leaving {
            let sent = call(cx, "rds:DeleteDBInstance", Repeat::Safe, &DELETING, || {
                let request = rds.0.delete_db_instance().db_instance_identifier(name);
                request.skip_final_snapshot(true).send()
            })
            .await;
            match sent {
                Ok(_) => {}
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

const PATIENCE: Patience = Patience { every: 10, at_most: 3600 };

/// A cluster that is not there for all of RDS yet, or busy.
const CREATING: [Passing; 3] = [
    Passing {
        code: "InvalidDBClusterStateFault",
        message: "",
        seconds: 900,
        waiting_for: "the database cluster to be available",
    },
    Passing {
        code: "DBClusterNotFoundFault",
        message: "",
        seconds: 120,
        waiting_for: "RDS to know the new cluster everywhere",
    },
    Passing {
        code: "InvalidParameterValue",
        message: "IAM role ARN value is invalid or does not include the required permissions",
        seconds: 120,
        waiting_for: "IAM to spread the monitoring role",
    },
];

/// An instance that is busy takes no delete yet; one that is being deleted never will.
const DELETING: [Passing; 1] = [Passing {
    code: "InvalidDBInstanceState",
    message: "is not in available state",
    seconds: 900,
    waiting_for: "the database instance to be available",
}];

async fn read_one(cx: &Cx, name: &str) -> Result<Option<Reading<Instance>>> {
    let rds = cx.api::<Rds>()?;
    let answer = gone_is_fine(
        safe(cx, "rds:DescribeDBInstances", || {
            rds.0.describe_db_instances().db_instance_identifier(name).send()
        })
        .await,
    )?;
    let instance = answer.as_ref().and_then(|answer| answer.db_instances().first());
    instance.map(|instance| reading(cx, instance)).transpose()
}

fn reading(cx: &Cx, instance: &DbInstance) -> Result<Reading<Instance>> {
    let name = told(instance.db_instance_identifier(), "identifier of a database instance")?;
    let id = instance.db_instance_arn().map_or_else(|| arn(cx, "db", &name), str::to_owned);
    let status = match instance.db_instance_status().unwrap_or("creating") {
        // Usable; what is in hand goes on behind it.
        "available" | "storage-optimization" => Status::Ready,
        "deleting" => Status::Leaving,
        failed @ ("failed"
        | "restore-error"
        | "incompatible-network"
        | "incompatible-parameters"
        | "incompatible-restore"
        | "insufficient-capacity"
        | "inaccessible-encryption-credentials") => Status::Failed(failed.to_owned()),
        busy => Status::Busy(busy.to_owned()),
    };
    let pending = instance.pending_modified_values();
    let cluster = instance.db_cluster_identifier().unwrap_or_default();
    let live = Live {
        name: Id::new(&name),
        arn: id.clone(),
        cluster: Id::new(cluster),
        class: pending
            .and_then(|pending| pending.db_instance_class())
            .or(instance.db_instance_class())
            .unwrap_or_default()
            .to_owned(),
        promotion_tier: instance.promotion_tier().unwrap_or(1),
        performance_insights: instance.performance_insights_enabled().unwrap_or(false),
        minor_upgrades: instance.auto_minor_version_upgrade().unwrap_or(false),
        monitoring_seconds: instance.monitoring_interval().unwrap_or(0),
        monitoring_role: instance.monitoring_role_arn().map(str::to_owned),
        zone: instance.availability_zone().map(str::to_owned),
    };
    let parents = match cluster {
        "" => Vec::new(),
        cluster => vec![PhysicalId::new(arn(cx, "cluster", cluster))],
    };
    Ok(Reading { id, status, parents, tags: from_rds(instance.tag_list()), live })
}
