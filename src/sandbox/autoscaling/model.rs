//! What Auto Scaling keeps.

use crate::sandbox::ec2::launch::Recipe;
use crate::sandbox::store::{Millis, Scope, Store};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

/// How long a new traffic source is `Adding`.
const ADDING: Duration = Duration::from_secs(5);
/// How long one that was taken off is `Removing`.
const REMOVING: Duration = Duration::from_secs(10);

/// One region's Auto Scaling groups.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AutoScaling {
    /// By name.
    #[serde(default)]
    pub(crate) groups: BTreeMap<String, Group>,
}

/// An Auto Scaling group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) arn: String,
    pub(crate) created: Millis,
    pub(crate) min: i64,
    pub(crate) max: i64,
    pub(crate) desired: i64,
    pub(crate) subnets: Vec<String>,
    /// What the next instance is made from.
    pub(crate) recipe: Recipe,
    /// Id, name and version of the launch template.
    pub(crate) template: (String, String, String),
    pub(crate) instance_types: Vec<String>,
    /// Value, and whether instances get it too, by key.
    pub(crate) tags: BTreeMap<String, (String, bool)>,
    pub(crate) members: Vec<Member>,
    /// How many instances were ever started.
    pub(crate) started: u64,
    pub(crate) sources: Vec<Source>,
    /// Scheduled actions, in the answers' names, by name.
    pub(crate) actions: BTreeMap<String, Value>,
    /// When its deletion began.
    pub(crate) deleting: Option<Millis>,
    /// The EKS cluster whose nodes the instances are.
    pub(crate) cluster: Option<String>,
    /// Whether its instances leave interfaces of pods behind (see `Knobs`).
    pub(crate) leaves_interfaces: bool,
}

/// One instance of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    pub(crate) instance: String,
    pub(crate) since: Millis,
    /// The template's version that it was made from.
    pub(crate) version: String,
    /// When the group ends it.
    pub(crate) retires: Option<Millis>,
}

/// A traffic source: a target group that the instances are registered with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    pub(crate) identifier: String,
    /// `elbv2`, `elb` or `vpc-lattice`.
    pub(crate) kind: String,
    pub(crate) attached: Millis,
    pub(crate) detached: Option<Millis>,
}

impl Source {
    /// AWS's word for what happens to it; `None` once it is gone.
    pub(super) fn state(&self, has_instances: bool, now: Millis) -> Option<&'static str> {
        match self.detached {
            Some(at) if now < at.plus(REMOVING) => Some("Removing"),
            Some(_) => None,
            None if now < self.attached.plus(ADDING) => Some("Adding"),
            None if has_instances => Some("InService"),
            None => Some("Added"),
        }
    }
}

/// An instance that an Auto Scaling group has registered with a target group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// The instance's id.
    pub instance_id: String,
    /// Its availability zone.
    pub zone: String,
    /// Since when it is registered.
    pub since: SystemTime,
}

/// The instances that Auto Scaling groups have registered with a target group: those that run in
/// a group which the target group is attached to.
pub(crate) fn attached_instances(
    store: &Store,
    scope: &Scope,
    target_group: &str,
    now: Millis,
) -> Vec<Attached> {
    let Some(regional) = store.regional(scope) else { return Vec::new() };
    let mut found = Vec::new();
    for group in regional.autoscaling.groups.values() {
        let is_ours =
            |source: &&Source| source.identifier == target_group && source.detached.is_none();
        let Some(source) = group.sources.iter().find(is_ours) else { continue };
        for member in group.members.iter().filter(|member| member.retires.is_none()) {
            let instance = regional.ec2.instances.get(&member.instance);
            let Some(instance) = instance.filter(|i| i.state(now).0 == "running") else { continue };
            found.push(Attached {
                instance_id: instance.id.clone(),
                zone: instance.zone.clone(),
                since: source.attached.max(member.since).time(),
            });
        }
    }
    found
}
