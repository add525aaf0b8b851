//! EKS: clusters, node groups, add-ons, access, and what they leave in EC2 and IAM.

use super::*;
use aws_sdk_eks::error::DisplayErrorContext;
use aws_sdk_eks::types as t;

/// A VPC with two private subnets, and the roles of a cluster and its nodes.
pub(super) struct Place {
    pub(super) sandbox: Sandbox,
    pub(super) ec2: Client,
    pub(super) eks: aws_sdk_eks::Client,
    pub(super) iam: aws_sdk_iam::Client,
    pub(super) vpc: String,
    pub(super) subnets: Vec<String>,
}

pub(super) const CLUSTER_ROLE: &str = "arn:aws:iam::123456789012:role/cluster";
pub(super) const NODE_ROLE: &str = "arn:aws:iam::123456789012:role/node";

impl Place {
    pub(super) async fn new() -> Self {
        let sandbox = sandbox();
        let ec2 = client(&sandbox);
        let config = config(&sandbox, "AKIDSANDBOX", "us-east-1");
        let vpc = vpc(&ec2, "10.0.0.0/16").await;
        let subnets = vec![
            subnet(&ec2, &vpc, "10.0.0.0/24", "us-east-1a").await,
            subnet(&ec2, &vpc, "10.0.1.0/24", "us-east-1b").await,
        ];
        let place = Place {
            ec2,
            eks: aws_sdk_eks::Client::new(&config),
            iam: aws_sdk_iam::Client::new(&config),
            sandbox,
            vpc,
            subnets,
        };
        place.role("cluster", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"]).await;
        let policies = [
            "AmazonEKSWorkerNodePolicy",
            "AmazonEC2ContainerRegistryPullOnly",
            "AmazonEKS_CNI_Policy",
        ];
        place.role("node", "ec2.amazonaws.com", &policies).await;
        place.role("pods", "pods.eks.amazonaws.com", &[]).await;
        wait(&place.sandbox, 11).await;
        place
    }

    pub(super) async fn role(&self, name: &str, service: &str, policies: &[&str]) {
        let trust = serde_json::json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": ["sts:AssumeRole", "sts:TagSession"],
            }],
        });
        let create = self.iam.create_role().role_name(name);
        create.assume_role_policy_document(trust.to_string()).send().await.unwrap();
        for policy in policies {
            let arn = format!("arn:aws:iam::aws:policy/{policy}");
            let attach = self.iam.attach_role_policy().role_name(name).policy_arn(arn);
            attach.send().await.unwrap();
        }
    }

    pub(super) fn network(&self) -> t::builders::VpcConfigRequestBuilder {
        t::VpcConfigRequest::builder().set_subnet_ids(Some(self.subnets.clone()))
    }

    pub(super) fn cluster_of(
        &self,
        name: &str,
    ) -> aws_sdk_eks::operation::create_cluster::builders::CreateClusterFluentBuilder {
        self.eks
            .create_cluster()
            .name(name)
            .version("1.35")
            .role_arn(CLUSTER_ROLE)
            .bootstrap_self_managed_addons(false)
            .access_config(
                t::CreateAccessConfigRequest::builder()
                    .authentication_mode(t::AuthenticationMode::Api)
                    .bootstrap_cluster_creator_admin_permissions(false)
                    .build(),
            )
            .resources_vpc_config(self.network().build())
    }

    /// A cluster that is active, with the network of pods.
    pub(super) async fn cluster(&self, name: &str) {
        self.cluster_of(name).send().await.unwrap();
        wait(&self.sandbox, 541).await;
        let cni = self.eks.create_addon().cluster_name(name).addon_name("vpc-cni");
        cni.send().await.unwrap();
    }

    pub(super) async fn describe(&self, name: &str) -> t::Cluster {
        self.eks.describe_cluster().name(name).send().await.unwrap().cluster().unwrap().clone()
    }

    pub(super) async fn status(&self, name: &str) -> String {
        self.describe(name).await.status().unwrap().as_str().to_owned()
    }

    pub(super) fn group_of(
        &self,
        cluster: &str,
        name: &str,
    ) -> aws_sdk_eks::operation::create_nodegroup::builders::CreateNodegroupFluentBuilder {
        self.eks
            .create_nodegroup()
            .cluster_name(cluster)
            .nodegroup_name(name)
            .node_role(NODE_ROLE)
            .set_subnets(Some(self.subnets.clone()))
            .instance_types("m5.large")
            .scaling_config(sizes(1, 4, 2))
    }

    pub(super) async fn group(&self, cluster: &str, name: &str) -> t::Nodegroup {
        let call = self.eks.describe_nodegroup().cluster_name(cluster).nodegroup_name(name);
        call.send().await.unwrap().nodegroup().unwrap().clone()
    }

    pub(super) async fn group_status(&self, cluster: &str, name: &str) -> String {
        self.group(cluster, name).await.status().unwrap().as_str().to_owned()
    }

    pub(super) async fn instances(&self, state: &str) -> Vec<aws_sdk_ec2::types::Instance> {
        let call = self.ec2.describe_instances().filters(filter("instance-state-name", state));
        let found = call.send().await.unwrap();
        found.reservations().iter().flat_map(|r| r.instances().to_vec()).collect()
    }

    pub(super) async fn addon(&self, cluster: &str, name: &str) -> t::Addon {
        let call = self.eks.describe_addon().cluster_name(cluster).addon_name(name);
        call.send().await.unwrap().addon().unwrap().clone()
    }

    async fn addon_status(&self, cluster: &str, name: &str) -> String {
        self.addon(cluster, name).await.status().unwrap().as_str().to_owned()
    }
}

