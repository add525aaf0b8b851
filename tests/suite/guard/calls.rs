//! What a plan of an unchanged deployment asks AWS: one list a kind, and what is explained here.

use super::deployment::{World, path, spec};
use coderctl::plan::Options;
use std::fmt::Write;

#[tokio::test(start_paused = true)]
async fn a_plan_with_nothing_to_do_asks_each_kind_once() {
    let world = World::new();
    let wanted = spec(path("examples/network.yaml"), &[]);
    world.apply(&wanted).await;
    let mut session = world.open(&wanted).await.unwrap();
    let plan = session.plan(&Options::default()).await.plan;
    assert!(plan.is_empty());
    let mut calls = String::new();
    for (operation, count) in session.clients.counts().by_operation() {
        writeln!(calls, "{count:>4} {operation}").unwrap();
    }
    // Beside one list a kind:
    // - sts:GetCallerIdentity, ec2:DescribeAvailabilityZones: who and where we are, once a command.
    // - s3:GetObject: the record, what was applied, the intents, the lock.
    // - ec2:DescribeVpcAttribute: DescribeVpcs leaves the two DNS attributes out, and each is a
    //   call of its own.
    // - ec2:DescribeSecurityGroups twice: the groups of the deployment, and the default group of
    //   its VPC.
    // - ec2:DescribeLaunchTemplateVersions: DescribeLaunchTemplates leaves out what they say.
    // - iam:GetAccountAuthorizationDetails: ListRoles gives neither tags nor policies.
    // - logs:ListTagsForResource: DescribeLogGroups gives no tags; one call a log group of ours.
    insta::assert_snapshot!(calls);
}
