//! The listener: a port of a load balancer, its certificate, and where its connections go. All
//! but the load balancer change in place.
//!
//! It has no name: those of our load balancers are looked at, in the wave after them. A TLS
//! listener closes what idles for 350 seconds, which can't be set.
//! <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-listeners.html>

use super::load_balancer::LoadBalancer;
use super::target_group::TargetGroup;
use super::{Elb, retag, tags_of, to_elb, told};
use crate::aws::acm::certificate::Certificate;
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::settle::until_seen;
use crate::aws::tags::made_before;
use crate::graph::Handle;
use crate::kind::{
    Change, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, Result, Seen,
    Status, Tags, Typical, Wanted, seen,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, Certificate as ElbCertificate, Listener as ElbListener, ProtocolEnum,
};
use serde::Serialize;

/// A listener that forwards all connections to one target group.
#[derive(Clone, Debug, Serialize)]
pub struct Listener {
    /// Its load balancer; fixed.
    pub load_balancer: In<Id<LoadBalancer>>,
    /// Its port.
    pub port: i32,
    /// TLS, which ends here; plain TCP without.
    pub tls: Option<Tls>,
    /// Where connections go.
    pub target_group: In<Id<TargetGroup>>,
}

/// How TLS ends at a listener.
#[derive(Clone, Debug, Serialize)]
pub struct Tls {
    /// The certificate; it must be issued before AWS accepts it, so the input must be
    /// [`In::ready`].
    pub certificate: In<Id<Certificate>>,
    /// Versions and ciphers, `ELBSecurityPolicy-TLS13-1-2-Res-2021-06`.
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/describe-ssl-policies.html>
    pub policy: String,
}

/// A live listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its ARN.
    pub arn: Id<Listener>,
    /// Its load balancer.
    pub load_balancer: Id<LoadBalancer>,
    /// Its port.
    pub port: i32,
    /// `TCP` or `TLS`.
    pub protocol: String,
    /// Its default certificate.
    pub certificate: Option<Id<Certificate>>,
    /// Versions and ciphers.
    pub policy: Option<String>,
    /// Where connections go; `None` for anything but one target group.
    pub target_group: Option<Id<TargetGroup>>,
    /// Which protocols TLS offers, `None` for none.
    pub alpn: String,
}

impl Handle<Listener> {
    /// Its ARN, which is its id.
    pub fn arn(&self) -> In<Id<Listener>> {
        self.output("listener arn", |live| Some(live.arn.clone()))
    }
}

const NO_ALPN: &str = "None";

