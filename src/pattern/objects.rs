//! Objects in the cluster that `--kubeconfig` names.

use super::Draft;
use crate::kube::object::{Content, Object};
use crate::name::Address;
use crate::spec::types::kubernetes::Object as Wanted;

pub(super) fn add(draft: &mut Draft<'_>) {
    let spec = draft.spec;
    let region = draft.region.clone();
    for (name, wanted) in spec.kubernetes.objects.iter() {
        let object = match wanted {
            Wanted::ConfigMap(map) => Object {
                cluster: None,
                namespace: map.namespace.clone(),
                name: map.name.clone(),
                content: Content::ConfigMap {
                    data: map.data.iter().map(|(k, v)| (k.to_owned(), v.clone())).collect(),
                },
            },
            Wanted::Secret(secret) => Object {
                cluster: None,
                namespace: secret.namespace.clone(),
                name: secret.name.clone(),
                content: Content::Secret {
                    kind: secret.kind.clone(),
                    string_data: secret
                        .string_data
                        .iter()
                        .map(|(key, reference)| (key.to_owned(), reference.clone().into()))
                        .collect(),
                },
            },
        };
        draft.graph.add(
            &region,
            Address::global(&format!("kubernetes/object/{name}")),
            format!("kubernetes.objects.{name}"),
            object,
        );
    }
}
