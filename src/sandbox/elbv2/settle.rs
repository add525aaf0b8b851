//! What time does: the network interfaces of deleted load balancers go.

use crate::sandbox::ec2::network_interface;
use crate::sandbox::store::{Millis, Scope, Store};

/// Does all that has become due by `now`.
pub(crate) fn settle(store: &mut Store, scope: &Scope, now: Millis) {
    let regional = store.regional_mut(scope);
    regional.elbv2.leaving.retain(|arn, until| {
        if *until <= now {
            network_interface::remove_of(&mut regional.ec2, arn);
        }
        now < *until
    });
}

/// Whether [`settle`] would change anything.
pub(crate) fn is_due(store: &Store, scope: &Scope, now: Millis) -> bool {
    store
        .regional(scope)
        .is_some_and(|regional| regional.elbv2.leaving.values().any(|until| *until <= now))
}
