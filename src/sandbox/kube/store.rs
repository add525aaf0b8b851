//! What the cluster holds, and what happened to it.

use super::controllers::Life;
use super::resources::Resource;
use crate::sandbox::coderd::Databases;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, SystemTime};

/// How many events a watch can be behind before it must list again.
const REMEMBERED: usize = 500;

/// How long a namespace is `Terminating`. Real ones take 5 to 15 s when nothing holds them up.
pub(super) const NAMESPACE_TERMINATION: Duration = Duration::from_secs(6);

/// All objects of one cluster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Store {
    /// The form of this document.
    pub(super) format: u32,
    /// How often it was written. It stands near the beginning so that a glance shows a change.
    pub(super) writes: u64,
    /// What uids are made from.
    pub(super) seed: u64,
    /// The last resource version given.
    pub(super) version: u64,
    /// How many uids were given.
    uids: u64,
    /// How many cluster IPs were given.
    addresses: u32,
    /// The latest time that any process has seen, in milliseconds since 1970.
    pub(super) latest_ms: u64,
    /// By resource id, then by `namespace/name` (`/name` without a namespace).
    objects: BTreeMap<String, BTreeMap<String, Value>>,
    /// Oldest first.
    events: VecDeque<Event>,
    /// The version of the last event that is no longer remembered.
    forgotten: u64,
    /// When namespaces on their way out will be gone, in milliseconds since 1970.
    leaving: BTreeMap<String, u64>,
    /// When controllers have something to do next, in milliseconds since 1970.
    #[serde(default)]
    pub(super) due: Option<u64>,
    /// The version that controllers have seen last.
    #[serde(default)]
    pub(super) reconciled: u64,
    /// When controllers looked last, in milliseconds since 1970.
    #[serde(default)]
    pub(super) touched: u64,
    /// What the API does not show of pods, by uid.
    #[serde(default)]
    pub(super) lives: BTreeMap<String, Life>,
    /// What coderd keeps in its databases.
    #[serde(default)]
    pub(super) coder: Databases,
    /// Whether a build of a workspace may be running.
    #[serde(default)]
    pub(super) builds: bool,
    /// The instances that volumes are attached to, by volume.
    #[serde(default)]
    pub(super) attached: BTreeMap<String, String>,
    /// How many pod addresses were given.
    #[serde(default)]
    pods: u32,
}

/// One change of one object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Event {
    /// The resource version that it made.
    pub(super) version: u64,
    /// The resource's id.
    pub(super) resource: String,
    /// The object before; `None` when it was created.
    pub(super) before: Option<Value>,
    /// The object after; `None` when it was deleted.
    pub(super) after: Option<Value>,
}

impl Store {
    /// The form that this version reads and writes.
    pub(super) const FORMAT: u32 = 1;

