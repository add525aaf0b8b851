//! Destroying SR-Simple with what others made in it: workspaces, volumes, load balancers.

use super::deployment::{Deployment, End, destroy, spec};
use super::picture::difference;
use coderctl::plan::Options;
use coderctl::report::Style;
use coderctl::report::plan::{Context, human};
use coderctl::sandbox::kube::KubeService;
use coderctl::sandbox::{Effect, Fault, Faults, Knobs, Matching, Profile, Stop};
use kube::api::{DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};

const SIMPLE: &str = "examples/sr-simple.yaml";
/// Where templates put workspaces.
const WORKSPACES: &str = "coder-ws";
/// The addresses of everything that [`occupy`] makes.
const OTHERS: [&str; 3] = [
    "us-east-1/coder/workspaces",
    "us-east-1/cluster/volumes/default/data",
    "us-east-1/cluster/load-balancers/default/web",
];

fn client(account: &Deployment) -> Client {
    Client::new(KubeService::new(account.cluster()), "default")
}

fn api(account: &Deployment, group: &str, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(group, "v1", kind);
    Api::namespaced_with(client(account), "default", &ApiResource::from_gvk(&kind))
}

async fn make(account: &Deployment, group: &str, object: Value) {
    let kind = object["kind"].as_str().unwrap().to_owned();
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    api(account, group, &kind).create(&PostParams::default(), &object).await.unwrap();
}

/// Lets `seconds` pass in which the cluster's controllers work.
async fn work(account: &Deployment, seconds: u64) {
    account.pass(seconds).await;
    api(account, "", "Pod").list(&ListParams::default()).await.unwrap();
}

/// Two workspaces, a database that somebody runs by hand, and a page that is shown.
async fn occupy(account: &Deployment) {
    let kube = account.cluster();
    assert!(kube.start_workspace("alice", "dev", WORKSPACES));
    assert!(kube.start_workspace("bob", "web", WORKSPACES));
    let claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}},
    });
    make(account, "", claim).await;
    let database = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "database", "namespace": "default"},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "database"}},
            "template": {
                "metadata": {"labels": {"app": "database"}},
                "spec": {
                    "tolerations": [{"operator": "Exists"}],
                    "containers": [{"name": "database", "image": "postgres:17"}],
                    "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
                },
            },
        },
    });
    make(account, "apps", database).await;
    let page = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": 8080}],
        },
    });
    make(account, "", page).await;
    work(account, 60).await;
    work(account, 60).await;
    assert_eq!(data_volumes(account).len(), 3, "{:?}", data_volumes(account));
    assert_eq!(things(account, "elbv2", "balancers").len(), 2);
}

/// All of a sort in EC2 or Elastic Load Balancing.
fn things(account: &Deployment, service: &str, sort: &str) -> Vec<Value> {
    let dump = account.sandbox.dump();
    let all = &dump["accounts"]["123456789012"]["regions"]["us-east-1"][service][sort];
    all.as_object().unwrap().values().cloned().collect()
}

/// The volumes that claims have got, in EC2.
fn data_volumes(account: &Deployment) -> Vec<Value> {
    let mut all = things(account, "ec2", "volumes");
    all.retain(|volume| volume["outlives"] == true);
    all
}

fn consenting(addresses: &[&str]) -> Options {
    let allow_delete = addresses.iter().map(|address| (*address).to_owned()).collect();
    Options { allow_delete, ..destroy() }
}

/// What a destroy leaves, but for the roles that AWS's services made.
fn left(after: &[String], before: &[String]) -> Vec<String> {
    difference(after, before)
        .lines()
        .filter(|line| !line.contains("/aws-service-role/"))
        .map(|line| line.split(' ').take(2).collect::<Vec<_>>().join(" "))
        .collect()
}

/// What SR-Simple always leaves: the last snapshot and its key.
const SNAPSHOT: [&str; 2] = ["+1 kms/keys", "+1 rds/snapshots"];

