//! Which operation a request is: Route 53 tells by method and path.

use super::SERVICE;
use crate::sandbox::failure::Failure;
use crate::sandbox::law;
use crate::sandbox::s3::tree;
use bytes::Bytes;
use http::Method;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

/// Query parameters, and the members that they are.
const QUERY: &[(&str, &str)] = &[
    ("marker", "Marker"),
    ("maxitems", "MaxItems"),
    ("dnsname", "DNSName"),
    ("hostedzoneid", "HostedZoneId"),
    ("name", "StartRecordName"),
    ("type", "StartRecordType"),
    ("identifier", "StartRecordIdentifier"),
];

/// An operation, and members that stand in the path.
type Found = (&'static str, Vec<(&'static str, String)>);

/// Finds the operation and its input.
pub(super) fn find(request: &http::Request<Bytes>) -> Result<(&'static str, Value), Failure> {
    let path = request.uri().path();
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decoded).collect();
    let (name, members) = operation(request.method(), &parts)?;
    let mut input: Map<String, Value> = members
        .into_iter()
        .map(|(member, value)| (member.to_owned(), Value::from(value)))
        .collect();
    let Some(law) = law::of(&SERVICE, name) else { return Err(not_modelled(path)) };
    for (key, value) in form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
    {
        let member = QUERY.iter().find(|(wire, _)| *wire == key).map(|(_, member)| *member);
        let Some(member) = member.filter(|member| law.input.members.contains_key(*member)) else {
            let message = format!("The parameter {key} is not recognized");
            return Err(Failure::new("InvalidInput", message));
        };
        input.insert(member.to_owned(), Value::from(value.into_owned()));
    }
    if !request.body().is_empty() {
        let (_, body) = tree::read(request.body())
            .map_err(|failure| Failure::new("InvalidInput", failure.message))?;
        if let Value::Object(members) = tree::members(&body, &law.input) {
            input.extend(members);
        }
    }
    Ok((name, Value::Object(input)))
}

fn operation(method: &Method, parts: &[String]) -> Result<Found, Failure> {
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let one = |member, value: &str| vec![(member, value.to_owned())];
    let tagged = |kind: &str, id: &str| {
        vec![("ResourceType", kind.to_owned()), ("ResourceId", id.to_owned())]
    };
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let found = match (method, parts.as_slice()) {
        (m, [_, "hostedzone"]) if *m == post => ("CreateHostedZone", Vec::new()),
        (m, [_, "hostedzone"]) if *m == get => ("ListHostedZones", Vec::new()),
        (m, [_, "hostedzonesbyname"]) if *m == get => ("ListHostedZonesByName", Vec::new()),
        (m, [_, "hostedzone", id]) if *m == get => ("GetHostedZone", one("Id", id)),
        (m, [_, "hostedzone", id]) if *m == delete => ("DeleteHostedZone", one("Id", id)),
        (m, [_, "hostedzone", id, "rrset"]) if *m == get => {
            ("ListResourceRecordSets", one("HostedZoneId", id))
        }
        (m, [_, "hostedzone", id, "rrset"]) if *m == post => {
            ("ChangeResourceRecordSets", one("HostedZoneId", id))
        }
        (m, [_, "change", id]) if *m == get => ("GetChange", one("Id", id)),
        (m, [_, "healthcheck"]) if *m == post => ("CreateHealthCheck", Vec::new()),
        (m, [_, "healthcheck"]) if *m == get => ("ListHealthChecks", Vec::new()),
        (m, [_, "healthcheck", id]) if *m == get => ("GetHealthCheck", one("HealthCheckId", id)),
        (m, [_, "healthcheck", id]) if *m == delete => {
            ("DeleteHealthCheck", one("HealthCheckId", id))
        }
        (m, [_, "tags", kind]) if *m == post => ("ListTagsForResources", one("ResourceType", kind)),
        (m, [_, "tags", kind, id]) if *m == get => ("ListTagsForResource", tagged(kind, id)),
        (m, [_, "tags", kind, id]) if *m == post => ("ChangeTagsForResource", tagged(kind, id)),
        _ => return Err(not_modelled(&format!("{method} /{}", parts.join("/")))),
    };
    Ok(found)
}

fn not_modelled(what: &str) -> Failure {
    let message = format!("The sandbox does not model {what}.");
    Failure::new("NotImplemented", message).with_status(501)
}
