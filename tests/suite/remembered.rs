//! What is looked for by the names in the record, so that nobody has to list all that the account
//! has: what a run made that died before it could say so is found all the same, although no spec
//! asks for it any more; and so is everything where the record is lost.

use super::deployment::{Deployment, End, spec};
use super::dying::LEASE;
use super::picture::difference;
use coderctl::plan::{Action, Options};
use coderctl::sandbox::{Effect, Fault, Faults, Stop};

const SIMPLE: &str = "examples/sr-simple.yaml";

/// The call that makes one more thing, and what asks for it.
const MORE: [(&str, &str, &str); 3] = [
    (
        "eks:CreateAddon",
        "cluster.addons={vpc-cni: {}, kube-proxy: {}, eks-pod-identity-agent: {}, coredns: {}, \
         aws-ebs-csi-driver: {}, metrics-server: {}}",
        "us-east-1/cluster/addon/metrics-server",
    ),
    (
        "eks:CreateNodegroup",
        "cluster.node_groups.more={tier: workspace, instance_types: [m6i.large], min_size: 1, max_size: 1}",
        "us-east-1/cluster/node-group/more",
    ),
    (
        "logs:CreateLogGroup",
        "log_groups.more={name: /elsewhere/more, retention_days: 30}",
        "us-east-1/observability/log-group/more",
    ),
];

#[tokio::test(start_paused = true)]
async fn what_a_dead_run_made_is_found_although_nobody_asks_for_it() {
    let made = Deployment::new(41);
    let plain = spec(SIMPLE, &[]);
    made.done(&plain, &Options::default()).await;
    let before = made.picture().await;
    for (call, set, address) in MORE {
        let account = made.fork();
        let died = Fault::on_operation(call, Effect::Stop(Stop::After));
        account.sandbox.set_faults(Faults::script([died]));
        let more = spec(SIMPLE, &[set]);
        assert_eq!(account.run(&more, &Options::default()).await, End::Died, "{call}");
        account.sandbox.set_faults(Faults::none());
        account.pass(LEASE).await;
        // The user has thought better of it.
        let plan = account.plan(&plain, &Options::default()).await;
        let goes = plan.items.iter().find(|item| item.address.as_str() == address);
        let goes = goes.unwrap_or_else(|| panic!("{call}: {address} is not seen"));
        assert_eq!(goes.action, Action::Delete, "{call}");
        account.done(&plain, &Options::default()).await;
        assert_eq!(difference(&account.picture().await, &before), "", "{call}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_record_all_is_found() {
    let account = Deployment::new(42);
    let [addon, group, log] = MORE.map(|(_, set, _)| set);
    account.done(&spec(SIMPLE, &[addon, group, log]), &Options::default()).await;
    let s3 = aws_sdk_s3::Client::new(&account.config());
    let bucket = s3.list_buckets().send().await.unwrap().buckets()[0].name().unwrap().to_owned();
    for name in ["record.json", "applied.json", "intents.jsonl"] {
        let key = format!("coder-prod/{name}");
        s3.delete_object().bucket(&bucket).key(key).send().await.unwrap();
    }
    let silent = spec(SIMPLE, &["database.log_exports=false"]);
    let plan = account.plan(&silent, &Options::default()).await;
    let logs = "us-east-1/database/log-group/postgresql";
    for address in [MORE[0].2, MORE[1].2, logs] {
        let goes = plan.items.iter().find(|item| item.address.as_str() == address);
        assert_eq!(goes.map(|item| item.action), Some(Action::Delete), "{address}");
    }
    // The database writes to it until it is told not to, and would make it again.
    let step = plan.steps.iter().find(|step| step.name.address.as_str() == logs).unwrap();
    let waits = step.after.iter().map(|wait| plan.steps[wait.step].name.address.as_str());
    assert_eq!(waits.collect::<Vec<_>>(), ["us-east-1/database/cluster"]);
    account.done(&silent, &Options::default()).await;
    account.pass(7200).await;
    assert_eq!(account.left(&silent, &Options::default()).await, "");
}
