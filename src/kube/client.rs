//! The one place where a call to a cluster is made, guarded, retried and judged.
//!
//! Every call that is made here may be repeated: reads, deletes of one uid, and server-side apply,
//! which sets a state.

use super::connection::{Cluster, NotARead, NotSigned};
use super::transport::ClusterTransport;
use crate::aws::eks::access::Access;
use crate::kind::{Class, Cx, Error, Result};
use http::{Method, Request};
use kube::core::Status;
use serde_json::Value;
use std::time::Duration;

/// The field manager that owns what coderctl applies.
pub const MANAGER: &str = "coderctl";

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How long a cluster that throttles or fails is asked again.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(60);
/// How long a cluster that can not be reached is asked again.
const UNREACHABLE_FOR: Duration = Duration::from_secs(15);
/// How long one that takes calls and does not answer them is asked again: twice in all.
const SILENT_FOR: Duration = Duration::from_secs(45);
/// How long a cluster that has just come up may turn us away.
const SPREADS_WITHIN: Duration = Duration::from_secs(180);
const FIRST_PAUSE: Duration = Duration::from_millis(400);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    /// `/api/v1/namespaces/coder/configmaps/settings`.
    pub(crate) path: String,
    pub(crate) query: Vec<(&'static str, String)>,
    pub(crate) body: Option<(&'static str, Value)>,
    /// Whether only the metadata is asked for, so that no value is sent at all.
    pub(crate) metadata_only: bool,
    /// `patch configmaps`.
    pub(crate) operation: String,
}

impl Call {
    pub(crate) fn get(path: String, plural: &str, metadata_only: bool) -> Call {
        let operation = format!("get {plural}");
        Call { method: Method::GET, path, query: Vec::new(), body: None, metadata_only, operation }
    }

    fn request(&self) -> Result<Request<Vec<u8>>> {
        let mut uri = self.path.clone();
        if !self.query.is_empty() {
            let mut query = form_urlencoded::Serializer::new(String::new());
            for (name, value) in &self.query {
                query.append_pair(name, value);
            }
            uri.push('?');
            uri.push_str(&query.finish());
        }
        // https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches
        let accept = match (self.metadata_only, self.query.iter().any(|(name, _)| *name == "limit"))
        {
            (false, _) => "application/json",
            (true, false) => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
            (true, true) => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        };
        let mut request =
            Request::builder().method(self.method.clone()).uri(uri).header("accept", accept);
        let mut bytes = Vec::new();
        if let Some((content_type, body)) = &self.body {
            request = request.header("content-type", *content_type);
            bytes = serde_json::to_vec(body).map_err(|error| Error::local(error.to_string()))?;
        }
        request.body(bytes).map_err(|error| {
            Error::local(format!("a request to the cluster can not be built: {error}"))
        })
    }
}

/// Another field manager that stands in the way of an apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conflict {
    /// `data.colour`.
    pub(crate) field: String,
    /// `conflict with "kubectl-edit" using v1`.
    pub(crate) with: String,
}

/// How a server-side apply went.
#[derive(Debug)]
pub(crate) enum Applied {
    /// This is the object now.
    Done(Value),
    /// Others own fields that it would change.
    Conflicts(Vec<Conflict>),
}

/// A cluster's API, as one context uses it.
#[derive(Clone, Debug)]
pub(crate) struct Kube(Cluster);

impl Kube {
    /// The cluster that the user names, else the one behind `access`.
    ///
    /// # Errors
    /// When there is neither.
    pub(crate) fn of(cx: &Cx, access: Option<&Access>) -> Result<Kube> {
        if let Some(cluster) = cx.connector::<Cluster>() {
            return Ok(Kube(Cluster::clone(&cluster)));
        }
        let access = access.ok_or_else(no_cluster)?;
        let transport = cx
            .connector::<ClusterTransport>()
            .ok_or_else(|| Error::local("there is no connection to clusters"))?;
        Ok(Kube(transport.cluster(cx, access)?))
    }

    /// The connection.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0
    }
}

/// What is said where objects are wanted and no cluster was given.
pub(super) fn no_cluster() -> Error {
    Error::local("no cluster: pass --kubeconfig")
        .hint("coderctl ... --kubeconfig FILE, with a context that reaches the cluster")
}

impl Kube {
    /// Sends a call, again where that may help.
    pub(crate) async fn send(&self, cx: &Cx, call: &Call) -> Result<Value> {
        let text = self.text(cx, call).await?;
        parsed(cx, call, &text)
    }

    /// The same, where the answer is a text: lines of a log.
    pub(crate) async fn text(&self, cx: &Cx, call: &Call) -> Result<String> {
        self.try_send(cx, call).await.map_err(|failed| failed.error)
    }

