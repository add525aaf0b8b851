//! Network interfaces in our VPC of things that are not ours, and of no controller in our cluster:
//! instances, load balancers, databases, file systems, functions and endpoints that somebody has put
//! there. Nothing here deletes them, with
//! whatever consent; but the VPC can't go while they are there, and that is known before anything
//! goes.

use super::load_balancer::LoadBalancer as OfService;
use super::{not_wanted, owner};
use crate::aws::ec2::nat_gateway::NatGateway;
use crate::aws::ec2::security_group::SecurityGroup;
use crate::aws::ec2::strangers::{self, Interface as Stranger, User};
use crate::aws::ec2::vpc::Vpc;
use crate::aws::ec2::vpc_endpoint::VpcEndpoint;
use crate::aws::eks::cluster::Cluster;
use crate::aws::elbv2::load_balancer::LoadBalancer;
use crate::kind::{
    self, Change, Consent, CreateIs, Cx, Diff, Error, Found, Held, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, Wanted,
};
use crate::name::PhysicalId;
use serde::Serialize;

/// A stranger's network interface. Nobody's spec asks for it.
#[derive(Clone, Debug, Serialize)]
pub struct Interface {}

/// One that there is.
#[derive(Clone, Debug, PartialEq)]
pub struct Live(Stranger);

impl Kind for Interface {
    const NAME: &'static str = "aws.ec2.interface_of_others";
    const TITLE: &'static str = "network interface of others";
    const NATURE: Nature = Nature {
        // After the load balancers that controllers have made.
        wave: 6,
        is_guest: true,
        taggable: false,
        create_is: CreateIs::Named,
        actions: &["ec2:DescribeNetworkInterfaces", "ec2:DescribeInstances", "eks:DescribeCluster"],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, _: &Live, _: &mut Diff<'_>) {
        let Self {} = self;
    }

    fn consent(_: &Live) -> Consent {
        Consent::Never
    }

    fn holds(live: &Live) -> Vec<Held> {
        vec![Held { name: live.0.described.clone(), detail: String::new() }]
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("interface_id", live.0.id.clone())]
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], seen: &dyn Seen) -> Result<Listed<Self>> {
        let vpcs = kind::seen::<Vpc>(seen);
        let mut listed = Listed::default();
        if vpcs.is_empty() {
            return Ok(listed);
        }
        let ids: Vec<String> = vpcs.iter().map(|(id, _, _)| id.to_string()).collect();
        for stranger in strangers::interfaces(cx, &ids).await? {
            let inside = vpcs.iter().find(|(id, _, _)| id.as_str() == stranger.vpc);
            let Some((vpc, inside, _)) = inside.filter(|_| !is_known(&stranger, seen)) else {
                continue;
            };
            if strangers::is_leaving(cx, &stranger).await? {
                continue;
            }
            listed.ours.push(Found {
                id: PhysicalId::new(&stranger.id),
                owner: owner(&cx.region, &format!("network/others/{}", stranger.id), inside),
                status: Status::Ready,
                parents: vec![(*vpc).clone()],
                tags: kind::Tags::new(),
                live: Live(stranger),
            });
        }
        Ok(listed)
    }

    async fn read(_: &Cx, before: &Found<Self>) -> Result<Option<Found<Self>>> {
        Ok(Some(before.clone()))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        Err(not_wanted(cx))
    }

    async fn update(&self, cx: &Cx, _: &Found<Self>, _: &[Change]) -> Result<()> {
        Err(not_wanted(cx))
    }

    async fn delete(cx: &Cx, _: &Found<Self>) -> Result<()> {
        Err(not_wanted(cx))
    }

    async fn find_foreign(_: &Cx, _: &PhysicalId, _: &Ownership) -> Result<Option<Found<Self>>> {
        Err(Error::local("an interface of others can not be adopted"))
    }
}

/// Whether it goes with something of ours, or of a controller of ours.
fn is_known(stranger: &Stranger, seen: &dyn Seen) -> bool {
    // What a service has made in a group of ours is for something of ours, also where that is gone:
    // its interfaces follow within minutes.
    if stranger.groups_of_service.iter().any(|group| is_own_group(group, seen)) {
        return true;
    }
    match &stranger.user {
        User::Instance { cluster, .. } => {
            cluster.as_ref().is_some_and(|cluster| is_own_cluster(cluster, seen))
        }
        User::LoadBalancer(of) => {
            let is =
                |arn: &str| arn.split_once("loadbalancer/").is_some_and(|(_, tail)| tail == of);
            kind::seen::<LoadBalancer>(seen).iter().any(|(id, _, _)| is(id.as_str()))
                || kind::seen::<OfService>(seen).iter().any(|(_, _, live)| live.has(of))
        }
        User::ControlPlane(cluster) => is_own_cluster(cluster, seen),
        User::Service(Some(of)) => has::<NatGateway>(seen, of) || has::<VpcEndpoint>(seen, of),
        User::Service(None) | User::Nobody => false,
    }
}

fn is_own_cluster(name: &str, seen: &dyn Seen) -> bool {
    kind::seen::<Cluster>(seen).iter().any(|(_, _, live)| live.name.as_str() == name)
}

/// Whether a resource of ours has this id.
fn has<K: Kind>(seen: &dyn Seen, id: &str) -> bool {
    kind::seen::<K>(seen).iter().any(|(own, _, _)| own.as_str() == id)
}

/// Whether a security group is ours, or one that EKS made for a cluster of ours.
fn is_own_group(group: &str, seen: &dyn Seen) -> bool {
    let of_cluster = |live: &<Cluster as Kind>::Live| {
        live.cluster_security_group.as_ref().is_some_and(|own| own.as_str() == group)
    };
    has::<SecurityGroup>(seen, group)
        || kind::seen::<Cluster>(seen).iter().any(|(_, _, live)| of_cluster(live))
}
