//! Which part of the API a request is for.

use super::Cluster;
use crate::sandbox::kube::request::{Asked, Path, Place};
use crate::sandbox::kube::resources::{Resource, find};
use crate::sandbox::kube::selector::Selector;
use crate::sandbox::kube::status::{Answer, Named, Refusal};
use crate::sandbox::kube::verbs::{Call as Verb, Reply};
use crate::sandbox::kube::{discovery, openapi, watch};
use serde_json::Value;
use std::time::{Duration, SystemTime};

/// What is sent back.
pub(super) enum Outgoing {
    Object(Reply),
    Text(String),
    Watch(Box<watch::Watch>, std::collections::VecDeque<Value>),
}

impl Cluster {
    pub(super) fn route(&mut self, asked: &Asked, now: SystemTime) -> Answer<Outgoing> {
        let found = |object: Option<Value>| {
            object.map(|object| Outgoing::Object((200, object))).ok_or_else(Refusal::no_such_path)
        };
        match &asked.path {
            Path::Health => Ok(Outgoing::Text("ok".to_owned())),
            Path::Version => found(Some(discovery::version())),
            Path::OpenApi => found(Some(openapi::index(&self.store))),
            Path::OpenApiOf { group, version } => {
                found(openapi::document(&self.store, group, version))
            }
            Path::Core => found(Some(discovery::core_versions())),
            Path::Groups => found(Some(discovery::groups(&self.store))),
            Path::Group(name) => found(discovery::group(&self.store, name)),
            Path::GroupVersion { group, version } => {
                found(discovery::resources(&self.store, group, version))
            }
            Path::Resource(place) => {
                let resource = find(&self.store, &place.group, &place.version, &place.plural)
                    .ok_or_else(Refusal::no_such_path)?;
                if place.plural == "pods" && place.subresource.as_deref() == Some("log") {
                    return self.log(place);
                }
                if asked.watches() {
                    return self.watch(asked, place, resource, now);
                }
                self.verb(asked, place, resource, now)
            }
        }
    }

    fn log(&self, place: &Place) -> Answer<Outgoing> {
        let name = place.name.as_deref().unwrap_or_default();
        let namespace = place.namespace.as_deref().unwrap_or_default();
        let pod = self
            .store
            .get("pods", namespace, name)
            .ok_or_else(|| Refusal::not_found(Named { group: "", plural: "pods", name }))?;
        let uid = pod["metadata"]["uid"].as_str().unwrap_or_default();
        let lines = self.store.lives.get(uid).map(|life| life.log.join("\n") + "\n");
        Ok(Outgoing::Text(lines.unwrap_or_default()))
    }

    fn verb(
        &mut self,
        asked: &Asked,
        place: &Place,
        resource: Resource,
        now: SystemTime,
    ) -> Answer<Outgoing> {
        let page_size = self.page_size;
        let mut rehearsal;
        let store = if asked.dry_run() {
            rehearsal = self.store.clone();
            &mut rehearsal
        } else {
            &mut self.store
        };
        Verb { store, asked, place, resource, now, page_size }.run().map(Outgoing::Object)
    }

    fn watch(
        &self,
        asked: &Asked,
        place: &Place,
        resource: Resource,
        now: SystemTime,
    ) -> Answer<Outgoing> {
        let fields = match &place.name {
            Some(name) => format!("metadata.name={name}"),
            None => asked.query("fieldSelector").to_owned(),
        };
        let selector = Selector::parse(asked.query("labelSelector"), &fields)?;
        let from = asked.query("resourceVersion");
        let streamed_list = asked.flag("sendInitialEvents");
        let anew = matches!(from, "" | "0") || streamed_list;
        let version = if anew {
            self.store.version
        } else {
            from.parse().map_err(|_| {
                Refusal::bad_request(format!("Invalid value: {from:?}: resourceVersion"))
            })?
        };
        let seconds: u64 = asked.query("timeoutSeconds").parse().unwrap_or(0);
        let watch = watch::Watch {
            resource,
            namespace: place.namespace.clone(),
            selector,
            version,
            until: (seconds > 0).then(|| now + Duration::from_secs(seconds.min(86_400))),
        };
        let mut initial = if anew { watch.initial(&self.store) } else { Default::default() };
        if streamed_list {
            initial.push_back(watch.end_of_initial(version));
        }
        Ok(Outgoing::Watch(Box::new(watch), initial))
    }
}
