//! Log groups, roles, keys and policy documents against the sandbox.

use super::harness::{Before, Known, World};
use super::kinds_more::trust;
use coderctl::aws::iam::role::Role;
use coderctl::aws::kms::key::Key;
use coderctl::aws::logs::log_group::{LogGroup, StorageClass};
use coderctl::aws::policy::same;
use coderctl::kind::{Class, Effect, Found, Kind, Listed, Status, Wanted, changes};
use coderctl::name::PhysicalId;
use coderctl::sandbox::{Effect as Fate, Fault, Faults};
use coderctl::value::{In, Text};
use std::collections::{BTreeMap, BTreeSet};

/// What a list finds that wants `desired` at `address`.
async fn listed<K: Kind>(world: &World, address: &str, desired: &K) -> Listed<K> {
    let address = world.address(address);
    let wanted = [Wanted { address: &address, desired }];
    K::list(&world.cx, &wanted, &Before::default()).await.unwrap()
}

fn effects<K: Kind>(desired: &K, found: &Found<K>) -> Vec<(String, Effect)> {
    let differs = changes(desired, &found.live, &Known::default());
    differs.into_iter().map(|change| (change.field, change.effect)).collect()
}

pub(crate) fn key_for_logs() -> Key {
    Key {
        description: "logs of coder-test".into(),
        alias: "alias/coderctl/coder-test/logs".into(),
        rotation_days: Some(180),
        policy: Some(Text::new(
            r#"{"Version":"2012-10-17","Statement":[
            {"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"kms:*","Resource":"*"},
            {"Effect":"Allow","Principal":{"Service":"logs.us-east-1.amazonaws.com"},
             "Action":["kms:Encrypt*","kms:Decrypt*","kms:GenerateDataKey*"],"Resource":"*"}]}"#,
        )),
        deletion_window_days: 7,
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_group_lives_with_retention_and_key() {
    let world = World::new();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&world.config());
    let key = world.make("security/key/logs", &key_for_logs()).await;
    let plain = LogGroup {
        name: "/coder/test/app".into(),
        retention_days: Some(90),
        key: None,
        class: StorageClass::Standard,
    };
    let desired = LogGroup { key: Some(In::Literal(key.live.arn.clone())), ..plain.clone() };
    let lost = Fault::on_operation("logs:CreateLogGroup", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let found = world.make("observability/log-group/app", &desired).await;
    assert_eq!(found.parents, std::slice::from_ref(&key.id));
    assert_eq!(world.only::<LogGroup>().await.id, found.id);

    let name = || found.id.as_str().to_owned();
    logs.delete_retention_policy().log_group_name(name()).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["retention_days"]).await;
    logs.disassociate_kms_key().log_group_name(name()).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["key"]).await;
    let for_ever = LogGroup { retention_days: None, ..plain.clone() };
    let found = world.drifted(&for_ever, &found, &["retention_days", "key"]).await;
    let found = world.retag(&for_ever, &found).await;
    let other = LogGroup { class: StorageClass::InfrequentAccess, ..for_ever };
    assert_eq!(effects(&other, &found), [("class".to_owned(), Effect::Replace)]);
    world.delete(&found).await;

    // Somebody deletes it.
    let found = world.make("observability/log-group/app", &plain).await;
    logs.delete_log_group().log_group_name("/coder/test/app").send().await.unwrap();
    assert!(LogGroup::read(&world.cx, &found).await.unwrap().is_none());
    world.assert_actions_of(&[LogGroup::NATURE, Key::NATURE]);
}

#[tokio::test(start_paused = true)]
async fn log_groups_are_found_by_name_and_judged_by_tag() {
    let world = World::new();
    let logs = aws_sdk_cloudwatchlogs::Client::new(&world.config());
    let desired = |name: &str| LogGroup {
        name: name.to_owned(),
        retention_days: None,
        key: None,
        class: StorageClass::Standard,
    };
    let elsewhere = desired("/their/prefix/app");
    let found = world.make("observability/log-group/app", &elsewhere).await;
    // A longer name with the same beginning is another group.
    logs.create_log_group().log_group_name("/their/prefix/app-2").send().await.unwrap();
    let wants = listed(&world, "observability/log-group/app", &elsewhere).await;
    assert_eq!(wants.ours.len(), 1);
    assert_eq!(wants.ours[0].id, found.id);
    assert_eq!(wants.clashes, []);

    let foreign = desired("/their/prefix/app-2");
    let wants = listed(&world, "observability/log-group/other", &foreign).await;
    assert_eq!(wants.clashes.len(), 1);
    assert_eq!(wants.clashes[0].owner, "not managed by coderctl");
    let error = foreign.create(&world.step("observability/log-group/other")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    assert!(error.hint.unwrap().contains("coderctl adopt"));
    let owner = world.owner("observability/log-group/other");
    let id = PhysicalId::new("/their/prefix/app-2");
    let adopted = LogGroup::find_foreign(&world.cx, &id, &owner).await.unwrap().unwrap();
    assert_eq!(effects(&foreign, &adopted), []);
}

pub(crate) fn role() -> Role {
    Role {
        name: "coder-test-provisioner".into(),
        path: "/coderctl/coder-test/".into(),
        trust: trust("pods.eks.amazonaws.com"),
        inline: BTreeMap::from([("buckets".to_owned(), Text::new(policy("s3:ListBucket")))]),
        managed: BTreeSet::from(["arn:aws:iam::aws:policy/AmazonEKSClusterPolicy".to_owned()]),
        boundary: None,
        max_session: 7200,
        description: "provisions workspaces".into(),
    }
}

fn policy(action: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17",
        "Statement": {{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}}}"#
    )
}

