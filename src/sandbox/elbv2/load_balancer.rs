//! Network load balancers.

use super::model::{Balancer, arn, check_name, configuration, of, of_mut, paged, validation};
use super::tags::read_tags;
use crate::sandbox::ec2::model::{Association, Subnet};
use crate::sandbox::ec2::network_interface::{self, New};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::{Millis, Store, number};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long one is `provisioning`: 2 min 22 s to 2 min 41 s in public logs.
const PROVISIONING: Duration = Duration::from_secs(150);
/// How long the network interfaces of a deleted one stay.
const LINGERING: Duration = Duration::from_secs(120);

impl Balancer {
    /// AWS's word for what it is doing.
    pub(super) fn state(&self, now: Millis) -> &'static str {
        if now < self.active { "provisioning" } else { "active" }
    }
}

/// The zone id of network load balancers, which aliases name.
/// <https://docs.aws.amazon.com/general/latest/gr/elb.html>
fn hosted_zone(region: &str) -> String {
    let known = match region {
        "us-east-1" => "Z26RNL4JYFTOTI",
        "us-east-2" => "ZLMOA37VPKANP",
        "us-west-1" => "Z24FKFUX50B4VW",
        "us-west-2" => "Z18D5FSROUN65G",
        "eu-west-1" => "Z2IFOLAFXWLO4F",
        "eu-central-1" => "Z3F0SRJ5LGBH90",
        other => return format!("Z{:013X}", number(&format!("nlb/{other}")) >> 12),
    };
    known.to_owned()
}

/// An address that AWS assigns to an interface of a load balancer that faces the internet.
fn public_address(nic: &str) -> String {
    let drawn = number(nic);
    format!("3.{}.{}.{}", (drawn >> 16) & 0xff, (drawn >> 8) & 0xff, drawn & 0xff)
}

/// The addresses behind the DNS name of a load balancer of any account and region; none if there
/// is no such load balancer.
pub(crate) fn addresses(store: &Store, dns: &str) -> Vec<String> {
    let dns = dns.trim_end_matches('.').to_lowercase();
    let regionals = store.accounts.values().flat_map(|account| account.regions.values());
    for regional in regionals {
        let found = regional.elbv2.balancers.values().find(|one| one.dns.to_lowercase() == dns);
        let Some(balancer) = found else { continue };
        let nics = regional.ec2.network_interfaces.values();
        let ours = nics.filter(|nic| nic.owner.as_deref() == Some(balancer.arn.as_str()));
        return ours
            .map(|nic| {
                let elastic = regional.ec2.addresses.values().find(|address| {
                    address.association.as_ref().is_some_and(|a| a.interface == nic.id)
                });
                match elastic {
                    _ if balancer.scheme == "internal" => nic.private_ip.to_string(),
                    Some(address) => address.public_ip.to_string(),
                    None => public_address(&nic.id),
                }
            })
            .collect();
    }
    Vec::new()
}

fn write(view: &View<'_>, balancer: &Balancer) -> Value {
    let zones: Vec<Value> = balancer
        .subnets
        .iter()
        .map(|(id, allocation)| {
            let zone = view.ec2().subnets.get(id).map(|subnet| subnet.zone.clone());
            let address = allocation.as_ref().and_then(|id| view.ec2().addresses.get(id));
            let addresses: Vec<Value> = address
                .map(
                    |address| json!({ "AllocationId": address.id, "IpAddress": address.public_ip }),
                )
                .into_iter()
                .collect();
            json!({ "ZoneName": zone, "SubnetId": id, "LoadBalancerAddresses": addresses })
        })
        .collect();
    json!({
        "LoadBalancerArn": balancer.arn,
        "LoadBalancerName": balancer.name,
        "DNSName": balancer.dns,
        "CanonicalHostedZoneId": hosted_zone(&view.scope.region),
        "CreatedTime": balancer.created.iso(),
        "Scheme": balancer.scheme,
        "VpcId": balancer.vpc,
        "State": { "Code": balancer.state(view.now) },
        "Type": "network",
        "AvailabilityZones": zones,
        "SecurityGroups": balancer.security_groups,
        "IpAddressType": balancer.address_type,
        "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic": balancer.enforced,
    })
}

