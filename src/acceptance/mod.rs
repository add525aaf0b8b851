//! Whether a deployment does what it is for: its targets are healthy, its certificate is valid for
//! its names, the names lead to its load balancer, and Coder answers through all of that.
//!
//! Only reads, so it may be asked at any time and as often as one likes. An apply asks until
//! everything is well, and `status` once.

mod door;

pub use door::{Door, Outside};

use crate::aws::acm::certificate::Certificate;
use crate::aws::elbv2::health::{TargetHealth, targets};
use crate::aws::elbv2::load_balancer::LoadBalancer;
use crate::aws::elbv2::target_group::TargetGroup;
use crate::kind::{Cx, Kind, Status};
use crate::name::Region;
use crate::observe::Snapshot;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// What Coder answers on when it is well.
/// <https://coder.com/docs/admin/monitoring/health-check>
const HEALTHZ: &str = "/healthz";

/// How long a new deployment is given: a network load balancer needs up to three minutes for new
/// targets, and a name up to a minute; the rest is for resolvers that remember that there was none.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// How long it is until the next look.
const EVERY: Duration = Duration::from_secs(10);

/// How something is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Well.
    Good {
        /// In a few words.
        what: String,
    },
    /// Not well.
    Bad {
        /// Why.
        why: String,
        /// What to do.
        hint: String,
    },
    /// It can not be told.
    Unknown {
        /// Why not.
        why: String,
    },
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `targets`, `certificate`, `names`, `page`.
    pub name: &'static str,
    /// How it is.
    #[serde(flatten)]
    pub verdict: Verdict,
}

impl Check {
    /// Whether it is well.
    pub fn is_good(&self) -> bool {
        matches!(self.verdict, Verdict::Good { .. })
    }
}

/// What is looked at.
#[derive(Clone, Debug)]
pub struct Subject {
    region: Region,
    /// The host of the access URL.
    host: String,
    /// All names that the certificate must be valid for.
    names: BTreeSet<String>,
    load_balancer: Option<String>,
    target_group: Option<String>,
    certificate: Option<Named>,
}

/// A certificate of the deployment.
#[derive(Clone, Debug)]
struct Named {
    names: BTreeSet<String>,
    status: Status,
    expires: Option<String>,
}

impl Subject {
    /// What of `snapshot` stands behind `names`, the first of which is the host of the access URL.
    pub fn of(snapshot: &Snapshot, region: &Region, names: &[String]) -> Option<Subject> {
        let host = names.first()?.clone();
        let balancer = only::<LoadBalancer>(snapshot);
        let certificate = only::<Certificate>(snapshot).map(|(live, status)| Named {
            names: live.alternatives.iter().chain([&live.domain]).cloned().collect(),
            status,
            expires: live.expires,
        });
        Some(Subject {
            region: region.clone(),
            host,
            names: names.iter().cloned().collect(),
            load_balancer: balancer.map(|(live, _)| live.dns_name),
            target_group: only::<TargetGroup>(snapshot).map(|(live, _)| live.arn.to_string()),
            certificate,
        })
    }

    /// Looks once, at everything at the same time. What can only be seen from outside is left out
    /// where nobody is there.
    pub async fn look(&self, cx: &Cx) -> Vec<Check> {
        let cx = &cx.in_region(&self.region);
        let door = cx.connector::<Door>();
        let outside = async {
            match &door {
                None => Vec::new(),
                Some(door) => {
                    let (names, page) = futures::join!(self.names(door), self.page(cx, door));
                    vec![
                        Check { name: "names", verdict: names },
                        Check { name: "page", verdict: page },
                    ]
                }
            }
        };
        let (targets, outside) = futures::join!(self.targets(cx), outside);
        let mut checks = vec![
            Check { name: "targets", verdict: targets },
            Check { name: "certificate", verdict: self.certificate() },
        ];
        checks.extend(outside);
        checks
    }

    /// Looks until everything is well, for `patience` at most, or until somebody interrupts. `seen`
    /// hears of each look that was not the last.
    pub async fn wait(
        &self,
        cx: &Cx,
        patience: Duration,
        mut seen: impl FnMut(&[Check]),
    ) -> Vec<Check> {
        let began = cx.clock.now();
        loop {
            let checks = self.look(cx).await;
            let is_over = cx.clock.now().duration_since(began).unwrap_or_default() >= patience;
            if checks.iter().all(Check::is_good) || is_over || cx.cancel.is_cancelled() {
                return checks;
            }
            seen(&checks);
            tokio::select! {
                () = cx.clock.sleep(EVERY) => {}
                () = cx.cancel.cancelled() => {}
            }
        }
    }

