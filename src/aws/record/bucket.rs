//! The bucket that holds the records and locks of an account's deployments in one region.
//!
//! It is made by the first apply, before there is a lock, so every step may be taken by two at
//! once and may be the last: what is there is read first, and only what differs is written.

use super::store::S3;
use crate::aws::call::{Passing, Repeat, call, safe};
use crate::kind::{Class, Cx, Deployment, Error, Result, Tags};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint,
    BucketVersioningStatus, CreateBucketConfiguration, ExpirationStatus, LifecycleRule,
    LifecycleRuleFilter, NoncurrentVersionExpiration, ObjectOwnership, OwnershipControls,
    OwnershipControlsRule, PublicAccessBlockConfiguration, ServerSideEncryption,
    ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    Tag, Tagging, VersioningConfiguration,
};
use serde_json::{Value, json};

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

/// A read whose absence has a code of its own.
fn unless<T>(result: Result<T>, code: &str) -> Result<Option<T>> {
    match result {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_code(code) => Ok(None),
        Err(error) => Err(error),
    }
}

fn built<T, E: std::fmt::Display>(result: std::result::Result<T, E>) -> Result<T> {
    result.map_err(|error| Error::local(format!("a bucket setting can not be built: {error}")))
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

    async fn is_versioned(&self) -> Result<bool> {
        let s3 = self.cx.api::<S3>()?;
        let answer = call(self.cx, "s3:GetBucketVersioning", Repeat::Safe, SETTLING, || {
            s3.0.get_bucket_versioning()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .send()
        })
        .await?;
        Ok(answer.status() == Some(&BucketVersioningStatus::Enabled))
    }

    async fn version(&self) -> Result<()> {
        let s3 = self.cx.api::<S3>()?;
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        call(self.cx, "s3:PutBucketVersioning", Repeat::Safe, SETTLING, || {
            s3.0.put_bucket_versioning()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .versioning_configuration(on.clone())
                .send()
        })
        .await?;
        Ok(())
    }

    async fn is_encrypted(&self) -> Result<bool> {
        let s3 = self.cx.api::<S3>()?;
        let answer = call(self.cx, "s3:GetBucketEncryption", Repeat::Safe, SETTLING, || {
            s3.0.get_bucket_encryption()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .send()
        })
        .await;
        let answer = unless(answer, "ServerSideEncryptionConfigurationNotFoundError")?;
        let config = answer.as_ref().and_then(|it| it.server_side_encryption_configuration());
        // Whichever algorithm: an account may insist on a key of its own.
        Ok(config.is_some_and(|config| {
            config
                .rules()
                .iter()
                .any(|rule| rule.apply_server_side_encryption_by_default().is_some())
        }))
    }

    async fn encrypt(&self) -> Result<()> {
        let s3 = self.cx.api::<S3>()?;
        let default = built(
            ServerSideEncryptionByDefault::builder()
                .sse_algorithm(ServerSideEncryption::Aes256)
                .build(),
        )?;
        let rule = ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            .build();
        let config = built(ServerSideEncryptionConfiguration::builder().rules(rule).build())?;
        call(self.cx, "s3:PutBucketEncryption", Repeat::Safe, SETTLING, || {
            s3.0.put_bucket_encryption()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .server_side_encryption_configuration(config.clone())
                .send()
        })
        .await?;
        Ok(())
    }

    async fn is_closed_to_the_public(&self) -> Result<bool> {
        let s3 = self.cx.api::<S3>()?;
        let answer = call(self.cx, "s3:GetPublicAccessBlock", Repeat::Safe, SETTLING, || {
            s3.0.get_public_access_block()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .send()
        })
        .await;
        let answer = unless(answer, "NoSuchPublicAccessBlockConfiguration")?;
        let block = answer.as_ref().and_then(|it| it.public_access_block_configuration());
        Ok(block.is_some_and(|block| {
            [
                block.block_public_acls(),
                block.ignore_public_acls(),
                block.block_public_policy(),
                block.restrict_public_buckets(),
            ]
            .iter()
            .all(|on| *on == Some(true))
        }))
    }

    async fn close_to_the_public(&self) -> Result<()> {
        let s3 = self.cx.api::<S3>()?;
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        call(self.cx, "s3:PutPublicAccessBlock", Repeat::Safe, SETTLING, || {
            s3.0.put_public_access_block()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .public_access_block_configuration(block.clone())
                .send()
        })
        .await?;
        Ok(())
    }

    async fn is_owner_enforced(&self) -> Result<bool> {
        let s3 = self.cx.api::<S3>()?;
        let answer = call(self.cx, "s3:GetBucketOwnershipControls", Repeat::Safe, SETTLING, || {
            s3.0.get_bucket_ownership_controls()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .send()
        })
        .await;
        let answer = unless(answer, "OwnershipControlsNotFoundError")?;
        let controls = answer.as_ref().and_then(|it| it.ownership_controls());
        Ok(controls.is_some_and(|controls| {
            controls
                .rules()
                .iter()
                .any(|rule| *rule.object_ownership() == ObjectOwnership::BucketOwnerEnforced)
        }))
    }

    async fn enforce_owner(&self) -> Result<()> {
        let s3 = self.cx.api::<S3>()?;
        let rule = built(
            OwnershipControlsRule::builder()
                .object_ownership(ObjectOwnership::BucketOwnerEnforced)
                .build(),
        )?;
        let controls = built(OwnershipControls::builder().rules(rule).build())?;
        call(self.cx, "s3:PutBucketOwnershipControls", Repeat::Safe, SETTLING, || {
            s3.0.put_bucket_ownership_controls()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .ownership_controls(controls.clone())
                .send()
        })
        .await?;
        Ok(())
    }

    fn tls_only(&self) -> Value {
        let arn = format!("arn:{}:s3:::{}", self.cx.deployment.partition, self.name);
        json!({
            "Sid": POLICY_SID,
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": [arn, format!("{arn}/*")],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        })
    }

    async fn policy(&self) -> Result<Option<String>> {
        let s3 = self.cx.api::<S3>()?;
        let answer = call(self.cx, "s3:GetBucketPolicy", Repeat::Safe, SETTLING, || {
            s3.0.get_bucket_policy().bucket(self.name).expected_bucket_owner(self.account()).send()
        })
        .await;
        let answer = unless(answer, "NoSuchBucketPolicy")?;
        Ok(answer.and_then(|answer| answer.policy().map(str::to_owned)))
    }

    async fn set_policy(&self, policy: &str) -> Result<()> {
        let s3 = self.cx.api::<S3>()?;
        call(self.cx, "s3:PutBucketPolicy", Repeat::Safe, SETTLING, || {
            s3.0.put_bucket_policy()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .policy(policy)
                .send()
        })
        .await?;
        Ok(())
    }

    async fn lifecycle(&self) -> Result<Vec<LifecycleRule>> {
        let s3 = self.cx.api::<S3>()?;
        let operation = "s3:GetBucketLifecycleConfiguration";
        let answer = call(self.cx, operation, Repeat::Safe, SETTLING, || {
            s3.0.get_bucket_lifecycle_configuration()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .send()
        })
        .await;
        let answer = unless(answer, "NoSuchLifecycleConfiguration")?;
        Ok(answer.map(|answer| answer.rules().to_vec()).unwrap_or_default())
    }

    /// The rules with ours among them; `None` when it is there.
    fn with_rule(&self, mut rules: Vec<LifecycleRule>) -> Result<Option<Vec<LifecycleRule>>> {
        let days = |rule: &LifecycleRule| {
            rule.noncurrent_version_expiration().and_then(|expiration| expiration.noncurrent_days())
        };
        let there = rules.iter().any(|rule| {
            rule.id() == Some(RULE_ID)
                && *rule.status() == ExpirationStatus::Enabled
                && days(rule) == Some(KEEP_DAYS)
        });
        if there {
            return Ok(None);
        }
        rules.retain(|rule| rule.id() != Some(RULE_ID));
        let expiration = NoncurrentVersionExpiration::builder()
            .noncurrent_days(KEEP_DAYS)
            .newer_noncurrent_versions(KEEP_VERSIONS)
            .build();
        let abort = AbortIncompleteMultipartUpload::builder().days_after_initiation(7).build();
        rules.push(built(
            LifecycleRule::builder()
                .id(RULE_ID)
                .status(ExpirationStatus::Enabled)
                .filter(LifecycleRuleFilter::builder().prefix("").build())
                .noncurrent_version_expiration(expiration)
                .abort_incomplete_multipart_upload(abort)
                .build(),
        )?);
        Ok(Some(rules))
    }

    async fn set_lifecycle(&self, rules: Vec<LifecycleRule>) -> Result<()> {
        let s3 = self.cx.api::<S3>()?;
        let config = built(BucketLifecycleConfiguration::builder().set_rules(Some(rules)).build())?;
        let operation = "s3:PutBucketLifecycleConfiguration";
        call(self.cx, operation, Repeat::Safe, SETTLING, || {
            s3.0.put_bucket_lifecycle_configuration()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .lifecycle_configuration(config.clone())
                .send()
        })
        .await?;
        Ok(())
    }

    async fn tags(&self) -> Result<Tags> {
        let s3 = self.cx.api::<S3>()?;
        let answer = call(self.cx, "s3:GetBucketTagging", Repeat::Safe, SETTLING, || {
            s3.0.get_bucket_tagging().bucket(self.name).expected_bucket_owner(self.account()).send()
        })
        .await;
        let answer = unless(answer, "NoSuchTagSet")?;
        let tags = answer.iter().flat_map(|answer| answer.tag_set());
        Ok(tags.map(|tag| (tag.key().to_owned(), tag.value().to_owned())).collect())
    }

    /// The first deployment's own tags go on the bucket too: an organisation may insist on them.
    async fn set_tags(&self, there: Tags) -> Result<()> {
        let s3 = self.cx.api::<S3>()?;
        let mut tags = self.cx.deployment.tags.clone();
        tags.extend(there);
        tags.insert(TAG.to_owned(), PURPOSE.to_owned());
        let set: Result<Vec<Tag>> = tags
            .iter()
            .map(|(key, value)| built(Tag::builder().key(key).value(value).build()))
            .collect();
        let tagging = built(Tagging::builder().set_tag_set(Some(set?)).build())?;
        call(self.cx, "s3:PutBucketTagging", Repeat::Safe, SETTLING, || {
            s3.0.put_bucket_tagging()
                .bucket(self.name)
                .expected_bucket_owner(self.account())
                .tagging(tagging.clone())
                .send()
        })
        .await?;
        Ok(())
    }
}

/// The policy with `statement` in it, beside what others have put there; `None` when it is there.
fn with_tls_only(policy: Option<String>, statement: &Value) -> Result<Option<String>> {
    let mut policy: Value = match &policy {
        None => json!({"Version": "2012-10-17", "Statement": []}),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            Error::local(format!("the bucket policy of the record can not be read: {error}"))
        })?,
    };
    let not_an_object = || Error::local("the bucket policy of the record is not a JSON object");
    let object = policy.as_object_mut().ok_or_else(not_an_object)?;
    // IAM lets a single statement stand without its list.
    let mut statements = match object.remove("Statement") {
        Some(Value::Array(statements)) => statements,
        Some(single) => vec![single],
        None => Vec::new(),
    };
    if statements.contains(statement) {
        return Ok(None);
    }
    statements.retain(|other| other.get("Sid").and_then(Value::as_str) != Some(POLICY_SID));
    statements.push(statement.clone());
    object.insert("Statement".to_owned(), Value::Array(statements));
    Ok(Some(policy.to_string()))
}
