//! The subnet, with whether instances in it get public addresses.
//!
//! `CreateSubnet` takes no client token, but refuses a second subnet with the same range; what
//! has the range then is looked for by tag. `MapPublicIpOnLaunch` can not be given on create.
//! <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html>

use super::vpc::Vpc;
use super::{
    Ec2, Reading, blockers, filter, fresh, from_ec2, ours, retag, specification, told, touches,
};
use crate::aws::call::{Repeat, call, gone_is_fine, pages, safe};
use crate::aws::settle::{Patience, until_ready};
use crate::graph::Handle;
use crate::kind::{
    Change, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen, Status,
    TAG_DEPLOYMENT, Tags, Typical, Wanted, Whose,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Known};
use aws_sdk_ec2::types::{AttributeBooleanValue, ResourceType, Subnet as Ec2Subnet, SubnetState};
use ipnet::Ipv4Net;
use serde::Serialize;
use std::collections::BTreeMap;

/// A subnet.
#[derive(Clone, Debug, Serialize)]
pub struct Subnet {
    /// The VPC it is a part of.
    pub vpc: In<Id<Vpc>>,
    /// Its IPv4 range, /16 to /28; AWS keeps five addresses of it.
    pub cidr: String,
    /// Its availability zone by name, `us-east-1a`.
    pub zone: String,
    /// Whether what starts in it gets a public address.
    pub public_ips: bool,
    /// Tags that others read, with keys in Kubernetes' form: `kubernetes.io/role/elb`.
    pub extra_tags: Tags,
}

/// A live subnet.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<Subnet>,
    /// The VPC it is a part of.
    pub vpc: Id<Vpc>,
    /// Its IPv4 range.
    pub cidr: String,
    /// Its availability zone by name.
    pub zone: String,
    /// `MapPublicIpOnLaunch`.
    pub public_ips: bool,
    /// All its tags but those of coderctl and AWS.
    pub tags: Tags,
}

impl Handle<Subnet> {
    /// The subnet's id.
    pub fn id(&self) -> In<Id<Subnet>> {
        self.output("subnet id", |live| Some(live.id.clone()))
    }

    /// Its availability zone by name.
    pub fn zone(&self) -> In<String> {
        self.output("zone", |live| Some(live.zone.clone()))
    }
}

