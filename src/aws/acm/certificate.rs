//! The public certificate, validated by DNS: AWS names a CNAME for each domain, and issues once it
//! sees them all. The same CNAME stands for a domain and its wildcard, in every region and for
//! every certificate of the account, and must stay: renewals look for it again.
//! <https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html>
//!
//! All but its tags is fixed, so another one is made first, its users move over, and the old one
//! goes. A second request makes a second certificate, but for a token that is valid for an hour.
//! `ListCertificates` leaves out all but RSA 2048 unless other key types are named, and tells no
//! tags. <https://docs.aws.amazon.com/acm/latest/APIReference/API_ListCertificates.html>

mod lookup;

use super::Acm;
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, safe};
use crate::aws::route53::record::Record;
use crate::aws::route53::zone;
use crate::aws::tags::tag_changes;
use crate::graph::Handle;
use crate::kind::{
    Change, Class, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership, ReplaceOrder, Result,
    Seen, Status, Typical, Wanted, seconds, seen,
};
use crate::name::PhysicalId;
use crate::value::{Facts, Id, In, Need, Output};
use aws_sdk_acm::types::{KeyAlgorithm, ValidationMethod};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many certificates' tags are read at once.
const AT_ONCE: usize = 4;
/// How long to wait until a certificate is issued; it takes minutes where DNS is in order. Seconds.
const ISSUED_WITHIN: u32 = 75 * 60;
/// How long to wait until AWS has named the CNAMEs. Seconds.
const NAMED_WITHIN: u32 = 120;

/// A certificate.
#[derive(Clone, Debug, Serialize)]
pub struct Certificate {
    /// Its first domain, `coder.example.com`; in lower case.
    pub domain: String,
    /// Its other domains, `*.coder.example.com`; in lower case.
    pub alternatives: BTreeSet<String>,
    /// The kind of its key.
    pub key: KeyKind,
}

/// The kind of a certificate's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// RSA with 2048 bits.
    Rsa2048,
    /// The elliptic curve P-256.
    EcP256,
}

impl KeyKind {
    fn to_acm(self) -> KeyAlgorithm {
        match self {
            KeyKind::Rsa2048 => KeyAlgorithm::Rsa2048,
            KeyKind::EcP256 => KeyAlgorithm::EcPrime256v1,
        }
    }
}

/// A CNAME that AWS looks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ValidationRecord {
    /// The domain that it is for, without `*.`.
    pub domain: String,
    /// Its name, `_0123.coder.example.com`, without a final dot.
    pub name: String,
    /// What it points to, without a final dot.
    pub value: String,
    /// Whether AWS has seen it.
    pub seen: bool,
}

/// A live certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its ARN.
    pub arn: Id<Certificate>,
    /// Its first domain.
    pub domain: String,
    /// Its other domains.
    pub alternatives: BTreeSet<String>,
    /// The kind of its key, in ACM's own word.
    pub key: String,
    /// The CNAMEs that AWS looks for, one a domain, without those that wildcards share; empty for
    /// a few seconds after the request.
    pub validation: Vec<ValidationRecord>,
    /// When it runs out, RFC 3339.
    pub expires: Option<String>,
}

impl Handle<Certificate> {
    /// Its ARN, which is its id. What serves it needs it [`In::ready`]: issued.
    pub fn arn(&self) -> In<Id<Certificate>> {
        self.output("certificate arn", |live| Some(live.arn.clone()))
    }

    /// The CNAMEs that AWS looks for, known when the certificate exists.
    pub fn validation_records(&self) -> In<Vec<ValidationRecord>> {
        self.output("validation records", |live| {
            Some(live.validation.clone()).filter(|records| !records.is_empty())
        })
    }

    /// The CNAME that AWS looks for in order to validate `domain`, known when the certificate
    /// exists. A domain and its wildcard share one.
    pub fn validation_record(&self, domain: &str) -> In<ValidationRecord> {
        let domain = base(domain).to_owned();
        let read = move |facts: &Facts| {
            let live = facts.downcast_ref::<Live>()?;
            live.validation.iter().find(|record| record.domain == domain).cloned()
        };
        let (node, name) = (self.node(), "validation record");
        In::Output(Output { node, name, need: Need::Exists, read: Arc::new(read) })
    }
}

