//! The target group: where a listener sends connections, and how AWS sees that a target is well.
//! Targets are instances, reached on a port of the node; an Auto Scaling group registers them.
//!
//! Its name, port, protocol and VPC are fixed; a new one is made first, the listener moves over,
//! and the old one goes. Attributes are set by a call of their own after the create.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-target-groups.html>

use super::whose::{Attributes, Told, sort};
use super::{Elb, retag, tags_of, to_elb, told};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::ec2::vpc::Vpc;
use crate::aws::settle::until_seen;
use crate::aws::tags::{made_before, touches, without_generation};
use crate::graph::Handle;
use crate::kind::{
    Change, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, ReplaceOrder,
    Result, Seen, Status, Tags, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_elasticloadbalancingv2::types::{
    ProtocolEnum, TargetGroup as ElbTargetGroup, TargetGroupAttribute, TargetTypeEnum,
};
use serde::Serialize;
use std::collections::BTreeMap;

const DRAINING: &str = "deregistration_delay.timeout_seconds";
const CLIENT_IP: &str = "preserve_client_ip.enabled";

/// A target group of instances, reached by TCP.
#[derive(Clone, Debug, Serialize)]
pub struct TargetGroup {
    /// Its name: letters, digits and hyphens, at most 28 characters, so that the generation of
    /// one that replaces another fits behind it.
    pub name: String,
    /// The VPC of the targets; fixed.
    pub vpc: In<Id<Vpc>>,
    /// The port of the targets; fixed.
    pub port: i32,
    /// How AWS sees that a target is well.
    pub health: HealthCheck,
    /// How long connections to a target that leaves may go on, in seconds, up to 3600.
    pub deregistration_delay: u32,
    /// Whether targets see the client's address. A target that connects to itself through the
    /// load balancer can't while they do.
    pub preserve_client_ip: bool,
}

/// A health check over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HealthCheck {
    /// The path that is asked for, `/healthz`.
    pub path: String,
    /// The port that is asked; that of the targets without.
    pub port: Option<i32>,
    /// How often, in seconds: 5 to 300.
    pub interval: i32,
    /// How many good answers make a target well: 2 to 10.
    pub healthy: i32,
    /// How many bad ones make it unwell: 2 to 10.
    pub unhealthy: i32,
}

/// A live target group.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its ARN.
    pub arn: Id<TargetGroup>,
    /// Its name.
    pub name: String,
    /// The VPC of the targets.
    pub vpc: Id<Vpc>,
    /// The port of the targets.
    pub port: i32,
    /// Whether it is TCP to instances.
    pub form: String,
    /// How AWS sees that a target is well; `None` when not over HTTP.
    pub health: Option<HealthCheck>,
    /// How long connections to a target that leaves may go on, in seconds.
    pub deregistration_delay: u32,
    /// Whether targets see the client's address.
    pub preserve_client_ip: bool,
}

impl Handle<TargetGroup> {
    /// Its ARN, which is its id.
    pub fn arn(&self) -> In<Id<TargetGroup>> {
        self.output("target group arn", |live| Some(live.arn.clone()))
    }
}

/// What every target group here is.
const FORM: &str = "TCP to instance";

impl Kind for TargetGroup {
    const NAME: &'static str = "aws.elbv2.target_group";
    const TITLE: &'static str = "target group";
    const NATURE: Nature = Nature {
        create_is: CreateIs::Named,
        replace: ReplaceOrder::CreateFirst,
        typical: Typical { create: 1, update: 1, delete: 1 },
        actions: &[
            "elasticloadbalancing:CreateTargetGroup",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DescribeTargetGroupAttributes",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:ModifyTargetGroup",
            "elasticloadbalancing:ModifyTargetGroupAttributes",
            "elasticloadbalancing:DeleteTargetGroup",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name, vpc, port, health, deregistration_delay, preserve_client_ip } = self;
        diff.replaces("name", name, &without_generation(name, &live.name));
        diff.parent("vpc", vpc, &live.vpc);
        diff.replaces("port", port, &live.port);
        diff.replaces("form", &FORM.to_owned(), &live.form);
        diff.in_place("health_check", &Some(health), &live.health.as_ref());
        diff.in_place("deregistration_delay", deregistration_delay, &live.deregistration_delay);
        diff.in_place("preserve_client_ip", preserve_client_ip, &live.preserve_client_ip);
    }

