//! VPC endpoints: gateway endpoints put routes into tables, interface endpoints put network
//! interfaces into subnets.

use super::model::{Ec2, RouteTable, SecurityGroup, Subnet, Tags, Vpc, VpcEndpoint};
use super::resource::{self, Fields, Listing, Resource, dry_run, find, find_mut, stored};
use super::{endpoint_service, network_interface, tags, token};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::{Millis, number};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long an interface endpoint is `pending`.
const PENDING: Duration = Duration::from_secs(90);
/// How long an interface endpoint is `deleting`.
const DELETING: Duration = Duration::from_secs(60);

/// What an endpoint allows that was made without a policy.
const FULL_ACCESS: &str = "{\"Version\":\"2008-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"*\",\"Resource\":\"*\"}]}";

impl VpcEndpoint {
    fn state(&self, now: Millis) -> &'static str {
        match self.gone {
            Some(_) => "deleting",
            None if now < self.available => "pending",
            None => "available",
        }
    }
}

impl Resource for VpcEndpoint {
    const PREFIX: &'static str = "vpce";
    const TYPE: &'static str = "vpc-endpoint";
    const NOT_FOUND: &'static str = "InvalidVpcEndpointId.NotFound";
    const NOUN: &'static str = "Vpc Endpoint Id";
    const FIELDS: Fields<Self> = &[
        ("vpc-endpoint-id", |_, endpoint| vec![endpoint.id.clone()]),
        ("vpc-endpoint-state", |view, endpoint| vec![endpoint.state(view.now).to_owned()]),
        ("vpc-endpoint-type", |_, endpoint| vec![kind(endpoint).to_owned()]),
        ("vpc-id", |_, endpoint| vec![endpoint.vpc.clone()]),
        ("service-name", |_, endpoint| vec![endpoint.service.clone()]),
        ("service-region", |view, _| vec![view.scope.region.clone()]),
        ("ip-address-type", |_, endpoint| vec![endpoint.address_type.clone()]),
    ];

    stored!(vpc_endpoints);

    fn is_alive(&self, _now: Millis) -> bool {
        self.gone.is_none()
    }

    fn write(&self, view: &View<'_>) -> Value {
        let ec2 = view.ec2();
        let name = |id: &String| ec2.security_groups.get(id).map(|group| group.name.clone());
        let groups: Vec<Value> =
            self.groups.iter().map(|id| json!({ "groupId": id, "groupName": name(id) })).collect();
        let interfaces: Vec<&String> = self.network_interfaces.values().collect();
        json!({
            "vpcEndpointId": self.id,
            "vpcEndpointType": kind(self),
            "vpcId": self.vpc,
            "ownerId": view.scope.account,
            "serviceName": self.service,
            "serviceRegion": view.scope.region,
            "state": self.state(view.now),
            "policyDocument": self.policy,
            "routeTableIdSet": self.route_tables,
            "subnetIdSet": self.subnets,
            "groupSet": groups,
            "ipAddressType": self.address_type,
            "dnsOptions": { "dnsRecordIpType": self.dns_record_type },
            "privateDnsEnabled": self.private_dns,
            "requesterManaged": false,
            "networkInterfaceIdSet": interfaces,
            "dnsEntrySet": dns_entries(view, self),
            "creationTimestamp": self.created.iso(),
            "tagSet": tags::write(&self.tags),
        })
    }
}

fn kind(endpoint: &VpcEndpoint) -> &'static str {
    if endpoint.interface { "Interface" } else { "Gateway" }
}

fn dns_entries(view: &View<'_>, endpoint: &VpcEndpoint) -> Vec<Value> {
    if !endpoint.interface {
        return Vec::new();
    }
    let region = &view.scope.region;
    let service = endpoint.service.rsplit('.').next().unwrap_or_default();
    let suffix = number(&endpoint.id) & 0xffff_ffff;
    let zone = format!("Z{:013X}", number(&format!("vpce-zone/{region}")) >> 12);
    let mut entries = vec![json!({
        "dnsName": format!("{}-{suffix:08x}.{service}.{region}.vpce.amazonaws.com", endpoint.id),
        "hostedZoneId": zone,
    })];
    if endpoint.private_dns
        && let Some(name) = endpoint_service::private_dns_name(region, &endpoint.service)
    {
        let zone = format!("Z{:013X}", number(&format!("{}/{name}", endpoint.vpc)) >> 12);
        entries.push(json!({ "dnsName": name, "hostedZoneId": zone }));
    }
    entries
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "VpcEndpointIds", filters: "Filters", set: "vpcEndpointSet" };
    resource::describe::<VpcEndpoint>(view, params, &LISTING)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    token::once(cx, "CreateVpcEndpoint", params, make)
}

