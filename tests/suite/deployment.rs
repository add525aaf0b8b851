//! A deployment in an account of its own, on virtual time, driven as the commands drive it; and
//! pictures of accounts that can be compared.

use super::harness::{REGION, config};
use super::picture::picture;
use coderctl::aws::Clients;
use coderctl::cli::connect::{Connected, internet_of};
use coderctl::cli::drive::{Caller, Carried, carry_out};
use coderctl::cli::session::{Session, Target};
use coderctl::clock::Clock;
use coderctl::event::{Event, What};
use coderctl::kind::{Connectors, Tags};
use coderctl::kube::ClusterTransport;
use coderctl::plan::{Options, Plan};
use coderctl::sandbox::kube::{KubeSandbox, KubeService};
use coderctl::sandbox::{Clusters, Faults, Sandbox};
use coderctl::spec::{Input, Loaded, load};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// The small spec.
pub(crate) const SMALL: &str = "tests/suite/life/small.yaml";
/// The example.
pub(crate) const EXAMPLE: &str = "examples/network.yaml";

/// A spec below the repository, with `set` on top of it.
pub(crate) fn spec(file: &str, set: &[&str]) -> Loaded {
    let files = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file)];
    let set = set.iter().map(|line| (*line).to_owned()).collect();
    match load(&Input { files, set }) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems:?}"),
    }
}

/// What everything goes with.
pub(crate) fn destroy() -> Options {
    Options { destroy: true, ..Options::default() }
}

/// How a run that was begun came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Every step is done.
    Complete,
    /// Why not.
    Failed(String),
    /// The process died on the way.
    Died,
}

/// An account.
#[derive(Clone)]
pub(crate) struct Deployment {
    pub(crate) sandbox: Sandbox,
    /// The Kubernetes APIs of its clusters.
    clusters: Clusters,
    seed: u64,
}

impl Deployment {
    /// An account in which nothing was ever done.
    pub(crate) fn new(seed: u64) -> Deployment {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let sandbox = Sandbox::in_memory(Clock::starting_at(start, 1), seed);
        let clusters = Clusters::new(sandbox.clone(), "123456789012", None);
        Deployment { sandbox, clusters, seed }
    }

    /// An account that is as this one is now, with its clusters.
    pub(crate) fn fork(&self) -> Deployment {
        self.fork_on(self.sandbox.clock())
    }

    /// The same, in which it is `time` now.
    pub(crate) fn fork_at(&self, time: SystemTime) -> Deployment {
        self.fork_on(Clock::starting_at(time, 1))
    }

    fn fork_on(&self, clock: Clock) -> Deployment {
        let sandbox = self.sandbox.fork_on(clock);
        let clusters = self.clusters.fork(&sandbox);
        Deployment { sandbox, clusters, seed: self.seed }
    }

