//! RDS: Aurora PostgreSQL clusters, their instances, snapshots, subnet groups and parameter groups.
//! One file a kind; `settle.rs` is what time does.

mod change;
mod cluster;
mod engine;
mod instance;
mod model;
mod parameter;
mod parameter_group;
mod settle;
mod snapshot;
mod subnet_group;
mod tags;

pub(crate) use model::Rds;
pub(crate) use settle::{is_due, settle};

use super::service::{Operation, Service};
use super::store::{Millis, Store};
use super::wire::Protocol;

pub(crate) static SERVICE: Service = Service {
    name: "rds",
    protocol: Protocol::AwsQuery,
    xmlns: "http://rds.amazonaws.com/doc/2014-10-31/",
    throttling: (400, "Throttling"),
    law: include_str!("../law/rds.json"),
    operations: &[
        Operation::write("CreateDBSubnetGroup", subnet_group::create),
        Operation::read("DescribeDBSubnetGroups", subnet_group::describe),
        Operation::write("ModifyDBSubnetGroup", subnet_group::modify),
        Operation::write("DeleteDBSubnetGroup", subnet_group::delete),
        Operation::write("CreateDBClusterParameterGroup", parameter_group::create),
        Operation::read("DescribeDBClusterParameterGroups", parameter_group::describe),
        Operation::read("DescribeDBClusterParameters", parameter_group::describe_parameters),
        Operation::write("ModifyDBClusterParameterGroup", parameter_group::modify),
        Operation::write("ResetDBClusterParameterGroup", parameter_group::reset),
        Operation::write("DeleteDBClusterParameterGroup", parameter_group::delete),
        Operation::write("CreateDBCluster", cluster::create),
        Operation::read("DescribeDBClusters", cluster::describe),
        Operation::write("ModifyDBCluster", change::modify),
        Operation::write("DeleteDBCluster", cluster::delete),
        Operation::write("RestoreDBClusterFromSnapshot", cluster::restore),
        Operation::write("CreateDBInstance", instance::create),
        Operation::read("DescribeDBInstances", instance::describe),
        Operation::write("ModifyDBInstance", instance::modify),
        Operation::write("DeleteDBInstance", instance::delete),
        Operation::write("CreateDBClusterSnapshot", snapshot::create),
        Operation::write("CopyDBClusterSnapshot", snapshot::copy),
        Operation::read("DescribeDBClusterSnapshots", snapshot::describe),
        Operation::write("DeleteDBClusterSnapshot", snapshot::delete),
        Operation::read("DescribeDBEngineVersions", engine::describe_versions),
        Operation::read("DescribeOrderableDBInstanceOptions", engine::describe_options),
        Operation::read("DescribeGlobalClusters", engine::describe_global_clusters),
        Operation::write("AddTagsToResource", tags::add),
        Operation::write("RemoveTagsFromResource", tags::remove),
        Operation::read("ListTagsForResource", tags::list),
    ],
    route: None,
};

/// Whether the cluster `id` of `region`, in any account, takes `password` for its master user.
/// False where there is no such cluster.
pub(crate) fn accepts_password(
    store: &Store,
    now: Millis,
    (region, id): (&str, &str),
    password: &str,
) -> bool {
    store
        .accounts
        .values()
        .filter_map(|account| account.regions.get(region)?.rds.clusters.get(id))
        .any(|cluster| cluster.password(now).is(password))
}
