//! CloudWatch Logs: log groups. What is logged is not modelled.

mod group;
mod model;
mod tags;

pub(crate) use model::Logs;

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "logs",
    protocol: Protocol::AwsJson11,
    xmlns: "",
    throttling: (400, "ThrottlingException"),
    law: include_str!("../law/logs.json"),
    operations: &[
        Operation::write("CreateLogGroup", group::create),
        Operation::read("DescribeLogGroups", group::describe),
        Operation::write("DeleteLogGroup", group::delete),
        Operation::write("PutRetentionPolicy", group::put_retention),
        Operation::write("DeleteRetentionPolicy", group::delete_retention),
        Operation::write("AssociateKmsKey", group::associate_key),
        Operation::write("DisassociateKmsKey", group::disassociate_key),
        Operation::write("TagResource", tags::tag),
        Operation::write("UntagResource", tags::untag),
        Operation::read("ListTagsForResource", tags::list),
    ],
    route: None,
};
