//! What the server may do in the cluster: make, change and remove workspaces, and nothing else.

use super::labels::{self, SERVER};
use crate::spec::types::coder::Coder;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

/// The name of the role in the namespace of workspaces.
const ROLE: &str = "coder-workspace-perms";

pub(super) fn service_account(coder: &Coder) -> ServiceAccount {
    ServiceAccount {
        metadata: labels::metadata(&coder.namespace, SERVER),
        // Pods that name it say themselves whether they want its token.
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// Pods, their volumes and their Deployments, in the namespace of workspaces alone. Templates that
/// make anything else need a role of their own.
pub(super) fn role(coder: &Coder) -> Role {
    let verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
    let rule = |group: &str, resource: &str| PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(vec![resource.to_owned()]),
        verbs: verbs.map(str::to_owned).to_vec(),
        ..PolicyRule::default()
    };
    Role {
        metadata: labels::metadata(&coder.workspace_namespace, ROLE),
        rules: Some(vec![
            rule("", "pods"),
            rule("", "persistentvolumeclaims"),
            rule("apps", "deployments"),
        ]),
    }
}

/// The role is bound where workspaces are, to the account where the server is.
pub(super) fn role_binding(coder: &Coder) -> RoleBinding {
    RoleBinding {
        metadata: labels::metadata(&coder.workspace_namespace, ROLE),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: ROLE.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: SERVER.to_owned(),
            namespace: Some(coder.namespace.clone()),
            ..Subject::default()
        }]),
    }
}
