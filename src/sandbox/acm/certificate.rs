//! Certificates themselves.

use super::model::{Certificate, Token, of, of_mut};
use super::tags::read_tags;
use crate::sandbox::elbv2;
use crate::sandbox::failure::Failure;
use crate::sandbox::page::{self, Page};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::{Millis, number};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::time::Duration;

/// How long an idempotency token is remembered.
const TOKEN: Duration = Duration::from_secs(3600);
/// How long a certificate is valid: 13 months.
const VALIDITY: Duration = Duration::from_secs(395 * 86_400);
/// Names of one certificate (service quota L-FB94F0B0).
const NAMES: usize = 10;

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("InvalidParameterException", message)
}

/// Digest of all parameters but the token.
fn digest(params: &Params) -> u64 {
    let mut tree = params.tree().clone();
    if let Some(members) = tree.as_object_mut() {
        members.remove("IdempotencyToken");
        members.sort_keys();
    }
    number(&tree.to_string())
}

pub(super) fn request(cx: &mut Cx<'_>, params: &Params) -> Answer {
    if params.text("ValidationMethod") != Some("DNS") {
        return Err(invalid("The sandbox only validates domains by DNS."));
    }
    let now = cx.now;
    let request = digest(params);
    if let Some(token) = params.text("IdempotencyToken") {
        let known = of(&cx.view()).tokens.get(token);
        let known = known.filter(|known| known.request == request && now < known.used.plus(TOKEN));
        if let Some(known) = known
            && of(&cx.view()).certificates.contains_key(&known.arn)
        {
            return Ok(json!({ "CertificateArn": known.arn }).into());
        }
    }
    let domain = params.required("DomainName").to_lowercase();
    let mut names = vec![domain.clone()];
    for name in params.texts("SubjectAlternativeNames") {
        let name = name.to_lowercase();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > NAMES {
        let message = format!("A certificate can have no more than {NAMES} names.");
        return Err(Failure::new("LimitExceededException", message));
    }
    let drawn = (cx.store.random(), cx.store.random());
    let arn = format!(
        "arn:{}:acm:{}:{}:certificate/{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        cx.scope.partition(),
        cx.scope.region,
        cx.scope.account,
        drawn.0 >> 32,
        (drawn.0 >> 16) & 0xffff,
        drawn.0 & 0xfff,
        drawn.1 >> 52,
        drawn.1 & 0xffff_ffff_ffff
    );
    let options = params.get("Options");
    let transparency = options
        .and_then(|options| options["CertificateTransparencyLoggingPreference"].as_str())
        .unwrap_or("ENABLED");
    let certificate = Certificate {
        arn: arn.clone(),
        domain,
        names,
        key_algorithm: params.text("KeyAlgorithm").unwrap_or("RSA_2048").to_owned(),
        transparency: transparency.to_owned(),
        created: now,
        issued: None,
        tags: read_tags(params)?,
    };
    let acm = of_mut(cx);
    if let Some(token) = params.text("IdempotencyToken") {
        acm.tokens.insert(token.to_owned(), Token { request, arn: arn.clone(), used: now });
    }
    acm.certificates.insert(arn.clone(), certificate);
    Ok(json!({ "CertificateArn": arn }).into())
}

/// ACM writes `RSA_2048` as `RSA-2048` in answers to `DescribeCertificate`.
fn spoken(algorithm: &str) -> String {
    if algorithm.starts_with("RSA") { algorithm.replace('_', "-") } else { algorithm.to_owned() }
}

fn put_times(written: &mut Value, certificate: &Certificate) {
    if let Some(issued) = certificate.issued {
        written["IssuedAt"] = issued.seconds().into();
        written["NotBefore"] = issued.seconds().into();
        written["NotAfter"] = issued.plus(VALIDITY).seconds().into();
    }
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let certificate = of(view).certificate(params.required("CertificateArn"))?;
    let users = elbv2::users_of_certificate(view.store, view.scope, &certificate.arn);
    let eligible = certificate.issued.is_some() && !users.is_empty();
    let mut written = json!({
        "CertificateArn": certificate.arn,
        "DomainName": certificate.domain,
        "SubjectAlternativeNames": certificate.names,
        "DomainValidationOptions": certificate.validations(&view.scope.account, view.now),
        "Subject": format!("CN={}", certificate.domain),
        "Issuer": "Amazon",
        "CreatedAt": certificate.created.seconds(),
        "Status": certificate.status(view.now),
        "KeyAlgorithm": spoken(&certificate.key_algorithm),
        "SignatureAlgorithm": "SHA256WITHRSA",
        "InUseBy": users,
        "Type": "AMAZON_ISSUED",
        "RenewalEligibility": if eligible { "ELIGIBLE" } else { "INELIGIBLE" },
        "Options": { "CertificateTransparencyLoggingPreference": certificate.transparency },
    });
    put_times(&mut written, certificate);
    Ok(json!({ "Certificate": written }).into())
}

fn summary(view: &View<'_>, certificate: &Certificate) -> Value {
    let users = elbv2::users_of_certificate(view.store, view.scope, &certificate.arn);
    let mut written = json!({
        "CertificateArn": certificate.arn,
        "DomainName": certificate.domain,
        "SubjectAlternativeNameSummaries": certificate.names,
        "HasAdditionalSubjectAlternativeNames": false,
        "Status": certificate.status(view.now),
        "Type": "AMAZON_ISSUED",
        "KeyAlgorithm": certificate.key_algorithm,
        "InUse": !users.is_empty(),
        "CreatedAt": certificate.created.seconds(),
    });
    put_times(&mut written, certificate);
    written
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let statuses = params.texts("CertificateStatuses");
    let types = params.get("Includes").and_then(|includes| includes["keyTypes"].as_array());
    let wanted: Vec<&str> = match types {
        Some(types) => types.iter().filter_map(Value::as_str).collect(),
        // Others are hidden unless they are asked for.
        None => vec!["RSA_1024", "RSA_2048"],
    };
    let found = of(view).certificates.values().filter(|certificate| {
        wanted.contains(&certificate.key_algorithm.as_str())
            && (statuses.is_empty() || statuses.contains(&certificate.status(view.now)))
    });
    let order = |certificate: &Certificate| {
        let Millis(created) = certificate.created;
        format!("{created:020}/{}", certificate.arn)
    };
    let mut items: Vec<(String, Value)> =
        found.map(|certificate| (order(certificate), summary(view, certificate))).collect();
    items.sort_by(|one, other| one.0.cmp(&other.0));
    let asked = params.number("MaxItems").and_then(|size| usize::try_from(size).ok());
    let size = asked.unwrap_or_else(|| view.knobs.page_size.min(100));
    let Page { items, next } = page::cut(items, params.text("NextToken"), size)
        .map_err(|_| Failure::new("InvalidArgsException", "The NextToken is invalid."))?;
    let mut answer = json!({ "CertificateSummaryList": items });
    if let Some(next) = next {
        answer["NextToken"] = next.into();
    }
    Ok(answer.into())
}

pub(super) fn update_options(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let certificate = of_mut(cx).certificate_mut(params.required("CertificateArn"))?;
    if certificate.issued.is_none() {
        let message = "The certificate is not issued.";
        return Err(Failure::new("InvalidStateException", message));
    }
    let options = params.get("Options");
    if let Some(preference) =
        options.and_then(|options| options["CertificateTransparencyLoggingPreference"].as_str())
    {
        preference.clone_into(&mut certificate.transparency);
    }
    Ok(json!({}).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("CertificateArn");
    of(&cx.view()).certificate(arn)?;
    if !elbv2::users_of_certificate(cx.store, cx.scope, arn).is_empty() {
        let message = format!("Certificate {arn} in account {} is in use.", cx.scope.account);
        return Err(Failure::new("ResourceInUseException", message));
    }
    of_mut(cx).certificates.remove(arn);
    Ok(json!({}).into())
}
