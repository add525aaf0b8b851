//! Health checks. They check nothing.

use super::XMLNS;
use super::model::{Check, max_items, of, of_mut};
use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::{reply, xml};
use serde_json::{Value, json};

/// Lists of the configuration, and what their items are called.
const LISTS: &[(&str, &str)] = &[("ChildHealthChecks", "ChildHealthCheck"), ("Regions", "Region")];

fn write(check: &Check) -> Value {
    let mut config = check.config.clone();
    for (member, item) in LISTS {
        if let Some(items) = config[*member].as_array().cloned() {
            config[*member] = xml::named(item, items);
        }
    }
    json!({
        "Id": check.id,
        "CallerReference": check.reference,
        "HealthCheckConfig": config,
        "HealthCheckVersion": 1,
    })
}

fn missing(id: &str) -> Failure {
    let message = format!("A health check with id {id} does not exist.");
    Failure::new("NoSuchHealthCheck", message)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let reference = params.required("CallerReference");
    let config = params.get("HealthCheckConfig").cloned().unwrap_or_default();
    let view = cx.view();
    let known = of(&view).checks.values().find(|check| check.reference == reference);
    let location = |id: &str| format!("https://route53.amazonaws.com/2013-04-01/healthcheck/{id}");
    if let Some(known) = known.filter(|known| known.config == config) {
        let answer = json!({ "HealthCheck": write(known) });
        let location = location(&known.id);
        return Ok(reply::created(XMLNS, "CreateHealthCheckResponse", &answer, &location));
    }
    if known.is_some() || of(&view).references.iter().any(|used| used == reference) {
        let message = "A health check with this caller reference already exists, or existed.";
        return Err(Failure::new("HealthCheckAlreadyExists", message).with_status(409));
    }
    let drawn = cx.store.random();
    let check = Check {
        id: format!("{:08x}-0000-4000-8000-{:012x}", drawn >> 32, drawn & 0xffff_ffff_ffff),
        reference: reference.to_owned(),
        config,
        tags: Tags::new(),
    };
    let (answer, location) = (json!({ "HealthCheck": write(&check) }), location(&check.id));
    of_mut(cx).checks.insert(check.id.clone(), check);
    Ok(reply::created(XMLNS, "CreateHealthCheckResponse", &answer, &location))
}

pub(super) fn get(view: &View<'_>, params: &Params) -> Answer {
    let id = params.required("HealthCheckId");
    let check = of(view).checks.get(id).ok_or_else(|| missing(id))?;
    Ok(json!({ "GetHealthCheckResponse": { "HealthCheck": write(check) } }).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let size = max_items(params.text("MaxItems"), 1000, view.knobs.page_size)?;
    let marker = params.text("Marker");
    let mut rest = of(view)
        .checks
        .values()
        .filter(|check| marker.is_none_or(|marker| check.id.as_str() >= marker));
    let page: Vec<Value> = rest.by_ref().take(size).map(write).collect();
    let next = rest.next();
    let answer = json!({ "ListHealthChecksResponse": {
        "HealthChecks": xml::named("HealthCheck", page),
        "Marker": marker.unwrap_or_default(),
        "IsTruncated": next.is_some(),
        "NextMarker": next.map(|check| &check.id),
        "MaxItems": size.to_string(),
    } });
    Ok(answer.into())
}

/// Also one that records still name.
pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let id = params.required("HealthCheckId");
    let route53 = of_mut(cx);
    let check = route53.checks.remove(id).ok_or_else(|| missing(id))?;
    route53.references.push(check.reference);
    Ok(json!({ "DeleteHealthCheckResponse": {} }).into())
}
