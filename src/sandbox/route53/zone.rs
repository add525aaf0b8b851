//! Hosted zones.

use super::XMLNS;
use super::model::{Zone, bare, id, invalid, max_items, name_servers, of, of_mut, submitted};
use super::names::{normal, order};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::{reply, xml};
use serde_json::{Value, json};

fn write(zone: &Zone) -> Value {
    json!({
        "Id": format!("/hostedzone/{}", zone.id),
        "Name": zone.name,
        "CallerReference": zone.reference,
        "Config": { "Comment": zone.comment, "PrivateZone": zone.private },
        "ResourceRecordSetCount": zone.records.len(),
    })
}

/// The zone, with its name servers or its VPCs.
fn whole(zone: &Zone) -> Value {
    let mut written = json!({ "HostedZone": write(zone) });
    if zone.private {
        let vpcs = zone.vpcs.iter().map(|(id, region)| json!({ "VPCRegion": region, "VPCId": id }));
        written["VPCs"] = xml::named("VPC", vpcs.collect());
    } else {
        let servers = name_servers(&zone.id).into_iter().map(Value::from);
        written["DelegationSet"] =
            json!({ "NameServers": xml::named("NameServer", servers.collect()) });
    }
    written
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = normal(params.required("Name"));
    let sound = name.len() <= 255
        && name.trim_end_matches('.').split('.').all(|label| (1..=63).contains(&label.len()));
    if !sound || !name.trim_end_matches('.').contains('.') {
        let message = format!("{} is not a valid domain name", params.required("Name"));
        return Err(Failure::new("InvalidDomainName", message));
    }
    let reference = params.required("CallerReference");
    if of(&cx.view()).zones.values().any(|zone| zone.reference == reference) {
        let message = "A hosted zone has already been created with the specified caller reference.";
        return Err(Failure::new("HostedZoneAlreadyExists", message).with_status(409));
    }
    let (id, now) = (id('Z', cx.store.random()), cx.now);
    let mut zone = Zone::new(id.clone(), &name, reference, now);
    let config = params.get("HostedZoneConfig");
    zone.comment = config.and_then(|config| config["Comment"].as_str()).map(str::to_owned);
    let private = config.and_then(|config| config["PrivateZone"].as_bool()).unwrap_or(false);
    if let Some(vpc) = params.get("VPC") {
        let text = |member: &str| vpc[member].as_str().unwrap_or_default().to_owned();
        let (vpc, region) = (text("VPCId"), text("VPCRegion"));
        let account = cx.store.accounts.get(&cx.scope.account);
        let there = account
            .and_then(|account| account.regions.get(&region))
            .is_some_and(|regional| regional.ec2.vpcs.contains_key(&vpc));
        if !there {
            let message = format!("The VPC: {vpc} that you provided is invalid.");
            return Err(Failure::new("InvalidVPCId", message));
        }
        zone.private = true;
        zone.vpcs.push((vpc, region));
    } else if private {
        return Err(invalid("When you're creating a private hosted zone, you must specify a VPC"));
    }
    let mut answer = whole(&zone);
    if let Some(first) = zone.vpcs.first() {
        answer["VPC"] = json!({ "VPCRegion": first.1, "VPCId": first.0 });
        if let Some(members) = answer.as_object_mut() {
            members.remove("VPCs");
        }
    }
    of_mut(cx).zones.insert(id.clone(), zone);
    answer["ChangeInfo"] = submitted(cx);
    let location = format!("https://route53.amazonaws.com/2013-04-01/hostedzone/{id}");
    Ok(reply::created(XMLNS, "CreateHostedZoneResponse", &answer, &location))
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let zone = of(view).zone(params.required("Id"))?;
    Ok(json!({ "GetHostedZoneResponse": whole(zone) }).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let size = max_items(params.text("MaxItems"), 100, view.knobs.page_size)?;
    let marker = params.text("Marker");
    let mut rest = of(view)
        .zones
        .values()
        .filter(|zone| marker.is_none_or(|marker| zone.id.as_str() >= bare(marker)));
    let page: Vec<Value> = rest.by_ref().take(size).map(write).collect();
    let next = rest.next();
    let answer = json!({ "ListHostedZonesResponse": {
        "HostedZones": xml::named("HostedZone", page),
        "Marker": marker,
        "IsTruncated": next.is_some(),
        "NextMarker": next.map(|zone| &zone.id),
        "MaxItems": size.to_string(),
    } });
    Ok(answer.into())
}

pub(super) fn list_by_name(view: &View<'_>, params: &Params) -> Answer {
    let size = max_items(params.text("MaxItems"), 100, view.knobs.page_size)?;
    let name = params.text("DNSName").map(normal);
    let first = params.text("HostedZoneId").map(bare);
    if first.is_some() && name.is_none() {
        return Err(invalid("A hosted zone's id needs its name"));
    }
    let place = |zone: &Zone| (order(&zone.name), zone.id.clone());
    let start = name.as_ref().map(|name| (order(name), first.unwrap_or_default().to_owned()));
    let mut zones: Vec<&Zone> = of(view)
        .zones
        .values()
        .filter(|zone| start.as_ref().is_none_or(|start| place(zone) >= *start))
        .collect();
    zones.sort_by_key(|zone| place(zone));
    let next = zones.get(size);
    let page: Vec<Value> = zones.iter().take(size).map(|zone| write(zone)).collect();
    let answer = json!({ "ListHostedZonesByNameResponse": {
        "HostedZones": xml::named("HostedZone", page),
        "DNSName": name,
        "HostedZoneId": first,
        "IsTruncated": next.is_some(),
        "NextDNSName": next.map(|zone| &zone.name),
        "NextHostedZoneId": next.map(|zone| &zone.id),
        "MaxItems": size.to_string(),
    } });
    Ok(answer.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let view = cx.view();
    let zone = of(&view).zone(params.required("Id"))?;
    if zone.records.len() > 2 {
        let message = "The specified hosted zone contains non-required resource record sets and so cannot be deleted.";
        return Err(Failure::new("HostedZoneNotEmpty", message));
    }
    let id = zone.id.clone();
    of_mut(cx).zones.remove(&id);
    let info = submitted(cx);
    Ok(json!({ "DeleteHostedZoneResponse": { "ChangeInfo": info } }).into())
}
