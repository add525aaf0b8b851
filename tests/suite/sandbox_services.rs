//! IAM, KMS, CloudWatch Logs, S3 and Secrets Manager of the sandbox, through the real SDK clients
//! on paused time.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudwatchlogs::types::LogGroupClass;
use aws_sdk_iam::types::EntityType;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types as s3_types;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use coderctl::clock::Clock;
use coderctl::sandbox::{Effect, Fault, Faults, Knobs, Sandbox, SandboxHttp};
use std::time::{Duration, SystemTime};

fn sandbox() -> Sandbox {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    Sandbox::in_memory(Clock::starting_at(start, 1), 7)
}

fn config(sandbox: &Sandbox, access_key: &str, region: &str) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .http_client(SandboxHttp::new(sandbox.clone()))
        .sleep_impl(sandbox.clock())
        .time_source(sandbox.clock())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            access_key, "secret", None, None, "test",
        )))
        .retry_config(RetryConfig::disabled())
        .build()
}

fn here(sandbox: &Sandbox) -> SdkConfig {
    config(sandbox, "AKIDSANDBOX", "us-east-1")
}

fn small_pages(sandbox: &Sandbox) {
    sandbox.set_knobs(Knobs { page_size: 2, ..Knobs::default() });
}

/// The code that a call was refused with.
fn code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug, R: std::fmt::Debug>(
    result: Result<T, SdkError<E, R>>,
) -> String {
    let error = result.unwrap_err();
    error.code().unwrap_or_else(|| panic!("no code in {error:?}")).to_owned()
}

const TRUST: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"vpc-flow-logs.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"logs:*","Resource":"*"}]}"#;
const READ_ONLY: &str = "arn:aws:iam::aws:policy/ReadOnlyAccess";

