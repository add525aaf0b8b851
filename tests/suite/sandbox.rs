//! The embedded AWS, through the real SDK clients on virtual time.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_sdk_ec2::config::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use coderctl::clock::Clock;
use coderctl::sandbox::{Sandbox, SandboxHttp};
use std::time::{Duration, SystemTime};

/// A clock that starts at a fixed day.
fn clock() -> Clock {
    Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000), 1)
}

fn sandbox() -> Sandbox {
    Sandbox::in_memory(clock(), 7)
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
        .timeout_config(
            TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(60)).build(),
        )
        .build()
}

fn ec2(sandbox: &Sandbox) -> aws_sdk_ec2::Client {
    aws_sdk_ec2::Client::new(&config(sandbox, "AKIDSANDBOX", "us-east-1"))
}

#[test]
fn the_law_and_the_world_have_the_same_operations() {
    let (mistakes, unchecked) = coderctl::sandbox::law_problems();
    assert_eq!(mistakes, Vec::<String>::new());
    assert_eq!(unchecked, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn sts_says_who_calls() {
    let sandbox = sandbox();
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, "AKIDSANDBOX", "us-east-1"));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("123456789012"));
    let sts = aws_sdk_sts::Client::new(&config(&sandbox, "210987654321", "us-east-1"));
    let who = sts.get_caller_identity().send().await.unwrap();
    assert_eq!(who.account(), Some("210987654321"));
}

#[tokio::test(start_paused = true)]
async fn a_vpc_is_pending_first() {
    let sandbox = sandbox();
    let ec2 = ec2(&sandbox);
    let made = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap();
    let id = made.vpc().unwrap().vpc_id().unwrap().to_owned();
    let state = async || {
        let seen = ec2.describe_vpcs().vpc_ids(&id).send().await.unwrap();
        seen.vpcs()[0].state().unwrap().as_str().to_owned()
    };
    assert_eq!(state().await, "pending");
    sandbox.clock().sleep(Duration::from_secs(2)).await;
    assert_eq!(state().await, "available");
}
