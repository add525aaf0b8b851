//! Managed policies. Only AWS's own are known, and of them those that a Coder deployment may use;
//! customer managed policies are not modelled.

use super::model::{no_such, of, of_mut, over, paged};
use super::service_linked::modifiable;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Scope;
use crate::sandbox::wire::params::Params;
use serde_json::json;

/// Managed policies per role (quota L-0DA4ABF3).
const PER_ROLE: usize = 10;

/// What stands behind `arn:aws:iam::aws:policy/`.
const AWS_MANAGED: &[&str] = &[
    "AdministratorAccess",
    "AmazonBedrockFullAccess",
    "AmazonEC2ContainerRegistryPullOnly",
    "AmazonEC2ContainerRegistryReadOnly",
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
    "AmazonEKSVPCResourceController",
    "AmazonEKSWorkerNodeMinimalPolicy",
    "AmazonEKSWorkerNodePolicy",
    "AmazonEKS_CNI_Policy",
    "AmazonS3ReadOnlyAccess",
    "AmazonSSMManagedInstanceCore",
    "CloudWatchAgentServerPolicy",
    "CloudWatchLogsFullAccess",
    "IAMReadOnlyAccess",
    "PowerUserAccess",
    "ReadOnlyAccess",
    "SecretsManagerReadWrite",
    "SecurityAudit",
    "job-function/ViewOnlyAccess",
    "service-role/AWSBackupServiceRolePolicyForBackup",
    "service-role/AWSBackupServiceRolePolicyForRestores",
    "service-role/AWS_ConfigRole",
    "service-role/AmazonEBSCSIDriverPolicy",
    "service-role/AmazonEFSCSIDriverPolicy",
    "service-role/AmazonRDSEnhancedMonitoringRole",
];

/// Refuses a managed policy that does not exist.
pub(super) fn check_policy(scope: &Scope, arn: &str) -> Result<(), Failure> {
    let own = format!("arn:{}:iam::aws:policy/", scope.partition());
    match arn.strip_prefix(&own) {
        Some(name) if AWS_MANAGED.contains(&name) => Ok(()),
        _ if !arn.starts_with("arn:") => {
            Err(Failure::new("InvalidInput", format!("ARN {arn} is not valid.")))
        }
        _ => Err(no_such(format!("Policy {arn} does not exist or is not attachable."))),
    }
}

pub(super) fn attach(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("PolicyArn");
    modifiable(of(&cx.view()).role(params.required("RoleName"))?)?;
    check_policy(cx.scope, arn)?;
    let role = of_mut(cx).role_mut(params.required("RoleName"))?;
    if !role.attached.contains(arn) && role.attached.len() >= PER_ROLE {
        return Err(over(format!("Cannot exceed quota for PoliciesPerRole: {PER_ROLE}")));
    }
    role.attached.insert(arn.to_owned());
    Ok(json!({}).into())
}

pub(super) fn detach(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let arn = params.required("PolicyArn");
    let role = of_mut(cx).role_mut(params.required("RoleName"))?;
    if role.attached.remove(arn) {
        Ok(json!({}).into())
    } else {
        Err(no_such(format!("Policy {arn} was not found.")))
    }
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let role = of(view).role(params.required("RoleName"))?;
    Ok(paged(view, params, "AttachedPolicies", role.attached_list())?.into())
}