#[tokio::test(start_paused = true)]
async fn a_role_lives_with_its_policies() {
    let world = World::new();
    let iam = aws_sdk_iam::Client::new(&world.config());
    let lost = Fault::on_operation("iam:CreateRole", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let desired = role();
    let found = world.make("identity/role/provisioner", &desired).await;
    assert_eq!(found.id.as_str(), "coder-test-provisioner");
    assert!(found.live.arn.ends_with(":role/coderctl/coder-test/coder-test-provisioner"));

    // Two calls find it whole, with nothing wanted.
    let before = world.clients.counts().total();
    let only = world.only::<Role>().await;
    assert_eq!(world.clients.counts().total() - before, 2);
    assert_eq!(only.live, found.live);

    let name = "coder-test-provisioner";
    let put = iam.put_role_policy().role_name(name).policy_name("buckets");
    put.policy_document(policy("s3:*")).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["inline.buckets"]).await;
    let put = iam.put_role_policy().role_name(name).policy_name("hole");
    put.policy_document(policy("*")).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["inline.hole"]).await;
    iam.delete_role_policy().role_name(name).policy_name("buckets").send().await.unwrap();
    let found = world.drifted(&desired, &found, &["inline.buckets"]).await;

    let eks = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
    iam.detach_role_policy().role_name(name).policy_arn(eks).send().await.unwrap();
    let field = format!("managed.{eks}");
    let found = world.drifted(&desired, &found, &[&field]).await;

    let update = iam.update_assume_role_policy().role_name(name);
    let theirs = world.cx.text(&trust("ec2.amazonaws.com")).unwrap();
    update.policy_document(theirs).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["trust"]).await;
    iam.update_role().role_name(name).max_session_duration(3600).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["max_session"]).await;
    iam.update_role().role_name(name).description("theirs").send().await.unwrap();
    let found = world.drifted(&desired, &found, &["description"]).await;
    let boundary = "arn:aws:iam::aws:policy/AdministratorAccess";
    let put = iam.put_role_permissions_boundary().role_name(name);
    put.permissions_boundary(boundary).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["boundary"]).await;
    let bounded = Role { boundary: Some(boundary.to_owned()), ..desired.clone() };
    let found = world.drifted(&bounded, &found, &["boundary"]).await;
    let found = world.retag(&bounded, &found).await;

    let renamed = Role { name: "other".into(), ..bounded };
    assert_eq!(effects(&renamed, &found), [("name".to_owned(), Effect::Replace)]);

    // What others attached goes before the role does.
    let other = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy";
    iam.attach_role_policy().role_name(name).policy_arn(other).send().await.unwrap();
    let with_theirs = world.drifted(&Role { name: name.into(), ..renamed }, &found, &[]).await;
    assert!(with_theirs.live.managed.contains(other), "others' attachments stay");
    world.delete(&found).await;
    world.assert_actions::<Role>();
}

