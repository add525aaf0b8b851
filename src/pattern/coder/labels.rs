//! What objects of Coder are called and found by.

use crate::spec::types::coder::Coder;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use std::collections::BTreeMap;

/// The name of the server's Deployment, Service, ServiceAccount and container.
pub(super) const SERVER: &str = "coder";

/// The two labels that select the server's pods. A Deployment can never select by others.
pub(super) fn selected() -> BTreeMap<String, String> {
    [("app.kubernetes.io/name", SERVER), ("app.kubernetes.io/instance", SERVER)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// [`selected`] as a selector.
pub(super) fn selector() -> LabelSelector {
    LabelSelector { match_labels: Some(selected()), ..LabelSelector::default() }
}

/// The labels of everything that belongs to the server.
fn all() -> BTreeMap<String, String> {
    let mut labels = selected();
    labels.insert("app.kubernetes.io/part-of".to_owned(), SERVER.to_owned());
    labels
}

/// [`all`], and which version runs: for the server itself, so that an upgrade changes nothing else.
pub(super) fn versioned(coder: &Coder) -> BTreeMap<String, String> {
    let mut labels = all();
    labels.insert("app.kubernetes.io/version".to_owned(), coder.version.clone());
    labels
}

/// Name, namespace and labels of an object.
pub(super) fn metadata(namespace: &str, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        labels: Some(all()),
        ..ObjectMeta::default()
    }
}
