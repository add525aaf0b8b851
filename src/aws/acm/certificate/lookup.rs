//! Finding and reading certificates.

use super::{Certificate, Live, ValidationRecord, base};
use crate::aws::acm::Acm;
use crate::aws::call::{gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::tags::foreign;
use crate::kind::{Cx, Error, Result, Status, Tags};
use crate::name::PhysicalId;
use crate::value::Id;
use aws_sdk_acm::types::{
    CertificateDetail, CertificateStatus, DomainStatus, Filters, KeyAlgorithm, Tag,
};

/// All certificates of the region, whoever owns them, whatever key they have: ARN and domain.
pub(super) async fn all(cx: &Cx) -> Result<Vec<(String, String)>> {
    let acm = cx.api::<Acm>()?;
    let every_key = Filters::builder()
        .set_key_types(Some(vec![
            KeyAlgorithm::Rsa1024,
            KeyAlgorithm::Rsa2048,
            KeyAlgorithm::Rsa3072,
            KeyAlgorithm::Rsa4096,
            KeyAlgorithm::EcPrime256v1,
            KeyAlgorithm::EcSecp384r1,
            KeyAlgorithm::EcSecp521r1,
        ]))
        .build();
    let pages = pages(
        cx,
        "acm:ListCertificates",
        |token| {
            acm.0
                .list_certificates()
                .includes(every_key.clone())
                .max_items(1000)
                .set_next_token(token)
                .send()
        },
        |page| page.next_token(),
    )
    .await?;
    Ok(pages
        .iter()
        .flat_map(|page| page.certificate_summary_list())
        .filter_map(|summary| {
            let domain = summary.domain_name().unwrap_or_default().to_lowercase();
            Some((summary.certificate_arn()?.to_owned(), domain))
        })
        .collect())
}

/// Whether a certificate of the region looks for the CNAME `name`, whoever owns it.
pub(super) async fn is_validated_by(cx: &Cx, name: &str) -> Result<bool> {
    for (arn, _) in all(cx).await? {
        let reading = with(cx, &arn, Tags::new()).await?;
        let validation = reading.map(|reading| reading.live.validation).unwrap_or_default();
        if validation.iter().any(|record| record.name == name) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A certificate that carries our deployment's tag; `None` for others and for what is gone. One
/// that `is_likely` ours is read at the same time as whose it is.
pub(super) async fn ours(
    cx: &Cx,
    arn: &str,
    is_likely: bool,
) -> Result<Option<Reading<Certificate>>> {
    if is_likely {
        let (tags, reading) = futures::try_join!(tags(cx, arn), with(cx, arn, Tags::new()))?;
        let tags = tags.filter(|tags| foreign(cx, tags).is_none());
        return Ok(tags.zip(reading).map(|(tags, reading)| Reading { tags, ..reading }));
    }
    match tags(cx, arn).await? {
        Some(tags) if foreign(cx, &tags).is_none() => with(cx, arn, tags).await,
        _ => Ok(None),
    }
}

/// A certificate, whoever owns it.
pub(super) async fn whole(cx: &Cx, arn: &str) -> Result<Option<Reading<Certificate>>> {
    match tags(cx, arn).await? {
        Some(tags) => with(cx, arn, tags).await,
        None => Ok(None),
    }
}

async fn with(cx: &Cx, arn: &str, tags: Tags) -> Result<Option<Reading<Certificate>>> {
    let acm = cx.api::<Acm>()?;
    let answer = gone_is_fine(
        safe(cx, "acm:DescribeCertificate", || {
            acm.0.describe_certificate().certificate_arn(arn).send()
        })
        .await,
    )?;
    Ok(answer.as_ref().and_then(|answer| answer.certificate()).map(|one| reading(arn, one, tags)))
}

async fn tags(cx: &Cx, arn: &str) -> Result<Option<Tags>> {
    let acm = cx.api::<Acm>()?;
    let answer = gone_is_fine(
        safe(cx, "acm:ListTagsForCertificate", || {
            acm.0.list_tags_for_certificate().certificate_arn(arn).send()
        })
        .await,
    )?;
    Ok(answer.map(|answer| {
        let tags = answer.tags().iter();
        tags.map(|tag| (tag.key().to_owned(), tag.value().unwrap_or_default().to_owned())).collect()
    }))
}

fn reading(arn: &str, one: &CertificateDetail, tags: Tags) -> Reading<Certificate> {
    let status = match one.status() {
        Some(CertificateStatus::Issued) => Status::Ready,
        Some(CertificateStatus::PendingValidation) | None => {
            Status::Busy("PENDING_VALIDATION".to_owned())
        }
        Some(status) => {
            let reason = one.failure_reason().map(|reason| format!(": {}", reason.as_str()));
            Status::Failed(format!("{}{}", status.as_str(), reason.unwrap_or_default()))
        }
    };
    let domain = one.domain_name().unwrap_or_default().to_lowercase();
    let alternatives = one.subject_alternative_names().iter().map(|name| name.to_lowercase());
    let live = Live {
        arn: Id::new(arn),
        alternatives: alternatives.filter(|name| *name != domain).collect(),
        key: one.key_algorithm().map_or("", KeyAlgorithm::as_str).replace('-', "_"),
        validation: validation(one),
        expires: one
            .not_after()
            .and_then(|time| time.fmt(aws_smithy_types::date_time::Format::DateTime).ok()),
        domain,
    };
    let parents: Vec<PhysicalId> = Vec::new();
    Reading { id: arn.to_owned(), status, parents, tags, live }
}

/// One record a domain; none until AWS has named all of them.
fn validation(one: &CertificateDetail) -> Vec<ValidationRecord> {
    let options = one.domain_validation_options();
    let records: Option<Vec<ValidationRecord>> = options
        .iter()
        .map(|option| {
            let record = option.resource_record()?;
            Some(ValidationRecord {
                domain: base(&option.domain_name().to_lowercase()).to_owned(),
                name: record.name().trim_end_matches('.').to_lowercase(),
                value: record.value().trim_end_matches('.').to_lowercase(),
                seen: option.validation_status() == Some(&DomainStatus::Success),
            })
        })
        .collect();
    let mut records = records.unwrap_or_default();
    records.sort();
    records.dedup_by(|a, b| a.name == b.name);
    records
}

fn unsendable(error: impl std::fmt::Display) -> Error {
    Error::local(format!("a tag can not be sent: {error}"))
}

pub(super) fn to_acm(tags: &Tags) -> Result<Vec<Tag>> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build().map_err(unsendable))
        .collect()
}

pub(super) fn keys_to_acm(keys: &[String]) -> Result<Vec<Tag>> {
    keys.iter().map(|key| Tag::builder().key(key).build().map_err(unsendable)).collect()
}
