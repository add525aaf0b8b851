//! The DB cluster parameter group: settings of PostgreSQL that are not AWS's defaults.
//!
//! Its family (`aurora-postgresql16`) is fixed, so a major upgrade makes a new one first, the
//! cluster moves over, and the old one goes. Parameters can't be given on create: the comparison
//! at the end of the step sets them, at most twenty with a call. AWS advises to wait five minutes
//! before a fresh group is used; it is made long before the cluster would be waited for.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBClusterParameterGroup.html>

use super::{Rds, arn, name_of, retag, tags_of, to_rds, told};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::settle::until_seen;
use crate::aws::tags::{foreign, made_before, without_generation};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Found, Kind, Listed, Nature, Ownership, ReplaceOrder,
    Result, Seen, Status, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Known};
use aws_sdk_rds::types::{ApplyMethod, DbClusterParameterGroup, Parameter};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// How many parameters one call takes.
const AT_ONCE: usize = 20;

/// A DB cluster parameter group.
#[derive(Clone, Debug, Serialize)]
pub struct ClusterParameterGroup {
    /// Its name, in lower case; one that replaces another has its generation behind it.
    pub name: String,
    /// The family of engine versions that it is for, `aurora-postgresql16`; fixed.
    pub family: String,
    /// What it is for; fixed.
    pub description: String,
    /// Parameters with their values, as PostgreSQL writes them: `rds.force_ssl: "1"`.
    pub parameters: BTreeMap<String, String>,
}

/// A live DB cluster parameter group.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name.
    pub name: Id<ClusterParameterGroup>,
    /// Its ARN.
    pub arn: String,
    /// The family that it is for.
    pub family: String,
    /// What it is for.
    pub description: String,
    /// The parameters that are not as AWS sets them.
    pub parameters: BTreeMap<String, String>,
}

impl Handle<ClusterParameterGroup> {
    /// The group's name, by which clusters refer to it.
    pub fn name(&self) -> In<Id<ClusterParameterGroup>> {
        self.output("db cluster parameter group name", |live| Some(live.name.clone()))
    }
}

/// A group that was just made, or is being changed by another call.
const BUSY: Passing = Passing {
    code: "InvalidDBParameterGroupState",
    message: "",
    seconds: 300,
    waiting_for: "the parameter group to be free",
};

impl Kind for ClusterParameterGroup {
    const NAME: &'static str = "aws.rds.cluster_parameter_group";
    const TITLE: &'static str = "db cluster parameter group";
    const NATURE: Nature = Nature {
        create_is: CreateIs::Named,
        replace: ReplaceOrder::CreateFirst,
        typical: Typical { create: 3, update: 2, delete: 1 },
        actions: &[
            "rds:CreateDBClusterParameterGroup",
            "rds:DescribeDBClusterParameterGroups",
            "rds:DescribeDBClusterParameters",
            "rds:ListTagsForResource",
            "rds:ModifyDBClusterParameterGroup",
            "rds:ResetDBClusterParameterGroup",
            "rds:DeleteDBClusterParameterGroup",
            "rds:AddTagsToResource",
            "rds:RemoveTagsFromResource",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name, family, description, parameters } = self;
        diff.replaces("name", name, &without_generation(name, live.name.as_str()));
        diff.replaces("family", family, &live.family);
        diff.replaces("description", description, &live.description);
        let parameters = parameters
            .iter()
            .map(|(name, value)| (name.clone(), Known::Yes(value.clone())))
            .collect();
        diff.exclusive("parameters", &parameters, &live.parameters);
    }

