//! Routes.

use super::model::{
    Destination, Ec2, InternetGateway, NetworkInterface, Origin, Route, RouteTable, Target,
    VpcEndpoint,
};
use super::prefix_list;
use super::resource::{Resource, dry_run, find, find_mut};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use ipnet::{Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

/// All routes of a table as answers list them, those of gateway endpoints included.
pub(super) fn all(view: &View<'_>, table: &RouteTable) -> Vec<Value> {
    let mut routes: Vec<Value> =
        table.routes.iter().map(|route| write(view, table, route)).collect();
    let ec2 = view.ec2();
    for endpoint in ec2.vpc_endpoints.values() {
        let inject = endpoint.gone.is_none() && endpoint.route_tables.contains(&table.id);
        if let Some(list) = prefix_list::of_service(&view.scope.region, &endpoint.service)
            && inject
        {
            routes.push(json!({
                "destinationPrefixListId": list,
                "gatewayId": endpoint.id,
                "origin": "CreateRoute",
                "state": "active",
            }));
        }
    }
    routes
}

/// One member of all routes, for filters.
pub(super) fn column(view: &View<'_>, table: &RouteTable, element: &str) -> Vec<String> {
    all(view, table)
        .iter()
        .filter_map(|route| route.get(element)?.as_str().map(str::to_owned))
        .collect()
}

fn write(view: &View<'_>, table: &RouteTable, route: &Route) -> Value {
    let (destination, to): (&str, Value) = match &route.destination {
        Destination::Ipv4(cidr) => ("destinationCidrBlock", json!(cidr)),
        Destination::Ipv6(cidr) => ("destinationIpv6CidrBlock", json!(cidr)),
        Destination::PrefixList(list) => ("destinationPrefixListId", json!(list)),
    };
    let (element, id): (&str, &str) = match &route.target {
        Target::Local => ("gatewayId", "local"),
        Target::InternetGateway(id) | Target::VpcEndpoint(id) => ("gatewayId", id),
        Target::NatGateway(id) => ("natGatewayId", id),
        Target::NetworkInterface(id) => ("networkInterfaceId", id),
        Target::Other { element, id } => (element, id),
    };
    let origin = match route.origin {
        Origin::CreateRouteTable => "CreateRouteTable",
        Origin::CreateRoute => "CreateRoute",
    };
    let state = if is_alive(view.ec2(), view.now, table, route) { "active" } else { "blackhole" };
    let mut answer = json!({ "origin": origin, "state": state });
    answer[destination] = to;
    answer[element] = json!(id);
    answer
}

/// Whether the target is there and forwards.
fn is_alive(ec2: &Ec2, now: Millis, table: &RouteTable, route: &Route) -> bool {
    match &route.target {
        Target::Local | Target::Other { .. } => true,
        Target::InternetGateway(id) => ec2
            .internet_gateways
            .get(id)
            .is_some_and(|gateway| gateway.vpc.as_ref() == Some(&table.vpc)),
        Target::NatGateway(id) => {
            ec2.nat_gateways.get(id).is_some_and(|nat| nat.state(now) == "available")
        }
        Target::NetworkInterface(id) => ec2.network_interfaces.contains_key(id),
        Target::VpcEndpoint(id) => ec2.vpc_endpoints.contains_key(id),
    }
}

fn destination(params: &Params) -> Result<Destination, Failure> {
    let malformed = |text: &str| {
        Failure::new("InvalidParameterValue", format!("CIDR block {text} is malformed"))
    };
    let given = [
        params.text("DestinationCidrBlock"),
        params.text("DestinationIpv6CidrBlock"),
        params.text("DestinationPrefixListId"),
    ];
    match given {
        [Some(text), None, None] => text
            .parse::<Ipv4Net>()
            .map(|cidr| Destination::Ipv4(cidr.trunc()))
            .map_err(|_| malformed(text)),
        [None, Some(text), None] => text
            .parse::<Ipv6Net>()
            .map(|cidr| Destination::Ipv6(cidr.trunc()))
            .map_err(|_| malformed(text)),
        [None, None, Some(list)] => Ok(Destination::PrefixList(list.to_owned())),
        [None, None, None] => {
            let message = "The request must contain the parameter destinationCidrBlock or destinationIpv6CidrBlock or destinationPrefixListId";
            Err(Failure::new("MissingParameter", message))
        }
        _ => {
            let message = "Only one destination can be given";
            Err(Failure::new("InvalidParameterCombination", message))
        }
    }
}

/// The members that name targets which the sandbox has no kind for, and their elements.
const OTHERS: &[(&str, &str)] = &[
    ("TransitGatewayId", "transitGatewayId"),
    ("VpcPeeringConnectionId", "vpcPeeringConnectionId"),
    ("EgressOnlyInternetGatewayId", "egressOnlyInternetGatewayId"),
    ("CarrierGatewayId", "carrierGatewayId"),
    ("LocalGatewayId", "localGatewayId"),
    ("CoreNetworkArn", "coreNetworkArn"),
    ("InstanceId", "instanceId"),
];

fn target(ec2: &Ec2, now: Millis, table: &RouteTable, params: &Params) -> Result<Target, Failure> {
    let mut targets = Vec::new();
    if let Some(id) = params.text("GatewayId") {
        targets.push(gateway(ec2, now, table, id)?);
    }
    if let Some(id) = params.text("NatGatewayId") {
        // CreateRoute has a code of its own for a gateway that it can't find.
        let nat = ec2.nat_gateways.get(id).filter(|nat| nat.is_alive(now)).ok_or_else(|| {
            let message = format!("The natGateway ID '{id}' does not exist");
            Failure::new("InvalidNatGatewayID.NotFound", message)
        })?;
        same_network(table, &nat.vpc, id)?;
        targets.push(Target::NatGateway(id.to_owned()));
    }
    if let Some(id) = params.text("NetworkInterfaceId") {
        let nic = find::<NetworkInterface>(ec2, id, now)?;
        same_network(table, &nic.vpc, id)?;
        targets.push(Target::NetworkInterface(id.to_owned()));
    }
    if let Some(id) = params.text("VpcEndpointId") {
        same_network(table, &find::<VpcEndpoint>(ec2, id, now)?.vpc, id)?;
        targets.push(Target::VpcEndpoint(id.to_owned()));
    }
    for (member, element) in OTHERS {
        if let Some(id) = params.text(member) {
            targets.push(Target::Other { element: (*element).to_owned(), id: id.to_owned() });
        }
    }
    if params.flag("LocalTarget") == Some(true) {
        targets.push(Target::Local);
    }
    match (targets.pop(), targets.is_empty()) {
        (Some(target), true) => Ok(target),
        (None, _) => Err(Failure::new(
            "MissingParameter",
            "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId or coreNetworkArn",
        )),
        (Some(_), false) => {
            Err(Failure::new("InvalidParameterCombination", "A route can have only one target"))
        }
    }
}

fn gateway(ec2: &Ec2, now: Millis, table: &RouteTable, id: &str) -> Result<Target, Failure> {
    if id == "local" {
        return Ok(Target::Local);
    }
    if id.starts_with("vpce-") {
        same_network(table, &find::<VpcEndpoint>(ec2, id, now)?.vpc, id)?;
        return Ok(Target::VpcEndpoint(id.to_owned()));
    }
    if id.starts_with("vgw-") {
        return Ok(Target::Other { element: "gatewayId".to_owned(), id: id.to_owned() });
    }
    let gateway = find::<InternetGateway>(ec2, id, now)?;
    same_network(table, gateway.vpc.as_deref().unwrap_or_default(), id)?;
    Ok(Target::InternetGateway(id.to_owned()))
}

fn same_network(table: &RouteTable, vpc: &str, id: &str) -> Result<(), Failure> {
    if table.vpc == vpc {
        return Ok(());
    }
    let message =
        format!("route table {} and network gateway {id} belong to different networks", table.id);
    Err(Failure::new("InvalidParameterValue", message))
}

fn shown(destination: &Destination) -> String {
    match destination {
        Destination::Ipv4(cidr) => cidr.to_string(),
        Destination::Ipv6(cidr) => cidr.to_string(),
        Destination::PrefixList(list) => list.clone(),
    }
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("RouteTableId"), cx.now);
    let ec2 = cx.ec2();
    let table = find::<RouteTable>(ec2, id, now)?;
    let destination = destination(params)?;
    let target = target(ec2, now, table, params)?;
    if table.routes.iter().any(|route| route.destination == destination) {
        let message = format!("The route identified by {} already exists.", shown(&destination));
        return Err(Failure::new("RouteAlreadyExists", message));
    }
    dry_run(params)?;
    let route = Route { destination, target, origin: Origin::CreateRoute };
    find_mut::<RouteTable>(ec2, id, now)?.routes.push(route);
    Ok(json!({ "return": true }).into())
}

