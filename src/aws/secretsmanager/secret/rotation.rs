//! A new value on its way: staged beside the current one, and made the current one when what it
//! opens takes it.
//!
//! The labels are those of AWS's own rotation. A version that carries `AWSPENDING` and is not the
//! current one says that a rotation has begun; whoever comes next goes on with it, so a process may
//! die at any point. The version's id is the token of the request that stages it, so ours is told
//! from that of somebody else's rotation, and a request that is sent again makes no second one.
//! <https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html>

use super::content::Content;
use crate::aws::call::safe;
use crate::aws::secretsmanager::SecretsManager;
use crate::aws::settle::until_seen;
use crate::kind::{Class, Cx, Error, Result};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;

/// The label of the value that is in force.
pub(super) const CURRENT: &str = "AWSCURRENT";
/// The label of the value that a rotation puts in force.
pub(super) const PENDING: &str = "AWSPENDING";

/// What the ids of versions begin with that we have staged. AWS takes 32 to 64 characters.
const OURS: &str = "coderctl-rotation-";

/// Whether a version was staged by a rotation of ours.
pub fn is_ours(version: &str) -> bool {
    version.starts_with(OURS)
}

/// The version that carries a label.
pub(super) fn staged(secret: &DescribeSecretOutput, label: &str) -> Option<String> {
    let carries = |stages: &Vec<String>| stages.iter().any(|stage| stage == label);
    let mut versions = secret.version_ids_to_stages()?.iter();
    versions.find(|(_, stages)| carries(stages)).map(|(version, _)| version.clone())
}

async fn describe(cx: &Cx, arn: &str) -> Result<DescribeSecretOutput> {
    let secrets = cx.api::<SecretsManager>()?;
    safe(cx, "secretsmanager:DescribeSecret", || secrets.0.describe_secret().secret_id(arn).send())
        .await
}

/// What came of [`stage`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staged {
    /// A fresh value, in this version.
    Fresh(String),
    /// A rotation was under way already: this version is pending.
    Before(String),
}

/// Puts a fresh value beside the current one, unless a rotation is under way. `known` is the
/// version that was current when the user was asked.
///
/// # Errors
/// When another value has become current since, or somebody else's rotation is under way; else what
/// AWS says. No text holds the value.
pub async fn stage(cx: &Cx, arn: &str, content: &Content, known: Option<&str>) -> Result<Staged> {
    let secrets = cx.api::<SecretsManager>()?;
    let now = describe(cx, arn).await?;
    let current = staged(&now, CURRENT);
    match staged(&now, PENDING).filter(|pending| Some(pending) != current.as_ref()) {
        Some(pending) if is_ours(&pending) => return Ok(Staged::Before(pending)),
        Some(_) => return Err(others(arn)),
        None => {}
    }
    if current.as_deref() != known {
        let why = format!("the value of the secret {arn} has changed since");
        return Err(Error::of(Class::Refused, why).hint("run the same command again"));
    }
    let Some((text, random)) = content.fresh()? else {
        return Err(Error::local(format!("nothing makes the value of the secret {arn}")));
    };
    cx.masks.add(&text);
    cx.masks.add(&random);
    let version = format!("{OURS}{}", uuid::Uuid::new_v4());
    safe(cx, "secretsmanager:PutSecretValue", || {
        secrets
            .0
            .put_secret_value()
            .secret_id(arn)
            .client_request_token(&version)
            .secret_string(text.expose())
            .version_stages(PENDING)
            .send()
    })
    .await?;
    // What goes on from here reads it anew.
    let shows = || async {
        let now = describe(cx, arn).await?;
        Ok(staged(&now, PENDING).filter(|pending| *pending == version))
    };
    match until_seen(cx, shows).await? {
        Some(version) => Ok(Staged::Fresh(version)),
        None => Err(Error::of(Class::TimedOut, "the new value can not be seen after two minutes")
            .hint("run the same command again: it goes on with it")),
    }
}

/// What is said of a rotation that is not ours.
pub fn others(arn: &str) -> Error {
    let why = format!("somebody else is rotating the secret {arn}");
    Error::of(Class::Refused, why).hint(format!(
        "see which version is AWSPENDING: aws secretsmanager describe-secret --secret-id {arn}"
    ))
}

/// Makes `version` the current one. Nothing happens if it is already.
///
/// # Errors
/// What AWS says.
pub async fn promote(cx: &Cx, arn: &str, version: &str) -> Result<()> {
    let secrets = cx.api::<SecretsManager>()?;
    let current = staged(&describe(cx, arn).await?, CURRENT);
    if current.as_deref() == Some(version) {
        return Ok(());
    }
    let moved = safe(cx, "secretsmanager:UpdateSecretVersionStage", || {
        secrets
            .0
            .update_secret_version_stage()
            .secret_id(arn)
            .version_stage(CURRENT)
            .move_to_version_id(version)
            .set_remove_from_version_id(current.clone())
            .send()
    })
    .await;
    match moved {
        Ok(_) => Ok(()),
        // An attempt whose answer was lost has moved it: the label is not where it was.
        Err(error) => match staged(&describe(cx, arn).await?, CURRENT) {
            Some(current) if current == version => Ok(()),
            _ => Err(error),
        },
    }
}
