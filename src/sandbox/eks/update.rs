//! Changes that take time, of clusters, node groups and add-ons.

use super::model::{Cluster, Update};
use super::words::{asked, missing, paged};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

impl Update {
    /// Whether it still runs.
    pub(super) fn is_running(&self, now: Millis) -> bool {
        now < self.ends
    }

    /// As answers write it.
    pub(super) fn write(&self, now: Millis) -> Value {
        let params: Vec<Value> =
            self.params.iter().map(|(kind, value)| json!({"type": kind, "value": value})).collect();
        json!({
            "id": self.id,
            "status": if self.is_running(now) { "InProgress" } else { "Successful" },
            "type": self.kind,
            "params": params,
            "createdAt": self.created.seconds(),
            "errors": [],
        })
    }
}

/// Whether any of them still runs.
pub(super) fn any_running(updates: &[Update], now: Millis) -> bool {
    updates.iter().any(|update| update.is_running(now))
}

/// The updates of what a request names: the cluster, a node group of it or an add-on of it.
fn named<'a>(cluster: &'a Cluster, params: &Params) -> Result<&'a [Update], Failure> {
    match (params.text("nodegroupName"), params.text("addonName")) {
        (Some(name), _) => {
            let group = cluster.node_groups.get(name);
            let none = || missing(format!("No node group found for name: {name}."));
            group.map(|group| group.updates.as_slice()).ok_or_else(none)
        }
        (None, Some(name)) => {
            let addon = cluster.addons.get(name);
            let none = || missing(format!("No addon: {name} found in cluster: {}", cluster.name));
            addon.map(|addon| addon.updates.as_slice()).ok_or_else(none)
        }
        (None, None) => Ok(&cluster.updates),
    }
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let id = params.required("updateId");
    let updates = named(asked(view, params)?, params)?;
    let update = updates.iter().find(|update| update.id == id);
    let update = update.ok_or_else(|| missing(format!("No update found for ID: {id}")))?;
    Ok(json!({"update": update.write(view.now)}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let updates = named(asked(view, params)?, params)?;
    let mut ids: Vec<&String> = updates.iter().map(|update| &update.id).collect();
    ids.sort();
    let items = ids.into_iter().map(|id| (id.clone(), Value::from(id.as_str())));
    paged(view, params, "updateIds", items)
}
