//! The server's Deployment.

use super::environment::{self, HOME};
use super::labels::{self, SERVER};
use crate::spec::types::cluster::NodeGroup;
use crate::spec::types::coder::Coder;
use crate::spec::types::ingress::{Dns, Ingress};
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EmptyDirVolumeSource, HTTPGetAction, Lifecycle,
    LifecycleHandler, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
    SeccompProfile, SecurityContext, SleepAction, Toleration, TopologySpreadConstraint, Volume,
    VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;

/// The label of nodes that says of which group they are.
pub(in crate::pattern) const NODE_GROUP: &str = "coder.com/node-type";

/// Once it has been told to stop, the server drains for so many seconds.
const DRAINS: i64 = 60;

/// Coder's own user and group in its image.
const USER: i64 = 1000;

pub(super) fn deployment(
    coder: &Coder,
    dns: &Dns,
    ingress: &Ingress,
    group: (&str, &NodeGroup),
) -> Deployment {
    let mut metadata = labels::metadata(&coder.namespace, SERVER);
    metadata.labels = Some(labels::versioned(coder));
    Deployment {
        spec: DeploymentSpec {
            replicas: Some(i32::from(coder.replicas)),
            selector: labels::selector(),
            strategy: Some(strategy(coder)),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: metadata.labels.clone(),
                    annotations: Some(
                        [("app.kubernetes.io/component".to_owned(), "coderd".to_owned())].into(),
                    ),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod(coder, dns, ingress, group)),
            },
            // As long as a large database may take to be brought up to a new version.
            progress_deadline_seconds: Some(900),
            ..DeploymentSpec::default()
        },
        metadata,
        ..Deployment::default()
    }
}

/// A single server stops before its successor starts: two without a licence know nothing of each
/// other, and a new version changes the database under the old one.
fn strategy(coder: &Coder) -> DeploymentStrategy {
    if coder.replicas == 1 {
        return DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None };
    }
    DeploymentStrategy {
        type_: Some("RollingUpdate".to_owned()),
        rolling_update: Some(RollingUpdateDeployment {
            max_surge: Some(IntOrString::Int(1)),
            max_unavailable: Some(IntOrString::Int(0)),
        }),
    }
}

fn pod(coder: &Coder, dns: &Dns, ingress: &Ingress, group: (&str, &NodeGroup)) -> PodSpec {
    let (name, group) = group;
    let tolerations: Vec<Toleration> = group
        .taints
        .iter()
        .map(|taint| Toleration {
            key: Some(taint.key.clone()),
            operator: Some("Equal".to_owned()),
            value: Some(taint.value.clone()),
            effect: Some(taint.effect.kubernetes().to_owned()),
            ..Toleration::default()
        })
        .collect();
    let spread = |key: &str| TopologySpreadConstraint {
        max_skew: 1,
        topology_key: key.to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(labels::selector()),
        ..TopologySpreadConstraint::default()
    };
    let delay = i64::from(ingress.deregistration_delay_seconds);
    PodSpec {
        service_account_name: Some(SERVER.to_owned()),
        // The builds that run inside the server make workspaces with it.
        automount_service_account_token: Some(true),
        node_selector: Some([(NODE_GROUP.to_owned(), name.to_owned())].into()),
        tolerations: (!tolerations.is_empty()).then_some(tolerations),
        topology_spread_constraints: (coder.replicas > 1)
            .then(|| vec![spread("topology.kubernetes.io/zone"), spread("kubernetes.io/hostname")]),
        security_context: Some(PodSecurityContext {
            fs_group: Some(USER),
            run_as_non_root: Some(true),
            seccomp_profile: Some(runtime_default()),
            ..PodSecurityContext::default()
        }),
        termination_grace_period_seconds: Some(delay + DRAINS),
        containers: vec![container(coder, dns, delay)],
        volumes: Some(vec![scratch("home", "4Gi"), scratch("tmp", "1Gi")]),
        ..PodSpec::default()
    }
}

fn container(coder: &Coder, dns: &Dns, delay: i64) -> Container {
    let amounts: BTreeMap<String, Quantity> = [
        ("cpu".to_owned(), Quantity(coder.resources.cpu.clone())),
        ("memory".to_owned(), Quantity(coder.resources.memory.clone())),
    ]
    .into();
    let port = |name: &str, number| ContainerPort {
        name: Some(name.to_owned()),
        container_port: number,
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    let mut ports = vec![port("http", 8080)];
    if coder.prometheus {
        ports.push(port("prometheus-http", 2112));
    }
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    };
    Container {
        name: SERVER.to_owned(),
        image: Some(format!("{}:v{}", coder.image, coder.version)),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: Some(vec!["/opt/coder".to_owned()]),
        args: Some(vec!["server".to_owned()]),
        env: Some(environment::variables(coder, dns)),
        ports: Some(ports),
        // Only readiness: one that is brought up to a new version's database is slow, not dead, and
        // whoever kills it then leaves it half way.
        readiness_probe: Some(Probe {
            http_get: Some(HTTPGetAction {
                path: Some("/healthz".to_owned()),
                port: IntOrString::String("http".to_owned()),
                scheme: Some("HTTP".to_owned()),
                ..HTTPGetAction::default()
            }),
            period_seconds: Some(5),
            timeout_seconds: Some(2),
            ..Probe::default()
        }),
        // New connections go elsewhere before it stops taking them.
        lifecycle: (delay > 0).then(|| Lifecycle {
            pre_stop: Some(LifecycleHandler {
                sleep: Some(SleepAction { seconds: delay }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        resources: Some(ResourceRequirements {
            requests: Some(amounts.clone()),
            limits: Some(amounts),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Capabilities::default()
            }),
            seccomp_profile: Some(runtime_default()),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![mount("home", HOME), mount("tmp", "/tmp")]),
        ..Container::default()
    }
}

fn runtime_default() -> SeccompProfile {
    SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }
}

/// A volume that goes with its pod. Servers must never share what they cache.
fn scratch(name: &str, size: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            size_limit: Some(Quantity(size.to_owned())),
            ..EmptyDirVolumeSource::default()
        }),
        ..Volume::default()
    }
}
