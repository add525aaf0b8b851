//! The one factory of AWS clients.

use super::guard::{CallCounts, Guard};
use super::rate::Limiter;
use crate::clock::Clock;
use crate::name::Region;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long one attempt of one call may take. A create that EC2 answers after this has an
/// unknown outcome, which is what intents are for.
const ATTEMPT: Duration = Duration::from_secs(60);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);

/// A role to assume before anything else.
#[derive(Clone, Debug)]
pub struct AssumeRole {
    /// The role's ARN.
    pub role_arn: String,
    /// The external id that its trust policy asks for.
    pub external_id: Option<crate::secret::Secret>,
    /// What CloudTrail shows.
    pub session_name: String,
}

/// Where credentials and the endpoint come from.
#[derive(Clone, Debug)]
pub struct Connection {
    /// A profile of the shared config file; the default chain without.
    pub profile: Option<String>,
    /// Another endpoint for every service: a test server, the sandbox behind `serve`.
    pub endpoint_url: Option<String>,
    /// FIPS 140 endpoints.
    pub use_fips: bool,
    /// A role to assume.
    pub assume_role: Option<AssumeRole>,
}

/// Builds every client with the same clock, timeouts, guard and counter. SDK retries are off:
/// [`super::call`] is the only retry layer.
#[derive(Clone, Debug)]
pub struct Clients {
    pub(super) base: SdkConfig,
    /// What the role of `base` is assumed with, where one is.
    pub(super) source: Option<SharedCredentialsProvider>,
    path_style: bool,
    guard: Guard,
    /// None for a server on this machine: it is not AWS, and has limits of its own.
    pub(super) limiter: Option<Limiter>,
    jitter: Arc<AtomicU64>,
}