    /// Lets `seconds` pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.sandbox.clock().sleep(Duration::from_secs(seconds)).await;
    }

    pub(crate) async fn open(&self, spec: &Loaded) -> Result<Session, String> {
        self.session(Some(spec.clone()), Target::of(spec)).await
    }

    async fn session(&self, spec: Option<Loaded>, target: Target) -> Result<Session, String> {
        let clock = self.sandbox.clock();
        let clients = Clients::from_config(config(&self.sandbox), true, clock, self.seed);
        let clusters = self.clusters.clone();
        let transport = ClusterTransport::new(move |access| {
            let api = clusters
                .at(access.region.as_str(), &access.endpoint)
                .map_err(|error| coderctl::kind::Error::local(error.to_string()))?;
            Ok(kube::Client::new(KubeService::new(api), "default"))
        });
        let connectors = Connectors::default().with(clients.clone()).with(transport);
        let connected = Connected { clock, clients, connectors };
        Session::open(connected, spec, target, None)
            .await
            .map_err(|failure| format!("opening: {}", failure.message))
    }

    /// What a new process would do.
    pub(crate) async fn plan(&self, spec: &Loaded, options: &Options) -> Plan {
        self.open(spec).await.unwrap().plan(options).await.plan
    }

    /// What a new process would do, and how often it asks AWS what to find that out.
    pub(crate) async fn asked(&self, spec: &Loaded) -> (Plan, BTreeMap<String, u32>) {
        let mut session = self.open(spec).await.unwrap();
        let plan = session.plan(&Options::default()).await.plan;
        (plan, session.clients.counts().by_operation())
    }

    /// Plans and carries out, as one process does.
    async fn carry(&self, spec: &Loaded, options: &Options) -> Result<(), String> {
        self.carry_in(&mut self.open(spec).await?, options).await.map(drop)
    }

    /// A session that knows no more than the deployment's name and where its record is.
    pub(crate) async fn open_by_name(&self, spec: &Loaded) -> Result<Session, String> {
        let target = Target { account: None, tags: Tags::new(), ..Target::of(spec) };
        self.session(None, target).await
    }

    /// Destroys everything, knowing no more than the deployment's name and where its record is.
    pub(crate) async fn destroy_by_name(&self, spec: &Loaded) -> Result<(), String> {
        self.carry_in(&mut self.open_by_name(spec).await?, &destroy()).await.map(drop)
    }

    /// Plans and carries out; none where there is nothing to do.
    pub(crate) async fn carry_in(
        &self,
        session: &mut Session,
        options: &Options,
    ) -> Result<Option<Carried>, String> {
        let plan = session.plan(options).await.plan;
        if let Some(refusal) = plan.refusals.first() {
            return Err(format!("refused: {}", refusal.why));
        }
        if let Some(unread) = plan.unread.first() {
            return Err(format!("unread: {}: {}", unread.kind, unread.why));
        }
        if plan.is_empty() {
            return Ok(None);
        }
        let failed = Arc::new(Mutex::new(Vec::new()));
        let heard = failed.clone();
        let sink = Arc::new(move |event: Event| {
            if let What::StepFailed { step, error, .. } = event.what {
                let step = format!("{:?} {} {}: {error}", step.verb, step.kind, step.address);
                heard.lock().unwrap().push(step);
            }
        });
        let carried = carry_out(session, &plan, options, &Caller::default(), |_, _| sink)
            .await
            .map_err(|failure| format!("{:?}: {}", failure.exit, failure.message))?;
        if carried.outcome.is_complete() {
            return Ok(Some(carried));
        }
        let failed = failed.lock().unwrap().join("; ");
        Err(format!("steps failed: {failed}"))
    }

    /// Plans and carries out, and stops where the sandbox says that the process dies.
    pub(crate) async fn run(&self, spec: &Loaded, options: &Options) -> End {
        tokio::select! {
            biased;
            () = self.sandbox.stopped() => End::Died,
            end = self.carry(spec, options) => match end {
                Ok(()) => End::Complete,
                Err(why) => End::Failed(why),
            },
        }
    }

    /// Carries out, without trouble, and asserts that nothing is left to do.
    pub(crate) async fn done(&self, spec: &Loaded, options: &Options) {
        self.sandbox.set_faults(Faults::none());
        assert_eq!(self.run(spec, options).await, End::Complete);
        assert_eq!(self.left(spec, options).await, "");
    }

    /// What a plan would still do.
    pub(crate) async fn left(&self, spec: &Loaded, options: &Options) -> String {
        let plan = self.plan(spec, options).await;
        let steps =
            plan.steps.iter().map(|step| format!("{:?} {}", step.name.verb, step.name.address));
        let drift = plan.items.iter().filter(|item| !item.drift.is_empty());
        let drift = drift.map(|item| format!("drift {}: {:?}", item.address, item.drift));
        let refused = plan.refusals.iter().map(|refusal| refusal.why.clone());
        let unread = plan.unread.iter().map(|unread| format!("unread {}", unread.kind));
        steps.chain(drift).chain(refused).chain(unread).collect::<Vec<_>>().join("\n")
    }

    /// The Kubernetes API of its only cluster.
    pub(crate) fn kube(&self) -> kube::Client {
        let endpoint = self.sandbox.clusters("123456789012", REGION).remove(0);
        let api = self.clusters.at(REGION, &endpoint.url).unwrap();
        kube::Client::new(KubeService::new(api), "default")
    }

    /// The Kubernetes API of its first cluster.
    pub(crate) fn cluster(&self) -> KubeSandbox {
        let cluster = &self.sandbox.clusters("123456789012", "us-east-1")[0];
        self.clusters.at("us-east-1", &cluster.url).unwrap()
    }

    /// AWS, for what happens behind the deployment's back.
    pub(crate) fn config(&self) -> aws_config::SdkConfig {
        config(&self.sandbox)
    }

    /// A session that can reach the internet, as the program's own can.
    pub(crate) async fn online(&self, spec: &Loaded) -> Session {
        let mut session = self.open(spec).await.unwrap();
        let home = &spec.spec.home_region;
        let (dns, web) = internet_of(self.sandbox.clone(), self.clusters.clone(), home);
        session.cx = session.cx.with(dns).with(web);
        session
    }

    /// What is in the clusters, by name.
    pub(crate) fn inside(&self) -> BTreeMap<String, Value> {
        self.clusters.dump(REGION)
    }

    /// Loses the record of its deployment.
    pub(crate) async fn forget(&self) {
        let s3 = aws_sdk_s3::Client::new(&self.config());
        let buckets = s3.list_buckets().send().await.unwrap();
        let bucket = buckets.buckets()[0].name().unwrap();
        for name in ["record.json", "applied.json", "intents.jsonl"] {
            let key = format!("coder-prod/{name}");
            s3.delete_object().bucket(bucket).key(key).send().await.unwrap();
        }
    }

    /// EC2, for what happens behind the deployment's back.
    pub(crate) fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&config(&self.sandbox))
    }

    /// What is in the account and in its clusters, two hours from now, when what was deleted is no
    /// longer shown: one line a resource, in which ids are replaced by the address or by what the thing is.
    /// Times, addresses that AWS draws, the uid and the record are left out.
    pub(crate) async fn picture(&self) -> Vec<String> {
        self.pass(7200).await;
        self.ec2().describe_vpcs().send().await.unwrap();
        let clusters = self.clusters.dump(super::harness::REGION);
        picture(&self.sandbox.dump(), super::kube_picture::things(&clusters))
    }
}
