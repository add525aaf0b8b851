//! What the tests of kinds share: a sandbox on virtual time, a context in it, and the steps that
//! the engine would take around a kind.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use coderctl::aws::Clients;
use coderctl::clock::Clock;
use coderctl::kind::{
    Cause, Change, Connectors, Cx, Deployment, Effect, Found, Kind, Listed, Nature, Ownership,
    Resolve, Seen, StepCx, Tags, Wanted, changes,
};
use coderctl::name::{AccountId, Address, DeploymentName, Partition, PhysicalId, Uid};
use coderctl::sandbox::{Sandbox, SandboxHttp};
use coderctl::value::{Facts, NodeId};
use std::any::Any;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// The region of all tests that need only one.
pub(crate) const REGION: &str = "us-east-1";

/// A sandbox, and a context of the deployment `coder-test` in it.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) cx: Cx,
    /// Counts the calls of kinds; those of [`World::config`]'s clients are not among them.
    pub(crate) clients: Clients,
    /// What steps said while waiting.
    pub(crate) said: Arc<Mutex<Vec<String>>>,
    steps: AtomicU32,
    config: SdkConfig,
}

impl World {
    /// An empty account.
    pub(crate) fn new() -> World {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let clock = Clock::starting_at(start, 1);
        let sandbox = Sandbox::in_memory(clock, 7);
        let config = config(&sandbox);
        World::of(sandbox, config, clock, "123456789012")
    }

    /// A context in what answers to `config`, which need not be the sandbox.
    pub(crate) fn of(sandbox: Sandbox, config: SdkConfig, clock: Clock, account: &str) -> World {
        let clients = Clients::from_config(config.clone(), true, clock, 7);
        let region = coderctl::name::Region::new(REGION);
        let deployment = Deployment {
            name: DeploymentName::new("coder-test"),
            uid: Some(Uid::new("uid-1")),
            account: AccountId::new(account),
            partition: Partition::of(&region),
            home_region: region,
            tags: Tags::from([("owner".to_owned(), "platform".to_owned())]),
        };
        let cx = Cx::new(deployment, clock, Connectors::default().with(clients.clone()));
        World { sandbox, cx, clients, said: Arc::default(), steps: AtomicU32::new(0), config }
    }

    /// What contexts of this account are made with.
    pub(crate) fn connectors(&self) -> Connectors {
        Connectors::default().with(self.clients.clone())
    }

    /// A config for clients of the test itself, which stand for everybody else.
    pub(crate) fn config(&self) -> SdkConfig {
        self.config.clone()
    }

    /// EC2, for what happens behind the kinds' back.
    pub(crate) fn ec2(&self) -> aws_sdk_ec2::Client {
        aws_sdk_ec2::Client::new(&self.config())
    }

    /// A context in a new step for `address` (below the region), of generation 1.
    pub(crate) fn step(&self, address: &str) -> Cx {
        let n = self.steps.fetch_add(1, Ordering::SeqCst);
        let said = self.said.clone();
        self.cx.in_step(StepCx {
            address: self.address(address),
            generation: 1,
            // As long as a UUID: Secrets Manager takes no shorter one.
            token: format!("step-{n:04}-00000000-0000-0000-0000-000000"),
            progress: Arc::new(move |status: &str| said.lock().unwrap().push(status.to_owned())),
        })
    }

    /// `address` in the region.
    pub(crate) fn address(&self, address: &str) -> Address {
        Address::in_region(&self.cx.region, address)
    }

    /// Whose what is made at `address` is.
    pub(crate) fn owner(&self, address: &str) -> Ownership {
        Ownership { address: self.address(address), generation: 1, uid: Uid::new("uid-1") }
    }

    /// Seconds on the clock.
    pub(crate) fn now(&self) -> u64 {
        self.cx.clock.unix()
    }

