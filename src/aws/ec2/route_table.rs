//! The route table, with its routes and the subnets that use it.
//!
//! Routes and associations carry no tags, so they are fields of the table that owns them. Of the
//! routes, only those that somebody made with `CreateRoute` count: the local one, propagated ones
//! and those that gateway endpoints inject are passed over. Another team's route stays, and is
//! noted. The list of subnets is this table's alone: a wanted subnet that uses another table is
//! moved here, a subnet that is not wanted falls back to the VPC's main table.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Route.html>

mod associations;
mod routes;

use super::internet_gateway::InternetGateway;
use super::nat_gateway::NatGateway;
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{Ec2, Reading, fresh, from_ec2, ours, retag, tag_on_create, told, touches};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::settle::{Patience, until_ready};
use crate::graph::Handle;
use crate::kind::{
    Change, Class, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen, Status,
    Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Known};
use aws_sdk_ec2::types::{ResourceType, RouteTable as Ec2RouteTable};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A route table.
#[derive(Clone, Debug, Serialize)]
pub struct RouteTable {
    /// The VPC it is a part of.
    pub vpc: In<Id<Vpc>>,
    /// Where traffic goes, by its IPv4 destination as AWS writes it, without bits behind the
    /// prefix: `0.0.0.0/0`.
    pub routes: BTreeMap<String, Target>,
    /// The subnets that use it.
    pub subnets: Vec<In<Id<Subnet>>>,
}

/// Where a route leads.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// To an internet gateway, which must be attached: [`In::ready`].
    Gateway(In<Id<InternetGateway>>),
    /// To a NAT gateway, which must be available: [`In::ready`].
    Nat(In<Id<NatGateway>>),
}

impl From<Handle<InternetGateway>> for Target {
    fn from(gateway: Handle<InternetGateway>) -> Self {
        Target::Gateway(gateway.id().ready())
    }
}

impl From<Handle<NatGateway>> for Target {
    fn from(nat: Handle<NatGateway>) -> Self {
        Target::Nat(nat.id().ready())
    }
}

impl Target {
    /// The target's id, whatever it is.
    fn id(&self) -> In<String> {
        match self {
            Target::Gateway(id) => id.clone().map(|id| id.to_string()),
            Target::Nat(id) => id.clone().map(|id| id.to_string()),
        }
    }
}

/// A live route table.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<RouteTable>,
    /// The VPC it is a part of.
    pub vpc: Id<Vpc>,
    /// The ids of the targets of the routes that somebody made, by destination: an IPv4 or IPv6
    /// range, or the id of a prefix list.
    pub routes: BTreeMap<String, String>,
    /// The ids of the associations, by subnet.
    pub associations: BTreeMap<Id<Subnet>, String>,
    /// Whether it is the table of all subnets of the VPC that name no other.
    pub main: bool,
}

impl Handle<RouteTable> {
    /// The table's id.
    pub fn id(&self) -> In<Id<RouteTable>> {
        self.output("route table id", |live| Some(live.id.clone()))
    }
}

