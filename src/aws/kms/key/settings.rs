//! Changing one thing of a key.

use super::{Key, Live, TAG_DELETION_WINDOW, lookup};
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, safe};
use crate::aws::kms::Kms;
use crate::aws::settle::until_seen;
use crate::aws::tags::tag_changes;
use crate::kind::{Change, Class, Cx, Error, Found, Ownership, Result, Status, Tags};
use aws_sdk_kms::types::Tag;

/// A key that was just made and is not known everywhere yet.
pub(super) const FRESH: Passing = Passing {
    code: "NotFoundException",
    message: "",
    seconds: 60,
    waiting_for: "KMS to know the new key everywhere",
};

/// The alias that stands where `wanted` should: `wanted` itself if the key has it, else one that
/// a deployment gave it.
pub(super) fn alias_in_place_of<'a>(live: &'a Live, wanted: &'a String) -> Option<&'a String> {
    live.aliases
        .get(wanted)
        .or_else(|| live.aliases.iter().find(|alias| alias.starts_with("alias/coderctl/")))
}

/// Gives the key an alias, and takes away the one that a deployment gave it before.
pub(super) async fn name(cx: &Cx, found: &Found<Key>, alias: &str) -> Result<()> {
    let kms = cx.api::<Kms>()?;
    let id = found.live.id.as_str();
    let made = call(cx, "kms:CreateAlias", Repeat::Safe, &[FRESH], || {
        kms.0.create_alias().alias_name(alias).target_key_id(id).send()
    })
    .await;
    match made {
        Err(error) if error.class == Class::Exists => take_over(cx, found, alias, error).await?,
        made => {
            made?;
        }
    }
    for old in &found.live.aliases {
        if old != alias && old.starts_with("alias/coderctl/") {
            unname(cx, old).await?;
        }
    }
    Ok(())
}

/// Points an alias that names another key to this one, if that key was at the same address: it
/// is being replaced, or on its way out.
async fn take_over(cx: &Cx, found: &Found<Key>, alias: &str, error: Error) -> Result<()> {
    let look = || async {
        let aliases = lookup::aliases(cx).await?;
        Ok(aliases.get(alias).cloned().map(|key| (key, aliases)))
    };
    let Some((other, aliases)) = until_seen(cx, look).await? else { return Err(error) };
    let id = found.live.id.as_str();
    if other == id {
        return Ok(());
    }
    let theirs = lookup::whole(cx, &other, &aliases, true).await?.map(|reading| reading.tags);
    let owner = theirs.as_ref().and_then(|tags| Ownership::from_tags(tags).ok());
    if owner
        .is_none_or(|owner| owner.address != found.owner.address || owner.uid != found.owner.uid)
    {
        return Err(error.hint(format!(
            "{alias} names key {other}, which is not at {}; delete the alias or name it otherwise",
            found.owner.address
        )));
    }
    let kms = cx.api::<Kms>()?;
    safe(cx, "kms:UpdateAlias", || kms.0.update_alias().alias_name(alias).target_key_id(id).send())
        .await?;
    Ok(())
}

/// Takes an alias away.
pub(super) async fn unname(cx: &Cx, alias: &str) -> Result<()> {
    let kms = cx.api::<Kms>()?;
    gone_is_fine(
        safe(cx, "kms:DeleteAlias", || kms.0.delete_alias().alias_name(alias).send()).await,
    )?;
    Ok(())
}

/// Turns rotation on with a period, or off.
pub(super) async fn rotate(cx: &Cx, id: &str, days: Option<i32>) -> Result<()> {
    let kms = cx.api::<Kms>()?;
    match days {
        Some(days) => {
            call(cx, "kms:EnableKeyRotation", Repeat::Safe, &[FRESH], || {
                kms.0.enable_key_rotation().key_id(id).rotation_period_in_days(days).send()
            })
            .await?;
        }
        None => {
            call(cx, "kms:DisableKeyRotation", Repeat::Safe, &[FRESH], || {
                kms.0.disable_key_rotation().key_id(id).send()
            })
            .await?;
        }
    }
    Ok(())
}

