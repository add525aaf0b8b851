//! What must be known after a crash: which creates were begun.
//!
//! A create that AWS does not refuse the second time is recorded before it is sent. After a crash
//! or a lost answer, the resource is looked for by its tags until reads have surely caught up;
//! only then is the create sent again.

use crate::graph::BoxFuture;
use crate::kind::Result;
use crate::name::{Address, PhysicalId, Region};
use crate::plan::AppliedResource;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How old an intent must be before a resource that can not be seen is taken for never made. EC2
/// promises no bound for its eventual consistency; observed delays are seconds.
/// <https://docs.aws.amazon.com/ec2/latest/devguide/eventual-consistency.html>
pub const SETTLED_AFTER: Duration = Duration::from_secs(300);

/// A create that was begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// What is made.
    pub address: Address,
    /// Its kind's name.
    pub kind: String,
    /// Where.
    pub region: Region,
    /// Its generation.
    pub generation: u32,
    /// The client token, for creates that take one.
    pub token: String,
    /// Seconds since 1970, on the program's clock.
    pub at: u64,
    /// The name by which it is found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What was made, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<PhysicalId>,
}

impl Intent {
    /// Whether the name in the record does not lead to what it was for: that was never seen, or has
    /// the number of its generation behind its name.
    pub fn is_open(&self) -> bool {
        self.id.is_none() || self.generation > 1
    }
}

/// Where intents and applied fields are kept.
pub trait Journal: Send + Sync {
    /// Records an intent; durable when it returns.
    fn intend(&self, intent: Intent) -> BoxFuture<'_, Result<()>>;
    /// The last intent for this address and kind that nothing has closed.
    fn intent(&self, address: &Address, kind: &str) -> Option<Intent>;
    /// Notes what an intent made. It is written with the next thing that is.
    fn made(&self, address: &Address, kind: &str, id: &PhysicalId);
    /// Closes an intent: the create was refused, or what it made is gone.
    fn close(&self, address: &Address, kind: &str);
    /// Notes the fields of a resource as they were applied.
    fn applied(&self, address: &Address, resource: AppliedResource);
    /// Notes that these fields are about to be changed. Until they have been applied, what is live
    /// may be either value, and both are of our making: neither is taken for somebody else's.
    /// Written with the next thing that is, so a process that is killed first has not said it.
    fn changing(&self, address: &Address, fields: &[&str]);
    /// Notes that a resource is gone.
    fn gone(&self, address: &Address);
    /// Writes what has been noted.
    fn flush(&self) -> BoxFuture<'_, Result<()>>;
}

/// A journal that forgets: for a run that makes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn intend(&self, _: Intent) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
    fn intent(&self, _: &Address, _: &str) -> Option<Intent> {
        None
    }
    fn made(&self, _: &Address, _: &str, _: &PhysicalId) {}
    fn close(&self, _: &Address, _: &str) {}
    fn applied(&self, _: &Address, _: AppliedResource) {}
    fn changing(&self, _: &Address, _: &[&str]) {}
    fn gone(&self, _: &Address) {}
    fn flush(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async { Ok(()) })
    }
}
