//! What keeps a network resource from going.
//!
//! EC2 answers `DependencyViolation` without saying by what. Nearly always it is a network
//! interface: of a NAT gateway, a load balancer, an endpoint or a control plane, which AWS takes
//! away by itself some minutes after its owner went; or of something that stays. One call tells
//! which: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeNetworkInterfaces.html>

use super::{Ec2, leftover};
use crate::aws::call::safe;
use crate::kind::{Class, Cx, Error, Result, seconds};
use aws_sdk_ec2::types::{Filter, NetworkInterface};
use std::future::Future;

/// How long interfaces that AWS manages may linger after their owner went. A network load
/// balancer's do for about five minutes.
const LINGER: u32 = 600;
/// How long to try again when nothing can be seen that blocks.
const UNSEEN: u32 = 60;

/// As [`delete_once_free`], and takes away what nodes have left in it: for what is ours and whose
/// interfaces these are.
///
/// # Errors
/// As there.
pub(super) async fn delete_once_swept<F, Sent>(cx: &Cx, interfaces: Filter, delete: F) -> Result<()>
where
    F: Fn() -> Sent,
    Sent: Future<Output = Result<()>>,
{
    loop {
        let error = match delete_once_free(cx, interfaces.clone(), &delete).await {
            Err(error) if error.class == Class::InUse => error,
            other => return other,
        };
        let mut is_swept = false;
        for left in leftover::interfaces(cx, std::slice::from_ref(&interfaces)).await? {
            if leftover::is_leftover(&left) {
                cx.progress(&format!("deleting {}, which a node left behind", describe(&left)));
                is_swept |= leftover::delete(cx, &left).await?;
            }
        }
        if !is_swept {
            return Err(error);
        }
    }
}

/// Deletes what interfaces that match `interfaces` may block. Waits for those that AWS takes away
/// by itself; names the others.
///
/// # Errors
/// Those of `delete`, but for not found; [`Class::InUse`] with a hint that names the blockers.
pub(super) async fn delete_once_free<F, Sent>(cx: &Cx, interfaces: Filter, delete: F) -> Result<()>
where
    F: Fn() -> Sent,
    Sent: Future<Output = Result<()>>,
{
    let started = cx.clock.now();
    loop {
        let error = match delete().await {
            Err(error) if error.class == Class::InUse => error,
            Err(error) if error.class == Class::NotFound => return Ok(()),
            other => return other,
        };
        let blockers = leftover::interfaces(cx, std::slice::from_ref(&interfaces)).await?;
        let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
        let stays = |blocker: &NetworkInterface| !blocker.requester_managed().unwrap_or(false);
        let patience = if blockers.is_empty() { UNSEEN } else { LINGER };
        if blockers.iter().any(stays) || elapsed >= seconds(patience) {
            return Err(named(error, &blockers));
        }
        cx.progress(&match blockers.first() {
            Some(first) => format!("waiting for {} to go", describe(first)),
            None => "waiting until nothing depends on it".to_owned(),
        });
        cx.pause(seconds(5)).await?;
    }
}

fn named(error: Error, blockers: &[NetworkInterface]) -> Error {
    if blockers.is_empty() {
        return error;
    }
    let names: Vec<String> = blockers.iter().take(5).map(describe).collect();
    let more = match blockers.len().saturating_sub(5) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    error.hint(format!("delete what uses these first: {}{more}", names.join(", ")))
}

/// `network interface eni-0abc (ELB net/coder/0123, of amazon-elb)`.
pub(super) fn describe(interface: &NetworkInterface) -> String {
    let id = interface.network_interface_id().unwrap_or_default();
    let text = interface.description().filter(|text| !text.is_empty());
    let text = text.unwrap_or("without a description");
    let of = interface.requester_id().map(|requester| format!(", of {requester}"));
    let attached = interface.attachment().and_then(|attachment| attachment.instance_id());
    let at = attached.map(|instance| format!(", attached to {instance}"));
    format!("network interface {id} ({text}{}{})", of.unwrap_or_default(), at.unwrap_or_default())
}

/// What is left in a VPC that is not deleted with it, by id: the hint for a VPC that stays.
pub(super) async fn left_in_vpc(cx: &Cx, vpc: &str) -> Result<Vec<String>> {
    let ec2 = cx.api::<Ec2>()?;
    let within = super::filter("vpc-id", [vpc]);
    let attached = super::filter("attachment.vpc-id", [vpc]);
    let (subnets, groups, tables, gateways, endpoints) = futures::try_join!(
        safe(cx, "ec2:DescribeSubnets", || {
            ec2.0.describe_subnets().filters(within.clone()).send()
        }),
        safe(cx, "ec2:DescribeSecurityGroups", || {
            ec2.0.describe_security_groups().filters(within.clone()).send()
        }),
        safe(cx, "ec2:DescribeRouteTables", || {
            ec2.0.describe_route_tables().filters(within.clone()).send()
        }),
        safe(cx, "ec2:DescribeInternetGateways", || {
            ec2.0.describe_internet_gateways().filters(attached.clone()).send()
        }),
        safe(cx, "ec2:DescribeVpcEndpoints", || {
            ec2.0.describe_vpc_endpoints().filters(within.clone()).send()
        })
    )?;
    // The default security group and the main route table go with the VPC.
    let groups =
        groups.security_groups().iter().filter(|group| group.group_name() != Some("default"));
    let tables = tables.route_tables().iter().filter(|table| {
        !table.associations().iter().any(|association| association.main().unwrap_or(false))
    });
    Ok(subnets
        .subnets()
        .iter()
        .filter_map(|subnet| subnet.subnet_id())
        .chain(groups.filter_map(|group| group.group_id()))
        .chain(tables.filter_map(|table| table.route_table_id()))
        .chain(
            gateways.internet_gateways().iter().filter_map(|gateway| gateway.internet_gateway_id()),
        )
        .chain(endpoints.vpc_endpoints().iter().filter_map(|endpoint| endpoint.vpc_endpoint_id()))
        .map(str::to_owned)
        .collect())
}
