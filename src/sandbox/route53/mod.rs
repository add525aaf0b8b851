//! Route 53: hosted zones and their records, and health checks that check nothing. One set an
//! account, the same in every region.

mod change;
mod health_check;
mod model;
mod names;
mod record;
mod resolve;
mod route;
mod tags;
mod zone;

pub(crate) use model::Route53;
pub(crate) use resolve::{cname_since, resolve};

use super::service::{Operation, Service};
use super::wire::Protocol;

/// The XML namespace of answers.
const XMLNS: &str = "https://route53.amazonaws.com/doc/2013-04-01/";

pub(crate) static SERVICE: Service = Service {
    name: "route53",
    protocol: Protocol::RestXmlWrapped,
    xmlns: XMLNS,
    throttling: (400, "Throttling"),
    law: include_str!("../law/route53.json"),
    operations: &[
        Operation::write("CreateHostedZone", zone::create),
        Operation::read("GetHostedZone", zone::get),
        Operation::read("ListHostedZones", zone::list),
        Operation::read("ListHostedZonesByName", zone::list_by_name),
        Operation::write("DeleteHostedZone", zone::delete),
        Operation::write("ChangeResourceRecordSets", change::change),
        Operation::read("GetChange", change::get),
        Operation::read("ListResourceRecordSets", record::list),
        Operation::write("CreateHealthCheck", health_check::create),
        Operation::read("GetHealthCheck", health_check::get),
        Operation::read("ListHealthChecks", health_check::list),
        Operation::write("DeleteHealthCheck", health_check::delete),
        Operation::write("ChangeTagsForResource", tags::change),
        Operation::read("ListTagsForResource", tags::list),
        Operation::read("ListTagsForResources", tags::list_many),
    ],
    route: Some(route::find),
};