    /// Lets `seconds` pass.
    pub(crate) async fn pass(&self, seconds: u64) {
        self.cx.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Makes what `desired` says, as the engine does: create, settle, compare, set what differs;
    /// and asserts that nothing differs then.
    pub(crate) async fn make<K: Kind>(&self, address: &str, desired: &K) -> Found<K> {
        let cx = self.step(address);
        let found = desired.create(&cx).await.unwrap();
        let found = K::settle(&cx, found).await.unwrap();
        self.mend(&cx, desired, &found).await
    }

    /// Sets what differs, and asserts that nothing differs then.
    pub(crate) async fn mend<K: Kind>(&self, cx: &Cx, desired: &K, found: &Found<K>) -> Found<K> {
        let differs = changes(desired, &found.live, &Known::default());
        if !differs.is_empty() {
            desired.update(cx, found, &differs).await.unwrap();
        }
        let found = K::read(cx, found).await.unwrap().expect("it is still there");
        let differs = changes(desired, &found.live, &Known::default());
        assert_eq!(differs, [], "{} differs after an update", found.id);
        found
    }

    /// Reads it again, asserts that exactly `fields` differ, and mends them.
    pub(crate) async fn drifted<K: Kind>(
        &self,
        desired: &K,
        found: &Found<K>,
        fields: &[&str],
    ) -> Found<K> {
        let found = K::read(&self.cx, found).await.unwrap().expect("it is still there");
        let differs = changes(desired, &found.live, &Known::default());
        let differs: Vec<&str> = differs.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(differs, fields);
        let cx = self.step(found.owner.address.rest_of_region());
        self.mend(&cx, desired, &found).await
    }

    /// All that are ours, with nothing wanted.
    pub(crate) async fn list<K: Kind>(&self) -> Listed<K> {
        K::list(&self.cx, &[], &Before::default()).await.unwrap()
    }

    /// What a list call finds when `desired` is wanted at `address`.
    pub(crate) async fn list_wanting<K: Kind>(&self, address: &str, desired: &K) -> Listed<K> {
        let address = self.address(address);
        let wanted = [Wanted { address: &address, desired }];
        K::list(&self.cx, &wanted, &Before::default()).await.unwrap()
    }

    /// The only one that is ours.
    pub(crate) async fn only<K: Kind>(&self) -> Found<K> {
        let mut listed = self.list::<K>().await;
        assert_eq!((listed.ours.len(), listed.damaged.len()), (1, 0));
        listed.ours.remove(0)
    }

    /// Sets the deployment's own tag `owner` to something else and takes `stale` away, as the
    /// planner asks for it, and reads it again.
    pub(crate) async fn retag<K: Kind>(&self, desired: &K, found: &Found<K>) -> Found<K> {
        let cx = self.step(found.owner.address.rest_of_region());
        let change = |field: &str, to: serde_json::Value| Change {
            field: field.to_owned(),
            from: serde_json::Value::Null,
            to: Some(to),
            effect: Effect::InPlace,
            cause: Cause::Spec,
        };
        let set = [change("tags.owner", "security".into()), change("tags.stale", "x".into())];
        desired.update(&cx, found, &set).await.unwrap();
        let now = K::read(&cx, found).await.unwrap().unwrap();
        assert_eq!(now.tags.get("stale").map(String::as_str), Some("x"));
        let unset = [change("tags.stale", serde_json::Value::Null)];
        desired.update(&cx, &now, &unset).await.unwrap();
        let now = K::read(&cx, found).await.unwrap().unwrap();
        assert_eq!(now.tags.get("owner").map(String::as_str), Some("security"));
        assert!(!now.tags.contains_key("stale"));
        now
    }

    /// Deletes it, twice: the second time it is gone already.
    pub(crate) async fn delete<K: Kind>(&self, found: &Found<K>) {
        let cx = self.step(found.owner.address.rest_of_region());
        K::delete(&cx, found).await.unwrap();
        assert!(K::read(&cx, found).await.unwrap().is_none(), "{} is gone", found.id);
        K::delete(&cx, found).await.unwrap();
        assert!(self.list::<K>().await.ours.is_empty());
    }

    /// Asserts that the kind's own list of IAM actions covers every call it has made.
    pub(crate) fn assert_actions<K: Kind>(&self) {
        let named: BTreeSet<&str> = K::NATURE.actions.iter().copied().collect();
        for operation in self.clients.counts().by_operation().keys() {
            assert!(named.contains(operation.as_str()), "{} calls {operation}", K::NAME);
        }
    }

    /// The same for a test in which several kinds called.
    pub(crate) fn assert_actions_of(&self, natures: &[Nature]) {
        let named: BTreeSet<&str> =
            natures.iter().flat_map(|nature| nature.actions.iter().copied()).collect();
        for operation in self.clients.counts().by_operation().keys() {
            assert!(named.contains(operation.as_str()), "nothing declares {operation}");
        }
    }

    /// How often an operation was called by kinds.
    pub(crate) fn count(&self, operation: &str) -> u32 {
        self.clients.counts().by_operation().get(operation).copied().unwrap_or_default()
    }
}

/// The part of an address behind its region.
trait RestOfRegion {
    fn rest_of_region(&self) -> &str;
}

impl RestOfRegion for Address {
    fn rest_of_region(&self) -> &str {
        self.as_str().split_once('/').unwrap().1
    }
}

pub(crate) fn config(sandbox: &Sandbox) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .http_client(SandboxHttp::new(sandbox.clone()))
        .sleep_impl(sandbox.clock())
        .time_source(sandbox.clock())
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIDSANDBOX",
            "secret",
            None,
            None,
            "test",
        )))
        .build()
}

/// The live values of nodes while comparing.
#[derive(Default)]
pub(crate) struct Known {
    /// Nodes that are live and stay.
    pub(crate) facts: HashMap<NodeId, Arc<Facts>>,
    /// Nodes that are missing.
    pub(crate) missing: Vec<NodeId>,
}

impl Resolve for Known {
    fn facts(&self, node: NodeId) -> Option<&Facts> {
        self.facts.get(&node).map(|facts| facts.as_ref())
    }

    fn is_missing(&self, node: NodeId) -> bool {
        self.missing.contains(&node)
    }
}

/// What earlier waves found.
#[derive(Default)]
pub(crate) struct Before(Vec<Entry>);

struct Entry {
    kind: &'static str,
    id: PhysicalId,
    owner: Ownership,
    live: Box<dyn Any + Send + Sync>,
}

impl Before {
    /// The same with these.
    pub(crate) fn with<K: Kind>(mut self, listed: &Listed<K>) -> Self {
        self.0.extend(listed.ours.iter().map(|found| Entry {
            kind: K::NAME,
            id: found.id.clone(),
            owner: found.owner.clone(),
            live: Box::new(found.live.clone()),
        }));
        self
    }
}

impl Seen for Before {
    fn of(&self, name: &str) -> Vec<(&PhysicalId, &Ownership, &(dyn Any + Send + Sync))> {
        self.0
            .iter()
            .filter(|entry| entry.kind == name)
            .map(|entry| (&entry.id, &entry.owner, entry.live.as_ref()))
            .collect()
    }

    fn ids(&self) -> Vec<&PhysicalId> {
        self.0.iter().map(|entry| &entry.id).collect()
    }
}
