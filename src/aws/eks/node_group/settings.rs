//! What can be said of a node group, in types and in EKS's own words.

use crate::aws::ec2::launch_template::{Data, LaunchTemplate};
use crate::kind::{Cx, Diff, Result};
use crate::value::{Id, In, Known};
use aws_sdk_eks::types::{
    LaunchTemplateSpecification, NodegroupUpdateConfig, Taint as EksTaint,
    TaintEffect as EksTaintEffect,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How instances are paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CapacityType {
    /// By the hour.
    OnDemand,
    /// For less, and AWS may take them away.
    Spot,
}

impl CapacityType {
    /// As EKS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            CapacityType::OnDemand => "ON_DEMAND",
            CapacityType::Spot => "SPOT",
        }
    }
}

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum TaintEffect {
    /// They are not scheduled there.
    NoSchedule,
    /// They are scheduled elsewhere if that is possible.
    PreferNoSchedule,
    /// They are evicted, too.
    NoExecute,
}

impl TaintEffect {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }

    fn to_eks(self) -> EksTaintEffect {
        match self {
            TaintEffect::NoSchedule => EksTaintEffect::NoSchedule,
            TaintEffect::PreferNoSchedule => EksTaintEffect::PreferNoSchedule,
            TaintEffect::NoExecute => EksTaintEffect::NoExecute,
        }
    }

    /// From EKS's own word for it.
    pub(super) fn from_eks(effect: &EksTaintEffect) -> Option<TaintEffect> {
        match effect {
            EksTaintEffect::NoSchedule => Some(TaintEffect::NoSchedule),
            EksTaintEffect::PreferNoSchedule => Some(TaintEffect::PreferNoSchedule),
            EksTaintEffect::NoExecute => Some(TaintEffect::NoExecute),
            _ => None,
        }
    }
}

/// A Kubernetes taint of nodes. A key has one value an effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
    /// What it does.
    pub effect: TaintEffect,
}

impl Taint {
    /// What is unique among the taints of a group: `key:effect`.
    pub(super) fn id(&self) -> String {
        format!("{}:{}", self.key, self.effect.as_str())
    }

    /// The taint that `id` names.
    pub(super) fn from_id(id: &str, value: &str) -> Option<Taint> {
        let (key, effect) = id.rsplit_once(':')?;
        let effects =
            [TaintEffect::NoSchedule, TaintEffect::PreferNoSchedule, TaintEffect::NoExecute];
        let effect = effects.into_iter().find(|known| known.as_str() == effect)?;
        Some(Taint { key: key.to_owned(), value: value.to_owned(), effect })
    }

    pub(super) fn to_eks(&self) -> EksTaint {
        let Taint { key, value, effect } = self;
        let value = Some(value.clone()).filter(|value| !value.is_empty());
        EksTaint::builder().key(key).set_value(value).effect(effect.to_eks()).build()
    }
}

/// How many nodes may be away at once while a group is updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxUnavailable {
    /// So many, 1 to 100.
    Nodes(i32),
    /// So many of a hundred, 1 to 100.
    Percentage(i32),
}

impl MaxUnavailable {
    pub(super) fn to_eks(self) -> NodegroupUpdateConfig {
        let config = NodegroupUpdateConfig::builder();
        match self {
            MaxUnavailable::Nodes(nodes) => config.max_unavailable(nodes),
            MaxUnavailable::Percentage(percentage) => config.max_unavailable_percentage(percentage),
        }
        .build()
    }

    pub(super) fn from_eks(config: &NodegroupUpdateConfig) -> Option<MaxUnavailable> {
        let nodes = config.max_unavailable().map(MaxUnavailable::Nodes);
        nodes.or(config.max_unavailable_percentage().map(MaxUnavailable::Percentage))
    }
}

/// The launch template that a group's instances are made from.
#[derive(Clone, Debug, Serialize)]
pub struct Template {
    /// Its id; fixed.
    pub id: In<Id<LaunchTemplate>>,
    /// The version to use: of [`LaunchTemplate`]'s output, which is the one that says `data`.
    pub version: In<i64>,
    /// What the template says: the same as the template itself was given. By this a group knows
    /// whether it runs another one.
    pub data: Data,
}

impl Template {
    pub(super) fn specification(&self, cx: &Cx) -> Result<LaunchTemplateSpecification> {
        let (id, version) = (cx.get(&self.id)?, cx.get(&self.version)?);
        Ok(LaunchTemplateSpecification::builder()
            .id(id.as_str())
            .version(version.to_string())
            .build())
    }
}

/// A set of ids that is fixed when the resource is made.
pub(super) fn fixed_set<K: 'static>(
    field: &str,
    want: &[In<Id<K>>],
    have: &BTreeSet<Id<K>>,
    diff: &mut Diff<'_>,
) {
    let mut known = BTreeSet::new();
    for id in want {
        match diff.known(id) {
            Known::Yes(id) => {
                known.insert(id);
            }
            // One that is only known later makes all of it known only later.
            Known::AfterApply => {
                return diff.replaces_input(
                    field,
                    &id.clone().map(|id| BTreeSet::from([id])),
                    have,
                );
            }
        }
    }
    diff.replaces(field, &known, have);
}
