//! Databases of the sandbox.

use super::*;
use aws_sdk_rds::Client as Rds;
use aws_sdk_rds::types::{
    ApplyMethod, CloudwatchLogsExportConfiguration, Parameter, ServerlessV2ScalingConfiguration,
    Tag as RdsTag,
};

fn rds(sandbox: &Sandbox) -> Rds {
    Rds::new(&config(sandbox, "AKIDSANDBOX", "us-east-1"))
}

async fn pass(sandbox: &Sandbox, seconds: u64) {
    sandbox.clock().sleep(Duration::from_secs(seconds)).await;
}

fn capacity(min: f64, max: f64) -> ServerlessV2ScalingConfiguration {
    ServerlessV2ScalingConfiguration::builder().min_capacity(min).max_capacity(max).build()
}

/// A VPC with a subnet group in two zones.
async fn place(sandbox: &Sandbox) -> (String, Vec<String>) {
    let ec2 = client(sandbox);
    let vpc = vpc(&ec2, "10.0.0.0/16").await;
    let subnets = vec![
        subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1a").await,
        subnet(&ec2, &vpc, "10.0.1.0/24", "us-east-1b").await,
    ];
    let group = rds(sandbox).create_db_subnet_group().db_subnet_group_name("Data");
    let group = group.db_subnet_group_description("data").set_subnet_ids(Some(subnets.clone()));
    group.send().await.unwrap();
    (vpc, subnets)
}

fn cluster(
    rds: &Rds,
    id: &str,
) -> aws_sdk_rds::operation::create_db_cluster::builders::CreateDBClusterFluentBuilder {
    rds.create_db_cluster()
        .db_cluster_identifier(id)
        .engine("aurora-postgresql")
        .engine_version("16.4")
        .db_subnet_group_name("data")
        .master_username("coder")
        .master_user_password("first-password")
        .storage_encrypted(true)
        .serverless_v2_scaling_configuration(capacity(0.5, 4.0))
        .tags(RdsTag::builder().key("owner").value("me").build())
}

