//! What a cluster has in the VPC: subnets to be in, its own security group, and the interfaces of
//! its control plane.

use super::words::invalid;
use crate::sandbox::ec2::model::Ec2;
use crate::sandbox::ec2::network_interface::{self, New};
use crate::sandbox::ec2::security_group;
use crate::sandbox::ec2::zone_id;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::Cx;
use crate::sandbox::store::number;
use std::collections::BTreeSet;

/// Zones that have no control planes
/// (<https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html>).
const EXCLUDED_ZONES: &[&str] = &["use1-az3", "usw1-az2", "cac1-az3"];
/// Free addresses that each subnet of a cluster must have.
const FREE_ADDRESSES: u32 = 6;

/// Checks the subnets and security groups of a cluster, and gives the VPC.
pub(super) fn check(
    cx: &mut Cx<'_>,
    subnets: &[String],
    groups: &[String],
) -> Result<String, Failure> {
    let region = cx.scope.region.clone();
    let ec2 = cx.ec2();
    let mut zones = BTreeSet::new();
    let mut vpcs = BTreeSet::new();
    for id in subnets {
        let Some(subnet) = ec2.subnets.get(id) else {
            return Err(invalid(format!("The subnet ID '{id}' does not exist")));
        };
        let zone = zone_id(&region, &subnet.zone);
        if EXCLUDED_ZONES.contains(&zone.as_str()) {
            let message = format!(
                "Cannot create cluster because {}, the targeted availability zone, does not currently have sufficient capacity to support the cluster.",
                subnet.zone
            );
            return Err(Failure::new("UnsupportedAvailabilityZoneException", message));
        }
        if crate::sandbox::ec2::free_addresses(ec2, subnet) < FREE_ADDRESSES {
            return Err(invalid(format!("Subnet {id} does not have enough free addresses.")));
        }
        zones.insert(subnet.zone.clone());
        vpcs.insert(subnet.vpc.clone());
    }
    let mut vpcs = vpcs.into_iter();
    let (Some(vpc), None) = (vpcs.next(), vpcs.next()) else {
        return Err(invalid("Subnets must be specified, and all be in the same VPC"));
    };
    if zones.len() < 2 {
        return Err(invalid("Subnets specified must be in at least two different AZs"));
    }
    for id in groups {
        if ec2.security_groups.get(id).is_none_or(|group| group.vpc != vpc) {
            return Err(invalid(format!("The security group '{id}' does not exist in VPC {vpc}")));
        }
    }
    Ok(vpc)
}

/// Makes the security group that joins control plane and nodes.
pub(super) fn make_group(cx: &mut Cx<'_>, cluster: &str, vpc: &str) -> String {
    let (mut group, rules) = security_group::default_of(vpc, |prefix| cx.new_id(prefix));
    let suffix = number(&format!("{}/suffix", group.id)) % 1_000_000_000;
    group.name = format!("eks-cluster-sg-{cluster}-{suffix}");
    group.description = "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.".to_owned();
    let tags = [
        ("Name", group.name.clone()),
        ("aws:eks:cluster-name", cluster.to_owned()),
        (&format!("kubernetes.io/cluster/{cluster}"), "owned".to_owned()),
    ];
    group.tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let id = group.id.clone();
    let ec2 = cx.ec2();
    ec2.security_group_rules.extend(rules.into_iter().map(|rule| (rule.id.clone(), rule)));
    ec2.security_groups.insert(id.clone(), group);
    id
}

/// Puts the control plane's interfaces into two of the subnets, in two zones.
pub(super) fn connect(
    cx: &mut Cx<'_>,
    (name, arn): (&str, &str),
    subnets: &[String],
    groups: &[String],
) -> Result<(), Failure> {
    let mut zones = BTreeSet::new();
    for id in subnets {
        let Some(subnet) = cx.ec2().subnets.get(id).cloned() else { continue };
        if zones.len() == 2 || !zones.insert(subnet.zone.clone()) {
            continue;
        }
        let new = New {
            subnet: &subnet,
            groups: groups.to_vec(),
            description: format!("Amazon EKS {name}"),
            interface_type: "interface",
            requester: "654123456789",
            owner: arn,
        };
        network_interface::create(cx, new)
            .map_err(|_| invalid(format!("Subnet {id} does not have enough free addresses.")))?;
    }
    Ok(())
}

/// Gives the control plane's interfaces other security groups.
pub(super) fn regroup(ec2: &mut Ec2, arn: &str, groups: &[String]) {
    for nic in ec2.network_interfaces.values_mut() {
        if nic.owner.as_deref() == Some(arn) {
            nic.groups = groups.to_vec();
        }
    }
}

/// Takes away what the cluster had. The security group stays where something else still uses it,
/// as it does in AWS.
pub(super) fn remove(ec2: &mut Ec2, arn: &str, group: &str) {
    network_interface::remove_of(ec2, arn);
    let used = ec2.network_interfaces.values().any(|nic| nic.groups.iter().any(|id| id == group))
        || security_group::is_referenced(ec2, group);
    if !used {
        ec2.security_group_rules.retain(|_, rule| rule.group != group);
        ec2.security_groups.remove(group);
    }
}

/// The 32 hexadecimal digits that stand for a cluster in host names.
pub(super) fn new_id(cx: &mut Cx<'_>) -> String {
    format!("{:016X}{:016X}", cx.store.random(), cx.store.random())
}

/// A service range that the VPC does not overlap.
pub(super) fn service_cidr(ec2: &Ec2, vpc: &str) -> &'static str {
    let in_ten = ec2.vpcs.get(vpc).is_some_and(|vpc| vpc.cidr.network().octets()[0] == 10);
    if in_ten { "172.20.0.0/16" } else { "10.100.0.0/16" }
}
