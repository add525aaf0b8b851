//! Sending changes of record sets, and waiting until they are everywhere.

use super::RecordType;
use super::owner::{self, Owner};
use super::sets::{self, Pair};
use crate::aws::call::safe;
use crate::aws::route53::Route53;
use crate::kind::{Class, Cx, Error, Result, seconds};
use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ChangeStatus, ResourceRecord, ResourceRecordSet, RrType,
};

/// How long a change takes at most to reach all of Route 53's servers. Seconds.
const IN_SYNC_WITHIN: u32 = 900;
/// How long the TXT records beside ours may be remembered by resolvers. Seconds.
const OWNER_TTL: i64 = 300;

/// The changes that make the TXT record beside a record name these owners. The old one is named
/// exactly, so that a change by somebody else in between refuses the batch.
pub(super) fn rewrite(
    before: &Pair,
    name: &str,
    kind: RecordType,
    owners: &[Owner],
) -> Result<Vec<(ChangeAction, ResourceRecordSet)>> {
    let mut changes = Vec::new();
    if let Some(old) = &before.txt {
        changes.push((ChangeAction::Delete, old.clone()));
    }
    if !owners.is_empty() {
        let values = owners.iter().map(|owner| value_of(&owner.to_txt()?));
        let new = ResourceRecordSet::builder()
            .name(format!("{}.", owner::beside(name, kind)))
            .r#type(RrType::Txt)
            .ttl(OWNER_TTL)
            .set_resource_records(Some(values.collect::<Result<_>>()?))
            .build()
            .map_err(unsendable)?;
        changes.push((ChangeAction::Create, new));
    }
    Ok(changes)
}

/// Sends changes that are carried out together, and gives the id of the change. Repeated, a batch
/// with a `CREATE` or a `DELETE` is refused, and an `UPSERT` says the same again.
pub(super) async fn send(
    cx: &Cx,
    zone: &str,
    changes: &[(ChangeAction, ResourceRecordSet)],
) -> Result<String> {
    let route53 = cx.api::<Route53>()?;
    let changes: Result<Vec<Change>> = changes
        .iter()
        .map(|(action, set)| {
            let change = Change::builder().action(action.clone()).resource_record_set(set.clone());
            change.build().map_err(unsendable)
        })
        .collect();
    let batch = ChangeBatch::builder()
        .comment(format!("coderctl {}", cx.deployment.name))
        .set_changes(Some(changes?))
        .build()
        .map_err(unsendable)?;
    let answer = safe(cx, "route53:ChangeResourceRecordSets", || {
        let request = route53.0.change_resource_record_sets();
        request.hosted_zone_id(zone).change_batch(batch.clone()).send()
    })
    .await?;
    let change = answer.change_info().map(|change| sets::change_id(change.id()));
    change.ok_or_else(|| Error::local("ChangeResourceRecordSets answered without a change"))
}

/// Waits until a change is on all of Route 53's servers.
pub(super) async fn in_sync(cx: &Cx, change: &str) -> Result<()> {
    let route53 = cx.api::<Route53>()?;
    let started = cx.clock.now();
    loop {
        let answer =
            safe(cx, "route53:GetChange", || route53.0.get_change().id(change).send()).await?;
        let status = answer.change_info().map(|change| change.status().clone());
        if status == Some(ChangeStatus::Insync) {
            return Ok(());
        }
        let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
        if elapsed >= seconds(IN_SYNC_WITHIN) {
            let minutes = IN_SYNC_WITHIN / 60;
            let why = format!("change {change} is not on all servers after {minutes} minutes");
            return Err(Error::of(Class::TimedOut, why));
        }
        cx.progress(status.as_ref().map_or("PENDING", ChangeStatus::as_str));
        cx.pause(seconds(5)).await?;
    }
}

pub(super) fn unsendable(error: impl std::fmt::Display) -> Error {
    Error::local(format!("a record can not be sent: {error}"))
}

pub(super) fn value_of(value: &str) -> Result<ResourceRecord> {
    ResourceRecord::builder().value(value).build().map_err(unsendable)
}
