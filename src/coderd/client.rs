//! The one place where a call to Coder is made, guarded, retried and judged.
//! <https://coder.com/docs/reference/api>

use super::Place;
use super::forward::{self, Broken};
use crate::kind::{Class, Cx, Error, Result};
use crate::secret::Secret;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use serde_json::Value;
use std::time::Duration;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How long a server that throttles, fails or can not be reached is asked again.
const PATIENCE: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// A live server.
pub(crate) struct Coderd<'a> {
    place: &'a Place,
    token: Option<Secret>,
    /// A pod that was ready a moment ago: the first attempt goes there.
    pod: Option<String>,
}

impl<'a> Coderd<'a> {
    /// The server there, asked without a token.
    pub(crate) fn at(place: &'a Place) -> Self {
        Coderd { place, token: None, pod: None }
    }

    /// The same, where this pod has just been seen to be ready.
    pub(crate) fn on(self, pod: String) -> Self {
        Coderd { pod: Some(pod), ..self }
    }

    /// The same, asked with a token.
    pub(crate) fn with(&self, token: Secret) -> Self {
        Coderd { place: self.place, token: Some(token), pod: self.pod.clone() }
    }

    /// Reads; `path` is below `/api/v2`.
    pub(crate) async fn get(&self, cx: &Cx, path: &str) -> Result<Value> {
        self.send(cx, Method::GET, path, None).await
    }

    /// Reads what may not be there.
    pub(crate) async fn look(&self, cx: &Cx, path: &str) -> Result<Option<Value>> {
        match self.get(cx, path).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes something.
    pub(crate) async fn post(&self, cx: &Cx, path: &str, body: &Value) -> Result<Value> {
        self.send(cx, Method::POST, path, Some(body)).await
    }

    /// Sets something.
    pub(crate) async fn put(&self, cx: &Cx, path: &str, body: &Value) -> Result<Value> {
        self.send(cx, Method::PUT, path, Some(body)).await
    }

    /// Takes something away; what is gone already is no error.
    pub(crate) async fn delete(&self, cx: &Cx, path: &str) -> Result<()> {
        match self.send(cx, Method::DELETE, path, None).await {
            Ok(_) => Ok(()),
            Err(error) if error.class == Class::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn send(
        &self,
        cx: &Cx,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let operation = format!("coderd:{method} {path}");
        if method != Method::GET && self.place.kube(cx)?.cluster().is_planning() {
            return Err(Error::local(format!("{operation} is not a read, and a plan only reads")));
        }
        // What sets a state, or takes one thing away, may be sent twice.
        let may_repeat = method != Method::POST;
        let started = cx.clock.now();
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0;
        let mut pod = self.pod.clone();
        loop {
            attempts += 1;
            if method != Method::GET {
                cx.check_fence()?;
            }
            let outcome = tokio::select! {
                outcome = self.attempt(cx, pod.take(), &method, path, body) => outcome,
                () = cx.clock.sleep(ATTEMPT) => {
                    let silent = Error::of(Class::Unavailable, "no answer in time");
                    Err(Broken::NoAnswer(silent))
                }
            };
            let (error, again) = match outcome {
                Ok(answer) => match judge(cx, &answer) {
                    Ok(value) => return Ok(value),
                    Err(error) => {
                        let throttled = answer.status() == http::StatusCode::TOO_MANY_REQUESTS;
                        let again = error.class == Class::Unavailable && (may_repeat || throttled);
                        (error, again)
                    }
                },
                Err(Broken::NotSent(error)) => {
                    let again = error.class == Class::Unavailable;
                    (error, again)
                }
                Err(Broken::NoAnswer(error)) if may_repeat => (error, true),
                Err(Broken::NoAnswer(error)) => (Error { class: Class::Ambiguous, ..error }, false),
            };
            let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
            if !again || elapsed >= PATIENCE {
                return Err(Error { operation: Some(operation), attempts, ..error });
            }
            cx.progress("waiting for Coder to answer");
            cx.pause(pause).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(
        &self,
        cx: &Cx,
        pod: Option<String>,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> std::result::Result<Response<Bytes>, Broken> {
        let pod = match pod {
            Some(pod) => Some(pod),
            None => forward::ready_pod(cx, self.place).await.map_err(Broken::NotSent)?,
        };
        let Some(pod) = pod else {
            let Place { namespace, deployment, .. } = self.place;
            let why = format!("no pod of Deployment {namespace}/{deployment} is ready");
            let error =
                Error::of(Class::Unavailable, why).hint(format!("kubectl -n {namespace} get pods"));
            return Err(Broken::NotSent(error));
        };
        let request = self.request(method, path, body).map_err(Broken::NotSent)?;
        forward::exchange(cx, self.place, &pod, request).await
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Request<Full<Bytes>>> {
        let unwritten =
            |why: String| Error::local(format!("a request to Coder can not be built: {why}"));
        let mut request = Request::builder()
            .method(method.clone())
            .uri(format!("/api/v2{path}"))
            .header("host", format!("localhost:{}", self.place.port))
            .header("accept", "application/json");
        if let Some(token) = &self.token {
            let mut token = HeaderValue::from_str(token.expose())
                .map_err(|_| unwritten("its token is no token".to_owned()))?;
            token.set_sensitive(true);
            request = request.header("Coder-Session-Token", token);
        }
        let mut bytes = Vec::new();
        if let Some(body) = body {
            request = request.header("content-type", "application/json");
            bytes = serde_json::to_vec(body).map_err(|error| unwritten(error.to_string()))?;
        }
        request.body(Full::new(Bytes::from(bytes))).map_err(|error| unwritten(error.to_string()))
    }
}

/// What an answer means.
fn judge(cx: &Cx, answer: &Response<Bytes>) -> Result<Value> {
    let status = answer.status();
    let body: Option<Value> = if answer.body().is_empty() {
        Some(Value::Null)
    } else {
        serde_json::from_slice(answer.body()).ok()
    };
    let class = match status.as_u16() {
        200..=299 => {
            return body.ok_or_else(|| Error::of(Class::Refused, "an answer that is not Coder's"));
        }
        401 | 403 => Class::Denied,
        // What was deleted is told apart from what never was; neither is there.
        404 | 410 => Class::NotFound,
        409 => Class::Exists,
        429 | 500.. => Class::Unavailable,
        _ => Class::Refused,
    };
    let text = body.map_or_else(|| status.to_string(), |body| said(&body));
    Err(Error {
        code: Some(status.as_u16().to_string()),
        ..Error::of(class, cx.masks.clean(&text))
    })
}

/// What Coder says of an error: `message`, `detail`, and what is wrong with each field.
fn said(body: &Value) -> String {
    let mut parts: Vec<String> = ["message", "detail"]
        .iter()
        .filter_map(|field| body[*field].as_str())
        .filter(|text| !text.is_empty())
        .map(|text| text.trim_end_matches('.').to_owned())
        .collect();
    for wrong in body["validations"].as_array().into_iter().flatten() {
        let text = |field: &str| wrong[field].as_str().unwrap_or_default().to_owned();
        parts.push(format!("{}: {}", text("field"), text("detail")));
    }
    if parts.is_empty() { "no reason given".to_owned() } else { parts.join("; ") }
}
