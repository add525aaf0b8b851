//! Auto Scaling: the groups that EKS makes. No request makes one.

mod group;
mod model;
mod scale;
mod scheduled;
mod tags;
mod traffic;
mod words;

pub use model::Attached;
pub(crate) use model::{AutoScaling, Group, Source, attached_instances};

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "autoscaling",
    protocol: Protocol::AwsQuery,
    xmlns: "http://autoscaling.amazonaws.com/doc/2011-01-01/",
    throttling: (400, "Throttling"),
    law: include_str!("../law/autoscaling.json"),
    operations: &[
        Operation::read("DescribeAutoScalingGroups", group::describe),
        Operation::write("UpdateAutoScalingGroup", group::update),
        Operation::write("SetDesiredCapacity", group::set_desired),
        Operation::write("AttachTrafficSources", traffic::attach),
        Operation::write("DetachTrafficSources", traffic::detach),
        Operation::read("DescribeTrafficSources", traffic::describe),
        Operation::write("AttachLoadBalancerTargetGroups", traffic::attach_target_groups),
        Operation::write("DetachLoadBalancerTargetGroups", traffic::detach_target_groups),
        Operation::read("DescribeLoadBalancerTargetGroups", traffic::describe_target_groups),
        Operation::write("PutScheduledUpdateGroupAction", scheduled::put),
        Operation::write("BatchPutScheduledUpdateGroupAction", scheduled::put_batch),
        Operation::read("DescribeScheduledActions", scheduled::describe),
        Operation::write("DeleteScheduledAction", scheduled::delete),
        Operation::write("CreateOrUpdateTags", tags::create),
        Operation::write("DeleteTags", tags::delete),
        Operation::read("DescribeTags", tags::describe),
    ],
    route: None,
};
