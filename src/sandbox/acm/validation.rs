//! Validation: a certificate is issued some minutes after the records that prove its names stand
//! in public hosted zones. Records that go later change nothing about it.

use super::model::Certificate;
use crate::sandbox::route53;
use crate::sandbox::store::{Millis, Scope, Store, number};
use serde_json::{Value, json};
use std::time::Duration;

/// How long until the records to make are known.
const RECORDS: Duration = Duration::from_secs(5);
/// How long from the last record to the certificate: 1.5 to 9 min in public logs.
const ISSUING: Duration = Duration::from_secs(180);
/// When it is given up.
const TIMEOUT: Duration = Duration::from_secs(72 * 3600);

/// The record that proves a name: a wildcard and its parent share one. AWS makes it from the
/// account and the name, so that certificates for one name share it as well.
fn record(account: &str, name: &str) -> (String, String) {
    let base = name.strip_prefix("*.").unwrap_or(name);
    let hex = |part: &str| {
        let drawn = |half: u8| number(&format!("{account}/{base}/{part}/{half}"));
        format!("{:016x}{:016x}", drawn(0), drawn(1))
    };
    (
        format!("_{}.{base}.", hex("name")),
        format!("_{}.jkddzztszm.acm-validations.aws.", hex("value")),
    )
}

/// When all records of a certificate stood, if they do.
fn proved(store: &Store, scope: &Scope, certificate: &Certificate) -> Option<Millis> {
    let mut last = certificate.created.plus(RECORDS);
    for name in &certificate.names {
        let (name, value) = record(&scope.account, name);
        last = last.max(route53::cname_since(store, &name, &value)?);
    }
    Some(last)
}

/// Certificates that are issued by `now`, with the time.
fn due(store: &Store, scope: &Scope, now: Millis) -> Vec<(String, Millis)> {
    let Some(regional) = store.regional(scope) else { return Vec::new() };
    let pending = regional.acm.certificates.values().filter(|one| one.issued.is_none());
    pending
        .filter_map(|one| {
            let issued = proved(store, scope, one)?.plus(ISSUING);
            let in_time = issued < one.created.plus(TIMEOUT);
            (in_time && issued <= now).then(|| (one.arn.clone(), issued))
        })
        .collect()
}

/// Issues what has become due by `now`.
pub(crate) fn settle(store: &mut Store, scope: &Scope, now: Millis) {
    for (arn, issued) in due(store, scope, now) {
        let certificates = &mut store.regional_mut(scope).acm.certificates;
        if let Some(certificate) = certificates.get_mut(&arn) {
            certificate.issued = Some(issued);
        }
    }
}

/// Whether [`settle`] would change anything.
pub(crate) fn is_due(store: &Store, scope: &Scope, now: Millis) -> bool {
    !due(store, scope, now).is_empty()
}

impl Certificate {
    /// AWS's word for where it stands.
    pub(super) fn status(&self, now: Millis) -> &'static str {
        match self.issued {
            Some(_) => "ISSUED",
            None if now < self.created.plus(TIMEOUT) => "PENDING_VALIDATION",
            None => "VALIDATION_TIMED_OUT",
        }
    }

    /// How each name is proved.
    pub(super) fn validations(&self, account: &str, now: Millis) -> Vec<Value> {
        let status = match self.status(now) {
            "ISSUED" => "SUCCESS",
            "PENDING_VALIDATION" => "PENDING_VALIDATION",
            _ => "FAILED",
        };
        let known = now >= self.created.plus(RECORDS);
        let one = |domain: &String| {
            let mut validation = json!({
                "DomainName": domain,
                "ValidationDomain": domain,
                "ValidationStatus": status,
                "ValidationMethod": "DNS",
            });
            if known {
                let (name, value) = record(account, domain);
                validation["ResourceRecord"] =
                    json!({ "Name": name, "Type": "CNAME", "Value": value });
            }
            validation
        };
        self.names.iter().map(one).collect()
    }
}

/// Where the certificate `arn` of the region stands; `None` if there is none.
pub(crate) fn status(store: &Store, scope: &Scope, arn: &str, now: Millis) -> Option<&'static str> {
    Some(store.regional(scope)?.acm.certificates.get(arn)?.status(now))
}