#[tokio::test(start_paused = true)]
async fn a_role_gives_up_what_it_no_longer_wants() {
    let world = World::new();
    let found = world.make("identity/role/provisioner", &role()).await;
    let eks = "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy";
    // As the planner asks for it when the entry was applied before and is wanted no more.
    let removal = coderctl::kind::Change {
        field: format!("managed.{eks}"),
        from: true.into(),
        to: Some(serde_json::Value::Null),
        effect: Effect::InPlace,
        cause: coderctl::kind::Cause::Spec,
    };
    let desired = Role { managed: BTreeSet::new(), ..role() };
    let cx = world.step("identity/role/provisioner");
    desired.update(&cx, &found, &[removal]).await.unwrap();
    let found = Role::read(&world.cx, &found).await.unwrap().unwrap();
    assert_eq!(found.live.managed, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_foreign_role_with_the_name_is_a_clash_whatever_its_path_and_case() {
    let world = World::new();
    let iam = aws_sdk_iam::Client::new(&world.config());
    let theirs = world.cx.text(&trust("ec2.amazonaws.com")).unwrap();
    let call = iam.create_role().role_name("Coder-Test-Provisioner").path("/");
    call.assume_role_policy_document(theirs).send().await.unwrap();
    let wants = listed(&world, "identity/role/provisioner", &role()).await;
    assert_eq!((wants.ours.len(), wants.clashes.len()), (0, 1));
    assert_eq!(wants.clashes[0].id.as_str(), "Coder-Test-Provisioner");
    let error = role().create(&world.step("identity/role/provisioner")).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    assert!(error.hint.unwrap().contains("coderctl adopt"));

    // Adopted, it is found below its own path.
    let owner = world.owner("identity/role/provisioner");
    let id = PhysicalId::new("Coder-Test-Provisioner");
    let found = Role::find_foreign(&world.cx, &id, &owner).await.unwrap().unwrap();
    let named = Role { name: "Coder-Test-Provisioner".into(), ..role() };
    let cx = world.step("identity/role/provisioner");
    let tags = cx.tags().unwrap().into_iter().map(|(key, value)| coderctl::kind::Change {
        field: format!("tags.{key}"),
        from: serde_json::Value::Null,
        to: Some(value.into()),
        effect: Effect::InPlace,
        cause: coderctl::kind::Cause::Spec,
    });
    named.update(&cx, &found, &tags.collect::<Vec<_>>()).await.unwrap();
    let found = world.drifted(
        &named,
        &found,
        &[
            "trust",
            "inline.buckets",
            "managed.arn:aws:iam::aws:policy/AmazonEKSClusterPolicy",
            "max_session",
            "description",
        ],
    );
    let found = found.await;
    assert_eq!(world.only::<Role>().await.live, found.live);
}

#[tokio::test(start_paused = true)]
async fn a_key_lives_with_alias_rotation_and_policy() {
    let world = World::new();
    let kms = aws_sdk_kms::Client::new(&world.config());
    let desired = key_for_logs();
    let found = world.make("security/key/logs", &desired).await;
    // Where nobody wants a policy, none is read.
    let unread = world.only::<Key>().await.live;
    assert_eq!(unread.policy, None);
    assert!(found.live.policy.is_some());
    assert_eq!(
        coderctl::aws::kms::key::Live { policy: found.live.policy.clone(), ..unread },
        found.live
    );
    let listed = world.list_wanting("security/key/logs", &desired).await;
    assert_eq!(listed.ours[0].live, found.live);
    assert_eq!(found.live.deletion_window_days, 7);

    let id = found.id.as_str().to_owned();
    kms.disable_key_rotation().key_id(&id).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["rotation_days"]).await;
    kms.update_key_description().key_id(&id).description("theirs").send().await.unwrap();
    let found = world.drifted(&desired, &found, &["description"]).await;
    let theirs = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:root"},
         "Action":"kms:*","Resource":"*"}]}"#;
    kms.put_key_policy().key_id(&id).policy(theirs).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["policy"]).await;
    kms.disable_key().key_id(&id).send().await.unwrap();
    let found = world.drifted(&desired, &found, &["enabled"]).await;
    kms.delete_alias().alias_name("alias/coderctl/coder-test/logs").send().await.unwrap();
    let found = world.drifted(&desired, &found, &["alias"]).await;

    let renamed = Key {
        alias: "alias/coderctl/coder-test/cloudwatch".into(),
        rotation_days: None,
        deletion_window_days: 10,
        ..desired.clone()
    };
    let fields = ["alias", "rotation_days", "deletion_window_days"];
    let found = world.drifted(&renamed, &found, &fields).await;
    assert_eq!(found.live.aliases, BTreeSet::from([renamed.alias.clone()]));
    let found = world.retag(&renamed, &found).await;

    // It goes slowly, and does not block its alias.
    let cx = world.step("security/key/logs");
    Key::delete(&cx, &found).await.unwrap();
    let gone = Key::read(&world.cx, &found).await.unwrap().unwrap();
    assert_eq!(gone.status, Status::Leaving);
    assert_eq!(gone.live.aliases, BTreeSet::new());
    Key::delete(&cx, &found).await.unwrap();
    world.pass(9 * 86_400).await;
    assert!(Key::read(&world.cx, &found).await.unwrap().is_some());
    world.pass(2 * 86_400).await;
    assert!(Key::read(&world.cx, &found).await.unwrap().is_none(), "ten days have passed");
    Key::delete(&cx, &found).await.unwrap();
    world.assert_actions::<Key>();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_deleted_comes_back_when_it_is_wanted_again() {
    let world = World::new();
    let desired = key_for_logs();
    let found = world.make("security/key/logs", &desired).await;
    Key::delete(&world.step("security/key/logs"), &found).await.unwrap();
    let wants = listed(&world, "security/key/logs", &desired).await;
    assert_eq!(wants.ours.len(), 1);
    assert_eq!(wants.ours[0].status, Status::Leaving);

    let back = world.make("security/key/logs", &desired).await;
    assert_eq!(back.id, found.id);
    assert_eq!(back.status, Status::Ready);
    assert_eq!(world.count("kms:CreateKey"), 1);
    // Another address does not get it.
    let other = Key { alias: "alias/coderctl/coder-test/data".into(), ..desired };
    Key::delete(&world.step("security/key/logs"), &back).await.unwrap();
    let other = world.make("security/key/data", &other).await;
    assert_ne!(other.id, found.id);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_lost_its_maker_is_found_without_an_alias() {
    let world = World::new();
    let kms = aws_sdk_kms::Client::new(&world.config());
    kms.create_key().description("theirs").send().await.unwrap();
    let desired = key_for_logs();
    let lost = Fault::on_operation("kms:CreateKey", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let error = desired.create(&world.step("security/key/logs")).await.unwrap_err();
    assert_eq!(error.class, Class::Ambiguous);

    let mut wants = listed(&world, "security/key/logs", &desired).await;
    assert_eq!((wants.ours.len(), wants.damaged.len()), (1, 0));
    let found = wants.ours.remove(0);
    let found = world.drifted(&desired, &found, &["alias", "rotation_days"]).await;
    // From now on it is found by its alias.
    let before = world.count("kms:ListKeys");
    let wants = listed(&world, "security/key/logs", &desired).await;
    assert_eq!(wants.ours[0].id, found.id);
    assert_eq!(world.count("kms:ListKeys"), before);
}

#[tokio::test(start_paused = true)]
async fn an_alias_of_somebody_elses_key_is_a_clash() {
    let world = World::new();
    let kms = aws_sdk_kms::Client::new(&world.config());
    let made = kms.create_key().send().await.unwrap();
    let theirs = made.key_metadata().unwrap().key_id();
    let desired = key_for_logs();
    let name = kms.create_alias().alias_name(&desired.alias).target_key_id(theirs);
    name.send().await.unwrap();
    let wants = listed(&world, "security/key/logs", &desired).await;
    assert_eq!((wants.ours.len(), wants.clashes.len()), (0, 1));
    assert_eq!(wants.clashes[0].id.as_str(), theirs);

    let cx = world.step("security/key/logs");
    let found = desired.create(&cx).await.unwrap();
    let differs = changes(&desired, &found.live, &Known::default());
    let error = desired.update(&cx, &found, &differs).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    assert!(error.hint.unwrap().contains(theirs));
}

#[test]
fn policies_are_the_same_when_they_say_the_same() {
    let one = r#"{"Version":"2012-10-17","Statement":[
        {"Sid":"a","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::123456789012:root"]},
         "Action":["kms:Encrypt","kms:Decrypt"],"Resource":["*"],
         "Condition":{"Bool":{"aws:SecureTransport":"true"}}},
        {"Effect":"Deny","Principal":"*","NotAction":"s3:*","Resource":"b"}]}"#;
    let other = r#"{"Statement":[
        {"Resource":"b","NotAction":["s3:*"],"Principal":{"AWS":"*"},"Effect":"Deny"},
        {"Condition":{"Bool":{"AWS:securetransport":[true]}},"Resource":"*",
         "Action":["KMS:decrypt","kms:Encrypt"],"Principal":{"AWS":"123456789012"},
         "Effect":"Allow","Sid":"a"}],"Version":"2012-10-17"}"#;
    assert!(same(one, other));
    let differs = [
        ("kms:Encrypt", "kms:ReEncrypt"),
        ("\"Resource\":[\"*\"]", "\"Resource\":[\"x\"]"),
        ("123456789012", "210987654321"),
        ("\"Deny\"", "\"Allow\""),
        ("NotAction", "Action"),
        ("2012-10-17", "2008-10-17"),
        ("\"true\"", "\"false\""),
        ("SecureTransport", "ViaAWSService"),
        ("\"Bool\"", "\"BoolIfExists\""),
        ("\"Sid\":\"a\",", ""),
    ];
    for (from, to) in differs {
        let changed = one.replacen(from, to, 1);
        assert_ne!(changed, one, "{from} is in the document");
        assert!(!same(&changed, one), "{from} -> {to} says something else");
    }
    // Resources and values differ by case; a document without a version is of the oldest.
    assert!(!same(r#"{"Statement":{"Resource":"A"}}"#, r#"{"Statement":{"Resource":"a"}}"#));
    assert!(same(r#"{"Statement":[]}"#, r#"{"Version":"2008-10-17","Statement":[]}"#));
    assert!(same("not json", "not json"));
    assert!(!same("not json", "{}"));
}
