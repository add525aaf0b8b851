//! Secrets Manager: secrets and the versions of their values.

mod model;
mod password;
mod secret;
mod value;
mod version;

pub(crate) use model::Secrets;

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "secretsmanager",
    protocol: Protocol::AwsJson11,
    xmlns: "",
    throttling: (400, "ThrottlingException"),
    law: include_str!("../law/secretsmanager.json"),
    operations: &[
        Operation::write("CreateSecret", secret::create),
        Operation::read("DescribeSecret", secret::describe),
        Operation::read("ListSecrets", secret::list),
        Operation::write("UpdateSecret", secret::update),
        Operation::write("DeleteSecret", secret::delete),
        Operation::write("RestoreSecret", secret::restore),
        Operation::write("TagResource", secret::tag),
        Operation::write("UntagResource", secret::untag),
        Operation::read("GetSecretValue", value::get),
        Operation::write("PutSecretValue", value::put),
        Operation::read("ListSecretVersionIds", version::list),
        Operation::write("UpdateSecretVersionStage", version::update_stage),
        Operation::write("GetRandomPassword", password::get),
    ],
    route: None,
};
