//! The VPC, with its DNS attributes.
//!
//! `CreateVpc` takes no client token: a repeated call makes a second VPC, so the engine records
//! an intent first. The DNS attributes can not be given on create; a VPC that lost its maker
//! between the two is found by its tags and finished by the next run.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html>

use super::{Ec2, fresh, from_ec2, ours, retag, tag_on_create, touches};
use crate::aws::call::{Repeat, call, gone_is_fine, pages, safe};
use crate::graph::Handle;
use crate::kind::{
    Change, Class, Cx, Diff, Error, Found, Kind, Listed, Nature, ReplaceOrder, Result, Seen,
    Status, Typical, Wanted, seconds,
};
use crate::value::{Id, In};
use aws_sdk_ec2::types::{
    AttributeBooleanValue, ResourceType, Vpc as Ec2Vpc, VpcAttributeName, VpcState,
};
use serde::Serialize;

/// A VPC.
#[derive(Clone, Debug, Serialize)]
pub struct Vpc {
    /// Its primary IPv4 range, /16 to /28; fixed.
    pub cidr: String,
    /// Whether instances get DNS names. EKS and private DNS of endpoints need it.
    pub dns_hostnames: bool,
    /// Whether the VPC's resolver answers. EKS and private DNS of endpoints need it.
    pub dns_support: bool,
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
        replace: ReplaceOrder::DeleteFirst,
        typical: Typical { create: 3, update: 1, delete: 1 },
        actions: &[
            "ec2:CreateVpc",
            "ec2:DescribeVpcs",
            "ec2:DescribeVpcAttribute",
            "ec2:ModifyVpcAttribute",
            "ec2:DeleteVpc",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { cidr, dns_hostnames, dns_support } = self;
        diff.replaces("cidr", cidr, &live.cidr);
        diff.in_place("dns_hostnames", dns_hostnames, &live.dns_hostnames);
        diff.in_place("dns_support", dns_support, &live.dns_support);
    }

    fn summary(&self) -> String {
        self.cidr.clone()
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
        let mut listed = Listed::default();
        for vpc in pages.iter().flat_map(|page| page.vpcs()) {
            let live = with_attributes(cx, vpc).await?;
            let Some(live) = live else { continue };
            let id = live.id.to_string();
            listed.add(cx, id, from_ec2(vpc.tags()), status(vpc), Vec::new(), live);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let Some(vpc) = describe(cx, found.live.id.as_str()).await? else { return Ok(None) };
        let Some(live) = with_attributes(cx, &vpc).await? else { return Ok(None) };
        Ok(Some(Found { status: status(&vpc), tags: from_ec2(vpc.tags()), live, ..found.clone() }))
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
        };
        Found::created(cx, id, Status::Busy("pending".into()), Vec::new(), live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        // A fresh id may be unknown to the machine that answers, so absent is not gone here.
        for _ in 0..60 {
            if let Some(now) = Self::read(cx, &found).await?
                && now.status == Status::Ready
            {
                return Ok(now);
            }
            cx.progress("pending");
            cx.pause(seconds(1)).await?;
        }
        Err(Error::of(Class::TimedOut, format!("{} is not available after a minute", found.id)))
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
        retag(cx, id, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        gone_is_fine(safe(cx, "ec2:DeleteVpc", || ec2.0.delete_vpc().vpc_id(id).send()).await)?;
        Ok(())
    }
}

fn status(vpc: &Ec2Vpc) -> Status {
    match vpc.state() {
        Some(VpcState::Available) | None => Status::Ready,
        Some(other) => Status::Busy(other.as_str().to_owned()),
    }
}

async fn describe(cx: &Cx, id: &str) -> Result<Option<Ec2Vpc>> {
    let ec2 = cx.api::<Ec2>()?;
    let answer = gone_is_fine(
        safe(cx, "ec2:DescribeVpcs", || ec2.0.describe_vpcs().vpc_ids(id).send()).await,
    )?;
    Ok(answer.and_then(|answer| answer.vpcs().first().cloned()))
}

/// `DescribeVpcs` leaves the DNS attributes out; they come one a call.
async fn with_attributes(cx: &Cx, vpc: &Ec2Vpc) -> Result<Option<Live>> {
    let (Some(id), Some(cidr)) = (vpc.vpc_id(), vpc.cidr_block()) else {
        return Err(Error::local("DescribeVpcs answered a VPC without an id or a range"));
    };
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
    Ok(Some(Live {
        id: Id::new(id),
        cidr: cidr.to_owned(),
        dns_hostnames: on(hostnames.enable_dns_hostnames()),
        dns_support: on(support.enable_dns_support()),
    }))
}
