//! Finding keys, by alias and by tag.

use super::{DEFAULT_WINDOW, Key, Live, TAG_DELETION_WINDOW};
use crate::aws::call::{gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::kms::Kms;
use crate::aws::policy::Document;
use crate::kind::{Class, Cx, Error, Result, Status, Tags, Whose};
use crate::value::Id;
use aws_sdk_kms::types::KeyState;
use futures::{StreamExt, stream};
use std::collections::BTreeMap;

/// How many keys' tags are read at once.
const AT_ONCE: usize = 8;

/// All aliases of the region that name a key, with the key's id.
pub(super) async fn aliases(cx: &Cx) -> Result<BTreeMap<String, String>> {
    aliases_where(cx, None).await
}

/// The aliases of one key; none when there is no such key.
pub(super) async fn aliases_of(cx: &Cx, key: &str) -> Result<BTreeMap<String, String>> {
    Ok(gone_is_fine(aliases_where(cx, Some(key)).await)?.unwrap_or_default())
}

async fn aliases_where(cx: &Cx, key: Option<&str>) -> Result<BTreeMap<String, String>> {
    let kms = cx.api::<Kms>()?;
    let pages = pages(
        cx,
        "kms:ListAliases",
        |marker| {
            let request = kms.0.list_aliases().limit(100).set_marker(marker);
            request.set_key_id(key.map(str::to_owned)).send()
        },
        |page| page.next_marker(),
    )
    .await?;
    let aliases = pages.iter().flat_map(|page| page.aliases());
    Ok(aliases
        .filter_map(|alias| {
            Some((alias.alias_name()?.to_owned(), alias.target_key_id()?.to_owned()))
        })
        .collect())
}

/// The keys of the region that carry our deployment's tag, with all their tags. A key whose tags
/// may not be read is another team's and passed over, unless that is so for every key: then it
/// is the caller who may not.
pub(super) async fn ours_by_tag(cx: &Cx) -> Result<Vec<(String, Tags)>> {
    let kms = cx.api::<Kms>()?;
    let pages = pages(
        cx,
        "kms:ListKeys",
        |marker| kms.0.list_keys().limit(1000).set_marker(marker).send(),
        |page| page.next_marker(),
    )
    .await?;
    let keys: Vec<String> = pages
        .iter()
        .flat_map(|page| page.keys())
        .filter_map(|key| key.key_id().map(str::to_owned))
        .collect();
    let mut tagged =
        stream::iter(keys).map(|key| async move { (tags(cx, &key).await, key) }).buffered(AT_ONCE);
    let (mut ours, mut denied, mut readable) = (Vec::new(), None, false);
    while let Some((tags, key)) = tagged.next().await {
        match tags {
            Ok(tags) => {
                readable = true;
                let tags = tags.unwrap_or_default();
                if !matches!(Whose::of(&tags, &cx.deployment), Whose::Foreign(_)) {
                    ours.push((key, tags));
                }
            }
            Err(error) if error.class == Class::Denied => denied = Some(error),
            Err(error) => return Err(error),
        }
    }
    match denied {
        Some(error) if !readable => Err(error),
        _ => Ok(ours),
    }
}

/// A key's tags; `None` when there is no such key.
async fn tags(cx: &Cx, key: &str) -> Result<Option<Tags>> {
    let kms = cx.api::<Kms>()?;
    let pages = gone_is_fine(
        pages(
            cx,
            "kms:ListResourceTags",
            |marker| kms.0.list_resource_tags().key_id(key).set_marker(marker).send(),
            |page| page.next_marker(),
        )
        .await,
    )?;
    Ok(pages.map(|pages| {
        let tags = pages.iter().flat_map(|page| page.tags());
        tags.map(|tag| (tag.tag_key().to_owned(), tag.tag_value().to_owned())).collect()
    }))
}

/// Who may use a key; `None` when there is no such key.
pub(super) async fn policy(cx: &Cx, key: &str) -> Result<Option<Document>> {
    let kms = cx.api::<Kms>()?;
    let answer = gone_is_fine(
        safe(cx, "kms:GetKeyPolicy", || {
            kms.0.get_key_policy().key_id(key).policy_name("default").send()
        })
        .await,
    )?;
    Ok(answer.map(|answer| Document::new(answer.policy().unwrap_or_default())))
}

/// All that is known of a key; `None` when there is no such key. It has those of `aliases` that
/// name it, and its policy if that `is_restricted`.
pub(super) async fn whole(
    cx: &Cx,
    key: &str,
    aliases: &BTreeMap<String, String>,
    is_restricted: bool,
) -> Result<Option<Reading<Key>>> {
    let kms = cx.api::<Kms>()?;
    let (described, tags, policy, rotation) = futures::try_join!(
        async {
            gone_is_fine(
                safe(cx, "kms:DescribeKey", || kms.0.describe_key().key_id(key).send()).await,
            )
        },
        tags(cx, key),
        async {
            match is_restricted {
                true => policy(cx, key).await,
                false => Ok(None),
            }
        },
        async {
            gone_is_fine(
                safe(cx, "kms:GetKeyRotationStatus", || {
                    kms.0.get_key_rotation_status().key_id(key).send()
                })
                .await,
            )
        }
    )?;
    let (Some(described), Some(tags), Some(rotation)) = (described, tags, rotation) else {
        return Ok(None);
    };
    if is_restricted && policy.is_none() {
        return Ok(None);
    }
    let metadata = described
        .key_metadata()
        .ok_or_else(|| Error::local("DescribeKey answered without a key"))?;
    let id = metadata.key_id();
    let status = match metadata.key_state() {
        // A disabled key is enabled again in place.
        Some(KeyState::Enabled | KeyState::Disabled) | None => Status::Ready,
        Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => Status::Leaving,
        Some(KeyState::Unavailable) => Status::Failed("Unavailable".to_owned()),
        Some(state) => Status::Busy(state.as_str().to_owned()),
    };
    let window = tags.get(TAG_DELETION_WINDOW).and_then(|days| days.parse().ok());
    let live = Live {
        id: Id::new(id),
        arn: metadata.arn().unwrap_or_default().to_owned(),
        description: metadata.description().unwrap_or_default().to_owned(),
        aliases: aliases
            .iter()
            .filter(|(_, key)| key.as_str() == id)
            .map(|(alias, _)| alias.clone())
            .collect(),
        rotation_days: rotation
            .key_rotation_enabled()
            .then(|| rotation.rotation_period_in_days().unwrap_or(365)),
        policy,
        enabled: metadata.enabled(),
        deletion_window_days: window.unwrap_or(DEFAULT_WINDOW),
    };
    Ok(Some(Reading { id: id.to_owned(), status, parents: Vec::new(), tags, live }))
}
