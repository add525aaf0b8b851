//! The log group, with its retention and key.
//!
//! Names are ids here, and a second create is refused. How ours are found: the names below
//! [`PREFIX`] with one paginated call, and with another the wanted names that stand elsewhere
//! and those that a flow log, cluster or database of ours writes to, so that the list is complete
//! with nothing wanted, too, unless a group outside [`PREFIX`] has lost what writes to it.
//! `DescribeLogGroups` leaves tags out; they come with one call a group. (`ListLogGroups` can
//! filter by tag, but how fast that index follows a create is not documented, and it leaves the
//! retention out.)
//!
//! Retention and key are set by calls of their own; retention can not be given on create. A group
//! that is deleted while something writes to it comes back bare, so its writers go first.
//! <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>

use super::Logs;
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::ec2::flow_log::FlowLog;
use crate::aws::eks::cluster::{self as eks, Cluster as Eks};
use crate::aws::rds::cluster::{self as rds, Cluster as Rds};
use crate::aws::settle::until_seen;
use crate::aws::tags::{foreign, made_before, tag_changes, touches};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, Tags, Typical, Wanted, seen,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_cloudwatchlogs::types::{LogGroup as AwsLogGroup, LogGroupClass};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What the names of a deployment's log groups start with, unless the spec names them otherwise.
pub const PREFIX: &str = "/coder/";

/// How many groups' tags are read at once.
const AT_ONCE: usize = 8;

/// The retentions that `PutRetentionPolicy` accepts, in days.
pub const RETENTION_DAYS: &[i32] = &[
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

/// A log group.
#[derive(Clone, Debug, Serialize)]
pub struct LogGroup {
    /// Its name; fixed.
    pub name: String,
    /// For how many days events are kept, one of [`RETENTION_DAYS`]; for ever without.
    pub retention_days: Option<i32>,
    /// The ARN of the KMS key that encrypts new events; a key of AWS's own without. The key's
    /// policy must let `logs.<region>.amazonaws.com` use it.
    pub key: Option<In<String>>,
    /// What can be done with the events, and what they cost; fixed.
    pub class: StorageClass,
}

/// The class of a log group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StorageClass {
    /// All features.
    Standard,
    /// Half the price to take in, and no metric filters, subscriptions or live tail.
    InfrequentAccess,
}

impl StorageClass {
    /// As Logs writes it.
    fn as_str(self) -> &'static str {
        match self {
            StorageClass::Standard => "STANDARD",
            StorageClass::InfrequentAccess => "INFREQUENT_ACCESS",
        }
    }
}

/// A live log group.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name, which is its id.
    pub name: Id<LogGroup>,
    /// Its ARN, without `:*` behind it.
    pub arn: String,
    /// For how many days events are kept; `None` is for ever.
    pub retention_days: Option<i32>,
    /// The ARN of its key.
    pub key: Option<String>,
    /// Its class, in Logs' own word.
    pub class: String,
}

impl Handle<LogGroup> {
    /// The log group's name, which is its id.
    pub fn name(&self) -> In<Id<LogGroup>> {
        self.output("log group name", |live| Some(live.name.clone()))
    }

    /// Its ARN, without `:*` behind it.
    pub fn arn(&self) -> In<String> {
        self.output("log group arn", |live| Some(live.arn.clone()))
    }
}

