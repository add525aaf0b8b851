//! Record sets as Route 53 lists them.

use super::owner::{self, Owner};
use super::{AliasOf, Live, RecordType};
use crate::aws::call::{gone_is_fine, safe};
use crate::aws::route53::zone::bare;
use crate::aws::route53::{Route53, plain};
use crate::kind::{Cx, Result};
use aws_sdk_route53::types::{ResourceRecordSet, RrType};
use std::collections::BTreeMap;

/// A record with the TXT record beside it; either may be missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Pair {
    /// The record.
    pub(super) record: Option<ResourceRecordSet>,
    /// The TXT record beside it.
    pub(super) txt: Option<ResourceRecordSet>,
}

impl Pair {
    /// The owners that the TXT record names.
    pub(super) fn owners(&self) -> Vec<Owner> {
        let values = self.txt.iter().flat_map(ResourceRecordSet::resource_records);
        values.filter_map(|value| Owner::from_txt(value.value())).collect()
    }

    /// What the record says.
    pub(super) fn live(&self, zone: &str, name: &str, kind: RecordType) -> Live {
        let record = self.record.as_ref();
        let values = record.map(ResourceRecordSet::resource_records).unwrap_or_default();
        Live {
            zone: zone.to_owned(),
            name: name.to_owned(),
            kind,
            ttl: record.and_then(ResourceRecordSet::ttl),
            values: values.iter().map(|value| kind.normal(value.value())).collect(),
            alias: record.and_then(ResourceRecordSet::alias_target).map(|alias| AliasOf {
                name: alias_name(alias.dns_name()),
                zone: alias.hosted_zone_id().to_owned(),
                evaluate_health: alias.evaluate_target_health(),
            }),
            change: None,
        }
    }
}

/// The name that an alias points to. The console puts `dualstack.` before a load balancer's.
pub(super) fn alias_name(name: &str) -> String {
    let name = plain(name);
    name.strip_prefix("dualstack.").map_or(name.clone(), str::to_owned)
}

/// All records of a zone of the types that this kind writes, with what stands beside them. Sets
/// that share a name by weight, region or the like are left out: none of them is ours. `None`
/// when the zone is gone.
pub(super) async fn of_zone(
    cx: &Cx,
    zone: &str,
) -> Result<Option<BTreeMap<(String, RecordType), Pair>>> {
    let route53 = cx.api::<Route53>()?;
    let mut pairs: BTreeMap<(String, RecordType), Pair> = BTreeMap::new();
    let mut from: Option<(String, RrType, Option<String>)> = None;
    loop {
        let page = safe(cx, "route53:ListResourceRecordSets", || {
            let (name, kind, set) = match from.clone() {
                Some((name, kind, set)) => (Some(name), Some(kind), set),
                None => (None, None, None),
            };
            route53
                .0
                .list_resource_record_sets()
                .hosted_zone_id(zone)
                .set_start_record_name(name)
                .set_start_record_type(kind)
                .set_start_record_identifier(set)
                .send()
        })
        .await;
        let Some(page) = gone_is_fine(page)? else { return Ok(None) };
        for set in page.resource_record_sets().iter().filter(|set| set.set_identifier().is_none()) {
            let name = plain(set.name());
            let Some(kind) = RecordType::of(set.r#type()) else { continue };
            match owner::of(&name).filter(|_| kind == RecordType::Txt) {
                Some(of) => pairs.entry(of).or_default().txt = Some(set.clone()),
                None => pairs.entry((name, kind)).or_default().record = Some(set.clone()),
            }
        }
        let next = page.next_record_name().zip(page.next_record_type());
        let Some((name, kind)) = next.filter(|_| page.is_truncated()) else {
            return Ok(Some(pairs));
        };
        let set = page.next_record_identifier().map(str::to_owned);
        let following = (name.to_owned(), kind.clone(), set);
        if from.as_ref() == Some(&following) {
            return Err(crate::kind::Error::local(
                "route53:ListResourceRecordSets answers the same page for ever",
            ));
        }
        from = Some(following);
    }
}

/// One record, with what stands beside it.
pub(super) async fn one(cx: &Cx, zone: &str, name: &str, kind: RecordType) -> Result<Pair> {
    let txt = owner::beside(name, kind);
    let (record, txt) =
        futures::try_join!(exact(cx, zone, name, kind), exact(cx, zone, &txt, RecordType::Txt))?;
    Ok(Pair { record, txt })
}

async fn exact(
    cx: &Cx,
    zone: &str,
    name: &str,
    kind: RecordType,
) -> Result<Option<ResourceRecordSet>> {
    let route53 = cx.api::<Route53>()?;
    let answer = gone_is_fine(
        safe(cx, "route53:ListResourceRecordSets", || {
            route53
                .0
                .list_resource_record_sets()
                .hosted_zone_id(zone)
                .start_record_name(format!("{name}."))
                .start_record_type(kind.to_route53())
                .max_items(1)
                .send()
        })
        .await,
    )?;
    let sets = answer.map(|answer| answer.resource_record_sets).unwrap_or_default();
    Ok(sets.into_iter().find(|set| {
        plain(set.name()) == name
            && *set.r#type() == kind.to_route53()
            && set.set_identifier().is_none()
    }))
}

/// A change's id without `/change/`.
pub(super) fn change_id(id: &str) -> String {
    bare(id).to_owned()
}
