//! Certificates of TLS listeners.

use super::model::{of, of_mut, paged, validation};
use crate::sandbox::acm;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::{Scope, Store};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Refuses a certificate that is not there or was not issued.
pub(super) fn check_usable(view: &View<'_>, arn: &str) -> Result<(), Failure> {
    match acm::status(view.store, view.scope, arn, view.now) {
        None => {
            let message = format!("Certificate '{arn}' not found");
            Err(Failure::new("CertificateNotFound", message))
        }
        Some("ISSUED") => Ok(()),
        Some(_) => {
            let message = format!(
                "The certificate '{arn}' must have a fully-qualified domain name, a supported signature, and a supported key size."
            );
            Err(Failure::new("UnsupportedCertificate", message))
        }
    }
}

/// The load balancers of the region whose listeners have a certificate.
pub(crate) fn users_of_certificate<'a>(store: &'a Store, scope: &Scope, arn: &str) -> Vec<&'a str> {
    let Some(regional) = store.regional(scope) else { return Vec::new() };
    let mut found: Vec<&str> = regional
        .elbv2
        .listeners
        .values()
        .filter(|listener| {
            listener.certificate.as_deref() == Some(arn)
                || listener.more_certificates.iter().any(|one| one == arn)
        })
        .map(|listener| listener.balancer.as_str())
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let listener = of(view).listener(params.required("ListenerArn"))?;
    let default = listener.certificate.iter().map(|arn| (arn, true));
    let more = listener.more_certificates.iter().map(|arn| (arn, false));
    let items = default.chain(more).map(|(arn, default)| {
        let key = format!("{}{arn}", u8::from(!default));
        (key, json!({ "CertificateArn": arn, "IsDefault": default }))
    });
    Ok(paged(view, params, "Certificates", items.collect())?.into())
}

fn named(params: &Params) -> Vec<&str> {
    let certificates = params.list("Certificates").iter();
    certificates.filter_map(|one| one["CertificateArn"].as_str()).collect()
}

pub(super) fn add(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arns = named(params);
    for arn in &arns {
        check_usable(&cx.view(), arn)?;
    }
    let listener = of_mut(cx).listener_mut(params.required("ListenerArn"))?;
    if listener.protocol != "TLS" {
        return Err(validation("Certificates can only be added to TLS listeners"));
    }
    let mut written: Vec<Value> = Vec::new();
    for arn in arns {
        let known = listener.more_certificates.iter().any(|one| one == arn);
        if !known && listener.certificate.as_deref() != Some(arn) {
            listener.more_certificates.push(arn.to_owned());
        }
        written.push(json!({ "CertificateArn": arn, "IsDefault": false }));
    }
    Ok(json!({ "Certificates": written }).into())
}

pub(super) fn remove(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arns = named(params);
    let listener = of_mut(cx).listener_mut(params.required("ListenerArn"))?;
    if arns.iter().any(|arn| listener.certificate.as_deref() == Some(*arn)) {
        let message = "The default certificate can't be removed";
        return Err(Failure::new("OperationNotPermitted", message));
    }
    listener.more_certificates.retain(|known| !arns.contains(&known.as_str()));
    Ok(json!({}).into())
}
