//! The bucket's settings, one by one: how each is read, and how it is put right.

use super::{KEEP_DAYS, KEEP_VERSIONS, POLICY_SID, PURPOSE, RULE_ID, SETTLING, Settings, TAG};
use crate::aws::call::{Repeat, call};
use crate::aws::record::store::S3;
use crate::kind::{Error, Result, Tags};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketVersioningStatus,
    ExpirationStatus, LifecycleRule, LifecycleRuleFilter, NoncurrentVersionExpiration,
    ObjectOwnership, OwnershipControls, OwnershipControlsRule, PublicAccessBlockConfiguration,
    ServerSideEncryption, ServerSideEncryptionByDefault, ServerSideEncryptionConfiguration,
    ServerSideEncryptionRule, Tag, Tagging, VersioningConfiguration,
};
use serde_json::{Value, json};

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
    pub(super) async fn is_versioned(&self) -> Result<bool> {
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

    pub(super) async fn version(&self) -> Result<()> {
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

    pub(super) async fn is_encrypted(&self) -> Result<bool> {
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

    pub(super) async fn encrypt(&self) -> Result<()> {
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

    pub(super) async fn is_closed_to_the_public(&self) -> Result<bool> {
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

    pub(super) async fn close_to_the_public(&self) -> Result<()> {
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

    pub(super) async fn is_owner_enforced(&self) -> Result<bool> {
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

    pub(super) async fn enforce_owner(&self) -> Result<()> {
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

    pub(super) fn tls_only(&self) -> Value {
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

    pub(super) async fn policy(&self) -> Result<Option<String>> {
        let s3 = self.cx.api::<S3>()?;
        let answer = call(self.cx, "s3:GetBucketPolicy", Repeat::Safe, SETTLING, || {
            s3.0.get_bucket_policy().bucket(self.name).expected_bucket_owner(self.account()).send()
        })
        .await;
        let answer = unless(answer, "NoSuchBucketPolicy")?;
        Ok(answer.and_then(|answer| answer.policy().map(str::to_owned)))
    }

    pub(super) async fn set_policy(&self, policy: &str) -> Result<()> {
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

    pub(super) async fn lifecycle(&self) -> Result<Vec<LifecycleRule>> {
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
    pub(super) fn with_rule(
        &self,
        mut rules: Vec<LifecycleRule>,
    ) -> Result<Option<Vec<LifecycleRule>>> {
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

    pub(super) async fn set_lifecycle(&self, rules: Vec<LifecycleRule>) -> Result<()> {
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

    pub(super) async fn tags(&self) -> Result<Tags> {
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
    pub(super) async fn set_tags(&self, there: Tags) -> Result<()> {
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
pub(super) fn with_tls_only(policy: Option<String>, statement: &Value) -> Result<Option<String>> {
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
