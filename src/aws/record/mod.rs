//! The record of a deployment: what AWS itself does not tell.
//!
//! | object below `DEPLOYMENT/` | what it is |
//! |---|---|
//! | `record.json` | [`Record`]: uid, regions ever used, the last applier's version |
//! | `applied.json` | [`Applied`]: the fields as last applied; tells drift from a change of the spec |
//! | `intents.jsonl` | creates that were begun ([`S3Journal`]) |
//! | `lock.json` | [`Lock`] |
//! | `runs/ID.jsonl` | the events of every run ([`RunLog`]) |
//!
//! Losing any of it costs history and explanations, never correctness: what is live is always
//! read from the provider.

mod bucket;
mod journal;
mod lock;
mod runs;
mod store;

pub use bucket::{Bucket, default_name, ensure};
pub use journal::S3Journal;
pub use lock::{Acquired, BEAT, FENCE, Held, Holder, Lock, Locked, TTL};
pub use runs::{RunEntry, RunHead, RunLog, list_runs, read_run, run_id};

use crate::execute::Intent;
use crate::kind::{Class, Cx, Error, Result};
use crate::name::{AccountId, DeploymentName, Region, Uid};
use crate::plan::Applied;
use journal::Intents;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use store::{Condition, Put, Store, Stored};

const RECORD: &str = "record.json";
const APPLIED: &str = "applied.json";
const INTENTS: &str = "intents.jsonl";

/// The version of this program, as the record keeps it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The IAM actions that reading the record needs, for the policy of a planner. Without
/// `s3:ListBucket`, S3 answers "denied" where an object does not exist.
pub const READ_ACTIONS: &[&str] = &["s3:GetObject", "s3:ListBucket"];

/// The IAM actions that keeping the record and the lock needs besides.
pub const WRITE_ACTIONS: &[&str] = &[
    "s3:CreateBucket",
    "s3:DeleteObject",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetBucketTagging",
    "s3:GetBucketVersioning",
    "s3:GetEncryptionConfiguration",
    "s3:GetLifecycleConfiguration",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutObject",
];

/// What identifies a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Made by the first apply, and on every resource.
    pub uid: Uid,
    /// The deployment's name.
    pub name: DeploymentName,
    /// The account it lives in.
    pub account: AccountId,
    /// Where this record lives.
    pub home_region: Region,
    /// Every region that an apply has ever worked in.
    pub regions: BTreeSet<Region>,
    /// The version of the newest program that has applied it.
    pub version: String,
    /// When it was made, RFC 3339.
    pub created: String,
}

/// A record as it was read.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What identifies the deployment.
    pub record: Record,
    /// What was last applied.
    pub applied: Applied,
    /// The creates that were begun and not closed.
    pub intents: Vec<Intent>,
    /// Who holds the lock, if anyone does.
    pub lock: Option<Locked>,
}

impl Loaded {
    /// The names that resources had when they were last applied, and those of what a run that died
    /// may have made, by kind.
    pub fn names(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut names = self.applied.names();
        for intent in &self.intents {
            if let Some(name) = &intent.name {
                names.entry(intent.kind.clone()).or_default().insert(name.clone());
            }
        }
        names
    }

    /// The kinds of which a create was begun and never ended, or of which one has replaced another,
    /// so that its name is not the one that was applied.
    pub fn begun(&self) -> BTreeSet<String> {
        let open = self.intents.iter().filter(|intent| intent.is_open());
        open.map(|intent| intent.kind.clone()).collect()
    }
}

impl Record {
    /// Reads the record of the deployment of `cx` from `bucket`; `None` when there is none yet.
    /// Only reads, all at once.
    ///
    /// # Errors
    /// When S3 refuses, an object is damaged, or a newer program has applied the deployment.
    pub async fn load(cx: &Cx, bucket: &str) -> Result<Option<Loaded>> {
        let store = Store::new(cx, bucket);
        let (record, applied, intents, lock) = futures::try_join!(
            store.get(RECORD),
            store.get(APPLIED),
            store.get(INTENTS),
            Lock::status(cx, bucket)
        )?;
        let Some(stored) = record else { return Ok(None) };
        let record = read_record(&store, &stored)?;
        record.admits(cx)?;
        let intents = Intents::read(&store, intents.as_ref())?;
        Ok(Some(Loaded { record, applied: read_applied(&store, applied.as_ref())?, intents, lock }))
    }