fn iam_tag(key: &str, value: &str) -> aws_sdk_iam::types::Tag {
    aws_sdk_iam::types::Tag::builder().key(key).value(value).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_role_is_made_read_changed_and_deleted() {
    let sandbox = sandbox();
    let iam = aws_sdk_iam::Client::new(&here(&sandbox));
    let create = |name: &str, trust: &str| {
        iam.create_role()
            .role_name(name)
            .path("/coderctl/prod/")
            .assume_role_policy_document(trust)
            .tags(iam_tag("owner", "me"))
            .send()
    };
    assert_eq!(code(create("flow", "{").await), "MalformedPolicyDocument");
    assert_eq!(
        code(create("flow", r#"{"Version":"2012-10-17"}"#).await),
        "MalformedPolicyDocument"
    );
    assert_eq!(code(create("flow", POLICY).await), "MalformedPolicyDocument");
    let stranger = TRUST.replace(
        r#""Service":"vpc-flow-logs.amazonaws.com""#,
        r#""AWS":"arn:aws:iam::123456789012:role/nobody""#,
    );
    assert_eq!(code(create("flow", &stranger).await), "MalformedPolicyDocument");
    let made = create("flow", TRUST).await.unwrap().role.unwrap();
    assert_eq!(made.arn, "arn:aws:iam::123456789012:role/coderctl/prod/flow");
    assert!(made.role_id.starts_with("AROA") && made.role_id.len() == 21, "{}", made.role_id);
    assert_eq!(code(create("FLOW", TRUST).await), "EntityAlreadyExists");

    let role = iam.get_role().role_name("flow").send().await.unwrap().role.unwrap();
    let document = role.assume_role_policy_document.clone().unwrap();
    assert!(document.starts_with("%7B%22Version%22"), "{document}");
    assert_eq!(role.tags()[0].value, "me");
    assert_eq!(role.max_session_duration, Some(3600));

    iam.put_role_policy()
        .role_name("flow")
        .policy_name("write")
        .policy_document(POLICY)
        .send()
        .await
        .unwrap();
    let attach = |arn: &str| iam.attach_role_policy().role_name("flow").policy_arn(arn).send();
    assert_eq!(code(attach("arn:aws:iam::aws:policy/NoSuchPolicy").await), "NoSuchEntity");
    attach(READ_ONLY).await.unwrap();
    attach(READ_ONLY).await.unwrap();
    iam.put_role_permissions_boundary()
        .role_name("flow")
        .permissions_boundary(READ_ONLY)
        .send()
        .await
        .unwrap();
    iam.tag_role().role_name("flow").tags(iam_tag("Owner", "you")).send().await.unwrap();
    let tags = iam.list_role_tags().role_name("flow").send().await.unwrap().tags;
    assert_eq!(tags.len(), 1, "tag keys of IAM have no case");
    let reserved = iam.tag_role().role_name("flow").tags(iam_tag("aws:x", "1")).send().await;
    assert_eq!(code(reserved), "InvalidInput");

    let details =
        iam.get_account_authorization_details().filter(EntityType::Role).send().await.unwrap();
    let detail = &details.role_detail_list()[0];
    assert_eq!(detail.role_policy_list()[0].policy_name.as_deref(), Some("write"));
    assert_eq!(
        detail.attached_managed_policies()[0].policy_name.as_deref(),
        Some("ReadOnlyAccess")
    );
    assert_eq!(
        detail.permissions_boundary().unwrap().permissions_boundary_arn.as_deref(),
        Some(READ_ONLY)
    );

    let delete = || iam.delete_role().role_name("flow").send();
    assert_eq!(code(delete().await), "DeleteConflict");
    iam.detach_role_policy().role_name("flow").policy_arn(READ_ONLY).send().await.unwrap();
    assert_eq!(code(delete().await), "DeleteConflict");
    iam.delete_role_policy().role_name("flow").policy_name("write").send().await.unwrap();
    delete().await.unwrap();
    let gone = iam.get_role().role_name("flow").send().await.unwrap_err();
    assert_eq!(gone.raw_response().unwrap().status().as_u16(), 404);
    assert!(gone.into_service_error().is_no_such_entity_exception());
}

#[tokio::test(start_paused = true)]
async fn roles_are_listed_by_path_in_pages_and_belong_to_their_account() {
    let sandbox = sandbox();
    let iam = aws_sdk_iam::Client::new(&here(&sandbox));
    for (name, path) in
        [("a", "/coderctl/"), ("b", "/other/"), ("c", "/coderctl/"), ("d", "/coderctl/")]
    {
        iam.create_role()
            .role_name(name)
            .path(path)
            .assume_role_policy_document(TRUST)
            .send()
            .await
            .unwrap();
    }
    small_pages(&sandbox);
    let pages = iam.list_roles().path_prefix("/coderctl/").into_paginator().send();
    let pages = pages.try_collect().await.unwrap();
    let names: Vec<Vec<&str>> = pages
        .iter()
        .map(|page| page.roles().iter().map(|role| role.role_name.as_str()).collect())
        .collect();
    assert_eq!(names, [vec!["a", "c"], vec!["d"]]);
    let elsewhere = aws_sdk_iam::Client::new(&config(&sandbox, "AKIDSANDBOX", "eu-west-2"));
    elsewhere.get_role().role_name("a").send().await.unwrap();
    let other = aws_sdk_iam::Client::new(&config(&sandbox, "210987654321", "us-east-1"));
    assert_eq!(code(other.get_role().role_name("a").send().await), "NoSuchEntity");
    let wrong = iam.create_role().role_name("no spaces").assume_role_policy_document(TRUST);
    assert_eq!(code(wrong.send().await), "ValidationError");
}

fn key_policy(statement: &str) -> String {
    let root = r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},"Action":"kms:*","Resource":"*"}"#;
    format!(r#"{{"Version":"2012-10-17","Statement":[{root}{statement}]}}"#)
}

const LOGS_MAY: &str = r#",{"Effect":"Allow","Principal":{"Service":"logs.us-east-1.amazonaws.com"},"Action":["kms:Encrypt*","kms:GenerateDataKey*"],"Resource":"*"}"#;

#[tokio::test(start_paused = true)]
async fn a_key_has_names_a_policy_rotation_and_a_long_goodbye() {
    let sandbox = sandbox();
    let kms = aws_sdk_kms::Client::new(&here(&sandbox));
    let tag = aws_sdk_kms::types::Tag::builder().tag_key("owner").tag_value("me").build().unwrap();
    let made = kms.create_key().tags(tag).send().await.unwrap().key_metadata.unwrap();
    let id = made.key_id;
    let alias = |target: &str| {
        kms.create_alias().alias_name("alias/coderctl/prod/main").target_key_id(target).send()
    };
    alias(&id).await.unwrap();
    assert_eq!(code(alias(&id).await), "AlreadyExistsException");
    let reserved = kms.create_alias().alias_name("alias/aws/x").target_key_id(&id).send().await;
    assert_eq!(code(reserved), "NotAuthorizedException");
    let describe = |name: &str| kms.describe_key().key_id(name).send();
    let found = describe("alias/coderctl/prod/main").await.unwrap().key_metadata.unwrap();
    assert_eq!(found.key_id, id);
    assert_eq!(code(describe("alias/other").await), "NotFoundException");
    let by_alias = kms.get_key_policy().key_id("alias/coderctl/prod/main").send().await;
    assert_eq!(code(by_alias), "NotFoundException", "only some operations take an alias");
    let aliases = kms.list_aliases().send().await.unwrap().aliases.unwrap();
    assert!(
        aliases
            .iter()
            .any(|a| a.alias_name() == Some("alias/aws/ebs") && a.target_key_id().is_none())
    );

    let put = |policy: &str| kms.put_key_policy().key_id(&id).policy(policy).send();
    assert_eq!(code(put("{").await), "MalformedPolicyDocumentException");
    let lockout = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999999999999:root"},"Action":"kms:*","Resource":"*"}]}"#;
    assert_eq!(code(put(lockout).await), "MalformedPolicyDocumentException");
    put(&key_policy(LOGS_MAY)).await.unwrap();
    let policy = kms.get_key_policy().key_id(&id).send().await.unwrap().policy.unwrap();
    assert_eq!(policy, key_policy(LOGS_MAY));

    let rotation = || async { kms.get_key_rotation_status().key_id(&id).send().await.unwrap() };
    assert!(!rotation().await.key_rotation_enabled);
    kms.enable_key_rotation().key_id(&id).rotation_period_in_days(180).send().await.unwrap();
    assert_eq!(rotation().await.rotation_period_in_days, Some(180));
    let tags = kms.list_resource_tags().key_id(&id).send().await.unwrap().tags.unwrap();
    assert_eq!(tags[0].tag_value, "me");

    let schedule =
        |days: i32| kms.schedule_key_deletion().key_id(&id).pending_window_in_days(days).send();
    assert_eq!(code(schedule(5).await), "ValidationException");
    schedule(7).await.unwrap();
    assert_eq!(code(schedule(7).await), "KMSInvalidStateException");
    assert_eq!(
        code(kms.enable_key_rotation().key_id(&id).send().await),
        "KMSInvalidStateException"
    );
    kms.cancel_key_deletion().key_id(&id).send().await.unwrap();
    let state = describe(&id).await.unwrap().key_metadata.unwrap().key_state.unwrap();
    assert_eq!(state.as_str(), "Disabled");
    assert_eq!(
        rotation().await.rotation_period_in_days,
        Some(180),
        "kept through the pending time"
    );
    kms.enable_key().key_id(&id).send().await.unwrap();
    schedule(7).await.unwrap();
    sandbox.clock().sleep(Duration::from_secs(8 * 86_400)).await;
    assert_eq!(code(describe(&id).await), "NotFoundException");
    let aliases = kms.list_aliases().send().await.unwrap().aliases.unwrap();
    assert!(aliases.iter().all(|a| a.target_key_id().is_none()), "the alias goes with its key");
}

#[tokio::test(start_paused = true)]
async fn log_groups_keep_retention_key_and_tags() {
    let sandbox = sandbox();
    let config = here(&sandbox);
    let (logs, kms) =
        (aws_sdk_cloudwatchlogs::Client::new(&config), aws_sdk_kms::Client::new(&config));
    let key = kms.create_key().send().await.unwrap().key_metadata.unwrap();
    let arn = key.arn.unwrap();
    let create = || {
        logs.create_log_group()
            .log_group_name("/coder/prod/vpc-flow-logs")
            .kms_key_id(&arn)
            .log_group_class(LogGroupClass::Standard)
            .tags("owner", "me")
            .send()
    };
    assert_eq!(
        code(create().await),
        "InvalidParameterException",
        "its policy does not let Logs in"
    );
    kms.put_key_policy().key_id(&key.key_id).policy(key_policy(LOGS_MAY)).send().await.unwrap();
    create().await.unwrap();
    assert_eq!(code(create().await), "ResourceAlreadyExistsException");
    let retain = |days: i32| {
        logs.put_retention_policy()
            .log_group_name("/coder/prod/vpc-flow-logs")
            .retention_in_days(days)
            .send()
    };
    assert_eq!(code(retain(8).await), "InvalidParameterException");
    retain(30).await.unwrap();
    let listed = logs.describe_log_groups().log_group_name_prefix("/coder/").send().await.unwrap();
    let group = &listed.log_groups()[0];
    assert_eq!(group.retention_in_days, Some(30));
    assert_eq!(group.kms_key_id.as_deref(), Some(arn.as_str()));
    let own = "arn:aws:logs:us-east-1:123456789012:log-group:/coder/prod/vpc-flow-logs";
    assert_eq!(group.log_group_arn.as_deref(), Some(own));
    assert_eq!(group.arn.as_deref(), Some(format!("{own}:*").as_str()));
    logs.tag_resource().resource_arn(own).tags("team", "a").send().await.unwrap();
    logs.untag_resource().resource_arn(own).tag_keys("owner").send().await.unwrap();
    let tags = logs.list_tags_for_resource().resource_arn(own).send().await.unwrap().tags.unwrap();
    assert_eq!(tags.into_iter().collect::<Vec<_>>(), [("team".to_owned(), "a".to_owned())]);
    logs.disassociate_kms_key().log_group_name("/coder/prod/vpc-flow-logs").send().await.unwrap();
    logs.delete_retention_policy()
        .log_group_name("/coder/prod/vpc-flow-logs")
        .send()
        .await
        .unwrap();
    for name in ["/b", "/a"] {
        logs.create_log_group().log_group_name(name).send().await.unwrap();
    }
    small_pages(&sandbox);
    let pages = logs.describe_log_groups().into_paginator().send().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.log_groups().len()).collect::<Vec<_>>(), [2, 1]);
    let delete = || logs.delete_log_group().log_group_name("/a").send();
    delete().await.unwrap();
    assert_eq!(code(delete().await), "ResourceNotFoundException");
}

