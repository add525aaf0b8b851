//! The network load balancer. One that is made without security groups can never get any, so it
//! always has one. Its DNS name is known at once; it is `active` two and a half minutes later.
//!
//! Cross-zone balancing and deletion protection are attributes, set by a call of their own after
//! the create. Its network interfaces stay in the subnets for a few minutes after it is gone.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/network-load-balancers.html>

use super::whose::{Attributes, Told, sort};
use super::{Elb, retag, tags_of, to_elb, told};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::ec2::security_group::SecurityGroup;
use crate::aws::ec2::subnet::Subnet;
use crate::aws::settle::{Patience, until_gone, until_ready, until_seen};
use crate::aws::tags::{made_before, touches, without_generation};
use crate::graph::Handle;
use crate::kind::{
    Change, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, ReplaceOrder,
    Result, Seen, Status, Tags, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_elasticloadbalancingv2::types::{
    LoadBalancer as ElbLoadBalancer, LoadBalancerAttribute, LoadBalancerSchemeEnum,
    LoadBalancerStateEnum, LoadBalancerTypeEnum,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const CROSS_ZONE: &str = "load_balancing.cross_zone.enabled";
const PROTECTION: &str = "deletion_protection.enabled";

/// A network load balancer.
#[derive(Clone, Debug, Serialize)]
pub struct LoadBalancer {
    /// Its name: letters, digits and hyphens, at most 28 characters, so that the generation of
    /// one that replaces another fits behind it.
    pub name: String,
    /// Who can reach it; fixed.
    pub scheme: Scheme,
    /// Its subnets, one a zone.
    pub subnets: Vec<In<Id<Subnet>>>,
    /// Who may connect; one at least.
    pub security_groups: Vec<In<Id<SecurityGroup>>>,
    /// Whether a node of one zone sends to targets of others.
    pub cross_zone: bool,
    /// Whether AWS refuses to delete it until this is turned off.
    pub deletion_protection: bool,
}

/// Who can reach a load balancer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scheme {
    /// The internet.
    InternetFacing,
    /// The VPC and what is connected to it.
    Internal,
}

impl Scheme {
    fn to_elb(self) -> LoadBalancerSchemeEnum {
        match self {
            Scheme::InternetFacing => LoadBalancerSchemeEnum::InternetFacing,
            Scheme::Internal => LoadBalancerSchemeEnum::Internal,
        }
    }
}

/// A live network load balancer.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its ARN.
    pub arn: Id<LoadBalancer>,
    /// Its name.
    pub name: String,
    /// Who can reach it.
    pub scheme: String,
    /// Its host name.
    pub dns_name: String,
    /// The hosted zone that an alias record names for it.
    pub zone: String,
    /// Its subnets.
    pub subnets: BTreeSet<Id<Subnet>>,
    /// Who may connect.
    pub security_groups: BTreeSet<Id<SecurityGroup>>,
    /// Whether a node of one zone sends to targets of others.
    pub cross_zone: bool,
    /// Whether AWS refuses to delete it.
    pub deletion_protection: bool,
}

impl Handle<LoadBalancer> {
    /// Its ARN, which is its id.
    pub fn arn(&self) -> In<Id<LoadBalancer>> {
        self.output("load balancer arn", |live| Some(live.arn.clone()))
    }

    /// Its host name, known as soon as it exists.
    pub fn dns_name(&self) -> In<String> {
        self.output("load balancer dns name", |live| Some(live.dns_name.clone()))
    }

    /// The hosted zone that an alias record to it names, known as soon as it exists.
    pub fn zone(&self) -> In<String> {
        self.output("load balancer hosted zone", |live| Some(live.zone.clone()))
    }
}

