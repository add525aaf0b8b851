//! EKS: clusters, node groups, add-ons, access entries, pod identity associations. The Kubernetes
//! API of a cluster is not in here; `nodes` and `clusters` say what it has to know.

mod access_entry;
mod access_policy;
mod addon;
mod addon_version;
mod cloud;
mod cluster;
mod cluster_update;
mod cluster_version;
mod encryption;
mod model;
mod network;
mod node;
mod node_group;
mod node_group_update;
mod pod_identity;
mod scaling;
mod settle;
mod tags;
mod update;
mod words;

pub(crate) use cloud::Around;
pub(crate) use model::Eks;
pub use node::{Access, Endpoint, Node};
pub(crate) use node::{clusters, nodes};
pub(crate) use settle::{is_due, settle};

use super::service::{Operation, Service};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "eks",
    protocol: Protocol::RestJson,
    xmlns: "",
    throttling: (429, "ThrottlingException"),
    law: include_str!("../law/eks.json"),
    operations: &[
        Operation::write("CreateCluster", cluster::create),
        Operation::read("DescribeCluster", cluster::describe),
        Operation::read("ListClusters", cluster::list),
        Operation::write("DeleteCluster", cluster::delete),
        Operation::write("UpdateClusterConfig", cluster_update::config),
        Operation::write("UpdateClusterVersion", cluster_update::version),
        Operation::write("AssociateEncryptionConfig", encryption::associate),
        Operation::read("DescribeClusterVersions", cluster_version::describe),
        Operation::read("DescribeUpdate", update::describe),
        Operation::read("ListUpdates", update::list),
        Operation::write("CreateNodegroup", node_group::create),
        Operation::read("DescribeNodegroup", node_group::describe),
        Operation::read("ListNodegroups", node_group::list),
        Operation::write("DeleteNodegroup", node_group::delete),
        Operation::write("UpdateNodegroupConfig", node_group_update::config),
        Operation::write("UpdateNodegroupVersion", node_group_update::version),
        Operation::write("CreateAddon", addon::create),
        Operation::read("DescribeAddon", addon::describe),
        Operation::read("ListAddons", addon::list),
        Operation::write("UpdateAddon", addon::update),
        Operation::write("DeleteAddon", addon::delete),
        Operation::read("DescribeAddonVersions", addon_version::describe),
        Operation::read("DescribeAddonConfiguration", addon_version::configuration),
        Operation::write("CreateAccessEntry", access_entry::create),
        Operation::read("DescribeAccessEntry", access_entry::describe),
        Operation::read("ListAccessEntries", access_entry::list),
        Operation::write("UpdateAccessEntry", access_entry::update),
        Operation::write("DeleteAccessEntry", access_entry::delete),
        Operation::write("AssociateAccessPolicy", access_policy::associate),
        Operation::write("DisassociateAccessPolicy", access_policy::disassociate),
        Operation::read("ListAssociatedAccessPolicies", access_policy::list_associated),
        Operation::read("ListAccessPolicies", access_policy::list),
        Operation::write("CreatePodIdentityAssociation", pod_identity::create),
        Operation::read("DescribePodIdentityAssociation", pod_identity::describe),
        Operation::read("ListPodIdentityAssociations", pod_identity::list),
        Operation::write("UpdatePodIdentityAssociation", pod_identity::update),
        Operation::write("DeletePodIdentityAssociation", pod_identity::delete),
        Operation::write("TagResource", tags::tag),
        Operation::write("UntagResource", tags::untag),
        Operation::read("ListTagsForResource", tags::list),
    ],
    route: None,
};
