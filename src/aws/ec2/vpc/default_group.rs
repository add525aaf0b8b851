//! The security group `default` that comes with every VPC.

use crate::aws::call::{gone_is_fine, pages, safe};
use crate::aws::ec2::{Ec2, filter, told};
use crate::kind::{Cx, Result};
use aws_sdk_ec2::types::{IpPermission, SecurityGroup};
use serde::Serialize;
use std::collections::BTreeMap;

/// What becomes of a VPC's security group `default`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultSecurityGroup {
    /// It has no rules.
    Closed,
    /// Whatever it is, it stays.
    Leave,
}

/// A live security group `default`.
#[derive(Clone, Debug, PartialEq)]
pub struct DefaultGroup {
    id: String,
    ingress: Vec<IpPermission>,
    egress: Vec<IpPermission>,
}

impl DefaultGroup {
    /// `closed`, or the rules: `ingress all from its members, egress all to 0.0.0.0/0`.
    pub fn summary(&self) -> String {
        let rules = |direction: &str, word: &str, permissions: &[IpPermission]| {
            permissions
                .iter()
                .map(|rule| format!("{direction} {} {word} {}", ports(rule), self.peers(rule)))
                .collect::<Vec<_>>()
        };
        let mut all = rules("ingress", "from", &self.ingress);
        all.extend(rules("egress", "to", &self.egress));
        if all.is_empty() { "closed".to_owned() } else { all.join(", ") }
    }

    fn peers(&self, rule: &IpPermission) -> String {
        let group = |id: &str| if id == self.id { "its members".to_owned() } else { id.to_owned() };
        let v4 = rule.ip_ranges().iter().filter_map(|range| range.cidr_ip());
        let v6 = rule.ipv6_ranges().iter().filter_map(|range| range.cidr_ipv6());
        let lists = rule.prefix_list_ids().iter().filter_map(|list| list.prefix_list_id());
        let groups = rule.user_id_group_pairs().iter().filter_map(|pair| pair.group_id());
        let peers: Vec<String> =
            v4.chain(v6).chain(lists).map(str::to_owned).chain(groups.map(group)).collect();
        peers.join(" and ")
    }
}

fn ports(rule: &IpPermission) -> String {
    match (rule.ip_protocol().unwrap_or("-1"), rule.from_port(), rule.to_port()) {
        ("-1", _, _) => "all".to_owned(),
        (protocol, Some(from), Some(to)) if from == to => format!("{protocol} {from}"),
        (protocol, Some(from), Some(to)) => format!("{protocol} {from}-{to}"),
        (protocol, _, _) => protocol.to_owned(),
    }
}

/// The default groups of all of `vpcs` in one call, by VPC.
pub(super) async fn of(cx: &Cx, vpcs: &[&str]) -> Result<BTreeMap<String, DefaultGroup>> {
    if vpcs.is_empty() {
        return Ok(BTreeMap::new());
    }
    let ec2 = cx.api::<Ec2>()?;
    let pages = pages(
        cx,
        "ec2:DescribeSecurityGroups",
        |token| {
            ec2.0
                .describe_security_groups()
                .filters(filter("group-name", ["default"]))
                .filters(filter("vpc-id", vpcs.iter().copied()))
                .set_next_token(token)
                .send()
        },
        |page| page.next_token(),
    )
    .await?;
    let entry = |group: &SecurityGroup| {
        let vpc = told(group.vpc_id(), "vpc of a security group")?.to_owned();
        let group = DefaultGroup {
            id: told(group.group_id(), "id of a security group")?.to_owned(),
            ingress: group.ip_permissions().to_vec(),
            egress: group.ip_permissions_egress().to_vec(),
        };
        Ok((vpc, group))
    };
    pages.iter().flat_map(|page| page.security_groups()).map(entry).collect()
}

/// Takes all rules away. A rule that is gone already is no error.
pub(super) async fn close(cx: &Cx, group: &DefaultGroup) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    if !group.ingress.is_empty() {
        gone(
            safe(cx, "ec2:RevokeSecurityGroupIngress", || {
                ec2.0
                    .revoke_security_group_ingress()
                    .group_id(&group.id)
                    .set_ip_permissions(Some(group.ingress.clone()))
                    .send()
            })
            .await,
        )?;
    }
    if !group.egress.is_empty() {
        gone(
            safe(cx, "ec2:RevokeSecurityGroupEgress", || {
                ec2.0
                    .revoke_security_group_egress()
                    .group_id(&group.id)
                    .set_ip_permissions(Some(group.egress.clone()))
                    .send()
            })
            .await,
        )?;
    }
    Ok(())
}

/// `InvalidPermission.NotFound` is fine; the group itself can not be gone while its VPC is there.
fn gone<T>(result: Result<T>) -> Result<()> {
    gone_is_fine(result)?;
    Ok(())
}
