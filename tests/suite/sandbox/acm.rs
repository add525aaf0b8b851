//! Certificates of the sandbox.

use super::*;
use aws_sdk_acm::Client as Acm;
use aws_sdk_acm::types::{
    CertificateDetail, CertificateStatus, Filters, KeyAlgorithm, ValidationMethod,
};
use aws_sdk_route53::types::{ChangeAction, RrType};

pub(super) fn acm(sandbox: &Sandbox) -> Acm {
    Acm::new(&config(sandbox, "AKIDSANDBOX", "us-east-1"))
}

/// Requests a certificate for a name and its wildcard.
pub(super) async fn requested(sandbox: &Sandbox, name: &str) -> String {
    let call = acm(sandbox).request_certificate().domain_name(name);
    let call = call.subject_alternative_names(format!("*.{name}"));
    let call = call.validation_method(ValidationMethod::Dns).idempotency_token("once");
    call.send().await.unwrap().certificate_arn.unwrap()
}

async fn described(sandbox: &Sandbox, arn: &str) -> CertificateDetail {
    let call = acm(sandbox).describe_certificate().certificate_arn(arn);
    call.send().await.unwrap().certificate.unwrap()
}

/// Puts the records that prove a certificate's names into the zone of the sandbox.
pub(super) async fn prove(sandbox: &Sandbox, arn: &str) {
    sandbox.clock().sleep(Duration::from_secs(6)).await;
    let certificate = described(sandbox, arn).await;
    let record = certificate.domain_validation_options()[0].resource_record().unwrap();
    let zone = super::route53::zone(sandbox).await;
    let set = super::route53::record(record.name(), RrType::Cname, &[record.value()]);
    super::route53::change(sandbox, &zone, ChangeAction::Create, set).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_issued_when_its_record_stands() {
    let sandbox = sandbox();
    let arn = requested(&sandbox, "coder.example.com").await;
    assert_eq!(requested(&sandbox, "coder.example.com").await, arn);
    let fresh = described(&sandbox, &arn).await;
    assert_eq!(fresh.status(), Some(&CertificateStatus::PendingValidation));
    assert!(fresh.domain_validation_options()[0].resource_record().is_none());
    sandbox.clock().sleep(Duration::from_secs(600)).await;
    let options = described(&sandbox, &arn).await;
    assert_eq!(options.status(), Some(&CertificateStatus::PendingValidation));
    let options = options.domain_validation_options();
    assert_eq!(options.len(), 2);
    assert_eq!(options[0].resource_record(), options[1].resource_record());
    prove(&sandbox, &arn).await;
    sandbox.clock().sleep(Duration::from_secs(179)).await;
    let status = described(&sandbox, &arn).await.status;
    assert_eq!(status, Some(CertificateStatus::PendingValidation));
    sandbox.clock().sleep(Duration::from_secs(1)).await;
    let issued = described(&sandbox, &arn).await;
    assert_eq!(issued.status(), Some(&CertificateStatus::Issued));
    assert!(issued.not_after().is_some());
    let other = requested(&sandbox, "other.example.com").await;
    assert_ne!(other, arn);
    sandbox.clock().sleep(Duration::from_secs(72 * 3600)).await;
    let late = described(&sandbox, &other).await;
    assert_eq!(late.status(), Some(&CertificateStatus::ValidationTimedOut));
    assert_eq!(described(&sandbox, &arn).await.status(), Some(&CertificateStatus::Issued));
}

#[tokio::test(start_paused = true)]
async fn lists_hide_elliptic_curves_unless_asked() {
    let sandbox = sandbox();
    let acm = acm(&sandbox);
    let call = acm.request_certificate().domain_name("ec.example.com");
    let call = call.validation_method(ValidationMethod::Dns);
    let made = call.key_algorithm(KeyAlgorithm::EcPrime256v1).send().await.unwrap();
    let arn = made.certificate_arn().unwrap();
    let found = acm.list_certificates().send().await.unwrap();
    assert!(found.certificate_summary_list().is_empty());
    let types = Filters::builder().key_types(KeyAlgorithm::EcPrime256v1).build();
    let found = acm.list_certificates().includes(types).send().await.unwrap();
    assert_eq!(found.certificate_summary_list()[0].certificate_arn(), Some(arn));

    let tag = aws_sdk_acm::types::Tag::builder().key("a").value("b").build().unwrap();
    let add = acm.add_tags_to_certificate().certificate_arn(arn).tags(tag);
    add.send().await.unwrap();
    let tags = acm.list_tags_for_certificate().certificate_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags()[0].value(), Some("b"));
    acm.delete_certificate().certificate_arn(arn).send().await.unwrap();
    let gone = acm.describe_certificate().certificate_arn(arn).send().await;
    assert_eq!(code(gone), "ResourceNotFoundException");
}
