//! The load balancers that controllers in a cluster make for Services and Ingresses, with their
//! security groups.
//!
//! They are found by the controllers' tags, whether or not the cluster answers, and by the Services
//! that ask for one where it does. There, the Service goes, and its controller takes away what it
//! has made; whatever is left then, and all of it where the cluster does not answer, goes by its
//! tags.

use super::cluster::{CORE, Site, delete, is_silent, list, name, namespace, sites, text, within};
use super::{not_wanted, owner};
use crate::aws::ec2::of_cluster::{self as groups, Group};
use crate::aws::eks::access::Access;
use crate::aws::eks::cluster::Cluster;
use crate::aws::elbv2::of_cluster::{self as balancers, Balancer};
use crate::kind::{
    self, Change, Class, Consent, CreateIs, Cx, Diff, Error, Found, Held, Kind, Listed, Nature,
    Ownership, Result, Seen, Status, Typical, Wanted, Whose, seconds,
};
use crate::kube::client::Kube;
use crate::kube::object::tags_of;
use crate::name::PhysicalId;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// How often, every five seconds, a Service that goes is looked for: ten minutes in all.
const LOOKS: usize = 120;

/// A load balancer that a controller made. Nobody's spec asks for it.
#[derive(Clone, Debug, Serialize)]
pub struct LoadBalancer {}

/// One that there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// What the cluster's controllers write into their tags.
    cluster: String,
    vpc: String,
    /// Namespace and name of the Service; none where it was made for something else, or for what
    /// can't be told any more.
    service: Option<(String, String)>,
    /// The uid of the Service, where it is there.
    uid: Option<String>,
    /// Whether the cluster answered, and how it is asked.
    access: Option<Option<Access>>,
    balancers: Vec<Balancer>,
    groups: Vec<Group>,
}

impl Live {
    /// Whether a load balancer is this one: `net/NAME/0123456789abcdef`, or a classic one by the name
    /// that the controller gives it, which is made of the uid of its Service.
    /// <https://github.com/kubernetes/cloud-provider/blob/master/cloud.go>
    pub(super) fn has(&self, of: &str) -> bool {
        let is_tail = |balancer: &Balancer| balancer.arn.ends_with(&format!("loadbalancer/{of}"));
        let classic = self.uid.as_ref().map(|uid| {
            let name = format!("a{}", uid.replace('-', ""));
            name.chars().take(32).collect::<String>()
        });
        self.balancers.iter().any(is_tail) || classic.as_deref() == Some(of)
    }
}

/// What belongs together: by namespace and name of a Service, or by its own name.
#[derive(Default)]
struct Parts {
    service: Option<(String, String)>,
    uid: Option<String>,
    balancers: Vec<Balancer>,
    groups: Vec<Group>,
}

