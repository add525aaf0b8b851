//! Instance types: families by what all their sizes have in common.

use super::resource::{Fields, dry_run};
use super::{filter, model::Tags, page, zone};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// A family: its name, GiB of memory per vCPU (times two), and its sizes.
type Family = (&'static str, u64, &'static [&'static str]);

const COMMON: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge", "24xlarge"];
const OLD_C: &[&str] =
    &["large", "xlarge", "2xlarge", "4xlarge", "9xlarge", "12xlarge", "18xlarge"];
const ARM: &[&str] =
    &["medium", "large", "xlarge", "2xlarge", "4xlarge", "8xlarge", "12xlarge", "16xlarge"];
/// Sizes of burstable types up to `medium` do not follow the rule; see [`of`].
const BURSTABLE: &[&str] = &["medium", "large", "xlarge", "2xlarge"];

/// <https://aws.amazon.com/ec2/instance-types/>
const FAMILIES: &[Family] = &[
    ("c5", 4, OLD_C),
    ("c5a", 4, COMMON),
    ("c6a", 4, COMMON),
    ("c6g", 4, ARM),
    ("c6i", 4, COMMON),
    ("c7a", 4, COMMON),
    ("c7g", 4, ARM),
    ("c7i", 4, COMMON),
    ("m5", 8, COMMON),
    ("m5a", 8, COMMON),
    ("m5d", 8, COMMON),
    ("m5n", 8, COMMON),
    ("m6a", 8, COMMON),
    ("m6g", 8, ARM),
    ("m6i", 8, COMMON),
    ("m7a", 8, COMMON),
    ("m7g", 8, ARM),
    ("m7i", 8, COMMON),
    ("r5", 16, COMMON),
    ("r6g", 16, ARM),
    ("r6i", 16, COMMON),
    ("r7g", 16, ARM),
    ("r7i", 16, COMMON),
    ("t3", 8, BURSTABLE),
    ("t3a", 8, BURSTABLE),
    ("t4g", 8, BURSTABLE),
];

/// An instance type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InstanceType {
    /// `m5.large`.
    pub(crate) name: String,
    /// Virtual processors.
    pub(crate) vcpus: u64,
    /// Mebibytes.
    pub(crate) memory: u64,
    /// `x86_64` or `arm64`.
    pub(crate) architecture: &'static str,
}

/// The type of this name, if there is one.
pub(crate) fn of(name: &str) -> Option<InstanceType> {
    let (family, size) = name.split_once('.')?;
    let (family, halves, sizes) = FAMILIES.iter().find(|(known, ..)| *known == family)?;
    sizes.contains(&size).then_some(())?;
    let vcpus = match size.strip_suffix("xlarge") {
        Some("") => 4,
        Some(times) => times.parse::<u64>().ok()?.checked_mul(4)?,
        // A burstable `medium` has the processors of a `large` and half its memory.
        None if size == "medium" && !family.starts_with('t') => 1,
        None => 2,
    };
    let whole = vcpus * halves * 512;
    let memory = if size == "medium" && family.starts_with('t') { whole / 2 } else { whole };
    Some(InstanceType { name: name.to_owned(), vcpus, memory, architecture: architecture(name) })
}

/// `arm64` where the family's letters say so (a `g` behind the generation), else `x86_64`.
pub(crate) fn architecture(name: &str) -> &'static str {
    let family = name.split('.').next().unwrap_or_default();
    let letters = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let attributes = letters.trim_start_matches(|c: char| c.is_ascii_digit());
    if attributes.starts_with('g') { "arm64" } else { "x86_64" }
}

