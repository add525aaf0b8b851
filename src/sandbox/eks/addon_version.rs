//! What add-ons there are, in which versions.

use super::cluster_version::{is_offered, minor, offered};
use super::words::{invalid, missing, paged};
use crate::sandbox::service::{Answer, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// An add-on that EKS offers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// Its name.
    pub(super) name: &'static str,
    /// The namespace that it is installed into.
    pub(super) namespace: &'static str,
    /// Whether it has a Deployment, which needs nodes; a DaemonSet does not.
    pub(super) needs_nodes: bool,
    /// What clusters have of it that were made with `bootstrapSelfManagedAddons`.
    pub(super) self_managed: bool,
    /// What versions begin with; kube-proxy's are the cluster's.
    base: Option<&'static str>,
    /// Service accounts that take a role.
    service_account: Option<&'static str>,
}

const fn known(name: &'static str, needs_nodes: bool, base: &'static str) -> Known {
    Known {
        name,
        namespace: "kube-system",
        needs_nodes,
        self_managed: false,
        base: Some(base),
        service_account: None,
    }
}

/// <https://docs.aws.amazon.com/eks/latest/userguide/workloads-add-ons-available-eks.html>. The
/// numbers of the versions are in their form, but not AWS's.
const ADDONS: &[Known] = &[
    Known {
        namespace: "amazon-cloudwatch",
        service_account: Some("cloudwatch-agent"),
        ..known("amazon-cloudwatch-observability", true, "v4.5")
    },
    Known {
        service_account: Some("ebs-csi-controller-sa"),
        ..known("aws-ebs-csi-driver", true, "v1.52")
    },
    Known {
        service_account: Some("efs-csi-controller-sa"),
        ..known("aws-efs-csi-driver", true, "v2.1")
    },
    Known { self_managed: true, ..known("coredns", true, "v1.12") },
    known("eks-node-monitoring-agent", false, "v1.4"),
    known("eks-pod-identity-agent", false, "v1.3"),
    Known { self_managed: true, base: None, ..known("kube-proxy", false, "") },
    known("metrics-server", true, "v0.8"),
    known("snapshot-controller", true, "v8.3"),
    Known {
        self_managed: true,
        service_account: Some("aws-node"),
        ..known("vpc-cni", false, "v1.20")
    },
];

/// The add-on of this name.
pub(super) fn of(name: &str) -> Option<Known> {
    ADDONS.iter().copied().find(|addon| addon.name == name)
}

impl Known {
    /// The versions for a Kubernetes version: the newest first, the default second.
    pub(super) fn versions(&self, kubernetes: &str) -> Vec<String> {
        let number = minor(kubernetes).unwrap_or(0);
        let base = self.base.map_or_else(|| format!("v1.{number}"), str::to_owned);
        vec![
            format!("{base}.4-eksbuild.1"),
            format!("{base}.3-eksbuild.2"),
            format!("{base}.1-eksbuild.1"),
        ]
    }

    /// The version that a cluster gets that names none.
    pub(super) fn default_version(&self, kubernetes: &str) -> String {
        self.versions(kubernetes).swap_remove(1)
    }

    /// The schema that its configuration must follow.
    fn schema(&self) -> Value {
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": self.name,
            "type": "object",
        })
    }
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let name = params.text("addonName");
    if let Some(unknown) = name.filter(|name| of(name).is_none()) {
        return Err(missing(format!("Addon {unknown} not found")));
    }
    let version = params.text("kubernetesVersion");
    if let Some(unknown) = version.filter(|version| !is_offered(version, view.now)) {
        return Err(invalid(format!("Unsupported Kubernetes version {unknown}")));
    }
    let asked = |member: &str, value: &str| {
        let texts = params.texts(member);
        texts.is_empty() || texts.contains(&value)
    };
    let wanted = |addon: &&Known| {
        name.is_none_or(|name| name == addon.name)
            && asked("owners", "aws")
            && asked("publishers", "eks")
    };
    let clusters: Vec<&str> = match version {
        Some(version) => vec![version],
        None => offered(view.now).collect(),
    };
    let items = ADDONS
        .iter()
        .filter(wanted)
        .map(|addon| (addon.name.to_owned(), written(addon, &clusters)));
    paged(view, params, "addons", items.collect::<Vec<_>>())
}

fn written(addon: &Known, clusters: &[&str]) -> Value {
    let mut versions: Vec<String> = Vec::new();
    for cluster in clusters {
        for version in addon.versions(cluster) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
    }
    let infos: Vec<Value> = versions
        .iter()
        .map(|version| {
            let compatible = clusters.iter().filter(|c| addon.versions(c).contains(version));
            let compatibilities: Vec<Value> = compatible
                .map(|cluster| {
                    json!({
                        "clusterVersion": cluster,
                        "platformVersions": ["*"],
                        "defaultVersion": addon.default_version(cluster) == *version,
                    })
                })
                .collect();
            json!({
                "addonVersion": version,
                "architecture": ["amd64", "arm64"],
                "computeTypes": ["ec2"],
                "compatibilities": compatibilities,
                "requiresConfiguration": false,
                "requiresIamPermissions": addon.service_account.is_some(),
            })
        })
        .collect();
    json!({
        "addonName": addon.name,
        "type": "networking",
        "addonVersions": infos,
        "publisher": "eks",
        "owner": "aws",
        "defaultNamespace": addon.namespace,
    })
}

pub(super) fn configuration(view: &View<'_>, params: &Params) -> Answer {
    let (name, version) = (params.required("addonName"), params.required("addonVersion"));
    let addon = of(name).ok_or_else(|| missing(format!("Addon {name} not found")))?;
    if !offered(view.now).any(|cluster| addon.versions(cluster).iter().any(|v| v == version)) {
        return Err(missing(format!("Addon version {version} not found")));
    }
    let identity: Vec<Value> = addon
        .service_account
        .iter()
        .map(|account| json!({"serviceAccount": account, "recommendedManagedPolicies": []}))
        .collect();
    Ok(json!({
        "addonName": name,
        "addonVersion": version,
        "configurationSchema": addon.schema().to_string(),
        "podIdentityConfiguration": identity,
    })
    .into())
}
