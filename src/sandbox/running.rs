//! What runs in the world, for those who watch it from outside: clusters with their nodes, and
//! the instances behind target groups.

use super::autoscaling::{Attached, attached_instances};
use super::eks::{self, Endpoint, Node};
use super::elbv2::{self, Door};
use super::store::{Account, Scope};
use super::sts::Session;
use super::world::Sandbox;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Weak;

/// What runs on instances: nothing that AWS knows, but what its health checks and its load
/// balancers meet.
pub(super) trait Backends: fmt::Debug + Send + Sync {
    /// Whether something answers on `port` of the instance.
    fn answers(&self, scope: &Scope, instance: &str, port: u16) -> bool;
}

/// The scope of a look, which is nobody's call.
pub(super) fn scope(account: &str, region: &str) -> Scope {
    Scope { account: account.to_owned(), region: region.to_owned(), access_key: String::new() }
}

impl Sandbox {
    /// The clusters of an account and region that have a Kubernetes API now.
    pub fn clusters(&self, account: &str, region: &str) -> Vec<Endpoint> {
        let scope = scope(account, region);
        let knobs = self.knobs();
        self.look(&scope, |store, now| eks::clusters(store, &scope, &knobs, now))
    }

    /// Every account and region in which something was done.
    pub(super) fn places(&self) -> Vec<(String, String)> {
        self.look(&scope("", ""), |store, _| {
            let of = |(account, all): (&String, &Account)| {
                let regions = all.regions.keys();
                regions.map(|region| (account.clone(), region.clone())).collect::<Vec<_>>()
            };
            store.accounts.iter().flat_map(of).collect()
        })
    }

    /// The session that an access key belongs to, if it was given out by `AssumeRole`.
    pub(super) fn session(&self, access_key: &str) -> Option<Session> {
        self.look(&scope("", ""), |store, _| store.sts.session(access_key).cloned())
    }

    /// The nodes that have joined a cluster by now, ready or not.
    pub fn nodes(&self, account: &str, region: &str, cluster: &str) -> Vec<Node> {
        let scope = scope(account, region);
        self.look(&scope, |store, now| eks::nodes(store, &scope, cluster, now))
    }

    /// The running instances that Auto Scaling groups have registered with a target group.
    pub fn attached_instances(
        &self,
        account: &str,
        region: &str,
        target_group: &str,
    ) -> Vec<Attached> {
        let scope = scope(account, region);
        self.look(&scope, |store, now| attached_instances(store, &scope, target_group, now))
    }

    /// From now on, targets are as healthy as what runs on them.
    pub(super) fn set_backends(&self, backends: Weak<dyn Backends>) {
        *self.behind() = Some(backends);
    }

    /// The instances of a target group's Auto Scaling groups that answer on its port; `None` where
    /// nobody can tell.
    pub(super) fn answering(&self, scope: &Scope, target_group: &str) -> Option<BTreeSet<String>> {
        let backends = self.behind().as_ref()?.upgrade()?;
        let (port, attached) = self.look(scope, |store, now| {
            let port = elbv2::port_of(store, scope, target_group);
            (port, attached_instances(store, scope, target_group, now))
        });
        let port = port?;
        let ids = attached.into_iter().map(|attached| attached.instance_id);
        Some(ids.filter(|id| backends.answers(scope, id, port)).collect())
    }

    /// What a client at one of these addresses meets on port 443 in an account and region.
    pub(super) fn door(&self, scope: &Scope, addresses: &[String]) -> Option<Door> {
        self.look(scope, |store, now| elbv2::door(store, scope, addresses, now))
    }
}
