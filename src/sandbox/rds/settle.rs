//! What time does: what was being deleted goes, and takes its network interfaces along; logs that
//! are exported make their groups.

use super::model::arn;
use crate::sandbox::ec2::network_interface;
use crate::sandbox::store::{Millis, Scope, Store};
use std::time::Duration;

/// How long until a cluster that exports its log writes to it.
const WRITES: Duration = Duration::from_secs(60);

/// Does all that has become due by `now`.
pub(crate) fn settle(store: &mut Store, scope: &Scope, now: Millis) {
    let groups = deliveries(store, scope, now);
    let regional = store.regional_mut(scope);
    for name in groups {
        regional.logs.write_from_service(&name, scope, now);
    }
    let over = |gone: Option<Millis>| gone.is_some_and(|gone| gone <= now);
    regional.rds.instances.retain(|id, instance| {
        if over(instance.gone) {
            network_interface::remove_of(&mut regional.ec2, &arn(scope, "db", id));
        }
        !over(instance.gone)
    });
    regional.rds.clusters.retain(|_, cluster| !over(cluster.gone));
}

/// Whether [`settle`] would change anything.
pub(crate) fn is_due(store: &Store, scope: &Scope, now: Millis) -> bool {
    let Some(regional) = store.regional(scope) else { return false };
    let over = |gone: Option<Millis>| gone.is_some_and(|gone| gone <= now);
    regional.rds.instances.values().any(|instance| over(instance.gone))
        || regional.rds.clusters.values().any(|cluster| over(cluster.gone))
        || !deliveries(store, scope, now).is_empty()
}

/// The log groups that running clusters write to although they are not there, and so make.
fn deliveries(store: &Store, scope: &Scope, now: Millis) -> Vec<String> {
    let Some(regional) = store.regional(scope) else { return Vec::new() };
    let mut names = Vec::new();
    for cluster in regional.rds.clusters.values() {
        let instances =
            || regional.rds.instances.values().filter(|instance| instance.cluster == cluster.id);
        let running = instances().map(|instance| instance.available).min();
        // One that is being deleted writes until it is gone.
        let until = instances().map(|instance| instance.gone.unwrap_or(now)).max();
        let until = until.map_or(now, |until| until.min(now));
        // A change of the settings has to be over before it shows.
        let Some(running) =
            running.map(|since| cluster.busy.as_ref().map_or(since, |busy| since.max(busy.until)))
        else {
            continue;
        };
        for log in &cluster.settings.logs {
            let name = format!("/aws/rds/cluster/{}/{log}", cluster.id);
            let since = regional.logs.deleted(&name).unwrap_or_default().max(running);
            if !regional.logs.has(&name) && since.plus(WRITES) <= until {
                names.push(name);
            }
        }
    }
    names
}
