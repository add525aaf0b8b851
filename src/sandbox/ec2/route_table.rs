//! Route tables and their associations; routes are in `route.rs`.

use super::model::{
    Destination, Ec2, Origin, Route, RouteTable, RouteTableAssociation, Subnet, Tags, Target, Vpc,
};
use super::resource::{
    self, Fields, Listing, Resource, dependency, dry_run, find, find_mut, stored,
};
use super::{route, tags, token};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use ipnet::Ipv4Net;
use serde_json::{Value, json};

impl Resource for RouteTable {
    const PREFIX: &'static str = "rtb";
    const TYPE: &'static str = "route-table";
    const NOT_FOUND: &'static str = "InvalidRouteTableID.NotFound";
    const NOUN: &'static str = "routeTable ID";
    const FIELDS: Fields<Self> = &[
        ("route-table-id", |_, table| vec![table.id.clone()]),
        ("vpc-id", |_, table| vec![table.vpc.clone()]),
        ("owner-id", |view, _| vec![view.scope.account.clone()]),
        ("association.main", |_, table| {
            table.associations.iter().map(|a| a.subnet.is_none().to_string()).collect()
        }),
        ("association.route-table-association-id", |_, table| {
            table.associations.iter().map(|a| a.id.clone()).collect()
        }),
        ("association.route-table-id", |_, table| {
            table.associations.iter().map(|_| table.id.clone()).collect()
        }),
        ("association.subnet-id", |_, table| {
            table.associations.iter().filter_map(|a| a.subnet.clone()).collect()
        }),
        ("route.destination-cidr-block", |view, table| {
            route::column(view, table, "destinationCidrBlock")
        }),
        ("route.destination-ipv6-cidr-block", |view, table| {
            route::column(view, table, "destinationIpv6CidrBlock")
        }),
        ("route.destination-prefix-list-id", |view, table| {
            route::column(view, table, "destinationPrefixListId")
        }),
        ("route.gateway-id", |view, table| route::column(view, table, "gatewayId")),
        ("route.nat-gateway-id", |view, table| route::column(view, table, "natGatewayId")),
        ("route.transit-gateway-id", |view, table| route::column(view, table, "transitGatewayId")),
        ("route.vpc-peering-connection-id", |view, table| {
            route::column(view, table, "vpcPeeringConnectionId")
        }),
        ("route.instance-id", |view, table| route::column(view, table, "instanceId")),
        ("route.origin", |view, table| route::column(view, table, "origin")),
        ("route.state", |view, table| route::column(view, table, "state")),
    ];

    stored!(route_tables);

    fn write(&self, view: &View<'_>) -> Value {
        let associations: Vec<Value> = self
            .associations
            .iter()
            .map(|association| {
                json!({
                    "routeTableAssociationId": association.id,
                    "routeTableId": self.id,
                    "subnetId": association.subnet,
                    "main": association.subnet.is_none(),
                    "associationState": { "state": "associated" },
                })
            })
            .collect();
        json!({
            "routeTableId": self.id,
            "vpcId": self.vpc,
            "ownerId": view.scope.account,
            "routeSet": route::all(view, self),
            "associationSet": associations,
            "propagatingVgwSet": [],
            "tagSet": tags::write(&self.tags),
        })
    }
}

/// The route to the VPC itself, which every table has.
pub(super) fn local(cidr: Ipv4Net) -> Route {
    Route {
        destination: Destination::Ipv4(cidr),
        target: Target::Local,
        origin: Origin::CreateRouteTable,
    }
}

/// Whether subnets without a table of their own use this one.
pub(super) fn is_main(table: &RouteTable) -> bool {
    table.associations.iter().any(|association| association.subnet.is_none())
}

/// Drops the association of a subnet that goes.
pub(super) fn forget_subnet(ec2: &mut Ec2, subnet: &str) {
    for table in ec2.route_tables.values_mut() {
        table.associations.retain(|association| association.subnet.as_deref() != Some(subnet));
    }
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "RouteTableIds", filters: "Filters", set: "routeTableSet" };
    resource::describe::<RouteTable>(view, params, &LISTING)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    token::once(cx, "CreateRouteTable", params, make)
}

fn make(cx: &mut Cx<'_>, params: &Params) -> Result<Value, Failure> {
    let tags: Tags = tags::given(params, RouteTable::TYPE)?;
    let now = cx.now;
    let vpc = find::<Vpc>(cx.ec2(), params.required("VpcId"), now)?;
    let (vpc, routes) = (vpc.id.clone(), vec![local(vpc.cidr)]);
    dry_run(params)?;
    let table = RouteTable { id: cx.new_id("rtb"), vpc, routes, associations: Vec::new(), tags };
    let answer = json!({ "routeTable": table.write(&cx.view()) });
    cx.ec2().route_tables.insert(table.id.clone(), table);
    Ok(answer)
}

