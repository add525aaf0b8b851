//! What Certificate Manager keeps.

use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::Millis;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// One region's certificates.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Acm {
    /// By ARN.
    pub(super) certificates: BTreeMap<String, Certificate>,
    /// What idempotency tokens made.
    pub(super) tokens: BTreeMap<String, Token>,
}

/// What an idempotency token once made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    /// Digest of the request.
    pub(super) request: u64,
    pub(super) arn: String,
    pub(super) used: Millis,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) arn: String,
    pub(super) domain: String,
    /// All names, the domain first.
    pub(super) names: Vec<String>,
    pub(super) key_algorithm: String,
    pub(super) transparency: String,
    pub(super) created: Millis,
    /// When it was issued, if it was.
    pub(super) issued: Option<Millis>,
    pub(super) tags: Tags,
}

static NOTHING: LazyLock<Acm> = LazyLock::new(Acm::default);

/// The certificates of the region of the call.
pub(super) fn of<'a>(view: &View<'a>) -> &'a Acm {
    view.store.regional(view.scope).map_or(&*NOTHING, |regional| &regional.acm)
}

/// The same, to change them.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Acm {
    &mut cx.store.regional_mut(cx.scope).acm
}

fn missing(arn: &str) -> Failure {
    let message = format!("Could not find certificate {arn}.");
    Failure::new("ResourceNotFoundException", message)
}

impl Acm {
    pub(super) fn certificate(&self, arn: &str) -> Result<&Certificate, Failure> {
        self.certificates.get(arn).ok_or_else(|| missing(arn))
    }

    pub(super) fn certificate_mut(&mut self, arn: &str) -> Result<&mut Certificate, Failure> {
        self.certificates.get_mut(arn).ok_or_else(|| missing(arn))
    }
}

/// The names that an issued certificate is for.
pub(crate) fn names_of(acm: &Acm, arn: &str) -> Vec<String> {
    let issued = acm.certificates.get(arn).filter(|certificate| certificate.issued.is_some());
    issued.map(|certificate| certificate.names.clone()).unwrap_or_default()
}
