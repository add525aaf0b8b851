//! Subnets.

use super::model::{Ec2, Subnet, Vpc};
use super::resource::{
    self, Fields, Listing, Resource, dependency, dry_run, find, find_mut, stored,
};
use super::{route_table, tags, vpc, zone};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long a subnet is `pending`.
const PENDING: Duration = Duration::from_secs(1);
/// Addresses that AWS keeps for itself in each subnet: the first four and the last.
const RESERVED: u32 = 5;

impl Resource for Subnet {
    const PREFIX: &'static str = "subnet";
    const TYPE: &'static str = "subnet";
    const NOT_FOUND: &'static str = "InvalidSubnetID.NotFound";
    const NOUN: &'static str = "subnet ID";
    const FIELDS: Fields<Self> = &[
        ("subnet-id", |_, subnet| vec![subnet.id.clone()]),
        ("vpc-id", |_, subnet| vec![subnet.vpc.clone()]),
        ("cidr", |_, subnet| vec![subnet.cidr.to_string()]),
        ("cidrBlock", |_, subnet| vec![subnet.cidr.to_string()]),
        ("cidr-block", |_, subnet| vec![subnet.cidr.to_string()]),
        ("availability-zone", |_, subnet| vec![subnet.zone.clone()]),
        ("availabilityZone", |_, subnet| vec![subnet.zone.clone()]),
        ("availability-zone-id", |view, subnet| {
            vec![zone::id_of(&view.scope.region, &subnet.zone)]
        }),
        ("default-for-az", |_, subnet| vec![subnet.is_default.to_string()]),
        ("defaultForAz", |_, subnet| vec![subnet.is_default.to_string()]),
        ("map-public-ip-on-launch", |_, subnet| vec![subnet.map_public_ip.to_string()]),
        ("available-ip-address-count", |view, subnet| {
            vec![free_addresses(view.ec2(), subnet).to_string()]
        }),
        ("subnet-arn", |view, subnet| vec![arn(view, subnet)]),
        ("owner-id", |view, _| vec![view.scope.account.clone()]),
        ("state", |view, subnet| vec![state(view, subnet).to_owned()]),
    ];

    stored!(subnets);

    fn write(&self, view: &View<'_>) -> Value {
        json!({
            "subnetId": self.id,
            "subnetArn": arn(view, self),
            "vpcId": self.vpc,
            "ownerId": view.scope.account,
            "state": state(view, self),
            "cidrBlock": self.cidr,
            "availabilityZone": self.zone,
            "availabilityZoneId": zone::id_of(&view.scope.region, &self.zone),
            "availableIpAddressCount": free_addresses(view.ec2(), self),
            "defaultForAz": self.is_default,
            "mapPublicIpOnLaunch": self.map_public_ip,
            "mapCustomerOwnedIpOnLaunch": false,
            "assignIpv6AddressOnCreation": false,
            "ipv6CidrBlockAssociationSet": [],
            "ipv6Native": false,
            "enableDns64": self.dns64,
            "privateDnsNameOptionsOnLaunch": {
                "hostnameType": self.hostname_type,
                "enableResourceNameDnsARecord": self.dns_a_record,
                "enableResourceNameDnsAAAARecord": self.dns_aaaa_record,
            },
            "tagSet": tags::write(&self.tags),
        })
    }
}

