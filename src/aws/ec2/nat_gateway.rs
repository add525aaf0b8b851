//! The public NAT gateway: the way out of a private subnet.
//!
//! It comes up in about two minutes and goes in about one. AWS throws no error when it can not
//! be made: it goes to `failed` with a code, and must be deleted and made anew. Deleted ones stay
//! listed for about an hour, with their tags, so the state always counts. It fails with
//! `Gateway.NotAttached` in a VPC without an internet gateway, so a graph puts it behind one that
//! is ready. <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_NatGateway.html>

use super::elastic_ip::ElasticIp;
use super::internet_gateway::InternetGateway;
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{Ec2, Reading, fresh, from_ec2, ours, retag, tag_on_create, told};
use crate::aws::call::{Repeat, call, gone_is_fine, pages, safe};
use crate::aws::settle::{Patience, until_gone, until_ready};
use crate::graph::Handle;
use crate::kind::{
    Change, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen, Status, Typical,
    Wanted, seen,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{NatGateway as Ec2NatGateway, NatGatewayState, ResourceType};
use serde::Serialize;

/// A NAT gateway with one public address.
#[derive(Clone, Debug, Serialize)]
pub struct NatGateway {
    /// The public subnet it stands in.
    pub subnet: In<Id<Subnet>>,
    /// Its public address.
    pub eip: In<Id<ElasticIp>>,
}

/// A live NAT gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<NatGateway>,
    /// The subnet it stands in.
    pub subnet: Id<Subnet>,
    /// The VPC that the subnet is a part of.
    pub vpc: Id<Vpc>,
    /// The allocation of its first address; one that failed may have none.
    pub eip: Option<Id<ElasticIp>>,
    /// That address, once it is known.
    pub public_ip: Option<String>,
}

impl Handle<NatGateway> {
    /// The gateway's id. Routes need it [`In::ready`]: a route to a pending one leads nowhere.
    pub fn id(&self) -> In<Id<NatGateway>> {
        self.output("nat gateway id", |live| Some(live.id.clone()))
    }

    /// Its public address.
    pub fn public_ip(&self) -> In<String> {
        self.output("public ip", |live| live.public_ip.clone())
    }
}

