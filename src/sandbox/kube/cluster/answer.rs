//! How calls to the API are answered, also where a fault does it.

use super::{KubeBody, KubeSandbox};
use crate::sandbox::OpenError;
use crate::sandbox::gate::{Refused, Served};
use crate::sandbox::kube::status::Refusal;
use bytes::Bytes;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full};

/// A call to the API, as far as it has come.
pub(super) struct Arrived<'a, A> {
    pub(super) sandbox: &'a KubeSandbox,
    pub(super) content: String,
    pub(super) answer: A,
}

impl<A: Fn(u64) -> Response<KubeBody>> Served for Arrived<'_, A> {
    type Answer = Response<KubeBody>;

    fn act(&self, n: u64) -> Response<KubeBody> {
        (self.answer)(n)
    }

    fn refuse(&self, n: u64, why: &Refused) -> Response<KubeBody> {
        let refusal = match why {
            Refused::Throttled => Refusal::too_many_requests(),
            Refused::Internal => {
                let message = "Internal error occurred: the sandbox was told to fail";
                Refusal::new(500, "InternalError", message)
            }
            Refused::With { status, code, message } => {
                Refusal::new(*status, code.clone(), message.clone())
            }
        };
        self.sandbox.refuse(n, &refusal)
    }

    fn content(&self) -> String {
        self.content.clone()
    }

    fn is_success(answer: &Response<KubeBody>) -> bool {
        answer.status().is_success()
    }
}

pub(in crate::sandbox::kube) fn refused(refusal: &Refusal) -> Response<KubeBody> {
    let mut answer = response(refusal.code, &refusal.to_wire().to_string());
    if refusal.code == 429 {
        answer.headers_mut().insert("retry-after", http::HeaderValue::from_static("1"));
    }
    answer
}

pub(super) fn response(code: u16, text: &str) -> Response<KubeBody> {
    // `Full` can't fail, so there is no error to turn into one.
    let body = Full::new(Bytes::from(text.to_owned())).map_err(|never| match never {});
    with_body(code, body.boxed_unsync())
}

pub(super) fn with_body(code: u16, body: KubeBody) -> Response<KubeBody> {
    let mut response = Response::new(body);
    *response.status_mut() =
        StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

pub(super) fn broken(error: &OpenError) -> Refusal {
    let message = format!("Internal error occurred: the sandbox can't keep its state: {error}");
    Refusal::new(500, "InternalError", message)
}
