//! Access entries: IAM principals that a cluster's API lets in.

use super::model::{AccessEntry, Cluster, Origin, Tags};
use super::words::{
    arn, asked, asked_mut, in_use, invalid, letters, missing, paged, read_tags, refused,
};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Types of entries for nodes, with the name that their nodes have.
const NODE_TYPES: &[(&str, &str)] = &[
    ("EC2_LINUX", "system:node:{{EC2PrivateDNSName}}"),
    ("EC2_WINDOWS", "system:node:{{EC2PrivateDNSName}}"),
    ("FARGATE_LINUX", "system:node:{{SessionName}}"),
    ("EC2", "system:node:{{EC2PrivateDNSName}}"),
];

impl AccessEntry {
    /// An entry as nothing but its principal and type make it.
    pub(super) fn plain(cx: &Cx<'_>, cluster: &Cluster, principal: &str, kind: &str) -> Self {
        let node = NODE_TYPES.iter().find(|(known, _)| *known == kind);
        let (username, groups) = match node {
            Some((_, name)) => ((*name).to_owned(), vec!["system:nodes".to_owned()]),
            None => (username_of(principal), Vec::new()),
        };
        let resource = principal.splitn(6, ':').nth(5).unwrap_or_default();
        let (what, name) = resource.split_once('/').unwrap_or(("role", resource));
        let name = name.rsplit('/').next().unwrap_or(name);
        let account = &cx.scope.account;
        let id = letters(&format!("{}/{principal}/{}", cluster.arn, cx.now.0), 32);
        AccessEntry {
            principal: principal.to_owned(),
            arn: arn(
                cx.scope,
                &format!("access-entry/{}/{what}/{account}/{name}/{id}", cluster.name),
            ),
            origin: None,
            created: cx.now,
            modified: cx.now,
            username,
            groups,
            kind: kind.to_owned(),
            policies: BTreeMap::new(),
            tags: Tags::new(),
        }
    }

    fn write(&self, cluster: &str) -> Value {
        json!({
            "clusterName": cluster,
            "principalArn": self.principal,
            "kubernetesGroups": self.groups,
            "accessEntryArn": self.arn,
            "createdAt": self.created.seconds(),
            "modifiedAt": self.modified.seconds(),
            "tags": self.tags,
            "username": self.username,
            "type": self.kind,
        })
    }
}

/// A user is known by its ARN, a role by its sessions.
fn username_of(principal: &str) -> String {
    match principal.split_once(":role/") {
        None => principal.to_owned(),
        Some((head, path)) => {
            let head = head.replacen(":iam:", ":sts:", 1);
            let name = path.rsplit('/').next().unwrap_or(path);
            format!("{head}:assumed-role/{name}/{{{{SessionName}}}}")
        }
    }
}

pub(super) fn no_entry(principal: &str) -> Failure {
    missing(format!("The specified principalArn could not be found: {principal}."))
}

/// Access entries need a cluster that knows of them.
pub(super) fn must_have_entries(cluster: &Cluster) -> Result<(), Failure> {
    if cluster.authentication == "CONFIG_MAP" {
        return Err(refused(
            "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.",
        ));
    }
    Ok(())
}

fn check_principal(cx: &Cx<'_>, principal: &str) -> Result<(), Failure> {
    let own = format!("arn:{}:iam::{}:", cx.scope.partition(), cx.scope.account);
    let resource = principal.splitn(6, ':').nth(5).unwrap_or_default();
    if !principal.starts_with("arn:") || !principal.contains(":iam::") {
        return Err(invalid("The principalArn parameter format is not valid"));
    }
    if principal.starts_with(&own)
        && resource.starts_with("role/")
        && !cx.store.iam(cx.scope).knows(principal)
    {
        return Err(invalid("The specified principalArn is invalid: invalid principal."));
    }
    if resource.starts_with("role/") || resource.starts_with("user/") {
        return Ok(());
    }
    Err(invalid("The principalArn parameter format is not valid"))
}

fn check_groups(groups: &[&str]) -> Result<(), Failure> {
    match groups.iter().find(|group| group.starts_with("system:")) {
        Some(group) => Err(invalid(format!(
            "The kubernetes group name {group} is invalid, it cannot start with system:"
        ))),
        None => Ok(()),
    }
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let principal = params.required("principalArn");
    let cluster = asked(&cx.view(), params)?;
    let origin = Origin::of(params);
    must_have_entries(cluster)?;
    cluster.must_be_active(cx.now)?;
    if let Some(known) = cluster.entries.get(principal) {
        if known.origin.as_ref().is_some_and(|first| origin.is_again(first)) {
            return Ok(json!({"accessEntry": known.write(&cluster.name)}).into());
        }
        return Err(in_use(
            "The specified access entry resource is already in use on this cluster.",
        ));
    }
    check_principal(cx, principal)?;
    let kind = params.text("type").unwrap_or("STANDARD");
    if kind != "STANDARD" && NODE_TYPES.iter().all(|(known, _)| *known != kind) {
        return Err(invalid(format!("The type {kind} is not valid")));
    }
    let groups = params.texts("kubernetesGroups");
    check_groups(&groups)?;
    if kind != "STANDARD" && (!groups.is_empty() || params.text("username").is_some()) {
        return Err(invalid(format!("Entries of type {kind} take no groups and no username")));
    }
    let mut entry = AccessEntry::plain(cx, cluster, principal, kind);
    entry.origin = Some(origin);
    if kind == "STANDARD" {
        entry.groups = groups.into_iter().map(str::to_owned).collect();
    }
    if let Some(username) = params.text("username") {
        entry.username = username.to_owned();
    }
    entry.tags = read_tags(params)?;
    let answer = json!({"accessEntry": entry.write(&cluster.name)});
    asked_mut(cx, params)?.entries.insert(principal.to_owned(), entry);
    Ok(answer.into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let principal = params.required("principalArn");
    let cluster = asked(view, params)?;
    must_have_entries(cluster)?;
    let entry = cluster.entries.get(principal).ok_or_else(|| no_entry(principal))?;
    Ok(json!({"accessEntry": entry.write(&cluster.name)}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let cluster = asked(view, params)?;
    must_have_entries(cluster)?;
    let policy = params.text("associatedPolicyArn");
    let has = |entry: &&AccessEntry| policy.is_none_or(|arn| entry.policies.contains_key(arn));
    let entries = cluster.entries.values().filter(has);
    let items = entries.map(|e| (e.principal.clone(), Value::from(e.principal.as_str())));
    paged(view, params, "accessEntries", items)
}

pub(super) fn update(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (now, principal) = (cx.now, params.required("principalArn"));
    let groups = params.texts("kubernetesGroups");
    check_groups(&groups)?;
    let cluster = asked_mut(cx, params)?;
    must_have_entries(cluster)?;
    let name = cluster.name.clone();
    let entry = cluster.entries.get_mut(principal).ok_or_else(|| no_entry(principal))?;
    if entry.kind != "STANDARD" {
        return Err(refused(format!("Access entries of type {} can't be changed.", entry.kind)));
    }
    if params.get("kubernetesGroups").is_some() {
        entry.groups = groups.into_iter().map(str::to_owned).collect();
    }
    if let Some(username) = params.text("username") {
        entry.username = username.to_owned();
    }
    entry.modified = now;
    Ok(json!({"accessEntry": entry.write(&name)}).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let principal = params.required("principalArn");
    let cluster = asked_mut(cx, params)?;
    must_have_entries(cluster)?;
    cluster.entries.remove(principal).ok_or_else(|| no_entry(principal))?;
    Ok(json!({}).into())
}
