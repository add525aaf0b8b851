//! What a client meets that connects to a load balancer.

use crate::sandbox::acm;
use crate::sandbox::store::{Millis, Scope, Store};

/// A listener, seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Door {
    /// The names of its certificate.
    pub(crate) names: Vec<String>,
    /// Where it sends.
    pub(crate) target_group: String,
}

/// The port that a target group's targets are reached and checked on.
pub(crate) fn port_of(store: &Store, scope: &Scope, target_group: &str) -> Option<u16> {
    let group = store.regional(scope)?.elbv2.groups.get(target_group)?;
    let checked = group.check.port.parse().unwrap_or(group.port);
    u16::try_from(checked).ok()
}

/// The listener on port 443 of the load balancer that has one of these addresses.
pub(crate) fn door(
    store: &Store,
    scope: &Scope,
    addresses: &[String],
    now: Millis,
) -> Option<Door> {
    let regional = store.regional(scope)?;
    let balancer = regional.elbv2.balancers.values().find(|balancer| {
        let own = super::addresses(store, &balancer.dns.to_lowercase());
        balancer.active <= now && own.iter().any(|address| addresses.contains(address))
    })?;
    let mut listeners = regional.elbv2.listeners.values();
    let listener = listeners.find(|one| one.balancer == balancer.arn && one.port == 443)?;
    let certificate = listener.certificate.as_deref()?;
    Some(Door {
        names: acm::names_of(&regional.acm, certificate),
        target_group: listener.forwards.first()?.0.clone(),
    })
}
