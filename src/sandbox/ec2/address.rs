//! Elastic IP addresses.

use super::model::{Address, Ec2, Tags};
use super::resource::{self, Fields, Listing, Resource, dry_run, find, not_found, stored};
use super::tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;

impl Resource for Address {
    const PREFIX: &'static str = "eipalloc";
    const TYPE: &'static str = "elastic-ip";
    const NOT_FOUND: &'static str = "InvalidAllocationID.NotFound";
    const NOUN: &'static str = "allocation ID";
    const FIELDS: Fields<Self> = &[
        ("allocation-id", |_, address| vec![address.id.clone()]),
        ("association-id", |_, address| {
            address.association.iter().map(|association| association.id.clone()).collect()
        }),
        ("domain", |_, _| vec!["vpc".to_owned()]),
        ("instance-id", |_, _| Vec::new()),
        ("network-border-group", |_, address| vec![address.border_group.clone()]),
        ("network-interface-id", |_, address| {
            address.association.iter().map(|association| association.interface.clone()).collect()
        }),
        ("network-interface-owner-id", |view, address| {
            address.association.iter().map(|_| view.scope.account.clone()).collect()
        }),
        ("private-ip-address", |_, address| {
            address
                .association
                .iter()
                .map(|association| association.private_ip.to_string())
                .collect()
        }),
        ("public-ip", |_, address| vec![address.public_ip.to_string()]),
    ];

    stored!(addresses);

    fn write(&self, view: &View<'_>) -> Value {
        let mut members = Map::new();
        if let Some(association) = &self.association {
            members.insert("associationId".to_owned(), association.id.clone().into());
            members.insert("networkInterfaceId".to_owned(), association.interface.clone().into());
            members.insert("networkInterfaceOwnerId".to_owned(), view.scope.account.clone().into());
            members
                .insert("privateIpAddress".to_owned(), association.private_ip.to_string().into());
        }
        let mut answer = json!({
            "allocationId": self.id,
            "publicIp": self.public_ip,
            "domain": "vpc",
            "publicIpv4Pool": "amazon",
            "networkBorderGroup": self.border_group,
            "tagSet": tags::write(&self.tags),
        });
        if let Some(answer) = answer.as_object_mut() {
            answer.append(&mut members);
        }
        answer
    }
}

/// `DescribeAddresses` has no pages.
pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "AllocationIds", filters: "Filters", set: "addressesSet" };
    let found = resource::selected::<Address>(view, params, &LISTING)?;
    let public = params.texts("PublicIps");
    for ip in &public {
        if !view.ec2().addresses.values().any(|address| address.public_ip.to_string() == *ip) {
            return Err(no_such_ip(ip));
        }
    }
    let items: Vec<Value> = found
        .into_iter()
        .filter(|address| {
            public.is_empty() || public.contains(&address.public_ip.to_string().as_str())
        })
        .map(|address| address.write(view))
        .collect();
    Ok(json!({ "addressesSet": items }).into())
}

pub(super) fn allocate(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let tags: Tags = tags::given(params, Address::TYPE)?;
    let limit = cx.knobs.addresses_per_region;
    if cx.ec2().addresses.len() >= limit {
        let message = "The maximum number of addresses has been reached.";
        return Err(Failure::new("AddressLimitExceeded", message));
    }
    let here = cx.scope.region.clone();
    let border_group = params.text("NetworkBorderGroup").unwrap_or(&here).to_owned();
    if border_group != here {
        let message = format!("The network border group '{border_group}' is not valid here.");
        return Err(Failure::new("InvalidParameterValue", message));
    }
    dry_run(params)?;
    let public_ip = new_public_ip(cx);
    let address =
        Address { id: cx.new_id("eipalloc"), public_ip, border_group, association: None, tags };
    let answer = json!({
        "allocationId": address.id,
        "publicIp": address.public_ip,
        "domain": "vpc",
        "publicIpv4Pool": "amazon",
        "networkBorderGroup": address.border_group,
    });
    cx.ec2().addresses.insert(address.id.clone(), address);
    Ok(answer.into())
}

/// From the block that is set aside for benchmarks (RFC 2544): nobody's real address.
fn new_public_ip(cx: &mut Cx<'_>) -> Ipv4Addr {
    loop {
        let drawn = cx.store.random().to_be_bytes();
        let ip = Ipv4Addr::new(198, 18 + (drawn[0] & 1), drawn[1], drawn[2]);
        if cx.ec2().addresses.values().all(|address| address.public_ip != ip) {
            return ip;
        }
    }
}

pub(super) fn release(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let ec2 = cx.ec2();
    let address = match (params.text("AllocationId"), params.text("PublicIp")) {
        (Some(id), _) => find::<Address>(ec2, id, now)?,
        (None, Some(ip)) => by_public_ip(ec2, ip)?,
        (None, None) => {
            let message = "Either public IP or allocation id must be specified";
            return Err(Failure::new("MissingParameter", message));
        }
    };
    if address.association.is_some() {
        let message = format!("Address {} is in use.", address.public_ip);
        return Err(Failure::new("InvalidIPAddress.InUse", message));
    }
    let id = address.id.clone();
    dry_run(params)?;
    ec2.addresses.remove(&id);
    Ok(json!({ "return": true }).into())
}

fn by_public_ip<'a>(ec2: &'a Ec2, ip: &str) -> Result<&'a Address, Failure> {
    ec2.addresses
        .values()
        .find(|address| address.public_ip.to_string() == ip)
        .ok_or_else(|| no_such_ip(ip))
}

fn no_such_ip(ip: &str) -> Failure {
    Failure::new("InvalidAddress.NotFound", format!("Address '{ip}' not found."))
}

/// The address of an allocation that is not in use, for a NAT gateway.
pub(super) fn allocation<'a>(ec2: &'a Ec2, id: &str) -> Result<&'a Address, Failure> {
    ec2.addresses.get(id).ok_or_else(|| not_found::<Address>(id))
}
