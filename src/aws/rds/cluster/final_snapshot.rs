//! The delete call, and the last snapshot that AWS takes as a part of it.
//!
//! The snapshot's name is made of the cluster's own id, which no other cluster ever has: a run that
//! died after AWS took the delete, and the one after it, name the same snapshot. One that is there
//! although the cluster is not leaving is of a delete that AWS gave up; the cluster has gone on since,
//! so another one is taken.
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DeleteDBCluster.html>

use super::{Backup, Cluster, Live};
use crate::aws::call::{Passing, Repeat, call};
use crate::aws::rds::Rds;
use crate::kind::{Cx, Found, Kind, Result, Status, seconds};

/// A cluster that is busy takes no delete yet; one that is being deleted never will.
const DELETING: [Passing; 1] = [Passing {
    code: "InvalidDBClusterStateFault",
    message: "available state",
    seconds: 900,
    waiting_for: "the database cluster to be available",
}];

/// AWS's word for a snapshot's name that is taken.
const TAKEN: &str = "DBClusterSnapshotAlreadyExistsFault";
/// How long a cluster may look as if nobody had told it to go. Seconds.
const SHOWS_WITHIN: u32 = 60;

/// Sends the delete.
///
/// # Errors
/// What AWS says.
pub(super) async fn delete(cx: &Cx, found: &Found<Cluster>) -> Result<()> {
    let wanted = found.live.backup.final_snapshot;
    let name = wanted.then(|| name(cx, &found.live));
    match send(cx, &found.live, name.clone()).await {
        Err(error) if error.is_code(TAKEN) => {}
        sent => return sent,
    }
    for _ in 0..SHOWS_WITHIN / 5 {
        match Cluster::read(cx, found).await? {
            Some(now) if now.status != Status::Leaving => {}
            // An earlier attempt has done it, and this is its snapshot.
            _ => return Ok(()),
        }
        cx.progress("its last snapshot is there; looking whether it is being deleted");
        cx.pause(seconds(5)).await?;
    }
    let another = name.map(|name| format!("{name}-{}", stamp(cx)));
    send(cx, &found.live, another).await
}

async fn send(cx: &Cx, live: &Live, snapshot: Option<String>) -> Result<()> {
    let rds = cx.api::<Rds>()?;
    let Backup { delete_automated, .. } = live.backup;
    call(cx, "rds:DeleteDBCluster", Repeat::Safe, &DELETING, || {
        rds.0
            .delete_db_cluster()
            .db_cluster_identifier(live.name.as_str())
            .skip_final_snapshot(snapshot.is_none())
            .set_final_db_snapshot_identifier(snapshot.clone())
            .delete_automated_backups(delete_automated)
            .send()
    })
    .await?;
    Ok(())
}

/// `<cluster>-final-<its own id>`, within the 255 characters that a snapshot's name may have. A
/// cluster that tells no id has a name by the time.
fn name(cx: &Cx, live: &Live) -> String {
    let id = live.resource_id.as_deref().and_then(|id| id.strip_prefix("cluster-"));
    let id = id.map_or_else(|| stamp(cx), str::to_lowercase);
    format!("{}-final-{id}", live.name)
}

/// The time in digits, to the second.
fn stamp(cx: &Cx) -> String {
    cx.clock.timestamp().chars().filter(char::is_ascii_digit).take(14).collect()
}
