//! Add-ons of clusters.

use super::addon_version::{self, Known};
use super::model::{Addon, Cluster, Origin, Update};
use super::node_group::first_ready;
use super::pod_identity;
use super::update::any_running;
use super::words::{
    arn, asked, asked_mut, check_role, in_use, invalid, missing, new_uuid, paged, read_tags,
};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::time::Duration;

/// How long one is `CREATING`: 14 to 24 s in public logs.
const CREATING: Duration = Duration::from_secs(18);
/// How long one that needs nodes is `CREATING` before it is `DEGRADED` for want of them.
const WAITING: Duration = Duration::from_secs(60);
/// How long its pods take once a node is ready.
const STARTING: Duration = Duration::from_secs(15);
/// How long one is `UPDATING`.
const UPDATING: Duration = Duration::from_secs(20);
/// How long one is `DELETING`: 5 to 10 s in public logs.
const DELETING: Duration = Duration::from_secs(8);

impl Addon {
    fn needs_nodes(&self) -> bool {
        addon_version::of(&self.name).is_some_and(|known| known.needs_nodes)
    }

    /// Its pods also go onto tainted nodes. Only whether it has tolerations is seen, not which.
    fn is_tolerant(&self) -> bool {
        self.configuration.as_ref().is_some_and(|text| text.contains("tolerations"))
    }

    /// Since when enough of its pods run.
    fn running(&self, view: &View<'_>, cluster: &Cluster) -> Option<Millis> {
        let made = self.created.plus(CREATING);
        if !self.needs_nodes() || cluster.auto_mode.is_some() {
            return Some(made);
        }
        let nodes = first_ready(view, cluster, self.is_tolerant())?;
        Some(made.max(nodes.plus(STARTING)))
    }

    /// AWS's word for what it is doing.
    fn status(&self, view: &View<'_>, cluster: &Cluster) -> &'static str {
        let now = view.now;
        if self.gone.is_some() {
            return "DELETING";
        }
        if self.failure.is_some() {
            return if now < self.created.plus(CREATING) { "CREATING" } else { "CREATE_FAILED" };
        }
        if any_running(&self.updates, now) {
            return "UPDATING";
        }
        match self.running(view, cluster) {
            Some(since) if since <= now => "ACTIVE",
            _ if now < self.created.plus(WAITING) => "CREATING",
            Some(_) | None => "DEGRADED",
        }
    }

    fn write(&self, view: &View<'_>, cluster: &Cluster) -> Value {
        let status = self.status(view, cluster);
        let issues = match (status, &self.failure) {
            ("CREATE_FAILED", Some((code, message))) => {
                json!([{"code": code, "message": message, "resourceIds": []}])
            }
            ("DEGRADED", _) => json!([{
                "code": "InsufficientNumberOfReplicas",
                "message": "The add-on is unhealthy because it doesn't have the desired number of replicas.",
                "resourceIds": [],
            }]),
            _ => json!([]),
        };
        let owned = cluster.identities.values();
        let owned: Vec<&String> = owned
            .filter(|identity| identity.owner.as_ref() == Some(&self.arn))
            .map(|identity| &identity.arn)
            .collect();
        json!({
            "addonName": self.name,
            "clusterName": cluster.name,
            "status": status,
            "addonVersion": self.version,
            "health": {"issues": issues},
            "addonArn": self.arn,
            "createdAt": self.created.seconds(),
            "modifiedAt": self.modified.seconds(),
            "serviceAccountRoleArn": self.role,
            "configurationValues": self.configuration,
            "podIdentityAssociations": owned,
            "namespaceConfig": {"namespace": self.namespace},
            "tags": self.tags,
        })
    }
}

fn no_addon(cluster: &Cluster, name: &str) -> Failure {
    missing(format!("No addon: {name} found in cluster: {}", cluster.name))
}

fn found<'a>(view: &View<'a>, params: &Params) -> Result<(&'a Cluster, &'a Addon), Failure> {
    let (cluster, name) = (asked(view, params)?, params.required("addonName"));
    let addon = cluster.addons.get(name).ok_or_else(|| no_addon(cluster, name))?;
    Ok((cluster, addon))
}

