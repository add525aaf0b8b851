//! Access policies: AWS's own, associated with access entries.

use super::model::{AccessEntry, Association};
use super::words::{asked, asked_mut, invalid, missing, paged, refused, strings};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Scope;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// <https://docs.aws.amazon.com/eks/latest/userguide/access-policy-permissions.html>
const POLICIES: &[&str] = &[
    "AmazonEKSAdminPolicy",
    "AmazonEKSAdminViewPolicy",
    "AmazonEKSAutoNodePolicy",
    "AmazonEKSBlockStorageClusterPolicy",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterAdminPolicy",
    "AmazonEKSComputeClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSEditPolicy",
    "AmazonEKSLoadBalancingClusterPolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingClusterPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSSecretReaderPolicy",
    "AmazonEKSViewPolicy",
];

fn arn_of(scope: &Scope, name: &str) -> String {
    format!("arn:{}:eks::aws:cluster-access-policy/{name}", scope.partition())
}

/// What the maker of a cluster gets.
pub(super) fn cluster_admin(cx: &Cx<'_>) -> BTreeMap<String, Association> {
    let association = Association {
        scope: json!({"type": "cluster", "namespaces": []}),
        associated: cx.now,
        modified: cx.now,
    };
    BTreeMap::from([(arn_of(cx.scope, "AmazonEKSClusterAdminPolicy"), association)])
}

fn write(policy: &str, association: &Association) -> Value {
    json!({
        "policyArn": policy,
        "accessScope": association.scope,
        "associatedAt": association.associated.seconds(),
        "modifiedAt": association.modified.seconds(),
    })
}

/// Associating twice sets the scope anew.
pub(super) fn associate(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (now, policy) = (cx.now, params.required("policyArn"));
    let scope = access_scope(params.get("accessScope").unwrap_or(&Value::Null))?;
    let known = POLICIES.iter().any(|name| arn_of(cx.scope, name) == policy);
    let entry = entry_mut(cx, params)?;
    if !known {
        return Err(invalid("The policyArn parameter format is not valid"));
    }
    if entry.kind != "STANDARD" {
        return Err(refused(format!("Access entries of type {} have no policies.", entry.kind)));
    }
    let before = entry.policies.get(policy);
    let association = Association {
        scope,
        associated: before.map_or(now, |before| before.associated),
        modified: now,
    };
    let answer = json!({
        "clusterName": params.required("clusterName"),
        "principalArn": entry.principal,
        "associatedAccessPolicy": write(policy, &association),
    });
    entry.policies.insert(policy.to_owned(), association);
    entry.modified = now;
    Ok(answer.into())
}

fn access_scope(given: &Value) -> Result<Value, Failure> {
    let namespaces = strings(given, "namespaces");
    match given["type"].as_str() {
        Some("cluster") if namespaces.is_empty() => {
            Ok(json!({"type": "cluster", "namespaces": []}))
        }
        Some("namespace") if !namespaces.is_empty() => {
            Ok(json!({"type": "namespace", "namespaces": namespaces}))
        }
        Some("namespace") => Err(invalid("Namespaces must be given for type namespace")),
        _ => Err(invalid("Namespaces can't be given for type cluster")),
    }
}

fn entry_mut<'a>(cx: &'a mut Cx<'_>, params: &Params) -> Result<&'a mut AccessEntry, Failure> {
    let principal = params.required("principalArn");
    let entry = asked_mut(cx, params)?.entries.get_mut(principal);
    entry.ok_or_else(|| super::access_entry::no_entry(principal))
}

pub(super) fn disassociate(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let entry = entry_mut(cx, params)?;
    if entry.policies.remove(params.required("policyArn")).is_none() {
        return Err(missing("The specified associated access policy could not be found."));
    }
    entry.modified = now;
    Ok(json!({}).into())
}

pub(super) fn list_associated(view: &View<'_>, params: &Params) -> Answer {
    let principal = params.required("principalArn");
    let entry = asked(view, params)?.entries.get(principal);
    let entry = entry.ok_or_else(|| super::access_entry::no_entry(principal))?;
    let items = entry.policies.iter();
    let items = items.map(|(policy, association)| (policy.clone(), write(policy, association)));
    let answer = paged(view, params, "associatedAccessPolicies", items)?;
    let crate::sandbox::wire::reply::Reply::Tree(mut tree) = answer else { return Ok(answer) };
    tree["clusterName"] = params.required("clusterName").into();
    tree["principalArn"] = principal.into();
    Ok(tree.into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let items = POLICIES
        .iter()
        .map(|name| ((*name).to_owned(), json!({"name": name, "arn": arn_of(view.scope, name)})));
    paged(view, params, "accessPolicies", items)
}