impl Kind for LoadBalancer {
    const NAME: &'static str = "aws.elbv2.load_balancer";
    const TITLE: &'static str = "load balancer";
    const NATURE: Nature = Nature {
        create_is: CreateIs::Named,
        replace: ReplaceOrder::CreateFirst,
        typical: Typical { create: 150, update: 5, delete: 10 },
        actions: &[
            "elasticloadbalancing:CreateLoadBalancer",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeLoadBalancerAttributes",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:ModifyLoadBalancerAttributes",
            "elasticloadbalancing:SetSubnets",
            "elasticloadbalancing:SetSecurityGroups",
            "elasticloadbalancing:DeleteLoadBalancer",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
            // The first load balancer of an account makes the service-linked role.
            "iam:CreateServiceLinkedRole",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name, scheme, subnets, security_groups, cross_zone, deletion_protection } = self;
        diff.replaces("name", name, &without_generation(name, &live.name));
        diff.replaces("scheme", &scheme.to_elb().as_str().to_owned(), &live.scheme);
        diff.set("subnets", subnets, &live.subnets);
        diff.set("security_groups", security_groups, &live.security_groups);
        diff.in_place("cross_zone", cross_zone, &live.cross_zone);
        diff.in_place("deletion_protection", deletion_protection, &live.deletion_protection);
    }

