//! What CloudWatch Logs keeps.

use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::{Millis, Scope};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One region's log groups.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Logs {
    /// By name.
    #[serde(default)]
    pub(super) groups: BTreeMap<String, Group>,
    /// When groups were deleted that are not there again.
    #[serde(default)]
    pub(super) deleted: BTreeMap<String, Millis>,
}

/// A log group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Group {
    pub(super) name: String,
    /// Without the `:*` that some answers end it with.
    pub(super) arn: String,
    pub(super) created: Millis,
    pub(super) class: String,
    pub(super) retention: Option<i64>,
    pub(super) key: Option<String>,
    pub(super) protected: bool,
    pub(super) tags: BTreeMap<String, String>,
}

impl Group {
    /// A group as nothing but its name makes it.
    pub(super) fn plain(name: &str, scope: &Scope, now: Millis) -> Group {
        Group {
            name: name.to_owned(),
            arn: format!(
                "arn:{}:logs:{}:{}:log-group:{name}",
                scope.partition(),
                scope.region,
                scope.account
            ),
            created: now,
            class: "STANDARD".to_owned(),
            retention: None,
            key: None,
            protected: false,
            tags: BTreeMap::new(),
        }
    }

    /// What `DescribeLogGroups` says about it.
    pub(super) fn description(&self) -> Value {
        let mut description = json!({
            "logGroupName": self.name,
            "creationTime": self.created.0,
            "metricFilterCount": 0,
            "arn": format!("{}:*", self.arn),
            "logGroupArn": self.arn,
            "storedBytes": 0,
            "logGroupClass": self.class,
            "deletionProtectionEnabled": self.protected,
        });
        if let Some(days) = self.retention {
            description["retentionInDays"] = days.into();
        }
        if let Some(key) = &self.key {
            description["kmsKeyId"] = key.clone().into();
        }
        description
    }
}

impl Logs {
    /// Whether there is a group of this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.groups.contains_key(name)
    }

    /// When the group of this name was deleted, if it was and is not there again.
    pub(crate) fn deleted(&self, name: &str) -> Option<Millis> {
        self.deleted.get(name).copied()
    }

    /// Makes the group `name` again, bare, as a service does that still delivers to a group which
    /// was deleted under it. Does nothing if the group is there.
    pub(crate) fn write_from_service(&mut self, name: &str, scope: &Scope, now: Millis) {
        self.deleted.remove(name);
        self.groups.entry(name.to_owned()).or_insert_with(|| Group::plain(name, scope, now));
    }

    /// Finds a group by name, or fails as Logs does.
    pub(super) fn group_mut(&mut self, name: &str) -> Result<&mut Group, Failure> {
        self.groups.get_mut(name).ok_or_else(missing)
    }
}

/// There is no such group.
pub(super) fn missing() -> Failure {
    Failure::new("ResourceNotFoundException", "The specified log group does not exist.")
}

/// A parameter makes no sense.
pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("InvalidParameterException", message)
}

/// The region's groups, as a read sees them.
pub(super) fn of<'a>(view: &View<'a>) -> &'a Logs {
    view.store.logs(view.scope)
}

/// The region's groups, to change them.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Logs {
    &mut cx.store.regional_mut(cx.scope).logs
}
