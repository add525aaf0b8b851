//! NAT gateways.

use super::model::{Association, Ec2, NatAddress, NatGateway, Subnet};
use super::resource::{self, Fields, Listing, Resource, dry_run, find, find_mut, stored};
use super::{address, network_interface, subnet, tags, token};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::time::Duration;

/// How long one is `pending`: 85 to 125 s in public logs.
const PENDING: Duration = Duration::from_secs(106);
/// How long until one that can't work is `failed`.
const FAILING: Duration = Duration::from_secs(10);
/// How long one is `deleting`: 42 to 94 s in public logs.
const DELETING: Duration = Duration::from_secs(60);
/// How long what is `deleted` or `failed` stays listed, with its tags.
const LISTED: Duration = Duration::from_secs(3600);

impl NatGateway {
    /// AWS's word for what it is doing.
    pub(super) fn state(&self, now: Millis) -> &'static str {
        match (&self.deleted, &self.failure) {
            (Some((_, ends)), _) if now < *ends => "deleting",
            (Some(_), _) => "deleted",
            (None, _) if now < self.decided => "pending",
            (None, Some(_)) => "failed",
            (None, None) => "available",
        }
    }

    /// Whether it still takes up its subnet.
    pub(super) fn is_there(&self, now: Millis) -> bool {
        matches!(self.state(now), "pending" | "available" | "deleting")
    }

    /// When it is listed no more.
    pub(super) fn listed_until(&self) -> Option<Millis> {
        match (&self.deleted, &self.failure) {
            (Some((_, ends)), _) => Some(ends.plus(LISTED)),
            (None, Some(_)) => Some(self.decided.plus(LISTED)),
            (None, None) => None,
        }
    }

    /// Whether the time has come to take its interfaces away.
    pub(super) fn is_over(&self, now: Millis) -> bool {
        self.state(now) == "deleted"
    }
}

impl Resource for NatGateway {
    const PREFIX: &'static str = "nat";
    const TYPE: &'static str = "natgateway";
    const NOT_FOUND: &'static str = "NatGatewayNotFound";
    const NOUN: &'static str = "Nat Gateway";
    const FIELDS: Fields<Self> = &[
        ("nat-gateway-id", |_, nat| vec![nat.id.clone()]),
        ("state", |view, nat| vec![nat.state(view.now).to_owned()]),
        ("subnet-id", |_, nat| vec![nat.subnet.clone()]),
        ("vpc-id", |_, nat| vec![nat.vpc.clone()]),
    ];

    stored!(nat_gateways);

    fn is_alive(&self, now: Millis) -> bool {
        self.state(now) != "deleted"
    }

    fn is_listed(&self, now: Millis) -> bool {
        self.listed_until().is_none_or(|until| now < until)
    }

    fn write(&self, view: &View<'_>) -> Value {
        let state = self.state(view.now);
        let failure = self.failure.as_ref().filter(|_| state == "failed");
        let settled = state != "pending" && state != "failed";
        let addresses: Vec<Value> = self
            .addresses
            .iter()
            .enumerate()
            .map(|(index, address)| {
                // The interface appears when the gateway does.
                let shown = |value: Value| if settled { value } else { Value::Null };
                json!({
                    "allocationId": address.allocation,
                    "associationId": shown(json!(address.association)),
                    "networkInterfaceId": shown(json!(address.interface)),
                    "privateIp": shown(json!(address.private_ip)),
                    "publicIp": shown(json!(address.public_ip)),
                    "isPrimary": index == 0,
                    "status": match state {
                        "pending" => "associating",
                        "failed" => "failed",
                        "deleting" | "deleted" => "disassociating",
                        _ => "succeeded",
                    },
                })
            })
            .collect();
        json!({
            "natGatewayId": self.id,
            "vpcId": self.vpc,
            "subnetId": self.subnet,
            "state": state,
            "connectivityType": if self.public { "public" } else { "private" },
            "availabilityMode": "zonal",
            "createTime": self.created.iso(),
            "deleteTime": self.deleted.map(|(at, _)| at.iso()),
            "failureCode": failure.map(|(code, _)| code),
            "failureMessage": failure.map(|(_, message)| message),
            "natGatewayAddressSet": addresses,
            "tagSet": tags::write(&self.tags),
        })
    }
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "NatGatewayIds", filters: "Filter", set: "natGatewaySet" };
    resource::describe::<NatGateway>(view, params, &LISTING)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    token::once(cx, "CreateNatGateway", params, make)
}