/// Subnets and addresses of a request.
fn read_subnets(params: &Params) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let plain = params.texts("Subnets");
    let mappings = params.list("SubnetMappings");
    if plain.is_empty() == mappings.is_empty() {
        return Err(validation("You must specify either subnets or subnet mappings"));
    }
    let mut subnets: BTreeMap<String, Option<String>> =
        plain.iter().map(|&id| (id.to_owned(), None)).collect();
    for mapping in mappings {
        for unknown in ["PrivateIPv4Address", "IPv6Address", "SourceNatIpv6Prefix"] {
            if !mapping[unknown].is_null() {
                return Err(validation(format!("The sandbox does not model {unknown}.")));
            }
        }
        let id = mapping["SubnetId"].as_str().unwrap_or_default().to_owned();
        subnets.insert(id, mapping["AllocationId"].as_str().map(str::to_owned));
    }
    if subnets.len() != plain.len() + mappings.len() {
        return Err(configuration("A subnet is named twice"));
    }
    Ok(subnets)
}

/// Checks the subnets of a load balancer and finds their VPC.
fn check_subnets(
    view: &View<'_>,
    subnets: &BTreeMap<String, Option<String>>,
    scheme: &str,
) -> Result<String, Failure> {
    let ec2 = view.ec2();
    let mut found: Vec<&Subnet> = Vec::new();
    for (id, allocation) in subnets {
        let subnet = ec2.subnets.get(id).ok_or_else(|| {
            Failure::new("SubnetNotFound", format!("The subnet ID '{id}' does not exist"))
        })?;
        found.push(subnet);
        if let Some(id) = allocation {
            if scheme == "internal" {
                return Err(configuration("An internal load balancer can't have Elastic IPs"));
            }
            if !ec2.addresses.contains_key(id) {
                let message = format!("The allocation ID '{id}' does not exist");
                return Err(Failure::new("AllocationIdNotFound", message));
            }
        }
    }
    let vpcs: BTreeSet<&str> = found.iter().map(|subnet| subnet.vpc.as_str()).collect();
    let zones: BTreeSet<&str> = found.iter().map(|subnet| subnet.zone.as_str()).collect();
    if vpcs.len() > 1 {
        return Err(configuration("All subnets must belong to the same VPC"));
    }
    if zones.len() < found.len() {
        return Err(configuration(
            "A load balancer cannot be attached to multiple subnets in the same Availability Zone",
        ));
    }
    let vpc = vpcs.into_iter().next().unwrap_or_default().to_owned();
    let open = ec2.internet_gateways.values().any(|one| one.vpc.as_deref() == Some(vpc.as_str()));
    if scheme == "internet-facing" && !open {
        let message = format!("VPC {vpc} has no internet gateway");
        return Err(Failure::new("InvalidSubnet", message));
    }
    Ok(vpc)
}

fn check_groups(view: &View<'_>, groups: &[&str], vpc: &str) -> Result<(), Failure> {
    let known = &view.ec2().security_groups;
    for id in groups {
        if known.get(*id).is_none_or(|group| group.vpc != vpc) {
            let message = format!("One or more security groups are invalid: {id}");
            return Err(Failure::new("InvalidSecurityGroup", message));
        }
    }
    Ok(())
}

/// Puts an interface of the load balancer into a subnet.
fn enter(
    cx: &mut Cx<'_>,
    balancer: &Balancer,
    subnet: &str,
    allocation: Option<&str>,
) -> Result<(), Failure> {
    let Some(subnet) = cx.ec2().subnets.get(subnet).cloned() else { return Ok(()) };
    let new = New {
        subnet: &subnet,
        groups: balancer.security_groups.clone(),
        description: format!("ELB {}", tail(&balancer.arn)),
        interface_type: "network_load_balancer",
        requester: "amazon-elb",
        owner: &balancer.arn,
    };
    let nic = network_interface::create(cx, new)
        .map_err(|failure| Failure::new("InvalidSubnet", failure.message))?;
    if let Some(id) = allocation {
        let association = cx.new_id("eipassoc");
        if let Some(address) = cx.ec2().addresses.get_mut(id) {
            if address.association.is_some() {
                let message = format!("The allocation ID '{id}' is in use");
                return Err(Failure::new("ResourceInUse", message));
            }
            address.association = Some(Association {
                id: association,
                interface: nic.id,
                private_ip: nic.private_ip,
            });
        }
    }
    Ok(())
}

