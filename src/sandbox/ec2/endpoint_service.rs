//! The services that VPC endpoints can lead to.

use super::model::Tags;
use super::resource::{Fields, dry_run};
use super::{filter, page, zone};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::store::number;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// AWS's services with interface endpoints, by the end of their endpoint service's name, and the
/// start of their private DNS name where it is not the same.
const INTERFACE: &[(&str, &str)] = &[
    ("autoscaling", "autoscaling"),
    ("ec2", "ec2"),
    ("ec2messages", "ec2messages"),
    ("ecr.api", "api.ecr"),
    ("ecr.dkr", "*.dkr.ecr"),
    ("eks", "eks"),
    ("eks-auth", "eks-auth"),
    ("elasticloadbalancing", "elasticloadbalancing"),
    ("guardduty-data", "guardduty-data"),
    ("kms", "kms"),
    ("logs", "logs"),
    ("monitoring", "monitoring"),
    ("rds", "rds"),
    ("s3", "s3"),
    ("secretsmanager", "secretsmanager"),
    ("sns", "sns"),
    ("ssm", "ssm"),
    ("ssmmessages", "ssmmessages"),
    ("sts", "sts"),
];

/// Those with gateway endpoints.
const GATEWAY: &[&str] = &["dynamodb", "s3"];

/// One service.
struct EndpointService {
    name: String,
    interface: bool,
}

fn of(region: &str) -> Vec<EndpointService> {
    let service = |end: &str, interface| EndpointService {
        name: format!("com.amazonaws.{region}.{end}"),
        interface,
    };
    GATEWAY
        .iter()
        .map(|end| service(end, false))
        .chain(INTERFACE.iter().map(|(end, _)| service(end, true)))
        .collect()
}

/// Refuses a service that has no endpoints of this type.
pub(super) fn offered(region: &str, name: &str, interface: bool) -> Result<(), Failure> {
    let found = of(region).iter().any(|known| known.name == name && known.interface == interface);
    if found {
        return Ok(());
    }
    let message = format!("The Vpc Endpoint Service '{name}' does not exist");
    Err(Failure::new("InvalidServiceName", message))
}

/// The name that private DNS takes over in the VPC.
pub(super) fn private_dns_name(region: &str, name: &str) -> Option<String> {
    let end = name.strip_prefix(&format!("com.amazonaws.{region}."))?;
    let (_, start) = INTERFACE.iter().find(|(known, _)| *known == end)?;
    Some(format!("{start}.{region}.amazonaws.com"))
}

const FIELDS: Fields<EndpointService> = &[
    ("service-name", |_, service| vec![service.name.clone()]),
    ("service-type", |_, service| vec![kind(service).to_owned()]),
    ("service-region", |view, _| vec![view.scope.region.clone()]),
    ("owner", |_, _| vec!["amazon".to_owned()]),
    ("supported-ip-address-types", |_, _| vec!["ipv4".to_owned()]),
];

fn kind(service: &EndpointService) -> &'static str {
    if service.interface { "Interface" } else { "Gateway" }
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let region = &view.scope.region;
    let names = params.texts("ServiceNames");
    let mut services = of(region);
    if let Some(unknown) = names.iter().find(|name| services.iter().all(|s| s.name != **name)) {
        let message = format!("The Vpc Endpoint Service '{unknown}' does not exist");
        return Err(Failure::new("InvalidServiceName", message));
    }
    let filters = filter::read(params, "Filters", FIELDS)?;
    let none = Tags::new();
    services.retain(|service| names.is_empty() || names.contains(&service.name.as_str()));
    services.retain(|service| filters.iter().all(|f| f.keeps_with(view, service, &none)));
    let key = |service: &EndpointService| format!("{}\n{}", service.name, kind(service));
    services.sort_by_key(key);
    let page = page::of(view, params, services, key)?;
    let zones = zone::of(region);
    let zone_names: Vec<&String> = zones.iter().map(|zone| &zone.name).collect();
    let zone_ids: Vec<&String> = zones.iter().map(|zone| &zone.id).collect();
    let details: Vec<Value> = page
        .items
        .iter()
        .map(|service| {
            let dns = Some(service).filter(|service| service.interface);
            json!({
                "serviceName": service.name,
                "serviceId": format!("vpce-svc-0{:016x}", number(&key(service))),
                "serviceType": [{ "serviceType": kind(service) }],
                "serviceRegion": region,
                "availabilityZoneSet": zone_names,
                "availabilityZoneIdSet": zone_ids,
                "owner": "amazon",
                "privateDnsName": dns.and_then(|s| private_dns_name(region, &s.name)),
                "vpcEndpointPolicySupported": true,
                "acceptanceRequired": false,
                "managesVpcEndpoints": false,
                "supportedIpAddressTypeSet": ["ipv4"],
            })
        })
        .collect();
    let mut names: Vec<&String> = page.items.iter().map(|service| &service.name).collect();
    names.dedup();
    Ok(json!({
        "serviceNameSet": names, "serviceDetailSet": details, "nextToken": page.next,
    })
    .into())
}
