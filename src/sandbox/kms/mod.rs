//! KMS: keys, their aliases, policies and rotation. No cryptography: nothing is encrypted here.

mod alias;
mod key;
mod lifecycle;
mod model;
mod policy;
mod tags;

pub(crate) use model::Kms;

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "kms",
    protocol: Protocol::AwsJson11,
    xmlns: "",
    throttling: (400, "ThrottlingException"),
    law: include_str!("../law/kms.json"),
    operations: &[
        Operation::write("CreateKey", key::create),
        Operation::read("DescribeKey", key::describe),
        Operation::read("ListKeys", key::list),
        Operation::write("UpdateKeyDescription", key::update_description),
        Operation::write("EnableKeyRotation", key::enable_rotation),
        Operation::write("DisableKeyRotation", key::disable_rotation),
        Operation::read("GetKeyRotationStatus", key::rotation_status),
        Operation::write("EnableKey", lifecycle::enable),
        Operation::write("DisableKey", lifecycle::disable),
        Operation::write("ScheduleKeyDeletion", lifecycle::schedule_deletion),
        Operation::write("CancelKeyDeletion", lifecycle::cancel_deletion),
        Operation::read("GetKeyPolicy", policy::get),
        Operation::write("PutKeyPolicy", policy::put),
        Operation::read("ListAliases", alias::list),
        Operation::write("CreateAlias", alias::create),
        Operation::write("UpdateAlias", alias::update),
        Operation::write("DeleteAlias", alias::delete),
        Operation::write("TagResource", tags::tag),
        Operation::write("UntagResource", tags::untag),
        Operation::read("ListResourceTags", tags::list),
    ],
    route: None,
};
