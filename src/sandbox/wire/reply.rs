//! Answers and failures in the form of each protocol.

use super::{Protocol, xml};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::Service;
use bytes::Bytes;
use serde_json::{Value, json};

/// What an operation answers.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A tree in the wire's own names; the protocol writes it.
    Tree(Value),
    /// A whole HTTP answer, for operations that answer in headers or with a body of bytes.
    Http(http::Response<Bytes>),
}

impl From<Value> for Reply {
    fn from(tree: Value) -> Self {
        Reply::Tree(tree)
    }
}

/// Writes an answer.
pub(crate) fn success(
    service: &Service,
    operation: &str,
    reply: Reply,
    request_id: &str,
) -> http::Response<Bytes> {
    let tree = match reply {
        Reply::Tree(tree) => tree,
        Reply::Http(mut response) => {
            stamp(response.headers_mut(), service.protocol, request_id);
            return response;
        }
    };
    let body = match service.protocol {
        Protocol::Ec2Query => {
            let mut out = root(&format!("{operation}Response"), service.xmlns);
            xml::element(&mut out, "requestId", &Value::from(request_id), "item");
            xml::content(&mut out, &tree, "item");
            xml::close(&mut out, &format!("{operation}Response"));
            out
        }
        Protocol::AwsQuery => {
            let mut out = root(&format!("{operation}Response"), service.xmlns);
            xml::element(&mut out, &format!("{operation}Result"), &tree, "member");
            let metadata = json!({ "RequestId": request_id });
            xml::element(&mut out, "ResponseMetadata", &metadata, "member");
            xml::close(&mut out, &format!("{operation}Response"));
            out
        }
        Protocol::AwsJson10 | Protocol::AwsJson11 | Protocol::RestJson => tree.to_string(),
        // The tree has one member: the root element.
        Protocol::RestXml | Protocol::RestXmlWrapped => {
            match tree.as_object().and_then(|members| members.iter().next()) {
                Some((name, value)) => {
                    let mut out = root(name, service.xmlns);
                    xml::content(&mut out, value, "member");
                    xml::close(&mut out, name);
                    out
                }
                None => String::new(),
            }
        }
    };
    response(200, service.protocol, request_id, body)
}

/// Writes a failure.
pub(crate) fn failure(
    protocol: Protocol,
    xmlns: &str,
    failure: &Failure,
    request_id: &str,
) -> http::Response<Bytes> {
    let error = json!({ "Code": failure.code, "Message": failure.message });
    let body = match protocol {
        Protocol::Ec2Query => {
            let mut out = String::from(DECLARATION);
            xml::open(&mut out, "Response");
            xml::element(&mut out, "Errors", &json!({ "Error": error }), "item");
            xml::element(&mut out, "RequestID", &Value::from(request_id), "item");
            xml::close(&mut out, "Response");
            out
        }
        Protocol::AwsQuery | Protocol::RestXmlWrapped => {
            let kind = if failure.status < 500 { "Sender" } else { "Receiver" };
            let error = json!({ "Type": kind, "Code": failure.code, "Message": failure.message });
            let mut out = root("ErrorResponse", xmlns);
            xml::element(&mut out, "Error", &error, "member");
            xml::element(&mut out, "RequestId", &Value::from(request_id), "member");
            xml::close(&mut out, "ErrorResponse");
            out
        }
        Protocol::AwsJson10 | Protocol::AwsJson11 => {
            json!({ "__type": failure.code, "message": failure.message }).to_string()
        }
        Protocol::RestJson => json!({ "message": failure.message }).to_string(),
        Protocol::RestXml => {
            let mut out = String::from(DECLARATION);
            let error = json!({
                "Code": failure.code, "Message": failure.message, "RequestId": request_id,
            });
            xml::element(&mut out, "Error", &error, "member");
            out
        }
    };
    let mut response = response(failure.status, protocol, request_id, body);
    if protocol == Protocol::RestJson
        && let Ok(code) = http::HeaderValue::from_str(&failure.code)
    {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";

/// A 201 that says where what was made is.
pub(crate) fn created(xmlns: &str, name: &str, tree: &Value, location: &str) -> Reply {
    let mut out = root(name, xmlns);
    xml::content(&mut out, tree, "member");
    xml::close(&mut out, name);
    let mut response = response(201, Protocol::RestXmlWrapped, "", out);
    if let Ok(location) = http::HeaderValue::from_str(location) {
        response.headers_mut().insert(http::header::LOCATION, location);
    }
    Reply::Http(response)
}

fn root(name: &str, xmlns: &str) -> String {
    format!("{DECLARATION}<{name} xmlns=\"{}\">", xml::escaped(xmlns))
}

fn response(
    status: u16,
    protocol: Protocol,
    request_id: &str,
    body: String,
) -> http::Response<Bytes> {
    let mut response = http::Response::new(Bytes::from(body));
    *response.status_mut() =
        http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let content_type = match protocol {
        Protocol::Ec2Query | Protocol::AwsQuery => "text/xml;charset=UTF-8",
        Protocol::AwsJson10 => "application/x-amz-json-1.0",
        Protocol::AwsJson11 => "application/x-amz-json-1.1",
        Protocol::RestXml | Protocol::RestXmlWrapped => "application/xml",
        Protocol::RestJson => "application/json",
    };
    response
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    stamp(response.headers_mut(), protocol, request_id);
    response
}

/// Adds the request id under the name that the protocol's clients look for.
fn stamp(headers: &mut http::HeaderMap, protocol: Protocol, request_id: &str) {
    let name = match protocol {
        Protocol::RestXml => "x-amz-request-id",
        _ => "x-amzn-requestid",
    };
    if let Ok(value) = http::HeaderValue::from_str(request_id) {
        headers.insert(name, value);
    }
}
