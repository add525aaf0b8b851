//! The route table, with its routes and the subnets that use it.
//!
//! Routes and associations carry no tags, so they are fields of the table that owns them. Of the
//! routes, only those that somebody made with `CreateRoute` count: the local one, propagated ones
//! and those that gateway endpoints inject are passed over. Another team's route stays, and is
//! noted. The list of subnets is this table's alone: a wanted subnet that uses another table is
//! moved here, a subnet that is not wanted falls back to the VPC's main table.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Route.html>

use super::internet_gateway::InternetGateway;
use super::nat_gateway::NatGateway;
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{Ec2, Reading, filter, fresh, from_ec2, ours, retag, tag_on_create, told, touches};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::settle::{Patience, until_ready};
use crate::graph::Handle;
use crate::kind::{
    Change, Class, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen, Status,
    Typical, Wanted, seconds,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Known};
use aws_sdk_ec2::types::{
    ResourceType, Route as Ec2Route, RouteOrigin, RouteTable as Ec2RouteTable,
    RouteTableAssociation, RouteTableAssociationStateCode,
};
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
                Some(target) => set_route(cx, &found.live, destination, target).await?,
                None => delete_route(cx, &found.live, destination).await?,
            }
        }
        if touches(changes, "subnets") {
            let wanted: BTreeSet<Id<Subnet>> = cx.get_all(&self.subnets)?.into_iter().collect();
            for subnet in &wanted {
                if !found.live.associations.contains_key(subnet) {
                    associate(cx, &found.live.id, subnet).await?;
                }
            }
            for (subnet, association) in &found.live.associations {
                if !wanted.contains(subnet) {
                    disassociate(cx, association).await?;
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
            disassociate(cx, association).await?;
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

/// A target that was made a moment ago may not be known everywhere yet.
const TARGET_LAG: [Passing; 5] = [
    fresh("InvalidRouteTableID.NotFound"),
    fresh("InvalidGatewayID.NotFound"),
    fresh("InvalidInternetGatewayID.NotFound"),
    fresh("InvalidNatGatewayID.NotFound"),
    Passing {
        code: "InvalidParameterValue",
        message: "belong to different networks",
        seconds: 30,
        waiting_for: "AWS to know the attachment everywhere",
    },
];

/// Makes the route, or gives it another target; what was read may be out of date either way.
async fn set_route(cx: &Cx, table: &Live, destination: &str, target: &Target) -> Result<()> {
    if table.routes.contains_key(destination) {
        match replace_route(cx, table, destination, target).await {
            Err(error) if is_no_route(&error) => {}
            other => return other,
        }
    }
    match create_route(cx, table, destination, target).await {
        Err(error) if error.class == Class::Exists => {
            replace_route(cx, table, destination, target).await
        }
        other => other,
    }
}

/// `ReplaceRoute` says it with a code that means many things.
fn is_no_route(error: &Error) -> bool {
    error.class == Class::NotFound
        || (error.is_code("InvalidParameterValue") && error.message.contains("no route"))
}

async fn create_route(cx: &Cx, table: &Live, destination: &str, target: &Target) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    let id = cx.get(&target.id())?;
    call(cx, "ec2:CreateRoute", Repeat::Safe, &TARGET_LAG, || {
        let request = ec2
            .0
            .create_route()
            .route_table_id(table.id.as_str())
            .destination_cidr_block(destination);
        match target {
            Target::Gateway(_) => request.gateway_id(&id),
            Target::Nat(_) => request.nat_gateway_id(&id),
        }
        .send()
    })
    .await?;
    Ok(())
}

async fn replace_route(cx: &Cx, table: &Live, destination: &str, target: &Target) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    let id = cx.get(&target.id())?;
    call(cx, "ec2:ReplaceRoute", Repeat::Safe, &TARGET_LAG, || {
        let request = ec2
            .0
            .replace_route()
            .route_table_id(table.id.as_str())
            .destination_cidr_block(destination);
        match target {
            Target::Gateway(_) => request.gateway_id(&id),
            Target::Nat(_) => request.nat_gateway_id(&id),
        }
        .send()
    })
    .await?;
    Ok(())
}

async fn delete_route(cx: &Cx, table: &Live, destination: &str) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    gone_is_fine(
        safe(cx, "ec2:DeleteRoute", || {
            ec2.0
                .delete_route()
                .route_table_id(table.id.as_str())
                .destination_cidr_block(destination)
                .send()
        })
        .await,
    )?;
    Ok(())
}