fn all() -> Vec<InstanceType> {
    let names = FAMILIES
        .iter()
        .flat_map(|(family, _, sizes)| sizes.iter().map(move |size| format!("{family}.{size}")));
    let mut all: Vec<InstanceType> = names.filter_map(|name| of(&name)).collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn burstable(kind: &InstanceType) -> bool {
    kind.name.starts_with('t')
}

const FIELDS: Fields<InstanceType> = &[
    ("instance-type", |_, kind| vec![kind.name.clone()]),
    ("current-generation", |_, _| vec!["true".to_owned()]),
    ("bare-metal", |_, _| vec!["false".to_owned()]),
    ("burstable-performance-supported", |_, kind| vec![burstable(kind).to_string()]),
    ("processor-info.supported-architecture", |_, kind| vec![kind.architecture.to_owned()]),
    ("memory-info.size-in-mib", |_, kind| vec![kind.memory.to_string()]),
    ("vcpu-info.default-vcpus", |_, kind| vec![kind.vcpus.to_string()]),
    ("supported-usage-class", |_, _| vec!["on-demand".to_owned(), "spot".to_owned()]),
    ("hypervisor", |_, _| vec!["nitro".to_owned()]),
];

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let names = params.texts("InstanceTypes");
    let unknown: Vec<&str> = names.iter().copied().filter(|name| of(name).is_none()).collect();
    if !unknown.is_empty() {
        let message =
            format!("The following supplied instance types do not exist: [{}]", unknown.join(", "));
        return Err(Failure::new("InvalidInstanceType", message));
    }
    let filters = filter::read(params, "Filters", FIELDS)?;
    let none = Tags::new();
    let found: Vec<InstanceType> = all()
        .into_iter()
        .filter(|kind| names.is_empty() || names.contains(&kind.name.as_str()))
        .filter(|kind| filters.iter().all(|filter| filter.keeps_with(view, kind, &none)))
        .collect();
    let page = page::of(view, params, found, |kind| kind.name.clone())?;
    let items: Vec<Value> = page.items.iter().map(write).collect();
    Ok(json!({ "instanceTypeSet": items, "nextToken": page.next }).into())
}

fn write(kind: &InstanceType) -> Value {
    json!({
        "instanceType": kind.name,
        "currentGeneration": true,
        "bareMetal": false,
        "hypervisor": "nitro",
        "burstablePerformanceSupported": burstable(kind),
        "supportedUsageClasses": ["on-demand", "spot"],
        "supportedRootDeviceTypes": ["ebs"],
        "supportedVirtualizationTypes": ["hvm"],
        "processorInfo": { "supportedArchitectures": [kind.architecture] },
        "vCpuInfo": { "defaultVCpus": kind.vcpus, "defaultCores": kind.vcpus.div_ceil(2) },
        "memoryInfo": { "sizeInMiB": kind.memory },
    })
}

/// A type in a place.
struct Offering {
    instance_type: String,
    location: String,
}

const OFFERING_FIELDS: Fields<Offering> = &[
    ("instance-type", |_, offering| vec![offering.instance_type.clone()]),
    ("location", |_, offering| vec![offering.location.clone()]),
];

/// Every type is offered everywhere.
pub(super) fn describe_offerings(view: &View<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let region = &view.scope.region;
    let kind = params.text("LocationType").unwrap_or("region");
    let places: Vec<String> = match kind {
        "availability-zone" => zone::of(region).into_iter().map(|zone| zone.name).collect(),
        "availability-zone-id" => zone::of(region).into_iter().map(|zone| zone.id).collect(),
        "region" => vec![region.clone()],
        other => {
            let message = format!("The sandbox does not model the location type {other}.");
            return Err(Failure::new("InvalidParameterValue", message));
        }
    };
    let filters = filter::read(params, "Filters", OFFERING_FIELDS)?;
    let none = Tags::new();
    let mut found = Vec::new();
    for kind in all() {
        for place in &places {
            let offering = Offering { instance_type: kind.name.clone(), location: place.clone() };
            if filters.iter().all(|filter| filter.keeps_with(view, &offering, &none)) {
                found.push(offering);
            }
        }
    }
    let key = |offering: &Offering| format!("{}\n{}", offering.instance_type, offering.location);
    let page = page::of(view, params, found, key)?;
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|offering| {
            json!({
                "instanceType": offering.instance_type,
                "location": offering.location,
                "locationType": kind,
            })
        })
        .collect();
    Ok(json!({ "instanceTypeOfferingSet": items, "nextToken": page.next }).into())
}