/// `net/name/0123456789abcdef` of an ARN.
pub(super) fn tail(arn: &str) -> &str {
    arn.split_once("loadbalancer/").map_or(arn, |(_, tail)| tail)
}

fn whole(cx: &Cx<'_>, arn: &str) -> Answer {
    let view = cx.view();
    let written = write(&view, of(&view).balancer(arn)?);
    Ok(json!({ "LoadBalancers": [written] }).into())
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("Name");
    check_name(name)?;
    if params.text("Type") != Some("network") {
        return Err(validation("The sandbox only has load balancers of type 'network'."));
    }
    let address_type = params.text("IpAddressType").unwrap_or("ipv4");
    if address_type != "ipv4" {
        return Err(validation("The sandbox only has load balancers with IPv4 addresses."));
    }
    let scheme = params.text("Scheme").unwrap_or("internet-facing");
    let subnets = read_subnets(params)?;
    let vpc = check_subnets(&cx.view(), &subnets, scheme)?;
    let groups = params.texts("SecurityGroups");
    check_groups(&cx.view(), &groups, &vpc)?;
    let tags = read_tags(params)?;
    let view = cx.view();
    if let Some(known) = of(&view).balancers.values().find(|known| known.name == name) {
        let same = known.scheme == scheme
            && known.subnets == subnets
            && known.security_groups == groups
            && known.tags == tags;
        if same {
            let arn = known.arn.clone();
            return whole(cx, &arn);
        }
        let message = "A load balancer with the same name exists, but with different settings";
        return Err(Failure::new("DuplicateLoadBalancerName", message));
    }
    let drawn = cx.store.random();
    let balancer = Balancer {
        arn: arn(cx.scope, &format!("loadbalancer/net/{name}/{drawn:016x}")),
        name: name.to_owned(),
        dns: format!("{name}-{drawn:016x}.elb.{}.amazonaws.com", cx.scope.region),
        scheme: scheme.to_owned(),
        vpc,
        subnets,
        enforced: (!groups.is_empty()).then(|| "on".to_owned()),
        security_groups: groups.into_iter().map(str::to_owned).collect(),
        address_type: address_type.to_owned(),
        created: cx.now,
        active: cx.now.plus(PROVISIONING),
        attributes: BTreeMap::new(),
        tags,
    };
    for (subnet, allocation) in &balancer.subnets {
        enter(cx, &balancer, subnet, allocation.as_deref())?;
    }
    let arn = balancer.arn.clone();
    of_mut(cx).balancers.insert(arn.clone(), balancer);
    whole(cx, &arn)
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let elb = of(view);
    let (arns, names) = (params.texts("LoadBalancerArns"), params.texts("Names"));
    if !arns.is_empty() && !names.is_empty() {
        return Err(validation("Load balancer names and ARNs can't both be given"));
    }
    for arn in &arns {
        elb.balancer(arn)?;
    }
    for name in &names {
        if !elb.balancers.values().any(|balancer| balancer.name == *name) {
            let message = format!("Load balancers '[{name}]' not found");
            return Err(Failure::new("LoadBalancerNotFound", message));
        }
    }
    let found = elb.balancers.values().filter(|balancer| {
        (arns.is_empty() || arns.contains(&balancer.arn.as_str()))
            && (names.is_empty() || names.contains(&balancer.name.as_str()))
    });
    let items = found.map(|balancer| (balancer.arn.clone(), write(view, balancer))).collect();
    Ok(paged(view, params, "LoadBalancers", items)?.into())
}

