//! What vanishes behind the deployment's back is put back, with what had to go along, and nothing
//! else is touched; every value that can change in place changes, and nothing else does.

use super::deployment::{World, small, spec};
use coderctl::cli::session::Session;
use coderctl::name::{Address, PhysicalId};
use coderctl::observe::Snapshot;
use coderctl::plan::{Action, Item, Options, Plan};
use coderctl::registry::KINDS;
use std::collections::{BTreeMap, BTreeSet};

/// What `id` is, and all that has to go before it can: what is in it first.
fn with_all_inside(snapshot: &Snapshot, id: &PhysicalId) -> Vec<PhysicalId> {
    let mut going = Vec::new();
    for inside in snapshot.live.iter().filter(|live| live.found.parents.contains(id)) {
        for id in with_all_inside(snapshot, &inside.found.id) {
            if !going.contains(&id) {
                going.push(id);
            }
        }
    }
    going.push(id.clone());
    going
}

/// Deletes what is live at `address` as somebody else would; the addresses of all that went.
async fn vanish(session: &Session, address: &Address) -> BTreeSet<Address> {
    let snapshot = session.observe().await;
    session.allow_changes();
    let mut gone = BTreeSet::new();
    let at = snapshot.live.iter().find(|live| live.found.owner.address == *address);
    for id in with_all_inside(&snapshot, &at.unwrap().found.id) {
        let live = snapshot.live.iter().find(|live| live.found.id == id).unwrap();
        let kind = KINDS.iter().find(|kind| kind.name() == live.found.kind).unwrap();
        kind.delete(&session.cx.in_region(&live.region), &live.found).await.unwrap();
        gone.insert(live.found.owner.address.clone());
    }
    gone
}

/// What a plan does, but for waiting until what is leaving has gone.
fn acting(plan: &Plan) -> BTreeMap<&Address, &Item> {
    let leaves = |item: &&Item| item.reason.as_deref() == Some("it is on its way out");
    let acting = plan.items.iter().filter(|item| item.acts() && !leaves(item));
    acting.map(|item| (&item.address, item)).collect()
}

#[tokio::test(start_paused = true)]
async fn whatever_vanishes_is_put_back() {
    let world = World::new();
    let wanted = spec(small(), &[]);
    world.apply(&wanted).await;
    let session = world.open(&wanted).await.unwrap();
    let addresses: Vec<Address> =
        session.graph.nodes.iter().map(|node| node.address.clone()).collect();
    let mut kinds = BTreeSet::new();
    for address in addresses {
        let gone = vanish(&world.open(&wanted).await.unwrap(), &address).await;
        let plan = world.plan(&wanted, &Options::default()).await;
        assert_eq!(plan.refusals, [], "{address}");
        for (at, item) in acting(&plan) {
            match item.action {
                Action::Create => assert!(gone.contains(at), "{address} vanished, {at} is made"),
                // What stayed, and points at what did not.
                Action::Update => assert!(!gone.contains(at), "{address}: {at} is gone"),
                other => panic!("{address} vanished, and {at} is to be {other:?}"),
            }
        }
        for at in &gone {
            let item = acting(&plan).remove(at).unwrap_or_else(|| panic!("{at} stays away"));
            assert_eq!(item.action, Action::Create);
            kinds.insert(item.kind.clone());
        }
        world.apply(&wanted).await;
        world.assert_converged(&wanted).await;
    }
    let all = session.graph.nodes.iter().map(|node| node.desired.kind().name().to_owned());
    assert_eq!(kinds, all.collect(), "every kind has vanished once");
    assert!(kinds.len() >= 14, "{kinds:?}");
}

