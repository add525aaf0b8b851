//! The key that nobody knows of: `CreateKey` takes no client token, so a request that arrives twice
//! makes two keys, and only one of them is answered with. No alias leads to the other one, so no
//! plan would find it, and it would cost a dollar a month for ever.
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>

use super::{Key, lookup, settings};
use crate::aws::call::{gone_is_fine, safe};
use crate::aws::kms::Kms;
use crate::kind::{Cx, Error, Found, Ownership, Result};

/// How far apart the two can be made, in seconds.
const APART: f64 = 120.0;
/// The shortest waiting period that there is, in days: it has never encrypted anything.
const WINDOW: i32 = 7;

/// Schedules the deletion of what was made together with `found`, which has just become usable.
/// A key of the same address that is older, has an alias, or is on its way out, is not meant: the
/// plan judges that one.
pub(super) async fn end(cx: &Cx, found: &Found<Key>) -> Result<()> {
    let mut made = None;
    for (id, tags) in lookup::ours_by_tag(cx).await? {
        let same = Ownership::from_tags(&tags).is_ok_and(|owner| owner == found.owner);
        if !same || id == found.live.id.as_str() || !lookup::aliases_of(cx, &id).await?.is_empty() {
            continue;
        }
        let ours = match made {
            Some(made) => made,
            None => *made.insert(date(cx, found.live.id.as_str()).await?),
        };
        let theirs = date(cx, &id).await?;
        let (Some(ours), Some(theirs)) = (ours, theirs) else { continue };
        if (ours - theirs).abs() > APART {
            continue;
        }
        cx.progress("deleting a second key that the same request has made");
        settings::schedule_deletion(cx, &id, WINDOW).await?;
    }
    Ok(())
}

/// When an enabled key was made, in seconds since 1970; `None` for any other.
async fn date(cx: &Cx, id: &str) -> Result<Option<f64>> {
    let kms = cx.api::<Kms>()?;
    let described =
        gone_is_fine(safe(cx, "kms:DescribeKey", || kms.0.describe_key().key_id(id).send()).await)?;
    let Some(described) = described else { return Ok(None) };
    let metadata = described
        .key_metadata()
        .ok_or_else(|| Error::local("DescribeKey answered without a key"))?;
    let date = metadata.creation_date().filter(|_| metadata.enabled());
    Ok(date.map(|date| date.as_secs_f64()))
}
