//! What a plan of SR-Simple that finds nothing to do asks AWS, and how often it waits for an
//! answer.

use super::deployment::{Deployment, spec};
use coderctl::plan::Options;
use coderctl::sandbox::{Effect, Fault, Faults, Matching};
use std::time::Duration;

const EXAMPLE: &str = "examples/sr-simple.yaml";

/// As many calls of AWS as a plan with nothing to do may take.
const MOST: u32 = 70;

/// What is asked more than once, how often, and why.
const MORE: &[(&str, u32, &str)] = &[
    ("ec2:DescribeSecurityGroups", 2, "those of the deployment, and the default one of its VPC"),
    ("ec2:DescribeVpcAttribute", 2, "DescribeVpcs leaves both DNS attributes out; one call each"),
    ("eks:DescribeAddon", 5, "ListAddons tells names only; one call each"),
    ("eks:DescribeNodegroup", 2, "ListNodegroups tells names only; one call each"),
    ("eks:DescribePodIdentityAssociation", 2, "the list leaves roles and tags out; one call each"),
    ("elasticloadbalancing:DescribeTags", 3, "of load balancers, target groups and listeners"),
    ("kms:DescribeKey", 2, "ListAliases tells a key's id only; one call each"),
    ("kms:GetKeyRotationStatus", 2, "DescribeKey leaves it out; one call each"),
    ("kms:ListResourceTags", 2, "DescribeKey leaves them out; one call each"),
    ("logs:ListTagsForResource", 3, "DescribeLogGroups leaves them out; one call each"),
    ("rds:ListTagsForResource", 2, "of the subnet group and of the parameter group"),
    ("s3:GetObject", 4, "the record, what was applied, the intents, the lock"),
    ("secretsmanager:DescribeSecret", 3, "ListSecrets may lag and hide a rotation; one call each"),
];

/// As long as one answer takes.
const ANSWER: Duration = Duration::from_millis(50);

/// As many answers as may be waited for one after the other.
const IN_A_ROW: u128 = 10;

#[tokio::test(start_paused = true)]
async fn a_plan_with_nothing_to_do_asks_little_and_all_at_once() {
    let account = Deployment::new(5);
    let spec = spec(EXAMPLE, &[]);
    account.done(&spec, &Options::default()).await;
    // Of AWS and of the cluster.
    let late = Fault::on(Matching::Any, Effect::Delay(ANSWER)).times(1_000_000);
    account.sandbox.set_faults(Faults::script([late]));
    let begun = tokio::time::Instant::now();
    let (plan, calls) = account.asked(&spec).await;
    let waited = begun.elapsed();
    assert!(plan.is_empty(), "{:?}", plan.steps);
    let total: u32 = calls.values().sum();
    let in_a_row = waited.as_millis() / ANSWER.as_millis();
    let lines = calls.iter().map(|(operation, count)| format!("{count:>3}  {operation}"));
    let ends = [format!("{total:>3}  in all"), format!("{in_a_row:>3}  answers in a row")];
    let lines = lines.chain(ends).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("calls_of_a_plan_with_nothing_to_do", lines);
    let more = calls.iter().filter(|(_, count)| **count > 1);
    let more: Vec<(&str, u32)> = more.map(|(name, count)| (name.as_str(), *count)).collect();
    let said: Vec<(&str, u32)> = MORE.iter().map(|(name, count, _)| (*name, *count)).collect();
    assert_eq!(more, said);
    assert!(total <= MOST, "{total} calls");
    assert!(in_a_row <= IN_A_ROW, "{in_a_row} answers in a row");
}