fn make(cx: &mut Cx<'_>, params: &Params) -> Result<Value, Failure> {
    let tags: Tags = tags::given(params, VpcEndpoint::TYPE)?;
    let now = cx.now;
    let vpc = find::<Vpc>(cx.ec2(), params.required("VpcId"), now)?.clone();
    let service = params.text("ServiceName").unwrap_or_default().to_owned();
    let interface = match params.text("VpcEndpointType").unwrap_or("Gateway") {
        "Interface" => true,
        "Gateway" => false,
        other => {
            let message = format!("The sandbox does not model endpoints of type {other}.");
            return Err(Failure::new("InvalidParameter", message));
        }
    };
    endpoint_service::offered(&cx.scope.region, &service, interface)?;
    let policy = policy_of(params)?.unwrap_or_else(|| FULL_ACCESS.to_owned());
    let mut endpoint = VpcEndpoint {
        id: cx.new_id("vpce"),
        vpc: vpc.id.clone(),
        service,
        interface,
        policy,
        route_tables: Vec::new(),
        subnets: Vec::new(),
        groups: Vec::new(),
        network_interfaces: BTreeMap::new(),
        private_dns: interface && params.flag("PrivateDnsEnabled").unwrap_or(true),
        address_type: params.text("IpAddressType").unwrap_or("ipv4").to_owned(),
        dns_record_type: record_type(params).unwrap_or("ipv4").to_owned(),
        created: now,
        available: if interface { now.plus(PENDING) } else { now },
        gone: None,
        tags,
    };
    if interface {
        refuse(params, &["RouteTableIds"], "an interface")?;
        let groups = params.texts("SecurityGroupIds");
        add_groups(cx.ec2(), &mut endpoint, &groups, now)?;
        if endpoint.groups.is_empty() {
            let default = default_group(cx.ec2(), &vpc.id);
            endpoint.groups.extend(default);
        }
        check_private_dns(cx, &endpoint)?;
        add_subnets(cx, &mut endpoint, &params.texts("SubnetIds"))?;
    } else {
        refuse(params, &["SubnetIds", "SecurityGroupIds"], "a gateway")?;
        add_tables(cx.ec2(), &mut endpoint, &params.texts("RouteTableIds"), now)?;
    }
    dry_run(params)?;
    let ec2 = cx.ec2();
    ec2.vpc_endpoints.insert(endpoint.id.clone(), endpoint.clone());
    Ok(json!({ "vpcEndpoint": endpoint.write(&cx.view()) }))
}

fn refuse(params: &Params, members: &[&str], kind: &str) -> Result<(), Failure> {
    match members.iter().find(|member| !params.list(member).is_empty()) {
        Some(member) => {
            let message = format!("{member} can't be used with {kind} endpoint");
            Err(Failure::new("InvalidParameter", message))
        }
        None => Ok(()),
    }
}

fn record_type(params: &Params) -> Option<&str> {
    params.get("DnsOptions")?.get("DnsRecordIpType")?.as_str()
}

fn policy_of(params: &Params) -> Result<Option<String>, Failure> {
    let Some(text) = params.text("PolicyDocument").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let whole =
        serde_json::from_str::<Value>(text).is_ok_and(|policy| policy.get("Statement").is_some());
    if whole {
        return Ok(Some(text.to_owned()));
    }
    Err(Failure::new("InvalidPolicyDocument", "The policy document is not valid."))
}

fn default_group(ec2: &Ec2, vpc: &str) -> Option<String> {
    ec2.security_groups
        .values()
        .find(|group| group.vpc == vpc && group.name == "default")
        .map(|group| group.id.clone())
}

