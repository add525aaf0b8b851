//! Who asks, and what for: what EKS's access policies let a caller do, and how the API says no.
//!
//! Roles and bindings that are in the cluster are not weighed.
//! <https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html>

use super::protobuf;
use super::request::{Asked, Path};
use super::status::Refusal;
use http::Method;
use serde_json::{Value, json};

/// Somebody whom a cluster knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name in the cluster.
    pub name: String,
    /// The groups in the cluster.
    pub groups: Vec<String>,
    /// What the caller may do.
    pub grants: Vec<Grant>,
}

/// An access policy, and where it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The policy's name, `AmazonEKSViewPolicy`.
    pub policy: String,
    /// The namespaces; none means the whole cluster.
    pub namespaces: Vec<String>,
}

/// What somebody wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Act {
    verb: String,
    group: String,
    /// With its part: `pods/log`.
    resource: String,
    namespace: String,
    name: String,
}

impl Grant {
    fn allows(&self, act: &Act) -> bool {
        let policy = self.policy.trim_start_matches("AmazonEKS").trim_end_matches("Policy");
        let within = self.namespaces.is_empty() || self.namespaces.contains(&act.namespace);
        let reads = matches!(act.verb.as_str(), "get" | "list" | "watch");
        let resource = act.resource.split('/').next().unwrap_or_default();
        let is_rbac = act.group == "rbac.authorization.k8s.io";
        let of_cluster = act.namespace.is_empty() && !self.namespaces.is_empty();
        within
            && !of_cluster
            && match policy {
                "ClusterAdmin" => true,
                "AdminView" => reads,
                "Admin" => !act.namespace.is_empty(),
                "Edit" => !act.namespace.is_empty() && !is_rbac,
                "View" => reads && !act.namespace.is_empty() && !is_rbac && resource != "secrets",
                "SecretReader" => reads && resource == "secrets",
                _ => false,
            }
    }
}

impl Caller {
    fn may(&self, act: &Act) -> bool {
        self.groups.iter().any(|group| group == "system:masters")
            || self.grants.iter().any(|grant| grant.allows(act))
    }

    /// Why a request is refused, if it is. What the API says about itself is open to everybody
    /// whom it knows.
    pub(super) fn refused(&self, asked: &Asked) -> Option<Refusal> {
        let act = act_of(asked)?;
        (!self.may(&act)).then(|| self.forbidden(&act))
    }

    fn forbidden(&self, act: &Act) -> Refusal {
        let Act { verb, group, resource, namespace, name } = act;
        let place = match namespace.as_str() {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let object = if name.is_empty() { String::new() } else { format!(" {name:?}") };
        let plural = resource.split('/').next().unwrap_or_default();
        let kind = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
        let message = format!(
            "{kind}{object} is forbidden: User {:?} cannot {verb} resource {resource:?} in API group {group:?} {place}",
            self.name
        );
        Refusal::new(403, "Forbidden", message)
    }

    /// What the API answers to a question about the caller: `kubectl auth can-i`, `whoami`.
    pub(super) fn review(&self, asked: &Asked) -> Option<Value> {
        let Path::Resource(place) = &asked.path else { return None };
        if asked.method != Method::POST {
            return None;
        }
        match (place.group.as_str(), place.plural.as_str()) {
            ("authorization.k8s.io", "selfsubjectaccessreviews") => {
                let wanted = wanted(&asked.body)?;
                // Paths that are no resources are what the API says about itself.
                let allowed = wanted.is_none_or(|act| self.may(&act));
                Some(json!({
                    "kind": "SelfSubjectAccessReview",
                    "apiVersion": format!("authorization.k8s.io/{}", place.version),
                    "metadata": {},
                    "spec": {},
                    "status": {"allowed": allowed},
                }))
            }
            ("authentication.k8s.io", "selfsubjectreviews") => {
                let mut groups = self.groups.clone();
                groups.push("system:authenticated".to_owned());
                Some(json!({
                    "kind": "SelfSubjectReview",
                    "apiVersion": format!("authentication.k8s.io/{}", place.version),
                    "metadata": {},
                    "status": {"userInfo": {"username": self.name, "groups": groups}},
                }))
            }
            _ => None,
        }
    }
}

/// What a `SelfSubjectAccessReview` asks about: nothing in it where that is no resource, `None` where
/// it is none.
fn wanted(body: &[u8]) -> Option<Option<Act>> {
    /// The fields of `ResourceAttributes` by their numbers in protobuf.
    const FIELDS: [(u64, &str); 6] = [
        (1, "namespace"),
        (2, "verb"),
        (3, "group"),
        (5, "resource"),
        (6, "subresource"),
        (7, "name"),
    ];
    let texts: Option<[String; 6]> = match protobuf::object(body) {
        Some(review) => {
            let spec = protobuf::field(review, 2).unwrap_or_default();
            let attributes = protobuf::field(spec, 1);
            attributes.map(|of| FIELDS.map(|(number, _)| protobuf::text(of, number)))
        }
        None => {
            let review: Value = serde_json::from_slice(body).ok()?;
            let attributes = review["spec"]["resourceAttributes"].as_object();
            let text =
                |of: Option<&Value>| of.and_then(Value::as_str).unwrap_or_default().to_owned();
            attributes.map(|of| FIELDS.map(|(_, name)| text(of.get(name))))
        }
    };
    Some(texts.map(|[namespace, verb, group, resource, part, name]| {
        let resource = if part.is_empty() { resource } else { format!("{resource}/{part}") };
        Act { verb, group, resource, namespace, name }
    }))
}

/// What a request wants to do to a resource.
fn act_of(asked: &Asked) -> Option<Act> {
    let Path::Resource(place) = &asked.path else { return None };
    let operation = asked.operation();
    let (verb, resource) = operation.split_once(' ')?;
    // A namespace itself counts as one of the objects in it.
    let own = (place.plural == "namespaces").then(|| place.name.clone()).flatten();
    Some(Act {
        verb: verb.to_owned(),
        group: place.group.clone(),
        resource: resource.to_owned(),
        namespace: place.namespace.clone().or(own).unwrap_or_default(),
        name: place.name.clone().unwrap_or_default(),
    })
}