    /// Reads the record, or makes it if there is none: the first thing that an apply does once
    /// it has the bucket ([`ensure`]) and the lock. `live` is the uid on resources that were
    /// found, which a lost record is made again with.
    ///
    /// Two first applies at once get the same record.
    ///
    /// # Errors
    /// As [`Record::load`].
    pub async fn begin(cx: &Cx, bucket: &str, live: Option<&Uid>) -> Result<Record> {
        let store = Store::new(cx, bucket);
        if let Some(stored) = store.get(RECORD).await? {
            let record = read_record(&store, &stored)?;
            record.admits(cx)?;
            return Ok(record);
        }
        let deployment = &cx.deployment;
        let uid = live.cloned().unwrap_or_else(|| Uid::new(uuid::Uuid::new_v4().to_string()));
        let record = Record {
            uid,
            name: deployment.name.clone(),
            account: deployment.account.clone(),
            home_region: deployment.home_region.clone(),
            regions: BTreeSet::from([deployment.home_region.clone()]),
            version: VERSION.to_owned(),
            created: cx.clock.timestamp(),
        };
        match store.put(RECORD, &json(&record)?, Condition::Absent).await? {
            Put::Done(_) => Ok(record),
            Put::Refused(Some(stored)) => {
                let record = read_record(&store, &stored)?;
                record.admits(cx)?;
                Ok(record)
            }
            Put::Refused(None) => {
                Err(Error::of(Class::Unavailable, "the record was made and removed by somebody")
                    .hint("run the same command again"))
            }
        }
    }

    /// Whether this is the record of what `cx` is about, and may be worked with.
    fn admits(&self, cx: &Cx) -> Result<()> {
        let deployment = &cx.deployment;
        if self.account != deployment.account || self.name != deployment.name {
            let why = format!(
                "the record is that of {} in account {}, not of {} in account {}",
                self.name, self.account, deployment.name, deployment.account
            );
            return Err(Error::of(Class::Refused, why)
                .hint("name another bucket in the spec: `record: {bucket: NAME}`"));
        }
        if is_older(VERSION, &self.version) {
            let why = format!(
                "coderctl {} has applied this deployment, and this is {VERSION}",
                self.version
            );
            return Err(Error::of(Class::Refused, why)
                .hint(format!("use coderctl {} or newer", self.version)));
        }
        Ok(())
    }
}

/// Whether version `this` is older than `that`; what can not be read as a version is not.
fn is_older(this: &str, that: &str) -> bool {
    fn parts(version: &str) -> Option<[u64; 3]> {
        // A pre-release counts as its release: both write the same record.
        let core = version.split(['-', '+']).next()?;
        let parts: Vec<u64> =
            core.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
        parts.try_into().ok()
    }
    matches!((parts(this), parts(that)), (Some(this), Some(that)) if this < that)
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec_pretty(value)
        .map_err(|error| Error::local(format!("the record can not be written: {error}")))
}

fn damaged(store: &Store, name: &str, why: impl std::fmt::Display, hint: &str) -> Error {
    let why = store.cx().masks.clean(&why.to_string());
    Error::of(Class::Refused, format!("{} is damaged: {why}", store.url(name))).hint(hint)
}

fn parse<T: DeserializeOwned>(store: &Store, name: &str, body: &[u8], hint: &str) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| damaged(store, name, error, hint))
}

fn read_record(store: &Store, stored: &Stored) -> Result<Record> {
    let hint = "restore an earlier version of the object; or delete it, and the next apply makes \
                it again from the resources' tags";
    parse(store, RECORD, &stored.body, hint)
}

fn read_applied(store: &Store, stored: Option<&Stored>) -> Result<Applied> {
    let hint = "restore an earlier version of the object; or delete it: it only tells drift from \
                changes of the spec";
    match stored {
        None => Ok(Applied::default()),
        Some(stored) => parse(store, APPLIED, &stored.body, hint),
    }
}
