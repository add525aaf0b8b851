//! How the server is reached within the cluster, and how many of it may be away at once.

use super::labels::{self, SERVER};
use crate::spec::types::coder::Coder;
use crate::spec::types::ingress::Ingress;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The server on a fixed port of every node, which is where the load balancer sends. A client is
/// not tied to one server: load balancers of this type refuse that, and the servers share all.
pub(super) fn server(coder: &Coder, ingress: &Ingress) -> Service {
    Service {
        metadata: labels::metadata(&coder.namespace, SERVER),
        spec: Some(ServiceSpec {
            type_: Some("NodePort".to_owned()),
            session_affinity: Some("None".to_owned()),
            // Every node answers, whether a server runs on it or not.
            external_traffic_policy: Some("Cluster".to_owned()),
            selector: Some(labels::selected()),
            ports: Some(vec![ServicePort {
                name: Some("http".to_owned()),
                port: 80,
                target_port: Some(IntOrString::String("http".to_owned())),
                node_port: Some(i32::from(ingress.node_port)),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// Each server's metrics under an address of its own.
pub(super) fn metrics(coder: &Coder) -> Service {
    Service {
        metadata: labels::metadata(&coder.namespace, "coder-metrics"),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            selector: Some(labels::selected()),
            ports: Some(vec![ServicePort {
                name: Some("prometheus-http".to_owned()),
                port: 2112,
                target_port: Some(IntOrString::String("prometheus-http".to_owned())),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    }
}

/// One server may be away while nodes are drained. With a single one that means a break, but
/// nodes that can never be drained are worse.
pub(super) fn disruption_budget(coder: &Coder) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: labels::metadata(&coder.namespace, SERVER),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::selector()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    }
}