impl Kind for Listener {
    const NAME: &'static str = "aws.elbv2.listener";
    const TITLE: &'static str = "listener";
    const NATURE: Nature = Nature {
        // Looks at the load balancers that were found.
        wave: 1,
        create_is: CreateIs::Named,
        typical: Typical { create: 1, update: 1, delete: 1 },
        actions: &[
            "elasticloadbalancing:CreateListener",
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:DeleteListener",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { load_balancer, port, tls, target_group } = self;
        diff.parent("load_balancer", load_balancer, &live.load_balancer);
        diff.in_place("port", port, &live.port);
        diff.in_place("protocol", &self.protocol().as_str().to_owned(), &live.protocol);
        if let Some(Tls { certificate, policy }) = tls {
            diff.input("certificate", &certificate.clone().map(Some), &live.certificate);
            diff.in_place("policy", &Some(policy), &live.policy.as_ref());
            diff.in_place("alpn", &NO_ALPN.to_owned(), &live.alpn);
        }
        diff.input("target_group", &target_group.clone().map(Some), &live.target_group);
    }

    fn summary(&self) -> String {
        format!("{} {}", self.protocol().as_str(), self.port)
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("arn", live.arn.to_string())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let mut listed = Listed::default();
        for (_, _, balancer) in seen::<LoadBalancer>(found) {
            let Some(all) = gone_is_fine(of(cx, balancer.arn.as_str()).await)? else { continue };
            for reading in all {
                reading.list(cx, &mut listed);
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let elb = cx.api::<Elb>()?;
        let balancer = cx.get(&self.load_balancer)?;
        let actions = self.actions(cx)?;
        let (certificates, policy) = self.tls(cx)?;
        let tags = to_elb(&cx.tags()?);
        let made = call(cx, "elasticloadbalancing:CreateListener", Repeat::Safe, FRESH, || {
            elb.0
                .create_listener()
                .load_balancer_arn(balancer.as_str())
                .port(self.port)
                .protocol(self.protocol())
                .set_certificates(certificates.clone())
                .set_ssl_policy(policy.clone())
                .set_default_actions(Some(actions.clone()))
                .set_alpn_policy(self.tls.as_ref().map(|_| vec![NO_ALPN.to_owned()]))
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await;
        let made = match made {
            Err(error) if error.class == Class::Exists => {
                let look = || async {
                    let all = of(cx, balancer.as_str()).await?;
                    Ok(all.into_iter().find(|reading| reading.live.port == self.port))
                };
                let there = until_seen(cx, look).await?.ok_or(error)?;
                let owner = made_before(cx, Self::TITLE, &there.id, &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let made = made.listeners().first().ok_or_else(|| {
            Error::of(Class::Ambiguous, "CreateListener answered without a listener")
        })?;
        let reading = reading(made, Tags::new())?;
        Found::created(cx, reading.id, Status::Ready, reading.parents, reading.live)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let elb = cx.api::<Elb>()?;
        let arn = found.live.arn.as_str();
        if changes.iter().any(|change| !change.field.starts_with("tags.")) {
            let actions = self.actions(cx)?;
            let (certificates, policy) = self.tls(cx)?;
            call(cx, "elasticloadbalancing:ModifyListener", Repeat::Safe, FRESH, || {
                elb.0
                    .modify_listener()
                    .listener_arn(arn)
                    .port(self.port)
                    .protocol(self.protocol())
                    .set_certificates(certificates.clone())
                    .set_ssl_policy(policy.clone())
                    .set_default_actions(Some(actions.clone()))
                    .set_alpn_policy(self.tls.as_ref().map(|_| vec![NO_ALPN.to_owned()]))
                    .send()
            })
            .await?;
        }
        retag(cx, arn, changes).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let elb = cx.api::<Elb>()?;
        let arn = found.live.arn.as_str();
        gone_is_fine(
            safe(cx, "elasticloadbalancing:DeleteListener", || {
                elb.0.delete_listener().listener_arn(arn).send()
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
            safe(cx, "elasticloadbalancing:DescribeListeners", || {
                elb.0.describe_listeners().listener_arns(id.as_str()).send()
            })
            .await,
        )?;
        let one = answer.as_ref().and_then(|answer| answer.listeners().first());
        let Some(one) = one else { return Ok(None) };
        let arn = id.to_string();
        let tags = tags_of(cx, std::slice::from_ref(&arn)).await?.remove(&arn);
        let Some(tags) = tags else { return Ok(None) };
        Ok(Some(reading(one, tags)?.owned(owner)))
    }
}

/// A certificate or target group that was just made.
const FRESH: &[Passing] = &[
    Passing {
        code: "CertificateNotFound",
        message: "",
        seconds: 300,
        waiting_for: "the load balancer to know the new certificate",
    },
    Passing {
        code: "UnsupportedCertificate",
        message: "",
        seconds: 60,
        waiting_for: "the load balancer to know that the certificate is issued",
    },
    Passing {
        code: "TargetGroupNotFound",
        message: "",
        seconds: 60,
        waiting_for: "AWS to know the new target group everywhere",
    },
];

impl Listener {
    fn protocol(&self) -> ProtocolEnum {
        if self.tls.is_some() { ProtocolEnum::Tls } else { ProtocolEnum::Tcp }
    }

    fn actions(&self, cx: &Cx) -> Result<Vec<Action>> {
        let target = cx.get(&self.target_group)?;
        let action =
            Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(target.as_str());
        Ok(vec![action.build()])
    }

    /// The certificates and the policy of a TLS listener.
    fn tls(&self, cx: &Cx) -> Result<(Option<Vec<ElbCertificate>>, Option<String>)> {
        let Some(Tls { certificate, policy }) = &self.tls else { return Ok((None, None)) };
        let certificate = cx.get(certificate)?;
        let certificate = ElbCertificate::builder().certificate_arn(certificate.as_str()).build();
        Ok((Some(vec![certificate]), Some(policy.clone())))
    }
}

/// All listeners of a load balancer, with their tags.
async fn of(cx: &Cx, balancer: &str) -> Result<Vec<Reading<Listener>>> {
    let elb = cx.api::<Elb>()?;
    let pages = pages(
        cx,
        "elasticloadbalancing:DescribeListeners",
        |marker| elb.0.describe_listeners().load_balancer_arn(balancer).set_marker(marker).send(),
        |page| page.next_marker(),
    )
    .await?;
    let all: Vec<&ElbListener> = pages.iter().flat_map(|page| page.listeners()).collect();
    let arns: Vec<String> =
        all.iter().filter_map(|one| one.listener_arn().map(str::to_owned)).collect();
    let mut tags = tags_of(cx, &arns).await?;
    all.into_iter()
        .filter_map(|one| Some((one, tags.remove(one.listener_arn()?)?)))
        .map(|(one, tags)| reading(one, tags))
        .collect()
}

fn reading(one: &ElbListener, tags: Tags) -> Result<Reading<Listener>> {
    let arn = told(one.listener_arn(), "arn of a listener")?;
    let target = match one.default_actions() {
        [action] if action.r#type() == Some(&ActionTypeEnum::Forward) => {
            let group = action.forward_config().and_then(|forward| match forward.target_groups() {
                [group] => group.target_group_arn(),
                _ => None,
            });
            action.target_group_arn().or(group)
        }
        _ => None,
    };
    let balancer = told(one.load_balancer_arn(), "load balancer of a listener")?;
    let live = Live {
        arn: Id::new(&arn),
        load_balancer: Id::new(balancer),
        port: one.port().unwrap_or_default(),
        protocol: one.protocol().map_or("unknown", ProtocolEnum::as_str).to_owned(),
        certificate: one
            .certificates()
            .first()
            .and_then(|certificate| certificate.certificate_arn())
            .map(Id::new),
        policy: one.ssl_policy().map(str::to_owned),
        target_group: target.map(Id::new),
        alpn: one.alpn_policy().first().map_or(NO_ALPN, String::as_str).to_owned(),
    };
    let parents = [Some(live.load_balancer.as_str()), target]
        .into_iter()
        .flatten()
        .chain(live.certificate.as_ref().map(Id::as_str))
        .map(PhysicalId::new)
        .collect();
    Ok(Reading { id: arn, status: Status::Ready, parents, tags, live })
}
