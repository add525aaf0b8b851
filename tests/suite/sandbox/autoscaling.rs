//! Auto Scaling groups of node groups, what they are made from, and instances.

use super::eks::Place;
use super::eks_nodes::launch_data;
use super::*;
use aws_sdk_autoscaling::types as t;

const TARGETS: &str =
    "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/coder/0123456789abcdef";

fn autoscaling(place: &Place) -> aws_sdk_autoscaling::Client {
    aws_sdk_autoscaling::Client::new(&config(&place.sandbox, "AKIDSANDBOX", "us-east-1"))
}

/// A place with an active node group, and the name of its Auto Scaling group.
async fn with_group() -> (Place, aws_sdk_autoscaling::Client, String) {
    let place = Place::new().await;
    place.cluster("one").await;
    place.group_of("one", "system").send().await.unwrap();
    wait(&place.sandbox, 120).await;
    let group = place.group("one", "system").await;
    let name = group.resources().unwrap().auto_scaling_groups()[0].name().unwrap().to_owned();
    let client = autoscaling(&place);
    (place, client, name)
}

fn source(identifier: &str) -> t::TrafficSourceIdentifier {
    t::TrafficSourceIdentifier::builder().identifier(identifier).r#type("elbv2").build()
}

#[tokio::test(start_paused = true)]
async fn a_node_groups_group() {
    let (place, client, name) = with_group().await;
    assert!(name.starts_with("eks-system-"), "{name}");
    let describe = client.describe_auto_scaling_groups();
    let mine = t::Filter::builder().name("tag:eks:cluster-name").values("one").build();
    let seen = describe.clone().filters(mine).send().await.unwrap();
    let group = &seen.auto_scaling_groups()[0];
    assert_eq!(group.auto_scaling_group_name(), Some(name.as_str()));
    assert_eq!(
        (group.min_size(), group.max_size(), group.desired_capacity()),
        (Some(1), Some(4), Some(2))
    );
    assert_eq!(group.availability_zones(), ["us-east-1a", "us-east-1b"]);
    assert_eq!(group.instances().len(), 2);
    assert_eq!(group.instances()[0].lifecycle_state().unwrap().as_str(), "InService");
    let tags: Vec<_> = group.tags().iter().filter_map(|tag| tag.key()).collect();
    assert!(tags.contains(&"k8s.io/cluster-autoscaler/enabled"), "{tags:?}");
    let none = describe.clone().auto_scaling_group_names("none").send().await.unwrap();
    assert_eq!(none.auto_scaling_groups().len(), 0);

    // Who ends an instance gets another one.
    let ended = group.instances()[0].instance_id().unwrap().to_owned();
    let end = place.ec2.terminate_instances().instance_ids(&ended).send().await.unwrap();
    let state = end.terminating_instances()[0].current_state().unwrap();
    assert_eq!(state.name().unwrap().as_str(), "shutting-down");
    wait(&place.sandbox, 46).await;
    assert_eq!(place.instances("running").await.len(), 1);
    wait(&place.sandbox, 20).await;
    let running = place.instances("running").await;
    assert_eq!(running.len(), 2);
    assert!(running.iter().all(|instance| instance.instance_id() != Some(&ended)));

    // Sizes, within their bounds; EKS shows the same ones.
    let resize = client.set_desired_capacity().auto_scaling_group_name(&name);
    assert_eq!(code(resize.clone().desired_capacity(5).send().await), "ValidationError");
    resize.desired_capacity(3).send().await.unwrap();
    let update = client.update_auto_scaling_group().auto_scaling_group_name(&name);
    let unmodelled = update.clone().health_check_type("ELB").send().await;
    assert_eq!(code(unmodelled), "ValidationError");
    update.max_size(3).send().await.unwrap();
    wait(&place.sandbox, 16).await;
    assert_eq!(place.instances("running").await.len(), 3);
    let sizes = place.group("one", "system").await.scaling_config().unwrap().clone();
    assert_eq!((sizes.max_size(), sizes.desired_size()), (Some(3), Some(3)));

    // Tags reach the instances that come after them.
    let tag = t::Tag::builder().resource_id(&name).key("team").value("dev");
    let tag = tag.resource_type("auto-scaling-group").propagate_at_launch(true).build();
    client.create_or_update_tags().tags(tag.clone()).send().await.unwrap();
    let key = t::Filter::builder().name("key").values("team").build();
    let found = client.describe_tags().filters(key).send().await.unwrap();
    assert_eq!(found.tags()[0].value(), Some("dev"));
    let victim = place.instances("running").await[0].instance_id().unwrap().to_owned();
    place.ec2.terminate_instances().instance_ids(victim).send().await.unwrap();
    wait(&place.sandbox, 46).await;
    place.instances("pending").await;
    wait(&place.sandbox, 20).await;
    let tagged = place.ec2.describe_instances().filters(filter("tag:team", "dev"));
    assert_eq!(tagged.send().await.unwrap().reservations().len(), 1);
    client.delete_tags().tags(tag).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn traffic_sources() {
    let (place, client, name) = with_group().await;
    let attach = client.attach_traffic_sources().auto_scaling_group_name(&name);
    let attached = || place.sandbox.attached_instances("123456789012", "us-east-1", TARGETS);
    let wrong = attach.clone().traffic_sources(source("nonsense")).send().await;
    assert_eq!(code(wrong), "ValidationError");
    let nobody = client.attach_traffic_sources().auto_scaling_group_name("none");
    assert_eq!(code(nobody.traffic_sources(source(TARGETS)).send().await), "ValidationError");
    assert_eq!(attached(), []);
    attach.clone().traffic_sources(source(TARGETS)).send().await.unwrap();
    attach.traffic_sources(source(TARGETS)).send().await.unwrap();
    let states = async || {
        let seen = client.describe_traffic_sources().auto_scaling_group_name(&name).send().await;
        let seen = seen.unwrap().traffic_sources().to_vec();
        seen.iter().map(|source| source.state().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(states().await, ["Adding"]);
    wait(&place.sandbox, 6).await;
    assert_eq!(states().await, ["InService"]);
    let running = place.instances("running").await;
    let mut ids: Vec<_> = running.iter().map(|i| i.instance_id().unwrap().to_owned()).collect();
    let mut found: Vec<_> = attached().into_iter().map(|one| one.instance_id).collect();
    ids.sort();
    found.sort();
    assert_eq!(found, ids);
    let groups = client.describe_auto_scaling_groups().auto_scaling_group_names(&name);
    let groups = groups.send().await.unwrap();
    assert_eq!(groups.auto_scaling_groups()[0].target_group_arns(), [TARGETS]);
    let old = client.describe_load_balancer_target_groups().auto_scaling_group_name(&name);
    let old = old.send().await.unwrap();
    assert_eq!(old.load_balancer_target_groups()[0].state(), Some("InService"));

    let detach = client.detach_traffic_sources().auto_scaling_group_name(&name);
    let detach = detach.traffic_sources(source(TARGETS));
    detach.clone().send().await.unwrap();
    assert_eq!(states().await, ["Removing"]);
    assert_eq!(attached(), []);
    assert_eq!(code(detach.send().await), "ValidationError");
    wait(&place.sandbox, 11).await;
    assert_eq!(states().await, Vec::<String>::new());
    let attach = client.attach_load_balancer_target_groups().auto_scaling_group_name(&name);
    attach.target_group_arns(TARGETS).send().await.unwrap();
    assert_eq!(states().await, ["Adding"]);
    let detach = client.detach_load_balancer_target_groups().auto_scaling_group_name(&name);
    detach.target_group_arns(TARGETS).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn scheduled_actions() {
    let (_place, client, name) = with_group().await;
    let put = client
        .put_scheduled_update_group_action()
        .auto_scaling_group_name(&name)
        .scheduled_action_name("up");
    assert_eq!(code(put.clone().recurrence("45 6 * * 1-5").send().await), "ValidationError");
    let put = put.min_size(2);
    assert_eq!(code(put.clone().recurrence("45 6").send().await), "ValidationError");
    let zone = put.recurrence("45 6 * * 1-5").time_zone("America/New_York");
    assert_eq!(code(zone.clone().time_zone("Mars/Base").send().await), "ValidationError");
    zone.send().await.unwrap();
    let down = t::ScheduledUpdateGroupActionRequest::builder()
        .scheduled_action_name("down")
        .min_size(0)
        .recurrence("15 18 * * 1-5");
    let bad = t::ScheduledUpdateGroupActionRequest::builder().scheduled_action_name("bad");
    let batch = client.batch_put_scheduled_update_group_action().auto_scaling_group_name(&name);
    let batch = batch
        .scheduled_update_group_actions(down.build())
        .scheduled_update_group_actions(bad.build());
    let failed = batch.send().await.unwrap();
    let failed = failed.failed_scheduled_update_group_actions();
    assert_eq!(failed[0].scheduled_action_name(), Some("bad"));
    let list = client.describe_scheduled_actions().auto_scaling_group_name(&name);
    let seen = list.clone().send().await.unwrap();
    let names: Vec<_> = seen
        .scheduled_update_group_actions()
        .iter()
        .map(|action| (action.scheduled_action_name().unwrap(), action.min_size()))
        .collect();
    assert_eq!(names, [("down", Some(0)), ("up", Some(2))]);
    let delete = client.delete_scheduled_action().auto_scaling_group_name(&name);
    let delete = delete.scheduled_action_name("up");
    delete.clone().send().await.unwrap();
    assert_eq!(code(delete.send().await), "ValidationError");
}

#[tokio::test(start_paused = true)]
async fn launch_templates_have_versions() {
    let sandbox = sandbox();
    let ec2 = client(&sandbox);
    let create = ec2
        .create_launch_template()
        .launch_template_name("nodes")
        .client_token("t")
        .tag_specifications(tagged("launch-template", "k", "v"))
        .launch_template_data(launch_data(50));
    let made = create.clone().send().await.unwrap().launch_template().unwrap().clone();
    let id = made.launch_template_id().unwrap().to_owned();
    assert_eq!((made.default_version_number(), made.latest_version_number()), (Some(1), Some(1)));
    let again = create.clone().send().await.unwrap();
    assert_eq!(again.launch_template().unwrap().launch_template_id(), Some(id.as_str()));
    assert_eq!(
        code(create.clone().client_token("u").send().await),
        "InvalidLaunchTemplateName.AlreadyExistsException"
    );
    let by_tag = ec2.describe_launch_templates().filters(filter("tag:k", "v")).send().await;
    assert_eq!(by_tag.unwrap().launch_templates().len(), 1);

    let interface =
        aws_sdk_ec2::types::LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
            .device_index(0)
            .groups("sg-1")
            .groups("sg-2")
            .build();
    let data =
        aws_sdk_ec2::types::RequestLaunchTemplateData::builder().network_interfaces(interface);
    let newer = ec2.create_launch_template_version().launch_template_id(&id).source_version("1");
    let newer = newer.launch_template_data(data.build()).version_description("two");
    let newer = newer.send().await.unwrap().launch_template_version().unwrap().clone();
    assert_eq!((newer.version_number(), newer.default_version()), (Some(2), Some(false)));
    let versions = |version: &str| {
        ec2.describe_launch_template_versions().launch_template_id(&id).versions(version)
    };
    let seen = versions("$Latest").send().await.unwrap().launch_template_versions()[0].clone();
    let data = seen.launch_template_data().unwrap();
    let ebs = data.block_device_mappings()[0].ebs().unwrap();
    assert_eq!((ebs.volume_size(), ebs.encrypted()), (Some(50), Some(true)));
    assert_eq!(data.network_interfaces()[0].groups(), ["sg-1", "sg-2"]);
    assert_eq!(data.metadata_options().unwrap().http_put_response_hop_limit(), Some(2));
    assert_eq!(data.tag_specifications()[0].tags()[0].value(), Some("nodes"));
    let default = versions("$Default").send().await.unwrap();
    assert_eq!(default.launch_template_versions()[0].version_number(), Some(1));
    assert_eq!(code(versions("9").send().await), "InvalidLaunchTemplateId.VersionNotFound");
    let modify = ec2.modify_launch_template().launch_template_id(&id).default_version("2");
    modify.send().await.unwrap();
    let default = versions("$Default").send().await.unwrap();
    assert_eq!(default.launch_template_versions()[0].version_number(), Some(2));
    let all = ec2.describe_launch_template_versions().versions("$Default").send().await.unwrap();
    assert_eq!(all.launch_template_versions().len(), 1);

    ec2.delete_launch_template().launch_template_name("nodes").send().await.unwrap();
    let gone = ec2.describe_launch_templates().launch_template_ids(&id).send().await;
    assert_eq!(code(gone), "InvalidLaunchTemplateId.NotFound");
    let gone = ec2.describe_launch_templates().launch_template_names("nodes").send().await;
    assert_eq!(code(gone), "InvalidLaunchTemplateName.NotFoundException");
}

#[tokio::test(start_paused = true)]
async fn instance_types() {
    let ec2 = client(&sandbox());
    let of = async |name: &str| {
        let call = ec2.describe_instance_types().instance_types(name.into());
        let found = call.send().await.unwrap().instance_types()[0].clone();
        let arch = found.processor_info().unwrap().supported_architectures()[0].as_str().to_owned();
        let vcpus = found.v_cpu_info().unwrap().default_v_cpus().unwrap();
        (vcpus, found.memory_info().unwrap().size_in_mib().unwrap(), arch)
    };
    for (name, vcpus, gib, arch) in [
        ("m5.large", 2, 8, "x86_64"),
        ("m6i.2xlarge", 8, 32, "x86_64"),
        ("c5.18xlarge", 72, 144, "x86_64"),
        ("c7g.medium", 1, 2, "arm64"),
        ("t3.medium", 2, 4, "x86_64"),
        ("t4g.xlarge", 4, 16, "arm64"),
        ("r6g.large", 2, 16, "arm64"),
    ] {
        assert_eq!(of(name).await, (vcpus, gib * 1024, arch.to_owned()), "{name}");
    }
    let odd = ec2.describe_instance_types().instance_types("m5.odd".into()).send().await;
    assert_eq!(code(odd), "InvalidInstanceType");
    let offered = ec2
        .describe_instance_type_offerings()
        .location_type(aws_sdk_ec2::types::LocationType::AvailabilityZone)
        .filters(filter("instance-type", "m5.large"));
    assert_eq!(offered.send().await.unwrap().instance_type_offerings().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn service_linked_roles_and_instance_profiles() {
    let place = Place::new().await;
    let iam = &place.iam;
    let create = iam.create_service_linked_role().aws_service_name("autoscaling.amazonaws.com");
    let made = create.clone().send().await.unwrap().role().unwrap().clone();
    assert_eq!(
        made.arn(),
        "arn:aws:iam::123456789012:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
    );
    assert_eq!(code(create.send().await), "InvalidInput");
    let odd = iam.create_service_linked_role().aws_service_name("odd.amazonaws.com");
    assert_eq!(code(odd.send().await), "InvalidInput");
    let name = made.role_name();
    assert_eq!(code(iam.delete_role().role_name(name).send().await), "UnmodifiableEntity");
    let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
    let attach = iam.attach_role_policy().role_name(name).policy_arn(policy);
    assert_eq!(code(attach.send().await), "UnmodifiableEntity");
    let delete = iam.delete_service_linked_role().role_name(name).send().await.unwrap();
    let task = delete.deletion_task_id();
    let status = iam.get_service_linked_role_deletion_status().deletion_task_id(task);
    assert_eq!(status.send().await.unwrap().status().as_str(), "SUCCEEDED");
    assert_eq!(code(iam.get_role().role_name(name).send().await), "NoSuchEntity");

    let tag = aws_sdk_iam::types::Tag::builder().key("k").value("v").build().unwrap();
    let create = iam.create_instance_profile().instance_profile_name("nodes").tags(tag);
    create.clone().send().await.unwrap();
    assert_eq!(code(create.send().await), "EntityAlreadyExists");
    let add = iam.add_role_to_instance_profile().instance_profile_name("nodes").role_name("pods");
    add.clone().send().await.unwrap();
    assert_eq!(code(add.send().await), "LimitExceeded");
    let profile = iam.get_instance_profile().instance_profile_name("nodes").send().await.unwrap();
    let profile = profile.instance_profile().unwrap();
    assert_eq!(profile.roles()[0].role_name(), "pods");
    assert_eq!(profile.tags()[0].value(), "v");
    let listed = iam.list_instance_profiles_for_role().role_name("pods").send().await.unwrap();
    assert_eq!(listed.instance_profiles().len(), 1);
    assert_eq!(code(iam.delete_role().role_name("pods").send().await), "DeleteConflict");
    let delete = iam.delete_instance_profile().instance_profile_name("nodes");
    assert_eq!(code(delete.clone().send().await), "DeleteConflict");
    let remove = iam.remove_role_from_instance_profile().instance_profile_name("nodes");
    remove.role_name("pods").send().await.unwrap();
    delete.send().await.unwrap();
    iam.delete_role().role_name("pods").send().await.unwrap();
}
