//! `Status` objects: how the Kubernetes API says no.

use serde_json::{Value, json};

/// A refusal, in the form of `meta/v1.Status`.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) code: u16,
    pub(super) reason: String,
    message: String,
    details: Option<Box<Value>>,
}

/// The answer of a verb: what to send, or why not.
pub(super) type Answer<T> = Result<T, Refusal>;

/// A thing that a message names: `configmaps "x"`, or `deployments.apps "x"`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'a> {
    /// The API group; empty for the core group.
    pub(super) group: &'a str,
    /// `configmaps`.
    pub(super) plural: &'a str,
    /// The object's name.
    pub(super) name: &'a str,
}

impl Named<'_> {
    fn text(self) -> String {
        format!("{} {:?}", self.resource(), self.name)
    }

    fn resource(self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    fn details(self) -> Value {
        match self.group {
            "" => json!({"name": self.name, "kind": self.plural}),
            group => json!({"name": self.name, "group": group, "kind": self.plural}),
        }
    }
}

impl Refusal {
    /// A refusal with the given status, reason and message.
    pub(super) fn new(code: u16, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Refusal { code, reason: reason.into(), message: message.into(), details: None }
    }

    fn about(code: u16, reason: &str, named: Named<'_>, message: String) -> Self {
        Refusal {
            code,
            reason: reason.to_owned(),
            message,
            details: Some(Box::new(named.details())),
        }
    }

    /// 404: the object is not there.
    pub(super) fn not_found(named: Named<'_>) -> Self {
        Self::about(404, "NotFound", named, format!("{} not found", named.text()))
    }

    /// 404: no such path.
    pub(super) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// 409: there is one already.
    pub(super) fn already_exists(named: Named<'_>, because: &str) -> Self {
        Self::about(
            409,
            "AlreadyExists",
            named,
            format!("{because}{} already exists", named.text()),
        )
    }

    /// 409: the object is not what the request takes it for.
    pub(super) fn conflict(named: Named<'_>, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {}: {why}", named.text());
        Self::about(409, "Conflict", named, message)
    }

    /// 409: other managers own fields of the apply. `causes` pairs the manager's words with a path.
    pub(super) fn apply_conflict(message: String, causes: &[(String, String)]) -> Self {
        let causes: Vec<Value> = causes
            .iter()
            .map(|(message, field)| {
                json!({"reason": "FieldManagerConflict", "message": message, "field": field})
            })
            .collect();
        let details = Some(Box::new(json!({ "causes": causes })));
        Refusal { code: 409, reason: "Conflict".to_owned(), message, details }
    }

    /// 403: not allowed.
    pub(super) fn forbidden(named: Named<'_>, why: &str) -> Self {
        Self::about(403, "Forbidden", named, format!("{} is forbidden: {why}", named.text()))
    }

    /// 403: the namespace is on its way out.
    pub(super) fn terminating(named: Named<'_>, namespace: &str) -> Self {
        let why = format!(
            "unable to create new content in namespace {namespace} because it is being terminated"
        );
        let mut refusal = Self::forbidden(named, &why);
        if let Some(details) = &mut refusal.details {
            details["causes"] = json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }]);
        }
        refusal
    }

    /// 422: the object is not valid. `kind` is the Kubernetes kind, `Secret`.
    pub(super) fn invalid(kind: &str, named: Named<'_>, field: &str, why: &str) -> Self {
        let object = match named.group {
            "" => format!("{kind} {:?}", named.name),
            group => format!("{kind}.{group} {:?}", named.name),
        };
        let mut details = named.details();
        details["kind"] = kind.into();
        details["causes"] =
            json!([{"reason": "FieldValueInvalid", "message": why, "field": field}]);
        Refusal {
            code: 422,
            reason: "Invalid".to_owned(),
            message: format!("{object} is invalid: {field}: {why}"),
            details: Some(Box::new(details)),
        }
    }

    /// 400: the request makes no sense.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// 401: no bearer token, or another.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// 410: a list or watch from a version that is no longer known.
    pub(super) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// 429: come back later.
    pub(super) fn too_many_requests() -> Self {
        let mut refusal = Self::new(
            429,
            "TooManyRequests",
            "the server has received too many requests and has asked us to try again later",
        );
        refusal.details = Some(Box::new(json!({"retryAfterSeconds": 1})));
        refusal
    }

    /// The object on the wire.
    pub(super) fn to_wire(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        });
        if let Some(details) = &self.details {
            status["details"] = Value::clone(details);
        }
        status
    }
}

/// The `Status` that answers a delete which is done.
pub(super) fn deleted(named: Named<'_>, uid: &str) -> Value {
    let mut details = named.details();
    details["uid"] = uid.into();
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    })
}