    /// A cluster as it comes: its own namespaces, nothing else.
    pub(super) fn new(seed: u64, now: SystemTime) -> Store {
        let mut store =
            Store { format: Self::FORMAT, seed, latest_ms: milliseconds(now), ..Store::default() };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            store.add_namespace(name, now);
        }
        store
    }

    fn add_namespace(&mut self, name: &str, now: SystemTime) {
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "uid": self.uid(),
                "creationTimestamp": crate::clock::timestamp(now),
                "labels": {"kubernetes.io/metadata.name": name},
            },
            "spec": {"finalizers": ["kubernetes"]},
            "status": {"phase": "Active"},
        });
        self.put("namespaces", object);
        self.furnish(name, now);
    }

    /// What controllers put into every new namespace.
    pub(super) fn furnish(&mut self, namespace: &str, now: SystemTime) {
        let metadata = |store: &mut Store, name: &str| {
            json!({
                "name": name,
                "namespace": namespace,
                "uid": store.uid(),
                "creationTimestamp": crate::clock::timestamp(now),
            })
        };
        let account = json!({
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(self, "default"),
        });
        self.put("serviceaccounts", account);
        let bundle = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata(self, "kube-root-ca.crt"),
            "data": {"ca.crt": ""},
        });
        self.put("configmaps", bundle);
    }

    /// A new uid: the same for the same seed and number.
    pub(super) fn uid(&mut self) -> String {
        self.uids += 1;
        let digest = Sha256::digest(format!("kubernetes {} {}", self.seed, self.uids));
        let hex = hex::encode(&digest[..16]);
        format!("{}-{}-4{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }

    /// A new cluster IP, from the range that EKS uses for VPCs in 10.0.0.0/8.
    pub(super) fn cluster_ip(&mut self) -> String {
        self.addresses += 1;
        let [_, _, third, fourth] = self.addresses.to_be_bytes();
        format!("172.20.{third}.{}", fourth.max(1))
    }

    /// A new address of a pod.
    pub(super) fn pod_ip(&mut self) -> String {
        self.pods += 1;
        let [_, _, third, fourth] = self.pods.to_be_bytes();
        format!("10.0.{}.{}", 64_u8.wrapping_add(third), fourth.max(4))
    }

    /// Whether an event with this message was said of the object with this uid.
    pub(super) fn has_said(&self, uid: &Value, message: &str) -> bool {
        self.of("events")
            .any(|event| event["involvedObject"]["uid"] == *uid && event["message"] == message)
    }

    /// The message of a warning with this reason about the object with this uid.
    pub(super) fn warned(&self, uid: &Value, reason: &str) -> Option<String> {
        let mut events = self
            .of("events")
            .filter(|event| event["involvedObject"]["uid"] == *uid && event["reason"] == reason);
        events.next()?["message"].as_str().map(str::to_owned)
    }

    /// All objects of one resource.
    pub(super) fn of(&self, resource: &str) -> impl Iterator<Item = &Value> {
        self.objects.get(resource).into_iter().flat_map(BTreeMap::values)
    }

    /// The objects of one resource in one namespace, or in all.
    pub(super) fn list(&self, resource: &Resource, namespace: Option<&str>) -> Vec<&Value> {
        let own = |object: &&Value| namespace.is_none_or(|wanted| namespace_of(object) == wanted);
        self.of(&resource.id()).filter(own).collect()
    }

    /// One object.
    pub(super) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(resource)?.get(&format!("{namespace}/{name}"))
    }

    /// Stores `object`, gives it the next resource version, and answers it as stored.
    pub(super) fn put(&mut self, resource: &str, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = self.version.to_string().into();
        let before = self
            .objects
            .entry(resource.to_owned())
            .or_default()
            .insert(key(&object), object.clone());
        self.record(resource, before, Some(object.clone()));
        object
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, resource: &str, object: &Value) {
        let gone = self.objects.get_mut(resource).and_then(|all| all.remove(&key(object)));
        if let Some(mut gone) = gone {
            self.version += 1;
            gone["metadata"]["resourceVersion"] = self.version.to_string().into();
            self.record(resource, Some(gone), None);
        }
        if resource == "namespaces" {
            self.leaving.remove(name_of(object));
        }
    }

    fn record(&mut self, resource: &str, before: Option<Value>, after: Option<Value>) {
        let resource = resource.to_owned();
        self.events.push_back(Event { version: self.version, resource, before, after });
        while self.events.len() > REMEMBERED {
            self.forgotten = self.events.pop_front().map_or(self.forgotten, |event| event.version);
        }
    }

    /// The changes of `resource` after `version`; `None` when some of them are forgotten.
    pub(super) fn since(&self, version: u64, resource: &str) -> Option<Vec<&Event>> {
        let known = version >= self.forgotten;
        known.then(|| {
            self.events
                .iter()
                .filter(|event| event.version > version && event.resource == resource)
                .collect()
        })
    }

    /// Lets a namespace be gone at the end of its termination.
    pub(super) fn leave(&mut self, namespace: &str, now: SystemTime) {
        self.leaving
            .entry(namespace.to_owned())
            .or_insert_with(|| milliseconds(now + NAMESPACE_TERMINATION));
    }

    /// Whether a namespace is on its way out.
    pub(super) fn is_leaving(&self, namespace: &str) -> bool {
        self.leaving.contains_key(namespace)
    }

    /// Does what time has done by `now`; answers whether anything changed.
    pub(super) fn advance(&mut self, now: SystemTime) -> bool {
        let now_ms = milliseconds(now);
        self.latest_ms = self.latest_ms.max(now_ms);
        let due: Vec<String> = self
            .leaving
            .iter()
            .filter(|&(_, &deadline)| deadline <= now_ms)
            .map(|(namespace, _)| namespace.clone())
            .collect();
        let before = self.version;
        for namespace in due {
            self.empty(&namespace, now);
        }
        self.version != before
    }

    /// Deletes what a namespace holds, and the namespace when nothing is left.
    fn empty(&mut self, namespace: &str, now: SystemTime) {
        let held: Vec<(String, Value)> = self
            .objects
            .iter()
            .flat_map(|(resource, all)| all.values().map(move |object| (resource, object)))
            .filter(|(_, object)| namespace_of(object) == namespace)
            .map(|(resource, object)| (resource.clone(), object.clone()))
            .collect();
        let mut left = false;
        for (resource, mut object) in held {
            if has_finalizers(&object) {
                left = true;
                if object["metadata"].get("deletionTimestamp").is_none() {
                    mark_deleted(&mut object, now);
                    self.put(&resource, object);
                }
            } else {
                self.remove(&resource, &object);
            }
        }
        if let Some(object) = self.get("namespaces", "", namespace).cloned()
            && !left
            && !has_finalizers(&object)
        {
            self.remove("namespaces", &object);
        }
    }

    /// Everything that names `uid` as an owner, with its resource id.
    pub(super) fn dependents(&self, uid: &str) -> Vec<(String, Value)> {
        let owned = |object: &Value| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            owners.into_iter().flatten().any(|owner| owner["uid"] == uid)
        };
        self.objects
            .iter()
            .flat_map(|(resource, all)| all.values().map(move |object| (resource, object)))
            .filter(|(_, object)| owned(object))
            .map(|(resource, object)| (resource.clone(), object.clone()))
            .collect()
    }
}

/// `time` in milliseconds since 1970.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    let age = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(age.as_millis()).unwrap_or(u64::MAX)
}

/// An object's name.
pub(super) fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// An object's namespace; empty without one.
pub(super) fn namespace_of(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

/// Whether finalizers hold an object.
pub(super) fn has_finalizers(object: &Value) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty())
}

/// Marks an object as being deleted.
pub(super) fn mark_deleted(object: &mut Value, now: SystemTime) {
    object["metadata"]["deletionTimestamp"] = crate::clock::timestamp(now).into();
    object["metadata"]["deletionGracePeriodSeconds"] = 0.into();
}

/// Marks a pod as being deleted at `at`, to be gone within `grace` seconds.
pub(super) fn mark_deleted_with(object: &mut Value, at: u64, grace: u64) {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(at);
    object["metadata"]["deletionTimestamp"] = crate::clock::timestamp(now).into();
    object["metadata"]["deletionGracePeriodSeconds"] = grace.into();
}

fn key(object: &Value) -> String {
    format!("{}/{}", namespace_of(object), name_of(object))
}
