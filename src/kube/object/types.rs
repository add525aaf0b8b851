//! The types of objects that are managed.

use serde::Serialize;
use std::fmt;

/// A type of object, in the one version that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Type {
    /// A Namespace.
    Namespace,
    /// A StorageClass.
    StorageClass,
    /// A ClusterRole.
    ClusterRole,
    /// A ClusterRoleBinding.
    ClusterRoleBinding,
    /// A ServiceAccount.
    ServiceAccount,
    /// A Role.
    Role,
    /// A RoleBinding.
    RoleBinding,
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
    /// A NetworkPolicy.
    NetworkPolicy,
    /// A PodDisruptionBudget.
    PodDisruptionBudget,
    /// A Service.
    Service,
    /// A Deployment.
    Deployment,
}

/// What is known of a type.
struct Row {
    kind: &'static str,
    plural: &'static str,
    /// Empty for the core group.
    group: &'static str,
    is_namespaced: bool,
    /// The fields that a live object keeps for good, each with all below it.
    fixed: &'static [&'static str],
}

impl Type {
    /// Every type.
    pub const ALL: [Type; 13] = [
        Type::Namespace,
        Type::StorageClass,
        Type::ClusterRole,
        Type::ClusterRoleBinding,
        Type::ServiceAccount,
        Type::Role,
        Type::RoleBinding,
        Type::ConfigMap,
        Type::Secret,
        Type::NetworkPolicy,
        Type::PodDisruptionBudget,
        Type::Service,
        Type::Deployment,
    ];

    fn row(self) -> Row {
        let core = Row { kind: "", plural: "", group: "", is_namespaced: true, fixed: &[] };
        let rbac = Row { group: "rbac.authorization.k8s.io", ..core };
        match self {
            Type::Namespace => {
                Row { kind: "Namespace", plural: "namespaces", is_namespaced: false, ..core }
            }
            // https://kubernetes.io/docs/concepts/storage/storage-classes/
            Type::StorageClass => Row {
                kind: "StorageClass",
                plural: "storageclasses",
                group: "storage.k8s.io",
                is_namespaced: false,
                fixed: &["provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"],
            },
            Type::ClusterRole => {
                Row { kind: "ClusterRole", plural: "clusterroles", is_namespaced: false, ..rbac }
            }
            // https://kubernetes.io/docs/reference/access-authn-authz/rbac/#clusterrolebinding-example
            Type::ClusterRoleBinding => Row {
                kind: "ClusterRoleBinding",
                plural: "clusterrolebindings",
                is_namespaced: false,
                fixed: &["roleRef"],
                ..rbac
            },
            Type::ServiceAccount => {
                Row { kind: "ServiceAccount", plural: "serviceaccounts", ..core }
            }
            Type::Role => Row { kind: "Role", plural: "roles", ..rbac },
            Type::RoleBinding => {
                Row { kind: "RoleBinding", plural: "rolebindings", fixed: &["roleRef"], ..rbac }
            }
            Type::ConfigMap => Row { kind: "ConfigMap", plural: "configmaps", ..core },
            Type::Secret => Row { kind: "Secret", plural: "secrets", fixed: &["type"], ..core },
            Type::NetworkPolicy => Row {
                kind: "NetworkPolicy",
                plural: "networkpolicies",
                group: "networking.k8s.io",
                ..core
            },
            Type::PodDisruptionBudget => Row {
                kind: "PodDisruptionBudget",
                plural: "poddisruptionbudgets",
                group: "policy",
                ..core
            },
            // https://kubernetes.io/docs/concepts/services-networking/service/
            Type::Service => Row {
                kind: "Service",
                plural: "services",
                fixed: &["spec.clusterIP", "spec.clusterIPs"],
                ..core
            },
            // https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#selector
            Type::Deployment => Row {
                kind: "Deployment",
                plural: "deployments",
                group: "apps",
                fixed: &["spec.selector"],
                ..core
            },
        }
    }

    /// `deployments`.
    pub fn plural(self) -> &'static str {
        self.row().plural
    }

    /// `v1`, `apps/v1`.
    pub fn api_version(self) -> String {
        match self.row().group {
            "" => "v1".to_owned(),
            group => format!("{group}/v1"),
        }
    }

    /// Whether its objects live in a namespace.
    pub fn is_namespaced(self) -> bool {
        self.row().is_namespaced
    }

    /// Whether `field`, a path such as `spec.selector.matchLabels`, is fixed once it is made.
    pub(super) fn fixes(self, field: &str) -> bool {
        self.row().fixed.iter().any(|fixed| is_at_or_below(field, fixed))
    }

    /// The type of a manifest.
    pub fn of_manifest(api_version: &str, kind: &str) -> Option<Type> {
        let is = |of: &Type| of.row().kind == kind && of.api_version() == api_version;
        Type::ALL.into_iter().find(is)
    }

    /// `/apis/apps/v1`.
    fn root(self) -> String {
        match self.row().group {
            "" => "/api/v1".to_owned(),
            group => format!("/apis/{group}/v1"),
        }
    }

    /// Where all of them are, in every namespace.
    pub(super) fn everywhere(self) -> String {
        format!("{}/{}", self.root(), self.plural())
    }

    /// Where one is.
    pub(super) fn path(self, namespace: &str, name: &str) -> String {
        // Names are those of DNS, or the spec would not have passed; this holds for any.
        let part = |text: &str| {
            percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
                .to_string()
                .replace("%2D", "-")
                .replace("%2E", ".")
        };
        let (root, plural, name) = (self.root(), self.plural(), part(name));
        if self.is_namespaced() {
            format!("{root}/namespaces/{}/{plural}/{name}", part(namespace))
        } else {
            format!("{root}/{plural}/{name}")
        }
    }

    /// The id of one: `apps/v1/Deployment/coder/coder`, `v1/Namespace/coder`.
    pub(super) fn id(self, namespace: &str, name: &str) -> String {
        let version = self.api_version();
        if self.is_namespaced() {
            format!("{version}/{self}/{namespace}/{name}")
        } else {
            format!("{version}/{self}/{name}")
        }
    }
}

/// Whether the path `field` is `parent`, or goes on from there.
pub(super) fn is_at_or_below(field: &str, parent: &str) -> bool {
    field
        .strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.') || rest.starts_with('['))
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.row().kind)
    }
}