#[tokio::test(start_paused = true)]
async fn what_others_made_goes_with_consent_and_never_without() {
    let account = Deployment::new(31);
    let before = account.picture().await;
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    occupy(&account).await;

    let plan = account.plan(&simple, &destroy()).await;
    assert_eq!(plan.unread, []);
    let refused: Vec<&str> =
        plan.refusals.iter().filter_map(|it| Some(it.address.as_ref()?.as_str())).collect();
    assert_eq!(refused, OTHERS, "{:?}", plan.refusals);
    assert!(plan.refusals[0].why.ends_with(": alice/dev, bob/web"), "{}", plan.refusals[0].why);
    assert!(plan.refusals[1].hint.ends_with("--allow-delete volumes"), "{}", plan.refusals[1].hint);
    let workspaces = plan.items.iter().find(|item| item.address.as_str() == OTHERS[0]).unwrap();
    let held: Vec<String> =
        workspaces.holds.iter().map(|held| format!("{}: {}", held.name, held.detail)).collect();
    assert_eq!(
        held,
        ["alice/dev: running, a volume of 10Gi", "bob/web: running, a volume of 10Gi"]
    );

    // It is shown as it is meant: who, what, how it is doing, and what to say.
    let style = Style { width: 80, color: false, unicode: true };
    let shown = human(&plan, &Context::NONE, &style);
    let start = shown.find("- workspaces").unwrap();
    let rows: Vec<&str> = shown[start..].lines().skip(1).take(3).map(str::trim).collect();
    let expected = [
        "others made it in what goes",
        "alice/dev  running, a volume of 10Gi",
        "bob/web  running, a volume of 10Gi",
    ];
    assert_eq!(rows, expected, "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");

    // What has nothing to do with them can go alone.
    let target = Options { target: vec!["us-east-1/ingress/listener".to_owned()], ..destroy() };
    assert_eq!(account.plan(&simple, &target).await.refusals, []);

    // Consent to some is not consent to all, and nothing has been touched.
    account.sandbox.forget_calls();
    let some = consenting(&["workspaces", "volumes"]);
    let End::Failed(why) = account.run(&simple, &some).await else { panic!("it was destroyed") };
    assert!(why.contains(OTHERS[2]), "{why}");
    assert!(account.sandbox.calls().iter().all(|call| !call.mutating));

    // By name of their sort, and by address.
    account.done(&simple, &consenting(&["workspaces", "volumes", OTHERS[2]])).await;
    let after = account.picture().await;
    assert_eq!(left(&after, &before), SNAPSHOT, "{}", difference(&after, &before));
}

/// SR-Simple with what others made in it, and how the account was before.
async fn occupied(seed: u64) -> (Deployment, Vec<String>) {
    let account = Deployment::new(seed);
    let before = account.picture().await;
    account.done(&spec(SIMPLE, &[]), &Options::default()).await;
    occupy(&account).await;
    (account, before)
}

fn everything() -> Options {
    consenting(&["workspaces", "volumes", "load-balancers"])
}

/// Puts the server to sleep, so that nobody answers for Coder.
async fn stop_coder(account: &Deployment) {
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::namespaced(client(account), "coder");
    let none = json!({"spec": {"replicas": 0}});
    let patch = kube::api::Patch::Merge(none);
    deployments.patch("coder", &kube::api::PatchParams::default(), &patch).await.unwrap();
    work(account, 120).await;
}

