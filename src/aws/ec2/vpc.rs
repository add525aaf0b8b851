//! The VPC, with its DNS attributes and its default security group.
//!
//! `CreateVpc` takes no client token: a repeated call makes a second VPC, so the engine records
//! an intent first. The DNS attributes can not be given on create; a VPC that lost its maker
//! between the two is found by its tags and finished by the next run. Every VPC comes with a
//! security group `default` that can not be deleted and lets its members talk to each other and
//! to the world; benchmarks want it without rules, so that nothing works in it by accident.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html>
//! <https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html#ec2-2>

mod default_group;

pub use default_group::{DefaultGroup, DefaultSecurityGroup};

use super::{
    Ec2, Reading, blockers, filter, fresh, from_ec2, leftover, ours, retag, tag_on_create, told,
    touches,
};
use crate::aws::call::{Repeat, call, gone_is_fine, pages, safe};
use crate::aws::settle::{Patience, until_ready};
use crate::graph::Handle;
use crate::kind::{
    Change, Class, Consent, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen,
    Status, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{
    AttributeBooleanValue, ResourceType, Vpc as Ec2Vpc, VpcAttributeName, VpcState,
};
use futures::future::try_join_all;
use serde::Serialize;
use std::collections::BTreeMap;

/// A VPC.
#[derive(Clone, Debug, Serialize)]
pub struct Vpc {
    /// Its primary IPv4 range, /16 to /28; fixed.
    pub cidr: String,
    /// Whether instances get DNS names. EKS and private DNS of endpoints need it.
    pub dns_hostnames: bool,
    /// Whether the VPC's resolver answers. EKS and private DNS of endpoints need it.
    pub dns_support: bool,
    /// What becomes of the security group `default`.
    pub default_security_group: DefaultSecurityGroup,
}

/// A live VPC.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<Vpc>,
    /// Its primary IPv4 range.
    pub cidr: String,
    /// `enableDnsHostnames`.
    pub dns_hostnames: bool,
    /// `enableDnsSupport`.
    pub dns_support: bool,
    /// Its security group `default`; unknown right after the VPC is made.
    pub default_group: Option<DefaultGroup>,
}

impl Handle<Vpc> {
    /// The VPC's id.
    pub fn id(&self) -> In<Id<Vpc>> {
        self.output("vpc id", |live| Some(live.id.clone()))
    }
}

