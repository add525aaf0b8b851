//! Changes of node groups.

use super::model::{Cluster, NodeGroup, Origin, Taint, Update};
use super::node_group::{self, found, found_mut, labels, taints};
use super::words::{in_use, invalid, new_uuid, strings};
use super::{cluster_version, scaling};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a change of labels, taints or sizes takes.
const CONFIGURING: Duration = Duration::from_secs(20);
/// How long it takes to bring a node group to another version, before the time for each node.
const ROLLING: Duration = Duration::from_secs(180);
/// How long one more node takes.
const PER_NODE: Duration = Duration::from_secs(60);

/// The cluster and node group of a request, once they can be changed; or the update that the
/// same request has already made.
fn changeable(
    cx: &Cx<'_>,
    params: &Params,
) -> Result<Result<(Cluster, NodeGroup), Value>, Failure> {
    let (cluster, group) = found(&cx.view(), params)?;
    let origin = Origin::of(params);
    if let Some(known) = group.updates.iter().find(|update| origin.is_again(&update.origin)) {
        return Ok(Err(json!({"update": known.write(cx.now)})));
    }
    match group.status(cluster, cx.now) {
        "ACTIVE" => Ok(Ok((cluster.clone(), group.clone()))),
        status => {
            Err(in_use(format!("Nodegroup cannot be updated as it is currently in {status} state")))
        }
    }
}

fn start(
    cx: &mut Cx<'_>,
    params: &Params,
    mut changed: NodeGroup,
    kind: &str,
    shown: Vec<(String, String)>,
    takes: Duration,
) -> Answer {
    let update = Update {
        id: new_uuid(cx),
        origin: Origin::of(params),
        kind: kind.to_owned(),
        params: shown,
        created: cx.now,
        ends: cx.now.plus(takes),
    };
    let answer = json!({"update": update.write(cx.now)});
    changed.modified = cx.now;
    changed.updates.push(update);
    *found_mut(cx, params)? = changed;
    Ok(answer.into())
}

pub(super) fn config(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (_, mut group) = match changeable(cx, params)? {
        Ok(found) => found,
        Err(known) => return Ok(known.into()),
    };
    if params.get("warmPoolConfig").is_some() {
        return Err(invalid("The sandbox does not model warmPoolConfig."));
    }
    let mut shown = Vec::new();
    if let Some(change) = params.get("labels") {
        for key in strings(change, "removeLabels") {
            group.labels.remove(&key);
        }
        group.labels.extend(labels(&change["addOrUpdateLabels"])?);
        shown.push(("LabelsToAdd".to_owned(), change["addOrUpdateLabels"].to_string()));
        shown.push(("LabelsToRemove".to_owned(), change["removeLabels"].to_string()));
    }
    if let Some(change) = params.get("taints") {
        let listed = |member: &str| change[member].as_array().cloned().unwrap_or_default();
        let same = |a: &Taint, b: &Taint| a.key == b.key && a.effect == b.effect;
        for gone in taints(&listed("removeTaints"))? {
            group.taints.retain(|taint| !same(taint, &gone));
        }
        for new in taints(&listed("addOrUpdateTaints"))? {
            group.taints.retain(|taint| !same(taint, &new));
            group.taints.push(new);
        }
        shown.push(("TaintsToAdd".to_owned(), change["addOrUpdateTaints"].to_string()));
        shown.push(("TaintsToRemove".to_owned(), change["removeTaints"].to_string()));
    }
    if let Some(change) = params.get("updateConfig") {
        group.update_config = change.clone();
        shown.push(("UpdateConfig".to_owned(), change.to_string()));
    }
    if let Some(change) = params.get("nodeRepairConfig") {
        group.repair = change["enabled"] == true;
        shown.push(("NodeRepairConfig".to_owned(), change.to_string()));
    }
    if let Some(change) = params.get("scalingConfig") {
        let before = scaling::size_of(cx, &group.scaling_group);
        let (min, max, desired) = scaling::size(change, before)?;
        scaling::change(cx, &group.scaling_group, |scaling| {
            (scaling.min, scaling.max, scaling.desired) = (min, max, desired);
        });
        shown.push(("MinSize".to_owned(), min.to_string()));
        shown.push(("MaxSize".to_owned(), max.to_string()));
        shown.push(("DesiredSize".to_owned(), desired.to_string()));
    }
    if shown.is_empty() {
        return Err(invalid("No changes were given for the node group"));
    }
    start(cx, params, group, "ConfigUpdate", shown, CONFIGURING)
}

pub(super) fn version(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (cluster, mut group) = match changeable(cx, params)? {
        Ok(found) => found,
        Err(known) => return Ok(known.into()),
    };
    let template = scaling::template(cx, params)?;
    if group.template.is_some() != template.is_some()
        && (template.is_some() || params.get("version").is_none())
        && params.get("launchTemplate").is_some()
    {
        return Err(invalid(
            "Cannot specify a launch template for a node group that was created without one",
        ));
    }
    if let (Some(before), Some((after, _))) = (&group.template, &template)
        && before.0 != after.0
    {
        return Err(invalid("You cannot change the launch template of an existing node group"));
    }
    let control = cluster.version(cx.now);
    let wanted = params.text("version").map_or_else(
        // Without a version it is brought to the cluster's, unless only the template changes.
        || if template.is_some() { group.version.clone() } else { control.to_owned() },
        str::to_owned,
    );
    let (from, to) = (cluster_version::minor(&group.version), cluster_version::minor(&wanted));
    if to > cluster_version::minor(control) || to < from || to.is_none() {
        return Err(invalid(format!(
            "Requested Nodegroup version {wanted} is not compatible with cluster version {control}"
        )));
    }
    let mut shown = Vec::new();
    group.release =
        params.text("releaseVersion").map_or_else(|| node_group::release(&wanted), str::to_owned);
    shown.push(("Version".to_owned(), wanted.clone()));
    shown.push(("ReleaseVersion".to_owned(), group.release.clone()));
    group.version = wanted;
    let mut data = current_data(cx, &group);
    if let Some((named, newer)) = template {
        shown.push(("LaunchTemplateVersion".to_owned(), named.2.clone()));
        group.template = Some(named);
        data = newer;
    }
    let nodes = scaling::size_of(cx, &group.scaling_group).map_or(0, |(_, _, desired)| desired);
    let takes = ROLLING + PER_NODE * u32::try_from(nodes).unwrap_or(0);
    let then = cx.now.plus(takes);
    scaling::roll(cx, &cluster, &group, &data, then);
    start(cx, params, group, "VersionUpdate", shown, takes)
}

/// What the node group's template says so far.
fn current_data(cx: &Cx<'_>, group: &NodeGroup) -> Value {
    let regional = cx.store.regional(cx.scope);
    let scaling = regional.and_then(|all| all.autoscaling.groups.get(&group.scaling_group));
    scaling.map(|scaling| scaling.recipe.data.clone()).unwrap_or_default()
}
