//! The DB subnet group: the subnets that a cluster's instances may stand in, in two zones at
//! least. <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html>
//!
//! `DescribeDBSubnetGroups` tells neither tags nor takes a filter, so the groups whose names are
//! wanted, were applied, or begin with the deployment's name are asked for their tags.

use super::{Rds, arn, name_of, retag, tags_of, to_rds, told};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::ec2::subnet::Subnet;
use crate::aws::settle::until_seen;
use crate::aws::tags::{foreign, made_before, touches};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Found, Kind, Listed, Nature, Ownership, Result, Seen,
    Status, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_rds::types::DbSubnetGroup;
use serde::Serialize;
use std::collections::BTreeSet;

/// A DB subnet group.
#[derive(Clone, Debug, Serialize)]
pub struct SubnetGroup {
    /// Its name, in lower case; fixed.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its subnets, in two zones at least.
    pub subnets: Vec<In<Id<Subnet>>>,
}

/// A live DB subnet group.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its name.
    pub name: Id<SubnetGroup>,
    /// Its ARN.
    pub arn: String,
    /// What it is for.
    pub description: String,
    /// Its subnets.
    pub subnets: BTreeSet<Id<Subnet>>,
}

impl Handle<SubnetGroup> {
    /// The group's name, by which clusters refer to it.
    pub fn name(&self) -> In<Id<SubnetGroup>> {
        self.output("db subnet group name", |live| Some(live.name.clone()))
    }
}

impl Kind for SubnetGroup {
    const NAME: &'static str = "aws.rds.subnet_group";
    const TITLE: &'static str = "db subnet group";
    const NATURE: Nature = Nature {
        create_is: CreateIs::Named,
        typical: Typical { create: 1, update: 1, delete: 1 },
        actions: &[
            "rds:CreateDBSubnetGroup",
            "rds:DescribeDBSubnetGroups",
            "rds:ListTagsForResource",
            "rds:ModifyDBSubnetGroup",
            "rds:DeleteDBSubnetGroup",
            "rds:AddTagsToResource",
            "rds:RemoveTagsFromResource",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name, description, subnets } = self;
        diff.replaces("name", name, &live.name.to_string());
        diff.in_place("description", description, &live.description);
        diff.set("subnets", subnets, &live.subnets);
    }

    fn summary(&self) -> String {
        format!("{}  {} subnets", self.name, self.subnets.len())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("name", live.name.to_string()), ("arn", live.arn.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let rds = cx.api::<Rds>()?;
        let pages = pages(
            cx,
            "rds:DescribeDBSubnetGroups",
            |marker| rds.0.describe_db_subnet_groups().set_marker(marker).send(),
            |page| page.marker(),
        )
        .await?;
        let remembered: BTreeSet<&str> = cx.remembered(Self::NAME).collect();
        let mut listed = Listed::default();
        for group in pages.iter().flat_map(|page| page.db_subnet_groups()) {
            let name = group.db_subnet_group_name().unwrap_or_default();
            let wants = wanted.iter().find(|wants| wants.desired.name == name);
            let likely = wants.is_some()
                || remembered.contains(name)
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
        let subnets = cx.get_all(&self.subnets)?;
        let ids: Vec<String> = subnets.iter().map(ToString::to_string).collect();
        let tags = to_rds(&cx.tags()?);
        let made = call(cx, "rds:CreateDBSubnetGroup", Repeat::Safe, &[FRESH_SUBNET], || {
            rds.0
                .create_db_subnet_group()
                .db_subnet_group_name(&self.name)
                .db_subnet_group_description(&self.description)
                .set_subnet_ids(Some(ids.clone()))
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        match made {
            Err(error) if error.class == Class::Exists => {
                let there = until_seen(cx, || read_one(cx, &self.name)).await?.ok_or(error)?;
                let owner = made_before(cx, Self::TITLE, &self.name, &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let live = Live {
            name: Id::new(&self.name),
            arn: arn(cx, "subgrp", &self.name),
            description: self.description.clone(),
            subnets: subnets.into_iter().collect(),
        };
        Found::created(cx, live.arn.clone(), Status::Ready, parents(&live), live)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        if touches(changes, "subnets") || touches(changes, "description") {
            let rds = cx.api::<Rds>()?;
            let ids: Vec<String> =
                cx.get_all(&self.subnets)?.iter().map(ToString::to_string).collect();
            call(cx, "rds:ModifyDBSubnetGroup", Repeat::Safe, &[FRESH_SUBNET], || {
                rds.0
                    .modify_db_subnet_group()
                    .db_subnet_group_name(found.live.name.as_str())
                    .db_subnet_group_description(&self.description)
                    .set_subnet_ids(Some(ids.clone()))
                    .send()
            })
            .await?;
        }
        retag(cx, &found.live.arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let rds = cx.api::<Rds>()?;
        let name = found.live.name.as_str();
        let used = [Passing {
            code: "InvalidDBSubnetGroupStateFault",
            message: "",
            seconds: 300,
            waiting_for: "the deleted database cluster to let go of its subnets",
        }];
        gone_is_fine(
            call(cx, "rds:DeleteDBSubnetGroup", Repeat::Safe, &used, || {
                rds.0.delete_db_subnet_group().db_subnet_group_name(name).send()
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

/// A subnet that RDS has not heard of yet.
const FRESH_SUBNET: Passing = Passing {
    code: "InvalidSubnet",
    message: "",
    seconds: 120,
    waiting_for: "RDS to know the new subnets",
};

fn parents(live: &Live) -> Vec<PhysicalId> {
    live.subnets.iter().map(|subnet| PhysicalId::new(subnet.as_str())).collect()
}

async fn read_one(cx: &Cx, name: &str) -> Result<Option<Reading<SubnetGroup>>> {
    let rds = cx.api::<Rds>()?;
    let answer = gone_is_fine(
        safe(cx, "rds:DescribeDBSubnetGroups", || {
            rds.0.describe_db_subnet_groups().db_subnet_group_name(name).send()
        })
        .await,
    )?;
    match answer.as_ref().and_then(|answer| answer.db_subnet_groups().first()) {
        Some(group) => reading(cx, group).await,
        None => Ok(None),
    }
}

/// `None` when it has gone between the two calls.
async fn reading(cx: &Cx, group: &DbSubnetGroup) -> Result<Option<Reading<SubnetGroup>>> {
    let name = told(group.db_subnet_group_name(), "name of a db subnet group")?;
    let arn = group.db_subnet_group_arn().map_or_else(|| arn(cx, "subgrp", &name), str::to_owned);
    let Some(tags) = tags_of(cx, &arn).await? else { return Ok(None) };
    let subnets = group.subnets().iter().filter_map(|subnet| subnet.subnet_identifier());
    let live = Live {
        name: Id::new(&name),
        arn: arn.clone(),
        description: group.db_subnet_group_description().unwrap_or_default().to_owned(),
        subnets: subnets.map(Id::new).collect(),
    };
    Ok(Some(Reading { id: arn, status: Status::Ready, parents: parents(&live), tags, live }))
}
