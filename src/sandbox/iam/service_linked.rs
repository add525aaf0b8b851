//! Service-linked roles: made by a service for itself, or beforehand by whoever needs their ARN.

use super::model::{Role, of, of_mut, unique_id};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Services with such a role, and what stands behind `AWSServiceRoleFor` in its name
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html>).
const SERVICES: &[(&str, &str)] = &[
    ("autoscaling.amazonaws.com", "AutoScaling"),
    ("backup.amazonaws.com", "Backup"),
    ("ec2.amazonaws.com", "EC2"),
    ("eks.amazonaws.com", "AmazonEKS"),
    ("eks-fargate.amazonaws.com", "AmazonEKSForFargate"),
    ("eks-nodegroup.amazonaws.com", "AmazonEKSNodegroup"),
    ("elasticloadbalancing.amazonaws.com", "ElasticLoadBalancing"),
    ("rds.amazonaws.com", "RDS"),
    ("spot.amazonaws.com", "EC2Spot"),
];

/// What the path of every such role begins with.
const PATH: &str = "/aws-service-role/";

/// Refuses a change to a role that belongs to a service.
pub(super) fn modifiable(role: &Role) -> Result<(), Failure> {
    if role.path.starts_with(PATH) {
        let message = format!(
            "Cannot perform the operation on the protected role '{}' - this role is only modifiable by AWS",
            role.name
        );
        return Err(Failure::new("UnmodifiableEntity", message));
    }
    Ok(())
}

/// Makes the role of `service` unless it is there, as services do when they first need it.
pub(crate) fn ensure(cx: &mut Cx<'_>, service: &str) {
    let Some((_, name)) = SERVICES.iter().find(|(known, _)| *known == service) else { return };
    let name = format!("AWSServiceRoleFor{name}");
    if of(&cx.view()).role(&name).is_err() {
        let role = role(cx, service, name, None);
        of_mut(cx).roles.insert(role.name.to_lowercase(), role);
    }
}

fn role(cx: &mut Cx<'_>, service: &str, name: String, description: Option<String>) -> Role {
    let path = format!("{PATH}{service}/");
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": service},
            "Action": "sts:AssumeRole",
        }],
    });
    Role {
        id: unique_id(cx.store.random()),
        arn: format!("arn:{}:iam::{}:role{path}{name}", cx.scope.partition(), cx.scope.account),
        path,
        name,
        created: cx.now,
        trust: trust.to_string(),
        description,
        max_session: 3600,
        boundary: None,
        tags: BTreeMap::new(),
        inline: BTreeMap::new(),
        attached: BTreeSet::new(),
    }
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let service = params.required("AWSServiceName");
    let invalid = |message: String| Failure::new("InvalidInput", message);
    let Some((_, name)) = SERVICES.iter().find(|(known, _)| *known == service) else {
        return Err(invalid(format!("Unknown service principal: {service}")));
    };
    let suffix = match params.text("CustomSuffix") {
        // Of these services, only Auto Scaling allows several roles.
        Some(suffix) if *name == "AutoScaling" => format!("_{suffix}"),
        Some(_) => {
            return Err(invalid("Custom suffix is not allowed for this service".to_owned()));
        }
        None => String::new(),
    };
    let name = format!("AWSServiceRoleFor{name}{suffix}");
    if of(&cx.view()).role(&name).is_ok() {
        return Err(invalid(format!(
            "Service role name {name} has been taken in this account, please try a different suffix."
        )));
    }
    let role = role(cx, service, name, params.text("Description").map(str::to_owned));
    let answer = json!({"Role": role.whole()});
    of_mut(cx).roles.insert(role.name.to_lowercase(), role);
    Ok(answer.into())
}

/// Deletes at once, where AWS takes some seconds.
pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("RoleName");
    let role = of(&cx.view()).role(name)?;
    if !role.path.starts_with(PATH) {
        let message = format!("The role {name} is not a service-linked role.");
        return Err(Failure::new("InvalidInput", message));
    }
    let task = format!("task{}{}", role.path, role.name);
    let task = format!("{task}/{:016x}", cx.store.random());
    of_mut(cx).roles.remove(&name.to_lowercase());
    Ok(json!({"DeletionTaskId": task}).into())
}

pub(super) fn deletion_status(_: &View<'_>, params: &Params) -> Answer {
    if params.required("DeletionTaskId").starts_with(&format!("task{PATH}")) {
        return Ok(json!({"Status": "SUCCEEDED"}).into());
    }
    Err(super::model::no_such("The deletion task does not exist.".to_owned()))
}
