//! S3's answers, which say much in headers.

use super::tree;
use crate::sandbox::store::Millis;
use crate::sandbox::wire::reply::Reply;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::Value;

/// An answer that is being made. It has the world's time in its `Date`.
#[derive(Debug)]
pub(super) struct Answering(Response<Bytes>);

impl Answering {
    /// An answer without a body.
    pub(super) fn empty(status: u16, now: Millis) -> Self {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Answering(response).header("date", &http_date(now))
    }

    /// An answer with a document.
    pub(super) fn document(now: Millis, root: &str, document: &Value) -> Self {
        let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        tree::write(&mut text, root, document);
        let tag = format!("<{root}>");
        let open = format!("<{root} xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        let text = text.replacen(&tag, &open, 1);
        Answering::empty(200, now).header("content-type", "application/xml").body(text.into())
    }

    /// The same with another header. What can't be a header is left out.
    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    /// The same with a body.
    pub(super) fn body(mut self, body: Bytes) -> Self {
        *self.0.body_mut() = body;
        self
    }
}

impl From<Answering> for Reply {
    fn from(answering: Answering) -> Reply {
        Reply::Http(answering.0)
    }
}

/// A time as HTTP writes it: `Fri, 15 Jan 2027 08:00:00 GMT`.
pub(super) fn http_date(time: Millis) -> String {
    i64::try_from(time.0)
        .ok()
        .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
        .map(|stamp| stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}