/// Makes `subnet` use `table`; takes it over from the table it uses now, if it names one.
async fn associate(cx: &Cx, table: &Id<RouteTable>, subnet: &Id<Subnet>) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    let fresh = [fresh("InvalidRouteTableID.NotFound"), fresh("InvalidSubnetID.NotFound")];
    let associated = call(cx, "ec2:AssociateRouteTable", Repeat::Safe, &fresh, || {
        ec2.0
            .associate_route_table()
            .route_table_id(table.as_str())
            .subnet_id(subnet.as_str())
            .send()
    })
    .await;
    let error = match associated {
        Err(error) if error.is_code("Resource.AlreadyAssociated") => error,
        other => return other.map(|_| ()),
    };
    // Reads may lag behind what refused the call.
    for _ in 0..30 {
        match association_of(cx, subnet).await? {
            // An attempt whose answer was lost.
            Some((_, there)) if there == table.as_str() => return Ok(()),
            Some((id, _)) => {
                let replaced = safe(cx, "ec2:ReplaceRouteTableAssociation", || {
                    ec2.0
                        .replace_route_table_association()
                        .association_id(&id)
                        .route_table_id(table.as_str())
                        .send()
                })
                .await;
                if gone_is_fine(replaced)?.is_some() {
                    return Ok(());
                }
            }
            None => {}
        }
        cx.pause(seconds(2)).await?;
    }
    Err(error)
}

/// The association of a subnet, and the table that it names.
async fn association_of(cx: &Cx, subnet: &Id<Subnet>) -> Result<Option<(String, String)>> {
    let ec2 = cx.api::<Ec2>()?;
    let answer = safe(cx, "ec2:DescribeRouteTables", || {
        ec2.0
            .describe_route_tables()
            .filters(filter("association.subnet-id", [subnet.as_str()]))
            .send()
    })
    .await?;
    let of_subnet = |association: &&RouteTableAssociation| {
        association.subnet_id() == Some(subnet.as_str()) && is_there(association)
    };
    let tables = answer.route_tables();
    let Some(now) = tables.iter().flat_map(|table| table.associations()).find(of_subnet) else {
        return Ok(None);
    };
    let id = told(now.route_table_association_id(), "id of an association")?;
    let table = told(now.route_table_id(), "route table of an association")?;
    Ok(Some((id.to_owned(), table.to_owned())))
}

async fn disassociate(cx: &Cx, association: &str) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    gone_is_fine(
        safe(cx, "ec2:DisassociateRouteTable", || {
            ec2.0.disassociate_route_table().association_id(association).send()
        })
        .await,
    )?;
    Ok(())
}

/// Whether an association is in force, or about to be.
fn is_there(association: &RouteTableAssociation) -> bool {
    !matches!(
        association.association_state().and_then(|state| state.state()),
        Some(
            RouteTableAssociationStateCode::Disassociated
                | RouteTableAssociationStateCode::Disassociating
                | RouteTableAssociationStateCode::Failed
        )
    )
}

fn reading(table: &Ec2RouteTable) -> Result<Reading<RouteTable>> {
    let id = told(table.route_table_id(), "id of a route table")?;
    let vpc = told(table.vpc_id(), "vpc of a route table")?;
    let routes: BTreeMap<String, String> = table.routes().iter().filter_map(route).collect();
    let associations: BTreeMap<Id<Subnet>, String> = table
        .associations()
        .iter()
        .filter(|association| is_there(association))
        .filter_map(|association| {
            let id = association.route_table_association_id()?.to_owned();
            Some((Id::new(association.subnet_id()?), id))
        })
        .collect();
    let mut parents = BTreeSet::from([PhysicalId::new(vpc)]);
    parents.extend(routes.values().map(PhysicalId::new));
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

/// The destination and target of a route that somebody made; `None` for those that AWS keeps.
fn route(route: &Ec2Route) -> Option<(String, String)> {
    if route.origin().is_some_and(|origin| *origin != RouteOrigin::CreateRoute) {
        return None;
    }
    let destination = route
        .destination_cidr_block()
        .or(route.destination_ipv6_cidr_block())
        .or(route.destination_prefix_list_id())?;
    let target = [
        route.gateway_id(),
        route.nat_gateway_id(),
        route.transit_gateway_id(),
        route.vpc_peering_connection_id(),
        route.network_interface_id(),
        route.egress_only_internet_gateway_id(),
        route.local_gateway_id(),
        route.carrier_gateway_id(),
        route.core_network_arn(),
        route.odb_network_arn(),
    ]
    .into_iter()
    .flatten()
    .next()
    .unwrap_or("unknown");
    // Gateway endpoints inject theirs with the origin `CreateRoute`.
    (target != "local" && !target.starts_with("vpce-"))
        .then(|| (destination.to_owned(), target.to_owned()))
}
