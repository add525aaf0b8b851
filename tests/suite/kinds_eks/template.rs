//! Launch templates.

use super::super::harness::{Before, World};
use super::super::kinds_identity::key_for_logs;
use super::site::{assert_replaces, data};
use aws_sdk_ec2::types::RequestLaunchTemplateData;
use coderctl::aws::ec2::launch_template::{Data, LaunchTemplate, RootVolume};
use coderctl::aws::kms::key::Key;
use coderctl::kind::{Class, Found, Kind, Tags, Wanted};
use coderctl::sandbox::{Effect as Fate, Fault, Faults};
use coderctl::value::In;

fn template() -> LaunchTemplate {
    LaunchTemplate { name: "coder-test-control".into(), data: data() }
}

/// Changed in place, by somebody else, and gone. `found` is as `desired` says.
pub(crate) async fn versions(world: &World, found: Found<LaunchTemplate>) {
    let (ec2, desired) = (world.ec2(), template());
    let key = world.make("security/key/ebs", &key_for_logs()).await.live.arn;
    let volume = RootVolume { size_gib: 80, key: Some(In::Literal(key)), ..data().root_volume };
    let bigger = LaunchTemplate { data: Data { root_volume: volume, ..data() }, ..desired };
    let fields = ["data.volume./dev/xvda.key", "data.volume./dev/xvda.size_gib"];
    let found = world.drifted(&bigger, &found, &fields).await;
    assert_eq!(found.live.version, 2);
    let tags = Tags::from([("owner".to_owned(), "security".to_owned())]);
    let desired = LaunchTemplate { data: Data { tags, ..bigger.data }, ..bigger };
    let fields = [
        "data.tags-of-instance.owner",
        "data.tags-of-network-interface.owner",
        "data.tags-of-volume.owner",
    ];
    let found = world.drifted(&desired, &found, &fields).await;

    // Somebody makes a version of his own the default: what it adds shows, and goes.
    let theirs = RequestLaunchTemplateData::builder().user_data("IyEvYmluL3NoCg==").build();
    let id = found.live.id.as_str();
    let version = ec2.create_launch_template_version().launch_template_id(id);
    version.launch_template_data(theirs).source_version("3").send().await.unwrap();
    ec2.modify_launch_template().launch_template_id(id).default_version("4").send().await.unwrap();
    let found = world.drifted(&desired, &found, &["data.user_data"]).await;
    assert_eq!(found.live.version, 5);
    let found = world.retag(&desired, &found).await;
    let renamed = LaunchTemplate { name: "other".into(), ..desired.clone() };
    assert_replaces(&renamed, &found, "name");
    world.delete(&found).await;
}

/// A launch template in an account where nothing goes wrong.
pub(crate) async fn a_launch_template(world: &World) {
    let found = world.make("cluster/launch-template/control", &template()).await;
    assert_eq!(found.live.version, 1);
    assert_eq!(world.only::<LaunchTemplate>().await.live, found.live);
    versions(world, found).await;
}

#[tokio::test(start_paused = true)]
async fn a_launch_template_lives_in_versions() {
    let world = World::new();
    let lost = Fault::on_operation("ec2:CreateLaunchTemplate", Fate::LoseAnswer);
    world.sandbox.set_faults(Faults::script([lost]));
    let desired = template();
    let found = world.make("cluster/launch-template/control", &desired).await;
    assert_eq!(found.live.version, 1);
    let settings = &found.live.settings;
    assert_eq!(settings["metadata.http_tokens"], "required");
    assert_eq!(settings["volume./dev/xvda.encrypted"], "true");
    assert_eq!(settings["tags-of-volume.owner"], "platform");

    // Two calls find all, with nothing wanted.
    let before = world.clients.counts().total();
    assert_eq!(world.only::<LaunchTemplate>().await.live, found.live);
    assert_eq!(world.clients.counts().total() - before, 2);

    versions(&world, found).await;
    world.assert_actions_of(&[LaunchTemplate::NATURE, Key::NATURE]);
}

#[tokio::test(start_paused = true)]
async fn a_foreign_template_with_the_name_is_a_clash() {
    let world = World::new();
    let ec2 = world.ec2();
    let create = ec2.create_launch_template().launch_template_name("coder-test-control");
    let create = create
        .launch_template_data(RequestLaunchTemplateData::builder().key_name("theirs").build());
    let id = create.send().await.unwrap().launch_template.unwrap().launch_template_id.unwrap();
    let desired = template();
    let address = world.address("cluster/launch-template/control");
    let wanted = [Wanted { address: &address, desired: &desired }];
    let listed = LaunchTemplate::list(&world.cx, &wanted, &Before::default()).await.unwrap();
    assert_eq!((listed.ours.len(), listed.clashes.len()), (0, 1));
    assert_eq!(listed.clashes[0].id.as_str(), id);
    let cx = world.step("cluster/launch-template/control");
    let error = desired.create(&cx).await.unwrap_err();
    assert_eq!(error.class, Class::Exists);
    assert!(error.hint.unwrap().contains("coderctl adopt"));
}

#[tokio::test(start_paused = true)]
async fn a_template_vanishes_and_is_made_again() {
    let world = World::new();
    let desired = template();
    let found = world.make("cluster/launch-template/control", &desired).await;
    let delete = world.ec2().delete_launch_template().launch_template_id(found.id.as_str());
    delete.send().await.unwrap();
    assert!(LaunchTemplate::read(&world.cx, &found).await.unwrap().is_none());
    assert!(world.list::<LaunchTemplate>().await.ours.is_empty());
    let again = world.make("cluster/launch-template/control", &desired).await;
    assert_ne!(again.id, found.id);
    assert_eq!(again.live.settings, found.live.settings);
}
