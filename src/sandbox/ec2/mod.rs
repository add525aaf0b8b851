//! EC2: networks, and what Auto Scaling runs in them. One file a kind; `model.rs` and `compute.rs`
//! say what there is, `resource.rs` what all kinds have in common, `settle.rs` what time does.

mod address;
pub(crate) mod compute;
mod endpoint_service;
mod filter;
mod flow_log;
mod instance;
pub(crate) mod instance_type;
mod internet_gateway;
pub(crate) mod launch;
pub(crate) mod launch_template;
mod launch_template_data;
pub(crate) mod model;
mod nat_gateway;
pub(crate) mod network_interface;
mod page;
mod permission;
mod prefix_list;
mod region;
mod resource;
mod route;
mod route_table;
pub(crate) mod security_group;
mod security_group_rule;
mod settle;
mod subnet;
mod tags;
mod token;
pub(crate) mod volume;
mod vpc;
mod vpc_endpoint;
mod zone;

pub(crate) use subnet::free_addresses;
pub(crate) use zone::id_of as zone_id;

use super::failure::Failure;
use super::service::{Cx, Operation, Service, View};
use super::store::{Scope, Store};
use super::wire::Protocol;
use model::Ec2;
use security_group_rule as rules;
use serde_json::Value;

pub(crate) static SERVICE: Service = Service {
    name: "ec2",
    protocol: Protocol::Ec2Query,
    xmlns: "http://ec2.amazonaws.com/doc/2016-11-15/",
    throttling: (503, "RequestLimitExceeded"),
    law: include_str!("../law/ec2.json"),
    operations: &[
        Operation::write("CreateVpc", vpc::create),
        Operation::read("DescribeVpcs", vpc::describe_all),
        Operation::read("DescribeVpcAttribute", vpc::describe_attribute),
        Operation::write("ModifyVpcAttribute", vpc::modify_attribute),
        Operation::write("DeleteVpc", vpc::delete),
        Operation::write("CreateSubnet", subnet::create),
        Operation::read("DescribeSubnets", subnet::describe_all),
        Operation::write("ModifySubnetAttribute", subnet::modify_attribute),
        Operation::write("DeleteSubnet", subnet::delete),
        Operation::write("CreateInternetGateway", internet_gateway::create),
        Operation::read("DescribeInternetGateways", internet_gateway::describe_all),
        Operation::write("AttachInternetGateway", internet_gateway::attach),
        Operation::write("DetachInternetGateway", internet_gateway::detach),
        Operation::write("DeleteInternetGateway", internet_gateway::delete),
        Operation::write("AllocateAddress", address::allocate),
        Operation::read("DescribeAddresses", address::describe_all),
        Operation::write("ReleaseAddress", address::release),
        Operation::write("CreateNatGateway", nat_gateway::create),
        Operation::read("DescribeNatGateways", nat_gateway::describe_all),
        Operation::write("DeleteNatGateway", nat_gateway::delete),
        Operation::write("CreateRouteTable", route_table::create),
        Operation::read("DescribeRouteTables", route_table::describe_all),
        Operation::write("AssociateRouteTable", route_table::associate),
        Operation::write("DisassociateRouteTable", route_table::disassociate),
        Operation::write("ReplaceRouteTableAssociation", route_table::replace_association),
        Operation::write("DeleteRouteTable", route_table::delete),
        Operation::write("CreateRoute", route::create),
        Operation::write("ReplaceRoute", route::replace),
        Operation::write("DeleteRoute", route::delete),
        Operation::write("CreateSecurityGroup", security_group::create),
        Operation::read("DescribeSecurityGroups", security_group::describe_all),
        Operation::write("DeleteSecurityGroup", security_group::delete),
        Operation::write("AuthorizeSecurityGroupIngress", rules::authorize_ingress),
        Operation::write("AuthorizeSecurityGroupEgress", rules::authorize_egress),
        Operation::write("RevokeSecurityGroupIngress", rules::revoke_ingress),
        Operation::write("RevokeSecurityGroupEgress", rules::revoke_egress),
        Operation::read("DescribeSecurityGroupRules", rules::describe_all),
        Operation::write("ModifySecurityGroupRules", rules::modify),
        Operation::write("CreateVpcEndpoint", vpc_endpoint::create),
        Operation::read("DescribeVpcEndpoints", vpc_endpoint::describe_all),
        Operation::write("ModifyVpcEndpoint", vpc_endpoint::modify),
        Operation::write("DeleteVpcEndpoints", vpc_endpoint::delete),
        Operation::read("DescribeVpcEndpointServices", endpoint_service::describe),
        Operation::write("CreateFlowLogs", flow_log::create),
        Operation::read("DescribeFlowLogs", flow_log::describe_all),
        Operation::write("DeleteFlowLogs", flow_log::delete),
        Operation::read("DescribeNetworkInterfaces", network_interface::describe_all),
        Operation::write("DeleteNetworkInterface", network_interface::delete),
        Operation::write("CreateLaunchTemplate", launch_template::create),
        Operation::write("CreateLaunchTemplateVersion", launch_template::create_version),
        Operation::read("DescribeLaunchTemplates", launch_template::describe_all),
        Operation::read("DescribeLaunchTemplateVersions", launch_template::describe_versions),
        Operation::write("ModifyLaunchTemplate", launch_template::modify),
        Operation::write("DeleteLaunchTemplate", launch_template::delete),
        Operation::read("DescribeInstances", instance::describe_all),
        Operation::write("TerminateInstances", instance::terminate),
        Operation::read("DescribeInstanceTypes", instance_type::describe),
        Operation::read("DescribeInstanceTypeOfferings", instance_type::describe_offerings),
        Operation::read("DescribeVolumes", volume::describe_all),
        Operation::write("DeleteVolume", volume::delete),
        Operation::read("DescribePrefixLists", prefix_list::describe),
        Operation::read("DescribeManagedPrefixLists", prefix_list::describe_managed),
        Operation::read("DescribeAvailabilityZones", zone::describe_zones),
        Operation::read("DescribeRegions", zone::describe_regions),
        Operation::write("CreateTags", tags::create_tags),
        Operation::write("DeleteTags", tags::delete_tags),
        Operation::read("DescribeTags", tags::describe_tags),
    ],
    route: None,
};

static NOTHING: Ec2 = Ec2::empty();

impl<'a> View<'a> {
    /// EC2 in the region of the call.
    pub(crate) fn ec2(&self) -> &'a Ec2 {
        self.store.regional(self.scope).map_or(&NOTHING, |regional| &regional.ec2)
    }
}

impl Cx<'_> {
    /// EC2 in the region of the call.
    pub(crate) fn ec2(&mut self) -> &mut Ec2 {
        &mut self.store.regional_mut(self.scope).ec2
    }
}

/// Refuses an input that names a resource which is in `current` but not yet in `seen`.
pub(crate) fn none_is_fresh(
    input: &Value,
    current: &Store,
    seen: &Store,
    scope: &Scope,
) -> Result<(), Failure> {
    let of = |store: &'_ Store| store.regional(scope).map(|regional| regional.ec2.clone());
    match (of(current), of(seen)) {
        (Some(current), Some(seen)) => tags::none_is_fresh(input, &current, &seen),
        _ => Ok(()),
    }
}
