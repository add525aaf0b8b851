//! Finding what is ours.

use super::live::{LABEL, Live, tags_of};
use super::{Content, Object, Type, checksum, rehearse, status};
use crate::aws::secrets;
use crate::aws::secretsmanager::secret::current_versions;
use crate::kind::{Clash, Cx, Damaged, Error, Found, Kind, Listed, Result, Seen, Wanted, Whose};
use crate::kube::client::{Call, Kube, MANAGER};
use crate::kube::places::{Place, Wants, places};
use crate::name::PhysicalId;
use crate::secret::SecretRef;
use crate::value::{In, Known};
use futures::future::{join_all, try_join_all};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// All objects that are ours, and those that stand where a wanted one should.
pub(super) async fn all(
    cx: &Cx,
    wanted: &[Wanted<'_, Object>],
    seen: &dyn Seen,
) -> Result<Listed<Object>> {
    let wants = Wants::of(wanted.iter().map(|wanted| wanted.desired.cluster.as_ref()));
    let places = places(cx, wants, seen)?;
    let found = try_join_all(places.iter().map(|place| within(cx, wanted, place))).await?;
    let lives: Vec<(Live, Value)> = found.into_iter().flatten().collect();
    let versions = versions(cx, references(wanted, &lives), &current_versions(seen)).await?;
    let namespaces: BTreeSet<PhysicalId> = lives
        .iter()
        .filter(|(live, object)| {
            let ours = Whose::of(&tags_of(object), &cx.deployment);
            live.of == Type::Namespace && matches!(ours, Whose::Ours(_))
        })
        .map(|(live, _)| live.id())
        .collect();
    let mut listed = Listed::default();
    for (mut live, object) in lives {
        live.versions = versions.clone();
        let inside = PhysicalId::new(Type::Namespace.id("", &live.namespace));
        if live.of.is_namespaced() && namespaces.contains(&inside) {
            live.parents.push(inside);
        }
        add(cx, wanted, &mut listed, live, &object);
    }
    Ok(listed)
}

/// What is in one cluster.
async fn within(
    cx: &Cx,
    wanted: &[Wanted<'_, Object>],
    place: &Place,
) -> Result<Vec<(Live, Value)>> {
    let kube = &Kube::of(cx, place.access.as_ref())?;
    let labelled = Type::ALL.map(|of| async move {
        let mut call = Call::get(of.everywhere(), of.plural(), of == Type::Secret);
        call.operation = format!("list {}", of.plural());
        call.query = vec![("labelSelector", format!("{LABEL}={MANAGER}"))];
        kube.list(cx, &call).await
    });
    let mut lives: Vec<(Live, Value)> = Vec::new();
    for (of, objects) in Type::ALL.into_iter().zip(try_join_all(labelled).await?) {
        for object in objects {
            lives.push((Live::read(of, &object)?, object));
        }
    }
    // What is wanted and does not carry the label: not there, somebody else's, or ours with the
    // label taken off.
    let missing = wanted
        .iter()
        .map(|wanted| wanted.desired)
        .filter(|wanted| !lives.iter().any(|(live, _)| wanted.is_at(live)))
        .map(|wanted| async move {
            let of = wanted.content.object_type();
            let there = look(cx, kube, of, &wanted.namespace, &wanted.name).await?;
            there.map(|object| Ok((Live::read(of, &object)?, object))).transpose()
        });
    let missing: Vec<Option<(Live, Value)>> = try_join_all(missing).await?;
    lives.extend(missing.into_iter().flatten());
    let rehearsed = lives.iter().map(|(live, object)| async move {
        let Whose::Ours(owner) = Whose::of(&tags_of(object), &cx.deployment) else { return None };
        let wanted = wanted.iter().find(|wanted| *wanted.address == owner.address)?;
        rehearse::refusal(cx, kube, wanted.desired, live).await
    });
    let rehearsed = join_all(rehearsed).await;
    for ((live, _), refusal) in lives.iter_mut().zip(rehearsed) {
        live.refusal = refusal;
    }
    for (live, object) in &mut lives {
        live.access = place.access.clone();
        live.parents.extend(place.id.clone());
        // What stays needs nothing to be deleted: only what goes holds those up that it needs.
        let stays = match Whose::of(&tags_of(object), &cx.deployment) {
            Whose::Ours(owner) => wanted.iter().any(|wanted| *wanted.address == owner.address),
            _ => true,
        };
        if !stays {
            live.parents.extend(place.needed.iter().cloned());
        }
    }
    Ok(lives)
}

/// One object; of a Secret only its metadata.
pub(super) async fn look(
    cx: &Cx,
    kube: &Kube,
    of: Type,
    namespace: &str,
    name: &str,
) -> Result<Option<Value>> {
    kube.look(cx, &Call::get(of.path(namespace, name), of.plural(), of == Type::Secret)).await
}

/// Where the entries of Secrets come from, as far as it is known before outputs are.
fn of_content(content: &Content) -> Vec<SecretRef> {
    let literal = |input: &In<String>| match input {
        In::Literal(text) => Known::Yes(text.clone()),
        In::Output(_) => Known::AfterApply,
    };
    let known = |entry: &super::Entry| entry.source(literal).yes().map(|it| it.reference.clone());
    match content {
        Content::ConfigMap { .. } => Vec::new(),
        Content::Secret { string_data, .. } => string_data.values().filter_map(known).collect(),
        Content::Manifest { read_at_start, .. } => {
            checksum::entries(read_at_start).filter_map(|(_, entry)| known(entry)).collect()
        }
    }
}

/// The entries of which one version is wanted, as their sources are named.
fn fixed(content: &Content) -> BTreeSet<String> {
    let of_secret = |entries: &BTreeMap<String, super::Entry>| {
        let fixed = entries.iter().filter(|(_, entry)| entry.is_fixed());
        fixed.map(|(key, _)| key.clone()).collect()
    };
    match content {
        Content::ConfigMap { .. } => BTreeSet::new(),
        Content::Secret { string_data, .. } => of_secret(string_data),
        Content::Manifest { read_at_start, .. } => {
            let fixed = checksum::entries(read_at_start).filter(|(_, entry)| entry.is_fixed());
            fixed.map(|(key, _)| key).collect()
        }
    }
}

/// Every reference whose version may be asked for.
fn references(wanted: &[Wanted<'_, Object>], lives: &[(Live, Value)]) -> Vec<SecretRef> {
    let of_wanted = wanted.iter().flat_map(|wanted| of_content(&wanted.desired.content));
    // The versions of what is live and not wanted do not matter, nor do those that are fixed.
    let of_live = lives.iter().flat_map(|(live, _)| {
        let wanted = wanted.iter().find(|wanted| wanted.desired.is_at(live));
        wanted.map_or_else(Vec::new, |wanted| {
            let fixed = fixed(&wanted.desired.content);
            live.references(|key| !fixed.contains(key))
        })
    });
    of_wanted.chain(of_live).collect()
}

/// The current version of each reference, by what it reads like. Those in `known` have just been
/// looked up.
async fn versions(
    cx: &Cx,
    references: Vec<SecretRef>,
    known: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Option<String>>> {
    let mut seen = BTreeSet::new();
    let distinct = references.into_iter().filter(|reference| seen.insert(reference.to_string()));
    let looked = distinct.map(|reference| async move {
        let version = match &reference {
            SecretRef::SecretsManager(id) => known.get(id).cloned(),
            _ => None,
        };
        let version = match version {
            Some(version) => Some(version),
            None => secrets::version(cx, &reference).await?,
        };
        Ok::<_, Error>((reference.to_string(), version))
    });
    join_all(looked).await.into_iter().collect()
}

/// Sorts an object into the list.
fn add(
    cx: &Cx,
    wanted: &[Wanted<'_, Object>],
    listed: &mut Listed<Object>,
    live: Live,
    object: &Value,
) {
    let id = live.id();
    match Whose::of(&tags_of(object), &cx.deployment) {
        Whose::Ours(owner) => listed.ours.push(Found {
            id,
            owner,
            status: status(live.of, object),
            parents: live.parents.clone(),
            tags: tags_of(object),
            live,
        }),
        Whose::Damaged(why) => listed.damaged.push(Damaged { id, why, mend: None }),
        Whose::Foreign(owner) => {
            let wants = wanted.iter().find(|wanted| wanted.desired.is_at(&live));
            if let Some(wants) = wants {
                listed.clashes.push(Clash { address: wants.address.clone(), id, owner });
            }
        }
    }
}

/// An object by itself, where `before` was; `None` when it is not ours any more.
pub(super) async fn found_again(
    cx: &Cx,
    before: &Live,
    object: &Value,
) -> Result<Option<Found<Object>>> {
    let Whose::Ours(owner) = Whose::of(&tags_of(object), &cx.deployment) else {
        return Ok(None);
    };
    let mut live = Live::read(before.of, object)?;
    live.access = before.access.clone();
    live.parents = before.parents.clone();
    // Pods read what is in the Secrets, whatever the sources of those have by now.
    let held = checksum::held(cx, &live).await?;
    let asked = live.references(|key| !held.contains_key(key));
    live.versions = versions(cx, asked, &BTreeMap::new()).await?;
    live.versions
        .extend(held.into_values().map(|source| (source.reference.to_string(), source.version)));
    Ok(Some(Found {
        id: live.id(),
        owner,
        status: status(live.of, object),
        parents: live.parents.clone(),
        tags: tags_of(object),
        live,
    }))
}

const _: () = assert!(Object::NATURE.wave > 0, "objects are looked for in clusters");