impl Kind for LoadBalancer {
    const NAME: &'static str = "kube.load_balancer";
    const TITLE: &'static str = "load balancer of a Service";
    const NATURE: Nature = Nature {
        wave: 5,
        is_guest: true,
        taggable: false,
        create_is: CreateIs::Named,
        typical: Typical { create: 0, update: 0, delete: 180 },
        actions: &[
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DeleteSecurityGroup",
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetGroups",
            "elasticloadbalancing:DeleteLoadBalancer",
            "elasticloadbalancing:DeleteTargetGroup",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, _: &Live, _: &mut Diff<'_>) {
        let Self {} = self;
    }

    fn consent(_: &Live) -> Consent {
        Consent::Others
    }

    fn goes_first(_: &Live) -> bool {
        true
    }

    fn holds(live: &Live) -> Vec<Held> {
        let service = live.uid.as_ref().and(live.service.as_ref()).map(|(namespace, name)| Held {
            name: format!("Service {namespace}/{name}"),
            detail: String::new(),
        });
        let balancers = live
            .balancers
            .iter()
            .map(|it| Held { name: it.name.clone(), detail: "load balancer".to_owned() });
        let groups = live
            .groups
            .iter()
            .map(|it| Held { name: it.id.clone(), detail: format!("security group {}", it.name) });
        service.into_iter().chain(balancers).chain(groups).collect()
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let names: Vec<&str> = live.balancers.iter().map(|it| it.name.as_str()).collect();
        vec![("load_balancers", names.join(", "))]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], seen: &dyn Seen) -> Result<Listed<Self>> {
        let mut listed = Listed::default();
        for site in sites(cx, seen)? {
            let own = kind::seen::<Cluster>(seen).into_iter().find(|(id, _, _)| **id == site.id);
            let vpc = own.map(|(_, _, live)| live.vpc.to_string()).unwrap_or_default();
            for (rest, parts) in parts(cx, &site, &vpc).await? {
                listed.ours.push(found(cx, &site, &vpc, &rest, parts, seen));
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, before: &Found<Self>) -> Result<Option<Found<Self>>> {
        let live = &before.live;
        let now = balancers::all(cx, &live.cluster).await?;
        let arns: Vec<&str> = live.balancers.iter().map(|it| it.arn.as_str()).collect();
        let balancers: Vec<Balancer> = now
            .into_iter()
            .filter(|it| arns.contains(&it.arn.as_str()) || it.service == live.service)
            .collect();
        let now = groups::groups(cx, &live.cluster, &live.vpc).await?;
        let ids: Vec<&str> = live.groups.iter().map(|it| it.id.as_str()).collect();
        let groups: Vec<Group> =
            now.into_iter().filter(|it| ids.contains(&it.id.as_str())).collect();
        let uid = match (&live.access, &live.service) {
            (Some(access), Some(service)) => {
                match uid_of(&Kube::of(cx, access.as_ref())?, cx, service).await {
                    Ok(uid) => uid,
                    Err(error) if is_silent(&error) => None,
                    Err(error) => return Err(error),
                }
            }
            _ => None,
        };
        if balancers.is_empty() && groups.is_empty() && uid.is_none() {
            return Ok(None);
        }
        let live = Live { uid, balancers, groups, ..live.clone() };
        Ok(Some(Found { live, ..before.clone() }))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        Err(not_wanted(cx))
    }

    async fn update(&self, cx: &Cx, _: &Found<Self>, _: &[Change]) -> Result<()> {
        Err(not_wanted(cx))
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let live = &found.live;
        if let (Some(access), Some(service), Some(uid)) = (&live.access, &live.service, &live.uid) {
            match service_goes(cx, access.as_ref(), service, uid).await {
                Err(error) if is_silent(&error) && !live.balancers.is_empty() => {}
                other => other?,
            }
        }
        // What its controller has left.
        let arns: Vec<&str> = live.balancers.iter().map(|it| it.arn.as_str()).collect();
        for balancer in balancers::all(cx, &live.cluster).await? {
            if arns.contains(&balancer.arn.as_str()) {
                cx.progress(&format!("deleting {}", balancer.name));
                balancers::delete(cx, &balancer).await?;
            }
        }
        let ids: Vec<&str> = live.groups.iter().map(|it| it.id.as_str()).collect();
        for group in groups::groups(cx, &live.cluster, &live.vpc).await? {
            if ids.contains(&group.id.as_str()) {
                groups::delete_group(cx, &group.id).await?;
            }
        }
        Ok(())
    }

    async fn find_foreign(_: &Cx, _: &PhysicalId, _: &Ownership) -> Result<Option<Found<Self>>> {
        Err(Error::local("a load balancer of a Service can not be adopted"))
    }
}

/// What belongs together, by the end of its address.
async fn parts(cx: &Cx, site: &Site, vpc: &str) -> Result<BTreeMap<String, Parts>> {
    let mut all: BTreeMap<String, Parts> = BTreeMap::new();
    let rest = |(namespace, name): &(String, String)| format!("{namespace}/{name}");
    for balancer in balancers::all(cx, &site.name).await? {
        let key = balancer.service.as_ref().map_or(balancer.name.clone(), rest);
        let parts = all.entry(key).or_default();
        parts.service.clone_from(&balancer.service);
        parts.balancers.push(balancer);
    }
    for group in groups::groups(cx, &site.name, vpc).await? {
        let user = all
            .iter_mut()
            .find(|(_, parts)| parts.balancers.iter().any(|it| it.groups.contains(&group.id)));
        match user {
            Some((_, parts)) => parts.groups.push(group),
            None => all.entry(group.name.clone()).or_default().groups.push(group),
        }
    }
    let Some(place) = &site.place else { return Ok(all) };
    let kube = Kube::of(cx, place.access.as_ref())?;
    let services = match list(cx, &kube, "/api/v1/services").await {
        // Their load balancers are known by tags.
        Err(error) if is_silent(&error) => return Ok(all),
        services => services?,
    };
    for service in services.iter().filter(|it| text(it, "/spec/type") == "LoadBalancer") {
        if matches!(Whose::of(&tags_of(service), &cx.deployment), Whose::Ours(_)) {
            continue;
        }
        let at = (namespace(service).to_owned(), name(service).to_owned());
        let parts = all.entry(rest(&at)).or_default();
        parts.uid = Some(text(service, "/metadata/uid").to_owned());
        parts.service = Some(at);
    }
    Ok(all)
}

fn found(
    cx: &Cx,
    site: &Site,
    vpc: &str,
    rest: &str,
    parts: Parts,
    seen: &dyn Seen,
) -> Found<LoadBalancer> {
    let Parts { service, uid, balancers, groups } = parts;
    // Its interfaces are in subnets of ours; its controller needs leave, and no more.
    let mut parents = vec![site.id.clone()];
    let network = ["aws.ec2.subnet", "aws.ec2.vpc", "aws.ec2.internet_gateway"];
    for (id, _, _) in network.into_iter().flat_map(|kind| seen.of(kind)) {
        parents.push(id.clone());
    }
    if let Some(place) = &site.place {
        parents.extend(place.needed.iter().cloned());
    }
    let access = site.place.as_ref().map(|place| place.access.clone());
    Found {
        id: PhysicalId::new(format!("load-balancer/{rest}")),
        owner: owner(&cx.region, &format!("cluster/load-balancers/{rest}"), &site.owner),
        status: Status::Ready,
        parents,
        tags: kind::Tags::new(),
        live: Live {
            cluster: site.name.clone(),
            vpc: vpc.to_owned(),
            service,
            uid,
            access,
            balancers,
            groups,
        },
    }
}

/// The Service as it is now.
async fn look(kube: &Kube, cx: &Cx, service: &(String, String)) -> Result<Option<Value>> {
    let all = list(cx, kube, &within(CORE, &service.0, "services")).await?;
    Ok(all.into_iter().find(|it| name(it) == service.1))
}

async fn uid_of(kube: &Kube, cx: &Cx, service: &(String, String)) -> Result<Option<String>> {
    let there = look(kube, cx, service).await?;
    Ok(there.map(|it| text(&it, "/metadata/uid").to_owned()))
}

/// Deletes a Service, and waits until its controller lets it go.
async fn service_goes(
    cx: &Cx,
    access: Option<&Access>,
    service: &(String, String),
    uid: &str,
) -> Result<()> {
    let kube = Kube::of(cx, access)?;
    for at in 0..LOOKS {
        let there = look(&kube, cx, service).await?;
        let Some(there) = there.filter(|it| text(it, "/metadata/uid") == uid) else {
            return Ok(());
        };
        if at == 0 {
            delete(cx, &kube, CORE, "services", &there).await?;
        }
        cx.progress("waiting for its controller to take the load balancer away");
        cx.pause(seconds(5)).await?;
    }
    let (namespace, name) = service;
    let why = format!("Service {namespace}/{name} is still there after ten minutes");
    Err(Error::of(Class::TimedOut, why)
        .hint(format!("see why: kubectl -n {namespace} describe service {name}")))
}