impl Kind for Vpc {
    const NAME: &'static str = "aws.ec2.vpc";
    const TITLE: &'static str = "vpc";
    const NATURE: Nature = Nature {
        // Everything in the network lives in it.
        holds_data: true,
        typical: Typical { create: 3, update: 1, delete: 1 },
        actions: &[
            "ec2:CreateVpc",
            "ec2:DescribeVpcs",
            "ec2:DescribeVpcAttribute",
            "ec2:ModifyVpcAttribute",
            "ec2:DeleteVpc",
            "ec2:DescribeSecurityGroups",
            "ec2:DeleteSecurityGroup",
            "eks:DescribeCluster",
            "ec2:RevokeSecurityGroupIngress",
            "ec2:RevokeSecurityGroupEgress",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:DescribeRouteTables",
            "ec2:DescribeInternetGateways",
            "ec2:DescribeVpcEndpoints",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { cidr, dns_hostnames, dns_support, default_security_group } = self;
        diff.replaces("cidr", cidr, &live.cidr);
        diff.in_place("dns_hostnames", dns_hostnames, &live.dns_hostnames);
        diff.in_place("dns_support", dns_support, &live.dns_support);
        match default_security_group {
            DefaultSecurityGroup::Leave => {}
            DefaultSecurityGroup::Closed => {
                let have = live.default_group.as_ref().map(DefaultGroup::summary);
                let have = have.unwrap_or_else(|| "unknown".to_owned());
                diff.in_place("default_security_group", &"closed".to_owned(), &have);
            }
        }
    }

    fn summary(&self) -> String {
        self.cidr.clone()
    }

    /// Nobody's: one that nothing of ours lives in holds nothing, and EC2 refuses to delete it should
    /// something of others live in it.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVpc.html>
    fn consent_to_spare(_: &Live) -> Consent {
        Consent::None
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string()), ("cidr", live.cidr.clone())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let pages = pages(
            cx,
            "ec2:DescribeVpcs",
            |token| ec2.0.describe_vpcs().filters(ours(cx)).set_next_token(token).send(),
            |page| page.next_token(),
        )
        .await?;
        let vpcs: Vec<&Ec2Vpc> = pages.iter().flat_map(|page| page.vpcs()).collect();
        let ids: Vec<&str> = vpcs.iter().filter_map(|vpc| vpc.vpc_id()).collect();
        let (groups, dns) = futures::try_join!(
            default_group::of(cx, &ids),
            try_join_all(ids.iter().map(|id| dns(cx, id)))
        )?;
        let mut listed = Listed::default();
        for (vpc, dns) in vpcs.into_iter().zip(dns) {
            if let Some(dns) = dns {
                reading(vpc, &groups, dns)?.list(cx, &mut listed);
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let tags = tag_on_create(cx, ResourceType::Vpc)?;
        let made = call(cx, "ec2:CreateVpc", Repeat::Once, &[], || {
            ec2.0.create_vpc().cidr_block(&self.cidr).tag_specifications(tags.clone()).send()
        })
        .await?;
        let id = made
            .vpc()
            .and_then(|vpc| vpc.vpc_id())
            .ok_or_else(|| Error::of(Class::Ambiguous, "CreateVpc answered without an id"))?;
        // AWS's defaults: https://docs.aws.amazon.com/vpc/latest/userguide/AmazonDNS-concepts.html
        // The engine compares again once it has settled, and sets what differs.
        let live = Live {
            id: Id::new(id),
            cidr: self.cidr.clone(),
            dns_hostnames: false,
            dns_support: true,
            default_group: None,
        };
        Found::created(cx, id, Status::Busy("pending".into()), Vec::new(), live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 1, at_most: 120 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let id = found.live.id.as_str();
        let ec2 = cx.api::<Ec2>()?;
        let on = |value| AttributeBooleanValue::builder().value(value).build();
        let fresh = [fresh("InvalidVpcID.NotFound")];
        // One attribute a call; names need the resolver, so it goes first on the way on.
        if touches(changes, "dns_support") {
            call(cx, "ec2:ModifyVpcAttribute", Repeat::Safe, &fresh, || {
                ec2.0
                    .modify_vpc_attribute()
                    .vpc_id(id)
                    .enable_dns_support(on(self.dns_support))
                    .send()
            })
            .await?;
        }
        if touches(changes, "dns_hostnames") {
            call(cx, "ec2:ModifyVpcAttribute", Repeat::Safe, &fresh, || {
                ec2.0
                    .modify_vpc_attribute()
                    .vpc_id(id)
                    .enable_dns_hostnames(on(self.dns_hostnames))
                    .send()
            })
            .await?;
        }
        if touches(changes, "default_security_group") {
            let groups = default_group::of(cx, &[id]).await?;
            let group = groups.get(id).ok_or_else(|| {
                Error::of(Class::NotFound, format!("{id} shows no default security group yet"))
            })?;
            default_group::close(cx, group).await?;
        }
        retag(cx, id, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        for (group, cluster) in leftover::groups_of_clusters(cx, id).await? {
            // EKS takes it along as long as nothing is in it. Now nothing is any more.
            if !crate::aws::eks::cluster::exists(cx, &cluster).await? {
                gone_is_fine(
                    safe(cx, "ec2:DeleteSecurityGroup", || {
                        ec2.0.delete_security_group().group_id(&group).send()
                    })
                    .await,
                )?;
            }
        }
        let deleted = blockers::delete_once_free(cx, filter("vpc-id", [id]), || async {
            safe(cx, "ec2:DeleteVpc", || ec2.0.delete_vpc().vpc_id(id).send()).await?;
            Ok(())
        })
        .await;
        match deleted {
            Err(error) if error.class == Class::InUse && error.hint.is_none() => {
                let left = blockers::left_in_vpc(cx, id).await?;
                Err(match left.as_slice() {
                    [] => error,
                    left => error.hint(format!("delete what is left in it: {}", left.join(", "))),
                })
            }
            other => other,
        }
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let ec2 = cx.api::<Ec2>()?;
        let answer = gone_is_fine(
            safe(cx, "ec2:DescribeVpcs", || ec2.0.describe_vpcs().vpc_ids(id.as_str()).send())
                .await,
        )?;
        let Some(vpc) = answer.as_ref().and_then(|answer| answer.vpcs().first()) else {
            return Ok(None);
        };
        let ids = [id.as_str()];
        let (groups, dns) = futures::try_join!(default_group::of(cx, &ids), dns(cx, id.as_str()))?;
        let Some(dns) = dns else { return Ok(None) };
        Ok(Some(reading(vpc, &groups, dns)?.owned(owner)))
    }
}

/// A VPC whose default group can not be seen yet has just been made.
fn status(vpc: &Ec2Vpc, group: Option<&DefaultGroup>) -> Status {
    match vpc.state() {
        Some(VpcState::Available) | None if group.is_none() => Status::Busy("pending".to_owned()),
        Some(VpcState::Available) | None => Status::Ready,
        Some(other) => Status::Busy(other.as_str().to_owned()),
    }
}

/// `DescribeVpcs` leaves the DNS attributes out; they come one a call. `None` when the VPC went
/// meanwhile.
/// Whether a VPC gives names, and whether it resolves any.
#[derive(Clone, Copy, Debug)]
struct Dns {
    hostnames: bool,
    support: bool,
}

/// What `DescribeVpcs` leaves out; `None` when there is no such VPC.
async fn dns(cx: &Cx, id: &str) -> Result<Option<Dns>> {
    let ec2 = cx.api::<Ec2>()?;
    let attribute = |name: VpcAttributeName| {
        let ec2 = ec2.clone();
        async move {
            gone_is_fine(
                safe(cx, "ec2:DescribeVpcAttribute", || {
                    ec2.0.describe_vpc_attribute().vpc_id(id).attribute(name.clone()).send()
                })
                .await,
            )
        }
    };
    let (hostnames, support) = futures::try_join!(
        attribute(VpcAttributeName::EnableDnsHostnames),
        attribute(VpcAttributeName::EnableDnsSupport)
    )?;
    let (Some(hostnames), Some(support)) = (hostnames, support) else { return Ok(None) };
    let on = |value: Option<&AttributeBooleanValue>| value.and_then(|v| v.value()).unwrap_or(false);
    Ok(Some(Dns {
        hostnames: on(hostnames.enable_dns_hostnames()),
        support: on(support.enable_dns_support()),
    }))
}

fn reading(
    vpc: &Ec2Vpc,
    groups: &BTreeMap<String, DefaultGroup>,
    dns: Dns,
) -> Result<Reading<Vpc>> {
    let id = told(vpc.vpc_id(), "id of a vpc")?;
    Ok(Reading {
        id: id.to_owned(),
        status: status(vpc, groups.get(id)),
        parents: Vec::new(),
        tags: from_ec2(vpc.tags()),
        live: Live {
            id: Id::new(id),
            cidr: told(vpc.cidr_block(), "range of a vpc")?.to_owned(),
            dns_hostnames: dns.hostnames,
            dns_support: dns.support,
            default_group: groups.get(id).cloned(),
        },
    })
}