async fn status(rds: &Rds, id: &str) -> String {
    let found = rds.describe_db_clusters().db_cluster_identifier(id).send().await.unwrap();
    found.db_clusters()[0].status().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn subnet_groups_need_two_zones_and_stay_while_used() {
    let sandbox = sandbox();
    let (rds, ec2) = (rds(&sandbox), client(&sandbox));
    let (_, subnets) = place(&sandbox).await;
    let create = |name: &str, subnets: &[String]| {
        let call = rds.create_db_subnet_group().db_subnet_group_name(name);
        call.db_subnet_group_description("d").set_subnet_ids(Some(subnets.to_vec())).send()
    };
    assert_eq!(code(create("one", &subnets[..1]).await), "DBSubnetGroupDoesNotCoverEnoughAZs");
    assert_eq!(code(create("data", &subnets).await), "DBSubnetGroupAlreadyExists");
    let none = ["subnet-0123456789abcdef0".to_owned()];
    assert_eq!(code(create("none", &none).await), "InvalidSubnet");
    let found = rds.describe_db_subnet_groups().db_subnet_group_name("data").send().await.unwrap();
    let group = &found.db_subnet_groups()[0];
    assert_eq!(group.subnets().len(), 2);
    assert_eq!(group.subnets()[0].subnet_availability_zone().unwrap().name(), Some("us-east-1a"));
    assert_eq!(group.db_subnet_group_arn(), Some("arn:aws:rds:us-east-1:123456789012:subgrp:data"));

    cluster(&rds, "db").send().await.unwrap();
    let delete = || rds.delete_db_subnet_group().db_subnet_group_name("data").send();
    assert_eq!(code(delete().await), "InvalidDBSubnetGroupStateFault");
    rds.delete_db_cluster()
        .db_cluster_identifier("db")
        .skip_final_snapshot(true)
        .send()
        .await
        .unwrap();
    pass(&sandbox, 100).await;
    delete().await.unwrap();
    let found = rds.describe_db_subnet_groups().db_subnet_group_name("data").send().await;
    assert_eq!(code(found), "DBSubnetGroupNotFoundFault");
    ec2.delete_subnet().subnet_id(&subnets[0]).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn parameter_groups_know_what_was_set() {
    let sandbox = sandbox();
    let rds = rds(&sandbox);
    let create = || {
        let call = rds.create_db_cluster_parameter_group().db_cluster_parameter_group_name("pg");
        call.db_parameter_group_family("aurora-postgresql16").description("d").send()
    };
    create().await.unwrap();
    assert_eq!(code(create().await), "DBParameterGroupAlreadyExists");
    let set = |name: &str, value: &str, method: ApplyMethod| {
        let parameter = Parameter::builder().parameter_name(name).parameter_value(value);
        let call = rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name("pg");
        call.parameters(parameter.apply_method(method).build()).send()
    };
    set("rds.force_ssl", "1", ApplyMethod::Immediate).await.unwrap();
    let fixed = set("shared_preload_libraries", "pgaudit", ApplyMethod::Immediate).await;
    assert_eq!(code(fixed), "InvalidParameterCombination");
    assert_eq!(code(set("nonsense", "1", ApplyMethod::Immediate).await), "InvalidParameterValue");
    assert_eq!(
        code(set("rds.force_ssl", "2", ApplyMethod::Immediate).await),
        "InvalidParameterValue"
    );
    let of_user = || async {
        let call = rds.describe_db_cluster_parameters().db_cluster_parameter_group_name("pg");
        let found = call.source("user").send().await.unwrap();
        let name = |p: &Parameter| {
            (p.parameter_name().unwrap().to_owned(), p.parameter_value().unwrap().to_owned())
        };
        found.parameters().iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(of_user().await, [("rds.force_ssl".to_owned(), "1".to_owned())]);
    let many = (0..21).map(|_| Parameter::builder().parameter_name("x").build()).collect();
    let call = rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name("pg");
    assert_eq!(code(call.set_parameters(Some(many)).send().await), "InvalidParameterValue");
    let call = rds.reset_db_cluster_parameter_group().db_cluster_parameter_group_name("pg");
    call.reset_all_parameters(true).send().await.unwrap();
    assert!(of_user().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_lives_with_its_instance_and_its_interface() {
    let sandbox = sandbox();
    let (rds, ec2) = (rds(&sandbox), client(&sandbox));
    let (vpc, subnets) = place(&sandbox).await;
    let group = ec2.create_security_group().group_name("db").description("d").vpc_id(&vpc);
    let group = group.send().await.unwrap().group_id.unwrap();
    let logs = "postgresql";
    let made = cluster(&rds, "Db")
        .vpc_security_group_ids(&group)
        .enable_cloudwatch_logs_exports(logs)
        .deletion_protection(true)
        .send()
        .await
        .unwrap();
    let made = made.db_cluster().unwrap();
    assert_eq!(made.status(), Some("creating"));
    assert_eq!(made.db_cluster_identifier(), Some("db"));
    assert_eq!(made.availability_zones().len(), 3);
    assert_eq!(made.tag_list()[0].key(), Some("owner"));
    assert_eq!(made.vpc_security_groups()[0].vpc_security_group_id(), Some(group.as_str()));
    assert_eq!(code(cluster(&rds, "db").send().await), "DBClusterAlreadyExistsFault");

    let instance = || {
        let call =
            rds.create_db_instance().db_instance_identifier("db-0").engine("aurora-postgresql");
        call.db_cluster_identifier("db").db_instance_class("db.serverless").send()
    };
    assert_eq!(code(instance().await), "InvalidDBClusterStateFault");
    pass(&sandbox, 60).await;
    assert_eq!(status(&rds, "db").await, "available");
    instance().await.unwrap();
    assert_eq!(code(instance().await), "DBInstanceAlreadyExists");
    let found =
        || async { rds.describe_db_instances().send().await.unwrap().db_instances()[0].clone() };
    assert_eq!(found().await.db_instance_status(), Some("creating"));
    assert_eq!(
        code(ec2.delete_subnet().subnet_id(&subnets[0]).send().await),
        "DependencyViolation"
    );
    assert_eq!(
        code(ec2.delete_security_group().group_id(&group).send().await),
        "DependencyViolation"
    );
    pass(&sandbox, 381).await;
    assert_eq!(found().await.db_instance_status(), Some("available"));
    let written = rds.describe_db_clusters().send().await.unwrap();
    let members = written.db_clusters()[0].db_cluster_members();
    assert_eq!(members[0].is_cluster_writer(), Some(true));
    let interfaces = ec2.describe_network_interfaces();
    let interfaces = interfaces.filters(filter("group-id", &group)).send().await.unwrap();
    assert_eq!(interfaces.network_interfaces()[0].description(), Some("RDSNetworkInterface"));

    let cloudwatch =
        aws_sdk_cloudwatchlogs::Client::new(&config(&sandbox, "AKIDSANDBOX", "us-east-1"));
    pass(&sandbox, 60).await;
    let groups = cloudwatch.describe_log_groups().send().await.unwrap();
    assert_eq!(groups.log_groups()[0].log_group_name(), Some("/aws/rds/cluster/db/postgresql"));

    let delete =
        || rds.delete_db_cluster().db_cluster_identifier("db").skip_final_snapshot(true).send();
    assert_eq!(code(delete().await), "InvalidParameterCombination");
    let modify = rds.modify_db_cluster().db_cluster_identifier("db").deletion_protection(false);
    modify.send().await.unwrap();
    pass(&sandbox, 40).await;
    assert_eq!(code(delete().await), "InvalidDBClusterStateFault");
    rds.delete_db_instance().db_instance_identifier("db-0").send().await.unwrap();
    delete().await.unwrap();
    assert_eq!(status(&rds, "db").await, "deleting");
    pass(&sandbox, 240).await;
    let gone = rds.describe_db_instances().db_instance_identifier("db-0").send().await;
    assert_eq!(code(gone), "DBInstanceNotFound");
    ec2.delete_security_group().group_id(&group).send().await.unwrap();
    pass(&sandbox, 90).await;
    let gone = rds.describe_db_clusters().db_cluster_identifier("db").send().await;
    assert_eq!(code(gone), "DBClusterNotFoundFault");
}

#[tokio::test(start_paused = true)]
async fn changes_wait_for_the_window_unless_they_are_to_be_applied_at_once() {
    let sandbox = sandbox();
    let rds = rds(&sandbox);
    place(&sandbox).await;
    cluster(&rds, "db").send().await.unwrap();
    let modify = || rds.modify_db_cluster().db_cluster_identifier("db");
    let early = modify().backup_retention_period(7).send().await;
    assert_eq!(code(early), "InvalidDBClusterStateFault");
    pass(&sandbox, 60).await;
    assert_eq!(code(modify().backup_retention_period(90).send().await), "InvalidParameterValue");
    let logs = CloudwatchLogsExportConfiguration::builder().enable_log_types("postgresql").build();
    let call = modify().backup_retention_period(7).enable_iam_database_authentication(true);
    let call = call.cloudwatch_logs_export_configuration(logs);
    let answer = call.send().await.unwrap();
    let answer = answer.db_cluster().unwrap();
    assert_eq!(answer.backup_retention_period(), Some(1));
    assert_eq!(answer.pending_modified_values().unwrap().backup_retention_period(), Some(7));
    let call = modify().serverless_v2_scaling_configuration(capacity(1.0, 8.0));
    let answer = call.apply_immediately(true).send().await.unwrap();
    let answer = answer.db_cluster().unwrap();
    assert_eq!(answer.status(), Some("modifying"));
    assert_eq!(answer.backup_retention_period(), Some(7));
    assert_eq!(answer.iam_database_authentication_enabled(), Some(true));
    assert_eq!(answer.enabled_cloudwatch_logs_exports(), ["postgresql"]);
    assert!(answer.pending_modified_values().is_none());
    assert_eq!(answer.serverless_v2_scaling_configuration().unwrap().max_capacity(), Some(8.0));
    pass(&sandbox, 40).await;
    let down = modify().engine_version("15.10").apply_immediately(true).send().await;
    assert_eq!(code(down), "InvalidParameterCombination");
    let major = modify().engine_version("17.4").apply_immediately(true);
    assert_eq!(code(major.clone().send().await), "InvalidParameterCombination");
    major.allow_major_version_upgrade(true).send().await.unwrap();
    assert_eq!(status(&rds, "db").await, "upgrading");
}

#[tokio::test(start_paused = true)]
async fn the_master_password_changes_and_is_never_told() {
    let sandbox = sandbox();
    let rds = rds(&sandbox);
    place(&sandbox).await;
    cluster(&rds, "db").send().await.unwrap();
    assert!(sandbox.accepts_password("us-east-1", "db", "first-password"));
    assert!(!sandbox.accepts_password("us-east-1", "db", "second-password"));
    assert!(!sandbox.accepts_password("us-west-2", "db", "first-password"));
    pass(&sandbox, 60).await;
    let change = |password: &str| {
        rds.modify_db_cluster().db_cluster_identifier("db").master_user_password(password).send()
    };
    assert_eq!(code(change("short").await), "InvalidParameterValue");
    assert_eq!(code(change("not@allowed").await), "InvalidParameterValue");
    let answer = change("second-password").await.unwrap();
    assert!(!format!("{answer:?}").contains("second-password"));
    assert_eq!(status(&rds, "db").await, "resetting-master-credentials");
    let pending = || async {
        let found = rds.describe_db_clusters().db_cluster_identifier("db").send().await.unwrap();
        let pending = found.db_clusters()[0].pending_modified_values().cloned();
        pending.and_then(|pending| pending.master_user_password().map(str::to_owned))
    };
    // Until it is through, the old one is in force.
    assert_eq!(pending().await.as_deref(), Some("****"));
    assert!(sandbox.accepts_password("us-east-1", "db", "first-password"));
    pass(&sandbox, 20).await;
    assert_eq!(pending().await, None);
    assert!(sandbox.accepts_password("us-east-1", "db", "second-password"));
    assert!(!sandbox.accepts_password("us-east-1", "db", "first-password"));
    assert_eq!(status(&rds, "db").await, "available");
}

#[tokio::test(start_paused = true)]
async fn a_cluster_comes_back_from_its_last_snapshot() {
    let sandbox = sandbox();
    let rds = rds(&sandbox);
    place(&sandbox).await;
    cluster(&rds, "db").copy_tags_to_snapshot(true).send().await.unwrap();
    pass(&sandbox, 60).await;
    let delete = || rds.delete_db_cluster().db_cluster_identifier("db");
    assert_eq!(code(delete().send().await), "InvalidParameterCombination");
    delete().final_db_snapshot_identifier("last").send().await.unwrap();
    pass(&sandbox, 90).await;
    let found = rds.describe_db_cluster_snapshots().send().await.unwrap();
    let snapshot = &found.db_cluster_snapshots()[0];
    assert_eq!(snapshot.status(), Some("available"));
    assert_eq!(snapshot.tag_list()[0].key(), Some("owner"));
    let restore = rds.restore_db_cluster_from_snapshot().db_cluster_identifier("again");
    let restore = restore.engine("aurora-postgresql").db_subnet_group_name("data");
    let none = restore.clone().snapshot_identifier("none").send().await;
    assert_eq!(code(none), "DBClusterSnapshotNotFoundFault");
    let made = restore.snapshot_identifier("last").send().await.unwrap();
    assert_eq!(made.db_cluster().unwrap().master_username(), Some("coder"));
    assert!(sandbox.accepts_password("us-east-1", "again", "first-password"));
    pass(&sandbox, 360).await;
    let taken = rds.delete_db_cluster().db_cluster_identifier("again");
    let taken = taken.final_db_snapshot_identifier("last").send().await;
    assert_eq!(code(taken), "DBClusterSnapshotAlreadyExistsFault");
    let copy = rds.copy_db_cluster_snapshot().source_db_cluster_snapshot_identifier("last");
    copy.target_db_cluster_snapshot_identifier("copy").send().await.unwrap();
    pass(&sandbox, 90).await;
    rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier("copy").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn tags_and_what_can_be_ordered() {
    let sandbox = sandbox();
    let rds = rds(&sandbox);
    place(&sandbox).await;
    let arn = "arn:aws:rds:us-east-1:123456789012:subgrp:data";
    let tag = RdsTag::builder().key("a").value("b").build();
    rds.add_tags_to_resource().resource_name(arn).tags(tag).send().await.unwrap();
    let tags = rds.list_tags_for_resource().resource_name(arn).send().await.unwrap();
    assert_eq!(tags.tag_list()[0].value(), Some("b"));
    rds.remove_tags_from_resource().resource_name(arn).tag_keys("a").send().await.unwrap();
    let tags = rds.list_tags_for_resource().resource_name(arn).send().await.unwrap();
    assert!(tags.tag_list().is_empty());
    let none = rds.list_tags_for_resource().resource_name(arn.replace("data", "none")).send().await;
    assert_eq!(code(none), "DBSubnetGroupNotFoundFault");
    let call = rds.describe_db_engine_versions().engine("aurora-postgresql").engine_version("16.4");
    let versions = call.send().await.unwrap();
    assert_eq!(
        versions.db_engine_versions()[0].db_parameter_group_family(),
        Some("aurora-postgresql16")
    );
    let call = rds.describe_orderable_db_instance_options().engine("aurora-postgresql");
    let options =
        call.engine_version("16.4").db_instance_class("db.serverless").send().await.unwrap();
    assert_eq!(options.orderable_db_instance_options().len(), 1);
    assert!(rds.describe_global_clusters().send().await.unwrap().global_clusters().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_of_a_create_leaves_the_cluster() {
    let sandbox = sandbox();
    let rds = rds(&sandbox);
    place(&sandbox).await;
    let lost = Fault::on_operation("rds:CreateDBCluster", Effect::LoseAnswer);
    sandbox.set_faults(Faults::script([lost]));
    cluster(&rds, "db").send().await.unwrap_err();
    assert_eq!(code(cluster(&rds, "db").send().await), "DBClusterAlreadyExistsFault");
}
