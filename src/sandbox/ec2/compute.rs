//! What runs in a region's network: launch templates, instances, their volumes.

use super::model::Tags;
use crate::sandbox::store::Millis;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LaunchTemplate {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) created: Millis,
    pub(crate) default: i64,
    /// The highest number that was ever given.
    pub(crate) latest: i64,
    pub(crate) versions: BTreeMap<i64, TemplateVersion>,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TemplateVersion {
    pub(crate) created: Millis,
    pub(crate) description: Option<String>,
    /// By the model's member names.
    pub(crate) data: Value,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) image: String,
    pub(crate) instance_type: String,
    pub(crate) vpc: String,
    pub(crate) subnet: String,
    pub(crate) zone: String,
    pub(crate) groups: Vec<String>,
    pub(crate) private_ip: Ipv4Addr,
    /// Its only network interface, while it has one.
    pub(crate) interface: String,
    /// Its root volume, while it has one.
    pub(crate) volume: String,
    pub(crate) profile: Option<String>,
    pub(crate) spot: bool,
    pub(crate) metadata_options: Value,
    pub(crate) launched: Millis,
    /// When its end began.
    pub(crate) terminated: Option<Millis>,
    pub(crate) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Volume {
    pub(crate) id: String,
    pub(crate) zone: String,
    pub(crate) size: i64,
    pub(crate) volume_type: String,
    pub(crate) iops: i64,
    pub(crate) throughput: Option<i64>,
    pub(crate) encrypted: bool,
    pub(crate) key: Option<String>,
    /// The instance that it is attached to.
    pub(crate) instance: Option<String>,
    pub(crate) device: String,
    /// Whether it stays when its instance ends.
    #[serde(default)]
    pub(crate) outlives: bool,
    pub(crate) created: Millis,
    pub(crate) tags: Tags,
}
