//! Changes of record sets: all of a batch, or nothing.

use super::model::{Zone, bare, change_info, invalid, of, of_mut, submitted};
use super::names::is_in;
use super::record::Record;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::json;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// How long after a change the next one of the same zone overlaps with it.
const OVERLAP: Duration = Duration::from_millis(200);
/// Changes of one batch.
const BATCH: usize = 1000;

/// Refuses what a zone can't hold, whatever else is in it.
fn check(zone: &Zone, record: &Record) -> Result<(), String> {
    if !is_in(&record.name, &zone.name) {
        return Err(format!(
            "RRSet with DNS name {} is not permitted in zone {}",
            record.name, zone.name
        ));
    }
    if record.kind == "CNAME" && record.name == zone.name {
        return Err(format!(
            "RRSet of type CNAME with DNS name {} is not permitted at apex in zone {}",
            record.name, zone.name
        ));
    }
    for value in &record.values {
        let fault = match record.kind.as_str() {
            "A" if value.parse::<Ipv4Addr>().is_err() => {
                "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"
            }
            "AAAA" if value.parse::<Ipv6Addr>().is_err() => {
                "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
            }
            "TXT" | "SPF"
                if value.len() < 2 || !value.starts_with('"') || !value.ends_with('"') =>
            {
                "InvalidCharacterString (Value should be enclosed in quotation marks)"
            }
            "CNAME" if value.is_empty() || value.contains(char::is_whitespace) => {
                "DomainLabelEmpty (Domain label is empty)"
            }
            _ => continue,
        };
        return Err(format!(
            "Invalid Resource Record: 'FATAL problem: {fault} encountered with '{value}''"
        ));
    }
    if record.kind == "CNAME" && record.values.len() > 1 {
        return Err(format!(
            "RRSet of type CNAME with DNS name {} has more than one value",
            record.name
        ));
    }
    if let Some(alias) = &record.alias
        && bare(&alias.zone) == zone.id
    {
        let there = zone
            .records
            .values()
            .any(|known| known.name == alias.name && known.kind == record.kind);
        if !there {
            return Err(format!(
                "Tried to create an alias that targets {}, type {} in zone {}, but that target was not found",
                alias.name, record.kind, zone.id
            ));
        }
    }
    Ok(())
}

/// A CNAME stands alone; record sets of one name and type all have identifiers, or none has.
fn check_company(zone: &Zone, record: &Record) -> Result<(), String> {
    for known in zone.records.values().filter(|known| known.name == record.name) {
        let cname = known.kind == "CNAME" || record.kind == "CNAME";
        if cname && known.kind != record.kind {
            return Err(format!(
                "RRSet of type {} with DNS name {} is not permitted as it conflicts with other records with the same DNS name in zone {}",
                record.kind, record.name, zone.name
            ));
        }
        if known.kind == record.kind && known.identifier.is_some() != record.identifier.is_some() {
            return Err(format!(
                "RRSet with DNS name {}, type {} cannot be created as a non-multivalue set exists with the same name and type",
                record.name, record.kind
            ));
        }
    }
    Ok(())
}

fn carry_out(zone: &mut Zone, action: &str, mut record: Record) -> Result<(), String> {
    let key = record.key();
    let known = zone.records.get(&key);
    match (action, known) {
        ("CREATE", Some(_)) => {
            return Err(format!(
                "Tried to create resource record set {} but it already exists",
                record.spoken()
            ));
        }
        ("DELETE", None) => {
            return Err(format!(
                "Tried to delete resource record set {} but it was not found",
                record.spoken()
            ));
        }
        ("DELETE", Some(known)) if !known.says_as(&record) => {
            return Err(format!(
                "Tried to delete resource record set {} but the values provided do not match the current values",
                record.spoken()
            ));
        }
        ("DELETE", Some(_)) => {
            if record.name == zone.name && record.kind == "SOA" {
                return Err("A HostedZone must contain exactly one SOA record.".to_owned());
            }
            if record.name == zone.name && record.kind == "NS" {
                return Err(
                    "A HostedZone must contain at least one NS record for the zone itself."
                        .to_owned(),
                );
            }
            zone.records.remove(&key);
            return Ok(());
        }
        (_, Some(known)) if known.says_as(&record) => record.changed = known.changed,
        _ => {}
    }
    check(zone, &record)?;
    check_company(zone, &record)?;
    zone.records.insert(key, record);
    Ok(())
}

pub(super) fn change(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let mut zone = of(&cx.view()).zone(params.required("HostedZoneId"))?.clone();
    if zone.changed.is_some_and(|changed| now < changed.plus(OVERLAP)) {
        let message =
            "The request was rejected because Route 53 was still processing a prior request.";
        return Err(Failure::new("PriorRequestNotComplete", message));
    }
    let batch = params.get("ChangeBatch").map(|batch| &batch["Changes"]);
    let changes = batch.and_then(|changes| changes.as_array()).map_or(&[][..], Vec::as_slice);
    if changes.len() > BATCH {
        return Err(batch_refused(&[format!("Number of records limit of {BATCH} exceeded.")]));
    }
    let mut faults = Vec::new();
    let mut named = Vec::new();
    for change in changes {
        let record = Record::read(&change["ResourceRecordSet"], now)?;
        let action = change["Action"].as_str().unwrap_or_default();
        let again = (action != "DELETE").then(|| record.key());
        if let Some(key) = again {
            if named.contains(&key) {
                faults.push(format!(
                    "The request contains an invalid set of changes for a resource record set '{} {}'",
                    record.kind, record.name
                ));
                continue;
            }
            named.push(key);
        }
        if let Err(fault) = carry_out(&mut zone, action, record) {
            faults.push(fault);
        }
    }
    if !faults.is_empty() {
        return Err(batch_refused(&faults));
    }
    zone.changed = Some(now);
    *of_mut(cx).zone_mut(params.required("HostedZoneId"))? = zone;
    let info = submitted(cx);
    Ok(json!({ "ChangeResourceRecordSetsResponse": { "ChangeInfo": info } }).into())
}

fn batch_refused(faults: &[String]) -> Failure {
    Failure::new("InvalidChangeBatch", format!("[{}]", faults.join(", ")))
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let id = bare(params.required("Id"));
    let Some(since): Option<Millis> = of(view).changes.get(id).copied() else {
        if id.is_empty() {
            return Err(invalid("The change's id is empty"));
        }
        let message = format!("Could not find resource with ID: {id}");
        return Err(Failure::new("NoSuchChange", message));
    };
    let info = change_info(id, since, view.now);
    Ok(json!({ "GetChangeResponse": { "ChangeInfo": info } }).into())
}
