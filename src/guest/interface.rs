//! Network interfaces in our VPC of things that are not ours, and of no controller in our cluster:
//! instances and load balancers that somebody has put there. Nothing here deletes them, with
//! whatever consent; but the VPC can't go while they are there, and that is known before anything
//! goes.

use super::load_balancer::LoadBalancer as OfService;
use super::{not_wanted, owner};
use crate::aws::ec2::strangers::{self, Interface as Stranger, User};
use crate::aws::ec2::vpc::Vpc;
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
        actions: &["ec2:DescribeNetworkInterfaces", "ec2:DescribeInstances"],
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
            let Some((vpc, inside, _)) = inside.filter(|_| !is_known(&stranger.user, seen)) else {
                continue;
            };
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
fn is_known(user: &User, seen: &dyn Seen) -> bool {
    match user {
        User::Instance { cluster, .. } => {
            let own = kind::seen::<Cluster>(seen);
            let is_own =
                |cluster: &String| own.iter().any(|(_, _, live)| live.name.as_str() == cluster);
            cluster.as_ref().is_some_and(is_own)
        }
        User::LoadBalancer(of) => {
            let is =
                |arn: &str| arn.split_once("loadbalancer/").is_some_and(|(_, tail)| tail == of);
            kind::seen::<LoadBalancer>(seen).iter().any(|(id, _, _)| is(id.as_str()))
                || kind::seen::<OfService>(seen).iter().any(|(_, _, live)| live.has(of))
        }
        User::Nobody => false,
    }
}
