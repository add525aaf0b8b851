//! The KMS key: symmetric, for encryption, with its alias, policy and rotation.
//!
//! `CreateKey` takes neither name nor client token, and KMS has no filter by tag. So a key is
//! found by its alias, with one paginated call for all and three for each key of ours, or four
//! where a policy is wanted. Only when a
//! wanted key has none, which is so before the first apply and after a crash between `CreateKey`
//! and `CreateAlias`, are all keys of the region looked at: `ListKeys`, and `ListResourceTags`
//! once a key. With nothing wanted, only aliases are looked at.
//!
//! A key is never deleted at once: it is disabled, and goes after the waiting period, together
//! with all that it encrypts. Until then it is [`Status::Leaving`]; when its address is wanted
//! again, its deletion is cancelled instead of a new key being made.
//! <https://docs.aws.amazon.com/kms/latest/developerguide/deleting-keys.html>

mod lookup;
mod settings;
mod twin;

use super::Kms;
use crate::aws::call::{Passing, Repeat, call};
use crate::aws::ec2::Reading;
use crate::aws::policy::{Document, same};
use crate::aws::rds::snapshot;
use crate::aws::settle::{Patience, until_ready};
use crate::aws::tags::touches;
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, Cx, Diff, Effect, Error, Found, Kind, Listed, Nature, Ownership, Result,
    Seen, Status, TAG_ADDRESS, Tags, Typical, Wanted, Whose,
};
use crate::name::PhysicalId;
use crate::value::{Id, In, Text};
use futures::future::join_all;
use serde::Serialize;
use std::collections::BTreeSet;

/// The tag that says how long the waiting period is when the key is deleted: by then, nobody may
/// want the key any more who could say it.
pub const TAG_DELETION_WINDOW: &str = "coderctl:deletion-window-days";

/// The waiting period of a key that says nothing of it, in days; also AWS's default.
const DEFAULT_WINDOW: i32 = 30;

/// A KMS key.
#[derive(Clone, Debug, Serialize)]
pub struct Key {
    /// What it is for.
    pub description: String,
    /// Its alias, `alias/coderctl/<deployment>/<use>`: how it is found.
    pub alias: String,
    /// After how many days its material rotates, 90 to 2560; never without.
    pub rotation_days: Option<i32>,
    /// Who may use it: a policy document. Without, AWS's default for new keys, and whatever it
    /// is changed to.
    pub policy: Option<Text>,
    /// How long it can be brought back after it was deleted: 7 to 30 days.
    pub deletion_window_days: i32,
}

/// A live KMS key.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its id.
    pub id: Id<Key>,
    /// Its ARN.
    pub arn: String,
    /// What it is for.
    pub description: String,
    /// All its aliases.
    pub aliases: BTreeSet<String>,
    /// After how many days its material rotates; `None` when it does not.
    pub rotation_days: Option<i32>,
    /// Who may use it; `None` where it was not read, because no policy is wanted.
    pub policy: Option<Document>,
    /// Whether it can be used.
    pub enabled: bool,
    /// How long it can be brought back after it was deleted, in days.
    pub deletion_window_days: i32,
}

impl Handle<Key> {
    /// The key's id.
    pub fn id(&self) -> In<Id<Key>> {
        self.output("key id", |live| Some(live.id.clone()))
    }

    /// Its ARN.
    pub fn arn(&self) -> In<String> {
        self.output("key arn", |live| Some(live.arn.clone()))
    }
}

/// A policy that names a principal which KMS does not know yet.
const FRESH_PRINCIPAL: Passing = Passing {
    code: "MalformedPolicyDocumentException",
    message: "invalid principals",
    seconds: 120,
    waiting_for: "KMS to know the policy's principals",
};