/// The domain that a wildcard is of; a domain is its own.
pub fn base(domain: &str) -> &str {
    domain.strip_prefix("*.").unwrap_or(domain)
}

impl Kind for Certificate {
    const NAME: &'static str = "aws.acm.certificate";
    const TITLE: &'static str = "certificate";
    const NATURE: Nature = Nature {
        // Looks at the records that were found: those that validate it can not go before it.
        wave: 1,
        replace: ReplaceOrder::CreateFirst,
        typical: Typical { create: 210, update: 1, delete: 2 },
        actions: &[
            "acm:RequestCertificate",
            "acm:ListCertificates",
            "acm:ListTagsForCertificate",
            "acm:DescribeCertificate",
            "acm:DeleteCertificate",
            "acm:AddTagsToCertificate",
            "acm:RemoveTagsFromCertificate",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { domain, alternatives, key } = self;
        diff.replaces("domain", domain, &live.domain);
        diff.replaces("alternatives", alternatives, &live.alternatives);
        diff.replaces("key", &key.to_acm().as_str().replace('-', "_"), &live.key);
    }

    fn summary(&self) -> String {
        match self.alternatives.len() {
            0 => self.domain.clone(),
            more => format!("{} and {more} more", self.domain),
        }
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        let mut described = vec![("arn", live.arn.to_string())];
        described.extend(live.expires.clone().map(|time| ("expires", time)));
        described
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], found: &dyn Seen) -> Result<Listed<Self>> {
        let all = lookup::all(cx).await?;
        let read: Vec<_> = stream::iter(all)
            .map(|(arn, domain)| async move {
                let is_likely = wanted.iter().any(|wanted| wanted.desired.domain == domain);
                lookup::ours(cx, &arn, is_likely).await
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let records = seen::<Record>(found);
        let mut listed = Listed::default();
        for mut reading in read.into_iter().flatten() {
            let named = |name: &str| reading.live.validation.iter().any(|one| one.name == name);
            let validating = records.iter().filter(|(_, _, record)| named(&record.name));
            let parents: Vec<PhysicalId> = validating.map(|(id, _, _)| (*id).clone()).collect();
            reading.parents.extend(parents);
            reading.list(cx, &mut listed);
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let now = Self::find_foreign(cx, &found.id, &found.owner).await?;
        // Only a list call sees the records.
        Ok(now.map(|now| Found { parents: found.parents.clone(), ..now }))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let acm = cx.api::<Acm>()?;
        let tags = lookup::to_acm(&cx.tags()?)?;
        // Word characters only, and 32 at most: a UUID without its hyphens.
        let token: String = cx.step()?.token.chars().filter(|c| *c != '-').take(32).collect();
        let alternatives: Vec<String> = self.alternatives.iter().cloned().collect();
        let made = call(cx, "acm:RequestCertificate", Repeat::Safe, &[], || {
            acm.0
                .request_certificate()
                .domain_name(&self.domain)
                .set_subject_alternative_names(
                    (!alternatives.is_empty()).then(|| alternatives.clone()),
                )
                .validation_method(ValidationMethod::Dns)
                .key_algorithm(self.key.to_acm())
                .idempotency_token(&token)
                .set_tags(Some(tags.clone()))
                .send()
        })
        .await?;
        let arn = made.certificate_arn().ok_or_else(|| {
            Error::of(Class::Ambiguous, "RequestCertificate answered without an ARN")
        })?;
        let live = Live {
            arn: Id::new(arn),
            domain: self.domain.clone(),
            alternatives: self.alternatives.clone(),
            key: self.key.to_acm().as_str().replace('-', "_"),
            validation: Vec::new(),
            expires: None,
        };
        let status = Status::Busy("PENDING_VALIDATION".to_owned());
        let found = Found::created(cx, arn, status, Vec::new(), live)?;
        named(cx, found).await
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        let started = cx.clock.now();
        loop {
            let now = Self::read(cx, &found).await?;
            let Some(now) = now else {
                let why = format!("certificate {} is gone", found.id);
                return Err(Error::of(Class::Failed, why));
            };
            let missing: Vec<&ValidationRecord> =
                now.live.validation.iter().filter(|record| !record.seen).collect();
            match &now.status {
                Status::Ready => return Ok(now),
                Status::Failed(why) => {
                    let why = format!("certificate {} failed: {why}", found.id);
                    return Err(Error::of(Class::Failed, why));
                }
                status => {
                    let status = match status {
                        Status::Busy(status) => status.as_str(),
                        _ => "being deleted by somebody else",
                    };
                    let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
                    if elapsed >= seconds(ISSUED_WITHIN) {
                        return Err(not_issued(cx, &now, &missing).await);
                    }
                    match missing.first() {
                        Some(first) => cx.progress(&format!("{status}: {}", first.domain)),
                        None => cx.progress(status),
                    }
                }
            }
            cx.pause(seconds(10)).await?;
        }
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let acm = cx.api::<Acm>()?;
        let arn = found.live.arn.as_str();
        let (set, removed) = tag_changes(changes);
        if !set.is_empty() {
            let set = lookup::to_acm(&set)?;
            safe(cx, "acm:AddTagsToCertificate", || {
                let request = acm.0.add_tags_to_certificate().certificate_arn(arn);
                request.set_tags(Some(set.clone())).send()
            })
            .await?;
        }
        if !removed.is_empty() {
            // The value is left out: the tag goes, whatever it is.
            let removed = lookup::keys_to_acm(&removed)?;
            safe(cx, "acm:RemoveTagsFromCertificate", || {
                let request = acm.0.remove_tags_from_certificate().certificate_arn(arn);
                request.set_tags(Some(removed.clone())).send()
            })
            .await?;
        }
        Ok(())
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let acm = cx.api::<Acm>()?;
        let arn = found.live.arn.as_str();
        let used = [Passing {
            code: "ResourceInUseException",
            message: "",
            seconds: 300,
            waiting_for: "the listener to let go of the certificate",
        }];
        gone_is_fine(
            call(cx, "acm:DeleteCertificate", Repeat::Safe, &used, || {
                acm.0.delete_certificate().certificate_arn(arn).send()
            })
            .await,
        )?;
        Ok(())
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let reading = lookup::whole(cx, id.as_str()).await?;
        Ok(reading.map(|reading| reading.owned(owner)))
    }
}

/// Whether a certificate of the region of `cx`, whoever owns it, is validated by the CNAME `name`:
/// it could not be renewed without.
///
/// # Errors
/// Whatever ACM says.
pub(crate) async fn is_validated_by(cx: &Cx, name: &str) -> Result<bool> {
    lookup::is_validated_by(cx, name).await
}

/// Waits until AWS has named the CNAMEs: what validates the certificate starts from them. If it
/// takes too long, the certificate is handed on without: whoever needs them says so.
async fn named(cx: &Cx, made: Found<Certificate>) -> Result<Found<Certificate>> {
    let started = cx.clock.now();
    loop {
        let now = Certificate::read(cx, &made).await?;
        let elapsed = cx.clock.now().duration_since(started).unwrap_or_default();
        match now {
            Some(now) if !now.live.validation.is_empty() => return Ok(now),
            _ if elapsed >= seconds(NAMED_WITHIN) => return Ok(made),
            _ => {}
        }
        cx.progress("waiting for the names of the validation records");
        cx.pause(seconds(2)).await?;
    }
}

/// Why it took too long: which CNAMEs AWS has not seen, and whether anybody can.
async fn not_issued(cx: &Cx, found: &Found<Certificate>, missing: &[&ValidationRecord]) -> Error {
    let names: Vec<String> =
        missing.iter().map(|record| format!("{} CNAME {}", record.name, record.value)).collect();
    let minutes = ISSUED_WITHIN / 60;
    let why = format!(
        "certificate {} is not issued after {minutes} minutes: AWS has not seen {}",
        found.id,
        if names.is_empty() { "its validation records".to_owned() } else { names.join(", ") }
    );
    let error = Error::of(Class::TimedOut, why);
    let Some(first) = missing.first() else { return error };
    let delegation = match zone::find(cx, &first.domain).await {
        Ok(zone) => zone::delegation(cx, &zone).await,
        Err(error) => Err(error),
    };
    error.hint(match delegation {
        Ok(delegation) if !delegation.is_whole() => delegation.to_string(),
        Ok(_) => "the zone is delegated; look whether the records are there, and whether a CAA \
                  record forbids amazon.com to issue"
            .to_owned(),
        Err(error) => format!("whether the zone is delegated could not be told: {error}"),
    })
}
