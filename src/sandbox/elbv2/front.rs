//! What answers at a load balancer's address, as far as Elastic Load Balancing decides it.

use super::health::healthy;
use super::load_balancer::addresses;
use crate::sandbox::service::View;
use crate::sandbox::store::{Millis, Scope, Store};
use crate::sandbox::{acm, knobs};

/// Where a load balancer sends HTTPS that comes to one of `at` for `host`: region and port of the
/// nodes. The error is what a caller sees.
pub(crate) fn behind(
    store: &Store,
    knobs: &knobs::Knobs,
    at: &[String],
    host: &str,
    now: Millis,
) -> Result<(String, u16), String> {
    for (account, held) in &store.accounts {
        for (region, regional) in &held.regions {
            let scope = Scope {
                account: account.clone(),
                region: region.clone(),
                access_key: String::new(),
            };
            let view = View { store, scope: &scope, now, knobs };
            for balancer in regional.elbv2.balancers.values() {
                if !addresses(store, &balancer.dns).iter().any(|one| at.contains(one)) {
                    continue;
                }
                let listeners = regional.elbv2.listeners.values();
                let mut listeners = listeners.filter(|one| one.balancer == balancer.arn);
                let Some(listener) = listeners.find(|one| one.port == 443) else {
                    return Err("connection refused".to_owned());
                };
                let arn = listener.certificate.as_deref().unwrap_or_default();
                if !acm::names_of(&view, arn).iter().any(|name| covers(name, host)) {
                    return Err(format!("the certificate is not valid for {host}"));
                }
                let groups = listener.forwards.iter().map(|(arn, _)| arn);
                let mut groups = groups.filter_map(|arn| regional.elbv2.groups.get(arn));
                return match groups.find(|group| healthy(&view, group) > 0) {
                    Some(group) => Ok((region.clone(), u16::try_from(group.port).unwrap_or(0))),
                    None => Err("connection reset by peer".to_owned()),
                };
            }
        }
    }
    Err("no route to host".to_owned())
}

/// Whether a certificate's name stands for a host; `*` for one label.
fn covers(name: &str, host: &str) -> bool {
    let label = |rest: &str| host.split_once('.').is_some_and(|(_, parent)| parent == rest);
    name == host || name.strip_prefix("*.").is_some_and(label)
}
