//! Who may talk to whom in the cluster.

use super::labels;
use crate::spec::types::coder::Coder;
use ipnet::Ipv4Net;
use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Where a node's credentials and data are read from; nothing in a workspace has to.
const INSTANCE_METADATA: &str = "169.254.169.254/32";

/// The server takes requests from the VPC (the load balancer, workspaces, the other servers), and
/// its metrics are read from within the cluster. It calls out as it must: identity providers,
/// registries, the database.
pub(super) fn server(coder: &Coder, vpc: Ipv4Net) -> NetworkPolicy {
    let mut ingress = vec![NetworkPolicyIngressRule {
        from: Some(vec![block(&vpc.to_string(), &[])]),
        ports: Some(vec![tcp(8080)]),
    }];
    if coder.prometheus {
        let anywhere = NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector::default()),
            ..NetworkPolicyPeer::default()
        };
        ingress.push(NetworkPolicyIngressRule {
            from: Some(vec![anywhere]),
            ports: Some(vec![tcp(2112)]),
        });
    }
    NetworkPolicy {
        metadata: labels::metadata(&coder.namespace, "coder"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::selector()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(ingress),
            // Templates are built in this pod: what users write there must not be its node.
            egress: Some(vec![NetworkPolicyEgressRule {
                to: Some(vec![block("0.0.0.0/0", &[INSTANCE_METADATA])]),
                ports: None,
            }]),
        }),
    }
}

/// Nobody talks to a workspace: its agent calls the server. It reaches the server, names, and the
/// internet; of the VPC nothing but HTTPS, so neither the database nor another's workspace, and
/// not the credentials of its node.
pub(super) fn workspaces(coder: &Coder, vpc: Ipv4Net) -> NetworkPolicy {
    let namespace = |name: &str| NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_labels: Some(
                [("kubernetes.io/metadata.name".to_owned(), name.to_owned())].into(),
            ),
            ..LabelSelector::default()
        }),
        ..NetworkPolicyPeer::default()
    };
    let vpc = vpc.to_string();
    let egress = vec![
        NetworkPolicyEgressRule {
            to: Some(vec![namespace("kube-system")]),
            ports: Some(vec![port("UDP", 53), tcp(53)]),
        },
        NetworkPolicyEgressRule {
            to: Some(vec![namespace(&coder.namespace)]),
            ports: Some(vec![tcp(8080)]),
        },
        NetworkPolicyEgressRule { to: Some(vec![block(&vpc, &[])]), ports: Some(vec![tcp(443)]) },
        NetworkPolicyEgressRule {
            to: Some(vec![block("0.0.0.0/0", &[&vpc, INSTANCE_METADATA])]),
            ports: None,
        },
    ];
    NetworkPolicy {
        metadata: labels::metadata(&coder.workspace_namespace, "workspaces"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            egress: Some(egress),
            ..NetworkPolicySpec::default()
        }),
    }
}

fn block(cidr: &str, except: &[&str]) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: (!except.is_empty())
                .then(|| except.iter().map(|cidr| (*cidr).to_owned()).collect()),
        }),
        ..NetworkPolicyPeer::default()
    }
}

fn tcp(number: i32) -> NetworkPolicyPort {
    port("TCP", number)
}

fn port(protocol: &str, number: i32) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(number)),
        ..NetworkPolicyPort::default()
    }
}