pub(super) fn sizes(min: i32, max: i32, desired: i32) -> t::NodegroupScalingConfig {
    t::NodegroupScalingConfig::builder().min_size(min).max_size(max).desired_size(desired).build()
}

#[tokio::test(start_paused = true)]
async fn a_cluster_lives() {
    let place = Place::new().await;
    let eks = &place.eks;
    let create = place.cluster_of("one").client_request_token("first").tags("team", "dev");
    let made = create.clone().send().await.unwrap().cluster().unwrap().clone();
    assert_eq!(made.status().unwrap().as_str(), "CREATING");
    assert_eq!(made.endpoint(), None);
    assert_eq!(place.sandbox.clusters("123456789012", "us-east-1"), Vec::new());
    // The same request again gives the same cluster, another one is refused.
    let again = create.clone().send().await.unwrap().cluster().unwrap().arn().map(str::to_owned);
    assert_eq!(again.as_deref(), made.arn());
    let other = create.client_request_token("second").send().await;
    assert_eq!(code(other), "ResourceInUseException");
    assert_eq!(code(eks.delete_cluster().name("one").send().await), "ResourceInUseException");

    wait(&place.sandbox, 541).await;
    let cluster = place.describe("one").await;
    assert_eq!(cluster.status().unwrap().as_str(), "ACTIVE");
    let endpoint = cluster.endpoint().unwrap();
    assert!(endpoint.ends_with(".gr7.us-east-1.eks.amazonaws.com"), "{endpoint}");
    let issuer = cluster.identity().unwrap().oidc().unwrap().issuer().unwrap();
    assert!(issuer.starts_with("https://oidc.eks.us-east-1.amazonaws.com/id/"), "{issuer}");
    assert!(cluster.certificate_authority().unwrap().data().unwrap().len() > 500);
    assert_eq!(cluster.tags().unwrap()["team"], "dev");
    let net = cluster.resources_vpc_config().unwrap();
    assert_eq!(net.vpc_id(), Some(place.vpc.as_str()));
    assert_eq!(net.public_access_cidrs(), ["0.0.0.0/0"]);
    assert_eq!(
        cluster.kubernetes_network_config().unwrap().service_ipv4_cidr(),
        Some("172.20.0.0/16")
    );
    let seen = place.sandbox.clusters("123456789012", "us-east-1");
    assert_eq!((seen[0].name.as_str(), seen[0].url.as_str()), ("one", endpoint));

    // What it has in EC2 stands in the way of what it is in.
    let own = net.cluster_security_group_id().unwrap();
    let groups = place.ec2.describe_security_groups().group_ids(own).send().await.unwrap();
    let group = &groups.security_groups()[0];
    assert!(group.group_name().unwrap().starts_with("eks-cluster-sg-one-"));
    assert!(group.tags().iter().any(|tag| tag.key() == Some("aws:eks:cluster-name")));
    let nics = place.ec2.describe_network_interfaces().filters(filter("vpc-id", &place.vpc));
    let nics = nics.send().await.unwrap();
    let about: Vec<_> = nics.network_interfaces().iter().map(|nic| nic.description()).collect();
    assert_eq!(about, [Some("Amazon EKS one"); 2]);
    let delete = place.ec2.delete_subnet().subnet_id(&place.subnets[0]).send().await;
    assert_eq!(code(delete), "DependencyViolation");

    eks.delete_cluster().name("one").send().await.unwrap();
    assert_eq!(place.status("one").await, "DELETING");
    assert_eq!(place.sandbox.clusters("123456789012", "us-east-1"), Vec::new());
    assert_eq!(code(eks.delete_cluster().name("one").send().await), "ResourceInUseException");
    wait(&place.sandbox, 181).await;
    let gone = eks.describe_cluster().name("one").send().await.unwrap_err();
    let gone = gone.into_service_error();
    assert!(gone.is_resource_not_found_exception(), "{}", DisplayErrorContext(&gone));
    for id in &place.subnets {
        place.ec2.delete_subnet().subnet_id(id).send().await.unwrap();
    }
    place.ec2.delete_vpc().vpc_id(&place.vpc).send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_clusters_are_refused_for() {
    let place = Place::new().await;
    let why = async |create: aws_sdk_eks::operation::create_cluster::builders::CreateClusterFluentBuilder| {
        let error = create.send().await.unwrap_err().into_service_error();
        (error.code().unwrap().to_owned(), error.message().unwrap().to_owned())
    };
    let one_zone = t::VpcConfigRequest::builder().subnet_ids(&place.subnets[0]).build();
    let (code, message) = why(place.cluster_of("x").resources_vpc_config(one_zone)).await;
    assert_eq!(code, "InvalidParameterException");
    assert!(message.contains("two different AZs"), "{message}");
    let closed = place.network().endpoint_public_access(false).build();
    let (_, message) = why(place.cluster_of("x").resources_vpc_config(closed)).await;
    assert!(message.contains("cannot be disabled"), "{message}");
    // us-east-1c is use1-az3 here, which has no control planes.
    let excluded = subnet(&place.ec2, &place.vpc, "10.0.2.0/24", "us-east-1c").await;
    let net = place.network().subnet_ids(excluded).build();
    let (code, _) = why(place.cluster_of("x").resources_vpc_config(net)).await;
    assert_eq!(code, "UnsupportedAvailabilityZoneException");
    let (_, message) = why(place.cluster_of("x").version("1.31")).await;
    assert!(message.contains("unsupported Kubernetes version"), "{message}");
    let (_, message) =
        why(place.cluster_of("x").role_arn("arn:aws:iam::123456789012:role/no")).await;
    assert!(message.contains("does not exist"), "{message}");
    let (_, message) = why(place.cluster_of("x").role_arn(NODE_ROLE)).await;
    assert!(message.contains("trusted entity is not correct"), "{message}");
    // A role is not known at once, and needs its policy.
    place.role("fresh", "eks.amazonaws.com", &[]).await;
    let fresh = || place.cluster_of("x").role_arn("arn:aws:iam::123456789012:role/fresh");
    let (_, message) = why(fresh()).await;
    assert!(message.contains("could not be assumed"), "{message}");
    wait(&place.sandbox, 11).await;
    let (_, message) = why(fresh()).await;
    assert!(message.contains("AmazonEKSClusterPolicy"), "{message}");
    // The law's own refusals say what EKS says.
    let (code, _) = why(place.cluster_of("-x")).await;
    assert_eq!(code, "InvalidParameterException");
    let clusters = place.eks.list_clusters().send().await.unwrap();
    assert_eq!(clusters.clusters(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn one_change_of_a_cluster_at_a_time() {
    let place = Place::new().await;
    place.cluster_of("one").version("1.33").send().await.unwrap();
    wait(&place.sandbox, 541).await;
    let change = place.eks.update_cluster_config().name("one");
    let logging = t::Logging::builder()
        .cluster_logging(t::LogSetup::builder().types(t::LogType::Audit).enabled(true).build())
        .build();
    let private = t::VpcConfigRequest::builder().endpoint_private_access(true).build();
    let both = change.clone().logging(logging.clone()).resources_vpc_config(private.clone());
    assert_eq!(code(both.send().await), "InvalidParameterException");
    let made = change.clone().logging(logging.clone()).send().await.unwrap();
    let id = made.update().unwrap().id().unwrap().to_owned();
    let private = change.clone().resources_vpc_config(private);
    assert_eq!(code(private.clone().send().await), "ResourceInUseException");
    let state = async || {
        let call = place.eks.describe_update().name("one").update_id(&id).send().await.unwrap();
        call.update().unwrap().status().unwrap().as_str().to_owned()
    };
    assert_eq!(
        (state().await.as_str(), place.status("one").await.as_str()),
        ("InProgress", "UPDATING")
    );
    wait(&place.sandbox, 121).await;
    assert_eq!(
        (state().await.as_str(), place.status("one").await.as_str()),
        ("Successful", "ACTIVE")
    );
    // Asking for what it has is refused.
    assert_eq!(code(change.logging(logging).send().await), "InvalidParameterException");
    // EKS makes the log group itself where nobody has.
    let config = config(&place.sandbox, "AKIDSANDBOX", "us-east-1");
    let logs = aws_sdk_cloudwatchlogs::Client::new(&config);
    let found = logs.describe_log_groups().log_group_name_prefix("/aws/eks/one/").send().await;
    assert_eq!(found.unwrap().log_groups().len(), 1);
    private.send().await.unwrap();
    wait(&place.sandbox, 241).await;
    let net = place.describe("one").await.resources_vpc_config().unwrap().clone();
    assert!(net.endpoint_private_access() && net.endpoint_public_access());

    // One minor version at a time.
    let upgrade = |version: &str| place.eks.update_cluster_version().name("one").version(version);
    assert_eq!(code(upgrade("1.35").send().await), "InvalidParameterException");
    upgrade("1.34").send().await.unwrap();
    assert_eq!(place.describe("one").await.version(), Some("1.33"));
    wait(&place.sandbox, 601).await;
    assert_eq!(place.describe("one").await.version(), Some("1.34"));
    upgrade("1.35").send().await.unwrap();
    wait(&place.sandbox, 601).await;
    assert_eq!(place.describe("one").await.version(), Some("1.35"));
    let all = place.eks.list_updates().name("one").send().await.unwrap();
    assert_eq!(all.update_ids().len(), 4);
}

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

#[tokio::test(start_paused = true)]
async fn addons_wait_for_what_they_need() {
    let place = Place::new().await;
    place.cluster("one").await;
    let add = |name: &str| place.eks.create_addon().cluster_name("one").addon_name(name);
    for name in ["kube-proxy", "eks-pod-identity-agent", "coredns", "aws-ebs-csi-driver"] {
        add(name).send().await.unwrap();
    }
    assert_eq!(code(add("nonsense").send().await), "InvalidParameterException");
    assert_eq!(code(add("coredns").send().await), "ResourceInUseException");
    wait(&place.sandbox, 20).await;
    for name in ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"] {
        assert_eq!(place.addon_status("one", name).await, "ACTIVE", "{name}");
    }
    assert_eq!(place.addon_status("one", "coredns").await, "CREATING");
    wait(&place.sandbox, 41).await;
    let degraded = place.addon("one", "coredns").await;
    assert_eq!(degraded.status().unwrap().as_str(), "DEGRADED");
    let issue = &degraded.health().unwrap().issues()[0];
    assert_eq!(issue.code().unwrap().as_str(), "InsufficientNumberOfReplicas");
    // Tainted nodes are no use to it until it tolerates them.
    let taint = t::Taint::builder().key("only").effect(t::TaintEffect::NoSchedule).build();
    place.group_of("one", "tainted").taints(taint).send().await.unwrap();
    wait(&place.sandbox, 120).await;
    assert_eq!(place.addon_status("one", "coredns").await, "DEGRADED");
    let update = place.eks.update_addon().cluster_name("one").addon_name("coredns");
    update.clone().configuration_values("{nonsense").send().await.unwrap_err();
    let tolerant = r#"{"tolerations": [{"operator": "Exists"}]}"#;
    update.configuration_values(tolerant).send().await.unwrap();
    assert_eq!(place.addon_status("one", "coredns").await, "UPDATING");
    wait(&place.sandbox, 21).await;
    assert_eq!(place.addon_status("one", "coredns").await, "ACTIVE");
    assert_eq!(place.addon("one", "coredns").await.configuration_values(), Some(tolerant));
    assert_eq!(place.addon_status("one", "aws-ebs-csi-driver").await, "DEGRADED");
    place.group_of("one", "plain").send().await.unwrap();
    wait(&place.sandbox, 90).await;
    assert_eq!(place.addon_status("one", "aws-ebs-csi-driver").await, "ACTIVE");

    // The default version is what an add-on gets that names none.
    let known = place.eks.describe_addon_versions().kubernetes_version("1.35");
    let known = known.addon_name("coredns").send().await.unwrap();
    let default = known.addons()[0].addon_versions().iter().find(|version| {
        version.compatibilities().iter().any(|compatibility| compatibility.default_version())
    });
    let default = default.unwrap().addon_version().unwrap();
    assert_eq!(place.addon("one", "coredns").await.addon_version(), Some(default));
    let schema = place.eks.describe_addon_configuration().addon_name("coredns");
    schema.addon_version(default).send().await.unwrap();

    let delete = place.eks.delete_addon().cluster_name("one").addon_name("coredns");
    delete.clone().preserve(true).send().await.unwrap();
    assert_eq!(place.addon_status("one", "coredns").await, "DELETING");
    wait(&place.sandbox, 9).await;
    assert_eq!(code(delete.send().await), "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn an_addon_in_the_place_of_a_self_managed_one_conflicts() {
    let place = Place::new().await;
    place.cluster_of("one").bootstrap_self_managed_addons(true).send().await.unwrap();
    wait(&place.sandbox, 541).await;
    let add = place.eks.create_addon().cluster_name("one").addon_name("kube-proxy");
    add.send().await.unwrap();
    wait(&place.sandbox, 19).await;
    let failed = place.addon("one", "kube-proxy").await;
    assert_eq!(failed.status().unwrap().as_str(), "CREATE_FAILED");
    assert_eq!(
        failed.health().unwrap().issues()[0].code().unwrap().as_str(),
        "ConfigurationConflict"
    );
    let update = place.eks.update_addon().cluster_name("one").addon_name("kube-proxy");
    update.resolve_conflicts(t::ResolveConflicts::Overwrite).send().await.unwrap();
    wait(&place.sandbox, 21).await;
    assert_eq!(place.addon_status("one", "kube-proxy").await, "ACTIVE");
}

#[tokio::test(start_paused = true)]
async fn who_may_use_a_cluster() {
    let place = Place::new().await;
    place.role("admin", "ec2.amazonaws.com", &[]).await;
    place.cluster("one").await;
    let admin = "arn:aws:iam::123456789012:role/admin";
    let create = |principal: &str| {
        place.eks.create_access_entry().cluster_name("one").principal_arn(principal)
    };
    let session = create("arn:aws:sts::123456789012:assumed-role/admin/me").send().await;
    assert_eq!(code(session), "InvalidParameterException");
    let missing = create("arn:aws:iam::123456789012:role/none").send().await;
    assert_eq!(code(missing), "InvalidParameterException");
    let made = create(admin).kubernetes_groups("ops").tags("a", "b").send().await.unwrap();
    let made = made.access_entry().unwrap().clone();
    assert_eq!(
        made.username(),
        Some("arn:aws:sts::123456789012:assumed-role/admin/{{SessionName}}")
    );
    assert_eq!(code(create(admin).send().await), "ResourceInUseException");

    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy";
    let whole = t::AccessScope::builder().r#type(t::AccessScopeType::Cluster).build();
    let associate = place.eks.associate_access_policy().cluster_name("one").principal_arn(admin);
    let wrong = associate.clone().policy_arn(format!("{policy}X")).access_scope(whole.clone());
    assert_eq!(code(wrong.send().await), "InvalidParameterException");
    associate.policy_arn(policy).access_scope(whole).send().await.unwrap();
    let list = place.eks.list_associated_access_policies().cluster_name("one").principal_arn(admin);
    let listed = list.send().await.unwrap();
    assert_eq!(listed.principal_arn(), Some(admin));
    assert_eq!(listed.associated_access_policies()[0].policy_arn(), Some(policy));
    let access = &place.sandbox.clusters("123456789012", "us-east-1")[0].access;
    assert_eq!(access[0].policies, [(policy.to_owned(), Vec::<String>::new())]);
    let update = place.eks.update_access_entry().cluster_name("one").principal_arn(admin);
    update.set_kubernetes_groups(Some(Vec::new())).username("boss").send().await.unwrap();
    let describe = place.eks.describe_access_entry().cluster_name("one").principal_arn(admin);
    let seen = describe.clone().send().await.unwrap().access_entry().unwrap().clone();
    assert_eq!((seen.username(), seen.kubernetes_groups().len()), (Some("boss"), 0));

    // Tags, by ARN.
    let arn = seen.access_entry_arn().unwrap();
    place.eks.tag_resource().resource_arn(arn).tags("c", "d").send().await.unwrap();
    place.eks.untag_resource().resource_arn(arn).tag_keys("a").tag_keys("x").send().await.unwrap();
    let tags = place.eks.list_tags_for_resource().resource_arn(arn).send().await.unwrap();
    assert_eq!(tags.tags().unwrap().keys().collect::<Vec<_>>(), ["c"]);
    let nothing = place.eks.list_tags_for_resource().resource_arn(format!("{arn}x"));
    assert_eq!(code(nothing.send().await), "NotFoundException");

    let dissociate = place.eks.disassociate_access_policy().cluster_name("one");
    let dissociate = dissociate.principal_arn(admin).policy_arn(policy);
    dissociate.clone().send().await.unwrap();
    assert_eq!(code(dissociate.send().await), "ResourceNotFoundException");
    place.eks.delete_access_entry().cluster_name("one").principal_arn(admin).send().await.unwrap();
    assert_eq!(code(describe.send().await), "ResourceNotFoundException");
}

#[tokio::test(start_paused = true)]
async fn the_maker_of_a_cluster_may_be_its_administrator() {
    let place = Place::new().await;
    let access = t::CreateAccessConfigRequest::builder()
        .authentication_mode(t::AuthenticationMode::ApiAndConfigMap);
    place.cluster_of("one").access_config(access.build()).send().await.unwrap();
    let old = t::CreateAccessConfigRequest::builder().build();
    place.cluster_of("two").access_config(old).send().await.unwrap();
    wait(&place.sandbox, 541).await;
    let entries = place.eks.list_access_entries().cluster_name("one").send().await.unwrap();
    assert_eq!(entries.access_entries(), ["arn:aws:iam::123456789012:user/sandbox"]);
    let none = place.eks.list_access_entries().cluster_name("two").send().await;
    assert_eq!(code(none), "InvalidRequestException");
}

#[tokio::test(start_paused = true)]
async fn roles_for_pods() {
    let place = Place::new().await;
    place.cluster("one").await;
    let create = place
        .eks
        .create_pod_identity_association()
        .cluster_name("one")
        .namespace("coder")
        .service_account("coder");
    let wrong = create.clone().role_arn(NODE_ROLE).send().await;
    assert_eq!(code(wrong), "InvalidParameterException");
    let right = create.clone().role_arn("arn:aws:iam::123456789012:role/pods");
    let made = right.clone().client_request_token("t").send().await.unwrap();
    let id = made.association().unwrap().association_id().unwrap().to_owned();
    let again = right.clone().client_request_token("t").send().await.unwrap();
    assert_eq!(again.association().unwrap().association_id(), Some(id.as_str()));
    assert_eq!(code(right.send().await), "ResourceInUseException");
    let list = place.eks.list_pod_identity_associations().cluster_name("one");
    let found = list.clone().namespace("coder").service_account("coder").send().await.unwrap();
    assert_eq!(found.associations().len(), 1);
    let found = list.namespace("other").send().await.unwrap();
    assert_eq!(found.associations().len(), 0);
    place.role("other", "pods.eks.amazonaws.com", &[]).await;
    wait(&place.sandbox, 11).await;
    let other = "arn:aws:iam::123456789012:role/other";
    let update = place.eks.update_pod_identity_association().cluster_name("one");
    update.association_id(&id).role_arn(other).send().await.unwrap();
    let describe = place.eks.describe_pod_identity_association().cluster_name("one");
    let describe = describe.association_id(&id);
    let seen = describe.clone().send().await.unwrap();
    assert_eq!(seen.association().unwrap().role_arn(), Some(other));
    let delete = place.eks.delete_pod_identity_association().cluster_name("one");
    delete.association_id(&id).send().await.unwrap();
    assert_eq!(code(describe.send().await), "ResourceNotFoundException");

    // Those of an add-on come and go with it.
    let identity = t::AddonPodIdentityAssociations::builder()
        .service_account("ebs-csi-controller-sa")
        .role_arn(other)
        .build()
        .unwrap();
    let add = place.eks.create_addon().cluster_name("one").addon_name("aws-ebs-csi-driver");
    add.pod_identity_associations(identity).send().await.unwrap();
    let list = place.eks.list_pod_identity_associations().cluster_name("one");
    let found = list.clone().send().await.unwrap();
    let owner = found.associations()[0].owner_arn();
    assert_eq!(owner, place.addon("one", "aws-ebs-csi-driver").await.addon_arn());
    let delete = place.eks.delete_addon().cluster_name("one").addon_name("aws-ebs-csi-driver");
    delete.send().await.unwrap();
    wait(&place.sandbox, 9).await;
    assert_eq!(list.send().await.unwrap().associations().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn versions_have_dates() {
    let place = Place::new().await;
    let all = place.eks.describe_cluster_versions().send().await.unwrap();
    let found: Vec<_> = all
        .cluster_versions()
        .iter()
        .map(|version| {
            let status = version.version_status().unwrap().as_str();
            (version.cluster_version().unwrap(), status, version.default_version())
        })
        .collect();
    // On the fifteenth of January 2027.
    assert_eq!(
        found,
        [
            ("1.36", "STANDARD_SUPPORT", false),
            ("1.35", "STANDARD_SUPPORT", true),
            ("1.34", "EXTENDED_SUPPORT", false),
            ("1.33", "EXTENDED_SUPPORT", false),
            ("1.32", "EXTENDED_SUPPORT", false),
        ]
    );
    let one =
        place.eks.describe_cluster_versions().cluster_versions("1.31").cluster_versions("1.35");
    let one = one.send().await.unwrap();
    let ends = one.cluster_versions()[0].end_of_standard_support_date().unwrap().secs();
    assert_eq!(ends, 1_806_105_600);
    assert_eq!(one.cluster_versions()[1].version_status().unwrap().as_str(), "UNSUPPORTED");
    let first = place.eks.describe_cluster_versions().max_results(2).send().await.unwrap();
    assert_eq!(first.cluster_versions().len(), 2);
    let rest = place.eks.describe_cluster_versions().set_next_token(first.next_token);
    assert_eq!(rest.send().await.unwrap().cluster_versions()[0].cluster_version(), Some("1.34"));
}

#[tokio::test(start_paused = true)]
async fn a_secret_key_is_for_good() {
    let place = Place::new().await;
    let kms = aws_sdk_kms::Client::new(&config(&place.sandbox, "AKIDSANDBOX", "us-east-1"));
    let key = kms.create_key().send().await.unwrap();
    let key = key.key_metadata().unwrap().arn().unwrap().to_owned();
    place.cluster("one").await;
    let of = |key: &str| {
        t::EncryptionConfig::builder().provider(t::Provider::builder().key_arn(key).build()).build()
    };
    let associate = place.eks.associate_encryption_config().cluster_name("one");
    let wrong = associate.clone().encryption_config(of("arn:aws:kms:us-east-1:123456789012:key/x"));
    assert_eq!(code(wrong.send().await), "InvalidParameterException");
    associate.clone().encryption_config(of(&key)).send().await.unwrap();
    assert_eq!(place.status("one").await, "UPDATING");
    wait(&place.sandbox, 241).await;
    let seen = place.describe("one").await;
    let provider = seen.encryption_config()[0].provider().unwrap();
    assert_eq!(provider.key_arn(), Some(key.as_str()));
    assert_eq!(
        code(associate.encryption_config(of(&key)).send().await),
        "InvalidParameterException"
    );
}

#[tokio::test(start_paused = true)]
async fn faults_and_lag_are_those_of_other_services() {
    let place = Place::new().await;
    place.sandbox.set_faults(Faults::script([
        Fault::on_operation("eks:ListClusters", Effect::Throttle),
        Fault::on_operation("eks:CreateCluster", Effect::LoseAnswer),
    ]));
    let throttled = place.eks.list_clusters().send().await.unwrap_err();
    let status = throttled.raw_response().map(|raw| raw.status().as_u16());
    assert_eq!((throttled.code(), status), (Some("ThrottlingException"), Some(429)));
    let create = place.cluster_of("one").client_request_token("once");
    create.clone().send().await.unwrap_err();
    create.send().await.unwrap();
    let nics = place.ec2.describe_network_interfaces().filters(filter("vpc-id", &place.vpc));
    assert_eq!(nics.send().await.unwrap().network_interfaces().len(), 2);

    place.sandbox.set_faults(Faults::none().with_lag(Duration::from_secs(5)));
    place.cluster_of("two").send().await.unwrap();
    let describe = place.eks.describe_cluster().name("two");
    assert_eq!(code(describe.clone().send().await), "ResourceNotFoundException");
    wait(&place.sandbox, 6).await;
    describe.send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn errors_have_their_type_in_a_header() {
    let sandbox = sandbox();
    let ask = async |method: &str, path: &str, body: &'static str| {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://eks.us-east-1.amazonaws.com{path}"))
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=A/20270115/us-east-1/eks/aws4_request",
            )
            .body(bytes::Bytes::from_static(body.as_bytes()))
            .unwrap();
        let answer = sandbox.handle(request).await.unwrap();
        let kind = answer.headers().get("x-amzn-errortype");
        let kind = kind.map(|kind| kind.to_str().unwrap().to_owned()).unwrap_or_default();
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        (answer.status().as_u16(), kind, body)
    };
    let (status, kind, body) = ask("GET", "/clusters/none", "").await;
    assert_eq!((status, kind.as_str()), (404, "ResourceNotFoundException"));
    assert_eq!(body["message"], "No cluster found for name: none.");
    let (status, ..) = ask("GET", "/clusters/", "").await;
    assert_eq!(status, 200);
    for (method, path, body, expected) in [
        ("GET", "/clusters?maxResults=many", "", "InvalidParameterException"),
        ("GET", "/clusters?odd=1", "", "InvalidParameterException"),
        ("POST", "/clusters", "[]", "SerializationException"),
        ("POST", "/clusters", "{", "SerializationException"),
        ("POST", "/clusters", "{\"name\":\"x\",\"odd\":1}", "InvalidParameterException"),
        ("PATCH", "/clusters", "", "UnknownOperationException"),
        ("GET", "/clusters/a/b/c", "", "UnknownOperationException"),
    ] {
        let (status, kind, _) = ask(method, path, body).await;
        assert!(status == 400 || status == 404, "{method} {path}: {status}");
        assert_eq!(kind, expected, "{method} {path}");
    }
}
