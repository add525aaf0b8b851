//! What can be said of a cluster, in types and in EKS's own words.

use crate::kind::Diff;
use aws_sdk_eks::types::{LogSetup, Logging};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// From where a cluster's API can be reached.
/// <https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Whether it has an address within the VPC.
    pub private: bool,
    /// Whether it has a public address.
    pub public: bool,
    /// The networks that reach the public address, at most 40; of no effect without it.
    pub public_cidrs: BTreeSet<String>,
}

impl Endpoint {
    pub(super) fn diff(&self, live: &Endpoint, diff: &mut Diff<'_>) {
        let Self { private, public, public_cidrs } = self;
        diff.in_place("endpoint.private", private, &live.private);
        diff.in_place("endpoint.public", public, &live.public);
        // EKS keeps a list for an address that is not there, and not always the one it was given.
        if *public {
            diff.in_place("endpoint.public_cidrs", public_cidrs, &live.public_cidrs);
        }
    }
}

/// A part of the control plane that writes a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogType {
    /// The API server.
    Api,
    /// Who did what.
    Audit,
    /// Who was let in.
    Authenticator,
    /// The controllers.
    ControllerManager,
    /// The scheduler.
    Scheduler,
}

impl LogType {
    /// All of them.
    pub const ALL: [LogType; 5] = [
        LogType::Api,
        LogType::Audit,
        LogType::Authenticator,
        LogType::ControllerManager,
        LogType::Scheduler,
    ];

    /// As EKS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            LogType::Api => "api",
            LogType::Audit => "audit",
            LogType::Authenticator => "authenticator",
            LogType::ControllerManager => "controllerManager",
            LogType::Scheduler => "scheduler",
        }
    }
}

/// What says who may use a cluster. EKS only goes down this list, never up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AuthenticationMode {
    /// Access entries and the config map `aws-auth`.
    ApiAndConfigMap,
    /// Access entries alone.
    Api,
}

impl AuthenticationMode {
    /// As EKS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            AuthenticationMode::ApiAndConfigMap => "API_AND_CONFIG_MAP",
            AuthenticationMode::Api => "API",
        }
    }
}

/// How far down the list of modes one is.
pub(super) fn rank(mode: &str) -> u8 {
    match mode {
        "CONFIG_MAP" => 0,
        "API_AND_CONFIG_MAP" => 1,
        _ => 2,
    }
}

/// What EKS does with a version at the end of its standard support.
/// <https://docs.aws.amazon.com/eks/latest/userguide/view-upgrade-policy.html>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SupportType {
    /// It upgrades the cluster.
    Standard,
    /// It keeps the version for another year, at six times the price.
    Extended,
}

impl SupportType {
    /// As EKS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            SupportType::Standard => "STANDARD",
            SupportType::Extended => "EXTENDED",
        }
    }
}

/// The two numbers of a Kubernetes version, `1.35`; what is none sorts before all.
pub(in crate::aws::eks) fn minor(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The request that turns `on` on and the others off.
pub(super) fn logging(on: &BTreeSet<LogType>) -> Logging {
    let setup = |enabled: bool| {
        let types: Vec<_> = LogType::ALL
            .into_iter()
            .filter(|kind| on.contains(kind) == enabled)
            .map(|kind| kind.as_str().into())
            .collect();
        (!types.is_empty())
            .then(|| LogSetup::builder().set_types(Some(types)).enabled(enabled).build())
    };
    let setups = [setup(true), setup(false)].into_iter().flatten().collect();
    Logging::builder().set_cluster_logging(Some(setups)).build()
}
