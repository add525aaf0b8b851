//! Where the server and the workspaces live, and what may run there.

use crate::spec::types::coder::Coder;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// The server's namespace: nothing runs in it that could become root on its node.
/// <https://kubernetes.io/docs/concepts/security/pod-security-standards/>
pub(super) fn server(coder: &Coder) -> Namespace {
    namespace(&coder.namespace, "restricted")
}

/// The namespace of workspaces. Templates decide what runs there, but for what breaks out of a
/// container.
pub(super) fn workspaces(coder: &Coder) -> Namespace {
    namespace(&coder.workspace_namespace, "baseline")
}

fn namespace(name: &str, standard: &str) -> Namespace {
    let labels = [
        ("app.kubernetes.io/part-of", "coder"),
        ("pod-security.kubernetes.io/enforce", standard),
        ("pod-security.kubernetes.io/warn", "restricted"),
    ];
    Namespace {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}
