//! Finds out which operation a request is for and what its input is.

use super::failure::Failure;
use super::law::{self, OperationLaw};
use super::service::{Operation, Service};
use super::store::{Millis, number};
use super::wire::Protocol;
use super::wire::form::Form;
use super::wire::params::Params;
use super::wire::rest;
use bytes::Bytes;

/// An operation, and its input or why the law refuses it.
pub(super) type Read = (&'static Operation, Result<Params, Failure>);

/// Finds the operation that a request is for, and reads its input by the law.
pub(super) fn read(
    service: &'static Service,
    request: http::Request<Bytes>,
) -> Result<Read, Failure> {
    match service.protocol {
        Protocol::Ec2Query | Protocol::AwsQuery => read_form(service, request),
        Protocol::AwsJson10 | Protocol::AwsJson11 => read_json(service, request),
        Protocol::RestXml | Protocol::RestXmlWrapped => read_rest(service, request),
        Protocol::RestJson => read_rest_json(service, request),
    }
}

/// An operation of a service, with its law.
fn find(
    service: &'static Service,
    name: &str,
    code: &str,
) -> Result<(&'static Operation, &'static OperationLaw), Failure> {
    let operation = service.operations.iter().find(|operation| operation.name == name);
    operation.zip(law::of(service, name)).ok_or_else(|| {
        let message = format!(
            "{name:?} is not an operation of {} (or the sandbox does not model it).",
            service.name
        );
        Failure::new(code, message)
    })
}

fn read_form(service: &'static Service, request: http::Request<Bytes>) -> Result<Read, Failure> {
    let mut form = if request.method() == http::Method::GET {
        Form::read(request.uri().query().unwrap_or_default().as_bytes())
    } else {
        Form::read(request.body())
    };
    form.below.retain(|name, _| !name.starts_with("X-Amz-"));
    let action = form.take("Action").unwrap_or_default();
    form.take("Version");
    let (operation, law) = find(service, &action, "InvalidAction")?;
    let tree = law.read_form(&form, service.protocol);
    Ok((operation, tree.map(|tree| Params::new(tree, request))))
}

fn read_json(service: &'static Service, request: http::Request<Bytes>) -> Result<Read, Failure> {
    let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
    let name = target.unwrap_or_default().rsplit('.').next().unwrap_or_default();
    let (operation, law) = find(service, name, "UnknownOperationException")?;
    let body: &[u8] = if request.body().is_empty() { b"{}" } else { request.body() };
    let tree = serde_json::from_slice(body)
        .map_err(|error| Failure::new("SerializationException", error.to_string()))
        .and_then(|tree| law.check(&tree, service.protocol).map(|()| tree));
    Ok((operation, tree.map(|tree| Params::new(tree, request))))
}

fn read_rest(service: &'static Service, request: http::Request<Bytes>) -> Result<Read, Failure> {
    let Some(route) = service.route else {
        let message = format!("The sandbox can't route requests to {}.", service.name);
        return Err(Failure::new("NotImplemented", message).with_status(501));
    };
    let (name, tree) = route(&request)?;
    let (operation, law) =
        find(service, name, "NotImplemented").map_err(|failure| failure.with_status(501))?;
    let checked = law.check(&tree, service.protocol);
    Ok((operation, checked.map(|()| Params::new(tree, request))))
}

fn read_rest_json(
    service: &'static Service,
    request: http::Request<Bytes>,
) -> Result<Read, Failure> {
    let found = service.operations.iter().find_map(|operation| {
        let law = law::of(service, operation.name)?;
        let (method, template) = law.http.as_ref()?;
        let labels = rest::matched(&request, method, template)?;
        Some((operation, law, labels))
    });
    let Some((operation, law, labels)) = found else {
        let message = format!(
            "{} {} is not an operation of {} (or the sandbox does not model it).",
            request.method(),
            request.uri().path(),
            service.name
        );
        return Err(Failure::new("UnknownOperationException", message).with_status(404));
    };
    let tree = rest::input(&request, &labels, &law.input)
        .and_then(|tree| law.check(&tree, service.protocol).map(|()| tree));
    Ok((operation, tree.map(|tree| Params::new(tree, request))))
}

/// The form in which to refuse a request to a service that the sandbox does not know.
pub(super) fn guessed_protocol(parts: &http::request::Parts) -> Protocol {
    let content_type = parts.headers.get(http::header::CONTENT_TYPE);
    let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.contains("json") {
        Protocol::AwsJson11
    } else if content_type.contains("x-www-form-urlencoded") {
        Protocol::AwsQuery
    } else {
        Protocol::RestXml
    }
}

/// In the form of AWS's request ids, and the same in every run.
pub(super) fn request_id(n: u64, time: Millis) -> String {
    let (high, low) = (number(&format!("request/{n}/{}", time.0)), number(&format!("{n}")));
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}
