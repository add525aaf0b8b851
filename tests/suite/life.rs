//! A deployment's life: made, changed, damaged, mended and destroyed.

use super::deployment::{Deployment, EXAMPLE, SMALL, destroy, spec};
use super::picture::difference;
use coderctl::plan::Options;

#[tokio::test(start_paused = true)]
async fn the_example_lives_and_leaves_nothing() {
    lives(EXAMPLE, &["network.flow_logs.retention_days=30", "owner=others@example.com"]).await;
}

#[tokio::test(start_paused = true)]
async fn the_small_one_lives_through_every_change_in_place() {
    let changes = [
        "owner=others@example.com",
        "tags.cost-center=engineering",
        "network.flow_logs.retention_days=30",
        "network.security_groups.app.ingress.https.description=From the inside",
        "network.security_groups.app.ingress.http={port: 80, cidr: 10.0.0.0/8}",
        "network.endpoints.logs.private_dns=false",
        "network.endpoints.s3.policy={Version: \"2012-10-17\", Statement: [{Effect: Allow, Principal: \"*\", Action: \"s3:*\", Resource: \"*\"}]}",
        "roles.worker.max_session_seconds=7200",
        "roles.worker.description=For the workers",
        "roles.worker.managed_policy_arns=[\"arn:aws:iam::aws:policy/ReadOnlyAccess\"]",
        "log_groups.app.retention_days=7",
    ];
    lives(SMALL, &changes).await;
}

/// Every change alone, one after the other, and then back to where it began.
async fn lives(file: &str, changes: &[&str]) {
    let account = Deployment::new(5);
    let before = account.picture().await;
    let first = spec(file, &[]);
    account.done(&first, &Options::default()).await;
    let made = account.picture().await;
    for (n, _) in changes.iter().enumerate() {
        let changed = spec(file, &changes[..=n]);
        assert_ne!(account.left(&changed, &Options::default()).await, "", "{}", changes[n]);
        account.done(&changed, &Options::default()).await;
    }
    let changed = account.picture().await;
    assert_ne!(difference(&changed, &made), "");
    account.done(&first, &Options::default()).await;
    assert_eq!(difference(&account.picture().await, &made), "");
    account.done(&first, &destroy()).await;
    assert_eq!(difference(&account.picture().await, &before), "");
}
