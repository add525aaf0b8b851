//! How fast AWS lets itself be called: its published request limits, as data.
//!
//! AWS counts with token buckets: a bucket holds `burst` calls, and `per_second` of them come
//! back. Where a service publishes a quota per second and no bucket, a second's worth is the
//! bucket. S3 and STS have no line: S3 allows thousands a second for each prefix, and the renewal
//! of the deployment's lock must never stand in a queue; STS allows 600 a second and is asked once.

use super::guard::is_read;

/// The calls that a limit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Covers {
    /// These operations.
    Named(&'static [&'static str]),
    /// All that only read.
    Reads,
    /// Everything.
    All,
}

/// What has a bucket of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// Each operation.
    Each,
    /// All that the limit covers, together.
    Together,
}

/// One of AWS's request limits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The service, by its prefix in IAM policies; empty for all that has no line of its own.
    pub service: &'static str,
    /// Which of its operations.
    pub covers: Covers,
    /// What has a bucket of its own.
    pub counted: Counted,
    /// Calls that a full bucket allows at once.
    pub burst: u32,
    /// Calls that come back in a second.
    pub per_second: f64,
    /// The page that says so.
    pub source: &'static str,
}

/// "Each API is evaluated individually."
const EC2: &str = "https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-throttling.html";
const ELB: &str =
    "https://docs.aws.amazon.com/elasticloadbalancing/latest/userguide/elb-api-throttling.html";
const KMS: &str = "https://docs.aws.amazon.com/kms/latest/developerguide/requests-per-second.html";
const LOGS: &str =
    "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html";
const ACM: &str = "https://docs.aws.amazon.com/acm/latest/userguide/acm-limits.html";
const SECRETS: &str =
    "https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html";
/// One bucket for all calls of an account; every operation has one of the same size besides.
const ROUTE53: &str =
    "https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/throttling-api-requests.html";
/// EKS, IAM, RDS and Auto Scaling publish no numbers: these are what Cluster API's provider for
/// AWS allows itself, for all services alike.
const CAPA: &str = "https://github.com/kubernetes-sigs/cluster-api-provider-aws/blob/main/pkg/cloud/throttle/throttle.go";

const fn each(
    service: &'static str,
    covers: Covers,
    (burst, per_second): (u32, f64),
    source: &'static str,
) -> Limit {
    Limit { service, covers, counted: Counted::Each, burst, per_second, source }
}

const fn together(
    service: &'static str,
    covers: Covers,
    (burst, per_second): (u32, f64),
    source: &'static str,
) -> Limit {
    Limit { service, covers, counted: Counted::Together, burst, per_second, source }
}

const ENDPOINTS: Covers =
    Covers::Named(&["CreateVpcEndpoint", "DeleteVpcEndpoints", "ModifyVpcEndpoint"]);
const NATS: Covers = Covers::Named(&["CreateNatGateway", "DeleteNatGateway"]);
const TAGS: Covers = Covers::Named(&["CreateTags", "DeleteTags"]);
const INTERFACES: Covers = Covers::Named(&[
    "CreateNetworkInterface",
    "DeleteNetworkInterface",
    "CreateLaunchTemplateVersion",
]);

/// The limits; the first that covers an operation counts.
pub const LIMITS: &[Limit] = &[
    each("ec2", ENDPOINTS, (4, 0.3), EC2),
    each("ec2", NATS, (10, 1.0), EC2),
    each("ec2", TAGS, (100, 10.0), EC2),
    each("ec2", INTERFACES, (100, 5.0), EC2),
    // Filtered or paginated, as ours all are; without, it is half of this.
    each("ec2", Covers::Reads, (100, 20.0), EC2),
    each("ec2", Covers::All, (50, 5.0), EC2),
    together("elasticloadbalancing", Covers::Reads, (40, 10.0), ELB),
    each("kms", Covers::Reads, (100, 100.0), KMS),
    // The lowest quota of an operation that changes something: CreateKey, CreateAlias.
    each("kms", Covers::All, (5, 5.0), KMS),
    each("logs", Covers::Reads, (10, 10.0), LOGS),
    each("logs", Covers::All, (5, 5.0), LOGS),
    each("acm", Covers::Reads, (10, 10.0), ACM),
    each("acm", Covers::All, (5, 5.0), ACM),
    each("secretsmanager", Covers::All, (50, 50.0), SECRETS),
    together("route53", Covers::All, (50, 10.0), ROUTE53),
    each("", Covers::Reads, (100, 20.0), CAPA),
    each("", Covers::All, (200, 5.0), CAPA),
];

const UNLIMITED: &[&str] = &["s3", "sts"];

/// The limit of an operation (`ec2:CreateVpc`) and its place in [`LIMITS`], if it has one.
pub fn of(operation: &str) -> Option<(usize, &'static Limit)> {
    let (service, name) = operation.split_once(':')?;
    if UNLIMITED.contains(&service) {
        return None;
    }
    let serves = |limit: &Limit| limit.service.is_empty() || limit.service == service;
    let covers = |limit: &Limit| match limit.covers {
        Covers::Named(names) => names.contains(&name),
        Covers::Reads => is_read(name),
        Covers::All => true,
    };
    LIMITS.iter().enumerate().find(|(_, limit)| serves(limit) && covers(limit))
}

/// Whether a service counts calls for the whole account and not for each region.
pub(super) fn is_global(operation: &str) -> bool {
    ["iam:", "route53:"].iter().any(|service| operation.starts_with(service))
}