    fn summary(&self) -> String {
        format!("{}  {}", self.name, self.family)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("name", live.name.to_string()), ("arn", live.arn.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let rds = cx.api::<Rds>()?;
        let pages = pages(
            cx,
            "rds:DescribeDBClusterParameterGroups",
            |marker| rds.0.describe_db_cluster_parameter_groups().set_marker(marker).send(),
            |page| page.marker(),
        )
        .await?;
        let remembered: BTreeSet<&str> = cx.remembered(Self::NAME).collect();
        let mut listed = Listed::default();
        for group in pages.iter().flat_map(|page| page.db_cluster_parameter_groups()) {
            let name = group.db_cluster_parameter_group_name().unwrap_or_default();
            let wants = wanted.iter().find(|wants| wants.desired.name == name);
            let is_one = |base: &str| without_generation(base, name) == base;
            let likely = wants.is_some()
                || wanted.iter().any(|wants| is_one(&wants.desired.name))
                || remembered.iter().any(|name| is_one(name))
                || name.starts_with(cx.deployment.name.as_str());
            if !likely {
                continue;
            }
            let Some(reading) = reading(cx, group).await? else { continue };
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
        let name = cx.unique_name(&self.name)?;
        let tags = to_rds(&cx.tags()?);
        let made = call(cx, "rds:CreateDBClusterParameterGroup", Repeat::Safe, &[], || {
            rds.0
                .create_db_cluster_parameter_group()
                .db_cluster_parameter_group_name(&name)
                .db_parameter_group_family(&self.family)
                .description(&self.description)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        match made {
            Err(error) if error.class == Class::Exists => {
                let there = until_seen(cx, || read_one(cx, &name)).await?.ok_or(error)?;
                let owner = made_before(cx, Self::TITLE, &name, &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let live = Live {
            arn: arn(cx, "cluster-pg", &name),
            name: Id::new(name),
            family: self.family.clone(),
            description: self.description.clone(),
            parameters: BTreeMap::new(),
        };
        Found::created(cx, live.arn.clone(), Status::Ready, Vec::new(), live)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let name = found.live.name.as_str();
        let mut changed = Vec::new();
        for change in changes {
            let Some(parameter) = change.field.strip_prefix("parameters.") else { continue };
            changed.push((parameter, self.parameters.get(parameter)));
        }
        if !changed.is_empty() {
            let at_once = applied_at_once(cx, name, &changed).await?;
            let method = |parameter: &str| match at_once.contains(parameter) {
                true => ApplyMethod::Immediate,
                false => ApplyMethod::PendingReboot,
            };
            let with = |parameter: &str| {
                Parameter::builder().parameter_name(parameter).apply_method(method(parameter))
            };
            let (mut set, mut unset) = (Vec::new(), Vec::new());
            for (parameter, value) in changed {
                match value {
                    Some(value) => set.push(with(parameter).parameter_value(value).build()),
                    None => unset.push(with(parameter).build()),
                }
            }
            send(cx, name, &set, &unset).await?;
        }
        retag(cx, &found.live.arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let rds = cx.api::<Rds>()?;
        let name = found.live.name.as_str();
        gone_is_fine(
            call(cx, "rds:DeleteDBClusterParameterGroup", Repeat::Safe, &[BUSY], || {
                rds.0
                    .delete_db_cluster_parameter_group()
                    .db_cluster_parameter_group_name(name)
                    .send()
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
        let reading = read_one(cx, name_of(id)).await?;
        Ok(reading.map(|reading| reading.owned(owner)))
    }
}

/// Sets and resets parameters, as many with a call as AWS takes.
async fn send(cx: &Cx, name: &str, set: &[Parameter], unset: &[Parameter]) -> Result<()> {
    let rds = cx.api::<Rds>()?;
    for some in set.chunks(AT_ONCE) {
        call(cx, "rds:ModifyDBClusterParameterGroup", Repeat::Safe, &[BUSY], || {
            rds.0
                .modify_db_cluster_parameter_group()
                .db_cluster_parameter_group_name(name)
                .set_parameters(Some(some.to_vec()))
                .send()
        })
        .await?;
    }
    for some in unset.chunks(AT_ONCE) {
        call(cx, "rds:ResetDBClusterParameterGroup", Repeat::Safe, &[BUSY], || {
            rds.0
                .reset_db_cluster_parameter_group()
                .db_cluster_parameter_group_name(name)
                .reset_all_parameters(false)
                .set_parameters(Some(some.to_vec()))
                .send()
        })
        .await?;
    }
    Ok(())
}

/// Those of the changed parameters that a running server takes. A static one is refused with
/// `immediate`, and waits for the next reboot.
async fn applied_at_once(
    cx: &Cx,
    name: &str,
    changed: &[(&str, Option<&String>)],
) -> Result<BTreeSet<String>> {
    Ok(parameters(cx, name, None)
        .await?
        .into_iter()
        .filter(|parameter| parameter.apply_type() == Some("dynamic"))
        .filter_map(|parameter| parameter.parameter_name)
        .filter(|name| changed.iter().any(|(changed, _)| changed == name))
        .collect())
}

/// A group's parameters; `source` is `user` for those that somebody has set.
async fn parameters(cx: &Cx, name: &str, source: Option<&str>) -> Result<Vec<Parameter>> {
    let rds = cx.api::<Rds>()?;
    let pages = pages(
        cx,
        "rds:DescribeDBClusterParameters",
        |marker| {
            rds.0
                .describe_db_cluster_parameters()
                .db_cluster_parameter_group_name(name)
                .set_source(source.map(str::to_owned))
                .set_marker(marker)
                .send()
        },
        |page| page.marker(),
    )
    .await?;
    Ok(pages.into_iter().flat_map(|page| page.parameters.unwrap_or_default()).collect())
}

async fn read_one(cx: &Cx, name: &str) -> Result<Option<Reading<ClusterParameterGroup>>> {
    let rds = cx.api::<Rds>()?;
    let answer = gone_is_fine(
        safe(cx, "rds:DescribeDBClusterParameterGroups", || {
            rds.0
                .describe_db_cluster_parameter_groups()
                .db_cluster_parameter_group_name(name)
                .send()
        })
        .await,
    )?;
    match answer.as_ref().and_then(|answer| answer.db_cluster_parameter_groups().first()) {
        Some(group) => reading(cx, group).await,
        None => Ok(None),
    }
}

/// `None` when it has gone between two calls.
async fn reading(
    cx: &Cx,
    group: &DbClusterParameterGroup,
) -> Result<Option<Reading<ClusterParameterGroup>>> {
    let name = told(group.db_cluster_parameter_group_name(), "name of a parameter group")?;
    let arn = group
        .db_cluster_parameter_group_arn()
        .map_or_else(|| arn(cx, "cluster-pg", &name), str::to_owned);
    let (tags, parameters) = futures::try_join!(tags_of(cx, &arn), async {
        gone_is_fine(parameters(cx, &name, Some("user")).await)
    })?;
    let (Some(tags), Some(parameters)) = (tags, parameters) else { return Ok(None) };
    let set = parameters
        .into_iter()
        .filter_map(|parameter| Some((parameter.parameter_name?, parameter.parameter_value?)));
    let live = Live {
        name: Id::new(&name),
        arn: arn.clone(),
        family: group.db_parameter_group_family().unwrap_or_default().to_owned(),
        description: group.description().unwrap_or_default().to_owned(),
        parameters: set.collect(),
    };
    Ok(Some(Reading { id: arn, status: Status::Ready, parents: Vec::new(), tags, live }))
}
