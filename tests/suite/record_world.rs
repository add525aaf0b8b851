//! An account in the sandbox and callers of it, for the tests of the record and of objects.

use aws_config::{BehaviorVersion, Region as AwsRegion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use coderctl::aws::Clients;
use coderctl::aws::record::{Bucket, Record, ensure};
use coderctl::clock::Clock;
use coderctl::kind::{Connectors, Cx, Deployment, Result};
use coderctl::name::{AccountId, DeploymentName, Partition, Region, Uid};
use coderctl::sandbox::{Sandbox, SandboxHttp};
use std::time::{Duration, SystemTime};

pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) fn clock_at(offset: i64) -> Clock {
    let seconds = 1_800_000_000_u64.checked_add_signed(offset).unwrap();
    Clock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds), 1)
}

pub(crate) fn world() -> Sandbox {
    Sandbox::in_memory(clock_at(0), 7)
}

pub(crate) fn deployment(region: &str, uid: Option<&str>) -> Deployment {
    let home_region = Region::new(region);
    Deployment {
        name: DeploymentName::new("coder-dev"),
        uid: uid.map(Uid::new),
        account: AccountId::new(ACCOUNT),
        partition: Partition::of(&home_region),
        home_region,
        tags: [("owner".to_owned(), "ops".to_owned())].into(),
    }
}

pub(crate) fn clients(sandbox: &Sandbox, clock: Clock) -> Clients {
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(AwsRegion::new("us-east-1"))
        .http_client(SandboxHttp::new(sandbox.clone()))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIDSANDBOX",
            "secret",
            None,
            None,
            "test",
        )))
        .build();
    Clients::from_config(config, true, clock, 1)
}

/// A caller whose own clock is `offset` seconds off the world's.
pub(crate) fn caller(sandbox: &Sandbox, offset: i64) -> Cx {
    caller_in(sandbox, "us-east-1", offset)
}

pub(crate) fn caller_in(sandbox: &Sandbox, region: &str, offset: i64) -> Cx {
    // Both clocks are read at the same instant of the runtime's time.
    let now = sandbox.clock().now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let now = Duration::from_secs(now.as_secs().checked_add_signed(offset).unwrap());
    let clock = Clock::starting_at(SystemTime::UNIX_EPOCH + now, 1);
    let connectors = Connectors::default().with(clients(sandbox, clock));
    Cx::new(deployment(region, None), clock, connectors)
}

/// Makes sure of the bucket and begins the record, as a first apply does.
pub(crate) async fn begin(
    cx: &Cx,
    bucket: &str,
    whose: Bucket,
    live: Option<&Uid>,
) -> Result<(Record, Vec<String>)> {
    let notes = ensure(cx, bucket, whose).await?;
    Ok((Record::begin(cx, bucket, live).await?, notes))
}
