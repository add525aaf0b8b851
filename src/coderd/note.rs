//! What is remembered, in the cluster, of things in Coder that a plan can not ask for: a
//! `ConfigMap` beside the server, with nothing secret in it.

use super::Place;
use crate::kind::{Class, Cx, Error, Ownership, Result, Seen, Tags, Whose};
use crate::kube::client::{Applied, Call, Kube, MANAGER};
use crate::kube::object::{IDENTITY, Object, tags_of};
use crate::kube::places;
use crate::name::{Address, PhysicalId};
use http::Method;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The label with the kind of the thing. Not the one of objects that the spec asks for: these
/// are nobody's but ours.
const LABEL: &str = "coderctl.dev/note-of";

/// A note.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Note {
    pub(super) place: Place,
    pub(super) owner: Ownership,
    pub(super) tags: Tags,
    pub(super) data: BTreeMap<String, String>,
    pub(super) parents: Vec<PhysicalId>,
    name: String,
}

impl Note {
    /// The id of what it is about.
    pub(super) fn id(&self) -> String {
        format!("{}/{}", self.place.namespace, self.name)
    }

    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.data.get(key).map(String::as_str)
    }
}

/// What is wrong with a note that carries our deployment's name.
pub(super) struct Torn {
    pub(super) id: PhysicalId,
    pub(super) why: String,
}

/// All notes of a kind that are ours, in every cluster that can be looked into; `wanted` are the
/// addresses that stay.
pub(super) async fn all(
    cx: &Cx,
    kind: &str,
    wants: places::Wants,
    wanted: &[&Address],
    seen: &dyn Seen,
) -> Result<(Vec<Note>, Vec<Torn>)> {
    let objects: Vec<PhysicalId> =
        crate::kind::seen::<Object>(seen).into_iter().map(|(id, _, _)| id.clone()).collect();
    let (mut notes, mut torn) = (Vec::new(), Vec::new());
    for place in places::places(cx, wants, seen)? {
        let kube = Kube::of(cx, place.access.as_ref())?;
        let mut call = Call::get("/api/v1/configmaps".to_owned(), "configmaps", false);
        call.operation = "list configmaps".to_owned();
        call.query = vec![("labelSelector", format!("{LABEL}={kind}"))];
        for object in kube.list(cx, &call).await? {
            match Whose::of(&tags_of(&object), &cx.deployment) {
                Whose::Foreign(_) => {}
                Whose::Damaged(why) => torn.push(Torn { id: PhysicalId::new(name(&object)), why }),
                Whose::Ours(owner) => {
                    let mut note = read(&object, place.access.clone(), owner);
                    note.parents.extend(place.id.clone());
                    if !wanted.contains(&&note.owner.address) {
                        note.parents.extend(place.needed.iter().cloned());
                    }
                    // It goes before what the server is made of.
                    let Place { namespace, deployment, .. } = &note.place;
                    let around = [
                        PhysicalId::new(format!("v1/Namespace/{namespace}")),
                        PhysicalId::new(format!("apps/v1/Deployment/{namespace}/{deployment}")),
                    ];
                    note.parents.extend(around.into_iter().filter(|id| objects.contains(id)));
                    notes.push(note);
                }
            }
        }
    }
    Ok((notes, torn))
}

fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or_default().to_owned()
}

fn read(object: &Value, access: Option<crate::aws::eks::access::Access>, owner: Ownership) -> Note {
    let mut data: BTreeMap<String, String> = object["data"]
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect();
    let place = Place {
        access,
        namespace: object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(),
        deployment: data.remove("deployment").unwrap_or_default(),
        port: data.remove("port").and_then(|port| port.parse().ok()).unwrap_or_default(),
    };
    Note { place, owner, tags: tags_of(object), data, parents: Vec::new(), name: name(object) }
}

fn path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps/{name}")
}

/// Reads a note again; `None` when it is gone, or not ours any more.
pub(super) async fn again(cx: &Cx, note: &Note) -> Result<Option<Note>> {
    let kube = note.place.kube(cx)?;
    let path = path(&note.place.namespace, &note.name);
    let Some(object) = kube.look(cx, &Call::get(path, "configmaps", false)).await? else {
        return Ok(None);
    };
    match Whose::of(&tags_of(&object), &cx.deployment) {
        Whose::Ours(owner) => {
            let again = read(&object, note.place.access.clone(), owner);
            Ok(Some(Note { parents: note.parents.clone(), ..again }))
        }
        _ => Ok(None),
    }
}

/// Writes the note of the step's thing, whole.
pub(super) async fn write(
    cx: &Cx,
    place: &Place,
    kind: &str,
    data: BTreeMap<String, String>,
) -> Result<Note> {
    let address = &cx.step()?.address;
    let name = format!("coderctl-{}", address.as_str().replace(['/', '_'], "-"));
    let kube = place.kube(cx)?;
    let get = Call::get(path(&place.namespace, &name), "configmaps", false);
    if let Some(there) = kube.look(cx, &get).await? {
        let ours = matches!(Whose::of(&tags_of(&there), &cx.deployment),
            Whose::Ours(owner) if owner.address == *address);
        if !ours {
            let why = format!("v1/ConfigMap/{}/{name} exists and is not ours", place.namespace);
            return Err(Error::of(Class::Exists, why));
        }
    }
    let tags = cx.tags()?;
    let annotations: Map<String, Value> = IDENTITY
        .iter()
        .map(|(annotation, tag)| {
            let value = tags.get(*tag).cloned().unwrap_or_default();
            ((*annotation).to_owned(), Value::from(value))
        })
        .collect();
    let mut all = data;
    all.insert("deployment".to_owned(), place.deployment.clone());
    all.insert("port".to_owned(), place.port.to_string());
    let call = Call {
        method: Method::PATCH,
        body: Some((
            "application/apply-patch+yaml",
            json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {
                    "name": name,
                    "namespace": place.namespace,
                    "labels": {LABEL: kind},
                    "annotations": annotations,
                },
                "data": all,
            }),
        )),
        operation: "patch configmaps".to_owned(),
        query: vec![("fieldManager", MANAGER.to_owned()), ("force", "true".to_owned())],
        ..get
    };
    let object = match kube.apply(cx, &call).await? {
        Applied::Done(object) => object,
        Applied::Conflicts(_) => {
            return Err(Error::local("a forced apply can not meet a conflict"));
        }
    };
    let owner = Ownership::from_tags(&tags_of(&object)).map_err(Error::local)?;
    Ok(read(&object, place.access.clone(), owner))
}

/// Takes a note away.
pub(super) async fn forget(cx: &Cx, note: &Note) -> Result<()> {
    let kube = note.place.kube(cx)?;
    let call = Call {
        method: Method::DELETE,
        body: Some(("application/json", json!({}))),
        operation: "delete configmaps".to_owned(),
        ..Call::get(path(&note.place.namespace, &note.name), "configmaps", false)
    };
    match kube.send(cx, &call).await {
        Ok(_) => Ok(()),
        Err(error) if error.class == Class::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
