//! Watching a collection: a body that never ends by itself, one event a line.

use super::cluster::{KubeBody, KubeSandbox};
use super::resources::Resource;
use super::selector::Selector;
use super::status::Refusal;
use super::store::{Event, Store, namespace_of};
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

/// How often a watch looks for what other processes changed and for what time has done.
const LOOK: Duration = Duration::from_secs(1);

/// What is watched.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) resource: Resource,
    pub(super) namespace: Option<String>,
    pub(super) selector: Selector,
    /// Changes after this version are told.
    pub(super) version: u64,
    /// When the server ends the watch.
    pub(super) until: Option<SystemTime>,
}

impl Watch {
    fn sees(&self, object: &Value) -> bool {
        let here = self.namespace.as_deref().is_none_or(|wanted| namespace_of(object) == wanted);
        here && self.selector.selects(object)
    }

    /// The objects that are there at the beginning, as if they were just added.
    pub(super) fn initial(&self, store: &Store) -> VecDeque<Value> {
        let all = store.list(&self.resource, self.namespace.as_deref());
        let seen = all.into_iter().filter(|object| self.selector.selects(object));
        seen.map(|object| json!({"type": "ADDED", "object": object})).collect()
    }

    /// The bookmark that ends the initial events of a streamed list.
    pub(super) fn end_of_initial(&self, version: u64) -> Value {
        json!({
            "type": "BOOKMARK",
            "object": {
                "kind": self.resource.kind,
                "apiVersion": self.resource.api_version(),
                "metadata": {
                    "resourceVersion": version.to_string(),
                    "annotations": {"k8s.io/initial-events-end": "true"},
                },
            },
        })
    }

    /// What one change is to this watcher: an object that begins to match was added to it, one
    /// that no longer matches was deleted.
    fn told(&self, event: &Event) -> Option<Value> {
        let before = event.before.as_ref().filter(|object| self.sees(object));
        let after = event.after.as_ref().filter(|object| self.sees(object));
        match (before, after) {
            (None, None) => None,
            (None, Some(now)) => Some(json!({"type": "ADDED", "object": now})),
            (Some(_), Some(now)) => Some(json!({"type": "MODIFIED", "object": now})),
            (Some(last), None) => {
                let mut last = event.after.clone().unwrap_or_else(|| last.clone());
                last["metadata"]["resourceVersion"] = event.version.to_string().into();
                Some(json!({"type": "DELETED", "object": last}))
            }
        }
    }

    /// What happened since the last look; an error ends the watch.
    fn look(&mut self, store: &Store) -> Result<VecDeque<Value>, Refusal> {
        let Some(events) = store.since(self.version, &self.resource.id()) else {
            return Err(Refusal::expired(format!("too old resource version: {}", self.version)));
        };
        let told = events.iter().filter_map(|event| self.told(event)).collect();
        self.version = store.version;
        Ok(told)
    }
}

struct Stream {
    sandbox: KubeSandbox,
    watch: Watch,
    queue: VecDeque<Value>,
    over: bool,
}

/// The body of a watch that begins with `queue`.
pub(super) fn body(sandbox: KubeSandbox, watch: Watch, queue: VecDeque<Value>) -> KubeBody {
    let stream = Stream { sandbox, watch, queue, over: false };
    let lines = futures::stream::unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((event, stream))
    });
    let frames = lines.map(|event| Ok(Frame::data(Bytes::from(format!("{event}\n")))));
    StreamBody::new(frames).boxed_unsync()
}

impl Stream {
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            // Subscribed before the look, so that no change falls between look and wait.
            let mut changes = self.sandbox.changes();
            let watch = &mut self.watch;
            match self.sandbox.with_store(|store| watch.look(store)) {
                Ok(events) => self.queue = events,
                Err(refusal) => {
                    self.over = true;
                    return Some(json!({"type": "ERROR", "object": refusal.to_wire()}));
                }
            }
            if self.queue.is_empty() {
                let clock = self.sandbox.clock();
                let left = match self.watch.until {
                    None => LOOK,
                    Some(until) => until.duration_since(clock.now()).unwrap_or_default(),
                };
                if left.is_zero() {
                    self.over = true;
                    continue;
                }
                tokio::select! {
                    changed = changes.changed() => {
                        // The sender lives as long as the sandbox that this stream holds.
                        if changed.is_err() { self.over = true; }
                    }
                    () = clock.sleep(left.min(LOOK)) => {}
                }
            }
        }
    }
}
