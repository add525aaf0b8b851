//! The resource types that the API serves: a table of Kubernetes' own, and what custom resource
//! definitions add.

use super::status::Named;
use super::store::Store;
use serde_json::{Value, json};

/// One resource type in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// Empty for the core group.
    pub(super) group: String,
    /// `v1`.
    pub(super) version: String,
    /// `configmaps`.
    pub(super) plural: String,
    /// `ConfigMap`.
    pub(super) kind: String,
    /// Whether its objects live in a namespace.
    pub(super) namespaced: bool,
    /// Whether it has a `status` subresource.
    pub(super) status: bool,
    /// What kubectl also calls it.
    pub(super) short: Vec<String>,
    /// Whether it is built into Kubernetes.
    pub(super) builtin: bool,
}

impl Resource {
    /// `configmaps`, `deployments.apps`: what its objects are stored under.
    pub(super) fn id(&self) -> String {
        match self.group.as_str() {
            "" => self.plural.clone(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// `v1`, `apps/v1`.
    pub(super) fn api_version(&self) -> String {
        group_version(&self.group, &self.version)
    }

    /// How messages name one of its objects.
    pub(super) fn named<'a>(&'a self, name: &'a str) -> Named<'a> {
        Named { group: &self.group, plural: &self.plural, name }
    }
}

/// `v1` for the core group, `apps/v1` for others.
pub(super) fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Group, version, plural, kind, namespaced, has status, short names.
type Row =
    (&'static str, &'static str, &'static str, &'static str, bool, bool, &'static [&'static str]);

/// Sorted by group, the core group first.
const BUILTIN: &[Row] = &[
    ("", "v1", "configmaps", "ConfigMap", true, false, &["cm"]),
    ("", "v1", "endpoints", "Endpoints", true, false, &["ep"]),
    ("", "v1", "events", "Event", true, false, &["ev"]),
    ("", "v1", "limitranges", "LimitRange", true, false, &["limits"]),
    ("", "v1", "namespaces", "Namespace", false, true, &["ns"]),
    ("", "v1", "nodes", "Node", false, true, &["no"]),
    ("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", true, true, &["pvc"]),
    ("", "v1", "persistentvolumes", "PersistentVolume", false, true, &["pv"]),
    ("", "v1", "pods", "Pod", true, true, &["po"]),
    ("", "v1", "resourcequotas", "ResourceQuota", true, true, &["quota"]),
    ("", "v1", "secrets", "Secret", true, false, &[]),
    ("", "v1", "serviceaccounts", "ServiceAccount", true, false, &["sa"]),
    ("", "v1", "services", "Service", true, true, &["svc"]),
    (
        "admissionregistration.k8s.io",
        "v1",
        "mutatingwebhookconfigurations",
        "MutatingWebhookConfiguration",
        false,
        false,
        &[],
    ),
    (
        "admissionregistration.k8s.io",
        "v1",
        "validatingwebhookconfigurations",
        "ValidatingWebhookConfiguration",
        false,
        false,
        &[],
    ),
    (
        "apiextensions.k8s.io",
        "v1",
        "customresourcedefinitions",
        "CustomResourceDefinition",
        false,
        true,
        &["crd", "crds"],
    ),
    ("apiregistration.k8s.io", "v1", "apiservices", "APIService", false, true, &[]),
    ("apps", "v1", "daemonsets", "DaemonSet", true, true, &["ds"]),
    ("apps", "v1", "deployments", "Deployment", true, true, &["deploy"]),
    ("apps", "v1", "replicasets", "ReplicaSet", true, true, &["rs"]),
    ("apps", "v1", "statefulsets", "StatefulSet", true, true, &["sts"]),
    (
        "autoscaling",
        "v2",
        "horizontalpodautoscalers",
        "HorizontalPodAutoscaler",
        true,
        true,
        &["hpa"],
    ),
    ("batch", "v1", "cronjobs", "CronJob", true, true, &["cj"]),
    ("batch", "v1", "jobs", "Job", true, true, &[]),
    ("coordination.k8s.io", "v1", "leases", "Lease", true, false, &[]),
    ("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true, false, &[]),
    ("networking.k8s.io", "v1", "ingressclasses", "IngressClass", false, false, &[]),
    ("networking.k8s.io", "v1", "ingresses", "Ingress", true, true, &["ing"]),
    ("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true, false, &["netpol"]),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", true, true, &["pdb"]),
    (
        "rbac.authorization.k8s.io",
        "v1",
        "clusterrolebindings",
        "ClusterRoleBinding",
        false,
        false,
        &[],
    ),
    ("rbac.authorization.k8s.io", "v1", "clusterroles", "ClusterRole", false, false, &[]),
    ("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding", true, false, &[]),
    ("rbac.authorization.k8s.io", "v1", "roles", "Role", true, false, &[]),
    ("scheduling.k8s.io", "v1", "priorityclasses", "PriorityClass", false, false, &["pc"]),
    ("storage.k8s.io", "v1", "csidrivers", "CSIDriver", false, false, &[]),
    ("storage.k8s.io", "v1", "storageclasses", "StorageClass", false, false, &["sc"]),
];

/// Every type that is served now, the built-in ones first.
pub(super) fn served(store: &Store) -> Vec<Resource> {
    let builtin =
        BUILTIN.iter().map(|&(group, version, plural, kind, namespaced, status, short)| Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced,
            status,
            short: short.iter().map(|&name| name.to_owned()).collect(),
            builtin: true,
        });
    let custom = store.of("customresourcedefinitions.apiextensions.k8s.io").flat_map(defined);
    builtin.chain(custom).collect()
}

/// The type at this place, if it is served.
pub(super) fn find(store: &Store, group: &str, version: &str, plural: &str) -> Option<Resource> {
    served(store)
        .into_iter()
        .find(|r| r.group == group && r.version == version && r.plural == plural)
}

/// What one custom resource definition adds: a type for each version that it serves.
fn defined(definition: &Value) -> Vec<Resource> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = spec["versions"].as_array().into_iter().flatten();
    versions
        .filter(|version| version["served"] != json!(false))
        .map(|version| Resource {
            group: text(&spec["group"]),
            version: text(&version["name"]),
            plural: text(&spec["names"]["plural"]),
            kind: text(&spec["names"]["kind"]),
            namespaced: spec["scope"] == json!("Namespaced"),
            status: version["subresources"]["status"].is_object(),
            short: spec["names"]["shortNames"].as_array().into_iter().flatten().map(text).collect(),
            builtin: false,
        })
        .collect()
}
