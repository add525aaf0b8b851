//! The internet gateway, attached to its VPC.
//!
//! It is made first and attached then, with a second call; one that lost its maker between the
//! two is found by its tags, and attached by the next run. It is ready for routes and NAT
//! gateways only once it is attached, so what needs it says so with [`In::ready`]. A VPC has one
//! at most, and AWS refuses to detach it while a public address is mapped in the VPC.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachInternetGateway.html>

use super::vpc::Vpc;
use super::{
    Ec2, Reading, blockers, filter, fresh, from_ec2, ours, retag, tag_on_create, told, touches,
};
use crate::aws::call::{Repeat, call, gone_is_fine, pages, safe};
use crate::aws::settle::{Patience, until_ready};
use crate::graph::Handle;
use crate::kind::{
    Change, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen, Status, Typical,
    Wanted, seconds,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_ec2::types::{
    AttachmentStatus, InternetGateway as Ec2InternetGateway, InternetGatewayAttachment,
    ResourceType,
};
use serde::Serialize;

/// An internet gateway.
#[derive(Clone, Debug, Serialize)]
pub struct InternetGateway {
    /// The VPC it is attached to.
    pub vpc: In<Id<Vpc>>,
}

/// A live internet gateway.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<InternetGateway>,
    /// The VPC it is attached to.
    pub vpc: Option<Id<Vpc>>,
}

impl Handle<InternetGateway> {
    /// The gateway's id. Routes need it [`In::ready`]: attached.
    pub fn id(&self) -> In<Id<InternetGateway>> {
        self.output("internet gateway id", |live| Some(live.id.clone()))
    }
}

impl Kind for InternetGateway {
    const NAME: &'static str = "aws.ec2.internet_gateway";
    const TITLE: &'static str = "internet gateway";
    const NATURE: Nature = Nature {
        typical: Typical { create: 2, update: 1, delete: 2 },
        actions: &[
            "ec2:CreateInternetGateway",
            "ec2:DescribeInternetGateways",
            "ec2:AttachInternetGateway",
            "ec2:DetachInternetGateway",
            "ec2:DeleteInternetGateway",
            "ec2:DescribeNetworkInterfaces",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { vpc } = self;
        diff.attached("vpc", vpc, &live.vpc);
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let pages = pages(
            cx,
            "ec2:DescribeInternetGateways",
            |token| {
                ec2.0.describe_internet_gateways().filters(ours(cx)).set_next_token(token).send()
            },
            |page| page.next_token(),
        )
        .await?;
        let mut listed = Listed::default();
        for gateway in pages.iter().flat_map(|page| page.internet_gateways()) {
            reading(gateway)?.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let tags = tag_on_create(cx, ResourceType::InternetGateway)?;
        let made = call(cx, "ec2:CreateInternetGateway", Repeat::Once, &[], || {
            ec2.0.create_internet_gateway().tag_specifications(tags.clone()).send()
        })
        .await?;
        let gateway = made.internet_gateway().ok_or_else(|| {
            Error::local("CreateInternetGateway answered without an internet gateway")
        })?;
        reading(gateway)?.created(cx)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 1, at_most: 120 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        if touches(changes, "vpc") {
            let vpc = cx.get(&self.vpc)?;
            if let Some(other) = found.live.vpc.as_ref().filter(|other| **other != vpc) {
                detach(cx, &found.live.id, other).await?;
            }
            attach(cx, found, &vpc).await?;
        }
        retag(cx, found.live.id.as_str(), changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = &found.live.id;
        if let Some(vpc) = &found.live.vpc {
            detach(cx, id, vpc).await?;
        }
        gone_is_fine(
            safe(cx, "ec2:DeleteInternetGateway", || {
                ec2.0.delete_internet_gateway().internet_gateway_id(id.as_str()).send()
            })
            .await,
        )?;
        Ok(())
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let ec2 = cx.api::<Ec2>()?;
        let answer = gone_is_fine(
            safe(cx, "ec2:DescribeInternetGateways", || {
                ec2.0.describe_internet_gateways().internet_gateway_ids(id.as_str()).send()
            })
            .await,
        )?;
        let gateway = answer.as_ref().and_then(|answer| answer.internet_gateways().first());
        Ok(gateway.map(reading).transpose()?.map(|reading| reading.owned(owner)))
    }
}

async fn attach(cx: &Cx, found: &Found<InternetGateway>, vpc: &Id<Vpc>) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    let fresh = [fresh("InvalidInternetGatewayID.NotFound"), fresh("InvalidVpcID.NotFound")];
    let attached = call(cx, "ec2:AttachInternetGateway", Repeat::Safe, &fresh, || {
        ec2.0
            .attach_internet_gateway()
            .internet_gateway_id(found.live.id.as_str())
            .vpc_id(vpc.as_str())
            .send()
    })
    .await;
    match attached {
        // The answer of an attempt that succeeded was lost; or it is attached elsewhere. Reads may
        // lag behind what refused the call.
        Err(error) if error.is_code("Resource.AlreadyAssociated") => {
            for _ in 0..15 {
                let now = InternetGateway::read(cx, found).await?;
                if now.and_then(|now| now.live.vpc).is_some_and(|there| there == *vpc) {
                    return Ok(());
                }
                cx.pause(seconds(2)).await?;
            }
            Err(error)
        }
        // The VPC has another one.
        Err(error) if error.is_code("InvalidParameterValue") => {
            let hint = format!("detach the internet gateway that {vpc} has, or adopt it");
            Err(error.hint(hint))
        }
        other => other.map(|_| ()),
    }
}

async fn detach(cx: &Cx, id: &Id<InternetGateway>, vpc: &Id<Vpc>) -> Result<()> {
    let ec2 = cx.api::<Ec2>()?;
    // Only interfaces with a public address block, but EC2 has no filter for those.
    let within = filter("vpc-id", [vpc.as_str()]);
    let detach = || async {
        let detached = safe(cx, "ec2:DetachInternetGateway", || {
            ec2.0
                .detach_internet_gateway()
                .internet_gateway_id(id.as_str())
                .vpc_id(vpc.as_str())
                .send()
        })
        .await;
        match detached {
            Err(error) if error.is_code("Gateway.NotAttached") => Ok(()),
            other => other.map(|_| ()),
        }
    };
    blockers::delete_once_free(cx, within, detach).await
}

fn reading(gateway: &Ec2InternetGateway) -> Result<Reading<InternetGateway>> {
    let id = told(gateway.internet_gateway_id(), "id of an internet gateway")?;
    // For internet gateways the state is `available` while attached.
    let attached = |attachment: &&InternetGatewayAttachment| {
        !matches!(
            attachment.state(),
            Some(AttachmentStatus::Detached | AttachmentStatus::Detaching)
        )
    };
    let vpc =
        gateway.attachments().iter().find(attached).and_then(|attachment| attachment.vpc_id());
    Ok(Reading {
        id: id.to_owned(),
        status: Status::Ready,
        parents: vpc.map(PhysicalId::new).into_iter().collect(),
        tags: from_ec2(gateway.tags()),
        live: Live { id: Id::new(id), vpc: vpc.map(Id::new) },
    })
}