/// A change of the spec, and the one thing that it changes.
const CHANGES: &[(&str, &str, &str)] = &[
    ("network.default_security_group=leave", "us-east-1/network/vpc", ""),
    (
        "network.flow_logs.retention_days=7",
        "us-east-1/network/log-group/flow-logs",
        "retention_days",
    ),
    (
        "network.security_groups.nodes.ingress.https.port=444",
        "us-east-1/network/security-group-rule/nodes/in/https",
        "traffic",
    ),
    (
        "network.security_groups.nodes.ingress.https.description=web",
        "us-east-1/network/security-group-rule/nodes/in/https",
        "description",
    ),
    ("network.endpoints.sts.private_dns=false", "us-east-1/network/endpoint/sts", "private_dns"),
    (
        "network.endpoints.s3.policy={Statement: {Effect: Allow, Principal: '*', Action: 's3:Get*', Resource: '*'}}",
        "us-east-1/network/endpoint/s3",
        "policy",
    ),
    ("keys.data.rotation_days=180", "us-east-1/security/key/data", "rotation_days"),
    ("keys.data.description=of the data", "us-east-1/security/key/data", "description"),
    ("roles.app.max_session_seconds=7200", "global/identity/role/app", "max_session"),
    ("roles.app.description=of the app", "global/identity/role/app", "description"),
    ("roles.app.trust.service=[ec2.amazonaws.com]", "global/identity/role/app", "trust"),
    (
        "roles.app.managed_policy_arns=['arn:aws:iam::aws:policy/ReadOnlyAccess']",
        "global/identity/role/app",
        "managed",
    ),
    (
        "roles.app.inline.read={Statement: {Effect: Allow, Action: 's3:Get*', Resource: '*'}}",
        "global/identity/role/app",
        "inline",
    ),
    ("log_groups.app.retention_days=60", "us-east-1/observability/log-group/app", "retention_days"),
    (
        "kubernetes.objects.settings.config_map.data.LOG=debug",
        "global/kubernetes/object/settings",
        "data",
    ),
];

#[tokio::test(start_paused = true)]
async fn whatever_changes_in_place_changes_alone() {
    let world = World::new();
    world.apply(&spec(small(), &[])).await;
    let mut set: Vec<&str> = Vec::new();
    for (change, address, field) in CHANGES {
        set.push(change);
        let wanted = spec(small(), &set);
        let plan = world.plan(&wanted, &Options::default()).await;
        let acting = acting(&plan);
        if field.is_empty() {
            // To leave something alone from now on changes nothing.
            assert!(acting.is_empty(), "{change}: {acting:?}");
            continue;
        }
        let addresses: Vec<&str> = acting.keys().map(|address| address.as_str()).collect();
        assert_eq!(addresses, [*address], "{change}");
        let item = acting.values().next().unwrap();
        assert_eq!(item.action, Action::Update, "{change}: {item:?}");
        let fields: Vec<&str> = item.changes.iter().map(|change| change.field.as_str()).collect();
        let is_it = |name: &&str| name.split(['.', '[']).next() == Some(field);
        assert!(!fields.is_empty() && fields.iter().all(is_it), "{change}: {fields:?}");
        world.apply(&wanted).await;
        world.assert_converged(&wanted).await;
    }
    // And all the way back, at once.
    let wanted = spec(small(), &[]);
    let plan = world.plan(&wanted, &Options::default()).await;
    assert!(acting(&plan).values().all(|item| item.action == Action::Update), "{plan:?}");
    world.apply(&wanted).await;
    world.assert_converged(&wanted).await;
}

/// IAM alone can not let CloudWatch Logs use a key: its policy names the groups.
#[tokio::test(start_paused = true)]
async fn a_log_group_can_be_encrypted_by_a_key_of_the_spec() {
    let world = World::new();
    world.apply(&spec(small(), &[])).await;
    let wanted = spec(small(), &["log_groups.app.key=data"]);
    let plan = world.plan(&wanted, &Options::default()).await;
    let addresses: Vec<String> = acting(&plan).keys().map(ToString::to_string).collect();
    assert_eq!(addresses, ["us-east-1/observability/log-group/app", "us-east-1/security/key/data"]);
    world.apply(&wanted).await;
    world.assert_converged(&wanted).await;
}
