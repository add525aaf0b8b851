//! The routes of a route table: set, deleted, read.

use super::{Live, Target};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, safe};
use crate::aws::ec2::{Ec2, fresh};
use crate::kind::{Class, Cx, Error, Result};
use aws_sdk_ec2::types::{Route, RouteOrigin};

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
pub(super) async fn set(cx: &Cx, table: &Live, destination: &str, target: &Target) -> Result<()> {
    if table.routes.contains_key(destination) {
        match replace(cx, table, destination, target).await {
            Err(error) if is_no_route(&error) => {}
            other => return other,
        }
    }
    match create(cx, table, destination, target).await {
        Err(error) if error.class == Class::Exists => replace(cx, table, destination, target).await,
        other => other,
    }
}

/// `ReplaceRoute` says it with a code that means many things.
fn is_no_route(error: &Error) -> bool {
    error.class == Class::NotFound
        || (error.is_code("InvalidParameterValue") && error.message.contains("no route"))
}

async fn create(cx: &Cx, table: &Live, destination: &str, target: &Target) -> Result<()> {
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

async fn replace(cx: &Cx, table: &Live, destination: &str, target: &Target) -> Result<()> {
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

pub(super) async fn delete(cx: &Cx, table: &Live, destination: &str) -> Result<()> {
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

/// The destination and target of a route that somebody made; `None` for those that AWS keeps.
pub(super) fn made(route: &Route) -> Option<(String, String)> {
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