/// What a request asks of an add-on, checked.
struct Wanted {
    known: Known,
    version: String,
    configuration: Option<String>,
}

fn wanted(
    cx: &Cx<'_>,
    params: &Params,
    cluster: &Cluster,
    before: Option<&Addon>,
) -> Result<Wanted, Failure> {
    let name = params.required("addonName");
    let known = addon_version::of(name)
        .ok_or_else(|| invalid(format!("Addon {name} specified is not supported")))?;
    let kubernetes = cluster.version(cx.now);
    let version = match (params.text("addonVersion"), before) {
        (Some(version), _) => version.to_owned(),
        (None, Some(before)) => before.version.clone(),
        (None, None) => known.default_version(kubernetes),
    };
    let unchanged = before.is_some_and(|before| before.version == version);
    if !unchanged && !known.versions(kubernetes).contains(&version) {
        return Err(invalid(format!("Addon version specified is not supported: {version}")));
    }
    let configuration = params.text("configurationValues").filter(|text| !text.is_empty());
    if let Some(text) = configuration
        && text.trim_start().starts_with('{')
        && serde_json::from_str::<Value>(text).is_err()
    {
        return Err(invalid("ConfigurationValue is not in valid JSON or YAML format"));
    }
    if let Some(role) = params.text("serviceAccountRoleArn")
        && !cx.store.iam(cx.scope).knows(role)
    {
        return Err(invalid(format!("Role {role} does not exist")));
    }
    for identity in params.list("podIdentityAssociations") {
        check_role(cx, identity["roleArn"].as_str().unwrap_or_default(), pod_identity::PRINCIPAL)?;
    }
    Ok(Wanted { known, version, configuration: configuration.map(str::to_owned) })
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (now, name) = (cx.now, params.required("addonName"));
    let origin = Origin::of(params);
    let view = cx.view();
    let cluster = asked(&view, params)?.clone();
    if let Some(known) = cluster.addons.get(name) {
        if origin.is_again(&known.origin) {
            return Ok(json!({"addon": known.write(&view, &cluster)}).into());
        }
        return Err(in_use("Addon already exists."));
    }
    cluster.must_be_active(now)?;
    let tags = read_tags(params)?;
    let wanted = wanted(cx, params, &cluster, None)?;
    let conflict = wanted.known.self_managed
        && cluster.self_managed_addons
        && params.text("resolveConflicts") != Some("OVERWRITE");
    let namespace = params.get("namespaceConfig").and_then(|config| config["namespace"].as_str());
    let addon = Addon {
        name: name.to_owned(),
        arn: arn(cx.scope, &format!("addon/{}/{name}/{}", cluster.name, new_uuid(cx))),
        origin: origin.clone(),
        created: now,
        modified: now,
        gone: None,
        version: wanted.version,
        configuration: wanted.configuration,
        role: params.text("serviceAccountRoleArn").map(str::to_owned),
        namespace: namespace.unwrap_or(wanted.known.namespace).to_owned(),
        failure: conflict.then(|| {
            (
                "ConfigurationConflict".to_owned(),
                "Conflicts found when trying to apply. Will not continue due to resolve conflicts mode.".to_owned(),
            )
        }),
        tags,
        updates: Vec::new(),
    };
    associate(cx, params, &addon, &origin)?;
    let stored = asked_mut(cx, params)?;
    if name == "vpc-cni" {
        stored.networked.get_or_insert(now);
    }
    stored.addons.insert(name.to_owned(), addon);
    let (cluster, addon) = found(&cx.view(), params)?;
    Ok(json!({"addon": addon.write(&cx.view(), cluster)}).into())
}

