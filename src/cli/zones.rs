//! Which availability zones a deployment uses.

use super::exit::Exit;
use super::failure::{Failure, Result};
use crate::aws::ec2::subnet::Subnet;
use crate::aws::facts::{self, Zone};
use crate::kind::{Cx, Kind};
use crate::pattern::Facts;
use crate::plan::Applied;
use crate::spec::Loaded;
use crate::spec::types::network::Zones;
use serde_json::Value;
use std::collections::BTreeSet;

/// The zones that are fixed: those of a plan file, none where there is no network, or those that the
/// spec names, which must be open to the account. `None` where the spec only says how many.
///
/// # Errors
/// A named zone that can't be used; whatever EC2 says.
pub(super) async fn fixed(
    cx: &Cx,
    loaded: Option<&Loaded>,
    facts: Option<&Facts>,
) -> Result<Option<Vec<String>>> {
    if let Some(facts) = facts {
        return Ok(Some(facts.zones.clone()));
    }
    let Some(network) = loaded.and_then(|loaded| loaded.spec.network.as_ref()) else {
        return Ok(Some(Vec::new()));
    };
    let Zones::Named(wanted) = network.zones() else { return Ok(None) };
    let (offered, refused) = offered(cx, loaded).await?;
    if let Some(zone) = refused.iter().find(|zone| wanted.contains(&zone.name)) {
        return Err(Failure::new(
            Exit::Spec,
            format!("network.azs: EKS makes no clusters in {} ({})", zone.name, zone.id),
            format!("choose among {}", offered.join(", ")),
        ));
    }
    match wanted.iter().find(|zone| !offered.contains(zone)) {
        None => Ok(Some(wanted.to_vec())),
        Some(zone) => Err(Failure::new(
            Exit::Spec,
            format!("network.azs: this account has no availability zone {zone}"),
            format!("it has {}", offered.join(", ")),
        )),
    }
}

/// As many zones as the spec asks for: those already in use, then the first that AWS offers. The
/// record tells those in use without a call, once the subnets of all of them were applied.
///
/// # Errors
/// Too few zones; whatever EC2 says.
pub(super) async fn counted(
    cx: &Cx,
    loaded: Option<&Loaded>,
    applied: Option<&Applied>,
) -> Result<Vec<String>> {
    let network = loaded.and_then(|loaded| loaded.spec.network.as_ref());
    let Some(Zones::Count(count)) = network.map(|network| network.zones()) else {
        return Ok(Vec::new());
    };
    let count = usize::from(count);
    let mut zones = applied.map(|applied| recorded(cx, applied)).unwrap_or_default();
    if zones.len() < count {
        let here = &cx.in_region(&cx.deployment.home_region);
        let in_use = async {
            facts::zones_in_use(here)
                .await
                .map_err(|error| Failure::doing("reading the zones in use", error))
        };
        let (in_use, (offered, _)) = futures::try_join!(in_use, offered(cx, loaded))?;
        zones = in_use;
        for name in &offered {
            if zones.len() < count && !zones.contains(name) {
                zones.push(name.clone());
            }
        }
        if zones.len() < count {
            return Err(Failure::new(
                Exit::Spec,
                format!(
                    "network.az_count: {count} zones are asked for, and {} are offered",
                    offered.len()
                ),
                format!("this account has {}", offered.join(", ")),
            ));
        }
    }
    zones.truncate(count);
    Ok(zones)
}

/// The zones of the home region in which subnets were last applied, by name. What was applied is
/// still there, or is put back where it was.
fn recorded(cx: &Cx, applied: &Applied) -> Vec<String> {
    let subnets = applied.0.iter().filter(|(address, resource)| {
        resource.kind == Subnet::NAME && address.scope() == cx.deployment.home_region.as_str()
    });
    let zones: BTreeSet<&str> = subnets
        .filter_map(|(_, resource)| resource.fields.get("zone").and_then(Value::as_str))
        .collect();
    zones.into_iter().map(str::to_owned).collect()
}

/// The zones that AWS offers and the deployment can be in, by name; and those that EKS makes no
/// clusters in, where there is to be one.
async fn offered(cx: &Cx, loaded: Option<&Loaded>) -> Result<(Vec<String>, Vec<Zone>)> {
    let here = &cx.in_region(&cx.deployment.home_region);
    let offered = facts::zones(here)
        .await
        .map_err(|error| Failure::doing("reading the availability zones", error))?;
    let has_cluster = loaded.is_some_and(|loaded| loaded.spec.cluster.is_some());
    let (refused, offered): (Vec<_>, Vec<_>) =
        offered.into_iter().partition(|zone| has_cluster && !facts::takes_clusters(&zone.id));
    Ok((offered.into_iter().map(|zone| zone.name).collect(), refused))
}