pub(super) fn set_subnets(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("LoadBalancerArn");
    let mut balancer = of(&cx.view()).balancer(arn)?.clone();
    let subnets = read_subnets(params)?;
    let vpc = check_subnets(&cx.view(), &subnets, &balancer.scheme)?;
    if vpc != balancer.vpc {
        return Err(configuration("The subnets must belong to the load balancer's VPC"));
    }
    let lost: Vec<String> =
        balancer.subnets.keys().filter(|id| !subnets.contains_key(*id)).cloned().collect();
    let ec2 = cx.ec2();
    let left: Vec<String> = ec2
        .network_interfaces
        .values()
        .filter(|nic| nic.owner.as_deref() == Some(arn) && lost.contains(&nic.subnet))
        .map(|nic| nic.id.clone())
        .collect();
    ec2.network_interfaces.retain(|id, _| !left.contains(id));
    for address in ec2.addresses.values_mut() {
        if address.association.as_ref().is_some_and(|a| left.contains(&a.interface)) {
            address.association = None;
        }
    }
    for (subnet, allocation) in &subnets {
        match balancer.subnets.get(subnet) {
            None => enter(cx, &balancer, subnet, allocation.as_deref())?,
            Some(known) if allocation.is_some() && known != allocation => {
                return Err(configuration("The address of an enabled subnet can't be changed"));
            }
            Some(_) => {}
        }
    }
    let merged = subnets.into_iter().map(|(subnet, allocation)| {
        let known = balancer.subnets.get(&subnet).cloned().flatten();
        (subnet, allocation.or(known))
    });
    balancer.subnets = merged.collect();
    of_mut(cx).balancers.insert(arn.to_owned(), balancer);
    let view = cx.view();
    let written = write(&view, of(&view).balancer(arn)?);
    Ok(json!({
        "AvailabilityZones": written["AvailabilityZones"],
        "IpAddressType": written["IpAddressType"],
    })
    .into())
}

pub(super) fn set_security_groups(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("LoadBalancerArn");
    let groups = params.texts("SecurityGroups");
    let balancer = of(&cx.view()).balancer(arn)?.clone();
    if balancer.security_groups.is_empty() {
        return Err(configuration(
            "You cannot set security groups on a Network Load Balancer that was created without security groups",
        ));
    }
    if groups.is_empty() {
        return Err(configuration("You must specify at least one security group"));
    }
    check_groups(&cx.view(), &groups, &balancer.vpc)?;
    let groups: Vec<String> = groups.into_iter().map(str::to_owned).collect();
    for nic in cx.ec2().network_interfaces.values_mut() {
        if nic.owner.as_deref() == Some(arn) {
            nic.groups.clone_from(&groups);
        }
    }
    let member = "EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic";
    let balancer = of_mut(cx).balancer_mut(arn)?;
    balancer.security_groups = groups;
    if let Some(enforced) = params.text(member) {
        balancer.enforced = Some(enforced.to_owned());
    }
    let answer = json!({ "SecurityGroupIds": balancer.security_groups, member: balancer.enforced });
    Ok(answer.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("LoadBalancerArn");
    let until = cx.now.plus(LINGERING);
    let elb = of_mut(cx);
    // Deleting one that is not there is success.
    let Some(balancer) = elb.balancers.get(arn) else { return Ok(json!({}).into()) };
    let protected = balancer.attributes.get("deletion_protection.enabled");
    if protected.is_some_and(|on| on == "true") {
        let message = format!(
            "Load balancer '{arn}' cannot be deleted because deletion protection is enabled"
        );
        return Err(Failure::new("OperationNotPermitted", message));
    }
    elb.balancers.remove(arn);
    elb.listeners.retain(|_, listener| listener.balancer != arn);
    elb.leaving.insert(arn.to_owned(), until);
    Ok(json!({}).into())
}

/// Makes the load balancer that a cluster's controller makes for a Service, and gives its DNS name;
/// the same one where it is there already.
pub(crate) fn make_for_service(
    cx: &mut Cx<'_>,
    name: &str,
    subnets: &[String],
    group: &str,
    tags: crate::sandbox::ec2::model::Tags,
) -> Option<String> {
    let known = of(&cx.view()).balancers.values().find(|known| known.name == name);
    if let Some(known) = known {
        return Some(known.dns.clone());
    }
    let tags: Vec<Value> =
        tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
    let params = Params::of(json!({
        "Name": name,
        "Type": "network",
        "Scheme": "internal",
        "Subnets": subnets,
        "SecurityGroups": [group],
        "Tags": tags,
    }));
    create(cx, &params).ok()?;
    let made = of(&cx.view()).balancers.values().find(|made| made.name == name);
    made.map(|made| made.dns.clone())
}

/// Deletes the load balancer of this name, if it is there.
pub(crate) fn remove_of_service(cx: &mut Cx<'_>, name: &str) {
    let found = of(&cx.view()).balancers.values().find(|balancer| balancer.name == name);
    let Some(arn) = found.map(|balancer| balancer.arn.clone()) else { return };
    // One that is protected stays, and is tried again.
    let _ = delete(cx, &Params::of(json!({ "LoadBalancerArn": arn })));
}
