//! What time does to clusters: what was being deleted goes, with what it had in EC2, Auto Scaling
//! and CloudWatch Logs.

use super::model::Cluster;
use super::network;
use crate::sandbox::store::{Millis, Regional, Scope};
use std::time::Duration;

/// How long after its start a control plane has written something into its log group.
const LOGGING: Duration = Duration::from_secs(30);

fn is_over(gone: Option<Millis>, now: Millis) -> bool {
    gone.is_some_and(|gone| gone <= now)
}

impl Cluster {
    /// Whether the cluster writes into a log group that is not there.
    fn lacks_log_group(&self, regional: &Regional, now: Millis) -> bool {
        let name = self.log_group();
        let since = regional.logs.deleted(&name).unwrap_or_default().max(self.active);
        !self.logging.is_empty() && !regional.logs.has(&name) && since.plus(LOGGING) <= now
    }

    fn log_group(&self) -> String {
        format!("/aws/eks/{}/cluster", self.name)
    }

    fn is_due(&self, regional: &Regional, now: Millis) -> bool {
        is_over(self.gone, now)
            || self.node_groups.values().any(|group| is_over(group.gone, now))
            || self.addons.values().any(|addon| is_over(addon.gone, now))
            || self.lacks_log_group(regional, now)
    }
}

/// Whether [`settle`] would change anything.
pub(crate) fn is_due(regional: &Regional, now: Millis) -> bool {
    regional.eks.clusters.values().any(|cluster| cluster.is_due(regional, now))
        || regional.autoscaling.groups.values().any(|group| group.is_due(&regional.ec2, now))
}

/// Does all that has become due by `now`.
pub(crate) fn settle(regional: &mut Regional, scope: &Scope, now: Millis) {
    for group in regional.autoscaling.groups.values_mut() {
        if group.is_due(&regional.ec2, now) {
            group.settle(&mut regional.ec2, now);
        }
    }
    let mut over_groups = Vec::new();
    let mut over_clusters = Vec::new();
    let mut logging = Vec::new();
    for cluster in regional.eks.clusters.values() {
        if cluster.lacks_log_group(regional, now) {
            logging.push(cluster.log_group());
        }
    }
    for cluster in regional.eks.clusters.values_mut() {
        let over = cluster.node_groups.values().filter(|group| is_over(group.gone, now));
        over_groups.extend(over.map(|group| group.scaling_group.clone()));
        cluster.node_groups.retain(|_, group| !is_over(group.gone, now));
        let gone: Vec<String> = cluster
            .addons
            .values()
            .filter(|addon| is_over(addon.gone, now))
            .map(|addon| addon.arn.clone())
            .collect();
        cluster.addons.retain(|_, addon| !is_over(addon.gone, now));
        // What was made with an add-on goes with it.
        cluster.identities.retain(|_, identity| {
            identity.owner.as_ref().is_none_or(|owner| !gone.contains(owner))
        });
        if is_over(cluster.gone, now) {
            over_clusters.push((cluster.arn.clone(), cluster.own_group.clone()));
        }
    }
    for name in over_groups {
        if let Some(group) = regional.autoscaling.groups.remove(&name) {
            regional.ec2.launch_templates.remove(&group.template.0);
        }
    }
    for (arn, group) in over_clusters {
        network::remove(&mut regional.ec2, &arn, &group);
    }
    regional.eks.clusters.retain(|_, cluster| !is_over(cluster.gone, now));
    for name in logging {
        regional.logs.write_from_service(&name, scope, now);
    }
}
