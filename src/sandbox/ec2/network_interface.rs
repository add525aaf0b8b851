//! Network interfaces: what NAT gateways, endpoints and others put into subnets. The sandbox's own
//! services make them; requests only read them.

use super::model::{Ec2, NetworkInterface, Subnet, Tags};
use super::resource::{self, Fields, Listing, Resource, stored};
use super::{subnet, tags, zone};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

impl Resource for NetworkInterface {
    const PREFIX: &'static str = "eni";
    const TYPE: &'static str = "network-interface";
    const NOT_FOUND: &'static str = "InvalidNetworkInterfaceID.NotFound";
    const NOUN: &'static str = "networkInterface ID";
    const FIELDS: Fields<Self> = &[
        ("network-interface-id", |_, nic| vec![nic.id.clone()]),
        ("vpc-id", |_, nic| vec![nic.vpc.clone()]),
        ("subnet-id", |_, nic| vec![nic.subnet.clone()]),
        ("availability-zone", |_, nic| vec![nic.zone.clone()]),
        ("group-id", |_, nic| nic.groups.clone()),
        ("group-name", |view, nic| {
            let groups = &view.ec2().security_groups;
            nic.groups.iter().filter_map(|id| groups.get(id)).map(|g| g.name.clone()).collect()
        }),
        ("description", |_, nic| vec![nic.description.clone()]),
        ("interface-type", |_, nic| vec![nic.interface_type.clone()]),
        ("private-ip-address", |_, nic| vec![nic.private_ip.to_string()]),
        ("addresses.private-ip-address", |_, nic| vec![nic.private_ip.to_string()]),
        ("association.public-ip", |view, nic| {
            address_of(view.ec2(), nic)
                .map(|address| address.public_ip.to_string())
                .into_iter()
                .collect()
        }),
        ("association.allocation-id", |view, nic| {
            address_of(view.ec2(), nic).map(|address| address.id.clone()).into_iter().collect()
        }),
        ("owner-id", |view, _| vec![view.scope.account.clone()]),
        ("requester-id", |_, nic| nic.requester.iter().cloned().collect()),
        ("requester-managed", |_, nic| vec![nic.requester.is_some().to_string()]),
        ("source-dest-check", |_, nic| vec![source_dest_check(nic).to_string()]),
        ("status", |_, nic| vec![status(nic).to_owned()]),
        ("attachment.status", |_, nic| nic.owner.iter().map(|_| "attached".to_owned()).collect()),
        ("attachment.instance-id", |_, _| Vec::new()),
    ];

    stored!(network_interfaces);

    fn write(&self, view: &View<'_>) -> Value {
        let ec2 = view.ec2();
        let name = |id: &String| ec2.security_groups.get(id).map(|group| group.name.clone());
        let groups: Vec<Value> =
            self.groups.iter().map(|id| json!({ "groupId": id, "groupName": name(id) })).collect();
        let association = address_of(ec2, self).map(|address| {
            json!({
                "allocationId": address.id,
                "associationId": address.association.as_ref().map(|association| &association.id),
                "ipOwnerId": view.scope.account,
                "publicIp": address.public_ip,
            })
        });
        let attachment = self.owner.as_ref().map(|_| {
            json!({
                "attachmentId": format!("ela-attach-{}", self.id.trim_start_matches("eni-")),
                "attachTime": self.created.iso(),
                "deleteOnTermination": false,
                "deviceIndex": 1,
                "instanceOwnerId": "amazon-aws",
                "status": "attached",
            })
        });
        json!({
            "networkInterfaceId": self.id,
            "vpcId": self.vpc,
            "subnetId": self.subnet,
            "availabilityZone": self.zone,
            "availabilityZoneId": zone::id_of(&view.scope.region, &self.zone),
            "ownerId": view.scope.account,
            "requesterId": self.requester,
            "requesterManaged": self.requester.is_some(),
            "description": self.description,
            "interfaceType": self.interface_type,
            "status": status(self),
            "privateIpAddress": self.private_ip,
            "privateIpAddressesSet": [
                { "privateIpAddress": self.private_ip, "primary": true, "association": association },
            ],
            "association": association,
            "attachment": attachment,
            "sourceDestCheck": source_dest_check(self),
            "groupSet": groups,
            "tagSet": tags::write(&self.tags),
        })
    }
}

fn status(nic: &NetworkInterface) -> &'static str {
    if nic.owner.is_some() { "in-use" } else { "available" }
}

fn source_dest_check(nic: &NetworkInterface) -> bool {
    nic.interface_type != "nat_gateway"
}

fn address_of<'a>(ec2: &'a Ec2, nic: &NetworkInterface) -> Option<&'a super::model::Address> {
    ec2.addresses
        .values()
        .find(|address| address.association.as_ref().is_some_and(|a| a.interface == nic.id))
}

/// Whether anything in the VPC has a public address.
pub(super) fn any_public_address(ec2: &Ec2, vpc: &str) -> bool {
    ec2.network_interfaces.values().any(|nic| nic.vpc == vpc && address_of(ec2, nic).is_some())
}

/// What a service says about an interface that it makes.
pub(crate) struct New<'a> {
    pub(crate) subnet: &'a Subnet,
    pub(crate) groups: Vec<String>,
    pub(crate) description: String,
    pub(crate) interface_type: &'static str,
    pub(crate) requester: &'static str,
    pub(crate) owner: &'a str,
}

/// Puts an interface into a subnet.
pub(crate) fn create(cx: &mut Cx<'_>, new: New<'_>) -> Result<NetworkInterface, Failure> {
    let private_ip = subnet::next_address(cx.ec2(), new.subnet).ok_or_else(|| {
        let message =
            format!("The subnet '{}' does not have enough free addresses.", new.subnet.id);
        Failure::new("InsufficientFreeAddressesInSubnet", message)
    })?;
    let nic = NetworkInterface {
        id: cx.new_id("eni"),
        vpc: new.subnet.vpc.clone(),
        subnet: new.subnet.id.clone(),
        zone: new.subnet.zone.clone(),
        groups: new.groups,
        private_ip,
        description: new.description,
        interface_type: new.interface_type.to_owned(),
        requester: Some(new.requester.to_owned()),
        owner: Some(new.owner.to_owned()),
        created: cx.now,
        tags: Tags::new(),
    };
    cx.ec2().network_interfaces.insert(nic.id.clone(), nic.clone());
    Ok(nic)
}

/// Removes the interfaces of something that goes, and frees their public addresses.
pub(crate) fn remove_of(ec2: &mut Ec2, owner: &str) {
    let gone = |nic: &NetworkInterface| nic.owner.as_deref() == Some(owner);
    let ids: Vec<String> =
        ec2.network_interfaces.values().filter(|nic| gone(nic)).map(|nic| nic.id.clone()).collect();
    ec2.network_interfaces.retain(|_, nic| !gone(nic));
    for address in ec2.addresses.values_mut() {
        if address.association.as_ref().is_some_and(|a| ids.contains(&a.interface)) {
            address.association = None;
        }
    }
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "NetworkInterfaceIds", filters: "Filters", set: "networkInterfaceSet" };
    resource::describe::<NetworkInterface>(view, params, &LISTING)
}
