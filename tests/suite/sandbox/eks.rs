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
        Place::on(sandbox()).await
    }

    async fn on(sandbox: Sandbox) -> Self {
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

    pub(super) async fn addon_status(&self, cluster: &str, name: &str) -> String {
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

#[tokio::test(start_paused = true)]
async fn clusters_and_nodes_are_kept_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("world.json");
    let place = Place::on(Sandbox::open(&path, clock(), 7).unwrap()).await;
    place.cluster("one").await;
    place.group_of("one", "system").send().await.unwrap();
    wait(&place.sandbox, 120).await;
    place.eks.list_clusters().send().await.unwrap();
    let other = Sandbox::open(&path, place.sandbox.clock(), 8).unwrap();
    let eks = aws_sdk_eks::Client::new(&config(&other, "AKIDSANDBOX", "us-east-1"));
    let seen = eks.describe_nodegroup().cluster_name("one").nodegroup_name("system").send().await;
    assert_eq!(seen.unwrap().nodegroup().unwrap().status().unwrap().as_str(), "ACTIVE");
    let nodes = |sandbox: &Sandbox| sandbox.nodes("123456789012", "us-east-1", "one");
    assert_eq!(nodes(&other).len(), 2);
    assert_eq!(nodes(&other), nodes(&place.sandbox));
}

#[tokio::test(start_paused = true)]
async fn a_fresh_subnet_may_not_be_known_yet() {
    let place = Place::new().await;
    let lag = Faults::none().with_lag(Duration::from_secs(5));
    place.sandbox.set_faults(Faults { fresh_ids_not_found: true, ..lag });
    let fresh = subnet(&place.ec2, &place.vpc, "10.0.9.0/24", "us-east-1b").await;
    let net = place.network().subnet_ids(fresh).build();
    let create = place.cluster_of("one").resources_vpc_config(net);
    let refused = create.clone().send().await.unwrap_err().into_service_error();
    assert_eq!(refused.code(), Some("InvalidParameterException"));
    assert!(refused.message().unwrap().contains("does not exist"), "{refused:?}");
    wait(&place.sandbox, 6).await;
    create.send().await.unwrap();
}
