//! The Elastic IP address: a public IPv4 address that stays the same.
//!
//! `AllocateAddress` takes no client token, so the engine records an intent first.
//! `DescribeAddresses` has no pages. An address is released only when nothing uses it; right
//! after its NAT gateway went, AWS may still refuse for some seconds.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ReleaseAddress.html>

use super::{Ec2, Reading, from_ec2, ours, retag, tag_on_create, told};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, safe};
use crate::aws::settle::{Patience, until_ready};
use crate::graph::Handle;
use crate::kind::{
    Change, Class, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen, Status,
    Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{Address, DomainType, ResourceType};
use serde::Serialize;

/// An Elastic IP address, from Amazon's pool.
#[derive(Clone, Debug, Serialize)]
pub struct ElasticIp {}

/// A live Elastic IP address.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The id of its allocation.
    pub id: Id<ElasticIp>,
    /// The address.
    pub public_ip: String,
    /// The network interface it is associated with.
    pub interface: Option<String>,
}

impl Handle<ElasticIp> {
    /// The id of its allocation.
    pub fn id(&self) -> In<Id<ElasticIp>> {
        self.output("allocation id", |live| Some(live.id.clone()))
    }

    /// The address.
    pub fn public_ip(&self) -> In<String> {
        self.output("public ip", |live| Some(live.public_ip.clone()))
    }
}

impl Kind for ElasticIp {
    const NAME: &'static str = "aws.ec2.elastic_ip";
    const TITLE: &'static str = "elastic ip";
    const NATURE: Nature = Nature {
        actions: &[
            "ec2:AllocateAddress",
            "ec2:DescribeAddresses",
            "ec2:ReleaseAddress",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, _: &Live, _: &mut Diff<'_>) {
        let Self {} = self;
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string()), ("public_ip", live.public_ip.clone())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let answer = safe(cx, "ec2:DescribeAddresses", || {
            ec2.0.describe_addresses().filters(ours(cx)).send()
        })
        .await?;
        let mut listed = Listed::default();
        for address in answer.addresses() {
            reading(address)?.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let tags = tag_on_create(cx, ResourceType::ElasticIp)?;
        let made = call(cx, "ec2:AllocateAddress", Repeat::Once, &[], || {
            ec2.0.allocate_address().domain(DomainType::Vpc).tag_specifications(tags.clone()).send()
        })
        .await?;
        let id = made
            .allocation_id()
            .ok_or_else(|| Error::of(Class::Ambiguous, "AllocateAddress answered without an id"))?;
        let public_ip = told(made.public_ip(), "address of an allocation")?.to_owned();
        let live = Live { id: Id::new(id), public_ip, interface: None };
        Found::created(cx, id, Status::Ready, Vec::new(), live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 1, at_most: 120 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        retag(cx, found.live.id.as_str(), changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        const FREED: &str = "AWS to free the address";
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        let passing = [
            Passing {
                code: "InvalidIPAddress.InUse",
                message: "",
                seconds: 60,
                waiting_for: FREED,
            },
            // What AWS says while a NAT gateway that is being deleted still holds it.
            Passing {
                code: "AuthFailure",
                message: "permission to access the specified resource",
                seconds: 60,
                waiting_for: FREED,
            },
        ];
        let released = call(cx, "ec2:ReleaseAddress", Repeat::Safe, &passing, || {
            ec2.0.release_address().allocation_id(id).send()
        })
        .await;
        match gone_is_fine(released) {
            Err(error) if passing.iter().any(|passing| error.is_code(passing.code)) => {
                let now = Self::read(cx, found).await?;
                Err(match now.and_then(|now| now.live.interface) {
                    Some(interface) => {
                        error.hint(format!("disassociate it from network interface {interface}"))
                    }
                    None => error,
                })
            }
            other => other.map(|_| ()),
        }
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let ec2 = cx.api::<Ec2>()?;
        let answer = gone_is_fine(
            safe(cx, "ec2:DescribeAddresses", || {
                ec2.0.describe_addresses().allocation_ids(id.as_str()).send()
            })
            .await,
        )?;
        let address = answer.as_ref().and_then(|answer| answer.addresses().first());
        Ok(address.map(reading).transpose()?.map(|reading| reading.owned(owner)))
    }
}

fn reading(address: &Address) -> Result<Reading<ElasticIp>> {
    let id = told(address.allocation_id(), "allocation id of an address")?;
    Ok(Reading {
        id: id.to_owned(),
        status: Status::Ready,
        parents: Vec::new(),
        tags: from_ec2(address.tags()),
        live: Live {
            id: Id::new(id),
            public_ip: told(address.public_ip(), "address of an allocation")?.to_owned(),
            interface: address.network_interface_id().map(str::to_owned),
        },
    })
}