fn put(
    s3: &aws_sdk_s3::Client,
    key: &str,
    body: &'static str,
) -> aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder {
    s3.put_object()
        .bucket("coderctl-123456789012-us-east-1")
        .key(key)
        .expected_bucket_owner("123456789012")
        .body(ByteStream::from_static(body.as_bytes()))
}

const BUCKET: &str = "coderctl-123456789012-us-east-1";

/// Both ways in which clients name the bucket.
fn s3_clients(sandbox: &Sandbox) -> [aws_sdk_s3::Client; 2] {
    let config = here(sandbox);
    let path_style = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
    [aws_sdk_s3::Client::new(&config), aws_sdk_s3::Client::from_conf(path_style)]
}

#[tokio::test(start_paused = true)]
async fn conditional_writes_decide_who_holds_a_lock() {
    for style in 0..2 {
        let sandbox = sandbox();
        let s3 = &s3_clients(&sandbox)[style];
        s3.create_bucket().bucket(BUCKET).send().await.unwrap();
        let first = put(s3, "prod/lock.json", "one").if_none_match("*").send().await.unwrap();
        let refused = put(s3, "prod/lock.json", "two").if_none_match("*").send().await.unwrap_err();
        assert_eq!(refused.raw_response().unwrap().status().as_u16(), 412);
        assert_eq!(refused.code(), Some("PreconditionFailed"));
        let etag = first.e_tag().unwrap();
        let beat = put(s3, "prod/lock.json", "three").if_match(etag).send().await.unwrap();
        let stale = put(s3, "prod/lock.json", "four").if_match(etag).send().await;
        assert_eq!(code(stale), "PreconditionFailed");
        let missing = put(s3, "prod/other", "x").if_match(etag).send().await;
        assert_eq!(code(missing), "NoSuchKey");

        sandbox.clock().sleep(Duration::from_secs(5)).await;
        let got = s3.get_object().bucket(BUCKET).key("prod/lock.json").send().await.unwrap();
        assert_eq!(got.last_modified().unwrap().secs(), 1_800_000_000);
        assert_eq!(got.e_tag(), beat.e_tag());
        assert_eq!(got.body.collect().await.unwrap().to_vec(), b"three");

        let delete = |etag: &str| {
            s3.delete_object().bucket(BUCKET).key("prod/lock.json").if_match(etag).send()
        };
        assert_eq!(code(delete(etag).await), "PreconditionFailed");
        delete(beat.e_tag().unwrap()).await.unwrap();
        let head = s3.head_object().bucket(BUCKET).key("prod/lock.json").send().await.unwrap_err();
        assert!(head.into_service_error().is_not_found());
    }
}

