//! The secret: a name, and versions of a value that AWS keeps.
//!
//! Its value is made inside the create call and never read back by a plan: what is compared is
//! whether there is one, and what others follow is its version.
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>
//!
//! Ours are found by name: `ListSecrets` may lag by five minutes, so it only adds names to those
//! that are wanted or were applied, and `DescribeSecret` has the word. A deleted secret keeps its
//! name until its recovery window ends, and can be brought back; one of ours is.
//! <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_ListSecrets.html>

mod content;
pub mod rotation;

pub use content::{Charset, Content, Fields};

use super::SecretsManager;
use crate::aws::call::{Passing, Repeat, call, gone_is_fine, pages, safe};
use crate::aws::ec2::Reading;
use crate::aws::settle::until_seen;
use crate::aws::tags::{foreign, made_before, tag_changes, touches};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Ownership,
    Result, Seen, Status, TAG_DEPLOYMENT, Tags, Typical, Wanted, Whose, seen,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, Tag};
use futures::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The tag that says how long a deleted secret can be brought back: by then, nobody may want it
/// any more who could say it.
pub const TAG_RECOVERY_WINDOW: &str = "coderctl:recovery-window-days";

/// The window of a secret that says nothing of it, in days; also AWS's default.
const DEFAULT_WINDOW: i64 = 30;

/// How many secrets are described at once.
const AT_ONCE: usize = 8;

/// A secret.
#[derive(Clone, Debug, Serialize)]
pub struct ManagedSecret {
    /// Its name, `<deployment>/<use>`; fixed. AWS asks that it does not end with a hyphen and six
    /// characters, which is how its ARN ends.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The ARN of the KMS key that encrypts it; Secrets Manager's own without.
    pub key: Option<In<String>>,
    /// How long it can be brought back after it was deleted: 7 to 30 days, or 0 for not at all.
    pub recovery_window_days: i64,
    /// What it holds at first.
    pub content: Content,
}

/// A live secret. Its value is not among what is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// Its ARN.
    pub arn: Id<ManagedSecret>,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The ARN of its key; `None` for Secrets Manager's own.
    pub key: Option<String>,
    /// The version of its current value; `None` when it has none.
    pub version: Option<String>,
    /// The version of a value that is to become the current one, if a rotation is under way.
    pub pending: Option<String>,
    /// How long it can be brought back after it was deleted, in days.
    pub recovery_window_days: i64,
}

impl Live {
    /// The version of the value that everybody should use: the one that a rotation of ours has
    /// staged, which whoever goes on with the rotation makes the current one; else the current one.
    pub fn wanted_version(&self) -> Option<String> {
        let staged = self.pending.clone().filter(|version| rotation::is_ours(version));
        staged.or_else(|| self.version.clone())
    }
}

impl Handle<ManagedSecret> {
    /// Its ARN.
    pub fn arn(&self) -> In<Id<ManagedSecret>> {
        self.output("secret arn", |live| Some(live.arn.clone()))
    }

    /// The version of the value to use, once there is one: the current one, or while a rotation is
    /// under way the one that is about to be. It changes when the value does.
    pub fn version(&self) -> In<String> {
        self.output("secret version", Live::wanted_version)
    }
}

/// The current versions of the deployment's own secrets that earlier waves found, by ARN and by
/// name. Those without a value are left out.
pub(crate) fn current_versions(found: &dyn Seen) -> BTreeMap<String, String> {
    let current = seen::<ManagedSecret>(found).into_iter().filter_map(|(_, _, live)| {
        let version = live.version.clone()?;
        Some([(live.arn.to_string(), version.clone()), (live.name.clone(), version)])
    });
    current.flatten().collect()
}

/// The name is taken by a secret that is being deleted for good, which is not instant.
const NAME_IS_LEAVING: Passing = Passing {
    code: "InvalidRequestException",
    message: "deletion",
    seconds: 120,
    waiting_for: "the deleted secret's name to be free",
};

