//! IAM: roles, their trust, their policies, and instance profiles. One set an account, the same in every region.

mod attached;
mod details;
mod inline;
mod instance_profile;
mod model;
mod role;
pub(crate) mod service_linked;
mod tags;

pub(crate) use model::Iam;

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "iam",
    protocol: Protocol::AwsQuery,
    xmlns: "https://iam.amazonaws.com/doc/2010-05-08/",
    throttling: (400, "Throttling"),
    law: include_str!("../law/iam.json"),
    operations: &[
        Operation::write("CreateRole", role::create),
        Operation::read("GetRole", role::get),
        Operation::read("ListRoles", role::list),
        Operation::write("UpdateAssumeRolePolicy", role::update_trust),
        Operation::write("UpdateRole", role::update),
        Operation::write("DeleteRole", role::delete),
        Operation::write("PutRolePermissionsBoundary", role::put_boundary),
        Operation::write("DeleteRolePermissionsBoundary", role::delete_boundary),
        Operation::write("PutRolePolicy", inline::put),
        Operation::read("GetRolePolicy", inline::get),
        Operation::read("ListRolePolicies", inline::list),
        Operation::write("DeleteRolePolicy", inline::delete),
        Operation::write("AttachRolePolicy", attached::attach),
        Operation::write("DetachRolePolicy", attached::detach),
        Operation::read("ListAttachedRolePolicies", attached::list),
        Operation::write("TagRole", tags::tag),
        Operation::write("UntagRole", tags::untag),
        Operation::read("ListRoleTags", tags::list),
        Operation::read("GetAccountAuthorizationDetails", details::get),
        Operation::write("CreateServiceLinkedRole", service_linked::create),
        Operation::write("DeleteServiceLinkedRole", service_linked::delete),
        Operation::read("GetServiceLinkedRoleDeletionStatus", service_linked::deletion_status),
        Operation::write("CreateInstanceProfile", instance_profile::create),
        Operation::read("GetInstanceProfile", instance_profile::get),
        Operation::read("ListInstanceProfiles", instance_profile::list),
        Operation::read("ListInstanceProfilesForRole", instance_profile::list_for_role),
        Operation::write("AddRoleToInstanceProfile", instance_profile::add_role),
        Operation::write("RemoveRoleFromInstanceProfile", instance_profile::remove_role),
        Operation::write("DeleteInstanceProfile", instance_profile::delete),
        Operation::write("TagInstanceProfile", instance_profile::tag),
        Operation::write("UntagInstanceProfile", instance_profile::untag),
        Operation::read("ListInstanceProfileTags", instance_profile::list_tags),
    ],
    route: None,
};