pub(super) fn associate(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let table_id = params.required("RouteTableId");
    let Some(subnet_id) = params.text("SubnetId") else {
        let message = "The sandbox associates route tables with subnets only: SubnetId is missing";
        return Err(Failure::new("MissingParameter", message));
    };
    let ec2 = cx.ec2();
    let table = find::<RouteTable>(ec2, table_id, now)?;
    let subnet = find::<Subnet>(ec2, subnet_id, now)?;
    same_vpc(table, subnet)?;
    if association_of(ec2, subnet_id).is_some() {
        let message = format!(
            "the specified association for route table {table_id} conflicts with an existing association"
        );
        return Err(Failure::new("Resource.AlreadyAssociated", message));
    }
    dry_run(params)?;
    let id = cx.new_id("rtbassoc");
    let association = RouteTableAssociation { id: id.clone(), subnet: Some(subnet_id.to_owned()) };
    find_mut::<RouteTable>(cx.ec2(), table_id, now)?.associations.push(association);
    Ok(json!({ "associationId": id, "associationState": { "state": "associated" } }).into())
}

fn same_vpc(table: &RouteTable, subnet: &Subnet) -> Result<(), Failure> {
    if table.vpc == subnet.vpc {
        return Ok(());
    }
    let message =
        format!("Route table {} and subnet {} belong to different networks", table.id, subnet.id);
    Err(Failure::new("InvalidParameterValue", message))
}

fn association_of<'a>(ec2: &'a Ec2, subnet: &str) -> Option<&'a RouteTableAssociation> {
    ec2.route_tables
        .values()
        .flat_map(|table| &table.associations)
        .find(|association| association.subnet.as_deref() == Some(subnet))
}

/// The table that has an association.
fn table_of(ec2: &Ec2, association: &str) -> Result<(String, RouteTableAssociation), Failure> {
    ec2.route_tables
        .values()
        .flat_map(|table| table.associations.iter().map(|found| (&table.id, found)))
        .find(|(_, found)| found.id == association)
        .map(|(table, found)| (table.clone(), found.clone()))
        .ok_or_else(|| {
            let message = format!("The association ID '{association}' does not exist");
            Failure::new("InvalidAssociationID.NotFound", message)
        })
}

fn remove_association(ec2: &mut Ec2, association: &str) {
    for table in ec2.route_tables.values_mut() {
        table.associations.retain(|found| found.id != association);
    }
}

pub(super) fn disassociate(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let id = params.required("AssociationId");
    let ec2 = cx.ec2();
    let (_, association) = table_of(ec2, id)?;
    if association.subnet.is_none() {
        let message = format!("cannot disassociate the main route table association {id}");
        return Err(Failure::new("InvalidParameterValue", message));
    }
    dry_run(params)?;
    remove_association(ec2, id);
    Ok(json!({ "return": true }).into())
}

pub(super) fn replace_association(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, table_id, now) =
        (params.required("AssociationId"), params.required("RouteTableId"), cx.now);
    let ec2 = cx.ec2();
    let (old_table, association) = table_of(ec2, id)?;
    let table = find::<RouteTable>(ec2, table_id, now)?;
    let old_vpc = ec2.route_tables.get(&old_table).map(|table| &table.vpc);
    if old_vpc != Some(&table.vpc) {
        let message =
            format!("Route tables {old_table} and {table_id} belong to different networks");
        return Err(Failure::new("InvalidParameterValue", message));
    }
    dry_run(params)?;
    let new_id = cx.new_id("rtbassoc");
    let ec2 = cx.ec2();
    remove_association(ec2, id);
    let new = RouteTableAssociation { id: new_id.clone(), subnet: association.subnet };
    find_mut::<RouteTable>(ec2, table_id, now)?.associations.push(new);
    Ok(json!({ "newAssociationId": new_id, "associationState": { "state": "associated" } }).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("RouteTableId"), cx.now);
    let ec2 = cx.ec2();
    let table = find::<RouteTable>(ec2, id, now)?;
    if !table.associations.is_empty() {
        let message = format!("The routeTable '{id}' has dependencies and cannot be deleted.");
        return Err(dependency(message));
    }
    dry_run(params)?;
    ec2.route_tables.remove(id);
    for endpoint in ec2.vpc_endpoints.values_mut() {
        endpoint.route_tables.retain(|table| table != id);
    }
    Ok(json!({ "return": true }).into())
}