impl Kind for NatGateway {
    const NAME: &'static str = "aws.ec2.nat_gateway";
    const TITLE: &'static str = "nat gateway";
    const NATURE: Nature = Nature {
        // It looks at the internet gateways that were found: theirs can not go before it.
        wave: 1,
        typical: Typical { create: 106, update: 1, delete: 60 },
        actions: &[
            "ec2:CreateNatGateway",
            "ec2:DescribeNatGateways",
            "ec2:DeleteNatGateway",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { subnet, eip } = self;
        diff.parent("subnet", subnet, &live.subnet);
        diff.replaces_input("eip", &eip.clone().map(Some), &live.eip);
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let mut described = vec![("id", live.id.to_string())];
        described.extend(live.public_ip.clone().map(|address| ("public_ip", address)));
        described
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let pages = pages(
            cx,
            "ec2:DescribeNatGateways",
            |token| ec2.0.describe_nat_gateways().filter(ours(cx)).set_next_token(token).send(),
            |page| page.next_token(),
        )
        .await?;
        let gateways = seen::<InternetGateway>(found);
        let mut listed = Listed::default();
        for nat in pages.iter().flat_map(|page| page.nat_gateways()) {
            let Some(mut reading) = reading(nat)? else { continue };
            let vpc = &reading.live.vpc;
            let attached =
                gateways.iter().filter(|(_, _, gateway)| gateway.vpc.as_ref() == Some(vpc));
            reading.parents.extend(attached.map(|(id, _, _)| (*id).clone()));
            reading.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let now = Self::find_foreign(cx, &found.id, &found.owner).await?;
        // Its subnet and address are fixed, and only a list call sees the internet gateway.
        Ok(now.map(|now| Found { parents: found.parents.clone(), ..now }))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let (subnet, eip) = (cx.get(&self.subnet)?, cx.get(&self.eip)?);
        let tags = tag_on_create(cx, ResourceType::Natgateway)?;
        let token = &cx.step()?.token;
        let fresh = [fresh("InvalidSubnetID.NotFound"), fresh("InvalidAllocationID.NotFound")];
        let made = call(cx, "ec2:CreateNatGateway", Repeat::Safe, &fresh, || {
            ec2.0
                .create_nat_gateway()
                .subnet_id(subnet.as_str())
                .allocation_id(eip.as_str())
                .client_token(token)
                .tag_specifications(tags.clone())
                .send()
        })
        .await?;
        let nat = made.nat_gateway().map(reading).transpose()?.flatten();
        let nat = nat.ok_or_else(|| Error::local("CreateNatGateway answered without a gateway"))?;
        // The answer may leave the address out, but the request named it.
        let live = Live { eip: Some(eip.clone()), ..nat.live.clone() };
        let mut parents = nat.parents.clone();
        let address = PhysicalId::new(eip.as_str());
        if !parents.contains(&address) {
            parents.push(address);
        }
        Reading { live, parents, ..nat }.created(cx)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 5, at_most: 900 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        retag(cx, found.live.id.as_str(), changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        if found.status != Status::Leaving {
            gone_is_fine(
                safe(cx, "ec2:DeleteNatGateway", || {
                    ec2.0.delete_nat_gateway().nat_gateway_id(id).send()
                })
                .await,
            )?;
        }
        until_gone(cx, found, Patience { every: 5, at_most: 1200 }).await
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let ec2 = cx.api::<Ec2>()?;
        let answer = gone_is_fine(
            safe(cx, "ec2:DescribeNatGateways", || {
                ec2.0.describe_nat_gateways().nat_gateway_ids(id.as_str()).send()
            })
            .await,
        )?;
        let nat = answer.as_ref().and_then(|answer| answer.nat_gateways().first());
        let nat = nat.map(reading).transpose()?.flatten();
        Ok(nat.map(|reading| reading.owned(owner)))
    }
}

/// `None` for one that is deleted.
fn reading(nat: &Ec2NatGateway) -> Result<Option<Reading<NatGateway>>> {
    let id = told(nat.nat_gateway_id(), "id of a nat gateway")?;
    let status = match nat.state() {
        Some(NatGatewayState::Deleted) => return Ok(None),
        Some(NatGatewayState::Deleting) => Status::Leaving,
        Some(NatGatewayState::Available) => Status::Ready,
        Some(NatGatewayState::Failed) => Status::Failed(format!(
            "{}: {}",
            nat.failure_code().unwrap_or("no code"),
            nat.failure_message().unwrap_or("no reason was given")
        )),
        Some(state) => Status::Busy(state.as_str().to_owned()),
        None => Status::Busy("pending".to_owned()),
    };
    let subnet = told(nat.subnet_id(), "subnet of a nat gateway")?;
    let addresses = nat.nat_gateway_addresses();
    let address = addresses
        .iter()
        .find(|address| address.is_primary().unwrap_or(false))
        .or_else(|| addresses.first());
    let eip = address.and_then(|address| address.allocation_id());
    let vpc = told(nat.vpc_id(), "vpc of a nat gateway")?;
    let ids = [Some(vpc), Some(subnet), eip].into_iter().flatten();
    Ok(Some(Reading {
        id: id.to_owned(),
        status,
        parents: ids.map(PhysicalId::new).collect(),
        tags: from_ec2(nat.tags()),
        live: Live {
            id: Id::new(id),
            subnet: Id::new(subnet),
            vpc: Id::new(vpc),
            eip: eip.map(Id::new),
            public_ip: address.and_then(|address| address.public_ip()).map(str::to_owned),
        },
    }))
}
