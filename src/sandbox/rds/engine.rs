//! What can be ordered: versions of Aurora PostgreSQL and instance classes.

use super::model::{invalid, paged};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::xml;
use serde_json::{Value, json};

/// The only engine that the sandbox has.
pub(super) const ENGINE: &str = "aurora-postgresql";

/// Versions, oldest first.
const VERSIONS: &[&str] = &[
    "14.15", "14.17", "15.10", "15.12", "16.4", "16.6", "16.8", "16.9", "16.13", "17.4", "17.5",
    "17.9",
];

/// What a request gets that asks for no version.
const DEFAULT: &str = "16.6";

/// Instance classes.
pub(super) const CLASSES: &[&str] = &[
    "db.r6g.2xlarge",
    "db.r6g.4xlarge",
    "db.r6g.large",
    "db.r6g.xlarge",
    "db.r7g.2xlarge",
    "db.r7g.large",
    "db.r7g.xlarge",
    "db.r8g.large",
    "db.serverless",
    "db.t4g.large",
    "db.t4g.medium",
];

/// Major and minor number.
fn numbers(version: &str) -> (u32, u32) {
    let (major, minor) = version.split_once('.').unwrap_or((version, "0"));
    (major.parse().unwrap_or(0), minor.parse().unwrap_or(0))
}

/// The parameter group family of a version: `aurora-postgresql16`.
pub(super) fn family(version: &str) -> String {
    format!("{ENGINE}{}", numbers(version).0)
}

/// All families.
pub(super) fn families() -> Vec<String> {
    let mut families: Vec<String> = VERSIONS.iter().map(|version| family(version)).collect();
    families.dedup();
    families
}

/// The version that a request means; a major version alone is its newest.
pub(super) fn version(asked: Option<&str>) -> Result<&'static str, Failure> {
    let asked = asked.unwrap_or(DEFAULT);
    let newest =
        |version: &&&'static str| **version == asked || version.split('.').next() == Some(asked);
    VERSIONS.iter().rev().find(newest).copied().ok_or_else(|| {
        super::model::combination(format!("Cannot find version {asked} for {ENGINE}"))
    })
}

/// Whether a cluster may go from one version to another.
pub(super) fn check_upgrade(from: &str, to: &str, major_too: bool) -> Result<(), Failure> {
    if numbers(to) < numbers(from) {
        let message = format!("Cannot upgrade {ENGINE} from {from} to {to}");
        return Err(super::model::combination(message));
    }
    if numbers(to).0 > numbers(from).0 && !major_too {
        return Err(super::model::combination(
            "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version.",
        ));
    }
    Ok(())
}

/// Refuses any engine but the one.
pub(super) fn check_engine(params: &Params) -> Result<(), Failure> {
    match params.text("Engine") {
        None | Some(ENGINE) => Ok(()),
        Some(other) => Err(invalid(format!("Invalid DB engine: {other}"))),
    }
}

pub(super) fn describe_versions(view: &View<'_>, params: &Params) -> Answer {
    let engine = params.text("Engine").is_none_or(|engine| engine == ENGINE);
    let found = VERSIONS.iter().filter(|version| {
        let asked = params.text("EngineVersion");
        engine
            && asked
                .is_none_or(|asked| **version == asked || version.split('.').next() == Some(asked))
            && params.text("DBParameterGroupFamily").is_none_or(|name| family(version) == name)
            && (!params.flag("DefaultOnly").unwrap_or(false) || **version == DEFAULT)
    });
    let items = found.map(|version| {
        let targets = VERSIONS.iter().filter(|to| numbers(to) > numbers(version)).map(|to| {
            json!({
                "Engine": ENGINE,
                "EngineVersion": to,
                "Description": format!("Aurora PostgreSQL (Compatible with PostgreSQL {to})"),
                "AutoUpgrade": false,
                "IsMajorVersionUpgrade": numbers(to).0 > numbers(version).0,
            })
        });
        let written = json!({
            "Engine": ENGINE,
            "MajorEngineVersion": numbers(version).0.to_string(),
            "EngineVersion": version,
            "DBParameterGroupFamily": family(version),
            "DBEngineDescription": "Aurora (PostgreSQL)",
            "DBEngineVersionDescription": format!("Aurora PostgreSQL (Compatible with PostgreSQL {version})"),
            "ValidUpgradeTarget": xml::named("UpgradeTarget", targets.collect()),
            "ExportableLogTypes": ["instance", "postgresql", "iam-db-auth-error"],
            "SupportsLogExportsToCloudwatchLogs": true,
            "SupportedEngineModes": ["provisioned"],
            "Status": "available",
            "ServerlessV2FeaturesSupport": { "MinCapacity": 0.0, "MaxCapacity": 256.0 },
        });
        let (major, minor) = numbers(version);
        (format!("{major:03}.{minor:03}"), written)
    });
    let items: Vec<(String, Value)> = items.collect();
    Ok(paged(view, params, ("DBEngineVersions", "DBEngineVersion"), items)?.into())
}

pub(super) fn describe_options(view: &View<'_>, params: &Params) -> Answer {
    let engine = params.required("Engine") == ENGINE;
    let mut items: Vec<(String, Value)> = Vec::new();
    for version in VERSIONS.iter().filter(|_| engine) {
        if params.text("EngineVersion").is_some_and(|asked| asked != *version) {
            continue;
        }
        for class in CLASSES {
            if params.text("DBInstanceClass").is_some_and(|asked| asked != *class) {
                continue;
            }
            let zones = ["a", "b", "c"]
                .map(|letter| json!({ "Name": format!("{}{letter}", view.scope.region) }));
            let written = json!({
                "Engine": ENGINE,
                "EngineVersion": version,
                "DBInstanceClass": class,
                "LicenseModel": "postgresql-license",
                "AvailabilityZones": xml::named("AvailabilityZone", zones.to_vec()),
                "MultiAZCapable": false,
                "ReadReplicaCapable": true,
                "Vpc": true,
                "SupportsStorageEncryption": true,
                "StorageType": "aurora",
                "SupportsIAMDatabaseAuthentication": true,
                "SupportsPerformanceInsights": true,
            });
            let (major, minor) = numbers(version);
            items.push((format!("{major:03}.{minor:03} {class}"), written));
        }
    }
    Ok(paged(view, params, ("OrderableDBInstanceOptions", "OrderableDBInstanceOption"), items)?
        .into())
}

/// There are none: the sandbox can't make any.
pub(super) fn describe_global_clusters(_: &View<'_>, params: &Params) -> Answer {
    match params.text("GlobalClusterIdentifier") {
        Some(id) => {
            let message = format!("Global cluster {id} not found.");
            Err(Failure::new("GlobalClusterNotFoundFault", message))
        }
        None => Ok(json!({ "GlobalClusters": [] }).into()),
    }
}
