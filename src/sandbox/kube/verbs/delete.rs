//! Deleting objects, and what becomes of those that they own.

use super::{Call, Reply};
use crate::sandbox::kube::controllers::begin_end;
use crate::sandbox::kube::status::{Answer, Refusal, deleted};
use crate::sandbox::kube::store::{has_finalizers, mark_deleted, milliseconds, name_of};
use serde_json::{Value, json};

impl Call<'_> {
    pub(super) fn delete(&mut self, name: &str) -> Answer<Reply> {
        let live = self.live(name)?;
        if let Some(uid) = self.asked.delete_option("/preconditions/uid")
            && live["metadata"]["uid"] != uid.as_str()
        {
            return Err(self.other_uid(name, &uid, &live));
        }
        if let Some(version) = self.asked.delete_option("/preconditions/resourceVersion")
            && live["metadata"]["resourceVersion"] != version.as_str()
        {
            return Err(Refusal::conflict(
                self.resource.named(name),
                &format!(
                    "Precondition failed: ResourceVersion in precondition: {version}, ResourceVersion in object meta: {}",
                    live["metadata"]["resourceVersion"].as_str().unwrap_or_default()
                ),
            ));
        }
        Ok((200, self.delete_one(live)))
    }

    pub(super) fn delete_all(&mut self) -> Answer<Reply> {
        let selector = self.selector()?;
        let chosen: Vec<Value> = self
            .store
            .list(&self.resource, self.place.namespace.as_deref())
            .into_iter()
            .filter(|object| selector.selects(object))
            .cloned()
            .collect();
        for object in &chosen {
            self.delete_one(object.clone());
        }
        let list = json!({
            "kind": format!("{}List", self.resource.kind),
            "apiVersion": self.resource.api_version(),
            "metadata": {"resourceVersion": self.store.version.to_string()},
            "items": chosen,
        });
        Ok((200, list))
    }

    fn delete_one(&mut self, mut live: Value) -> Value {
        let id = self.resource.id();
        let uid = live["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let orphan =
            self.asked.delete_option("/propagationPolicy").is_some_and(|policy| policy == "Orphan");
        for (resource, dependent) in self.store.dependents(&uid) {
            self.release(&resource, dependent, &uid, orphan);
        }
        let already = live["metadata"].get("deletionTimestamp").is_some();
        if id == "namespaces" {
            if !already {
                mark_deleted(&mut live, self.now);
                live["status"] = json!({"phase": "Terminating"});
                let name = name_of(&live).to_owned();
                self.store.leave(&name, self.now);
                live = self.store.put(&id, live);
            }
            return live;
        }
        if has_finalizers(&live) {
            if !already {
                mark_deleted(&mut live, self.now);
                live = self.store.put(&id, live);
            }
            return live;
        }
        if id == "pods" {
            let at = milliseconds(self.now);
            let force = self.asked.delete_option("/gracePeriodSeconds").is_some_and(|s| s == "0");
            if !force && let Some(left) = begin_end(self.store, live.clone(), at) {
                return left;
            }
        }
        self.store.remove(&id, &live);
        let name = name_of(&live).to_owned();
        deleted(self.resource.named(&name), &uid)
    }

    /// What the garbage collector does with a dependent of a deleted owner.
    fn release(&mut self, resource: &str, mut dependent: Value, owner: &str, orphan: bool) {
        let owners = dependent["metadata"]["ownerReferences"].as_array_mut();
        let others = owners.map_or(0, |owners| {
            owners.retain(|reference| reference["uid"] != owner);
            owners.len()
        });
        if others > 0 || orphan {
            if others == 0
                && let Some(metadata) = dependent["metadata"].as_object_mut()
            {
                metadata.shift_remove("ownerReferences");
            }
            self.store.put(resource, dependent);
        } else if has_finalizers(&dependent) {
            mark_deleted(&mut dependent, self.now);
            self.store.put(resource, dependent);
        } else if resource == "pods" {
            begin_end(self.store, dependent, milliseconds(self.now));
        } else {
            let uid = dependent["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            self.store.remove(resource, &dependent);
            for (resource, below) in self.store.dependents(&uid) {
                self.release(&resource, below, &uid, false);
            }
        }
    }
}
