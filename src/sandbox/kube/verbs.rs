//! The verbs: get, list, create, update, patch, delete.

mod delete;

use super::admit::admit;
use super::managers::{Author, apply, note_update, without_system};
use super::patch;
use super::request::{Asked, Place};
use super::resources::{Resource, find};
use super::selector::Selector;
use super::status::{Answer, Refusal};
use super::store::{Store, has_finalizers, name_of, namespace_of};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};
use std::time::SystemTime;

/// What a verb works on.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) store: &'a mut Store,
    pub(super) asked: &'a Asked,
    pub(super) place: &'a Place,
    pub(super) resource: Resource,
    pub(super) now: SystemTime,
    /// Items of a list page where the request sets no limit; 0 is all.
    pub(super) page_size: usize,
}

/// An HTTP status and an object.
pub(super) type Reply = (u16, Value);

impl Call<'_> {
    /// Does what the request asks for.
    pub(super) fn run(&mut self) -> Answer<Reply> {
        let method = self.asked.method.clone();
        match self.place.subresource.as_deref() {
            None => {}
            Some("status") if self.resource.status => {}
            Some("finalize") if self.resource.id() == "namespaces" => {}
            Some(_) => return Err(Refusal::no_such_path()),
        }
        if !self.resource.namespaced && self.place.namespace.is_some() {
            return Err(Refusal::no_such_path());
        }
        match (method, self.place.name.clone()) {
            (Method::GET, Some(name)) => Ok((200, self.live(&name)?)),
            (Method::GET, None) => self.list(),
            (Method::POST, None) => self.create(),
            (Method::PUT, Some(name)) => self.update(&name),
            (Method::PATCH, Some(name)) => self.patch(&name),
            (Method::DELETE, Some(name)) => self.delete(&name),
            (Method::DELETE, None) => self.delete_all(),
            _ => Err(Refusal::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            )),
        }
    }

    fn namespace(&self) -> &str {
        self.place.namespace.as_deref().unwrap_or_default()
    }

    fn live(&self, name: &str) -> Answer<Value> {
        let found = self.store.get(&self.resource.id(), self.namespace(), name);
        found.cloned().ok_or_else(|| Refusal::not_found(self.resource.named(name)))
    }

    fn selector(&self) -> Answer<Selector> {
        Selector::parse(self.asked.query("labelSelector"), self.asked.query("fieldSelector"))
    }

    fn list(&self) -> Answer<Reply> {
        let selector = self.selector()?;
        let all = self.store.list(&self.resource, self.place.namespace.as_deref());
        let mut items: Vec<&Value> =
            all.into_iter().filter(|object| selector.selects(object)).collect();
        let after = match self.asked.query("continue") {
            "" => None,
            token => Some(read_continue(token)?),
        };
        if let Some(after) = &after {
            items.retain(|object| sort_key(object) > *after);
        }
        let limit: usize = match self.asked.query("limit") {
            "" | "0" => self.page_size,
            text => text.parse().map_err(|_| Refusal::bad_request("limit is not a number"))?,
        };
        let mut metadata = json!({"resourceVersion": self.store.version.to_string()});
        if limit > 0 && items.len() > limit {
            let last = sort_key(items[limit - 1]);
            metadata["continue"] = URL_SAFE_NO_PAD.encode(last).into();
            metadata["remainingItemCount"] = (items.len() - limit).into();
            items.truncate(limit);
        }
        let list = json!({
            "kind": format!("{}List", self.resource.kind),
            "apiVersion": self.resource.api_version(),
            "metadata": metadata,
            "items": items,
        });
        Ok((200, list))
    }

    fn create(&mut self) -> Answer<Reply> {
        let mut object = self.checked_body(None)?;
        if name_of(&object).is_empty()
            && let Some(prefix) = object["metadata"]["generateName"].as_str().map(str::to_owned)
        {
            let suffix: String = self.store.uid().chars().take(5).collect();
            object["metadata"]["name"] = format!("{prefix}{suffix}").into();
        }
        let resource = self.resource.clone();
        let name = name_of(&object).to_owned();
        if let Some(live) = self.store.get(&resource.id(), self.namespace(), &name) {
            let leaving = live["metadata"].get("deletionTimestamp").is_some();
            let because = if leaving { "object is being deleted: " } else { "" };
            return Err(Refusal::already_exists(resource.named(&name), because));
        }
        if self.resource.status
            && let Some(fields) = object.as_object_mut()
        {
            fields.shift_remove("status");
        }
        let mut fresh = self.fresh(object)?;
        let author = self.author_of(&resource);
        note_update(&resource, &Value::Null, &mut fresh, author.as_author());
        let stored = self.store_new(fresh);
        Ok((201, stored))
    }

    /// `object` as a new one: admitted and with the metadata that the server gives.
    fn fresh(&mut self, mut object: Value) -> Answer<Value> {
        let resource = self.resource.clone();
        if resource.namespaced {
            self.check_namespace(&object)?;
            object["metadata"]["namespace"] = self.namespace().into();
        }
        admit(self.store, &resource, &mut object, None)?;
        let metadata = &mut object["metadata"];
        if let Some(metadata) = metadata.as_object_mut() {
            for name in ["deletionTimestamp", "managedFields", "resourceVersion", "selfLink"] {
                metadata.shift_remove(name);
            }
        }
        metadata["uid"] = self.store.uid().into();
        metadata["creationTimestamp"] = crate::clock::timestamp(self.now).into();
        if !resource.group.is_empty() && object["spec"].is_object() {
            object["metadata"]["generation"] = 1.into();
        }
        Ok(object)
    }

    fn store_new(&mut self, object: Value) -> Value {
        let stored = self.store.put(&self.resource.id(), object);
        if self.resource.id() == "namespaces" {
            self.store.furnish(name_of(&stored), self.now);
        }
        stored
    }

    fn check_namespace(&self, object: &Value) -> Answer<()> {
        let Some(namespace) = self.place.namespace.as_deref() else {
            return Err(Refusal::new(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            ));
        };
        let namespaces = find(self.store, "", "v1", "namespaces");
        match self.store.get("namespaces", "", namespace) {
            Some(_) if self.store.is_leaving(namespace) => {
                Err(Refusal::terminating(self.resource.named(name_of(object)), namespace))
            }
            Some(_) => Ok(()),
            None => Err(namespaces.map_or_else(Refusal::no_such_path, |resource| {
                Refusal::not_found(resource.named(namespace))
            })),
        }
    }

    /// The body, of the type and place that the path names.
    fn checked_body(&self, name: Option<&str>) -> Answer<Value> {
        let mut object = self.asked.object()?;
        strip_nulls(&mut object);
        let wanted = self.resource.api_version();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        if !api_version.is_empty() && api_version != wanted {
            return Err(Refusal::bad_request(format!(
                "the API version in the data ({api_version}) does not match the expected API version ({wanted})"
            )));
        }
        if !kind.is_empty() && kind != self.resource.kind {
            return Err(Refusal::bad_request(format!(
                "the kind in the data ({kind}) does not match the expected kind ({})",
                self.resource.kind
            )));
        }
        object["apiVersion"] = wanted.into();
        object["kind"] = self.resource.kind.clone().into();
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        let own = text(&object["metadata"]["namespace"]);
        if !own.is_empty() && own != self.namespace() {
            return Err(Refusal::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        if let Some(name) = name {
            let own = name_of(&object);
            if !own.is_empty() && own != name {
                return Err(Refusal::bad_request(format!(
                    "the name of the object ({own}) does not match the name on the URL ({name})"
                )));
            }
            object["metadata"]["name"] = name.into();
        }
        Ok(object)
    }

    fn author_of(&self, resource: &Resource) -> OwnedAuthor {
        let manager = match (self.asked.query("fieldManager"), self.asked.agent.as_str()) {
            ("", "") => "unknown",
            ("", agent) => agent,
            (manager, _) => manager,
        };
        OwnedAuthor {
            manager: manager.to_owned(),
            api_version: resource.api_version(),
            subresource: self.place.subresource.clone().unwrap_or_default(),
            time: crate::clock::timestamp(self.now),
        }
    }

    fn update(&mut self, name: &str) -> Answer<Reply> {
        let object = self.checked_body(Some(name))?;
        let live = self.live(name)?;
        let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !version.is_empty() && live["metadata"]["resourceVersion"] != version {
            return Err(self.modified(name));
        }
        if let Some(uid) = object["metadata"]["uid"].as_str()
            && live["metadata"]["uid"] != uid
        {
            return Err(self.other_uid(name, uid, &live));
        }
        self.replace(&live, object)
    }

    fn patch(&mut self, name: &str) -> Answer<Reply> {
        match self.asked.content_type.as_str() {
            "application/apply-patch+yaml" | "application/apply-patch+cbor" => self.apply(name),
            "application/merge-patch+json" | "application/strategic-merge-patch+json" => {
                let live = self.live(name)?;
                let patch = self.asked.object()?;
                let object = if self.asked.content_type.contains("strategic") {
                    patch::strategic(&live, &patch, self.resource.builtin)
                } else {
                    patch::merge(&live, &patch)
                };
                let version = patch["metadata"]["resourceVersion"].as_str().unwrap_or_default();
                if !version.is_empty() && live["metadata"]["resourceVersion"] != version {
                    return Err(self.modified(name));
                }
                self.replace(&live, object)
            }
            other => Err(Refusal::new(
                415,
                "UnsupportedMediaType",
                format!("the body of the request was in an unknown format - {other:?}"),
            )),
        }
    }

    /// Puts `object` in the place of `live`.
    fn replace(&mut self, live: &Value, mut object: Value) -> Answer<Reply> {
        let resource = self.resource.clone();
        self.keep_parts(live, &mut object);
        if self.place.subresource.is_none() {
            admit(self.store, &resource, &mut object, Some(live))?;
        }
        if without_system(live) == without_system(&object) {
            return Ok((200, live.clone()));
        }
        let author = self.author_of(&resource);
        note_update(&resource, live, &mut object, author.as_author());
        Ok((200, self.store_changed(live, object)))
    }

    /// What a write through this path can't change stays as it is in `live`.
    fn keep_parts(&self, live: &Value, object: &mut Value) {
        match self.place.subresource.as_deref() {
            Some("finalize") => {
                let finalizers = object["spec"]["finalizers"].clone();
                *object = live.clone();
                object["spec"]["finalizers"] = finalizers;
            }
            Some(part) => {
                let changed = object.get(part).cloned();
                *object = live.clone();
                if let Some(changed) = changed {
                    object[part] = changed;
                }
            }
            None if self.resource.status => match (live.get("status"), object.as_object_mut()) {
                (Some(status), _) => object["status"] = status.clone(),
                (None, Some(fields)) => {
                    fields.shift_remove("status");
                }
                (None, None) => {}
            },
            None => {}
        }
        for name in [
            "uid",
            "name",
            "namespace",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "resourceVersion",
            "generateName",
        ] {
            match live["metadata"].get(name) {
                Some(value) => object["metadata"][name] = value.clone(),
                None => {
                    if let Some(metadata) = object["metadata"].as_object_mut() {
                        metadata.shift_remove(name);
                    }
                }
            }
        }
    }

    /// Stores a changed object; one that is being deleted goes with its last finalizer.
    fn store_changed(&mut self, live: &Value, mut object: Value) -> Value {
        let id = self.resource.id();
        if let Some(generation) = live["metadata"]["generation"].as_u64()
            && live["spec"] != object["spec"]
        {
            object["metadata"]["generation"] = (generation + 1).into();
        }
        let leaving = object["metadata"].get("deletionTimestamp").is_some();
        if leaving && !has_finalizers(&object) && id != "namespaces" {
            let stored = self.store.put(&id, object);
            self.store.remove(&id, &stored);
            return stored;
        }
        self.store.put(&id, object)
    }

    fn apply(&mut self, name: &str) -> Answer<Reply> {
        let resource = self.resource.clone();
        if self.asked.query("fieldManager").is_empty() {
            return Err(Refusal::new(
                422,
                "Invalid",
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch",
            ));
        }
        let sent = self.asked.object()?;
        let complete = ["apiVersion", "kind"].iter().all(|field| sent[*field].is_string());
        if !complete {
            return Err(Refusal::bad_request(
                "invalid object type: apiVersion and kind are required in an apply patch",
            ));
        }
        let mut wanted = self.checked_body(Some(name))?;
        if let Some(metadata) = wanted["metadata"].as_object_mut()
            && metadata.shift_remove("managedFields").is_some_and(|fields| fields != json!([]))
        {
            return Err(Refusal::bad_request("metadata.managedFields must be nil"));
        }
        let author = self.author_of(&resource);
        let live = self.store.get(&resource.id(), self.namespace(), name).cloned();
        let Some(live) = live else {
            if self.place.subresource.is_some() {
                return Err(Refusal::not_found(resource.named(name)));
            }
            if let Some(uid) = wanted["metadata"]["uid"].as_str() {
                return Err(self.other_uid(name, uid, &Value::Null));
            }
            let seed = json!({"apiVersion": wanted["apiVersion"], "kind": wanted["kind"]});
            let object = apply(&resource, &seed, &wanted, author.as_author(), true)?;
            let managed = object["metadata"]["managedFields"].clone();
            let mut fresh = self.fresh(object)?;
            if !managed.is_null() {
                fresh["metadata"]["managedFields"] = managed;
            }
            return Ok((201, self.store_new(fresh)));
        };
        if let Some(version) = wanted["metadata"]["resourceVersion"].as_str()
            && live["metadata"]["resourceVersion"] != version
        {
            return Err(self.modified(name));
        }
        if let Some(uid) = wanted["metadata"]["uid"].as_str()
            && live["metadata"]["uid"] != uid
        {
            return Err(self.other_uid(name, uid, &live));
        }
        let force = self.asked.flag("force");
        let mut object = apply(&resource, &live, &wanted, author.as_author(), force)?;
        self.keep_parts(&live, &mut object);
        if self.place.subresource.is_none() {
            admit(self.store, &resource, &mut object, Some(&live))?;
        }
        if object == live {
            return Ok((200, live));
        }
        Ok((200, self.store_changed(&live, object)))
    }

    fn modified(&self, name: &str) -> Refusal {
        Refusal::conflict(
            self.resource.named(name),
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    fn other_uid(&self, name: &str, uid: &str, live: &Value) -> Refusal {
        let found = live["metadata"]["uid"].as_str().unwrap_or_default();
        Refusal::conflict(
            self.resource.named(name),
            &format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
            ),
        )
    }
}

/// An [`Author`] that owns its words.
struct OwnedAuthor {
    manager: String,
    api_version: String,
    subresource: String,
    time: String,
}

impl OwnedAuthor {
    fn as_author(&self) -> Author<'_> {
        Author {
            manager: &self.manager,
            api_version: &self.api_version,
            subresource: &self.subresource,
            time: &self.time,
        }
    }
}

fn sort_key(object: &Value) -> String {
    format!("{}/{}", namespace_of(object), name_of(object))
}

fn read_continue(token: &str) -> Answer<String> {
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}

/// A `null` in an object is a field that is not set.
fn strip_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(strip_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(strip_nulls),
        _ => {}
    }
}