    fn summary(&self) -> String {
        format!("{}  {}", self.name, self.scheme.to_elb().as_str())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("arn", live.arn.to_string()), ("dns_name", live.dns_name.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let elb = cx.api::<Elb>()?;
        let pages = pages(
            cx,
            "elasticloadbalancing:DescribeLoadBalancers",
            |marker| elb.0.describe_load_balancers().set_marker(marker).send(),
            |page| page.next_marker(),
        )
        .await?;
        let all = pages.iter().flat_map(|page| page.load_balancers());
        let all: BTreeMap<&str, &ElbLoadBalancer> =
            all.filter_map(|one| Some((one.load_balancer_arn()?, one))).collect();
        let told = all.iter().map(|(arn, one)| {
            let name = one.load_balancer_name().unwrap_or_default();
            Told { arn, name }
        });
        let told: Vec<Told<'_>> = told.collect();
        let attributes = |arn| attributes(cx, arn);
        let sorted = sort(cx, &told, wanted, |wanted| &wanted.name, attributes).await?;
        let mut listed = Listed { clashes: sorted.clashes, ..Listed::default() };
        for (arn, tags, attributes) in sorted.ours {
            if let Some(one) = all.get(arn) {
                reading_with(one, tags, &attributes)?.list(cx, &mut listed);
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let elb = cx.api::<Elb>()?;
        let name = cx.unique_name(&self.name)?;
        let subnets = cx.get_all(&self.subnets)?;
        let groups = cx.get_all(&self.security_groups)?;
        if groups.is_empty() {
            return Err(Error::local("a load balancer without a security group never gets one"));
        }
        let tags = to_elb(&cx.tags()?);
        let made =
            call(cx, "elasticloadbalancing:CreateLoadBalancer", Repeat::Safe, &FRESH, || {
                elb.0
                    .create_load_balancer()
                    .name(&name)
                    .r#type(LoadBalancerTypeEnum::Network)
                    .scheme(self.scheme.to_elb())
                    .set_subnets(Some(subnets.iter().map(ToString::to_string).collect()))
                    .set_security_groups(Some(groups.iter().map(ToString::to_string).collect()))
                    .set_tags(Some(tags.clone()))
                    .send()
            })
            .await;
        let made = match made {
            Err(error) if error.class == Class::Exists => {
                let there = until_seen(cx, || named(cx, &name)).await?.ok_or(error)?;
                let owner = made_before(cx, Self::TITLE, &name, &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let made = made.load_balancers().first().ok_or_else(|| {
            Error::of(Class::Ambiguous, "CreateLoadBalancer answered without a load balancer")
        })?;
        let live = Live {
            arn: Id::new(told(made.load_balancer_arn(), "arn of a load balancer")?),
            name,
            scheme: self.scheme.to_elb().as_str().to_owned(),
            dns_name: told(made.dns_name(), "dns name of a load balancer")?,
            zone: told(made.canonical_hosted_zone_id(), "hosted zone of a load balancer")?,
            subnets: subnets.into_iter().collect(),
            security_groups: groups.into_iter().collect(),
            cross_zone: false,
            deletion_protection: false,
        };
        let status = Status::Busy("provisioning".to_owned());
        Found::created(cx, live.arn.to_string(), status, parents(&live), live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        until_ready(cx, found, Patience { every: 5, at_most: 1200 }).await
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let elb = cx.api::<Elb>()?;
        let arn = found.live.arn.as_str();
        if touches(changes, "subnets") {
            let subnets: Vec<String> =
                cx.get_all(&self.subnets)?.iter().map(ToString::to_string).collect();
            call(cx, "elasticloadbalancing:SetSubnets", Repeat::Safe, &FRESH, || {
                let request = elb.0.set_subnets().load_balancer_arn(arn);
                request.set_subnets(Some(subnets.clone())).send()
            })
            .await?;
        }
        if touches(changes, "security_groups") {
            let groups: Vec<String> =
                cx.get_all(&self.security_groups)?.iter().map(ToString::to_string).collect();
            call(cx, "elasticloadbalancing:SetSecurityGroups", Repeat::Safe, &FRESH, || {
                let request = elb.0.set_security_groups().load_balancer_arn(arn);
                request.set_security_groups(Some(groups.clone())).send()
            })
            .await?;
        }
        let attributes: Vec<(&str, bool)> = [
            ("cross_zone", CROSS_ZONE, self.cross_zone),
            ("deletion_protection", PROTECTION, self.deletion_protection),
        ]
        .into_iter()
        .filter(|(field, _, _)| touches(changes, field))
        .map(|(_, key, on)| (key, on))
        .collect();
        if !attributes.is_empty() {
            set_attributes(cx, arn, &attributes).await?;
        }
        retag(cx, arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let elb = cx.api::<Elb>()?;
        let arn = found.live.arn.as_str();
        if found.live.deletion_protection {
            gone_is_fine(set_attributes(cx, arn, &[(PROTECTION, false)]).await)?;
        }
        gone_is_fine(
            safe(cx, "elasticloadbalancing:DeleteLoadBalancer", || {
                elb.0.delete_load_balancer().load_balancer_arn(arn).send()
            })
            .await,
        )?;
        until_gone(cx, found, Patience { every: 2, at_most: 600 }).await
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let elb = cx.api::<Elb>()?;
        let answer = gone_is_fine(
            safe(cx, "elasticloadbalancing:DescribeLoadBalancers", || {
                elb.0.describe_load_balancers().load_balancer_arns(id.as_str()).send()
            })
            .await,
        )?;
        let one = answer.as_ref().and_then(|answer| answer.load_balancers().first());
        Ok(whole(cx, one).await?.map(|reading| reading.owned(owner)))
    }
}

/// Subnets and groups that were just made.
const FRESH: [Passing; 2] = [
    Passing {
        code: "SubnetNotFound",
        message: "",
        seconds: 120,
        waiting_for: "AWS to know the new subnets everywhere",
    },
    Passing {
        code: "InvalidSecurityGroup",
        message: "",
        seconds: 120,
        waiting_for: "AWS to know the new security groups everywhere",
    },
];

fn parents(live: &Live) -> Vec<PhysicalId> {
    let subnets = live.subnets.iter().map(|subnet| PhysicalId::new(subnet.as_str()));
    let groups = live.security_groups.iter().map(|group| PhysicalId::new(group.as_str()));
    subnets.chain(groups).collect()
}

async fn set_attributes(cx: &Cx, arn: &str, attributes: &[(&str, bool)]) -> Result<()> {
    let elb = cx.api::<Elb>()?;
    let attributes: Vec<LoadBalancerAttribute> = attributes
        .iter()
        .map(|(key, on)| LoadBalancerAttribute::builder().key(*key).value(on.to_string()).build())
        .collect();
    safe(cx, "elasticloadbalancing:ModifyLoadBalancerAttributes", || {
        let request = elb.0.modify_load_balancer_attributes().load_balancer_arn(arn);
        request.set_attributes(Some(attributes.clone())).send()
    })
    .await?;
    Ok(())
}

/// The load balancer of a name, whoever owns it.
async fn named(cx: &Cx, name: &str) -> Result<Option<Reading<LoadBalancer>>> {
    let elb = cx.api::<Elb>()?;
    let answer = gone_is_fine(
        safe(cx, "elasticloadbalancing:DescribeLoadBalancers", || {
            elb.0.describe_load_balancers().names(name).send()
        })
        .await,
    )?;
    whole(cx, answer.as_ref().and_then(|answer| answer.load_balancers().first())).await
}

/// `None` when there is none, or when it has gone between the calls.
async fn whole(cx: &Cx, one: Option<&ElbLoadBalancer>) -> Result<Option<Reading<LoadBalancer>>> {
    let Some(one) = one else { return Ok(None) };
    let arn = told(one.load_balancer_arn(), "arn of a load balancer")?;
    match tags_of(cx, std::slice::from_ref(&arn)).await?.remove(&arn) {
        Some(tags) => reading(cx, one, tags).await,
        None => Ok(None),
    }
}

async fn reading(
    cx: &Cx,
    one: &ElbLoadBalancer,
    tags: Tags,
) -> Result<Option<Reading<LoadBalancer>>> {
    let attributes = attributes(cx, one.load_balancer_arn().unwrap_or_default()).await?;
    attributes.map(|attributes| reading_with(one, tags, &attributes)).transpose()
}

/// The attributes of a load balancer; `None` when there is no such one.
async fn attributes(cx: &Cx, arn: &str) -> Result<Option<Attributes>> {
    let elb = cx.api::<Elb>()?;
    let answer = gone_is_fine(
        safe(cx, "elasticloadbalancing:DescribeLoadBalancerAttributes", || {
            elb.0.describe_load_balancer_attributes().load_balancer_arn(arn).send()
        })
        .await,
    )?;
    let all = answer.map(|answer| answer.attributes.unwrap_or_default().into_iter());
    Ok(all.map(|all| all.filter_map(|one| Some((one.key?, one.value?))).collect()))
}

fn reading_with(
    one: &ElbLoadBalancer,
    tags: Tags,
    attributes: &Attributes,
) -> Result<Reading<LoadBalancer>> {
    let arn = told(one.load_balancer_arn(), "arn of a load balancer")?;
    let on = |key: &str| attributes.get(key).is_some_and(|value| value == "true");
    let state = one.state();
    let status = match state.and_then(|state| state.code()) {
        Some(LoadBalancerStateEnum::Active | LoadBalancerStateEnum::ActiveImpaired) => {
            Status::Ready
        }
        Some(LoadBalancerStateEnum::Failed) => Status::Failed(
            state.and_then(|state| state.reason()).unwrap_or("no reason was given").to_owned(),
        ),
        Some(code) => Status::Busy(code.as_str().to_owned()),
        None => Status::Busy("provisioning".to_owned()),
    };
    let subnets = one.availability_zones().iter().filter_map(|zone| zone.subnet_id());
    let live = Live {
        arn: Id::new(&arn),
        name: one.load_balancer_name().unwrap_or_default().to_owned(),
        scheme: one.scheme().map(|scheme| scheme.as_str().to_owned()).unwrap_or_default(),
        dns_name: one.dns_name().unwrap_or_default().to_owned(),
        zone: one.canonical_hosted_zone_id().unwrap_or_default().to_owned(),
        subnets: subnets.map(Id::new).collect(),
        security_groups: one.security_groups().iter().map(Id::new).collect(),
        cross_zone: on(CROSS_ZONE),
        deletion_protection: on(PROTECTION),
    };
    Ok(Reading { id: arn, status, parents: parents(&live), tags, live })
}