impl Kind for Key {
    const NAME: &'static str = "aws.kms.key";
    const TITLE: &'static str = "kms key";
    const NATURE: Nature = Nature {
        // What it has encrypted can never be read again.
        holds_data: true,
        comes_back: true,
        typical: Typical { create: 5, update: 2, delete: 1 },
        actions: &[
            "kms:CreateKey",
            "kms:ListAliases",
            "kms:ListKeys",
            "kms:DescribeKey",
            "kms:ListResourceTags",
            "kms:GetKeyPolicy",
            "kms:GetKeyRotationStatus",
            "kms:CreateAlias",
            "kms:UpdateAlias",
            "kms:DeleteAlias",
            "kms:UpdateKeyDescription",
            "kms:PutKeyPolicy",
            "kms:EnableKeyRotation",
            "kms:DisableKeyRotation",
            "kms:EnableKey",
            "kms:ScheduleKeyDeletion",
            "kms:CancelKeyDeletion",
            "kms:TagResource",
            "kms:UntagResource",
            "rds:DescribeDBClusterSnapshots",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { description, alias, rotation_days, policy, deletion_window_days } = self;
        diff.in_place("enabled", &true, &live.enabled);
        diff.in_place("description", description, &live.description);
        diff.in_place("alias", &Some(alias), &settings::alias_in_place_of(live, alias));
        diff.in_place("rotation_days", rotation_days, &live.rotation_days);
        if let Some(policy) = policy {
            let have = live.policy.as_ref().map_or(NOT_READ, Document::as_str);
            diff.text("policy", policy, have, same, Effect::InPlace);
        }
        diff.in_place("deletion_window_days", deletion_window_days, &live.deletion_window_days);
    }

    fn summary(&self) -> String {
        self.alias.clone()
    }

    fn sought_by_name(&self) -> Option<String> {
        Some(self.alias.clone())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("id", live.id.to_string()), ("arn", live.arn.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let aliases = lookup::aliases(cx).await?;
        let ours = format!("alias/coderctl/{}/", cx.deployment.name);
        let named: BTreeSet<&str> = aliases
            .iter()
            .filter(|(name, _)| {
                name.starts_with(&ours)
                    || wanted.iter().any(|wanted| wanted.desired.alias == **name)
            })
            .map(|(_, key)| key.as_str())
            .collect();
        let is_restricted = |key: &str| {
            let restricted = wanted.iter().filter(|wanted| wanted.desired.policy.is_some());
            let key = Some(key);
            let mut aliased = restricted.map(|it| aliases.get(&it.desired.alias));
            aliased.any(|named| named.map(String::as_str) == key)
        };
        let readings = join_all(named.iter().map(|key| async {
            let read = lookup::whole(cx, key, &aliases, is_restricted(key)).await?;
            let Some(mut reading) = read else { return Ok(None) };
            if reading.live.policy.is_none() && wants_policy(wanted, &reading.tags) {
                reading.live.policy = lookup::policy(cx, key).await?;
            }
            Ok::<_, Error>(Some(reading))
        }));
        let mut listed = Listed::default();
        for (key, reading) in named.iter().zip(readings.await) {
            let Some(reading) = reading? else { continue };
            if let Whose::Foreign(owner) = Whose::of(&reading.tags, &cx.deployment)
                && let Some(wants) = wanted
                    .iter()
                    .find(|wanted| reading.live.aliases.contains(&wanted.desired.alias))
            {
                let (address, id) = (wants.address.clone(), PhysicalId::new(*key));
                listed.clashes.push(Clash { address, id, owner });
            }
            reading.list(cx, &mut listed);
        }
        let found = |wanted: &Wanted<'_, Self>| {
            listed.ours.iter().any(|found| found.owner.address == *wanted.address)
        };
        // A run that died between a key and its alias has left a key that only its tags tell of.
        let aliased = cx.remembered(Self::NAME).all(|alias| aliases.contains_key(alias));
        if aliased && wanted.iter().all(found) {
            return Ok(listed);
        }
        for (key, _) in lookup::ours_by_tag(cx).await? {
            if named.contains(key.as_str()) {
                continue;
            }
            let Some(reading) = lookup::whole(cx, &key, &aliases, true).await? else { continue };
            if !is_left(cx, wanted, &reading).await? {
                reading.list(cx, &mut listed);
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        if let Some(back) = settings::bring_back(cx).await? {
            return Ok(back);
        }
        let kms = cx.api::<Kms>()?;
        let mut tags = cx.tags()?;
        tags.insert(TAG_DELETION_WINDOW.to_owned(), self.deletion_window_days.to_string());
        let sent = settings::to_kms(&tags)?;
        let policy = self.policy.as_ref().map(|policy| cx.text(policy)).transpose()?;
        let made = call(cx, "kms:CreateKey", Repeat::Once, &[FRESH_PRINCIPAL], || {
            kms.0
                .create_key()
                .description(&self.description)
                .set_policy(policy.clone())
                .set_tags(Some(sent.clone()))
                .send()
        })
        .await?;
        let key = made
            .key_metadata()
            .ok_or_else(|| Error::of(Class::Ambiguous, "CreateKey answered without a key"))?;
        let live = Live {
            id: Id::new(key.key_id()),
            arn: key.arn().unwrap_or_default().to_owned(),
            description: self.description.clone(),
            // Alias and rotation can not be given on create. The engine compares again once the
            // key has settled, and sets what differs.
            aliases: BTreeSet::new(),
            rotation_days: None,
            policy: policy.map(Document::new),
            enabled: true,
            deletion_window_days: self.deletion_window_days,
        };
        let status = Status::Busy("Creating".to_owned());
        let found = Found::created(cx, key.key_id(), status, Vec::new(), live)?;
        Ok(Found { tags, ..found })
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        let found = until_ready(cx, found, Patience { every: 1, at_most: 120 }).await?;
        if found.live.aliases.is_empty() {
            twin::end(cx, &found).await?;
        }
        Ok(found)
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let id = found.live.id.as_str();
        let kms = cx.api::<Kms>()?;
        let fresh = [settings::FRESH, FRESH_PRINCIPAL];
        // First: a disabled key refuses the rest.
        if touches(changes, "enabled") {
            call(cx, "kms:EnableKey", Repeat::Safe, &fresh, || {
                kms.0.enable_key().key_id(id).send()
            })
            .await?;
        }
        if touches(changes, "alias") {
            settings::name(cx, found, &self.alias).await?;
        }
        if touches(changes, "description") {
            call(cx, "kms:UpdateKeyDescription", Repeat::Safe, &fresh, || {
                kms.0.update_key_description().key_id(id).description(&self.description).send()
            })
            .await?;
        }
        if let Some(policy) = self.policy.as_ref().filter(|_| touches(changes, "policy")) {
            let policy = cx.text(policy)?;
            call(cx, "kms:PutKeyPolicy", Repeat::Safe, &fresh, || {
                kms.0.put_key_policy().key_id(id).policy(&policy).send()
            })
            .await?;
        }
        if touches(changes, "rotation_days") {
            settings::rotate(cx, id, self.rotation_days).await?;
        }
        let window = touches(changes, "deletion_window_days").then_some(self.deletion_window_days);
        settings::retag(cx, id, changes, window).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let id = found.live.id.as_str();
        let days = found.live.deletion_window_days.clamp(7, 30);
        if still_encrypts(cx, found).await? {
            // Without its alias it is nobody's; an apply that wants it again finds it by its tags.
            return unnamed(cx, id).await;
        }
        settings::schedule_deletion(cx, id, days).await?;
        // An alias stays with its key until that is really gone, and its name is taken as long.
        unnamed(cx, id).await
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let aliases = lookup::aliases_of(cx, id.as_str()).await?;
        let reading = lookup::whole(cx, id.as_str(), &aliases, true).await?;
        Ok(reading.map(|reading| reading.owned(owner)))
    }
}

/// The section of an address whose keys encrypt a database.
const DATABASE: &str = "database";

/// What stands for a policy that was not read: no document, so that it equals none.
const NOT_READ: &str = "not read";

/// Whether the key that carries `tags` should have a policy, whatever its alias is by now.
fn wants_policy(wanted: &[Wanted<'_, Key>], tags: &Tags) -> bool {
    let address = tags.get(TAG_ADDRESS).map(String::as_str);
    let mut restricted = wanted.iter().filter(|wanted| wanted.desired.policy.is_some());
    restricted.any(|wanted| Some(wanted.address.as_str()) == address)
}

/// Whether nothing is left to do about a key until somebody wants it again: its deletion is
/// scheduled and its alias is gone, or a destroy has left it, for a snapshot needs it.
async fn is_left(cx: &Cx, wanted: &[Wanted<'_, Key>], reading: &Reading<Key>) -> Result<bool> {
    let Ok(owner) = Ownership::from_tags(&reading.tags) else { return Ok(false) };
    let is_wanted = wanted.iter().any(|wanted| *wanted.address == owner.address);
    if is_wanted || !reading.live.aliases.is_empty() {
        return Ok(false);
    }
    if reading.status == Status::Leaving {
        return Ok(true);
    }
    Ok(owner.address.section() == DATABASE && encrypts_a_snapshot(cx, &reading.live.arn).await?)
}

/// Takes all aliases from a key.
async fn unnamed(cx: &Cx, id: &str) -> Result<()> {
    for (alias, key) in lookup::aliases(cx).await? {
        if key == id {
            settings::unname(cx, &alias).await?;
        }
    }
    Ok(())
}

/// Whether a key of the database encrypts a snapshot that stays: without it, that could never be
/// restored.
async fn still_encrypts(cx: &Cx, found: &Found<Key>) -> Result<bool> {
    if found.owner.address.section() != DATABASE {
        return Ok(false);
    }
    encrypts_a_snapshot(cx, &found.live.arn).await
}

async fn encrypts_a_snapshot(cx: &Cx, key: &str) -> Result<bool> {
    let snapshots = snapshot::all(cx).await?;
    Ok(snapshots.iter().any(|snapshot| snapshot.key.as_deref() == Some(key)))
}
