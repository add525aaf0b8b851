//! Kubernetes versions: since when, and until when which support.

use super::words::{invalid, paged};
use crate::sandbox::service::{Answer, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Version, release on EKS, end of standard and of extended support
/// (<https://docs.aws.amazon.com/eks/latest/userguide/kubernetes-versions.html>). The dates of 1.36
/// are the project's guess.
const VERSIONS: &[(&str, &str, &str, &str)] = &[
    ("1.29", "2024-01-23", "2025-03-23", "2026-03-23"),
    ("1.30", "2024-05-23", "2025-07-23", "2026-07-23"),
    ("1.31", "2024-09-26", "2025-11-26", "2026-11-26"),
    ("1.32", "2025-01-23", "2026-03-23", "2027-03-23"),
    ("1.33", "2025-05-29", "2026-07-29", "2027-07-29"),
    ("1.34", "2025-10-02", "2026-12-02", "2027-12-02"),
    ("1.35", "2026-01-28", "2027-03-27", "2028-03-27"),
    ("1.36", "2026-06-24", "2027-08-24", "2028-08-24"),
];

/// What a cluster gets that names no version.
pub(super) const DEFAULT: &str = "1.35";

/// A version's support at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Support {
    /// Not released yet.
    Future,
    /// In standard support.
    Standard,
    /// In extended support, which costs more.
    Extended,
    /// No more.
    Over,
}

fn midnight(day: &str) -> Millis {
    let date = day.parse::<jiff::civil::Date>().ok();
    let start = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    let millis = start.map(|start| start.timestamp().as_millisecond());
    Millis(millis.and_then(|millis| u64::try_from(millis).ok()).unwrap_or(0))
}

/// The support of a version; `None` for one that EKS never had.
pub(super) fn support(version: &str, now: Millis) -> Option<Support> {
    let (_, release, standard, extended) = VERSIONS.iter().find(|(known, ..)| *known == version)?;
    Some(match now {
        now if now < midnight(release) => Support::Future,
        now if now < midnight(standard) => Support::Standard,
        now if now < midnight(extended) => Support::Extended,
        _ => Support::Over,
    })
}

/// Whether clusters of the version can be made.
pub(super) fn is_offered(version: &str, now: Millis) -> bool {
    matches!(support(version, now), Some(Support::Standard | Support::Extended))
}

/// The minor version as a number.
pub(super) fn minor(version: &str) -> Option<u32> {
    version.strip_prefix("1.")?.parse().ok()
}

/// The versions that are offered, the newest first.
pub(super) fn offered(now: Millis) -> impl Iterator<Item = &'static str> {
    VERSIONS.iter().rev().map(|(version, ..)| *version).filter(move |v| is_offered(v, now))
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let versions = params.texts("clusterVersions");
    if let Some(unknown) = versions.iter().find(|v| support(v, view.now).is_none()) {
        return Err(invalid(format!("Unknown Kubernetes version: {unknown}")));
    }
    let status = match (params.text("versionStatus"), params.text("status")) {
        (Some(status), _) => Some(status.to_owned()),
        (None, Some(old)) => Some(old.to_uppercase().replace('-', "_")),
        (None, None) => None,
    };
    let all = params.flag("includeAll") == Some(true);
    let default_only = params.flag("defaultOnly") == Some(true);
    let described = VERSIONS.iter().rev().enumerate().filter_map(|(place, line)| {
        let (version, release, standard, extended) = line;
        let word = match support(version, view.now)? {
            Support::Future => return None,
            Support::Standard => "STANDARD_SUPPORT",
            Support::Extended => "EXTENDED_SUPPORT",
            Support::Over if all || versions.contains(version) => "UNSUPPORTED",
            Support::Over => return None,
        };
        let wanted = (versions.is_empty() || versions.contains(version))
            && status.as_deref().is_none_or(|status| status == word)
            && (!default_only || *version == DEFAULT);
        wanted.then(|| {
            let item = json!({
                "clusterVersion": version,
                "clusterType": "eks",
                "defaultPlatformVersion": "eks.1",
                "defaultVersion": *version == DEFAULT,
                "releaseDate": midnight(release).seconds(),
                "endOfStandardSupportDate": midnight(standard).seconds(),
                "endOfExtendedSupportDate": midnight(extended).seconds(),
                "status": word.to_lowercase().replace('_', "-"),
                "versionStatus": word,
                "kubernetesPatchVersion": format!("{version}.1"),
            });
            (format!("{place:03}"), item)
        })
    });
    let items: Vec<(String, Value)> = described.collect();
    paged(view, params, "clusterVersions", items)
}
