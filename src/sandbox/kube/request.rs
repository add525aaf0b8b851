//! What a request asks for: its path, its query, its body.

use super::status::{Answer, Refusal};
use http::{Method, Request};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::BTreeMap;

/// A path of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// `/version`.
    Version,
    /// `/healthz`, `/livez`, `/readyz`.
    Health,
    /// `/openapi/v3`.
    OpenApi,
    /// `/openapi/v3/api/v1`, `/openapi/v3/apis/{group}/{version}`.
    OpenApiOf {
        /// Empty for the core group.
        group: String,
        /// `v1`.
        version: String,
    },
    /// `/api`.
    Core,
    /// `/apis`.
    Groups,
    /// `/apis/{group}`.
    Group(String),
    /// `/api/v1`, `/apis/{group}/{version}`.
    GroupVersion {
        /// Empty for the core group.
        group: String,
        /// `v1`.
        version: String,
    },
    /// A collection, an object, or a part of one.
    Resource(Place),
}

/// Where a resource request points.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// Empty for the core group.
    pub(super) group: String,
    /// `v1`.
    pub(super) version: String,
    /// `configmaps`.
    pub(super) plural: String,
    /// From the path; `None` means all namespaces, or a type without.
    pub(super) namespace: Option<String>,
    /// `None` for a collection.
    pub(super) name: Option<String>,
    /// `status`.
    pub(super) subresource: Option<String>,
}

/// A request, taken apart.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: Path,
    query: BTreeMap<String, String>,
    /// The media type of the body, without parameters.
    pub(super) content_type: String,
    /// The part of `User-Agent` before the first `/`.
    pub(super) agent: String,
    /// The bearer token.
    pub(super) token: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// Takes `request` apart.
    pub(super) fn read(request: Request<bytes::Bytes>) -> Answer<Asked> {
        let (parts, body) = request.into_parts();
        let header = |name: &str| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
        };
        let query = parts.uri.query().unwrap_or_default();
        Ok(Asked {
            path: path(parts.uri.path())?,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            content_type: header("content-type")
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .into(),
            agent: header("user-agent").split('/').next().unwrap_or_default().to_owned(),
            token: header("authorization")
                .strip_prefix("Bearer ")
                .map(|text| text.trim().to_owned()),
            method: parts.method,
            body: body.to_vec(),
        })
    }

    /// A query parameter; empty when absent.
    pub(super) fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Whether a boolean query parameter is set.
    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.query(name), "true" | "1")
    }

    /// Whether a collection is to be watched.
    pub(super) fn watches(&self) -> bool {
        self.method == Method::GET && self.flag("watch")
    }

    /// Whether nothing may be stored.
    pub(super) fn dry_run(&self) -> bool {
        let asked = match self.method {
            // A delete has its options in the body.
            Method::DELETE => self.delete_option("/dryRun"),
            _ => Some(self.query("dryRun").to_owned()),
        };
        asked.is_some_and(|asked| asked == "All")
    }

    /// The verb as RBAC names it, with the resource: `patch configmaps`.
    pub(super) fn operation(&self) -> String {
        let Path::Resource(place) = &self.path else { return "get discovery".to_owned() };
        let verb = match (&self.method, place.name.is_some()) {
            (_, false) if self.watches() => "watch",
            (&Method::GET, true) => "get",
            (&Method::GET, false) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, true) => "delete",
            (&Method::DELETE, false) => "deletecollection",
            _ => "unknown",
        };
        match &place.subresource {
            Some(part) => format!("{verb} {}/{part}", place.plural),
            None => format!("{verb} {}", place.plural),
        }
    }

    /// Whether the request may change what is stored.
    pub(super) fn mutates(&self) -> bool {
        self.method != Method::GET && !self.dry_run()
    }

    /// The body as an object. JSON is YAML, so the YAML reader of an apply reads both.
    pub(super) fn object(&self) -> Answer<Value> {
        if self.content_type.contains("protobuf") || self.content_type.contains("cbor") {
            return Err(Refusal::new(
                415,
                "UnsupportedMediaType",
                format!(
                    "the body of the request was in an unknown format - accepted media types \
                     include: application/json, application/yaml (got {})",
                    self.content_type
                ),
            ));
        }
        let yaml = self.content_type.contains("yaml");
        let text = std::str::from_utf8(&self.body).ok();
        let read = match text {
            None => None,
            Some(text) => match serde_json::from_str::<Value>(text) {
                Ok(value) => Some(value),
                Err(_) if yaml => serde_saphyr::from_str::<Value>(text).ok(),
                Err(_) => None,
            },
        };
        match read {
            Some(value) if value.is_object() => Ok(value),
            _ => Err(Refusal::bad_request("the body of the request is not an object")),
        }
    }

    /// An option of a delete: from the body, else from the query.
    pub(super) fn delete_option(&self, pointer: &str) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or(Value::Null);
        let name = pointer.rsplit('/').next().unwrap_or_default();
        match body.pointer(pointer) {
            Some(Value::String(text)) => Some(text.clone()),
            Some(Value::Array(items)) => items.first().and_then(Value::as_str).map(str::to_owned),
            _ => self.query.get(name).cloned(),
        }
    }
}

fn path(text: &str) -> Answer<Path> {
    let decoded: Vec<String> = text
        .split('/')
        .filter(|part| !part.is_empty())
        .map(|part| percent_decode_str(part).decode_utf8_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = decoded.iter().map(String::as_str).collect();
    let (group, version, rest) = match parts.as_slice() {
        ["version"] => return Ok(Path::Version),
        ["healthz" | "livez" | "readyz", ..] => return Ok(Path::Health),
        ["openapi", "v3"] => return Ok(Path::OpenApi),
        ["openapi", "v3", "api", version] => {
            return Ok(Path::OpenApiOf { group: String::new(), version: (*version).to_owned() });
        }
        ["openapi", "v3", "apis", group, version] => {
            return Ok(Path::OpenApiOf {
                group: (*group).to_owned(),
                version: (*version).to_owned(),
            });
        }
        ["api"] => return Ok(Path::Core),
        ["apis"] => return Ok(Path::Groups),
        ["apis", group] => return Ok(Path::Group((*group).to_owned())),
        ["api", version, rest @ ..] => ("", *version, rest),
        ["apis", group, version, rest @ ..] => (*group, *version, rest),
        _ => return Err(Refusal::no_such_path()),
    };
    let (namespace, rest) = match rest {
        [] => {
            return Ok(Path::GroupVersion { group: group.to_owned(), version: version.to_owned() });
        }
        // `namespaces/{name}/status` and `/finalize` are parts of the namespace itself.
        ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, plural, below @ ..] => {
            let mut own = vec![*plural];
            own.extend(below);
            return place(group, version, Some(namespace), &own);
        }
        _ => (None, rest),
    };
    place(group, version, namespace, rest)
}

fn place(group: &str, version: &str, namespace: Option<&str>, rest: &[&str]) -> Answer<Path> {
    let (plural, name, subresource) = match rest {
        [plural] => (plural, None, None),
        [plural, name] => (plural, Some(*name), None),
        [plural, name, part] => (plural, Some(*name), Some(*part)),
        _ => return Err(Refusal::no_such_path()),
    };
    Ok(Path::Resource(Place {
        group: group.to_owned(),
        version: version.to_owned(),
        plural: (*plural).to_owned(),
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        subresource: subresource.map(str::to_owned),
    }))
}
