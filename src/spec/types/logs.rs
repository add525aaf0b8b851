//! CloudWatch log groups.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// CloudWatch Logs' rule for the names of log groups.
pub(crate) const LOG_GROUP_NAME: &str = r"^[.\-_/#A-Za-z0-9]+$";

/// A CloudWatch log group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogGroup {
    /// Its name.
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = LOG_GROUP_NAME),
        extend("x-expected" = "a log group's name: letters, digits and `._-/#`")
    )]
    pub name: String,

    /// For how many days events are kept.
    #[serde(default)]
    pub retention_days: RetentionDays,

    /// The one of `keys` that encrypts it. Without it, CloudWatch's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,

    /// Its class. A new class makes a new group.
    #[serde(default)]
    pub class: LogClass,
}

/// The class of a log group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogClass {
    /// Every feature.
    #[default]
    Standard,
    /// Half the price to take events in, and fewer features.
    InfrequentAccess,
}

/// A retention that CloudWatch Logs accepts, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetentionDays(pub u16);

/// What `logs:PutRetentionPolicy` accepts.
pub const RETENTION_DAYS: [u16; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];

impl Default for RetentionDays {
    fn default() -> Self {
        RetentionDays(90)
    }
}

impl JsonSchema for RetentionDays {
    fn schema_name() -> Cow<'static, str> {
        "RetentionDays".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "A retention that CloudWatch Logs accepts, in days.",
            "type": "integer",
            "enum": RETENTION_DAYS,
        })
    }
}