    fn summary(&self) -> String {
        format!("{}  TCP {}", self.name, self.port)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("arn", live.arn.to_string())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let elb = cx.api::<Elb>()?;
        let pages = pages(
            cx,
            "elasticloadbalancing:DescribeTargetGroups",
            |marker| elb.0.describe_target_groups().set_marker(marker).send(),
            |page| page.next_marker(),
        )
        .await?;
        let all = pages.iter().flat_map(|page| page.target_groups());
        let all: BTreeMap<&str, &ElbTargetGroup> =
            all.filter_map(|one| Some((one.target_group_arn()?, one))).collect();
        let told = all.iter().map(|(arn, one)| {
            let name = one.target_group_name().unwrap_or_default();
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
        let vpc = cx.get(&self.vpc)?;
        let tags = to_elb(&cx.tags()?);
        let HealthCheck { path, port: _, interval, healthy, unhealthy } = &self.health;
        let made = call(cx, "elasticloadbalancing:CreateTargetGroup", Repeat::Safe, &[], || {
            elb.0
                .create_target_group()
                .name(&name)
                .target_type(TargetTypeEnum::Instance)
                .protocol(ProtocolEnum::Tcp)
                .port(self.port)
                .vpc_id(vpc.as_str())
                .health_check_protocol(ProtocolEnum::Http)
                .health_check_port(self.health.port())
                .health_check_path(path)
                .health_check_interval_seconds(*interval)
                .healthy_threshold_count(*healthy)
                .unhealthy_threshold_count(*unhealthy)
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
        let made = made.target_groups().first().ok_or_else(|| {
            Error::of(Class::Ambiguous, "CreateTargetGroup answered without a target group")
        })?;
        let live = Live {
            arn: Id::new(told(made.target_group_arn(), "arn of a target group")?),
            name,
            vpc,
            port: self.port,
            form: FORM.to_owned(),
            health: Some(self.health.clone()),
            // AWS's defaults; the comparison at the end of the step sets what is wanted.
            deregistration_delay: 300,
            preserve_client_ip: true,
        };
        Found::created(cx, live.arn.to_string(), Status::Ready, parents(&live), live)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let elb = cx.api::<Elb>()?;
        let arn = found.live.arn.as_str();
        if touches(changes, "health_check") {
            let HealthCheck { path, port: _, interval, healthy, unhealthy } = &self.health;
            safe(cx, "elasticloadbalancing:ModifyTargetGroup", || {
                elb.0
                    .modify_target_group()
                    .target_group_arn(arn)
                    .health_check_protocol(ProtocolEnum::Http)
                    .health_check_port(self.health.port())
                    .health_check_path(path)
                    .health_check_interval_seconds(*interval)
                    .healthy_threshold_count(*healthy)
                    .unhealthy_threshold_count(*unhealthy)
                    .send()
            })
            .await?;
        }
        let attribute = |key: &str, value: String| {
            TargetGroupAttribute::builder().key(key).value(value).build()
        };
        let mut attributes = Vec::new();
        if touches(changes, "deregistration_delay") {
            attributes.push(attribute(DRAINING, self.deregistration_delay.to_string()));
        }
        if touches(changes, "preserve_client_ip") {
            attributes.push(attribute(CLIENT_IP, self.preserve_client_ip.to_string()));
        }
        if !attributes.is_empty() {
            safe(cx, "elasticloadbalancing:ModifyTargetGroupAttributes", || {
                let request = elb.0.modify_target_group_attributes().target_group_arn(arn);
                request.set_attributes(Some(attributes.clone())).send()
            })
            .await?;
        }
        retag(cx, arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let elb = cx.api::<Elb>()?;
        let arn = found.live.arn.as_str();
        let used = [Passing {
            code: "ResourceInUse",
            message: "",
            seconds: 120,
            waiting_for: "the listener to let go of the target group",
        }];
        gone_is_fine(
            call(cx, "elasticloadbalancing:DeleteTargetGroup", Repeat::Safe, &used, || {
                elb.0.delete_target_group().target_group_arn(arn).send()
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
        let elb = cx.api::<Elb>()?;
        let answer = gone_is_fine(
            safe(cx, "elasticloadbalancing:DescribeTargetGroups", || {
                elb.0.describe_target_groups().target_group_arns(id.as_str()).send()
            })
            .await,
        )?;
        let one = answer.as_ref().and_then(|answer| answer.target_groups().first());
        Ok(whole(cx, one).await?.map(|reading| reading.owned(owner)))
    }
}

impl HealthCheck {
    /// As AWS writes it.
    fn port(&self) -> String {
        self.port.map_or_else(|| "traffic-port".to_owned(), |port| port.to_string())
    }
}

fn parents(live: &Live) -> Vec<PhysicalId> {
    vec![PhysicalId::new(live.vpc.as_str())]
}

/// The target group of a name, whoever owns it.
async fn named(cx: &Cx, name: &str) -> Result<Option<Reading<TargetGroup>>> {
    let elb = cx.api::<Elb>()?;
    let answer = gone_is_fine(
        safe(cx, "elasticloadbalancing:DescribeTargetGroups", || {
            elb.0.describe_target_groups().names(name).send()
        })
        .await,
    )?;
    whole(cx, answer.as_ref().and_then(|answer| answer.target_groups().first())).await
}

/// `None` when there is none, or when it has gone between the calls.
async fn whole(cx: &Cx, one: Option<&ElbTargetGroup>) -> Result<Option<Reading<TargetGroup>>> {
    let Some(one) = one else { return Ok(None) };
    let arn = told(one.target_group_arn(), "arn of a target group")?;
    match tags_of(cx, std::slice::from_ref(&arn)).await?.remove(&arn) {
        Some(tags) => reading(cx, one, tags).await,
        None => Ok(None),
    }
}

async fn reading(
    cx: &Cx,
    one: &ElbTargetGroup,
    tags: Tags,
) -> Result<Option<Reading<TargetGroup>>> {
    let attributes = attributes(cx, one.target_group_arn().unwrap_or_default()).await?;
    attributes.map(|attributes| reading_with(one, tags, &attributes)).transpose()
}

/// The attributes of a target group; `None` when there is no such one.
async fn attributes(cx: &Cx, arn: &str) -> Result<Option<Attributes>> {
    let elb = cx.api::<Elb>()?;
    let answer = gone_is_fine(
        safe(cx, "elasticloadbalancing:DescribeTargetGroupAttributes", || {
            elb.0.describe_target_group_attributes().target_group_arn(arn).send()
        })
        .await,
    )?;
    let all = answer.map(|answer| answer.attributes.unwrap_or_default().into_iter());
    Ok(all.map(|all| all.filter_map(|one| Some((one.key?, one.value?))).collect()))
}

fn reading_with(
    one: &ElbTargetGroup,
    tags: Tags,
    attributes: &Attributes,
) -> Result<Reading<TargetGroup>> {
    let arn = told(one.target_group_arn(), "arn of a target group")?;
    let attribute = |key: &str| attributes.get(key).map(String::as_str);
    let health = HealthCheck {
        path: one.health_check_path().unwrap_or_default().to_owned(),
        port: one.health_check_port().and_then(|port| port.parse().ok()),
        interval: one.health_check_interval_seconds().unwrap_or_default(),
        healthy: one.healthy_threshold_count().unwrap_or_default(),
        unhealthy: one.unhealthy_threshold_count().unwrap_or_default(),
    };
    let over_http = one.health_check_protocol() == Some(&ProtocolEnum::Http);
    let protocol = one.protocol().map_or("unknown", ProtocolEnum::as_str);
    let target = one.target_type().map_or("unknown", TargetTypeEnum::as_str);
    let live = Live {
        arn: Id::new(&arn),
        name: one.target_group_name().unwrap_or_default().to_owned(),
        vpc: Id::new(one.vpc_id().unwrap_or_default()),
        port: one.port().unwrap_or_default(),
        form: format!("{protocol} to {target}"),
        health: over_http.then_some(health),
        deregistration_delay: attribute(DRAINING)
            .and_then(|seconds| seconds.parse().ok())
            .unwrap_or(300),
        // AWS's default for instances.
        preserve_client_ip: attribute(CLIENT_IP) != Some("false"),
    };
    Ok(Reading { id: arn, status: Status::Ready, parents: parents(&live), tags, live })
}
