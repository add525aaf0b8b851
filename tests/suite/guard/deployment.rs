//! A deployment in an account of its own, on virtual time, driven as the commands drive it.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use coderctl::aws::Clients;
use coderctl::aws::secrets::SecretSources;
use coderctl::cli::connect::Connected;
use coderctl::cli::drive::{Caller, Carried, carry_out};
use coderctl::cli::failure::Failure;
use coderctl::cli::session::{Session, Target};
use coderctl::clock::Clock;
use coderctl::event::{Event, Sink};
use coderctl::kind::Connectors;
use coderctl::kube::Cluster;
use coderctl::plan::{Item, Options, Plan};
use coderctl::sandbox::kube::{KubeSandbox, KubeService};
use coderctl::sandbox::{Effect, Fault, Faults, Sandbox, SandboxHttp};
use coderctl::spec::{Input, Loaded, load};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// The region of all tests.
pub(super) const REGION: &str = "us-east-1";

/// A path below the repository.
pub(super) fn path(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// One of everything.
pub(super) fn small() -> PathBuf {
    path("tests/suite/guard/small.yaml")
}

/// A spec, with `set` on top of it.
pub(super) fn spec(file: PathBuf, set: &[&str]) -> Loaded {
    let set = set.iter().map(|line| (*line).to_owned()).collect();
    match load(&Input { files: vec![file], set }) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems:?}"),
    }
}

/// An account with its cluster.
#[derive(Clone)]
pub(super) struct World {
    pub(super) sandbox: Sandbox,
    pub(super) cluster: KubeSandbox,
    /// Every event of every run.
    pub(super) events: Arc<Mutex<Vec<Event>>>,
    /// The folder and the environment that secrets come from.
    pub(super) folder: PathBuf,
    pub(super) env: Vec<(String, String)>,
}

impl World {
    pub(super) fn new() -> World {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Clock::starting_at(start, 1);
        World {
            sandbox: Sandbox::in_memory(clock, 11),
            cluster: KubeSandbox::in_memory(clock, 11),
            events: Arc::default(),
            folder: path("tests/suite/guard"),
            env: Vec::new(),
        }
    }

    /// A config for clients that stand for everybody else.
    pub(super) fn config(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .http_client(SandboxHttp::new(self.sandbox.clone()))
            .sleep_impl(self.sandbox.clock())
            .time_source(self.sandbox.clock())
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "AKIDSANDBOX",
                "secret",
                None,
                None,
                "test",
            )))
            .build()
    }

    /// EC2, for what happens behind the deployment's back.
    pub(super) fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.config())
    }

    /// A process that connects: what it sends is counted for it alone.
    pub(super) fn connect(&self) -> Connected {
        let clock = self.sandbox.clock();
        let clients = Clients::from_config(self.config(), true, clock, 11);
        let env = self.env.clone();
        let secrets = SecretSources::new(self.folder.clone(), move |name| {
            env.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone())
        });
        let service = KubeService::new(self.cluster.clone());
        let connectors = Connectors::default()
            .with(clients.clone())
            .with(secrets)
            .with(Cluster::new(kube::Client::new(service, "default")));
        Connected { clock, clients, connectors }
    }

    pub(super) async fn open(&self, spec: &Loaded) -> Result<Session, Failure> {
        Session::open(self.connect(), Some(spec.clone()), Target::of(spec), None).await
    }

    pub(super) async fn plan(&self, spec: &Loaded, options: &Options) -> Plan {
        self.open(spec).await.unwrap().plan(options).await.plan
    }

    /// Plans and carries out, as one process does.
    pub(super) async fn run(&self, spec: &Loaded, options: &Options) -> Result<Carried, Failure> {
        let mut session = self.open(spec).await?;
        let plan = session.plan(options).await.plan;
        assert_eq!(plan.refusals, [], "the plan is refused");
        assert_eq!(plan.unread, [], "the plan is incomplete");
        self.carry_out(&mut session, &plan, options).await
    }

    /// Carries out what was planned.
    pub(super) async fn carry_out(
        &self,
        session: &mut Session,
        plan: &Plan,
        options: &Options,
    ) -> Result<Carried, Failure> {
        let sink = self.sink();
        carry_out(session, plan, options, &Caller::default(), |_, _| sink).await
    }

    fn sink(&self) -> Sink {
        let events = self.events.clone();
        Arc::new(move |event: Event| events.lock().unwrap().push(event))
    }

    /// Applies, and asserts that everything went well.
    pub(super) async fn apply(&self, spec: &Loaded) {
        self.done(spec, &Options::default()).await;
    }

    /// Destroys, and asserts that everything went well.
    pub(super) async fn destroy(&self, spec: &Loaded) {
        self.done(spec, &destroy()).await;
    }

    pub(super) async fn done(&self, spec: &Loaded, options: &Options) {
        let carried = self.run(spec, options).await.unwrap();
        let outcome = carried.outcome;
        assert!(outcome.is_complete(), "{:?} {:?}", outcome.failed, outcome.skipped);
    }

    /// Nothing is left to do.
    pub(super) async fn assert_converged(&self, spec: &Loaded) {
        let plan = self.plan(spec, &Options::default()).await;
        let acting: Vec<&Item> = plan.items.iter().filter(|item| item.acts()).collect();
        assert!(plan.is_empty() && acting.is_empty(), "{acting:?}");
        assert!(plan.refusals.is_empty() && plan.unread.is_empty(), "{:?}", plan.refusals);
    }

    /// From now on, every call of `operation` is refused as a missing permission.
    pub(super) fn deny(&self, operation: &str) {
        let code = if operation.starts_with("ec2:") {
            "UnauthorizedOperation"
        } else if operation.starts_with("iam:") {
            "AccessDenied"
        } else {
            "AccessDeniedException"
        };
        let effect = Effect::Error {
            status: 403,
            code: code.to_owned(),
            message: "you are not authorized to perform this operation".to_owned(),
        };
        self.sandbox
            .set_faults(Faults::script([Fault::on_operation(operation, effect).times(u32::MAX)]));
    }
}

/// To destroy everything.
pub(super) fn destroy() -> Options {
    Options { destroy: true, ..Options::default() }
}
