//! What an endpoint is attached to: route tables, or subnets and security groups.

use super::{Live, Via};
use crate::aws::call::Passing;
use crate::aws::ec2::fresh;
use crate::kind::{Cx, Result};
use crate::name::PhysicalId;
use crate::value::Id;
use std::collections::BTreeSet;

/// Ids that were just made and are not known everywhere yet. EC2 does not spell the codes alike
/// in all calls.
pub(super) const FRESH: &[Passing] = &[
    fresh("InvalidVpcID.NotFound"),
    fresh("InvalidVpcId.NotFound"),
    fresh("InvalidSubnetID.NotFound"),
    fresh("InvalidSubnetId.NotFound"),
    fresh("InvalidGroup.NotFound"),
    fresh("InvalidSecurityGroupID.NotFound"),
    fresh("InvalidRouteTableID.NotFound"),
    fresh("InvalidRouteTableId.NotFound"),
];

/// Ids as the calls take them: a list that is empty is left out.
#[derive(Debug, Default)]
pub(super) struct Parts {
    pub(super) route_tables: Option<Vec<String>>,
    pub(super) subnets: Option<Vec<String>>,
    pub(super) security_groups: Option<Vec<String>>,
}

/// What has to come and to go.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) added: Parts,
    pub(super) removed: Parts,
}

/// What `via` says.
pub(super) fn wanted(cx: &Cx, via: &Via) -> Result<Parts> {
    Ok(match via {
        Via::Gateway { route_tables } => {
            Parts { route_tables: listed(&set(cx.get_all(route_tables)?)), ..Parts::default() }
        }
        Via::Interface { subnets, security_groups, private_dns: _ } => Parts {
            subnets: listed(&set(cx.get_all(subnets)?)),
            security_groups: listed(&set(cx.get_all(security_groups)?)),
            ..Parts::default()
        },
    })
}

/// What stands between `live` and what `via` says.
pub(super) fn moved(cx: &Cx, via: &Via, live: &Live) -> Result<Moved> {
    let mut moved = Moved::default();
    match via {
        Via::Gateway { route_tables } => {
            let want = set(cx.get_all(route_tables)?);
            moved.added.route_tables = without(&want, &live.route_tables);
            moved.removed.route_tables = without(&live.route_tables, &want);
        }
        Via::Interface { subnets, security_groups, private_dns: _ } => {
            let want = set(cx.get_all(subnets)?);
            moved.added.subnets = without(&want, &live.subnets);
            moved.removed.subnets = without(&live.subnets, &want);
            let want = set(cx.get_all(security_groups)?);
            moved.added.security_groups = without(&want, &live.security_groups);
            moved.removed.security_groups = without(&live.security_groups, &want);
        }
    }
    Ok(moved)
}

/// The ids of all that can not go while the endpoint is there.
pub(super) fn parents(live: &Live) -> Vec<PhysicalId> {
    std::iter::once(live.vpc.as_str())
        .chain(live.route_tables.iter().map(Id::as_str))
        .chain(live.subnets.iter().map(Id::as_str))
        .chain(live.security_groups.iter().map(Id::as_str))
        .map(PhysicalId::new)
        .collect()
}

fn set<K>(ids: Vec<Id<K>>) -> BTreeSet<Id<K>> {
    ids.into_iter().collect()
}

fn listed<K>(ids: &BTreeSet<Id<K>>) -> Option<Vec<String>> {
    let ids: Vec<String> = ids.iter().map(Id::to_string).collect();
    Some(ids).filter(|ids| !ids.is_empty())
}

fn without<K>(these: &BTreeSet<Id<K>>, those: &BTreeSet<Id<K>>) -> Option<Vec<String>> {
    listed(&these.difference(those).cloned().collect())
}