impl Kind for RouteTable {
    const NAME: &'static str = "aws.ec2.route_table";
    const TITLE: &'static str = "route table";
    const NATURE: Nature = Nature {
        typical: Typical { create: 3, update: 1, delete: 2 },
        actions: &[
            "ec2:CreateRouteTable",
            "ec2:DescribeRouteTables",
            "ec2:DeleteRouteTable",
            "ec2:CreateRoute",
            "ec2:ReplaceRoute",
            "ec2:DeleteRoute",
            "ec2:AssociateRouteTable",
            "ec2:ReplaceRouteTableAssociation",
            "ec2:DisassociateRouteTable",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { vpc, routes, subnets } = self;
        diff.parent("vpc", vpc, &live.vpc);
        let want: BTreeMap<String, Known<String>> = routes
            .iter()
            .map(|(destination, target)| (destination.clone(), diff.known(&target.id())))
            .collect();
        diff.ours_only("routes", &want, &live.routes);
        diff.set("subnets", subnets, &live.associations.keys().cloned().collect::<BTreeSet<_>>());
    }

    fn summary(&self) -> String {
        let destinations: Vec<&str> = self.routes.keys().map(String::as_str).collect();
        match destinations.as_slice() {
            [] => "no routes".to_owned(),
            destinations => destinations.join(", "),
        }
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let pages = pages(
            cx,
            "ec2:DescribeRouteTables",
            |token| ec2.0.describe_route_tables().filters(ours(cx)).set_next_token(token).send(),
            |page| page.next_token(),
        )
        .await?;
        let mut listed = Listed::default();
        for table in pages.iter().flat_map(|page| page.route_tables()) {
            reading(table)?.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let vpc = cx.get(&self.vpc)?;
        let tags = tag_on_create(cx, ResourceType::RouteTable)?;
        let token = &cx.step()?.token;
        let fresh = [fresh("InvalidVpcID.NotFound")];
        let made = call(cx, "ec2:CreateRouteTable", Repeat::Safe, &fresh, || {
            ec2.0
                .create_route_table()
                .vpc_id(vpc.as_str())
                .client_token(token)
                .tag_specifications(tags.clone())
                .send()
        })
        .await?;
        let table = made
            .route_table()
            .ok_or_else(|| Error::local("CreateRouteTable answered without a route table"))?;
        reading(table)?.created(cx)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 1, at_most: 120 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        for change in changes {
            let Some(destination) = change.field.strip_prefix("routes.") else { continue };
            match self.routes.get(destination) {
                Some(target) => routes::set(cx, &found.live, destination, target).await?,
                None => routes::delete(cx, &found.live, destination).await?,
            }
        }
        if touches(changes, "subnets") {
            let wanted: BTreeSet<Id<Subnet>> = cx.get_all(&self.subnets)?.into_iter().collect();
            for subnet in &wanted {
                if !found.live.associations.contains_key(subnet) {
                    associations::make(cx, &found.live.id, subnet).await?;
                }
            }
            for (subnet, association) in &found.live.associations {
                if !wanted.contains(subnet) {
                    associations::end(cx, association).await?;
                }
            }
        }
        retag(cx, found.live.id.as_str(), changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        if found.live.main {
            let message = format!("{id} is the main route table of {}", found.live.vpc);
            let hint = "make another route table of the vpc its main one";
            return Err(Error::of(Class::InUse, message).hint(hint));
        }
        for association in found.live.associations.values() {
            associations::end(cx, association).await?;
        }
        // The end of an association is not known everywhere at once.
        let lag = [Passing {
            code: "DependencyViolation",
            message: "",
            seconds: 60,
            waiting_for: "its associations to go",
        }];
        gone_is_fine(
            call(cx, "ec2:DeleteRouteTable", Repeat::Safe, &lag, || {
                ec2.0.delete_route_table().route_table_id(id).send()
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
        let ec2 = cx.api::<Ec2>()?;
        let answer = gone_is_fine(
            safe(cx, "ec2:DescribeRouteTables", || {
                ec2.0.describe_route_tables().route_table_ids(id.as_str()).send()
            })
            .await,
        )?;
        let table = answer.as_ref().and_then(|answer| answer.route_tables().first());
        Ok(table.map(reading).transpose()?.map(|reading| reading.owned(owner)))
    }
}

fn reading(table: &Ec2RouteTable) -> Result<Reading<RouteTable>> {
    let id = told(table.route_table_id(), "id of a route table")?;
    let vpc = told(table.vpc_id(), "vpc of a route table")?;
    let routes: BTreeMap<String, String> = table.routes().iter().filter_map(routes::made).collect();
    let associations: BTreeMap<Id<Subnet>, String> = table
        .associations()
        .iter()
        .filter(|association| associations::is_there(association))
        .filter_map(|association| {
            let id = association.route_table_association_id()?.to_owned();
            Some((Id::new(association.subnet_id()?), id))
        })
        .collect();
    let mut parents = BTreeSet::from([PhysicalId::new(vpc)]);
    // Not the targets of its routes: AWS lets them go, and their routes become black holes. An
    // update that moves a route away still comes before its old target goes.
    parents.extend(associations.keys().map(|subnet| PhysicalId::new(subnet.as_str())));
    Ok(Reading {
        id: id.to_owned(),
        status: Status::Ready,
        parents: parents.into_iter().collect(),
        tags: from_ec2(table.tags()),
        live: Live {
            id: Id::new(id),
            vpc: Id::new(vpc),
            routes,
            associations,
            main: table.associations().iter().any(|association| association.main() == Some(true)),
        },
    })
}