    /// The same, for an object that may not be there.
    pub(crate) async fn look(&self, cx: &Cx, call: &Call) -> Result<Option<Value>> {
        match self.send(cx, call).await {
            Ok(object) => Ok(Some(object)),
            Err(error) if error.class == Class::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All items of a list, page by page.
    pub(crate) async fn list(&self, cx: &Cx, call: &Call) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        let mut token = String::new();
        loop {
            let mut call = call.clone();
            call.query.push(("limit", "500".to_owned()));
            if !token.is_empty() {
                call.query.push(("continue", token.clone()));
            }
            let mut page = self.send(cx, &call).await?;
            match page.get_mut("items").map(Value::take) {
                Some(Value::Array(items)) => objects.extend(items),
                _ => {
                    return Err(Error::local(format!("{}: a list without items", call.operation)));
                }
            }
            token = page["metadata"]["continue"].as_str().unwrap_or_default().to_owned();
            if token.is_empty() {
                return Ok(objects);
            }
        }
    }

    /// Server-side apply.
    pub(crate) async fn apply(&self, cx: &Cx, call: &Call) -> Result<Applied> {
        match self.try_send(cx, call).await {
            Ok(text) => Ok(Applied::Done(parsed(cx, call, &text)?)),
            Err(Failed { error, status: Some(status) }) if status.code == 409 => {
                let causes = status.details.map(|details| details.causes).unwrap_or_default();
                let conflicts: Vec<Conflict> = causes
                    .into_iter()
                    .filter(|cause| cause.reason == "FieldManagerConflict")
                    .map(|cause| Conflict {
                        field: cause.field.trim_start_matches('.').to_owned(),
                        with: cause.message,
                    })
                    .collect();
                if conflicts.is_empty() { Err(error) } else { Ok(Applied::Conflicts(conflicts)) }
            }
            Err(Failed { error, .. }) => Err(error),
        }
    }

    async fn try_send(&self, cx: &Cx, call: &Call) -> std::result::Result<String, Failed> {
        let client = self.0.client();
        let started = cx.clock.now();
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0;
        loop {
            attempts += 1;
            if call.method != Method::GET {
                cx.check_fence()?;
            }
            let outcome = tokio::select! {
                outcome = client.request_text(call.request()?) => outcome.map_err(Some),
                () = cx.clock.sleep(ATTEMPT) => Err(None),
            };
            let (failed, budget) = match outcome {
                Ok(text) => return Ok(text),
                Err(error) => judge(cx, call, attempts, error),
            };
            let budget = budget.max(self.patience(cx, &failed.error).await);
            tracing::debug!(operation = call.operation, attempts, "call to the cluster failed");
            let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
            if elapsed >= budget {
                return Err(failed);
            }
            cx.progress("waiting for the cluster to answer");
            cx.pause(pause).await?;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Kube {
    /// How long a cluster of ours is asked again that may have come up a moment ago: its name, and
    /// who may use it, take a while to spread. While planning nothing is new.
    async fn patience(&self, cx: &Cx, error: &Error) -> Duration {
        let Some(tokens) = self.0.tokens() else { return Duration::ZERO };
        if error.is_code("Unauthorized") {
            tokens.forget().await;
        }
        match error.class {
            Class::Denied | Class::Unavailable if cx.step().is_ok() => SPREADS_WITHIN,
            _ => Duration::ZERO,
        }
    }
}

fn parsed(cx: &Cx, call: &Call, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error {
        operation: Some(format!("kubernetes:{}", call.operation)),
        ..Error::of(
            Class::Refused,
            cx.masks.clean(&format!("an answer that is not Kubernetes's: {error}")),
        )
    })
}

/// A failure, with the cluster's own answer if it gave one.
struct Failed {
    error: Error,
    status: Option<Status>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed { error, status: None }
    }
}

/// What a failure means, and how long the call is sent again. `None` is no answer in time.
fn judge(cx: &Cx, call: &Call, attempts: u32, error: Option<kube::Error>) -> (Failed, Duration) {
    let failed =
        |class, code: Option<String>, message: &str, hint: Option<String>, status| Failed {
            error: Error {
                class,
                operation: Some(format!("kubernetes:{}", call.operation)),
                code,
                message: cx.masks.clean(message),
                hint,
                request_id: None,
                attempts,
            },
            status,
        };
    match error {
        None => (failed(Class::Unavailable, None, "no answer in time", None, None), SILENT_FOR),
        Some(kube::Error::Api(status)) => {
            let (class, budget, hint) = match status.code {
                401 => (
                    Class::Denied,
                    Duration::ZERO,
                    Some(
                        "the cluster does not take the credentials: those of the kubeconfig, or \
                         an access entry, must let them in"
                            .to_owned(),
                    ),
                ),
                403 => (
                    Class::Denied,
                    Duration::ZERO,
                    Some(format!("a role in the cluster must allow: {}", call.operation)),
                ),
                404 => (Class::NotFound, Duration::ZERO, None),
                409 if status.reason == "AlreadyExists" => (Class::Exists, Duration::ZERO, None),
                429 | 500.. => (Class::Unavailable, UNAVAILABLE_FOR, None),
                _ => (Class::Refused, Duration::ZERO, None),
            };
            let code = Some(status.reason.clone()).filter(|reason| !reason.is_empty());
            let message = status.message.clone();
            (failed(class, code, &message, hint, Some(*status)), budget)
        }
        Some(kube::Error::Auth(error)) => {
            let hint = Some("check the kubeconfig: kubectl get namespaces".to_owned());
            (failed(Class::Denied, None, &chain(&error), hint, None), Duration::ZERO)
        }
        Some(error) => {
            let text = chain(&error);
            if text.contains(&NotARead.to_string()) {
                return (failed(Class::Local, None, &text, None, None), Duration::ZERO);
            }
            if let kube::Error::Service(inner) = &error
                && inner.is::<NotSigned>()
            {
                let hint = Some("aws sts get-caller-identity".to_owned());
                return (failed(Class::Denied, None, &text, hint, None), Duration::ZERO);
            }
            match error {
                kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) => {
                    let text = format!("an answer that is not Kubernetes's: {text}");
                    (failed(Class::Refused, None, &text, None, None), Duration::ZERO)
                }
                _ => {
                    let hint = Some("check the endpoint: kubectl get namespaces".to_owned());
                    (failed(Class::Unavailable, None, &text, hint, None), UNREACHABLE_FOR)
                }
            }
        }
    }
}

/// The whole chain of causes in one line, each said once.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        next = error.source();
    }
    text
}