/// Private DNS needs both DNS attributes of the VPC, and one service's names only once per VPC.
fn check_private_dns(cx: &mut Cx<'_>, endpoint: &VpcEndpoint) -> Result<(), Failure> {
    if !endpoint.private_dns {
        return Ok(());
    }
    let region = cx.scope.region.clone();
    let ec2 = cx.ec2();
    let attributes =
        ec2.vpcs.get(&endpoint.vpc).is_some_and(|vpc| vpc.dns_support && vpc.dns_hostnames);
    if !attributes {
        let message = format!(
            "Enabling private DNS requires both enableDnsSupport and enableDnsHostnames VPC attributes set to true for {}",
            endpoint.vpc
        );
        return Err(Failure::new("InvalidParameter", message));
    }
    let conflicts = ec2.vpc_endpoints.values().any(|other| {
        other.id != endpoint.id
            && other.vpc == endpoint.vpc
            && other.service == endpoint.service
            && other.private_dns
    });
    if conflicts {
        let name = endpoint_service::private_dns_name(&region, &endpoint.service);
        let message = format!(
            "private-dns-enabled cannot be set because there is already a conflicting DNS domain for {} in the VPC {}",
            name.unwrap_or_default(),
            endpoint.vpc
        );
        return Err(Failure::new("InvalidParameter", message));
    }
    Ok(())
}

fn of_other_vpc(id: &str, vpc: &str) -> Failure {
    Failure::new("InvalidParameter", format!("{id} does not belong to the VPC {vpc}"))
}

fn add_tables(
    ec2: &Ec2,
    endpoint: &mut VpcEndpoint,
    ids: &[&str],
    now: Millis,
) -> Result<(), Failure> {
    for id in ids {
        let table = find::<RouteTable>(ec2, id, now)?;
        if table.vpc != endpoint.vpc {
            return Err(of_other_vpc(id, &endpoint.vpc));
        }
        let taken = ec2.vpc_endpoints.values().any(|other| {
            other.id != endpoint.id
                && other.gone.is_none()
                && other.service == endpoint.service
                && other.route_tables.iter().any(|table| table == id)
        });
        if taken {
            let message = format!(
                "route table {id} already has a route to the prefix list of {}",
                endpoint.service
            );
            return Err(Failure::new("RouteAlreadyExists", message));
        }
        if !endpoint.route_tables.iter().any(|table| table == id) {
            endpoint.route_tables.push((*id).to_owned());
        }
    }
    Ok(())
}

fn add_groups(
    ec2: &Ec2,
    endpoint: &mut VpcEndpoint,
    ids: &[&str],
    now: Millis,
) -> Result<(), Failure> {
    for id in ids {
        if find::<SecurityGroup>(ec2, id, now)?.vpc != endpoint.vpc {
            return Err(of_other_vpc(id, &endpoint.vpc));
        }
        if !endpoint.groups.iter().any(|group| group == id) {
            endpoint.groups.push((*id).to_owned());
        }
    }
    Ok(())
}

fn add_subnets(cx: &mut Cx<'_>, endpoint: &mut VpcEndpoint, ids: &[&str]) -> Result<(), Failure> {
    let now = cx.now;
    for id in ids {
        let subnet = find::<Subnet>(cx.ec2(), id, now)?.clone();
        if subnet.vpc != endpoint.vpc {
            return Err(of_other_vpc(id, &endpoint.vpc));
        }
        if endpoint.subnets.iter().any(|other| other == id) {
            continue;
        }
        let ec2 = cx.ec2();
        let zone_taken = endpoint
            .subnets
            .iter()
            .any(|other| ec2.subnets.get(other).is_some_and(|other| other.zone == subnet.zone));
        if zone_taken {
            let message =
                format!("Found another VPC endpoint subnet in the availability zone of {id}");
            return Err(Failure::new("DuplicateSubnetsInSameZone", message));
        }
        let new = network_interface::New {
            subnet: &subnet,
            groups: endpoint.groups.clone(),
            description: format!("VPC Endpoint Interface {}", endpoint.id),
            interface_type: "vpc_endpoint",
            requester: "727180483921",
            owner: &endpoint.id,
        };
        let nic = network_interface::create(cx, new)?;
        endpoint.subnets.push(subnet.id.clone());
        endpoint.network_interfaces.insert(subnet.id, nic.id);
    }
    Ok(())
}