impl Clients {
    /// Clients for real AWS, or whatever answers at the endpoint, with the caller's credentials.
    pub async fn connect(connection: &Connection, home: &Region, clock: Clock) -> Clients {
        let region = aws_config::Region::new(home.to_string());
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region.clone());
        if let Some(profile) = &connection.profile {
            loader = loader.profile_name(profile);
        }
        if connection.use_fips {
            loader = loader.use_fips(true);
        }
        if let Some(url) = &connection.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let mut base = loader.load().await;
        let mut source = None;
        if let Some(assume) = &connection.assume_role {
            let mut provider = aws_config::sts::AssumeRoleProvider::builder(&assume.role_arn)
                .configure(&base)
                .region(region)
                .session_name(&assume.session_name);
            if let Some(id) = &assume.external_id {
                provider = provider.external_id(id.expose());
            }
            let provider = provider.build().await;
            source = base.credentials_provider();
            base = base
                .into_builder()
                .credentials_provider(SharedCredentialsProvider::new(provider))
                .build();
        }
        let path_style = base.endpoint_url().is_some();
        let is_local = base.endpoint_url().is_some_and(is_loopback);
        let mut clients = Clients::from_config(base, path_style, clock, clock.unix());
        clients.source = source;
        if is_local {
            clients.limiter = None;
        }
        clients
    }

    /// Clients over a config that somebody else made (the sandbox's HTTP client, a test's).
    /// `seed` makes the jitter of retries reproducible.
    pub fn from_config(base: SdkConfig, path_style: bool, clock: Clock, seed: u64) -> Clients {
        let base = base
            .into_builder()
            .retry_config(RetryConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .operation_attempt_timeout(clock.wall(ATTEMPT))
                    .connect_timeout(clock.wall(CONNECT))
                    .build(),
            )
            .sleep_impl(clock)
            .time_source(clock)
            .build();
        Clients {
            base,
            source: None,
            path_style,
            guard: Guard::default(),
            limiter: Some(Limiter::default()),
            jitter: Arc::new(AtomicU64::new(seed | 1)),
        }
    }

    /// The same, naming a trace in the user agent of every call, which CloudTrail keeps. An
    /// application id that the user has set (`AWS_SDK_UA_APP_ID`) stays.
    #[must_use]
    pub fn traced(mut self, trace_id: &str) -> Clients {
        if self.base.app_name().is_none()
            && let Ok(name) = AppName::new(format!("coderctl-trace-{trace_id}"))
        {
            self.base = self.base.into_builder().app_name(name).build();
        }
        self
    }

    /// From now on, refuses every operation that is not a read (`true`), or lets all pass.
    pub fn set_planning(&self, planning: bool) {
        self.guard.planning.store(planning, Ordering::SeqCst);
    }

    /// Whether calls wait until AWS's request limits leave room for them.
    pub fn is_limited(&self) -> bool {
        self.limiter.is_some()
    }

    /// What has been sent.
    pub fn counts(&self) -> &CallCounts {
        &self.guard.counts
    }

    /// Where the caller's credentials come from; `None` where the config names no source.
    pub fn credentials(&self) -> Option<aws_credential_types::provider::SharedCredentialsProvider> {
        self.base.credentials_provider()
    }

    fn region(&self, region: &Region) -> aws_config::Region {
        aws_config::Region::new(region.to_string())
    }

    /// EC2 in a region.
    pub fn ec2(&self, region: &Region) -> aws_sdk_ec2::Client {
        let config = aws_sdk_ec2::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_ec2::Client::from_conf(config.build())
    }

    /// EKS in a region.
    pub fn eks(&self, region: &Region) -> aws_sdk_eks::Client {
        let config = aws_sdk_eks::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_eks::Client::from_conf(config.build())
    }

    /// Auto Scaling in a region.
    pub fn auto_scaling(&self, region: &Region) -> aws_sdk_autoscaling::Client {
        let config = aws_sdk_autoscaling::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_autoscaling::Client::from_conf(config.build())
    }

    /// IAM, signed for `region` (IAM has one endpoint a partition).
    pub fn iam(&self, region: &Region) -> aws_sdk_iam::Client {
        let config = aws_sdk_iam::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_iam::Client::from_conf(config.build())
    }

    /// KMS in a region.
    pub fn kms(&self, region: &Region) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_kms::Client::from_conf(config.build())
    }

    /// CloudWatch Logs in a region.
    pub fn logs(&self, region: &Region) -> aws_sdk_cloudwatchlogs::Client {
        let config = aws_sdk_cloudwatchlogs::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_cloudwatchlogs::Client::from_conf(config.build())
    }

    /// Secrets Manager in a region.
    pub fn secrets_manager(&self, region: &Region) -> aws_sdk_secretsmanager::Client {
        let config = aws_sdk_secretsmanager::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_secretsmanager::Client::from_conf(config.build())
    }

    /// RDS in a region.
    pub fn rds(&self, region: &Region) -> aws_sdk_rds::Client {
        let config = aws_sdk_rds::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_rds::Client::from_conf(config.build())
    }

    /// Elastic Load Balancing in a region.
    pub fn elbv2(&self, region: &Region) -> aws_sdk_elasticloadbalancingv2::Client {
        let config = aws_sdk_elasticloadbalancingv2::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_elasticloadbalancingv2::Client::from_conf(config.build())
    }

    /// AWS Certificate Manager in a region.
    pub fn acm(&self, region: &Region) -> aws_sdk_acm::Client {
        let config = aws_sdk_acm::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_acm::Client::from_conf(config.build())
    }

    /// Route 53, signed for the partition that `region` is in (it has one endpoint a partition).
    pub fn route53(&self, region: &Region) -> aws_sdk_route53::Client {
        let config = aws_sdk_route53::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_route53::Client::from_conf(config.build())
    }

    /// S3 in a region. Checksums only where S3 demands them: the record is small text.
    pub fn s3(&self, region: &Region) -> aws_sdk_s3::Client {
        use aws_sdk_s3::config::{RequestChecksumCalculation, ResponseChecksumValidation};
        let config = aws_sdk_s3::config::Builder::from(&self.base)
            .region(self.region(region))
            .force_path_style(self.path_style)
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .interceptor(self.guard.clone());
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// STS in a region.
    pub fn sts(&self, region: &Region) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::config::Builder::from(&self.base)
            .region(self.region(region))
            .interceptor(self.guard.clone());
        aws_sdk_sts::Client::from_conf(config.build())
    }

    /// A duration between half of `base` and all of it, so that callers that were throttled
    /// together do not come back together.
    pub(super) fn jittered(&self, base: Duration) -> Duration {
        // xorshift64: enough to spread retries, and reproducible from the seed.
        let mut state = self.jitter.load(Ordering::Relaxed);
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        self.jitter.store(state, Ordering::Relaxed);
        base / 2 + base.mul_f64((state % 1000) as f64 / 2000.0)
    }
}

/// Whether an endpoint is on this machine.
fn is_loopback(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
