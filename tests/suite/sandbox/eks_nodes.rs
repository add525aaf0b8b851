//! Node groups of EKS clusters, and their nodes.

use super::eks::{NODE_ROLE, Place, sizes};
use super::*;
use aws_sdk_eks::types as t;

#[tokio::test(start_paused = true)]
async fn a_node_group_has_instances_that_become_nodes() {
    let place = Place::new().await;
    let create = place.group_of("one", "system");
    assert_eq!(code(create.clone().send().await), "ResourceNotFoundException");
    place.cluster_of("one").send().await.unwrap();
    assert_eq!(code(create.clone().send().await), "InvalidRequestException");
    wait(&place.sandbox, 541).await;
    let taint = t::Taint::builder().key("only").value("us").effect(t::TaintEffect::NoSchedule);
    let create = create.labels("role", "system").taints(taint.build()).tags("team", "dev");
    let reserved = create.clone().labels("eks.amazonaws.com/x", "y").send().await;
    assert_eq!(code(reserved), "InvalidParameterException");
    let wrong = create.clone().scaling_config(sizes(3, 4, 2)).send().await;
    assert_eq!(code(wrong), "InvalidParameterException");
    create.send().await.unwrap();
    assert_eq!(code(place.eks.delete_cluster().name("one").send().await), "ResourceInUseException");

    // Two instances, in two zones; they join, but without a network they are not ready.
    wait(&place.sandbox, 120).await;
    let running = place.instances("running").await;
    let zones: std::collections::BTreeSet<_> = running
        .iter()
        .map(|instance| instance.placement().unwrap().availability_zone().unwrap())
        .collect();
    assert_eq!((running.len(), zones.len()), (2, 2));
    assert!(running[0].tags().iter().any(|tag| tag.key() == Some("eks:nodegroup-name")));
    let nodes = place.sandbox.nodes("123456789012", "us-east-1", "one");
    assert_eq!((nodes.len(), nodes[0].ready_at), (2, None));
    assert_eq!(place.group_status("one", "system").await, "CREATING");
    let addon = place.eks.create_addon().cluster_name("one").addon_name("vpc-cni");
    addon.send().await.unwrap();
    wait(&place.sandbox, 41).await;
    assert_eq!(place.group_status("one", "system").await, "ACTIVE");
    let node = &place.sandbox.nodes("123456789012", "us-east-1", "one")[0];
    assert!(node.ready_at.is_some() && node.name.starts_with("ip-10-0-"), "{node:?}");
    assert_eq!((node.cpus, node.memory), (2, 8192));
    assert_eq!(node.labels["role"], "system");
    assert_eq!(node.labels["eks.amazonaws.com/nodegroup"], "system");
    assert_eq!(node.taints, [("only".to_owned(), Some("us".to_owned()), "NoSchedule".to_owned())]);

    // The nodes' role is let in; the services have made their roles.
    let entries = place.eks.list_access_entries().cluster_name("one").send().await.unwrap();
    assert_eq!(entries.access_entries(), [NODE_ROLE]);
    for name in ["AmazonEKS", "AmazonEKSNodegroup", "AutoScaling"] {
        let role = place.iam.get_role().role_name(format!("AWSServiceRoleFor{name}"));
        role.send().await.unwrap();
    }

    // Changes: labels and taints as deltas, sizes at once.
    let change = place.eks.update_nodegroup_config().cluster_name("one").nodegroup_name("system");
    let labels =
        t::UpdateLabelsPayload::builder().add_or_update_labels("tier", "1").remove_labels("role");
    let taints = t::UpdateTaintsPayload::builder()
        .remove_taints(t::Taint::builder().key("only").effect(t::TaintEffect::NoSchedule).build());
    let all = change.clone().labels(labels.build()).taints(taints.build());
    all.clone().scaling_config(sizes(1, 4, 3)).send().await.unwrap();
    assert_eq!(place.group_status("one", "system").await, "UPDATING");
    assert_eq!(code(all.send().await), "ResourceInUseException");
    wait(&place.sandbox, 21).await;
    let group = place.group("one", "system").await;
    assert_eq!(group.taints(), []);
    assert_eq!(group.labels().unwrap().keys().collect::<Vec<_>>(), ["tier"]);
    assert_eq!(group.scaling_config().unwrap().desired_size(), Some(3));
    assert_eq!(place.instances("running").await.len(), 3);
    // Without a desired size, the group's own must fit.
    let low = t::NodegroupScalingConfig::builder().min_size(4).build();
    let low = change.clone().scaling_config(low).send().await;
    assert_eq!(code(low), "InvalidParameterException");
    change.scaling_config(sizes(1, 4, 1)).send().await.unwrap();
    wait(&place.sandbox, 61).await;
    assert_eq!(place.instances("running").await.len(), 1);

    let delete = place.eks.delete_nodegroup().cluster_name("one").nodegroup_name("system");
    delete.clone().send().await.unwrap();
    assert_eq!(code(delete.send().await), "ResourceInUseException");
    wait(&place.sandbox, 251).await;
    let left = place.eks.list_nodegroups().cluster_name("one").send().await.unwrap();
    assert_eq!(left.nodegroups(), Vec::<String>::new());
    assert_eq!(place.instances("running").await.len(), 0);
    let templates = place.ec2.describe_launch_templates().send().await.unwrap();
    assert_eq!(templates.launch_templates(), []);
    place.eks.delete_cluster().name("one").send().await.unwrap();
    wait(&place.sandbox, 181).await;
    let nics = place.ec2.describe_network_interfaces().filters(filter("vpc-id", &place.vpc));
    assert_eq!(nics.send().await.unwrap().network_interfaces().len(), 0);
    for id in &place.subnets {
        place.ec2.delete_subnet().subnet_id(id).send().await.unwrap();
    }
    place.ec2.delete_vpc().vpc_id(&place.vpc).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nodes_that_can_not_join_fail() {
    let place = Place::new().await;
    place.role("bare", "ec2.amazonaws.com", &["AmazonEKSWorkerNodePolicy"]).await;
    place.cluster("one").await;
    let bare = place.group_of("one", "bare").node_role("arn:aws:iam::123456789012:role/bare");
    bare.send().await.unwrap();
    wait(&place.sandbox, 1499).await;
    assert_eq!(place.group_status("one", "bare").await, "CREATING");
    wait(&place.sandbox, 2).await;
    let failed = place.group("one", "bare").await;
    assert_eq!(failed.status().unwrap().as_str(), "CREATE_FAILED");
    let issue = &failed.health().unwrap().issues()[0];
    assert_eq!(issue.code().unwrap().as_str(), "NodeCreationFailure");
    assert_eq!(issue.resource_ids().len(), 2);
    assert_eq!(place.sandbox.nodes("123456789012", "us-east-1", "one"), []);
    let delete = place.eks.delete_nodegroup().cluster_name("one").nodegroup_name("bare");
    delete.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nodes_may_leave_interfaces_behind() {
    let place = Place::new().await;
    place.sandbox.set_knobs(coderctl::sandbox::Knobs {
        nodes_leave_interfaces: true,
        ..place.sandbox.knobs()
    });
    place.cluster("one").await;
    place.group_of("one", "system").send().await.unwrap();
    wait(&place.sandbox, 120).await;
    place.eks.delete_nodegroup().cluster_name("one").nodegroup_name("system").send().await.unwrap();
    wait(&place.sandbox, 251).await;
    let left = place.ec2.describe_network_interfaces().filters(filter("description", "aws-K8S-*"));
    let left = left.send().await.unwrap().network_interfaces().to_vec();
    assert_eq!(left.len(), 2);
    assert_eq!(left[0].status().unwrap().as_str(), "available");
    for nic in left {
        let id = nic.network_interface_id().unwrap();
        place.ec2.delete_network_interface().network_interface_id(id).send().await.unwrap();
    }
    let used = place.ec2.describe_network_interfaces().send().await.unwrap();
    let used = used.network_interfaces()[0].network_interface_id().unwrap().to_owned();
    let delete = place.ec2.delete_network_interface().network_interface_id(used);
    assert_eq!(code(delete.send().await), "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn a_new_version_rolls_through_the_nodes() {
    let place = Place::new().await;
    place.cluster("one").await;
    let template = place
        .ec2
        .create_launch_template()
        .launch_template_name("nodes")
        .launch_template_data(launch_data(50))
        .send()
        .await
        .unwrap();
    let template = template.launch_template().unwrap().launch_template_id().unwrap().to_owned();
    let version = |number: &str| {
        t::LaunchTemplateSpecification::builder().id(&template).version(number).build()
    };
    let missing = place.group_of("one", "system").launch_template(version("2")).send().await;
    assert_eq!(code(missing), "InvalidParameterException");
    place.group_of("one", "system").launch_template(version("1")).send().await.unwrap();
    wait(&place.sandbox, 120).await;
    let before = place.instances("running").await;
    let volumes = place.ec2.describe_volumes().send().await.unwrap();
    assert_eq!(volumes.volumes()[0].size(), Some(50));
    assert_eq!(volumes.volumes()[0].tags()[0].value(), Some("nodes"));

    let newer = place.ec2.create_launch_template_version().launch_template_id(&template);
    newer.launch_template_data(launch_data(80)).send().await.unwrap();
    let update = place.eks.update_nodegroup_version().cluster_name("one").nodegroup_name("system");
    update.launch_template(version("2")).send().await.unwrap();
    wait(&place.sandbox, 60).await;
    assert_eq!(place.instances("running").await.len(), 4);
    assert_eq!(place.group_status("one", "system").await, "UPDATING");
    wait(&place.sandbox, 300).await;
    assert_eq!(place.group_status("one", "system").await, "ACTIVE");
    let after = place.instances("running").await;
    assert_eq!(after.len(), 2);
    assert!(
        after.iter().all(|new| before.iter().all(|old| old.instance_id() != new.instance_id()))
    );
    let volumes = place.ec2.describe_volumes().send().await.unwrap();
    assert!(volumes.volumes().iter().all(|volume| volume.size() == Some(80)));
    let group = place.group("one", "system").await;
    assert_eq!(group.launch_template().unwrap().version(), Some("2"));
    // A template in use can go, and the node group goes on.
    let delete = place.ec2.delete_launch_template().launch_template_id(&template);
    delete.send().await.unwrap();
    assert_eq!(place.group_status("one", "system").await, "ACTIVE");
}

pub(super) fn launch_data(size: i32) -> aws_sdk_ec2::types::RequestLaunchTemplateData {
    use aws_sdk_ec2::types as e;
    e::RequestLaunchTemplateData::builder()
        .block_device_mappings(
            e::LaunchTemplateBlockDeviceMappingRequest::builder()
                .device_name("/dev/xvda")
                .ebs(
                    e::LaunchTemplateEbsBlockDeviceRequest::builder()
                        .volume_size(size)
                        .volume_type(e::VolumeType::Gp3)
                        .encrypted(true)
                        .build(),
                )
                .build(),
        )
        .metadata_options(
            e::LaunchTemplateInstanceMetadataOptionsRequest::builder()
                .http_tokens(e::LaunchTemplateHttpTokensState::Required)
                .http_put_response_hop_limit(2)
                .build(),
        )
        .tag_specifications(
            e::LaunchTemplateTagSpecificationRequest::builder()
                .resource_type(ResourceType::Volume)
                .tags(Tag::builder().key("from").value("nodes").build())
                .build(),
        )
        .build()
}