pub(super) fn replace(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("RouteTableId"), cx.now);
    let ec2 = cx.ec2();
    let table = find::<RouteTable>(ec2, id, now)?;
    let destination = destination(params)?;
    let target = target(ec2, now, table, params)?;
    dry_run(params)?;
    let table = find_mut::<RouteTable>(ec2, id, now)?;
    let Some(route) = table.routes.iter_mut().find(|route| route.destination == destination) else {
        let message = format!(
            "There is no route defined for '{}' in the route table. Use CreateRoute instead.",
            shown(&destination)
        );
        return Err(Failure::new("InvalidParameterValue", message));
    };
    route.target = target;
    Ok(json!({ "return": true }).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("RouteTableId"), cx.now);
    let destination = destination(params)?;
    let table = find_mut::<RouteTable>(cx.ec2(), id, now)?;
    let at = table.routes.iter().position(|route| route.destination == destination);
    let Some(at) = at else {
        let message = format!(
            "no route with destination-cidr-block {} in route table {id}",
            shown(&destination)
        );
        return Err(Failure::new("InvalidRoute.NotFound", message));
    };
    if table.routes[at].target == Target::Local {
        let message =
            format!("cannot remove local route {} in route table {id}", shown(&destination));
        return Err(Failure::new("InvalidParameterValue", message));
    }
    dry_run(params)?;
    table.routes.remove(at);
    Ok(json!({ "return": true }).into())
}
