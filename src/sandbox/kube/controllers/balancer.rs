//! Load balancers: the controller of the cloud, which runs in the control plane, makes one for each
//! Service that asks for one, and holds the Service until its load balancer is gone.
//! <https://kubernetes.io/docs/tasks/access-application-cluster/create-external-load-balancer/#garbage-collecting-load-balancers>

use super::Moment;
use crate::sandbox::kube::store::{name_of, namespace_of};
use serde_json::{Value, json};

const CLEANUP: &str = "service.kubernetes.io/load-balancer-cleanup";
/// How often a load balancer that goes is looked for, in milliseconds.
const RETRY: u64 = 5_000;

/// Brings every Service of this type further.
pub(super) fn run(moment: &mut Moment<'_>) {
    let asks = |service: &&Value| service["spec"]["type"] == "LoadBalancer";
    let all: Vec<Value> = moment.store.of("services").filter(asks).cloned().collect();
    for service in all {
        let uid = service["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if service["metadata"].get("deletionTimestamp").is_some() {
            if moment.around.cloud.delete_balancer(&uid) {
                moment.store.remove("services", &service);
            } else {
                let retry = moment.at + RETRY;
                moment.wake(retry);
            }
            continue;
        }
        if !service["status"]["loadBalancer"]["ingress"].is_null() {
            continue;
        }
        let (namespace, name) = (namespace_of(&service), name_of(&service));
        let Some(dns) = moment.around.cloud.create_balancer(namespace, name, &uid) else {
            continue;
        };
        let mut next = service.clone();
        next["metadata"]["finalizers"] = json!([CLEANUP]);
        next["status"]["loadBalancer"] = json!({"ingress": [{"hostname": dns}]});
        moment.put_if_changed("services", &service, next);
    }
}
