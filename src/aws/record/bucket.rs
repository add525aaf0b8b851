//! The bucket that holds the records and locks of an account's deployments in one region.
//!
//! It is made by the first apply, before there is a lock, so every step may be taken by two at
//! once and may be the last: what is there is read first, and only what differs is written.

mod settings;

use super::store::S3;
use crate::aws::call::{Passing, safe};
use crate::kind::{Class, Cx, Deployment, Error, Result};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, ObjectOwnership};
use settings::with_tls_only;

/// Whose the bucket is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bucket {
    /// Ours: it is made, and kept as it should be.
    Ours,
    /// The user's own (`record: {bucket}`): it is looked at and never changed.
    Given,
}

/// The name of the bucket where the spec names none: `coderctl-ACCOUNT-REGION`.
pub fn default_name(deployment: &Deployment) -> String {
    format!("coderctl-{}-{}", deployment.account, deployment.home_region)
}

/// The tag of a bucket that coderctl made for records.
const TAG: &str = "coderctl:purpose";
const PURPOSE: &str = "record";
const POLICY_SID: &str = "CoderctlTlsOnly";
const RULE_ID: &str = "coderctl-old-versions";
/// How long versions that were written over are kept, beyond the newest [`KEEP_VERSIONS`]. Days.
const KEEP_DAYS: i32 = 30;
const KEEP_VERSIONS: i32 = 100;

/// S3 has not spread the new bucket yet, or another change of its settings is under way.
const SETTLING: &[Passing] = &[
    Passing { code: "NoSuchBucket", message: "", seconds: 120, waiting_for: "the new bucket" },
    Passing {
        code: "OperationAborted",
        message: "",
        seconds: 120,
        waiting_for: "another change of the record's bucket",
    },
];

/// Makes sure of the bucket; answers what is not as it should be in one that may not be changed.
///
/// # Errors
/// When it belongs to somebody else, does not exist although it should, or S3 refuses.
pub async fn ensure(cx: &Cx, name: &str, whose: Bucket) -> Result<Vec<String>> {
    let cx = &cx.in_region(&cx.deployment.home_region);
    let b = Settings { cx, name };
    let exists = b.exists().await?;
    match whose {
        Bucket::Given if exists => b.look().await,
        Bucket::Given => {
            Err(Error::of(Class::NotFound, format!("the record's bucket {name} does not exist"))
                .hint("make it, or leave `record.bucket` out of the spec and coderctl makes one"))
        }
        Bucket::Ours => {
            if !exists {
                b.create().await?;
            }
            b.conform().await?;
            Ok(Vec::new())
        }
    }
}

struct Settings<'a> {
    cx: &'a Cx,
    name: &'a str,
}

impl Settings<'_> {
    fn account(&self) -> &str {
        self.cx.deployment.account.as_str()
    }

    fn foreign(&self, error: Error) -> Error {
        let name = self.name;
        Error {
            message: format!(
                "the record's bucket {name} belongs to another account, or the caller may not \
                 use it: {}",
                error.message
            ),
            ..error
        }
        .hint("name a bucket of your own in the spec: `record: {bucket: NAME}`")
    }

    async fn exists(&self) -> Result<bool> {
        let s3 = self.cx.api::<S3>()?;
        let head = safe(self.cx, "s3:HeadBucket", || {
            s3.0.head_bucket().bucket(self.name).expected_bucket_owner(self.account()).send()
        })
        .await;
        match head {
            Ok(answer) => {
                let region = answer.bucket_region().unwrap_or(self.cx.region.as_str());
                if region == self.cx.region.as_str() { Ok(true) } else { Err(self.elsewhere()) }
            }
            Err(error) if error.class == Class::NotFound => Ok(false),
            Err(error) if error.class == Class::Denied => Err(self.foreign(error)),
            // The answer to HEAD has no body, so no code either.
            Err(error) if error.message.starts_with("HTTP status 301") => Err(self.elsewhere()),
            Err(error) => Err(error),
        }
    }

    fn elsewhere(&self) -> Error {
        let why = format!(
            "the record's bucket {} is not in the home region {}",
            self.name, self.cx.region
        );
        Error::of(Class::Refused, why)
            .hint("the record lives in the home region: name a bucket there in `record.bucket`")
    }

    async fn create(&self) -> Result<()> {
        let s3 = self.cx.api::<S3>()?;
        let region = self.cx.region.as_str();
        let mut config = CreateBucketConfiguration::builder();
        // The one region that must not be named:
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
        if region != "us-east-1" {
            config = config.location_constraint(BucketLocationConstraint::from(region));
        }
        let config = (region != "us-east-1").then(|| config.build());
        let made = safe(self.cx, "s3:CreateBucket", || {
            s3.0.create_bucket()
                .bucket(self.name)
                .object_ownership(ObjectOwnership::BucketOwnerEnforced)
                .set_create_bucket_configuration(config.clone())
                .send()
        })
        .await;
        match made {
            Ok(_) => Ok(()),
            Err(error) if error.is_code("BucketAlreadyOwnedByYou") => Ok(()),
            Err(error) if error.is_code("BucketAlreadyExists") => Err(self.foreign(error)),
            Err(error) => Err(error),
        }
    }

    /// What is worth knowing of a bucket that is not ours to change.
    async fn look(&self) -> Result<Vec<String>> {
        let (versioned, blocked) =
            futures::try_join!(self.is_versioned(), self.is_closed_to_the_public())?;
        let mut notes = Vec::new();
        if !versioned {
            notes.push(format!(
                "the record's bucket {} is not versioned: what is written over is lost",
                self.name
            ));
        }
        if !blocked {
            notes.push(format!(
                "the record's bucket {} does not block all public access",
                self.name
            ));
        }
        Ok(notes)
    }

    /// Reads all settings at once and writes those that differ one by one: S3 refuses two changes
    /// of one bucket at the same time.
    async fn conform(&self) -> Result<()> {
        let (versioned, encrypted, blocked, owned, policy, rules, tags) = futures::try_join!(
            self.is_versioned(),
            self.is_encrypted(),
            self.is_closed_to_the_public(),
            self.is_owner_enforced(),
            self.policy(),
            self.lifecycle(),
            self.tags()
        )?;
        // The most important ones first: this may end after any of them.
        if !blocked {
            self.close_to_the_public().await?;
        }
        if !owned {
            self.enforce_owner().await?;
        }
        if !encrypted {
            self.encrypt().await?;
        }
        if !versioned {
            self.version().await?;
        }
        if let Some(policy) = with_tls_only(policy, &self.tls_only())? {
            self.set_policy(&policy).await?;
        }
        if let Some(rules) = self.with_rule(rules)? {
            self.set_lifecycle(rules).await?;
        }
        if tags.get(TAG).map(String::as_str) != Some(PURPOSE) {
            self.set_tags(tags).await?;
        }
        Ok(())
    }
}
