//! The world's state: all accounts, all regions, serialisable as one document.

use super::acm::{self, Acm};
use super::autoscaling::AutoScaling;
use super::ec2::model::Ec2;
use super::eks::{self, Eks};
use super::elbv2::{self, Elbv2};
use super::iam::Iam;
use super::kms::Kms;
use super::logs::Logs;
use super::rds::{self, Rds};
use super::route53::Route53;
use super::s3::S3;
use super::secretsmanager::Secrets;
use super::sts::Sts;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

/// Milliseconds since 1970 on the sandbox's clock.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Millis(pub(crate) u64);

impl Millis {
    pub(crate) fn of(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_millis(self.0))
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Millis(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    pub(crate) fn minus(self, duration: Duration) -> Self {
        Millis(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// As EC2 and STS write times: `2026-11-21T02:03:04.000Z`.
    pub(crate) fn iso(self) -> String {
        i64::try_from(self.0)
            .ok()
            .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
            .map(|stamp| stamp.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string())
            .unwrap_or_default()
    }

    /// As HTTP headers write times: `Sat, 21 Nov 2026 02:03:04 GMT`.
    pub(crate) fn http_date(self) -> String {
        i64::try_from(self.0)
            .ok()
            .and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok())
            .map(|stamp| stamp.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            .unwrap_or_default()
    }

    /// As the JSON services write times: seconds since 1970.
    pub(crate) fn seconds(self) -> f64 {
        Duration::from_millis(self.0).as_secs_f64()
    }
}

/// Where and as whom a call came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// Twelve digits.
    pub(crate) account: String,
    /// The region that the call was signed for.
    pub(crate) region: String,
    /// The access key's id.
    pub(crate) access_key: String,
}

impl Scope {
    /// `aws`, `aws-us-gov` or `aws-cn`.
    pub(crate) fn partition(&self) -> &'static str {
        crate::name::Partition::of(&self.region.as_str().into()).as_str()
    }
}

/// The whole world.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Store {
    /// The form of this document.
    pub(crate) format: u32,
    /// How often the document was written.
    pub(crate) writes: u64,
    /// What ids are made from.
    pub(crate) seed: u64,
    /// How many ids were made.
    pub(crate) made: u64,
    /// The latest time that any process saw: time never runs back.
    pub(crate) last_time: Millis,
    /// By account id.
    pub(crate) accounts: BTreeMap<String, Account>,
    /// Temporary credentials.
    #[serde(default)]
    pub(crate) sts: Sts,
    /// Buckets: their names are one space for all accounts and regions.
    #[serde(default)]
    pub(crate) s3: S3,
}

/// What one account has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    /// By region code.
    #[serde(default)]
    pub(crate) regions: BTreeMap<String, Regional>,
    /// Roles.
    #[serde(default)]
    pub(crate) iam: Iam,
    /// Hosted zones.
    #[serde(default)]
    pub(crate) route53: Route53,
}

/// What one account has in one region.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Regional {
    /// Networks.
    pub(crate) ec2: Ec2,
    /// Keys.
    #[serde(default)]
    pub(crate) kms: Kms,
    /// Log groups.
    #[serde(default)]
    pub(crate) logs: Logs,
    /// Secrets.
    #[serde(default)]
    pub(crate) secrets: Secrets,
    /// Clusters.
    #[serde(default)]
    pub(crate) eks: Eks,
    /// Auto Scaling groups.
    #[serde(default)]
    pub(crate) autoscaling: AutoScaling,
    /// Databases.
    #[serde(default)]
    pub(crate) rds: Rds,
    /// Load balancers.
    #[serde(default)]
    pub(crate) elbv2: Elbv2,
    /// Certificates.
    #[serde(default)]
    pub(crate) acm: Acm,
}

impl Store {
    /// The form that this version writes.
    pub(crate) const FORMAT: u32 = 1;

    /// An empty world.
    pub(crate) fn new(seed: u64) -> Self {
        Store {
            format: Self::FORMAT,
            writes: 0,
            seed,
            made: 0,
            last_time: Millis(0),
            accounts: BTreeMap::new(),
            sts: Sts::default(),
            s3: S3::default(),
        }
    }

    /// The next of an endless row of numbers that the seed determines.
    pub(crate) fn random(&mut self) -> u64 {
        self.made += 1;
        number(&format!("{}/{}", self.seed, self.made))
    }

