//! Aurora PostgreSQL, where Coder keeps everything.

use super::by_name::ByName;
use super::on;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An Aurora PostgreSQL cluster, Serverless v2. Its password is made once, is kept in Secrets
/// Manager, and is nowhere in a spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The version of Aurora PostgreSQL. What AWS has brought up to a later minor version by itself
    /// stays so. There is no way back from an upgrade.
    #[serde(default = "engine_version")]
    #[schemars(
        regex(pattern = r"^[0-9]{2}\.[0-9]{1,2}$"),
        extend("x-expected" = "a version of Aurora PostgreSQL such as `16.13`")
    )]
    pub engine_version: String,

    /// The tier whose subnets hold it, in two zones at least.
    #[serde(default = "database")]
    pub tier: String,

    /// The least capacity, in ACU: steps of 0.5, 2 GiB of memory each ACU. It bounds how many
    /// connections there may be.
    #[serde(default = "min_capacity")]
    #[schemars(range(min = 0.5, max = 256.0), extend("multipleOf" = 0.5, "x-expected" = "a number from 0.5 to 256 in steps of 0.5"))]
    pub min_capacity: f64,

    /// The most capacity, in ACU.
    #[serde(default = "max_capacity")]
    #[schemars(range(min = 1.0, max = 256.0), extend("multipleOf" = 0.5, "x-expected" = "a number from 1 to 256 in steps of 0.5"))]
    pub max_capacity: f64,

    /// How many instances: one writes, the others stand by to take over.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 15))]
    pub instances: u8,

    /// For how many days Aurora can go back to any second, 1 to 35.
    #[serde(default = "week")]
    #[schemars(range(min = 1, max = 35))]
    pub backup_retention_days: u8,

    /// When the daily backup is made, UTC: `03:00-04:00`, half an hour at least.
    #[serde(default = "backup_window")]
    #[schemars(
        regex(pattern = "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$"),
        extend("x-expected" = "a time of day in UTC such as `03:00-04:00`")
    )]
    pub backup_window: String,

    /// When AWS may do its maintenance, UTC: `sun:05:00-sun:06:00`.
    #[serde(default = "maintenance_window")]
    #[schemars(
        regex(pattern = "^(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]-(mon|tue|wed|thu|fri|sat|sun):([01][0-9]|2[0-3]):[0-5][0-9]$"),
        extend("x-expected" = "a time of the week in UTC such as `sun:05:00-sun:06:00`")
    )]
    pub maintenance_window: String,

    /// Whether RDS refuses to delete the cluster. A destroy, and `--allow-delete`, turn it off first.
    #[serde(default = "on")]
    pub deletion_protection: bool,

    /// Whether a snapshot is made before the cluster is deleted. The key that encrypts it is kept
    /// as long as it exists.
    #[serde(default = "on")]
    pub final_snapshot: bool,

    /// The snapshot to make the cluster from. It counts only when the cluster is made, in the newer
    /// one of the snapshot's version and `engine_version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 255),
        regex(pattern = "^[A-Za-z0-9:-]+$"),
        extend("x-expected" = "a cluster snapshot's identifier or ARN")
    )]
    pub from_snapshot: Option<String>,

    /// The database's name. It cannot change.
    #[serde(default = "coder")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z][a-z0-9_]*$"),
        extend("x-expected" = "lower-case letters, digits and `_`, starting with a letter")
    )]
    pub name: String,

    /// The user that Coder is. It cannot change.
    #[serde(default = "coder")]
    #[schemars(
        length(min = 1, max = 16),
        regex(pattern = "^[a-z][a-z0-9_]*$"),
        extend("x-expected" = "lower-case letters, digits and `_`, starting with a letter")
    )]
    pub username: String,

    /// Parameters of the cluster, besides `rds.force_ssl`, which is 1.
    #[serde(default, skip_serializing_if = "ByName::is_empty")]
    pub parameters: ByName<String>,

    /// Whether PostgreSQL's log goes to CloudWatch.
    #[serde(default = "on")]
    pub log_exports: bool,
}

fn engine_version() -> String {
    "16.13".to_owned()
}

fn database() -> String {
    "database".to_owned()
}

fn coder() -> String {
    "coder".to_owned()
}

fn min_capacity() -> f64 {
    0.5
}

fn max_capacity() -> f64 {
    4.0
}

fn one() -> u8 {
    1
}

fn week() -> u8 {
    7
}

fn backup_window() -> String {
    "03:00-04:00".to_owned()
}

fn maintenance_window() -> String {
    "sun:05:00-sun:06:00".to_owned()
}
