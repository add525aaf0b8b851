//! Regions and availability zones.

use super::resource::{Fields, dry_run};
use super::{filter, model::Tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Regions that every account has, with the short name that zone ids begin with, and how
/// many zones an account sees.
const REGIONS: &[(&str, &str, usize)] = &[
    ("us-east-1", "use1", 6),
    ("us-east-2", "use2", 3),
    ("us-west-1", "usw1", 2),
    ("us-west-2", "usw2", 4),
    ("ca-central-1", "cac1", 3),
    ("eu-central-1", "euc1", 3),
    ("eu-west-1", "euw1", 3),
    ("eu-west-2", "euw2", 3),
    ("eu-west-3", "euw3", 3),
    ("eu-north-1", "eun1", 3),
    ("ap-northeast-1", "apne1", 3),
    ("ap-northeast-2", "apne2", 4),
    ("ap-northeast-3", "apne3", 3),
    ("ap-southeast-1", "apse1", 3),
    ("ap-southeast-2", "apse2", 3),
    ("ap-south-1", "aps1", 3),
    ("sa-east-1", "sae1", 3),
    ("us-gov-east-1", "usge1", 3),
    ("us-gov-west-1", "usgw1", 3),
];

/// One availability zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Zone {
    /// `us-east-1a`.
    pub(crate) name: String,
    /// `use1-az1`.
    pub(crate) id: String,
    region: String,
}

/// The zones of a region; three for a region that the sandbox does not know by name.
///
/// Which zone id a name stands for differs between accounts; here it is always in order.
pub(crate) fn of(region: &str) -> Vec<Zone> {
    let known = REGIONS.iter().find(|(code, ..)| *code == region);
    let (short, count) = known
        .map_or((region.replace('-', ""), 3), |(_, short, count)| ((*short).to_owned(), *count));
    ('a'..='z')
        .zip(1..=count)
        .map(|(letter, number)| Zone {
            name: format!("{region}{letter}"),
            id: format!("{short}-az{number}"),
            region: region.to_owned(),
        })
        .collect()
}

/// The id of a zone that is known by name.
pub(crate) fn id_of(region: &str, name: &str) -> String {
    of(region).into_iter().find(|zone| zone.name == name).map(|zone| zone.id).unwrap_or_default()
}

/// The zone that a request names, or the first.
pub(crate) fn chosen(view: &View<'_>, params: &Params) -> Result<Zone, Failure> {
    let zones = of(&view.scope.region);
    let (name, id) = (params.text("AvailabilityZone"), params.text("AvailabilityZoneId"));
    let found = zones.iter().find(|zone| {
        name.is_none_or(|name| name == zone.name) && id.is_none_or(|id| id == zone.id)
    });
    found.cloned().ok_or_else(|| {
        let valid: Vec<&str> = zones.iter().map(|zone| zone.name.as_str()).collect();
        let message = format!(
            "Value ({}) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: {}.",
            name.or(id).unwrap_or_default(),
            valid.join(", ")
        );
        Failure::new("InvalidParameterValue", message)
    })
}

const ZONE_FIELDS: Fields<Zone> = &[
    ("zone-name", |_, zone| vec![zone.name.clone()]),
    ("zone-id", |_, zone| vec![zone.id.clone()]),
    ("zone-type", |_, _| vec!["availability-zone".to_owned()]),
    ("region-name", |_, zone| vec![zone.region.clone()]),
    ("state", |_, _| vec!["available".to_owned()]),
    ("opt-in-status", |_, _| vec!["opt-in-not-required".to_owned()]),
    ("group-name", |_, zone| vec![format!("{}-zg-1", zone.region)]),
    ("message", |_, _| Vec::new()),
];

pub(super) fn describe_zones(view: &View<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let zones = of(&view.scope.region);
    let (names, ids) = (params.texts("ZoneNames"), params.texts("ZoneIds"));
    let unknown = names
        .iter()
        .find(|name| zones.iter().all(|zone| zone.name != **name))
        .or_else(|| ids.iter().find(|id| zones.iter().all(|zone| zone.id != **id)));
    if let Some(unknown) = unknown {
        let message = format!("Invalid availability zone: [{unknown}]");
        return Err(Failure::new("InvalidParameterValue", message));
    }
    let filters = filter::read(params, "Filters", ZONE_FIELDS)?;
    let none = Tags::new();
    let items: Vec<Value> = zones
        .iter()
        .filter(|zone| names.is_empty() || names.contains(&zone.name.as_str()))
        .filter(|zone| ids.is_empty() || ids.contains(&zone.id.as_str()))
        .filter(|zone| filters.iter().all(|filter| filter.keeps_with(view, zone, &none)))
        .map(|zone| {
            json!({
                "zoneName": zone.name,
                "zoneId": zone.id,
                "zoneState": "available",
                "zoneType": "availability-zone",
                "regionName": zone.region,
                "groupName": format!("{}-zg-1", zone.region),
                "networkBorderGroup": zone.region,
                "optInStatus": "opt-in-not-required",
                "messageSet": [],
            })
        })
        .collect();
    Ok(json!({ "availabilityZoneInfo": items }).into())
}

const REGION_FIELDS: Fields<&'static str> = &[
    ("region-name", |_, region| vec![(*region).to_owned()]),
    ("endpoint", |_, region| vec![endpoint(region)]),
    ("opt-in-status", |_, _| vec!["opt-in-not-required".to_owned()]),
];

fn endpoint(region: &str) -> String {
    format!("ec2.{region}.amazonaws.com")
}

pub(super) fn describe_regions(view: &View<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let partition = view.scope.partition();
    let of_partition =
        |region: &str| crate::name::Partition::of(&region.into()).as_str() == partition;
    let regions: Vec<&'static str> =
        REGIONS.iter().map(|(code, ..)| *code).filter(|code| of_partition(code)).collect();
    let names = params.texts("RegionNames");
    if let Some(unknown) = names.iter().find(|name| !regions.contains(name)) {
        let message = format!("Invalid region name: {unknown}");
        return Err(Failure::new("InvalidParameterValue", message));
    }
    let filters = filter::read(params, "Filters", REGION_FIELDS)?;
    let none = Tags::new();
    let items: Vec<Value> = regions
        .into_iter()
        .filter(|region| names.is_empty() || names.contains(region))
        .filter(|region| filters.iter().all(|filter| filter.keeps_with(view, region, &none)))
        .map(|region| {
            json!({
                "regionName": region,
                "regionEndpoint": endpoint(region),
                "optInStatus": "opt-in-not-required",
            })
        })
        .collect();
    Ok(json!({ "regionInfo": items }).into())
}