fn make(cx: &mut Cx<'_>, params: &Params) -> Result<Value, Failure> {
    let tags = tags::given(params, NatGateway::TYPE)?;
    if params.text("AvailabilityMode") == Some("regional") {
        let message = "The sandbox does not model regional NAT gateways.";
        return Err(Failure::new("InvalidParameterValue", message));
    }
    let Some(subnet_id) = params.text("SubnetId") else {
        let message = "The request must contain the parameter SubnetId";
        return Err(Failure::new("MissingParameter", message));
    };
    let (now, limit) = (cx.now, cx.knobs.nat_gateways_per_zone);
    let subnet = find::<Subnet>(cx.ec2(), subnet_id, now)?.clone();
    let public = params.text("ConnectivityType") != Some("private");
    let allocation = params.text("AllocationId");
    match (public, allocation) {
        (true, None) => {
            let message = "The request must contain the parameter AllocationId";
            return Err(Failure::new("MissingParameter", message));
        }
        (false, Some(_)) => {
            let message = "AllocationId can't be used with a private NAT gateway";
            return Err(Failure::new("InvalidParameterCombination", message));
        }
        _ => {}
    }
    if let Some(allocation) = allocation {
        address::allocation(cx.ec2(), allocation)?;
    }
    if in_zone(cx.ec2(), &subnet.zone, now) >= limit {
        let message =
            format!("Performing this operation would exceed the limit of {limit} NAT gateways");
        return Err(Failure::new("NatGatewayLimitExceeded", message));
    }
    dry_run(params)?;
    let failure = failure_of(cx.ec2(), &subnet, public, allocation);
    let id = cx.new_id("nat");
    let mut nat = NatGateway {
        id: id.clone(),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        public,
        addresses: Vec::new(),
        created: now,
        decided: now.plus(if failure.is_some() { FAILING } else { PENDING }),
        failure,
        deleted: None,
        tags,
    };
    if nat.failure.is_none() {
        nat.addresses.push(connect(cx, &nat.id, &subnet, allocation)?);
    }
    let answer = json!({ "natGateway": nat.write(&cx.view()) });
    cx.ec2().nat_gateways.insert(id, nat);
    Ok(answer)
}

/// Why the gateway will come to nothing: AWS takes the request and says it in the state.
fn failure_of(
    ec2: &Ec2,
    subnet: &Subnet,
    public: bool,
    allocation: Option<&str>,
) -> Option<(String, String)> {
    let because = |code: &str, message: String| Some((code.to_owned(), message));
    let vpc = &subnet.vpc;
    let has_gateway =
        ec2.internet_gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(vpc));
    let taken = allocation
        .and_then(|id| ec2.addresses.get(id))
        .is_some_and(|address| address.association.is_some());
    if public && !has_gateway {
        return because(
            "Gateway.NotAttached",
            format!("Network {vpc} has no Internet gateway attached"),
        );
    }
    if taken {
        return because(
            "Resource.AlreadyAssociated",
            format!(
                "Elastic IP address [{}] is already associated",
                allocation.unwrap_or_default()
            ),
        );
    }
    if subnet::next_address(ec2, subnet).is_none() {
        return because(
            "InsufficientFreeAddressesInSubnet",
            "Subnet has insufficient free addresses to create this NAT gateway".to_owned(),
        );
    }
    None
}

/// Gives the gateway its interface and public address.
fn connect(
    cx: &mut Cx<'_>,
    nat: &str,
    subnet: &Subnet,
    allocation: Option<&str>,
) -> Result<NatAddress, Failure> {
    let new = network_interface::New {
        subnet,
        groups: Vec::new(),
        description: format!("Interface for NAT Gateway {nat}"),
        interface_type: "nat_gateway",
        requester: "440248037480",
        owner: nat,
    };
    let nic = network_interface::create(cx, new)?;
    let association = cx.new_id("eipassoc");
    let address = allocation.and_then(|id| cx.ec2().addresses.get_mut(id));
    let public_ip = address.map(|address| {
        address.association = Some(Association {
            id: association.clone(),
            interface: nic.id.clone(),
            private_ip: nic.private_ip,
        });
        address.public_ip
    });
    Ok(NatAddress {
        allocation: allocation.map(str::to_owned),
        association: public_ip.map(|_| association),
        interface: nic.id,
        private_ip: nic.private_ip,
        public_ip,
    })
}

fn in_zone(ec2: &Ec2, zone: &str, now: Millis) -> usize {
    let here = |nat: &&NatGateway| {
        nat.is_there(now) && ec2.subnets.get(&nat.subnet).is_some_and(|subnet| subnet.zone == zone)
    };
    ec2.nat_gateways.values().filter(here).count()
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("NatGatewayId"), cx.now);
    let nat = find_mut::<NatGateway>(cx.ec2(), id, now)?;
    dry_run(params)?;
    if nat.deleted.is_none() {
        nat.deleted = Some((now, now.plus(DELETING)));
    }
    Ok(json!({ "natGatewayId": id }).into())
}
