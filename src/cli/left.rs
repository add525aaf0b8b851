//! What a destroy leaves behind, and why: what stays on purpose, what should be gone and is not, and
//! what could not be read, of which nobody can say.

use super::drive::{Carried, exit_of};
use super::exit::Exit;
use super::session::Session;
use crate::aws::kms::key::Key;
use crate::aws::rds::snapshot::{self, Snapshot};
use crate::aws::secretsmanager::secret::ManagedSecret;
use crate::execute::Outcome;
use crate::kind::Kind;
use crate::name::{PhysicalId, Region};
use crate::plan::Options;
use std::collections::BTreeSet;

/// What is left when a destroy has ended.
#[derive(Clone, Debug, Default)]
pub struct Left {
    /// What stays on purpose.
    pub kept: Vec<Thing>,
    /// What is ours, should be gone, and is not.
    pub still: Vec<Thing>,
    /// What could not be read, and why.
    pub unread: Vec<(String, String)>,
}

/// One thing that is left.
#[derive(Clone, Debug)]
pub struct Thing {
    /// The address that it had, or what it is.
    pub what: String,
    /// Its id.
    pub id: String,
    /// Why it is there.
    pub why: String,
}

impl Thing {
    fn new(what: impl Into<String>, id: impl Into<String>, why: &str) -> Thing {
        Thing { what: what.into(), id: id.into(), why: why.to_owned() }
    }

    fn row(&self) -> (String, String) {
        (format!("{} {}", self.what, self.id), self.why.clone())
    }
}

impl Left {
    /// What stays on purpose, and what could not be read, by name and reason.
    pub fn kept_rows(&self) -> Vec<(String, String)> {
        let unread = self.unread.iter().map(|(what, why)| {
            (what.clone(), format!("could not be read, and something may be left: {why}"))
        });
        self.kept.iter().map(Thing::row).chain(unread).collect()
    }

    /// The exit code of a destroy that has come to `outcome` and left this.
    pub fn exit_of(&self, outcome: &Outcome) -> Exit {
        match exit_of(outcome) {
            Exit::Done if !self.still.is_empty() => Exit::Partial,
            exit => exit,
        }
    }

    /// What should be gone, by name and reason.
    pub fn still_rows(&self) -> Vec<(String, String)> {
        self.still.iter().map(Thing::row).collect()
    }
}

/// Kinds that AWS deletes days after it was told to, and until then brings back.
const SCHEDULED: [&str; 2] = [Key::NAME, ManagedSecret::NAME];

/// What a destroy leaves behind. Once the user has interrupted, nothing is read any more.
pub async fn left(session: &Session, carried: &Carried, options: &Options) -> Left {
    let mut left = Left::default();
    let why = "holds the record and the logs of runs; empty it to remove it";
    left.kept.push(Thing::new("bucket", &session.bucket, why));
    if session.cx.cancel.is_cancelled() {
        return left;
    }
    let snapshots = snapshots(session, &mut left).await;
    // Which keys stay for their sake is not known where the snapshots are not.
    let knows_all = left.unread.is_empty();
    let keys: Vec<&str> = snapshots.iter().filter_map(|(_, it)| it.key.as_deref()).collect();
    let encrypts = |id: &str| keys.iter().any(|key| key.ends_with(id));
    for (region, snapshot) in &snapshots {
        let why = "the way back is database.from_snapshot; delete it if nobody needs it";
        let what = format!("{region}/database/snapshot");
        left.kept.push(Thing::new(what, &snapshot.name, why));
    }
    for key in keys.iter().collect::<BTreeSet<_>>() {
        left.kept.push(Thing::new("key", *key, "encrypts the snapshots of the database"));
    }
    for step in carried.plan.steps.iter().filter(|step| carried.outcome.done.contains(&step.name)) {
        let Some(id) = &step.id else { continue };
        if SCHEDULED.contains(&step.name.kind.as_str()) && !encrypts(id.as_str()) {
            let why = "scheduled for deletion; can be brought back until then";
            left.kept.push(Thing::new(step.name.address.to_string(), id.as_str(), why));
        }
    }
    let now = session.observe().await;
    for unread in &now.unreadable {
        let what = format!("{}/{}", unread.region, unread.kind);
        left.unread.push((what, unread.error.to_string()));
    }
    // Of what was chosen, where not everything was.
    let is_whole = options.target.is_empty() && options.exclude.is_empty();
    let planned =
        |id: &PhysicalId| carried.plan.steps.iter().any(|step| step.id.as_ref() == Some(id));
    let stays = now
        .live
        .iter()
        .map(|live| &live.found)
        .filter(|found| found.is_present() && !encrypts(found.id.as_str()))
        .filter(|found| knows_all || found.kind != Key::NAME)
        .filter(|found| is_whole || planned(&found.id));
    for found in stays {
        let why = "should be gone; run the same command again";
        left.still.push(Thing::new(found.owner.address.to_string(), found.id.as_str(), why));
    }
    left
}

/// The snapshots of the database, region by region; why, where they can't be read.
async fn snapshots(session: &Session, left: &mut Left) -> Vec<(Region, Snapshot)> {
    let mut ours = Vec::new();
    for region in session.regions() {
        match snapshot::all(&session.cx.in_region(&region)).await {
            Ok(all) => {
                let all = all.into_iter().filter(|snapshot| snapshot.is_ours);
                ours.extend(all.map(|snapshot| (region.clone(), snapshot)));
            }
            Err(error) => {
                let what = format!("{region}/database/snapshots");
                left.unread.push((what, error.to_string()));
            }
        }
    }
    ours
}