    async fn targets(&self, cx: &Cx) -> Verdict {
        let Some(group) = &self.target_group else {
            return bad("there is no target group", "apply: coderctl apply");
        };
        match targets(cx, group).await {
            Err(error) => Verdict::Unknown { why: error.to_string() },
            Ok(found) => judged(&found),
        }
    }

    fn certificate(&self) -> Verdict {
        let Some(certificate) = &self.certificate else {
            return Verdict::Good { what: "not this deployment's".to_owned() };
        };
        match &certificate.status {
            Status::Ready => {}
            Status::Busy(word) | Status::Failed(word) => {
                return bad(
                    format!("the certificate is {word}"),
                    "AWS issues it once the internet is sent to the hosted zone: dig NS, and \
                     compare with the zone's name servers",
                );
            }
            Status::Leaving => return bad("the certificate is going", "apply: coderctl apply"),
        }
        let missing: Vec<&str> =
            self.names.difference(&certificate.names).map(String::as_str).collect();
        if !missing.is_empty() {
            let why = format!("the certificate is not valid for {}", missing.join(", "));
            return bad(why, "apply: coderctl apply");
        }
        let until = certificate.expires.as_ref().map(|day| format!(" until {day}"));
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        Verdict::Good {
            what: format!("valid for {}{}", names.join(", "), until.unwrap_or_default()),
        }
    }

    async fn names(&self, door: &Door) -> Verdict {
        let Some(balancer) = &self.load_balancer else {
            return bad("there is no load balancer", "apply: coderctl apply");
        };
        let (host, behind) =
            futures::join!(door.0.addresses(&self.host), door.0.addresses(balancer));
        match (host, behind) {
            (Err(why), _) => Verdict::Unknown { why: format!("resolving {}: {why}", self.host) },
            (_, Err(why)) => Verdict::Unknown { why: format!("resolving {balancer}: {why}") },
            (Ok(host), _) if host.is_empty() => bad(
                format!("{} has no address", self.host),
                "the internet is sent to the hosted zone by the domain's registrar: dig NS, and \
                 compare; resolvers may remember for some minutes that there was none",
            ),
            (Ok(host), Ok(behind)) if host.is_subset(&behind) => {
                Verdict::Good { what: format!("{} leads to the load balancer", self.host) }
            }
            (Ok(host), Ok(_)) => bad(
                format!(
                    "{} leads to {}, and the load balancer is elsewhere",
                    self.host,
                    host.into_iter().collect::<Vec<_>>().join(", ")
                ),
                "an older answer may be remembered for some minutes; else another zone or a proxy \
                 has the name",
            ),
        }
    }

    async fn page(&self, cx: &Cx, door: &Door) -> Verdict {
        let url = format!("https://{}{HEALTHZ}", self.host);
        match door.0.page(&self.host, HEALTHZ).await {
            Ok((200, _)) => Verdict::Good { what: format!("{url} says OK") },
            Ok((status, text)) => {
                let text = cx.masks.clean(text.lines().next().unwrap_or_default());
                bad(
                    format!("{url} answers {status} {text}").trim_end().to_owned(),
                    "the pod says why: kubectl -n coder logs deployment/coder",
                )
            }
            Err(why) => bad(
                format!("{url} does not answer: {why}"),
                "from here, that is: `ingress.allowed_cidrs` may leave this machine out",
            ),
        }
    }
}

/// The deployment's only resource of a kind.
fn only<K: Kind>(snapshot: &Snapshot) -> Option<(K::Live, Status)>
where
    K::Live: Clone,
{
    let live = snapshot.live.iter().filter(|live| live.found.kind == K::NAME);
    let newest = live
        .filter(|live| live.found.is_present())
        .max_by_key(|live| live.found.owner.generation)?;
    let facts = newest.found.live_ref().downcast_ref::<K::Live>()?;
    Some((facts.clone(), newest.found.status.clone()))
}

fn judged(found: &[TargetHealth]) -> Verdict {
    let staying: Vec<&TargetHealth> = found.iter().filter(|one| one.state != "draining").collect();
    let healthy = staying.iter().filter(|one| one.state == "healthy").count();
    if healthy > 0 && healthy == staying.len() {
        return Verdict::Good { what: format!("{healthy} of {healthy} healthy") };
    }
    let Some(first) = staying.iter().find(|one| one.state != "healthy") else {
        return bad(
            "no node is registered with the load balancer",
            "nodes register as they start: is the node group of `coder.node_group` up?",
        );
    };
    let why = first.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
    bad(
        format!("{healthy} of {} healthy; {} is {}{why}", staying.len(), first.id, first.state),
        "a target is asked for /healthz on its node port: is Coder's pod ready?",
    )
}

fn bad(why: impl Into<String>, hint: impl Into<String>) -> Verdict {
    Verdict::Bad { why: why.into(), hint: hint.into() }
}
