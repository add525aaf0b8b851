//! What RDS keeps.

use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::{Millis, Scope};
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::xml;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

/// One region's databases, by name or identifier.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rds {
    pub(super) subnet_groups: BTreeMap<String, SubnetGroup>,
    pub(super) parameter_groups: BTreeMap<String, ParameterGroup>,
    pub(super) clusters: BTreeMap<String, Cluster>,
    pub(super) instances: BTreeMap<String, Instance>,
    pub(super) snapshots: BTreeMap<String, Snapshot>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubnetGroup {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) vpc: String,
    pub(super) subnets: Vec<String>,
    pub(super) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ParameterGroup {
    pub(super) name: String,
    pub(super) family: String,
    pub(super) description: String,
    /// Value and apply method of the parameters that the user has set.
    pub(super) values: BTreeMap<String, (String, String)>,
    pub(super) tags: Tags,
}

/// A master password; it never prints.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Password(String);

impl Password {
    pub(super) fn new(text: &str) -> Self {
        Password(text.to_owned())
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.0 == text
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Capacity of Aurora Serverless v2, in Aurora capacity units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Capacity {
    pub(super) min: f64,
    pub(super) max: f64,
    pub(super) pause_after: Option<i64>,
}

/// What of a cluster can be changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) engine_version: String,
    pub(super) parameter_group: String,
    pub(super) security_groups: Vec<String>,
    pub(super) backup_retention: i64,
    pub(super) backup_window: String,
    pub(super) maintenance_window: String,
    pub(super) copy_tags: bool,
    pub(super) protected: bool,
    pub(super) iam_auth: bool,
    pub(super) logs: BTreeSet<String>,
    pub(super) capacity: Option<Capacity>,
    /// `None` is standard storage, of which answers say nothing.
    pub(super) storage_type: Option<String>,
    pub(super) port: i64,
}

/// Changes that wait for the maintenance window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Pending {
    pub(super) engine_version: Option<String>,
    pub(super) backup_retention: Option<i64>,
    pub(super) iam_auth: Option<bool>,
    pub(super) logs: Option<BTreeSet<String>>,
    pub(super) storage_type: Option<String>,
}

/// What a cluster or an instance is doing besides being there.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Busy {
    pub(super) status: String,
    pub(super) until: Millis,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cluster {
    pub(super) id: String,
    pub(super) resource_id: String,
    /// What makes the endpoints' names unlike those of other accounts.
    pub(super) label: String,
    pub(super) subnet_group: String,
    pub(super) zones: Vec<String>,
    pub(super) key: Option<String>,
    pub(super) database: Option<String>,
    pub(super) master_username: String,
    pub(super) password: Password,
    /// The password that is being set, and when it is in force.
    #[serde(default)]
    pub(super) next_password: Option<(Password, Millis)>,
    pub(super) lifecycle_support: String,
    pub(super) settings: Settings,
    pub(super) pending: Pending,
    pub(super) created: Millis,
    pub(super) available: Millis,
    pub(super) busy: Option<Busy>,
    /// When `deleting` ends and it is gone.
    pub(super) gone: Option<Millis>,
    pub(super) tags: Tags,
}

impl Cluster {
    /// The master password that is in force.
    pub(super) fn password(&self, now: Millis) -> &Password {
        match &self.next_password {
            Some((password, since)) if *since <= now => password,
            _ => &self.password,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instance {
    pub(super) id: String,
    pub(super) resource_id: String,
    pub(super) cluster: String,
    pub(super) class: String,
    pub(super) zone: String,
    pub(super) tier: i64,
    pub(super) minor_upgrades: bool,
    pub(super) copy_tags: bool,
    pub(super) public: bool,
    pub(super) ca: String,
    pub(super) maintenance_window: String,
    /// Key and retention of Performance Insights, if that is on.
    pub(super) insights: Option<(Option<String>, i64)>,
    /// Interval and role of enhanced monitoring, if that is on.
    pub(super) monitoring: Option<(i64, String)>,
    pub(super) created: Millis,
    pub(super) available: Millis,
    pub(super) busy: Option<Busy>,
    pub(super) gone: Option<Millis>,
    pub(super) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Snapshot {
    pub(super) id: String,
    /// The cluster as it was: the password goes with the data.
    pub(super) cluster: Cluster,
    pub(super) vpc: String,
    pub(super) created: Millis,
    pub(super) available: Millis,
    pub(super) source: Option<String>,
    pub(super) tags: Tags,
}

static NOTHING: LazyLock<Rds> = LazyLock::new(Rds::default);

/// RDS in the region of the call.
pub(super) fn of<'a>(view: &View<'a>) -> &'a Rds {
    view.store.regional(view.scope).map_or(&*NOTHING, |regional| &regional.rds)
}

/// The same, to change it.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Rds {
    &mut cx.store.regional_mut(cx.scope).rds
}

/// `arn:aws:rds:us-east-1:123456789012:cluster:name`.
pub(super) fn arn(scope: &Scope, kind: &str, id: &str) -> String {
    format!("arn:{}:rds:{}:{}:{kind}:{id}", scope.partition(), scope.region, scope.account)
}

pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("InvalidParameterValue", message)
}

pub(super) fn combination(message: impl Into<String>) -> Failure {
    Failure::new("InvalidParameterCombination", message)
}

/// Identifiers are kept in lower case. At most `longest` letters, digits and hyphens that begin
/// with a letter, do not end with a hyphen and have no two hyphens in a row.
pub(super) fn identifier(params: &Params, member: &str, longest: usize) -> Result<String, Failure> {
    let id = params.required(member).to_lowercase();
    let sound = id.starts_with(|letter: char| letter.is_ascii_lowercase())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        && !id.ends_with('-')
        && !id.contains("--")
        && id.len() <= longest;
    if sound {
        return Ok(id);
    }
    Err(invalid(format!(
        "The parameter {member} is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens."
    )))
}

/// Cuts a page and writes it as RDS does: `{outer: {item: [...]}, Marker}`.
pub(super) fn paged(
    view: &View<'_>,
    params: &Params,
    (outer, item): (&str, &str),
    items: Vec<(String, Value)>,
) -> Result<Value, Failure> {
    let size = match params.number("MaxRecords") {
        None => view.knobs.page_size.min(100),
        Some(asked) if (20..=100).contains(&asked) => usize::try_from(asked).unwrap_or(100),
        Some(asked) => {
            return Err(invalid(format!(
                "Invalid value {asked} for MaxRecords. Must be between 20 and 100"
            )));
        }
    };
    let Page { items, next } = page::cut(items, params.text("Marker"), size)
        .map_err(|_| invalid("The request has an invalid marker."))?;
    let mut answer = json!({ "Marker": next });
    answer[outer] = xml::named(item, items);
    Ok(answer)
}

/// Whether what is described passes the request's filters; `field` gives the value of a filter's
/// name, `None` for one that the operation does not have.
pub(super) fn passes(
    params: &Params,
    field: impl Fn(&str) -> Option<Vec<String>>,
) -> Result<bool, Failure> {
    for filter in params.list("Filters") {
        let name = filter["Name"].as_str().unwrap_or_default();
        let found =
            field(name).ok_or_else(|| invalid(format!("Unrecognized filter name: {name}")))?;
        let wanted = filter["Values"].as_array().into_iter().flatten();
        if !wanted.filter_map(Value::as_str).any(|value| found.iter().any(|one| one == value)) {
            return Ok(false);
        }
    }
    Ok(true)
}