#[tokio::test(start_paused = true)]
async fn without_coder_what_is_in_the_cluster_goes_by_itself() {
    let (account, before) = occupied(32).await;
    stop_coder(&account).await;
    account.done(&spec(SIMPLE, &[]), &everything()).await;
    let after = account.picture().await;
    assert_eq!(left(&after, &before), SNAPSHOT, "{}", difference(&after, &before));
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_never_answers_goes_unseen_and_leaves_nothing_either() {
    let (account, before) = occupied(33).await;
    let simple = spec(SIMPLE, &[]);
    let down =
        Effect::Error { status: 503, code: "ServiceUnavailable".into(), message: "gone".into() };
    let dead = || Fault::on(Matching::Service("kubernetes".into()), down.clone()).times(u32::MAX);
    account.sandbox.set_faults(Faults::script(vec![dead()]));

    // What can't be seen is said, with what to do.
    let plan = account.plan(&simple, &everything()).await;
    let hint = plan.unread.first().and_then(|unread| unread.hint.clone()).unwrap();
    assert!(hint.ends_with("--allow-delete unseen"), "{hint}");
    account.sandbox.forget_calls();
    assert!(matches!(account.run(&simple, &everything()).await, End::Failed(_)));
    assert!(account.sandbox.calls().iter().all(|call| !call.mutating));

    // The volumes of workspaces are known by their tags alone, and take consent as all others do.
    let unseen = consenting(&["unseen", "load-balancers"]);
    let plan = account.plan(&simple, &unseen).await;
    assert_eq!(plan.unread, []);
    assert_eq!(plan.refusals.len(), 3, "{:?}", plan.refusals);
    let all = consenting(&["unseen", "load-balancers", "volumes"]);
    let operations =
        ["ec2:DeleteVolume", "elasticloadbalancing:DeleteLoadBalancer", "ec2:DeleteSecurityGroup"];
    let lost = operations.map(|operation| Fault::on_operation(operation, Effect::LoseAnswer));
    account.sandbox.set_faults(Faults::script(lost.into_iter().chain([dead()])));
    assert_eq!(account.run(&simple, &all).await, End::Complete);
    account.done(&simple, &all).await;
    let after = account.picture().await;
    assert_eq!(left(&after, &before), SNAPSHOT, "{}", difference(&after, &before));
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_can_not_be_deleted_stops_it_before_anything_goes() {
    let (account, before) = occupied(34).await;
    let simple = spec(SIMPLE, &[]);
    account.cluster().stick_workspace("web", true);
    account.sandbox.forget_calls();
    let End::Failed(why) = account.run(&simple, &everything()).await else { panic!("it went") };
    assert!(why.contains("could not delete workspace bob/web: terraform destroy"), "{why}");
    let deletes = account
        .sandbox
        .calls()
        .into_iter()
        .filter(|call| call.operation.starts_with("Delete") && call.service != "s3");
    let deletes: Vec<String> = deletes.map(|call| call.operation).collect();
    assert_eq!(deletes, Vec::<String>::new());
    account.cluster().stick_workspace("web", false);
    account.done(&simple, &everything()).await;
    let after = account.picture().await;
    assert_eq!(left(&after, &before), SNAPSHOT, "{}", difference(&after, &before));
}

#[tokio::test(start_paused = true)]
async fn what_dies_half_way_goes_on() {
    // In the midst of what others made, whose consent is then still due; and after it.
    let in_the_midst = Fault::on_operation("ec2:DescribeVolumes", Effect::Stop(Stop::After)).nth(4);
    let after = |operation| Fault::on_operation(operation, Effect::Stop(Stop::After));
    let points = [
        (in_the_midst, everything()),
        (after("eks:DeleteNodegroup"), destroy()),
        (after("eks:DeleteCluster"), destroy()),
    ];
    for (seed, (dies, again)) in (40..).zip(points) {
        let (account, before) = occupied(seed).await;
        let simple = spec(SIMPLE, &[]);
        account.sandbox.set_faults(Faults::script([dies]));
        assert_eq!(account.run(&simple, &everything()).await, End::Died);
        account.sandbox.set_faults(Faults::none());
        // Until the lock of the one that died is free.
        account.pass(180).await;
        account.done(&simple, &again).await;
        let after = account.picture().await;
        assert_eq!(left(&after, &before), SNAPSHOT, "{seed}: {}", difference(&after, &before));
    }
}

#[tokio::test(start_paused = true)]
async fn what_nodes_leave_behind_is_swept() {
    // Where nobody may look before the cluster goes, its group stays, and goes with the VPC.
    for may_look in [true, false] {
        let account = Deployment::new(36);
        let before = account.picture().await;
        let knobs = Knobs { nodes_leave_interfaces: true, ..account.sandbox.knobs() };
        account.sandbox.set_knobs(knobs);
        let simple = spec(SIMPLE, &[]);
        account.done(&simple, &Options::default()).await;
        if !may_look {
            let denied = Effect::Error {
                status: 403,
                code: "UnauthorizedOperation".into(),
                message: "no".into(),
            };
            let swept = Fault::on_operation("ec2:DeleteNetworkInterface", denied).times(u32::MAX);
            account.sandbox.set_faults(Faults::script(vec![swept]));
            assert!(matches!(account.run(&simple, &destroy()).await, End::Failed(_)));
            let groups = things(&account, "ec2", "security_groups");
            let of_eks = |group: &&Value| group["tags"]["aws:eks:cluster-name"].is_string();
            assert_eq!(groups.iter().filter(of_eks).count(), 1, "EKS has left its group");
        }
        account.done(&simple, &destroy()).await;
        let after = account.picture().await;
        assert_eq!(left(&after, &before), SNAPSHOT, "{}", difference(&after, &before));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stranger_has_put_into_the_network_is_named_first() {
    let account = Deployment::new(37);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    let subnets = account.ec2().describe_subnets().send().await.unwrap();
    let ours = subnets
        .subnets()
        .iter()
        .find(|subnet| subnet.tags().iter().any(|tag| tag.key() == Some("coderctl:address")));
    let elb = aws_sdk_elasticloadbalancingv2::Client::new(&account.config());
    let balancer = elb.create_load_balancer().name("theirs").r#type("network".into());
    let balancer = balancer.scheme("internal".into()).subnets(ours.unwrap().subnet_id().unwrap());
    let made = balancer.send().await.unwrap();
    let arn = made.load_balancers()[0].load_balancer_arn().unwrap();
    account.pass(60).await;

    account.sandbox.forget_calls();
    let End::Failed(why) = account.run(&simple, &everything()).await else { panic!("it went") };
    assert!(why.contains("is in the way, and not ours to delete"), "{why}");
    assert!(why.contains("ELB net/theirs/"), "{why}");
    assert!(account.sandbox.calls().iter().all(|call| !call.mutating));

    elb.delete_load_balancer().load_balancer_arn(arn).send().await.unwrap();
    account.pass(300).await;
    account.done(&simple, &destroy()).await;
}

#[tokio::test(start_paused = true)]
async fn the_database_and_the_endpoint_of_a_stranger_are_named_first() {
    let account = Deployment::new(55);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    // RDS, EKS, the NAT gateway and the load balancer have interfaces here that are for ours.
    let all = things(&account, "ec2", "network_interfaces");
    let of_services = all.iter().filter(|interface| interface["requester"].is_string());
    let mut described: Vec<&str> =
        of_services.map(|it| it["description"].as_str().unwrap()).collect();
    described.sort_unstable();
    for of in ["Amazon EKS ", "ELB net/", "Interface for NAT Gateway ", "RDSNetworkInterface"] {
        assert!(described.iter().any(|text| text.starts_with(of)), "{of}: {described:?}");
    }
    assert_eq!(account.plan(&simple, &destroy()).await.refusals, []);

    let ec2 = account.ec2();
    let subnets = ec2.describe_subnets().send().await.unwrap();
    let ours: Vec<_> = subnets
        .subnets()
        .iter()
        .filter(|it| it.tags().iter().any(|tag| tag.key() == Some("coderctl:address")))
        .collect();
    let vpc = ours[0].vpc_id().unwrap();
    let group = ec2.create_security_group().group_name("theirs").description("theirs").vpc_id(vpc);
    let group = group.send().await.unwrap().group_id().unwrap().to_owned();

    let rds = aws_sdk_rds::Client::new(&account.config());
    let zones: std::collections::BTreeMap<&str, &str> =
        ours.iter().map(|it| (it.availability_zone().unwrap(), it.subnet_id().unwrap())).collect();
    let places = zones.values().map(|subnet| (*subnet).to_owned()).collect();
    let subnet_group = rds.create_db_subnet_group().db_subnet_group_name("theirs");
    let subnet_group = subnet_group.db_subnet_group_description("theirs");
    subnet_group.set_subnet_ids(Some(places)).send().await.unwrap();
    let cluster = rds.create_db_cluster().db_cluster_identifier("theirs");
    let cluster = cluster.engine("aurora-postgresql").master_username("them");
    let cluster = cluster.master_user_password("not-a-secret-1").vpc_security_group_ids(&group);
    cluster.db_subnet_group_name("theirs").send().await.unwrap();
    account.pass(900).await;
    let instance = rds.create_db_instance().db_instance_identifier("theirs-1");
    let instance = instance.engine("aurora-postgresql").db_cluster_identifier("theirs");
    instance.db_instance_class("db.t4g.medium").send().await.unwrap();
    let endpoint = ec2.create_vpc_endpoint().vpc_id(vpc).security_group_ids(&group);
    let endpoint = endpoint.vpc_endpoint_type(aws_sdk_ec2::types::VpcEndpointType::Interface);
    let endpoint = endpoint.service_name("com.amazonaws.us-east-1.ssm");
    let endpoint = endpoint.subnet_ids(ours[0].subnet_id().unwrap()).send().await.unwrap();
    let endpoint = endpoint.vpc_endpoint().unwrap().vpc_endpoint_id().unwrap().to_owned();
    account.pass(900).await;

    account.sandbox.forget_calls();
    let plan = account.plan(&simple, &destroy()).await;
    let mut whys: Vec<&str> = plan.refusals.iter().map(|it| it.why.as_str()).collect();
    whys.sort_unstable();
    assert_eq!(whys.len(), 2, "{whys:?}");
    assert!(whys.iter().all(|why| why.contains("is in the way, and not ours to delete")));
    assert!(whys.iter().any(|why| why.contains("RDSNetworkInterface, of amazon-rds")), "{whys:?}");
    let of_endpoint = format!("VPC Endpoint Interface {endpoint}");
    assert!(whys.iter().any(|why| why.contains(&of_endpoint)), "{whys:?}");
    assert!(matches!(account.run(&simple, &everything()).await, End::Failed(_)));
    assert!(account.sandbox.calls().iter().all(|call| !call.mutating));
}

#[tokio::test(start_paused = true)]
async fn workspaces_that_only_coder_knows_are_never_deleted_unasked() {
    let account = Deployment::new(38);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    assert!(account.cluster().start_workspace("carol", "machine", ""));
    work(&account, 30).await;
    let plan = account.plan(&simple, &destroy()).await;
    assert_eq!(plan.refusals, [], "the cluster does not show it");
    account.sandbox.forget_calls();
    let End::Failed(why) = account.run(&simple, &destroy()).await else { panic!("it went") };
    assert!(why.contains("workspaces that the plan did not show: carol/machine"), "{why}");
    let calls = account.sandbox.calls().into_iter().filter(|call| call.mutating);
    assert!(calls.into_iter().all(|call| call.service == "s3"), "only the record was written");
    account.done(&simple, &consenting(&["workspaces"])).await;
}

/// A call that is answered with an error for as long as it takes.
fn refused(operation: &str, status: u16, code: &str) -> Fault {
    let error = Effect::Error { status, code: code.into(), message: "not today".into() };
    Fault::on_operation(operation, error).times(u32::MAX)
}

/// Asserts that a destroy without consent fails and says why, and has not touched anything.
async fn refuses_to_guess(account: &Deployment, why_not: &str) {
    account.sandbox.forget_calls();
    let simple = spec(SIMPLE, &[]);
    let End::Failed(why) = account.run(&simple, &destroy()).await else { panic!("it went") };
    assert!(why.contains("Coder can not be asked which workspaces there are"), "{why}");
    assert!(why.contains(why_not), "{why}");
    let calls = account.sandbox.calls().into_iter().filter(|call| call.mutating);
    let touched: Vec<String> =
        calls.filter(|call| call.service != "s3").map(|call| call.operation).collect();
    assert_eq!(touched, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn silence_of_coder_is_no_leave_to_destroy_what_only_it_knows() {
    let made = Deployment::new(52);
    let simple = spec(SIMPLE, &[]);
    made.done(&simple, &Options::default()).await;
    assert!(made.cluster().start_workspace("carol", "machine", ""));
    work(&made, 30).await;
    let troubles = [
        ("coder:GET workspaces", 500, "Internal", "500"),
        ("coder:GET workspaces", 401, "Unauthorized", "401"),
        ("kubernetes:get pods/portforward", 503, "ServiceUnavailable", "ServiceUnavailable"),
        ("secretsmanager:GetSecretValue", 400, "ThrottlingException", "Throttling"),
        ("secretsmanager:GetSecretValue", 400, "AccessDeniedException", "AccessDenied"),
        ("secretsmanager:GetSecretValue", 400, "ResourceNotFoundException", "NotFound"),
    ];
    for (operation, status, code, why_not) in troubles {
        let account = made.fork();
        account.sandbox.set_faults(Faults::script([refused(operation, status, code)]));
        refuses_to_guess(&account, why_not).await;
        // It answers again, and knows of one.
        account.sandbox.set_faults(Faults::none());
        let End::Failed(why) = account.run(&simple, &destroy()).await else { panic!("it went") };
        assert!(why.contains("that the plan did not show: carol/machine"), "{why}");
    }

    // Whoever consents does not depend on an answer.
    let account = made.fork();
    let down = refused("coder:GET workspaces", 500, "Internal");
    account.sandbox.set_faults(Faults::script([down]));
    assert_eq!(account.run(&simple, &consenting(&["workspaces"])).await, End::Complete);
}

#[tokio::test(start_paused = true)]
async fn once_coder_answers_that_there_are_none_a_plain_destroy_goes_on() {
    let account = Deployment::new(53);
    let before = account.picture().await;
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    let down = refused("coder:GET workspaces", 500, "Internal");
    account.sandbox.set_faults(Faults::script([down]));
    refuses_to_guess(&account, "500").await;
    account.done(&simple, &destroy()).await;
    let after = account.picture().await;
    assert_eq!(left(&after, &before), SNAPSHOT, "{}", difference(&after, &before));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_nobody_wants_to_run_is_not_asked() {
    let account = Deployment::new(54);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    stop_coder(&account).await;
    account.done(&simple, &destroy()).await;
}

#[tokio::test(start_paused = true)]
async fn trouble_with_the_cluster_leaves_nothing_behind() {
    let (account, before) = occupied(51).await;
    let simple = spec(SIMPLE, &[]);
    let kube = account.cluster();
    kube.set_faults(Faults::random(1, Profile::ROUGH));
    // It may come to its end or not.
    account.run(&simple, &everything()).await;
    kube.set_faults(Faults::none());
    account.pass(180).await;
    account.done(&simple, &everything()).await;
    let after = account.picture().await;
    assert_eq!(left(&after, &before), SNAPSHOT, "{}", difference(&after, &before));
}

#[tokio::test(start_paused = true)]
async fn a_destroyed_deployment_comes_back_from_its_snapshot() {
    let account = Deployment::new(39);
    let simple = spec(SIMPLE, &[]);
    account.done(&simple, &Options::default()).await;
    account.done(&simple, &destroy()).await;
    let snapshots = things(&account, "rds", "snapshots");
    let name = snapshots[0]["id"].as_str().unwrap();
    let back = spec(SIMPLE, &[&format!("database.from_snapshot={name}")]);
    account.done(&back, &Options::default()).await;
}