fn remove_subnets(ec2: &mut Ec2, endpoint: &mut VpcEndpoint, ids: &[&str]) {
    for id in ids {
        endpoint.subnets.retain(|subnet| subnet != id);
        if let Some(nic) = endpoint.network_interfaces.remove(*id) {
            ec2.network_interfaces.remove(&nic);
        }
    }
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("VpcEndpointId"), cx.now);
    let mut endpoint = find::<VpcEndpoint>(cx.ec2(), id, now)?.clone();
    if endpoint.state(now) != "available" {
        let message = format!("The endpoint {id} is not in a state to be modified.");
        return Err(Failure::new("IncorrectState", message));
    }
    if endpoint.interface {
        refuse(params, &["AddRouteTableIds", "RemoveRouteTableIds"], "an interface")?;
    } else {
        let members =
            ["AddSubnetIds", "RemoveSubnetIds", "AddSecurityGroupIds", "RemoveSecurityGroupIds"];
        refuse(params, &members, "a gateway")?;
    }
    let removed = params.texts("RemoveRouteTableIds");
    endpoint.route_tables.retain(|table| !removed.contains(&table.as_str()));
    add_tables(cx.ec2(), &mut endpoint, &params.texts("AddRouteTableIds"), now)?;
    add_groups(cx.ec2(), &mut endpoint, &params.texts("AddSecurityGroupIds"), now)?;
    let removed = params.texts("RemoveSecurityGroupIds");
    endpoint.groups.retain(|group| !removed.contains(&group.as_str()));
    if endpoint.interface && endpoint.groups.is_empty() {
        let message = "An interface endpoint needs at least one security group";
        return Err(Failure::new("InvalidParameter", message));
    }
    remove_subnets(cx.ec2(), &mut endpoint, &params.texts("RemoveSubnetIds"));
    add_subnets(cx, &mut endpoint, &params.texts("AddSubnetIds"))?;
    for nic in endpoint.network_interfaces.values() {
        if let Some(nic) = cx.ec2().network_interfaces.get_mut(nic) {
            nic.groups.clone_from(&endpoint.groups);
        }
    }
    if let Some(private_dns) = params.flag("PrivateDnsEnabled") {
        endpoint.private_dns = private_dns && endpoint.interface;
        check_private_dns(cx, &endpoint)?;
    }
    if let Some(address_type) = params.text("IpAddressType") {
        address_type.clone_into(&mut endpoint.address_type);
    }
    if let Some(record_type) = record_type(params) {
        record_type.clone_into(&mut endpoint.dns_record_type);
    }
    match (params.flag("ResetPolicy"), policy_of(params)?) {
        (Some(true), Some(_)) => {
            let message = "ResetPolicy and PolicyDocument can't be used together";
            return Err(Failure::new("InvalidParameterCombination", message));
        }
        (Some(true), None) => FULL_ACCESS.clone_into(&mut endpoint.policy),
        (_, Some(policy)) => endpoint.policy = policy,
        _ => {}
    }
    dry_run(params)?;
    *find_mut::<VpcEndpoint>(cx.ec2(), id, now)? = endpoint;
    Ok(json!({ "return": true }).into())
}

/// Deletes those that are there; the others come back in `Unsuccessful`, with HTTP 200.
pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let now = cx.now;
    let mut unsuccessful = Vec::new();
    let ec2 = cx.ec2();
    for id in params.texts("VpcEndpointIds") {
        match find_mut::<VpcEndpoint>(ec2, id, now) {
            Ok(endpoint) if endpoint.interface => endpoint.gone = Some(now.plus(DELETING)),
            Ok(_) => {
                ec2.vpc_endpoints.remove(id);
            }
            Err(failure) => unsuccessful.push(json!({
                "resourceId": id,
                "error": { "code": failure.code, "message": failure.message },
            })),
        }
    }
    Ok(json!({ "unsuccessful": unsuccessful }).into())
}
