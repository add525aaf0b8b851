//! Elastic Load Balancing: network load balancers, their listeners and target groups.

mod attributes;
mod certificate;
mod door;
mod health;
mod listener;
mod load_balancer;
mod model;
mod settle;
mod ssl_policy;
mod tags;
mod target_group;

pub(crate) use certificate::users_of_certificate;
pub(crate) use door::{Door, door, port_of};
pub(crate) use load_balancer::{addresses, make_for_service, remove_of_service};
pub(crate) use model::Elbv2;
pub(crate) use settle::{is_due, settle};

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "elasticloadbalancing",
    protocol: Protocol::AwsQuery,
    xmlns: "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/",
    throttling: (400, "Throttling"),
    law: include_str!("../law/elbv2.json"),
    operations: &[
        Operation::write("CreateLoadBalancer", load_balancer::create),
        Operation::read("DescribeLoadBalancers", load_balancer::describe),
        Operation::write("DeleteLoadBalancer", load_balancer::delete),
        Operation::write("SetSubnets", load_balancer::set_subnets),
        Operation::write("SetSecurityGroups", load_balancer::set_security_groups),
        Operation::read("DescribeLoadBalancerAttributes", attributes::describe_balancer),
        Operation::write("ModifyLoadBalancerAttributes", attributes::modify_balancer),
        Operation::write("CreateTargetGroup", target_group::create),
        Operation::read("DescribeTargetGroups", target_group::describe),
        Operation::write("ModifyTargetGroup", target_group::modify),
        Operation::write("DeleteTargetGroup", target_group::delete),
        Operation::read("DescribeTargetGroupAttributes", attributes::describe_group),
        Operation::write("ModifyTargetGroupAttributes", attributes::modify_group),
        Operation::write("CreateListener", listener::create),
        Operation::read("DescribeListeners", listener::describe),
        Operation::write("ModifyListener", listener::modify),
        Operation::write("DeleteListener", listener::delete),
        Operation::read("DescribeListenerAttributes", attributes::describe_listener),
        Operation::write("ModifyListenerAttributes", attributes::modify_listener),
        Operation::read("DescribeListenerCertificates", certificate::describe),
        Operation::write("AddListenerCertificates", certificate::add),
        Operation::write("RemoveListenerCertificates", certificate::remove),
        Operation::write("RegisterTargets", health::register),
        Operation::write("DeregisterTargets", health::deregister),
        Operation::read("DescribeTargetHealth", health::describe),
        Operation::read("DescribeSSLPolicies", ssl_policy::describe),
        Operation::read("DescribeAccountLimits", ssl_policy::describe_limits),
        Operation::write("AddTags", tags::add),
        Operation::write("RemoveTags", tags::remove),
        Operation::read("DescribeTags", tags::describe),
    ],
    route: None,
};
