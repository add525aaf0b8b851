//! What EKS keeps.

use crate::sandbox::store::{Millis, number};
use crate::sandbox::wire::params::Params;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys and values.
pub(super) type Tags = BTreeMap<String, String>;

/// One region's clusters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Eks {
    /// By name.
    #[serde(default)]
    pub(super) clusters: BTreeMap<String, Cluster>,
}

/// The request that made something: asked for again with its token, it gives what it made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Origin {
    token: Option<String>,
    request: u64,
}

impl Origin {
    pub(super) fn of(params: &Params) -> Self {
        let mut tree = params.tree().clone();
        if let Some(members) = tree.as_object_mut() {
            members.remove("clientRequestToken");
            members.sort_keys();
        }
        Origin {
            token: params.text("clientRequestToken").map(str::to_owned),
            request: number(&tree.to_string()),
        }
    }

    /// Whether this is the same request, sent again.
    pub(super) fn is_again(&self, first: &Origin) -> bool {
        self.token.is_some() && self == first
    }
}

/// A cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) arn: String,
    /// 32 hexadecimal digits: in the endpoint and the OIDC issuer.
    pub(super) id: String,
    pub(super) origin: Origin,
    pub(super) created: Millis,
    /// When `CREATING` ends.
    pub(super) active: Millis,
    /// When it is gone, once it is being deleted.
    pub(super) gone: Option<Millis>,
    pub(super) version: String,
    /// The version that it is being brought to, and when it has it.
    pub(super) upgrade: Option<(String, Millis)>,
    pub(super) role: String,
    pub(super) vpc: String,
    pub(super) subnets: Vec<String>,
    pub(super) groups: Vec<String>,
    /// The security group that EKS made.
    pub(super) own_group: String,
    pub(super) public: bool,
    pub(super) private: bool,
    pub(super) public_cidrs: Vec<String>,
    pub(super) service_cidr: String,
    pub(super) logging: Vec<String>,
    /// The key that secrets are encrypted with.
    pub(super) key: Option<String>,
    pub(super) authentication: String,
    pub(super) self_managed_addons: bool,
    /// `computeConfig`, where Auto Mode is on.
    pub(super) auto_mode: Option<Value>,
    pub(super) support: String,
    pub(super) zonal_shift: bool,
    pub(super) tier: String,
    pub(super) protected: bool,
    /// Since when pods can have addresses: the VPC CNI, or Auto Mode.
    pub(super) networked: Option<Millis>,
    pub(super) tags: Tags,
    pub(super) updates: Vec<Update>,
    pub(super) node_groups: BTreeMap<String, NodeGroup>,
    pub(super) addons: BTreeMap<String, Addon>,
    /// By principal.
    pub(super) entries: BTreeMap<String, AccessEntry>,
    /// By id.
    pub(super) identities: BTreeMap<String, PodIdentity>,
}

/// A change that takes time.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Update {
    pub(super) id: String,
    pub(super) origin: Origin,
    pub(super) kind: String,
    pub(super) params: Vec<(String, String)>,
    pub(super) created: Millis,
    pub(super) ends: Millis,
}

/// A managed node group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NodeGroup {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) origin: Origin,
    pub(super) created: Millis,
    pub(super) modified: Millis,
    pub(super) gone: Option<Millis>,
    pub(super) version: String,
    pub(super) release: String,
    pub(super) role: String,
    pub(super) subnets: Vec<String>,
    pub(super) instance_types: Vec<String>,
    pub(super) ami_type: String,
    pub(super) capacity_type: String,
    pub(super) disk_size: Option<i64>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) taints: Vec<Taint>,
    pub(super) update_config: Value,
    pub(super) repair: bool,
    /// Id, name and version of the user's launch template.
    pub(super) template: Option<(String, String, String)>,
    /// The Auto Scaling group.
    pub(super) scaling_group: String,
    /// Why its nodes never join.
    pub(super) failure: Option<(String, String)>,
    pub(super) tags: Tags,
    pub(super) updates: Vec<Update>,
}

/// A node group's taint, in EKS's spelling (`NO_SCHEDULE`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Taint {
    pub(super) key: String,
    pub(super) value: Option<String>,
    pub(super) effect: String,
}

/// An add-on of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Addon {
    pub(super) name: String,
    pub(super) arn: String,
    pub(super) origin: Origin,
    pub(super) created: Millis,
    pub(super) modified: Millis,
    pub(super) gone: Option<Millis>,
    pub(super) version: String,
    pub(super) configuration: Option<String>,
    pub(super) role: Option<String>,
    pub(super) namespace: String,
    /// Why creating it fails.
    pub(super) failure: Option<(String, String)>,
    pub(super) tags: Tags,
    pub(super) updates: Vec<Update>,
}

/// Who may use a cluster's API.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessEntry {
    pub(super) principal: String,
    pub(super) arn: String,
    pub(super) origin: Option<Origin>,
    pub(super) created: Millis,
    pub(super) modified: Millis,
    pub(super) username: String,
    pub(super) groups: Vec<String>,
    pub(super) kind: String,
    /// By the policy's ARN.
    pub(super) policies: BTreeMap<String, Association>,
    pub(super) tags: Tags,
}

/// A policy of an access entry.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Association {
    pub(super) scope: Value,
    pub(super) associated: Millis,
    pub(super) modified: Millis,
}

/// A role for the pods of a service account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PodIdentity {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) origin: Origin,
    pub(super) created: Millis,
    pub(super) modified: Millis,
    pub(super) namespace: String,
    pub(super) service_account: String,
    pub(super) role: String,
    pub(super) target_role: Option<String>,
    pub(super) session_tags_disabled: bool,
    /// The add-on that it was made with.
    pub(super) owner: Option<String>,
    pub(super) tags: Tags,
}