/// The key that this step's address had and that is on its way out: its deletion is cancelled,
/// and it is enabled again. `None` when there is none.
pub(super) async fn bring_back(cx: &Cx) -> Result<Option<Found<Key>>> {
    let address = &cx.step()?.address;
    let kms = cx.api::<Kms>()?;
    for (id, tags) in lookup::ours_by_tag(cx).await? {
        let Ok(owner) = Ownership::from_tags(&tags) else { continue };
        if owner.address != *address {
            continue;
        }
        let aliases = lookup::aliases_of(cx, &id).await?;
        let Some(key) = lookup::whole(cx, &id, &aliases, true).await? else { continue };
        let cancelled = match key.status {
            Status::Leaving => {
                cx.progress("cancelling the deletion of the key that was here");
                let cancelled = safe(cx, "kms:CancelKeyDeletion", || {
                    kms.0.cancel_key_deletion().key_id(&id).send()
                })
                .await;
                match cancelled {
                    // The waiting period has just ended.
                    Err(error) if error.class == Class::NotFound => continue,
                    // An earlier attempt was carried out although its answer was lost.
                    Err(error) if error.is_code("KMSInvalidStateException") => true,
                    cancelled => cancelled.map(|_| true)?,
                }
            }
            // A crash came between cancelling and enabling, or the answer of CreateKey was lost.
            _ => owner.generation == cx.step()?.generation,
        };
        if !cancelled {
            continue;
        }
        safe(cx, "kms:EnableKey", || kms.0.enable_key().key_id(&id).send()).await?;
        let aliases = lookup::aliases_of(cx, &id).await?;
        let Some(key) = lookup::whole(cx, &id, &aliases, true).await? else { continue };
        return Ok(Some(key.owned(&owner)));
    }
    Ok(None)
}

/// Lets a key go after so many days, 7 to 30. One that is on its way already, or gone, is fine.
pub(super) async fn schedule_deletion(cx: &Cx, id: &str, days: i32) -> Result<()> {
    let kms = cx.api::<Kms>()?;
    let scheduled = safe(cx, "kms:ScheduleKeyDeletion", || {
        kms.0.schedule_key_deletion().key_id(id).pending_window_in_days(days).send()
    })
    .await;
    match scheduled {
        Err(error)
            if error.class == Class::NotFound || error.is_code("KMSInvalidStateException") =>
        {
            Ok(())
        }
        scheduled => scheduled.map(|_| ()),
    }
}

/// Carries out the changes of fields `tags.KEY`, and writes down the waiting period.
pub(super) async fn retag(
    cx: &Cx,
    id: &str,
    changes: &[Change],
    window: Option<i32>,
) -> Result<()> {
    let kms = cx.api::<Kms>()?;
    let (mut set, removed) = tag_changes(changes);
    if let Some(days) = window {
        set.insert(TAG_DELETION_WINDOW.to_owned(), days.to_string());
    }
    if !set.is_empty() {
        let set = to_kms(&set)?;
        call(cx, "kms:TagResource", Repeat::Safe, &[FRESH], || {
            kms.0.tag_resource().key_id(id).set_tags(Some(set.clone())).send()
        })
        .await?;
    }
    if !removed.is_empty() {
        safe(cx, "kms:UntagResource", || {
            kms.0.untag_resource().key_id(id).set_tag_keys(Some(removed.clone())).send()
        })
        .await?;
    }
    Ok(())
}

/// Tags as KMS takes them.
pub(super) fn to_kms(tags: &Tags) -> Result<Vec<Tag>> {
    tags.iter()
        .map(|(key, value)| Tag::builder().tag_key(key).tag_value(value).build())
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Error::local(format!("building a tag: {error}")))
}
