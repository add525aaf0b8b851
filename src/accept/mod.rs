//! Whether a deployment does what it was made for: the certificate is issued for its names, the
//! load balancer's targets are well, the names lead to the load balancer, and Coder answers
//! through all of it. Reads only.

mod checks;
pub mod parts;
pub mod web;

use crate::aws::acm::certificate;
use crate::aws::elbv2::{load_balancer, target_group};
use crate::graph::Graph;
use crate::kind::{Cx, Kind, Result, Status, seconds};
use crate::name::Region;
use crate::observe::{Live, Snapshot};
use std::time::{Duration, SystemTime};

/// How long it may take until everything is well: resolvers forget an old "no such name" after
/// five minutes at most (the zone's SOA says 300 s), and health checks take a minute.
const PATIENCE: Duration = Duration::from_secs(8 * 60);
/// Between two looks, in seconds.
const PAUSE: u32 = 5;

/// What makes a deployment usable, and what is live of it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Where its load balancer is.
    pub region: Region,
    /// The name of the server: `coder.example.com`.
    pub host: String,
    /// The name that stands for those of apps: `*.coder.example.com`.
    pub wildcard: Option<String>,
    /// The port on the nodes.
    pub node_port: u16,
    /// The load balancer.
    pub load_balancer: Option<load_balancer::Live>,
    /// The target group.
    pub target_group: Option<target_group::Live>,
    /// The certificate and how it is doing; none also where the spec brings one along.
    pub certificate: Option<(certificate::Live, Status)>,
    /// Whether the deployment makes the certificate.
    pub makes_certificate: bool,
    /// What could not be read, with the reason.
    pub unread: Vec<(&'static str, String)>,
}

/// Names and port that the spec asks for.
#[derive(Clone, Debug)]
pub struct Wants {
    /// The name of the server.
    pub host: String,
    /// The name that stands for those of apps.
    pub wildcard: Option<String>,
    /// The port on the nodes.
    pub node_port: u16,
}

impl Subject {
    /// What `graph` wants and `snapshot` has; `None` where the graph has no way in.
    pub fn of(graph: &Graph, snapshot: &Snapshot, wants: Wants) -> Option<Subject> {
        let wanted =
            |name: &str| graph.nodes.iter().find(|node| node.desired.kind().name() == name);
        let group = wanted(target_group::TargetGroup::NAME)?;
        fn live<'a, K: Kind>(graph: &'a Graph, snapshot: &'a Snapshot) -> Option<&'a Live> {
            let mut nodes = graph.nodes.iter();
            let node = nodes.find(|node| node.desired.kind().name() == K::NAME)?;
            snapshot.at(K::NAME, &node.address).last().copied()
        }
        fn value<K: Kind>(live: Option<&Live>) -> Option<K::Live> {
            live?.found.live_ref().downcast_ref::<K::Live>().cloned()
        }
        let certificate = live::<certificate::Certificate>(graph, snapshot);
        let names = [
            certificate::Certificate::NAME,
            target_group::TargetGroup::NAME,
            load_balancer::LoadBalancer::NAME,
        ];
        let unread = names.into_iter().filter_map(|name| {
            let unread = snapshot.unreadable(name, &group.region)?;
            Some((name, unread.error.to_string()))
        });
        let Wants { host, wildcard, node_port } = wants;
        Some(Subject {
            region: group.region.clone(),
            host,
            wildcard,
            node_port,
            load_balancer: value::<load_balancer::LoadBalancer>(
                live::<load_balancer::LoadBalancer>(graph, snapshot),
            ),
            target_group: value::<target_group::TargetGroup>(live::<target_group::TargetGroup>(
                graph, snapshot,
            )),
            certificate: certificate.and_then(|live| {
                let status = live.found.status.clone();
                Some((value::<certificate::Certificate>(Some(live))?, status))
            }),
            makes_certificate: wanted(certificate::Certificate::NAME).is_some(),
            unread: unread.collect(),
        })
    }

    fn unread(&self, name: &str) -> Option<Verdict> {
        let (_, why) = self.unread.iter().find(|(unread, _)| *unread == name)?;
        Some(Verdict::Unread(why.clone()))
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What: `certificate`, `targets`, `names`, `healthz`.
    pub name: &'static str,
    /// How it is.
    pub verdict: Verdict,
}

/// How something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be, and what was found.
    Good(String),
    /// Not as it should be.
    Bad {
        /// Why.
        why: String,
        /// What to do next.
        hint: Option<String>,
    },
    /// It could not be read: neither good nor bad.
    Unread(String),
}

impl Verdict {
    pub(crate) fn bad(why: impl Into<String>, hint: impl Into<String>) -> Verdict {
        Verdict::Bad { why: why.into(), hint: Some(hint.into()) }
    }

    /// Whether it is as it should be.
    pub fn is_good(&self) -> bool {
        matches!(self, Verdict::Good(_))
    }
}

/// Looks at everything once.
pub async fn look(cx: &Cx, subject: &Subject) -> Vec<Check> {
    let cx = &cx.in_region(&subject.region);
    let (targets, names, healthz) = futures::join!(
        checks::targets(cx, subject),
        checks::names(cx, subject),
        checks::healthz(cx, subject)
    );
    let check = |name, verdict| Check { name, verdict };
    vec![
        check("certificate", checks::certificate(cx, subject)),
        check("targets", targets),
        check("names", names),
        check("healthz", healthz),
    ]
}

/// Looks until everything is well, or for eight minutes at most; `say` hears of every look. The
/// certificate is not read again: nothing listens before it is issued.
///
/// # Errors
/// [`crate::kind::Class::Interrupted`]; what is not well is in the checks.
pub async fn wait(cx: &Cx, subject: &Subject, say: impl Fn(&[Check])) -> Result<Vec<Check>> {
    let begin: SystemTime = cx.clock.now();
    loop {
        let checks = tokio::select! {
            checks = look(cx, subject) => checks,
            () = cx.cancel.cancelled() => {
                cx.pause(Duration::ZERO).await?;
                Vec::new()
            }
        };
        let elapsed = cx.clock.now().duration_since(begin).unwrap_or_default();
        if checks.iter().all(|check| check.verdict.is_good()) || elapsed >= PATIENCE {
            return Ok(checks);
        }
        say(&checks);
        cx.pause(seconds(PAUSE)).await?;
    }
}
