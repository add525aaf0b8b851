//! The volumes of workspaces.

use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Encrypted gp3 volumes of the EBS CSI driver, made in the zone of the pod that asks. It is the
/// default: a claim that names no class gets it.
/// <https://github.com/kubernetes-sigs/aws-ebs-csi-driver/blob/master/docs/parameters.md>
pub(super) fn class() -> StorageClass {
    let pairs = |pairs: &[(&str, &str)]| {
        Some(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    };
    StorageClass {
        metadata: ObjectMeta {
            name: Some("gp3".to_owned()),
            annotations: pairs(&[("storageclass.kubernetes.io/is-default-class", "true")]),
            labels: pairs(&[("app.kubernetes.io/part-of", "coder")]),
            ..ObjectMeta::default()
        },
        provisioner: "ebs.csi.aws.com".to_owned(),
        parameters: pairs(&[("type", "gp3"), ("encrypted", "true")]),
        reclaim_policy: Some("Delete".to_owned()),
        volume_binding_mode: Some("WaitForFirstConsumer".to_owned()),
        allow_volume_expansion: Some(true),
        ..StorageClass::default()
    }
}