impl Kind for LogGroup {
    const NAME: &'static str = "aws.logs.log_group";
    const TITLE: &'static str = "log group";
    const NATURE: Nature = Nature {
        // Looks at the flow logs, clusters and databases that were found.
        wave: 1,
        create_is: CreateIs::Named,
        actions: &[
            "logs:CreateLogGroup",
            "logs:DescribeLogGroups",
            "logs:ListTagsForResource",
            "logs:PutRetentionPolicy",
            "logs:DeleteRetentionPolicy",
            "logs:AssociateKmsKey",
            "logs:DisassociateKmsKey",
            "logs:DeleteLogGroup",
            "logs:TagResource",
            "logs:UntagResource",
        ],
        typical: Typical { create: 1, update: 1, delete: 1 },
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name, retention_days, key, class } = self;
        diff.replaces("name", name, &live.name.to_string());
        diff.replaces("class", &class.as_str().to_owned(), &live.class);
        diff.in_place("retention_days", retention_days, &live.retention_days);
        diff.input("key", &key_or_none(key), &live.key);
    }

    fn summary(&self) -> String {
        let kept = self.retention_days.map_or("for ever".to_owned(), |days| format!("{days} days"));
        format!("{}  {kept}", self.name)
    }

    fn sought_by_name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("name", live.name.to_string()), ("arn", live.arn.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let written_to = seen::<FlowLog>(found)
            .into_iter()
            .filter_map(|(_, _, flow_log)| flow_log.log_group.as_ref())
            .map(|name| name.as_str());
        let of_clusters = seen::<Eks>(found);
        let of_clusters =
            of_clusters.into_iter().map(|(_, _, live)| eks::log_group(live.name.as_str()));
        let of_databases = seen::<Rds>(found);
        let of_databases = of_databases.iter().flat_map(|(_, _, live)| {
            live.log_exports.iter().map(|log| rds::log_group(live.name.as_str(), log))
        });
        let of_others: Vec<String> = of_clusters.chain(of_databases).collect();
        let known: BTreeSet<&str> = wanted
            .iter()
            .map(|wanted| wanted.desired.name.as_str())
            .chain(written_to)
            .chain(of_others.iter().map(String::as_str))
            .chain(cx.remembered(Self::NAME))
            .collect();
        let by_name = |groups: Vec<AwsLogGroup>| -> BTreeMap<String, AwsLogGroup> {
            let groups = groups.into_iter();
            groups.filter_map(|it| Some((it.log_group_name()?.to_owned(), it))).collect()
        };
        let groups = if cx.remembers_all(Self::NAME) {
            let mut groups = by_name(exactly(cx, &known).await?);
            if known.iter().any(|name| !groups.contains_key(*name)) {
                groups.extend(by_name(named(cx, PREFIX).await?));
            }
            groups
        } else {
            let elsewhere = known.into_iter().filter(|name| !name.starts_with(PREFIX)).collect();
            let (below, elsewhere) =
                futures::try_join!(named(cx, PREFIX), exactly(cx, &elsewhere))?;
            by_name(below.into_iter().chain(elsewhere).collect())
        };
        let read: Vec<(Live, Option<Tags>)> = stream::iter(groups.into_values())
            .map(|group| async move {
                let live = live(cx, &group)?;
                let tags = tags_of(cx, &live.arn).await?;
                Ok::<_, Error>((live, tags))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut listed = Listed::default();
        for (live, tags) in read {
            // Gone between the two calls.
            let Some(tags) = tags else { continue };
            let id = live.name.to_string();
            let wants = wanted.iter().find(|wanted| wanted.desired.name == id);
            if let (Some(wants), Some(owner)) = (wants, foreign(cx, &tags)) {
                let clash =
                    Clash { address: wants.address.clone(), id: PhysicalId::new(id), owner };
                listed.clashes.push(clash);
                continue;
            }
            listed.add(cx, id, tags, Status::Ready, parents(&live), live);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let logs = cx.api::<Logs>()?;
        let tags: std::collections::HashMap<_, _> = cx.tags()?.into_iter().collect();
        let key = self.key.as_ref().map(|key| cx.get(key)).transpose()?;
        let class = LogGroupClass::from(self.class.as_str());
        let made = call(cx, "logs:CreateLogGroup", Repeat::Safe, PASSING, || {
            logs.0
                .create_log_group()
                .log_group_name(&self.name)
                .log_group_class(class.clone())
                .set_kms_key_id(key.clone())
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        match made {
            Err(error) if error.class == Class::Exists => {
                let look = || read_one(cx, &self.name);
                let there = until_seen(cx, look).await?.ok_or(error)?;
                let (live, tags) = there;
                let owner = made_before(cx, Self::TITLE, &self.name, &tags)?;
                return Ok(whole(live, tags, owner));
            }
            made => made?,
        };
        let deployment = &cx.deployment;
        let arn = format!(
            "arn:{}:logs:{}:{}:log-group:{}",
            deployment.partition, cx.region, deployment.account, self.name
        );
        let class = self.class.as_str().to_owned();
        let live = Live { name: Id::new(&self.name), arn, retention_days: None, key, class };
        Found::created(cx, &self.name, Status::Ready, parents(&live), live)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let logs = cx.api::<Logs>()?;
        let name = found.live.name.as_str();
        if touches(changes, "retention_days") {
            match self.retention_days {
                Some(days) => {
                    call(cx, "logs:PutRetentionPolicy", Repeat::Safe, PASSING, || {
                        logs.0
                            .put_retention_policy()
                            .log_group_name(name)
                            .retention_in_days(days)
                            .send()
                    })
                    .await?;
                }
                None => {
                    call(cx, "logs:DeleteRetentionPolicy", Repeat::Safe, PASSING, || {
                        logs.0.delete_retention_policy().log_group_name(name).send()
                    })
                    .await?;
                }
            }
        }
        if touches(changes, "key") {
            match &self.key {
                Some(key) => {
                    let key = cx.get(key)?;
                    call(cx, "logs:AssociateKmsKey", Repeat::Safe, PASSING, || {
                        logs.0.associate_kms_key().log_group_name(name).kms_key_id(&key).send()
                    })
                    .await?;
                }
                None => {
                    call(cx, "logs:DisassociateKmsKey", Repeat::Safe, PASSING, || {
                        logs.0.disassociate_kms_key().log_group_name(name).send()
                    })
                    .await?;
                }
            }
        }
        retag(cx, &found.live.arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let logs = cx.api::<Logs>()?;
        let name = found.live.name.as_str();
        gone_is_fine(
            call(cx, "logs:DeleteLogGroup", Repeat::Safe, PASSING, || {
                logs.0.delete_log_group().log_group_name(name).send()
            })
            .await,
        )?;
        Ok(())
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let there = read_one(cx, id.as_str()).await?;
        Ok(there.map(|(live, tags)| whole(live, tags, owner.clone())))
    }
}

/// What passes by itself: a change of the same group that is under way, and a key whose policy
/// Logs has not seen yet.
const PASSING: &[Passing] = &[
    Passing {
        code: "OperationAbortedException",
        message: "",
        seconds: 60,
        waiting_for: "another change of the log group",
    },
    Passing {
        code: "InvalidParameterException",
        message: "KMS",
        seconds: 60,
        waiting_for: "the key's policy to spread",
    },
];

fn key_or_none(key: &Option<In<String>>) -> In<Option<String>> {
    key.clone().map_or(In::Literal(None), |key| key.map(Some))
}

/// A key can not go while a group still needs it to read its events.
fn parents(live: &Live) -> Vec<PhysicalId> {
    live.key.iter().filter_map(|arn| arn.rsplit('/').next()).map(PhysicalId::new).collect()
}

fn whole(live: Live, tags: Tags, owner: Ownership) -> Found<LogGroup> {
    let id = PhysicalId::new(live.name.as_str());
    Found { id, owner, status: Status::Ready, parents: parents(&live), tags, live }
}

fn live(cx: &Cx, group: &AwsLogGroup) -> Result<Live> {
    let name = group
        .log_group_name()
        .ok_or_else(|| Error::local("logs answered a log group without a name"))?;
    let arn = match (group.log_group_arn(), group.arn()) {
        (Some(arn), _) => arn.to_owned(),
        (None, Some(arn)) => arn.trim_end_matches(":*").to_owned(),
        (None, None) => format!(
            "arn:{}:logs:{}:{}:log-group:{name}",
            cx.deployment.partition, cx.region, cx.deployment.account
        ),
    };
    Ok(Live {
        name: Id::new(name),
        arn,
        retention_days: group.retention_in_days(),
        key: group.kms_key_id().map(str::to_owned),
        class: group.log_group_class().map_or("STANDARD", LogGroupClass::as_str).to_owned(),
    })
}

/// How many names `DescribeLogGroups` takes at once.
/// <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_DescribeLogGroups.html>
const NAMES_AT_ONCE: usize = 50;

/// The groups with these names, as far as they exist. Names are a filter there, so one that is not
/// there is left out; should AWS refuse one as not found, each is looked for by itself.
async fn exactly(cx: &Cx, names: &BTreeSet<&str>) -> Result<Vec<AwsLogGroup>> {
    let logs = cx.api::<Logs>()?;
    let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut groups = Vec::new();
    for some in all.chunks(NAMES_AT_ONCE) {
        let pages = gone_is_fine(
            pages(
                cx,
                "logs:DescribeLogGroups",
                |token| {
                    let request = logs.0.describe_log_groups();
                    request
                        .set_log_group_identifiers(Some(some.to_vec()))
                        .set_next_token(token)
                        .send()
                },
                |page| page.next_token(),
            )
            .await,
        )?;
        match pages {
            Some(pages) => {
                groups.extend(pages.into_iter().flat_map(|it| it.log_groups.unwrap_or_default()));
            }
            None => {
                for name in some {
                    groups.extend(named(cx, name).await?);
                }
            }
        }
    }
    groups.retain(|group| group.log_group_name().is_some_and(|name| names.contains(name)));
    Ok(groups)
}

/// All groups whose names start with `prefix`.
async fn named(cx: &Cx, prefix: &str) -> Result<Vec<AwsLogGroup>> {
    let logs = cx.api::<Logs>()?;
    let pages = pages(
        cx,
        "logs:DescribeLogGroups",
        |token| {
            logs.0.describe_log_groups().log_group_name_prefix(prefix).set_next_token(token).send()
        },
        |page| page.next_token(),
    )
    .await?;
    Ok(pages.into_iter().flat_map(|page| page.log_groups.unwrap_or_default()).collect())
}

async fn read_one(cx: &Cx, name: &str) -> Result<Option<(Live, Tags)>> {
    let groups = named(cx, name).await?;
    let Some(group) = groups.iter().find(|group| group.log_group_name() == Some(name)) else {
        return Ok(None);
    };
    let live = live(cx, group)?;
    Ok(tags_of(cx, &live.arn).await?.map(|tags| (live, tags)))
}

async fn tags_of(cx: &Cx, arn: &str) -> Result<Option<Tags>> {
    let logs = cx.api::<Logs>()?;
    let answer = gone_is_fine(
        safe(cx, "logs:ListTagsForResource", || {
            logs.0.list_tags_for_resource().resource_arn(arn).send()
        })
        .await,
    )?;
    Ok(answer.map(|answer| answer.tags.unwrap_or_default().into_iter().collect()))
}

async fn retag(cx: &Cx, arn: &str, changes: &[Change]) -> Result<()> {
    let logs = cx.api::<Logs>()?;
    let (set, removed) = tag_changes(changes);
    if !set.is_empty() {
        let set: std::collections::HashMap<_, _> = set.into_iter().collect();
        safe(cx, "logs:TagResource", || {
            logs.0.tag_resource().resource_arn(arn).set_tags(Some(set.clone())).send()
        })
        .await?;
    }
    if !removed.is_empty() {
        safe(cx, "logs:UntagResource", || {
            logs.0.untag_resource().resource_arn(arn).set_tag_keys(Some(removed.clone())).send()
        })
        .await?;
    }
    Ok(())
}
