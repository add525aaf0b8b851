//! What runs in the world, for those who watch it from outside: clusters with their nodes, and
//! the instances behind target groups.

use super::autoscaling::{Attached, attached_instances};
use super::eks::{self, Endpoint, Node};
use super::store::Scope;
use super::world::Sandbox;

/// The scope of a look, which is nobody's call.
fn scope(account: &str, region: &str) -> Scope {
    Scope { account: account.to_owned(), region: region.to_owned(), access_key: String::new() }
}

impl Sandbox {
    /// The clusters of an account and region that have a Kubernetes API now.
    pub fn clusters(&self, account: &str, region: &str) -> Vec<Endpoint> {
        let scope = scope(account, region);
        self.look(&scope, |store, now| eks::clusters(store, &scope, now))
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
