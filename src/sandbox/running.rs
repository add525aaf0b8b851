//! What runs in the world, for those who watch it from outside: clusters with their nodes, and
//! the instances behind target groups.

use super::autoscaling::{Attached, attached_instances};
use super::eks::{self, Endpoint, Node};
use super::store::{Account, Scope};
use super::sts::Session;
use super::world::Sandbox;

/// The scope of a look, which is nobody's call.
fn scope(account: &str, region: &str) -> Scope {
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
}