#[tokio::test(start_paused = true)]
async fn a_bucket_keeps_its_settings() {
    let sandbox = sandbox();
    let [s3, _] = s3_clients(&sandbox);
    let head = |client: &aws_sdk_s3::Client| client.head_bucket().bucket(BUCKET).send();
    assert!(head(&s3).await.unwrap_err().into_service_error().is_not_found());
    let tag = s3_types::Tag::builder().key("owner").value("a&b").build().unwrap();
    s3.create_bucket()
        .bucket(BUCKET)
        .create_bucket_configuration(
            s3_types::CreateBucketConfiguration::builder().tags(tag).build(),
        )
        .send()
        .await
        .unwrap();
    s3.create_bucket().bucket(BUCKET).send().await.expect("in us-east-1 once more is fine");
    let tags = s3.get_bucket_tagging().bucket(BUCKET).send().await.unwrap().tag_set;
    assert_eq!((tags[0].key.as_str(), tags[0].value.as_str()), ("owner", "a&b"));

    let other = aws_sdk_s3::Client::new(&config(&sandbox, "210987654321", "us-east-1"));
    assert_eq!(code(other.create_bucket().bucket(BUCKET).send().await), "BucketAlreadyExists");
    assert_eq!(head(&other).await.unwrap_err().raw_response().unwrap().status().as_u16(), 403);
    let away = aws_sdk_s3::Client::new(&config(&sandbox, "AKIDSANDBOX", "eu-west-2"));
    let redirect = head(&away).await.unwrap_err();
    let redirect = redirect.raw_response().unwrap();
    assert_eq!(redirect.status().as_u16(), 301);
    assert_eq!(redirect.headers().get("x-amz-bucket-region"), Some("us-east-1"));
    let wrong = s3.get_bucket_tagging().bucket(BUCKET).expected_bucket_owner("210987654321");
    assert_eq!(code(wrong.send().await), "AccessDenied");

    let missing = s3.get_bucket_policy().bucket(BUCKET).send().await;
    assert_eq!(code(missing), "NoSuchBucketPolicy");
    let missing = s3.get_bucket_lifecycle_configuration().bucket(BUCKET).send().await;
    assert_eq!(code(missing), "NoSuchLifecycleConfiguration");
    let default = s3.get_bucket_encryption().bucket(BUCKET).send().await.unwrap();
    let rule = &default.server_side_encryption_configuration().unwrap().rules()[0];
    let by_default = rule.apply_server_side_encryption_by_default().unwrap();
    assert_eq!(by_default.sse_algorithm().as_str(), "AES256");

    let versioning = s3_types::VersioningConfiguration::builder()
        .status(s3_types::BucketVersioningStatus::Enabled)
        .build();
    s3.put_bucket_versioning()
        .bucket(BUCKET)
        .versioning_configuration(versioning)
        .send()
        .await
        .unwrap();
    let seen = s3.get_bucket_versioning().bucket(BUCKET).send().await.unwrap();
    assert_eq!(seen.status().unwrap().as_str(), "Enabled");

    let block = s3_types::PublicAccessBlockConfiguration::builder().block_public_acls(true).build();
    s3.put_public_access_block()
        .bucket(BUCKET)
        .public_access_block_configuration(block)
        .send()
        .await
        .unwrap();
    let seen = s3.get_public_access_block().bucket(BUCKET).send().await.unwrap();
    let seen = seen.public_access_block_configuration().unwrap();
    assert_eq!(
        (seen.block_public_acls(), seen.restrict_public_buckets()),
        (Some(true), Some(false))
    );

    let policy = |resource: &str| {
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["{resource}","{resource}/*"],"Condition":{{"Bool":{{"aws:SecureTransport":"false"}}}}}}]}}"#
        )
    };
    let put_policy = |text: String| s3.put_bucket_policy().bucket(BUCKET).policy(text).send();
    assert_eq!(code(put_policy("{".to_owned()).await), "MalformedPolicy");
    assert_eq!(code(put_policy(policy("arn:aws:s3:::other")).await), "MalformedPolicy");
    let own = policy(&format!("arn:aws:s3:::{BUCKET}"));
    put_policy(own.clone()).await.unwrap();
    let seen = s3.get_bucket_policy().bucket(BUCKET).send().await.unwrap();
    assert_eq!(seen.policy(), Some(own.as_str()));

    let rule = s3_types::LifecycleRule::builder()
        .id("old")
        .status(s3_types::ExpirationStatus::Enabled)
        .filter(s3_types::LifecycleRuleFilter::builder().prefix("runs/").build())
        .noncurrent_version_expiration(
            s3_types::NoncurrentVersionExpiration::builder().noncurrent_days(90).build(),
        )
        .build()
        .unwrap();
    let lifecycle =
        s3_types::BucketLifecycleConfiguration::builder().rules(rule.clone()).build().unwrap();
    s3.put_bucket_lifecycle_configuration()
        .bucket(BUCKET)
        .lifecycle_configuration(lifecycle)
        .send()
        .await
        .unwrap();
    let seen = s3.get_bucket_lifecycle_configuration().bucket(BUCKET).send().await.unwrap();
    assert_eq!(seen.rules(), [rule]);
    let seen = s3.get_bucket_ownership_controls().bucket(BUCKET).send().await.unwrap();
    let ownership =
        seen.ownership_controls().unwrap().rules()[0].object_ownership().as_str().to_owned();
    assert_eq!(ownership, "BucketOwnerEnforced");
}