fn state(view: &View<'_>, subnet: &Subnet) -> &'static str {
    if view.now < subnet.available { "pending" } else { "available" }
}

fn arn(view: &View<'_>, subnet: &Subnet) -> String {
    let (partition, scope) = (view.scope.partition(), view.scope);
    format!("arn:{partition}:ec2:{}:{}:subnet/{}", scope.region, scope.account, subnet.id)
}

fn size(subnet: &Subnet) -> u32 {
    1_u32.checked_shl(u32::from(32 - subnet.cidr.prefix_len())).unwrap_or(u32::MAX)
}

/// How many addresses nobody has.
pub(crate) fn free_addresses(ec2: &Ec2, subnet: &Subnet) -> u32 {
    let used = ec2.network_interfaces.values().filter(|nic| nic.subnet == subnet.id).count();
    size(subnet).saturating_sub(RESERVED).saturating_sub(u32::try_from(used).unwrap_or(u32::MAX))
}

/// The lowest address that nobody has.
pub(super) fn next_address(ec2: &Ec2, subnet: &Subnet) -> Option<Ipv4Addr> {
    let first = u32::from(subnet.cidr.network());
    let last = first.checked_add(size(subnet).saturating_sub(1))?;
    (first.saturating_add(4)..last).map(Ipv4Addr::from).find(|address| {
        ec2.network_interfaces
            .values()
            .all(|nic| nic.subnet != subnet.id || nic.private_ip != *address)
    })
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing = Listing { ids: "SubnetIds", filters: "Filters", set: "subnetSet" };
    resource::describe::<Subnet>(view, params, &LISTING)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let cidr = vpc::network(params.text("CidrBlock"), "InvalidSubnet.Range")?;
    let tags = tags::given(params, Subnet::TYPE)?;
    let zone = zone::chosen(&cx.view(), params)?;
    let now = cx.now;
    let ec2 = cx.ec2();
    let vpc = find::<Vpc>(ec2, params.required("VpcId"), now)?;
    if !vpc.cidr.contains(&cidr) {
        let message = format!("The CIDR '{cidr}' is invalid.");
        return Err(Failure::new("InvalidSubnet.Range", message));
    }
    let overlaps = |other: &Subnet| {
        other.vpc == vpc.id && (other.cidr.contains(&cidr) || cidr.contains(&other.cidr))
    };
    if ec2.subnets.values().any(overlaps) {
        let message = format!("The CIDR '{cidr}' conflicts with another subnet");
        return Err(Failure::new("InvalidSubnet.Conflict", message));
    }
    dry_run(params)?;
    let subnet = Subnet {
        vpc: vpc.id.clone(),
        id: cx.new_id("subnet"),
        cidr,
        zone: zone.name,
        is_default: false,
        map_public_ip: false,
        dns64: false,
        hostname_type: "ip-name".to_owned(),
        dns_a_record: false,
        dns_aaaa_record: false,
        available: now.plus(PENDING),
        tags,
    };
    let answer = json!({ "subnet": subnet.write(&cx.view()) });
    cx.ec2().subnets.insert(subnet.id.clone(), subnet);
    Ok(answer.into())
}

pub(super) fn modify_attribute(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let attributes: Vec<&String> = params
        .tree()
        .as_object()
        .map(|members| members.keys().filter(|member| *member != "SubnetId").collect())
        .unwrap_or_default();
    let [attribute] = attributes.as_slice() else {
        let (code, message) = if attributes.is_empty() {
            ("MissingParameter", "Missing attribute parameter")
        } else {
            ("InvalidParameterCombination", "Fields for multiple attribute types specified")
        };
        return Err(Failure::new(code, message));
    };
    let flag = params.get(attribute).and_then(|value| value.get("Value")?.as_bool());
    let now = cx.now;
    let subnet = find_mut::<Subnet>(cx.ec2(), params.required("SubnetId"), now)?;
    match (attribute.as_str(), flag) {
        ("MapPublicIpOnLaunch", Some(flag)) => subnet.map_public_ip = flag,
        ("EnableDns64", Some(flag)) => subnet.dns64 = flag,
        ("EnableResourceNameDnsARecordOnLaunch", Some(flag)) => subnet.dns_a_record = flag,
        ("EnableResourceNameDnsAAAARecordOnLaunch", Some(flag)) => subnet.dns_aaaa_record = flag,
        ("PrivateDnsHostnameTypeOnLaunch", _) => {
            params.required(attribute).clone_into(&mut subnet.hostname_type);
        }
        _ => {
            let message = format!("The sandbox does not model the attribute {attribute}.");
            return Err(Failure::new("InvalidParameterValue", message));
        }
    }
    Ok(json!({ "return": true }).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("SubnetId").to_owned(), cx.now);
    let ec2 = cx.ec2();
    find::<Subnet>(ec2, &id, now)?;
    let blocked = ec2.network_interfaces.values().any(|nic| nic.subnet == id)
        || ec2.nat_gateways.values().any(|nat| nat.subnet == id && nat.is_there(now));
    if blocked {
        let message = format!("The subnet '{id}' has dependencies and cannot be deleted.");
        return Err(dependency(message));
    }
    dry_run(params)?;
    route_table::forget_subnet(ec2, &id);
    ec2.subnets.remove(&id);
    ec2.flow_logs.retain(|_, log| log.resource != id);
    Ok(json!({ "return": true }).into())
}
