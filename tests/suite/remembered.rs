//! What is looked for by the names in the record, so that nobody has to list all that the account
//! has: what a run made that died before it could say so is found all the same, although no spec
//! asks for it any more; and so is everything where the record is lost.

use super::deployment::{Deployment, End, destroy, spec};
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
    account.forget().await;
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

/// What a destroy has left that should not be left: a last snapshot, the key that it needs, and the
/// roles that AWS's services have made for themselves stay.
async fn remains(account: &Deployment, before: &[String]) -> Vec<String> {
    let stays = |line: &&str| {
        line.starts_with("+1 kms/keys ")
            || line.starts_with("+1 rds/snapshots ")
            || line.starts_with("+1 iam/roles ") && line.contains("/aws-service-role/")
    };
    let differs = difference(&account.picture().await, before);
    differs.lines().filter(|line| !stays(line)).map(str::to_owned).collect()
}

#[tokio::test(start_paused = true)]
async fn without_a_record_a_destroy_leaves_nothing_behind() {
    let (account, plain) = (Deployment::new(43), spec(SIMPLE, &[]));
    let before = account.fork().picture().await;
    account.done(&plain, &Options::default()).await;
    let records = |line: &&String| line.starts_with("+1 route53/records ");
    let made = remains(&account.fork(), &before).await;
    assert!(made.iter().filter(records).count() >= 6, "three records, and whose each is: {made:?}");
    let with_record = account.fork();
    account.forget().await;
    let by_name = account.fork();
    for account in [&with_record, &by_name] {
        account.destroy_by_name(&plain).await.unwrap();
    }
    account.done(&plain, &destroy()).await;
    for (account, how) in
        [(&with_record, "by name, with a record"), (&by_name, "by name"), (&account, "by the spec")]
    {
        assert_eq!(remains(account, &before).await, [""; 0], "{how}");
    }
}

/// A zone that the deployment has nothing in is in the account as well.
#[tokio::test(start_paused = true)]
async fn zones_are_looked_through_only_where_nothing_is_remembered() {
    let (account, plain) = (Deployment::new(44), spec(SIMPLE, &[]));
    let route53 = aws_sdk_route53::Client::new(&account.config());
    let other = route53.create_hosted_zone().name("elsewhere.example").caller_reference("a");
    other.send().await.unwrap();
    account.done(&plain, &Options::default()).await;
    let asked = async |account: &Deployment, by_name: bool| {
        let session = match by_name {
            true => account.open_by_name(&plain).await,
            false => account.open(&plain).await,
        };
        let mut session = session.unwrap();
        session.plan(&destroy()).await;
        let calls = session.clients.counts().by_operation();
        let of = |name: &str| calls.get(name).copied().unwrap_or(0);
        (of("route53:ListHostedZones"), of("route53:ListResourceRecordSets"))
    };
    assert_eq!(asked(&account, true).await, (0, 1), "what is remembered names the zone");
    account.forget().await;
    assert_eq!(asked(&account, false).await, (0, 1), "the spec names the zone");
    assert_eq!(asked(&account, true).await, (1, 2), "nobody names a zone");
}