#[tokio::test(start_paused = true)]
async fn versions_and_markers_keep_a_bucket_from_going() {
    let sandbox = sandbox();
    let [s3, _] = s3_clients(&sandbox);
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    let versioning = s3_types::VersioningConfiguration::builder()
        .status(s3_types::BucketVersioningStatus::Enabled)
        .build();
    s3.put_bucket_versioning()
        .bucket(BUCKET)
        .versioning_configuration(versioning)
        .send()
        .await
        .unwrap();
    let one = put(&s3, "a b/ü", "1").send().await.unwrap().version_id.unwrap();
    let two = put(&s3, "a b/ü", "2").send().await.unwrap().version_id.unwrap();
    assert_ne!(one, two);
    put(&s3, "c", "3").send().await.unwrap();
    let gone = s3.delete_object().bucket(BUCKET).key("a b/ü").send().await.unwrap();
    assert_eq!(gone.delete_marker(), Some(true));
    let now = s3.get_object().bucket(BUCKET).key("a b/ü").send().await;
    assert_eq!(code(now), "NoSuchKey");
    let old = s3.get_object().bucket(BUCKET).key("a b/ü").version_id(&one).send().await.unwrap();
    assert_eq!(old.body.collect().await.unwrap().to_vec(), b"1");
    let listed = s3.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    assert_eq!(listed.contents().iter().filter_map(|o| o.key()).collect::<Vec<_>>(), ["c"]);

    let all = s3.list_object_versions().bucket(BUCKET).send().await.unwrap();
    assert_eq!((all.versions().len(), all.delete_markers().len()), (3, 1));
    assert_eq!(code(s3.delete_bucket().bucket(BUCKET).send().await), "BucketNotEmpty");
    small_pages(&sandbox);
    let mut rounds = 0;
    loop {
        let page = s3.list_object_versions().bucket(BUCKET).send().await.unwrap();
        let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
        let markers = page.delete_markers().iter().map(|m| (m.key(), m.version_id()));
        let objects: Vec<s3_types::ObjectIdentifier> = versions
            .chain(markers)
            .map(|(key, id)| {
                s3_types::ObjectIdentifier::builder()
                    .key(key.unwrap())
                    .set_version_id(id.map(str::to_owned))
                    .build()
                    .unwrap()
            })
            .collect();
        if objects.is_empty() {
            break;
        }
        rounds += 1;
        let delete = s3_types::Delete::builder().set_objects(Some(objects)).build().unwrap();
        let done = s3.delete_objects().bucket(BUCKET).delete(delete).send().await.unwrap();
        assert_eq!(done.errors().len(), 0);
    }
    assert_eq!(rounds, 2, "four versions in pages of two");
    s3.delete_bucket().bucket(BUCKET).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn objects_are_listed_by_prefix_folder_and_page() {
    let sandbox = sandbox();
    let [s3, _] = s3_clients(&sandbox);
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    for key in ["a/1", "a/2", "b/1", "c", "d"] {
        put(&s3, key, "x").send().await.unwrap();
    }
    let top = s3.list_objects_v2().bucket(BUCKET).delimiter("/").send().await.unwrap();
    let folders: Vec<&str> = top.common_prefixes().iter().filter_map(|p| p.prefix()).collect();
    assert_eq!(folders, ["a/", "b/"]);
    assert_eq!(top.contents().len(), 2);
    small_pages(&sandbox);
    let pages = s3.list_objects_v2().bucket(BUCKET).into_paginator().send();
    let pages = pages.try_collect().await.unwrap();
    let keys: Vec<&str> =
        pages.iter().flat_map(|page| page.contents()).filter_map(|o| o.key()).collect();
    assert_eq!(keys, ["a/1", "a/2", "b/1", "c", "d"]);
    assert_eq!(pages.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn s3_faults_speak_xml() {
    let sandbox = sandbox();
    let [s3, _] = s3_clients(&sandbox);
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    let conflict = Effect::Error {
        status: 409,
        code: "ConditionalRequestConflict".to_owned(),
        message: "A conflicting operation occurred".to_owned(),
    };
    sandbox.set_faults(Faults::script([
        Fault::on_operation("s3:PutObject", conflict),
        Fault::on_operation("s3:PutObject", Effect::Throttle).nth(2),
        Fault::on_operation("s3:PutObject", Effect::LoseAnswer).nth(3),
    ]));
    let write = || put(&s3, "lock", "x").if_none_match("*").send();
    assert_eq!(code(write().await), "ConditionalRequestConflict");
    assert_eq!(code(write().await), "SlowDown");
    assert!(matches!(write().await, Err(SdkError::DispatchFailure(_))));
    assert_eq!(code(write().await), "PreconditionFailed", "it had been written");
}

#[tokio::test(start_paused = true)]
async fn secrets_have_versions_and_come_back_from_deletion() {
    let sandbox = sandbox();
    let secrets = aws_sdk_secretsmanager::Client::new(&here(&sandbox));
    let create = |value: &str| {
        secrets
            .create_secret()
            .name("coder/prod/owner")
            .secret_string(value)
            .client_request_token("11111111-1111-4111-8111-111111111111")
            .send()
    };
    let made = create("one").await.unwrap();
    let arn = made.arn.unwrap();
    assert_eq!(create("one").await.unwrap().arn.as_deref(), Some(arn.as_str()), "the same call");
    assert_eq!(code(create("two").await), "ResourceExistsException");
    let second =
        secrets.put_secret_value().secret_id(&arn).secret_string("two").send().await.unwrap();
    let current = secrets.get_secret_value().secret_id("coder/prod/owner").send().await.unwrap();
    assert_eq!(current.secret_string(), Some("two"));
    assert_eq!(current.version_id(), second.version_id());
    let previous = secrets
        .get_secret_value()
        .secret_id(&arn)
        .version_stage("AWSPREVIOUS")
        .send()
        .await
        .unwrap();
    assert_eq!(previous.secret_string(), Some("one"));
    let about = secrets.describe_secret().secret_id(&arn).send().await.unwrap();
    assert_eq!(about.version_ids_to_stages().unwrap().len(), 2);

    secrets.delete_secret().secret_id(&arn).recovery_window_in_days(7).send().await.unwrap();
    let read = || secrets.get_secret_value().secret_id(&arn).send();
    assert_eq!(code(read().await), "InvalidRequestException");
    assert_eq!(code(create("one").await), "InvalidRequestException");
    assert!(secrets.list_secrets().send().await.unwrap().secret_list().is_empty());
    let planned = secrets.list_secrets().include_planned_deletion(true).send().await.unwrap();
    assert_eq!(planned.secret_list().len(), 1);
    secrets.restore_secret().secret_id(&arn).send().await.unwrap();
    read().await.unwrap();
    secrets
        .delete_secret()
        .secret_id(&arn)
        .force_delete_without_recovery(true)
        .send()
        .await
        .unwrap();
    assert_eq!(code(read().await), "ResourceNotFoundException");
    assert_eq!(code(create("one").await), "InvalidRequestException", "a moment is needed");
    sandbox.clock().sleep(Duration::from_secs(10)).await;
    assert_ne!(create("one").await.unwrap().arn.unwrap(), arn);
}

#[tokio::test(start_paused = true)]
async fn all_services_survive_in_the_state_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.json");
    let clock = sandbox().clock();
    let first = Sandbox::open(&path, clock, 1).unwrap();
    let [s3, _] = s3_clients(&first);
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    put(&s3, "x", "body").send().await.unwrap();
    let config = here(&first);
    aws_sdk_iam::Client::new(&config)
        .create_role()
        .role_name("r")
        .assume_role_policy_document(TRUST)
        .send()
        .await
        .unwrap();
    aws_sdk_kms::Client::new(&config).create_key().send().await.unwrap();
    aws_sdk_cloudwatchlogs::Client::new(&config)
        .create_log_group()
        .log_group_name("/g")
        .send()
        .await
        .unwrap();
    aws_sdk_secretsmanager::Client::new(&config)
        .create_secret()
        .name("s")
        .secret_string("v")
        .send()
        .await
        .unwrap();

    let second = Sandbox::open(&path, clock, 1).unwrap();
    let [s3, _] = s3_clients(&second);
    let got = s3.get_object().bucket(BUCKET).key("x").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"body");
    let config = here(&second);
    aws_sdk_iam::Client::new(&config).get_role().role_name("r").send().await.unwrap();
    let keys = aws_sdk_kms::Client::new(&config).list_keys().send().await.unwrap().keys.unwrap();
    assert_eq!(keys.len(), 1);
    let groups = aws_sdk_cloudwatchlogs::Client::new(&config).describe_log_groups().send().await;
    assert_eq!(groups.unwrap().log_groups().len(), 1);
    let secrets = aws_sdk_secretsmanager::Client::new(&config);
    secrets.get_secret_value().secret_id("s").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn flow_logs_wait_for_their_role_and_make_their_group_again() {
    let sandbox = sandbox();
    let config = here(&sandbox);
    let iam = aws_sdk_iam::Client::new(&config);
    let ec2 = aws_sdk_ec2::Client::new(&config);
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    let role = iam
        .create_role()
        .role_name("flow")
        .assume_role_policy_document(TRUST)
        .send()
        .await
        .unwrap()
        .role
        .unwrap();
    iam.put_role_policy()
        .role_name("flow")
        .policy_name("write")
        .policy_document(POLICY)
        .send()
        .await
        .unwrap();
    let vpcs = ec2.describe_vpcs().send().await.unwrap();
    let vpc = vpcs.vpcs()[0].vpc_id().unwrap();
    logs.create_log_group().log_group_name("/flow").send().await.unwrap();
    let create = || {
        ec2.create_flow_logs()
            .resource_ids(vpc)
            .resource_type(aws_sdk_ec2::types::FlowLogsResourceType::Vpc)
            .traffic_type(aws_sdk_ec2::types::TrafficType::All)
            .log_group_name("/flow")
            .deliver_logs_permission_arn(&role.arn)
            .max_aggregation_interval(60)
            .send()
    };
    let early = create().await.unwrap();
    let why = early.unsuccessful()[0].error().unwrap().message().unwrap();
    assert!(why.contains("Unable to assume given IAM role"), "{why}");
    sandbox.clock().sleep(Duration::from_secs(10)).await;
    let made = create().await.unwrap();
    assert_eq!((made.flow_log_ids().len(), made.unsuccessful().len()), (1, 0));

    let groups = async || {
        let listed = logs.describe_log_groups().send().await.unwrap();
        listed
            .log_groups()
            .iter()
            .filter_map(|g| g.log_group_name().map(str::to_owned))
            .collect::<Vec<String>>()
    };
    sandbox.clock().sleep(Duration::from_secs(3600)).await;
    logs.delete_log_group().log_group_name("/flow").send().await.unwrap();
    assert_eq!(groups().await, Vec::<String>::new());
    sandbox.clock().sleep(Duration::from_secs(60)).await;
    assert_eq!(groups().await, ["/flow".to_owned()], "something still writes to it");

    ec2.delete_flow_logs().flow_log_ids(&made.flow_log_ids()[0]).send().await.unwrap();
    logs.delete_log_group().log_group_name("/flow").send().await.unwrap();
    sandbox.clock().sleep(Duration::from_secs(3600)).await;
    assert_eq!(groups().await, Vec::<String>::new());
}
