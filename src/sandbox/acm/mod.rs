//! Certificate Manager: public certificates that are validated by DNS.

mod certificate;
mod model;
mod tags;
mod validation;

pub(crate) use model::{Acm, names_of};
pub(crate) use validation::{is_due, settle, status};

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "acm",
    protocol: Protocol::AwsJson11,
    xmlns: "",
    throttling: (400, "ThrottlingException"),
    law: include_str!("../law/acm.json"),
    operations: &[
        Operation::write("RequestCertificate", certificate::request),
        Operation::read("DescribeCertificate", certificate::describe),
        Operation::read("ListCertificates", certificate::list),
        Operation::write("UpdateCertificateOptions", certificate::update_options),
        Operation::write("DeleteCertificate", certificate::delete),
        Operation::write("AddTagsToCertificate", tags::add),
        Operation::write("RemoveTagsFromCertificate", tags::remove),
        Operation::read("ListTagsForCertificate", tags::list),
    ],
    route: None,
};