impl Kind for ManagedSecret {
    const NAME: &'static str = "aws.secretsmanager.secret";
    const TITLE: &'static str = "secret";
    const NATURE: Nature = Nature {
        holds_data: true,
        comes_back: true,
        create_is: CreateIs::Named,
        typical: Typical { create: 1, update: 1, delete: 1 },
        actions: &[
            "secretsmanager:CreateSecret",
            "secretsmanager:ListSecrets",
            "secretsmanager:DescribeSecret",
            "secretsmanager:UpdateSecret",
            "secretsmanager:PutSecretValue",
            "secretsmanager:RestoreSecret",
            "secretsmanager:DeleteSecret",
            "secretsmanager:TagResource",
            "secretsmanager:UntagResource",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { name, description, key, recovery_window_days, content } = self;
        diff.replaces("name", name, &live.name);
        diff.in_place("description", description, &live.description);
        diff.input("key", &key_or_none(key), &live.key);
        diff.in_place("recovery_window_days", recovery_window_days, &live.recovery_window_days);
        // Never the value: only that there is one.
        if let Content::Generated { .. } = content {
            diff.in_place("has_value", &true, &live.version.is_some());
        }
    }

    fn summary(&self) -> String {
        self.name.clone()
    }

    fn sought_by_name(&self) -> Option<String> {
        Some(self.name.clone())
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("name", live.name.clone()), ("arn", live.arn.to_string())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let mut names: BTreeSet<String> =
            wanted.iter().map(|wanted| wanted.desired.name.clone()).collect();
        names.extend(cx.remembered(Self::NAME).map(str::to_owned));
        let read = |names: BTreeSet<String>| async move {
            stream::iter(names)
                .map(|name| async move { read_one(cx, &name).await })
                .buffered(AT_ONCE)
                .try_collect::<Vec<Option<Reading<Self>>>>()
                .await
        };
        let mut described = read(names.clone()).await?;
        if !cx.remembers_all(Self::NAME) || described.iter().any(Option::is_none) {
            let mut others: BTreeSet<String> = tagged(cx).await?.into_iter().collect();
            others.retain(|name| !names.contains(name));
            described.extend(read(others).await?);
        }
        let mut listed = Listed::default();
        for reading in described.into_iter().flatten() {
            let wants = wanted.iter().find(|wants| wants.desired.name == reading.live.name);
            if let (Some(wants), Some(owner)) = (wants, foreign(cx, &reading.tags)) {
                let owner = match reading.status {
                    Status::Leaving => format!(
                        "{owner}, and scheduled for deletion (aws secretsmanager restore-secret \
                         --secret-id {} brings it back)",
                        reading.live.name
                    ),
                    _ => owner,
                };
                let id = PhysicalId::new(reading.id);
                listed.clashes.push(Clash { address: wants.address.clone(), id, owner });
                continue;
            }
            // One that is scheduled for deletion is gone for everybody but who wants it back.
            if wants.is_some() || reading.status != Status::Leaving {
                reading.list(cx, &mut listed);
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Self::find_foreign(cx, &found.id, &found.owner).await
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        if let Some(back) = self.bring_back(cx).await? {
            return Ok(back);
        }
        let secrets = cx.api::<SecretsManager>()?;
        let mut tags = cx.tags()?;
        tags.insert(TAG_RECOVERY_WINDOW.to_owned(), self.recovery_window_days.to_string());
        let sent = to_aws(&tags);
        let key = self.key.as_ref().map(|key| cx.get(key)).transpose()?;
        let value = self.content.fresh()?;
        if let Some((text, random)) = &value {
            cx.masks.add(text);
            cx.masks.add(random);
        }
        let token = &cx.step()?.token;
        let made =
            call(cx, "secretsmanager:CreateSecret", Repeat::Safe, &[NAME_IS_LEAVING], || {
                secrets
                    .0
                    .create_secret()
                    .name(&self.name)
                    .description(&self.description)
                    .client_request_token(token)
                    .set_kms_key_id(key.clone())
                    .set_secret_string(value.as_ref().map(|(text, _)| text.expose().to_owned()))
                    .set_tags(Some(sent.clone()))
                    .send()
            })
            .await;
        let made = match made {
            Err(error) if error.class == Class::Exists => {
                let look = || read_one(cx, &self.name);
                let there = until_seen(cx, look).await?.ok_or(error)?;
                let owner = made_before(cx, Self::TITLE, &self.name, &there.tags)?;
                return Ok(there.owned(&owner));
            }
            made => made?,
        };
        let arn = made
            .arn()
            .ok_or_else(|| Error::of(Class::Ambiguous, "CreateSecret answered without an ARN"))?;
        let live = Live {
            arn: Id::new(arn),
            name: self.name.clone(),
            description: self.description.clone(),
            key,
            pending: None,
            version: made.version_id().filter(|_| value.is_some()).map(str::to_owned),
            recovery_window_days: self.recovery_window_days,
        };
        let found = Found::created(cx, arn, Status::Ready, parents(&live), live)?;
        Ok(Found { tags, ..found })
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, changes: &[Change]) -> Result<()> {
        let secrets = cx.api::<SecretsManager>()?;
        let arn = found.live.arn.as_str();
        if touches(changes, "description") || touches(changes, "key") {
            // An alias stands for no key of one's own.
            let key = match &self.key {
                Some(key) => Some(cx.get(key)?),
                None => touches(changes, "key").then(|| OWN_KEY.to_owned()),
            };
            safe(cx, "secretsmanager:UpdateSecret", || {
                secrets
                    .0
                    .update_secret()
                    .secret_id(arn)
                    .description(&self.description)
                    .set_kms_key_id(key.clone())
                    .send()
            })
            .await?;
        }
        if touches(changes, "has_value")
            && let Some((text, random)) = self.content.fresh()?
        {
            cx.masks.add(&text);
            cx.masks.add(&random);
            let token = &cx.step()?.token;
            safe(cx, "secretsmanager:PutSecretValue", || {
                secrets
                    .0
                    .put_secret_value()
                    .secret_id(arn)
                    .client_request_token(token)
                    .secret_string(text.expose())
                    .send()
            })
            .await?;
        }
        let (mut set, removed) = tag_changes(changes);
        if touches(changes, "recovery_window_days") {
            set.insert(TAG_RECOVERY_WINDOW.to_owned(), self.recovery_window_days.to_string());
        }
        retag(cx, arn, &set, &removed).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        if found.status == Status::Leaving {
            return Ok(());
        }
        let secrets = cx.api::<SecretsManager>()?;
        let arn = found.live.arn.as_str();
        let days = found.live.recovery_window_days;
        let deleted = safe(cx, "secretsmanager:DeleteSecret", || {
            let request = secrets.0.delete_secret().secret_id(arn);
            if days == 0 {
                request.force_delete_without_recovery(true).send()
            } else {
                request.recovery_window_in_days(days.clamp(7, 30)).send()
            }
        })
        .await;
        match deleted {
            // An attempt whose answer was lost has been carried out.
            Err(error)
                if error.is_code("InvalidRequestException")
                    && error.message.contains("deletion") =>
            {
                Ok(())
            }
            deleted => gone_is_fine(deleted).map(drop),
        }
    }

    async fn find_foreign(
        cx: &Cx,
        id: &PhysicalId,
        owner: &Ownership,
    ) -> Result<Option<Found<Self>>> {
        let reading = read_one(cx, id.as_str()).await?;
        Ok(reading.map(|reading| reading.owned(owner)))
    }
}

/// The alias of the key that AWS uses where none is named.
const OWN_KEY: &str = "alias/aws/secretsmanager";

impl ManagedSecret {
    /// The secret that had this step's address and is on its way out: its deletion is cancelled,
    /// and it carries this step's tags again. `None` when there is none.
    async fn bring_back(&self, cx: &Cx) -> Result<Option<Found<Self>>> {
        let Some(there) = read_one(cx, &self.name).await? else { return Ok(None) };
        if there.status != Status::Leaving {
            return Ok(None);
        }
        let address = there.tags.get(crate::kind::TAG_ADDRESS);
        let ours = !matches!(Whose::of(&there.tags, &cx.deployment), Whose::Foreign(_));
        if !ours || address.map(String::as_str) != Some(cx.step()?.address.as_str()) {
            return Err(Error::of(
                Class::Exists,
                format!("secret {} is scheduled for deletion, and is not ours", self.name),
            )
            .hint(format!(
                "bring it back and adopt it (aws secretsmanager restore-secret --secret-id {0}), \
                 delete it for good (aws secretsmanager delete-secret --secret-id {0} \
                 --force-delete-without-recovery), or wait",
                self.name
            )));
        }
        cx.progress("cancelling the deletion of the secret that was here");
        let secrets = cx.api::<SecretsManager>()?;
        let restored = gone_is_fine(
            safe(cx, "secretsmanager:RestoreSecret", || {
                secrets.0.restore_secret().secret_id(&there.id).send()
            })
            .await,
        )?;
        if restored.is_none() {
            // Its recovery window has just ended.
            return Ok(None);
        }
        let mut tags = cx.tags()?;
        tags.insert(TAG_RECOVERY_WINDOW.to_owned(), self.recovery_window_days.to_string());
        retag(cx, &there.id, &tags, &[]).await?;
        let owner = Ownership::from_tags(&tags).map_err(Error::local)?;
        let live = Live { recovery_window_days: self.recovery_window_days, ..there.live };
        let reading = Reading { status: Status::Ready, tags, live, ..there };
        Ok(Some(reading.owned(&owner)))
    }
}

fn key_or_none(key: &Option<In<String>>) -> In<Option<String>> {
    key.clone().map_or(In::Literal(None), |key| key.map(Some))
}

/// A key can not go while a secret needs it.
fn parents(live: &Live) -> Vec<PhysicalId> {
    live.key.iter().filter_map(|arn| arn.rsplit('/').next()).map(PhysicalId::new).collect()
}

/// The names of all secrets with our deployment's tag that AWS knows of by now.
async fn tagged(cx: &Cx) -> Result<Vec<String>> {
    let secrets = cx.api::<SecretsManager>()?;
    let filter = Filter::builder().key(FilterNameStringType::TagKey).values(TAG_DEPLOYMENT).build();
    let pages = pages(
        cx,
        "secretsmanager:ListSecrets",
        |token| {
            secrets
                .0
                .list_secrets()
                .include_planned_deletion(true)
                .filters(filter.clone())
                .set_next_token(token)
                .send()
        },
        |page| page.next_token(),
    )
    .await?;
    Ok(pages
        .iter()
        .flat_map(|page| page.secret_list())
        .filter(|secret| foreign(cx, &from_aws(secret.tags())).is_none())
        .filter_map(|secret| secret.name().map(str::to_owned))
        .collect())
}

/// One secret, by name or ARN.
async fn read_one(cx: &Cx, id: &str) -> Result<Option<Reading<ManagedSecret>>> {
    let secrets = cx.api::<SecretsManager>()?;
    let answer = gone_is_fine(
        safe(cx, "secretsmanager:DescribeSecret", || {
            secrets.0.describe_secret().secret_id(id).send()
        })
        .await,
    )?;
    answer.as_ref().map(reading).transpose()
}

fn reading(secret: &DescribeSecretOutput) -> Result<Reading<ManagedSecret>> {
    let told = |value: Option<&str>, what: &str| {
        value
            .map(str::to_owned)
            .ok_or_else(|| Error::local(format!("secretsmanager answered without the {what}")))
    };
    let arn = told(secret.arn(), "arn of a secret")?;
    let tags = from_aws(secret.tags());
    let version = rotation::staged(secret, rotation::CURRENT);
    // A rotation that is over leaves its label on what is the current value by then.
    let pending =
        rotation::staged(secret, rotation::PENDING).filter(|id| Some(id) != version.as_ref());
    let window = tags.get(TAG_RECOVERY_WINDOW).and_then(|days| days.parse().ok());
    let live = Live {
        arn: Id::new(&arn),
        name: told(secret.name(), "name of a secret")?,
        description: secret.description().unwrap_or_default().to_owned(),
        key: secret.kms_key_id().filter(|key| !key.ends_with(OWN_KEY)).map(str::to_owned),
        version,
        pending,
        recovery_window_days: window.unwrap_or(DEFAULT_WINDOW),
    };
    let status = if secret.deleted_date().is_some() { Status::Leaving } else { Status::Ready };
    Ok(Reading { id: arn, status, parents: parents(&live), tags, live })
}

fn to_aws(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn from_aws(tags: &[Tag]) -> Tags {
    tags.iter()
        .filter_map(|tag| Some((tag.key()?.to_owned(), tag.value().unwrap_or_default().to_owned())))
        .collect()
}

async fn retag(cx: &Cx, arn: &str, set: &Tags, removed: &[String]) -> Result<()> {
    let secrets = cx.api::<SecretsManager>()?;
    if !set.is_empty() {
        let set = to_aws(set);
        safe(cx, "secretsmanager:TagResource", || {
            secrets.0.tag_resource().secret_id(arn).set_tags(Some(set.clone())).send()
        })
        .await?;
    }
    if !removed.is_empty() {
        safe(cx, "secretsmanager:UntagResource", || {
            secrets.0.untag_resource().secret_id(arn).set_tag_keys(Some(removed.to_vec())).send()
        })
        .await?;
    }
    Ok(())
}
