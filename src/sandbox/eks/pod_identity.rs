//! Pod identity associations: roles for the pods of a service account.

use super::model::{Cluster, Origin, PodIdentity};
use super::words::{
    arn, asked, asked_mut, check_role, in_use, invalid, letters, missing, paged, read_tags,
};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

/// Who takes on the roles.
pub(super) const PRINCIPAL: &str = "pods.eks.amazonaws.com";

impl PodIdentity {
    fn brief(&self, cluster: &str) -> Value {
        json!({
            "clusterName": cluster,
            "namespace": self.namespace,
            "serviceAccount": self.service_account,
            "associationArn": self.arn,
            "associationId": self.id,
            "ownerArn": self.owner,
        })
    }

    fn whole(&self, cluster: &str) -> Value {
        let mut whole = self.brief(cluster);
        whole["roleArn"] = self.role.as_str().into();
        whole["tags"] = json!(self.tags);
        whole["createdAt"] = self.created.seconds().into();
        whole["modifiedAt"] = self.modified.seconds().into();
        whole["disableSessionTags"] = self.session_tags_disabled.into();
        if let Some(target) = &self.target_role {
            whole["targetRoleArn"] = target.as_str().into();
        }
        whole
    }
}

fn no_association(id: &str) -> Failure {
    missing(format!("The association with ID {id} could not be found."))
}

fn check(cx: &Cx<'_>, params: &Params) -> Result<(), Failure> {
    if params.get("policy").is_some() {
        return Err(invalid("The sandbox does not model session policies."));
    }
    match params.text("roleArn") {
        Some(role) => check_role(cx, role, PRINCIPAL),
        None => Ok(()),
    }
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (namespace, account) = (params.required("namespace"), params.required("serviceAccount"));
    let cluster = asked(&cx.view(), params)?;
    cluster.must_be_active(cx.now)?;
    let origin = Origin::of(params);
    let same =
        |known: &&PodIdentity| known.namespace == namespace && known.service_account == account;
    if let Some(known) = cluster.identities.values().find(same) {
        if origin.is_again(&known.origin) {
            return Ok(json!({"association": known.whole(&cluster.name)}).into());
        }
        return Err(in_use(format!("Association already exists: {}", known.id)));
    }
    check(cx, params)?;
    let tags = read_tags(params)?;
    let new = New {
        namespace,
        service_account: account,
        role: params.required("roleArn"),
        origin,
        owner: None,
    };
    let name = cluster.name.clone();
    let mut made = make(cx, &name, new);
    made.target_role = params.text("targetRoleArn").map(str::to_owned);
    made.session_tags_disabled = params.flag("disableSessionTags").unwrap_or(false);
    made.tags = tags;
    let answer = json!({"association": made.whole(&name)});
    asked_mut(cx, params)?.identities.insert(made.id.clone(), made);
    Ok(answer.into())
}

/// What makes an association.
pub(super) struct New<'a> {
    pub(super) namespace: &'a str,
    pub(super) service_account: &'a str,
    pub(super) role: &'a str,
    pub(super) origin: Origin,
    pub(super) owner: Option<String>,
}

pub(super) fn make(cx: &mut Cx<'_>, cluster: &str, new: New<'_>) -> PodIdentity {
    let id = format!("a-{}", letters(&cx.store.random().to_string(), 17));
    PodIdentity {
        arn: arn(cx.scope, &format!("podidentityassociation/{cluster}/{id}")),
        id,
        origin: new.origin,
        created: cx.now,
        modified: cx.now,
        namespace: new.namespace.to_owned(),
        service_account: new.service_account.to_owned(),
        role: new.role.to_owned(),
        target_role: None,
        session_tags_disabled: false,
        owner: new.owner,
        tags: super::model::Tags::new(),
    }
}

fn found<'a>(cluster: &'a Cluster, params: &Params) -> Result<&'a PodIdentity, Failure> {
    let id = params.required("associationId");
    cluster.identities.get(id).ok_or_else(|| no_association(id))
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let cluster = asked(view, params)?;
    Ok(json!({"association": found(cluster, params)?.whole(&cluster.name)}).into())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let cluster = asked(view, params)?;
    let (namespace, account) = (params.text("namespace"), params.text("serviceAccount"));
    let wanted = |identity: &&PodIdentity| {
        namespace.is_none_or(|namespace| namespace == identity.namespace)
            && account.is_none_or(|account| account == identity.service_account)
    };
    let identities = cluster.identities.values().filter(wanted);
    let items = identities.map(|identity| (identity.id.clone(), identity.brief(&cluster.name)));
    paged(view, params, "associations", items)
}

pub(super) fn update(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    found(asked(&cx.view(), params)?, params)?;
    check(cx, params)?;
    let cluster = asked_mut(cx, params)?;
    let (id, name) = (params.required("associationId"), cluster.name.clone());
    let identity = cluster.identities.get_mut(id).ok_or_else(|| no_association(id))?;
    if let Some(role) = params.text("roleArn") {
        identity.role = role.to_owned();
    }
    if let Some(target) = params.text("targetRoleArn") {
        identity.target_role = (!target.is_empty()).then(|| target.to_owned());
    }
    if let Some(disabled) = params.flag("disableSessionTags") {
        identity.session_tags_disabled = disabled;
    }
    identity.modified = now;
    Ok(json!({"association": identity.whole(&name)}).into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let cluster = asked_mut(cx, params)?;
    let (id, name) = (params.required("associationId"), cluster.name.clone());
    let gone = cluster.identities.remove(id).ok_or_else(|| no_association(id))?;
    Ok(json!({"association": gone.whole(&name)}).into())
}