    /// Makes sure that the region is there with what AWS puts into every region, and does what
    /// has become due by `now`.
    pub(crate) fn settle(&mut self, scope: &Scope, now: Millis) {
        let account = self.accounts.entry(scope.account.clone()).or_insert_with(|| Account {
            route53: Route53::of_new_account(&scope.account),
            ..Account::default()
        });
        let regional =
            account.regions.entry(scope.region.clone()).or_insert_with(|| Regional::new(scope));
        eks::settle(regional, scope, now);
        regional.ec2.settle(now);
        rds::settle(self, scope, now);
        elbv2::settle(self, scope, now);
        acm::settle(self, scope, now);
        for name in self.deliveries(scope, now) {
            self.regional_mut(scope).logs.write_from_service(&name, scope, now);
        }
    }

    /// Whether [`Store::settle`] would change anything.
    pub(crate) fn is_due(&self, scope: &Scope, now: Millis) -> bool {
        self.regional(scope)
            .is_none_or(|regional| regional.ec2.is_due(now) || eks::is_due(regional, now))
            || rds::is_due(self, scope, now)
            || elbv2::is_due(self, scope, now)
            || acm::is_due(self, scope, now)
            || !self.deliveries(scope, now).is_empty()
    }

    /// The log groups that flow logs write to although they are not there, and so make again. A
    /// flow log writes when its aggregation interval is over, as long as its role may make groups.
    fn deliveries(&self, scope: &Scope, now: Millis) -> Vec<String> {
        let Some(regional) = self.regional(scope) else { return Vec::new() };
        let due = regional.ec2.flow_logs.values().filter_map(|log| {
            let (name, role) = (log.log_group.as_deref()?, log.role.as_deref()?);
            let since = regional.logs.deleted(name).unwrap_or_default().max(log.created);
            let interval = u64::try_from(log.aggregation).unwrap_or(600);
            let due = !regional.logs.has(name)
                && since.plus(Duration::from_secs(interval)) <= now
                && self.iam(scope).role_may(role, "logs:CreateLogGroup");
            due.then(|| name.to_owned())
        });
        due.collect()
    }

    /// What the account of `scope` has in its region.
    pub(crate) fn regional(&self, scope: &Scope) -> Option<&Regional> {
        self.accounts.get(&scope.account)?.regions.get(&scope.region)
    }

    /// The same, to change it.
    pub(crate) fn regional_mut(&mut self, scope: &Scope) -> &mut Regional {
        self.accounts
            .entry(scope.account.clone())
            .or_default()
            .regions
            .entry(scope.region.clone())
            .or_insert_with(|| Regional::new(scope))
    }
}

impl Regional {
    fn new(scope: &Scope) -> Self {
        Regional {
            ec2: Ec2::of_new_account(scope),
            kms: Kms::default(),
            logs: Logs::default(),
            secrets: Secrets::default(),
            eks: Eks::default(),
            autoscaling: AutoScaling::default(),
            rds: Rds::default(),
            elbv2: Elbv2::default(),
            acm: Acm::default(),
        }
    }
}

/// What an account or a region has before anything was made there.
static NOTHING: LazyLock<(Iam, Kms, Logs, Secrets, Eks)> = LazyLock::new(Default::default);

impl Store {
    /// The IAM of the account of `scope`.
    pub(crate) fn iam(&self, scope: &Scope) -> &Iam {
        self.accounts.get(&scope.account).map_or(&NOTHING.0, |account| &account.iam)
    }

    /// The same, to change it.
    pub(crate) fn iam_mut(&mut self, scope: &Scope) -> &mut Iam {
        &mut self.accounts.entry(scope.account.clone()).or_default().iam
    }

    /// The KMS of the account of `scope` in its region.
    pub(crate) fn kms(&self, scope: &Scope) -> &Kms {
        self.regional(scope).map_or(&NOTHING.1, |regional| &regional.kms)
    }

    /// The CloudWatch Logs of the account of `scope` in its region.
    pub(crate) fn logs(&self, scope: &Scope) -> &Logs {
        self.regional(scope).map_or(&NOTHING.2, |regional| &regional.logs)
    }

    /// The Secrets Manager of the account of `scope` in its region.
    pub(crate) fn secrets(&self, scope: &Scope) -> &Secrets {
        self.regional(scope).map_or(&NOTHING.3, |regional| &regional.secrets)
    }

    /// The EKS of the account of `scope` in its region.
    pub(crate) fn eks(&self, scope: &Scope) -> &Eks {
        self.regional(scope).map_or(&NOTHING.4, |regional| &regional.eks)
    }
}

/// A number that depends on `text` alone.
pub(crate) fn number(text: &str) -> u64 {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