/// Gives the add-on's service accounts the roles that the request names, and no others.
fn associate(
    cx: &mut Cx<'_>,
    params: &Params,
    addon: &Addon,
    origin: &Origin,
) -> Result<(), Failure> {
    if params.get("podIdentityAssociations").is_none() {
        return Ok(());
    }
    let cluster = asked_mut(cx, params)?;
    let name = cluster.name.clone();
    cluster.identities.retain(|_, identity| identity.owner.as_ref() != Some(&addon.arn));
    for given in params.list("podIdentityAssociations") {
        let account = given["serviceAccount"].as_str().unwrap_or_default();
        let taken = asked(&cx.view(), params)?.identities.values().any(|identity| {
            identity.namespace == addon.namespace && identity.service_account == account
        });
        if taken {
            return Err(invalid(format!("An association for {account} exists already")));
        }
        let new = pod_identity::New {
            namespace: &addon.namespace,
            service_account: account,
            role: given["roleArn"].as_str().unwrap_or_default(),
            origin: origin.clone(),
            owner: Some(addon.arn.clone()),
        };
        let made = pod_identity::make(cx, &name, new);
        asked_mut(cx, params)?.identities.insert(made.id.clone(), made);
    }
    Ok(())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let (cluster, addon) = found(view, params)?;
    Ok(json!({"addon": addon.write(view, cluster)}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let names = asked(view, params)?.addons.keys();
    paged(view, params, "addons", names.map(|name| (name.clone(), Value::from(name.as_str()))))
}

pub(super) fn update(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let origin = Origin::of(params);
    let view = cx.view();
    let (cluster, addon) = found(&view, params)?;
    if let Some(known) = addon.updates.iter().find(|update| origin.is_again(&update.origin)) {
        return Ok(json!({"update": known.write(now)}).into());
    }
    if let status @ ("CREATING" | "UPDATING" | "DELETING") = addon.status(&view, cluster) {
        return Err(in_use(format!(
            "Addon {} cannot be updated as it is currently in {status} state",
            addon.name
        )));
    }
    let wanted = wanted(cx, params, cluster, Some(addon))?;
    let mut changed = addon.clone();
    let mut shown = vec![("AddonVersion".to_owned(), wanted.version.clone())];
    if let Some(mode) = params.text("resolveConflicts") {
        shown.push(("ResolveConflicts".to_owned(), mode.to_owned()));
    }
    if params.get("configurationValues").is_some() {
        shown.push(("ConfigurationValues".to_owned(), json!(wanted.configuration).to_string()));
        changed.configuration = wanted.configuration;
    }
    if let Some(role) = params.text("serviceAccountRoleArn") {
        shown.push(("ServiceAccountRoleArn".to_owned(), role.to_owned()));
        changed.role = Some(role.to_owned());
    }
    changed.version = wanted.version;
    changed.modified = now;
    // An update with the right mode mends what a conflict had broken.
    if params.text("resolveConflicts").is_some_and(|mode| mode != "NONE") {
        changed.failure = None;
    }
    let update = Update {
        id: new_uuid(cx),
        origin: origin.clone(),
        kind: "AddonUpdate".to_owned(),
        params: shown,
        created: now,
        ends: now.plus(UPDATING),
    };
    let answer = json!({"update": update.write(now)});
    changed.updates.push(update);
    associate(cx, params, &changed, &origin)?;
    asked_mut(cx, params)?.addons.insert(changed.name.clone(), changed);
    Ok(answer.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let view = cx.view();
    let (cluster, addon) = found(&view, params)?;
    if let status @ ("UPDATING" | "DELETING") = addon.status(&view, cluster) {
        return Err(in_use(format!(
            "Addon {} cannot be deleted as it is currently in {status} state",
            addon.name
        )));
    }
    let mut going = addon.clone();
    going.gone = Some(now.plus(DELETING));
    asked_mut(cx, params)?.addons.insert(going.name.clone(), going);
    let (cluster, addon) = found(&cx.view(), params)?;
    Ok(json!({"addon": addon.write(&cx.view(), cluster)}).into())
}
