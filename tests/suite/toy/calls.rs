//! The calls that all toy kinds make, and how their answers read.

use super::world::{Fields, Object, Wish, World};
use coderctl::kind::{
    Change, Clash, Class, Cx, Error, Found, Kind, Listed, Result, Status, Tags, Wanted, Whose,
    seconds,
};
use coderctl::name::PhysicalId;
use coderctl::value::Id;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A live toy.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) id: PhysicalId,
    pub(crate) fields: Fields,
    pub(crate) is_ready: bool,
}

impl Live {
    pub(crate) fn text(&self, field: &str) -> String {
        self.fields.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
    pub(crate) fn id<K>(&self, field: &str) -> Id<K> {
        Id::new(self.text(field))
    }
    pub(crate) fn number(&self, field: &str) -> u64 {
        self.fields.get(field).and_then(Value::as_u64).unwrap_or_default()
    }
    /// The entries of a map field: `lines.a` is the entry `a` of `lines`.
    pub(crate) fn entries(&self, field: &str) -> BTreeMap<String, String> {
        self.fields
            .iter()
            .filter_map(|(key, value)| {
                let key = key.strip_prefix(field)?.strip_prefix('.')?;
                Some((key.to_owned(), value.as_str()?.to_owned()))
            })
            .collect()
    }
}

/// What a toy kind says beyond [`Kind`].
pub(crate) trait Toy: Kind<Live = Live> {
    /// The name it is made under, for kinds that have one.
    fn base_name(&self) -> Option<String> {
        None
    }
    /// What its create call asks for.
    fn wish(&self, cx: &Cx) -> Result<Wish>;
}

pub(crate) fn world(cx: &Cx) -> Result<Arc<World>> {
    cx.connector::<World>().ok_or_else(|| Error::local("there is no world"))
}

fn live_of(object: &Object, now: u64) -> Live {
    Live { id: object.id.clone(), fields: object.fields.clone(), is_ready: object.is_ready(now) }
}

fn status_of(object: &Object, now: u64) -> Status {
    match &object.failed {
        _ if object.is_leaving() => Status::Leaving,
        Some(why) => Status::Failed(why.clone()),
        None if !object.is_ready(now) => Status::Busy("pending".to_owned()),
        None => Status::Ready,
    }
}

pub(crate) async fn list<K: Toy>(cx: &Cx, wanted: &[Wanted<'_, K>]) -> Result<Listed<K>> {
    let world = world(cx)?;
    let now = world.clock().unix();
    let mut listed = Listed::default();
    for object in world.list(K::NAME)? {
        let holder = wanted.iter().find(|wanted| {
            let base = wanted.desired.base_name();
            base.is_some() && base == object.name
        });
        if let (Some(wanted), Whose::Foreign(owner)) =
            (holder, Whose::of(&object.tags, &cx.deployment))
        {
            listed.clashes.push(Clash {
                address: wanted.address.clone(),
                id: object.id.clone(),
                owner,
            });
        }
        let parents = object.parents.iter().cloned().collect();
        let (status, live) = (status_of(&object, now), live_of(&object, now));
        listed.add(cx, object.id.as_str(), object.tags.clone(), status, parents, live);
    }
    Ok(listed)
}

pub(crate) async fn read<K: Toy>(cx: &Cx, found: &Found<K>) -> Result<Option<Found<K>>> {
    let world = world(cx)?;
    let now = world.clock().unix();
    Ok(world.read(&found.id).map(|object| Found {
        id: found.id.clone(),
        owner: found.owner.clone(),
        status: status_of(&object, now),
        parents: object.parents.iter().cloned().collect(),
        tags: object.tags.clone(),
        live: live_of(&object, now),
    }))
}

pub(crate) async fn create<K: Toy>(desired: &K, cx: &Cx) -> Result<Found<K>> {
    let world = world(cx)?;
    let wish = desired.wish(cx)?;
    let object = world.create(cx, K::NAME, wish, K::NATURE.typical.create).await?;
    let now = world.clock().unix();
    let parents = object.parents.iter().cloned().collect();
    let (status, live) = (status_of(&object, now), live_of(&object, now));
    Found::created(cx, object.id.as_str(), status, parents, live)
}

/// Waits until reads show it ready; absent means that they lag behind.
pub(crate) async fn settle<K: Toy>(cx: &Cx, mut found: Found<K>) -> Result<Found<K>> {
    const LIMIT: u32 = 3600;
    for _ in 0..LIMIT {
        if let Some(now) = read::<K>(cx, &found).await? {
            found = now;
            if !matches!(found.status, Status::Busy(_)) {
                return Ok(found);
            }
            cx.progress("pending");
        }
        cx.pause(seconds(1)).await?;
    }
    Err(Error::of(Class::TimedOut, format!("{} is not ready after an hour", found.id)))
}

pub(crate) async fn update<K: Toy>(
    desired: &K,
    cx: &Cx,
    found: &Found<K>,
    changes: &[Change],
) -> Result<()> {
    let wish = desired.wish(cx)?;
    let tags: Tags = cx.tags()?;
    world(cx)?
        .update(cx, &found.id, |object| {
            for change in changes {
                if let Some(key) = change.field.strip_prefix("tags.") {
                    match tags.get(key) {
                        Some(value) => object.tags.insert(key.to_owned(), value.clone()),
                        None => object.tags.remove(key),
                    };
                } else if change.to == Some(Value::Null) {
                    object.fields.remove(&change.field);
                } else if let Some(value) = wish.fields.get(&change.field) {
                    object.fields.insert(change.field.clone(), value.clone());
                    object.parents = wish.parents.clone();
                }
            }
        })
        .await
}

/// Deletes several with one call, and waits until reads show none of them.
pub(crate) async fn delete<K: Toy>(cx: &Cx, found: &[&Found<K>]) -> Vec<Result<()>> {
    match try_delete(cx, found).await {
        Ok(results) => results,
        Err(error) => found.iter().map(|_| Err(error.clone())).collect(),
    }
}

async fn try_delete<K: Toy>(cx: &Cx, found: &[&Found<K>]) -> Result<Vec<Result<()>>> {
    let world = world(cx)?;
    let ids: Vec<&PhysicalId> = found.iter().map(|found| &found.id).collect();
    let mut results = world.delete(cx, &ids, K::NATURE.typical.delete).await?;
    for (found, result) in found.iter().zip(&mut results) {
        if result.as_ref().is_err_and(|error| error.class == Class::NotFound) {
            *result = Ok(());
        }
        while result.is_ok() && world.read(&found.id).is_some() {
            cx.pause(seconds(1)).await?;
        }
    }
    Ok(results)
}