impl Kind for Subnet {
    const NAME: &'static str = "aws.ec2.subnet";
    const TITLE: &'static str = "subnet";
    const NATURE: Nature = Nature {
        typical: Typical { create: 2, update: 1, delete: 1 },
        actions: &[
            "ec2:CreateSubnet",
            "ec2:DescribeSubnets",
            "ec2:ModifySubnetAttribute",
            "ec2:DeleteSubnet",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DeleteNetworkInterface",
            "ec2:CreateTags",
            "ec2:DeleteTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { vpc, cidr, zone, public_ips, extra_tags } = self;
        diff.parent("vpc", vpc, &live.vpc);
        diff.replaces("cidr", cidr, &live.cidr);
        diff.replaces("zone", zone, &live.zone);
        diff.in_place("public_ips", public_ips, &live.public_ips);
        let want: BTreeMap<_, _> = extra_tags
            .iter()
            .map(|(key, value)| (key.clone(), Known::Yes(value.clone())))
            .collect();
        // The other tags are compared by whoever knows the deployment's own.
        let have: Tags = live
            .tags
            .iter()
            .filter(|(key, _)| extra_tags.contains_key(*key) || key.contains('/'))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        diff.ours_only("extra_tags", &want, &have);
    }

    fn summary(&self) -> String {
        format!("{}  {}", self.cidr, self.zone)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string()), ("cidr", live.cidr.clone()), ("zone", live.zone.clone())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let pages = pages(
            cx,
            "ec2:DescribeSubnets",
            |token| ec2.0.describe_subnets().filters(ours(cx)).set_next_token(token).send(),
            |page| page.next_token(),
        )
        .await?;
        let mut listed = Listed::default();
        for subnet in pages.iter().flat_map(|page| page.subnets()) {
            reading(subnet)?.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let ec2 = cx.api::<Ec2>()?;
        let vpc = cx.get(&self.vpc)?;
        let mut tags = cx.tags()?;
        tags.extend(self.extra_tags.clone());
        let tags = specification(ResourceType::Subnet, &tags);
        let fresh = [fresh("InvalidVpcID.NotFound")];
        let made = call(cx, "ec2:CreateSubnet", Repeat::Once, &fresh, || {
            ec2.0
                .create_subnet()
                .vpc_id(vpc.as_str())
                .cidr_block(&self.cidr)
                .availability_zone(&self.zone)
                .tag_specifications(tags.clone())
                .send()
        })
        .await;
        let made = match made {
            Err(error) if error.is_code("InvalidSubnet.Conflict") => {
                return Err(self.with_rival(cx, &vpc, error).await);
            }
            made => made?,
        };
        let subnet =
            made.subnet().ok_or_else(|| Error::local("CreateSubnet answered without a subnet"))?;
        reading(subnet)?.created(cx)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 1, at_most: 120 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let id = found.live.id.as_str();
        let ec2 = cx.api::<Ec2>()?;
        if touches(changes, "public_ips") {
            let on = AttributeBooleanValue::builder().value(self.public_ips).build();
            let fresh = [fresh("InvalidSubnetID.NotFound")];
            call(cx, "ec2:ModifySubnetAttribute", Repeat::Safe, &fresh, || {
                ec2.0
                    .modify_subnet_attribute()
                    .subnet_id(id)
                    .map_public_ip_on_launch(on.clone())
                    .send()
            })
            .await?;
        }
        let tags: Vec<Change> = changes
            .iter()
            .map(|change| match change.field.strip_prefix("extra_") {
                Some(field) => Change { field: field.to_owned(), ..change.clone() },
                None => change.clone(),
            })
            .collect();
        retag(cx, id, &tags).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let ec2 = cx.api::<Ec2>()?;
        let id = found.live.id.as_str();
        blockers::delete_once_swept(cx, filter("subnet-id", [id]), || async {
            safe(cx, "ec2:DeleteSubnet", || ec2.0.delete_subnet().subnet_id(id).send()).await?;
            Ok(())
        })
        .await
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let ec2 = cx.api::<Ec2>()?;
        let answer = gone_is_fine(
            safe(cx, "ec2:DescribeSubnets", || {
                ec2.0.describe_subnets().subnet_ids(id.as_str()).send()
            })
            .await,
        )?;
        let subnet = answer.as_ref().and_then(|answer| answer.subnets().first());
        Ok(subnet.map(reading).transpose()?.map(|reading| reading.owned(owner)))
    }
}

impl Subnet {
    /// The refusal of a range, with a hint that names the subnet that uses it.
    async fn with_rival(&self, cx: &Cx, vpc: &Id<Vpc>, error: Error) -> Error {
        let (Ok(ec2), Ok(step)) = (cx.api::<Ec2>(), cx.step()) else { return error };
        let answer = safe(cx, "ec2:DescribeSubnets", || {
            ec2.0.describe_subnets().filters(filter("vpc-id", [vpc.as_str()])).send()
        })
        .await;
        let (Ok(answer), Ok(wanted)) = (answer, self.cidr.parse::<Ipv4Net>()) else { return error };
        let overlaps = |subnet: &&Ec2Subnet| {
            subnet
                .cidr_block()
                .and_then(|cidr| cidr.parse::<Ipv4Net>().ok())
                .is_some_and(|cidr| cidr.contains(&wanted) || wanted.contains(&cidr))
        };
        let Some(rival) = answer.subnets().iter().find(overlaps) else { return error };
        let (id, cidr) =
            (rival.subnet_id().unwrap_or_default(), rival.cidr_block().unwrap_or_default());
        let tags = from_ec2(rival.tags());
        let owner = match Whose::of(&tags, &cx.deployment) {
            Whose::Ours(owner) => format!("{} of this deployment", owner.address),
            Whose::Damaged(why) => format!("of this deployment, but {why}"),
            Whose::Foreign(owner) => owner,
        };
        let advice = if cidr == self.cidr && !tags.contains_key(TAG_DEPLOYMENT) {
            format!("choose another CIDR or adopt it: coderctl adopt {} {id}", step.address)
        } else {
            "choose another CIDR".to_owned()
        };
        error.hint(format!("{id} ({owner}) uses {cidr}; {advice}"))
    }
}

fn reading(subnet: &Ec2Subnet) -> Result<Reading<Subnet>> {
    let id = told(subnet.subnet_id(), "id of a subnet")?;
    let vpc = told(subnet.vpc_id(), "vpc of a subnet")?;
    let tags = from_ec2(subnet.tags());
    let status = match subnet.state() {
        Some(SubnetState::Available) | None => Status::Ready,
        Some(state @ (SubnetState::Failed | SubnetState::FailedInsufficientCapacity)) => {
            Status::Failed(state.as_str().to_owned())
        }
        Some(state) => Status::Busy(state.as_str().to_owned()),
    };
    let live = Live {
        id: Id::new(id),
        vpc: Id::new(vpc),
        cidr: told(subnet.cidr_block(), "range of a subnet")?.to_owned(),
        zone: told(subnet.availability_zone(), "zone of a subnet")?.to_owned(),
        public_ips: subnet.map_public_ip_on_launch().unwrap_or(false),
        tags: tags
            .iter()
            .filter(|(key, _)| !key.starts_with("coderctl:") && !key.starts_with("aws:"))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    };
    Ok(Reading { id: id.to_owned(), status, parents: vec![PhysicalId::new(vpc)], tags, live })
}
