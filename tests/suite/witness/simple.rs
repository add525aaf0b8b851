//! The life of SR-Simple by the real program: its requests before AWS's own models, and what it
//! makes before the AWS CLI and kubectl.

use super::aws_cli::{aws, count, refused};
use super::kubectl::{get, kubectl, says};
use super::lint::{change, proxy, report};
use super::program::{Caller, Keys};
use super::python;
use super::server::{Server, free_port};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

const SPEC: &str = "examples/sr-simple.yaml";
const CLUSTER: &str = "coder-prod";

#[test]
fn the_life_of_sr_simple_is_as_aws_and_kubernetes_see_it() {
    let caller = Caller::new("", Keys::of_the_sandbox());
    let at = |file: &str| caller.home().join(file);
    let front = tls_front(caller.home());
    let sandbox = Server::start(&at("sandbox.log"), |port| {
        let kubernetes = free_port();
        fs::write(at("upstream"), kubernetes.to_string()).unwrap();
        let mut command = caller.command(Path::new(env!("CARGO_BIN_EXE_coderctl")));
        command.args(["sandbox", "serve", "--speed", "100", "--port", &port.to_string()]);
        command.args(["--kubernetes-port", &kubernetes.to_string(), "--kubernetes-ca"]);
        command.arg(at("ca.pem")).args(["--kubernetes-url", &front.url().replace("http", "https")]);
        command
    });
    let calls = at("calls.jsonl");
    let proxy = proxy(&sandbox.url(), &calls, &at("proxy.log"));
    let program = Caller::new(&proxy.url(), Keys::of_the_sandbox());
    let reader = Caller::new(&sandbox.url(), Keys::of_the_sandbox());

    program.expect(0, &["apply", "-f", SPEC, "--yes"]);
    program.expect(0, &["plan", "-f", SPEC, "--detailed-exitcode"]);
    the_cli_reads_what_was_applied(&reader);
    aws(&reader, &["eks", "update-kubeconfig", "--name", CLUSTER]);
    kubectl_reads_what_was_applied(&reader);
    kubectl_may_do_what_its_caller_may(&reader);
    a_token_is_good_for_its_signer_and_its_cluster(&reader, &sandbox);

    let changes = [
        "database.max_capacity=8",
        "coder.version=2.37.1",
        "cluster.node_groups.workspace.min_size=3",
        "ingress.ssl_policy=ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        "cluster.endpoint.public_access_cidrs=[203.0.113.0/24]",
    ];
    let changed = changes.iter().flat_map(|change| ["--set", change]);
    let changed: Vec<&str> = ["-f", SPEC].into_iter().chain(changed).collect();
    change(&program, &changed);
    both_read_what_was_changed(&reader);

    program.expect(0, &["destroy", "-f", SPEC, "--yes", "--confirm", "coder-prod"]);
    the_cli_finds_nothing_left(&reader);
    let gone = kubectl(&reader, &["get", "nodes"]);
    assert_ne!(gone.code, 0, "a cluster that is gone answers: {}", gone.stdout);

    let operations = [
        "eks:CreateCluster",
        "eks:DeleteNodegroup",
        "rds:CreateDBCluster",
        "rds:ModifyDBCluster",
        "elbv2:CreateListener",
        "route53:ChangeResourceRecordSets",
        "acm:RequestCertificate",
        "autoscaling:AttachTrafficSources",
        "secretsmanager:CreateSecret",
    ];
    report(&calls, 500, &operations);
}

/// Speaks TLS to whoever looks for the sandbox's clusters; `ca.pem` in `folder` is its authority.
fn tls_front(folder: &Path) -> Server {
    let file = python::folder().join("tls_front.py").display().to_string();
    let args = |port: u16| {
        let folder = folder.display().to_string();
        ["--listen", &port.to_string(), "--folder", &folder].map(str::to_owned).to_vec()
    };
    Server::python(&file, args, &folder.join("front.log"))
}

fn the_cli_reads_what_was_applied(cli: &Caller) {
    let cluster = aws(cli, &["eks", "describe-cluster", "--name", CLUSTER]);
    assert_eq!(cluster["cluster"]["status"], "ACTIVE");
    assert_eq!(cluster["cluster"]["tags"]["coderctl:address"], "us-east-1/cluster/cluster");
    let groups = aws(cli, &["eks", "list-nodegroups", "--cluster-name", CLUSTER]);
    assert_eq!(groups["nodegroups"], serde_json::json!(["control", "workspace"]));
    let addons = aws(cli, &["eks", "list-addons", "--cluster-name", CLUSTER]);
    assert_eq!(count(&addons, "addons"), 5, "{addons}");

    let found = aws(cli, &["rds", "describe-db-clusters", "--db-cluster-identifier", "coder-prod"]);
    let database = &found["DBClusters"][0];
    assert_eq!(
        (&database["Status"], &database["StorageEncrypted"]),
        (&"available".into(), &true.into())
    );
    assert_eq!(count(database, "DBClusterMembers"), 1);

    let groups = aws(cli, &["elbv2", "describe-target-groups"]);
    let group = groups["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap().to_owned();
    let health = aws(cli, &["elbv2", "describe-target-health", "--target-group-arn", &group]);
    for target in health["TargetHealthDescriptions"].as_array().unwrap() {
        assert_eq!(target["TargetHealth"]["State"], "healthy", "{health}");
    }
    assert!(count(&health, "TargetHealthDescriptions") > 0);

    let zones = aws(cli, &["route53", "list-hosted-zones-by-name", "--dns-name", "example.com"]);
    let zone = zones["HostedZones"][0]["Id"].as_str().unwrap().to_owned();
    let records = aws(cli, &["route53", "list-resource-record-sets", "--hosted-zone-id", &zone]);
    let names = names_of(&records["ResourceRecordSets"], "Name");
    for wanted in ["coder.example.com.", "\\052.coder.example.com."] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is not among {names:?}");
    }

    let secrets = aws(cli, &["secretsmanager", "list-secrets"]);
    let names = names_of(&secrets["SecretList"], "Name");
    let master = names.iter().find(|name| name.ends_with("/database")).unwrap_or_else(|| {
        panic!("no secret of the database among {names:?}");
    });
    let secret = aws(cli, &["secretsmanager", "describe-secret", "--secret-id", master]);
    let stages = secret["VersionIdsToStages"].as_object().unwrap();
    assert_eq!(stages.len(), 1, "{secret}");
}

fn names_of(list: &Value, member: &str) -> Vec<String> {
    let list = list.as_array().unwrap().iter();
    list.map(|one| one[member].as_str().unwrap().to_owned()).collect()
}

fn kubectl_reads_what_was_applied(reader: &Caller) {
    let nodes = get(reader, &["nodes"]);
    for node in nodes["items"].as_array().unwrap() {
        let conditions = node["status"]["conditions"].as_array().unwrap();
        let ready = conditions.iter().find(|condition| condition["type"] == "Ready").unwrap();
        assert_eq!(ready["status"], "True", "{node}");
    }
    assert!(nodes["items"].as_array().unwrap().len() >= 2, "{nodes}");

    let server = get(reader, &["--namespace", "coder", "deployment", "coder"]);
    assert_eq!(server["status"]["availableReplicas"], 1, "{server}");
    let says_all = says(reader, &["--namespace", "coder", "describe", "deployment", "coder"]);
    assert!(says_all.contains("1 available"), "{says_all}");
    let pods = says(reader, &["--namespace", "coder", "describe", "pods"]);
    assert!(pods.contains("Running"), "{pods}");
    let log = says(reader, &["--namespace", "coder", "logs", "deployment/coder"]);
    assert!(!log.trim().is_empty(), "the server says nothing");
    // The address of the database is in a Secret, never in the Deployment.
    assert!(!says_all.contains("postgres://"), "{says_all}");
    let secret = get(reader, &["--namespace", "coder", "secret", "coder-db-url"]);
    assert_eq!(secret["data"].as_object().unwrap().len(), 1);
}

fn kubectl_may_do_what_its_caller_may(reader: &Caller) {
    let who = says(reader, &["auth", "can-i", "delete", "deployments", "--namespace", "coder"]);
    assert_eq!(who.trim(), "yes");

    what_the_server_would_make_of_a_change(reader);

    // Somebody who may look, and no more.
    let trust = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": "123456789012"}, "Action": "sts:AssumeRole"}]}"#;
    let role = "arn:aws:iam::123456789012:role/auditor";
    aws(
        reader,
        &["iam", "create-role", "--role-name", "auditor", "--assume-role-policy-document", trust],
    );
    let auditor = Caller::new(reader.endpoint(), assumed(reader, role));
    aws(&auditor, &["eks", "update-kubeconfig", "--name", CLUSTER]);
    let stranger = kubectl(&auditor, &["--namespace", "coder", "get", "pods"]);
    assert!(stranger.stderr.contains("You must be logged in"), "{}", stranger.stderr);
    let entry = ["--cluster-name", CLUSTER, "--principal-arn", role];
    aws(reader, &[&["eks", "create-access-entry"], &entry[..]].concat());
    let policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    let scope = ["--policy-arn", policy, "--access-scope", "type=namespace,namespaces=coder"];
    aws(reader, &[&["eks", "associate-access-policy"], &entry[..], &scope].concat());
    get(&auditor, &["--namespace", "coder", "pods"]);
    for (args, refusal) in [
        (&["get", "secrets", "--namespace", "coder"][..], "cannot list resource \"secrets\""),
        (&["get", "pods", "--namespace", "coder-ws"], "in the namespace \"coder-ws\""),
        (&["get", "nodes"], "at the cluster scope"),
        (&["delete", "deployment", "coder", "--namespace", "coder"], "cannot delete resource"),
    ] {
        let refused = kubectl(&auditor, args);
        assert_ne!(refused.code, 0, "kubectl {args:?}\n{}", refused.stdout);
        let said = &refused.stderr;
        assert!(said.contains("Forbidden") && said.contains(refusal), "kubectl {args:?}\n{said}");
    }
    let may = kubectl(&auditor, &["auth", "can-i", "delete", "pods", "--namespace", "coder"]);
    assert_eq!((may.code, may.stdout.trim()), (1, "no"), "{}", may.stderr);
    aws(reader, &[&["eks", "delete-access-entry"], &entry[..]].concat());
    aws(reader, &["iam", "delete-role", "--role-name", "auditor"]);
}

/// A dry run is asked for, and nothing is made. Before 1.27, kubectl looked into OpenAPI's version 2
/// first, which the sandbox does not have.
fn what_the_server_would_make_of_a_change(reader: &Caller) {
    let own = says(reader, &["version", "--client", "--output", "json"]);
    let own: Value = serde_json::from_str(&own).unwrap();
    let minor = own["clientVersion"]["minor"].as_str().unwrap().trim_end_matches('+');
    if minor.parse::<u32>().unwrap() < 27 {
        return;
    }
    let manifest = reader.home().join("trial.yaml");
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: trial, namespace: coder}\ndata: {a: b}\n";
    fs::write(&manifest, text).unwrap();
    let file = manifest.display().to_string();
    let trial = ["apply", "--server-side", "--dry-run=server", "--filename", &file];
    let said = says(reader, &trial);
    assert!(said.contains("configmap/trial serverside-applied (server dry run)"), "{said}");
    let none = kubectl(reader, &["--namespace", "coder", "get", "configmap", "trial"]);
    assert!(none.stderr.contains("NotFound"), "{}{}", none.stdout, none.stderr);
    let said = says(reader, &["apply", "--dry-run=server", "--filename", &file]);
    assert!(said.contains("configmap/trial created (server dry run)"), "{said}");
}

/// The keys of whoever takes on a role, for as long as that may be: the sandbox's time runs fast.
fn assumed(caller: &Caller, role: &str) -> Keys {
    let of = ["--role-arn", role, "--role-session-name", "witness", "--duration-seconds", "43200"];
    let given = aws(caller, &[&["sts", "assume-role"], &of[..]].concat());
    let text = |name: &str| given["Credentials"][name].as_str().unwrap().to_owned();
    Keys {
        id: text("AccessKeyId"),
        secret: text("SecretAccessKey"),
        session: Some(text("SessionToken")),
    }
}

fn a_token_is_good_for_its_signer_and_its_cluster(reader: &Caller, sandbox: &Server) {
    let token = |caller: &Caller, cluster: &str| {
        let answer = aws(caller, &["eks", "get-token", "--cluster-name", cluster]);
        answer["status"]["token"].as_str().unwrap().to_owned()
    };
    // A kubeconfig without the plugin, so that the token alone says who asks.
    let cluster = aws(reader, &["eks", "describe-cluster", "--name", CLUSTER]);
    let config = reader.home().join("bare");
    let text = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "bare",
        "clusters": [{"name": "bare", "cluster": {
            "server": cluster["cluster"]["endpoint"],
            "certificate-authority-data": cluster["cluster"]["certificateAuthority"]["data"],
        }}],
        "users": [{"name": "bare", "user": {}}],
        "contexts": [{"name": "bare", "context": {"cluster": "bare", "user": "bare"}}],
    });
    fs::write(&config, text.to_string()).unwrap();
    let config = config.display().to_string();
    let with = |token: &str| {
        kubectl(reader, &["--kubeconfig", &config, "--token", token, "get", "namespaces"])
    };
    let good = with(&token(reader, CLUSTER));
    assert_eq!(good.code, 0, "{}", good.stderr);
    let liar = Caller::new(
        &sandbox.url(),
        Keys { secret: "another".to_owned(), ..Keys::of_the_sandbox() },
    );
    for bad in [token(reader, "another"), token(&liar, CLUSTER), "k8s-aws-v1.e30".to_owned()] {
        let refused = with(&bad);
        assert_ne!(refused.code, 0, "{}", refused.stdout);
        assert!(
            refused.stderr.contains("Unauthorized") || refused.stderr.contains("logged in"),
            "{}",
            refused.stderr
        );
    }
}

fn both_read_what_was_changed(reader: &Caller) {
    let found = aws(reader, &["rds", "describe-db-clusters"]);
    let capacity = &found["DBClusters"][0]["ServerlessV2ScalingConfiguration"];
    assert_eq!(capacity["MaxCapacity"], 8.0);
    let group = ["--cluster-name", CLUSTER, "--nodegroup-name", "workspace"];
    let group = aws(reader, &[&["eks", "describe-nodegroup"], &group[..]].concat());
    let sizes = serde_json::json!({"minSize": 3, "maxSize": 10, "desiredSize": 3});
    assert_eq!(group["nodegroup"]["scalingConfig"], sizes);
    the_third_node_joins(reader);
    let server = get(reader, &["--namespace", "coder", "deployment", "coder"]);
    let image = server["spec"]["template"]["spec"]["containers"][0]["image"].as_str().unwrap();
    assert!(image.contains("v2.37.1"), "{image}");
    assert_eq!(server["status"]["updatedReplicas"], 1);
}

/// A node joins a while after its group has grown.
fn the_third_node_joins(reader: &Caller) {
    let of_group = ["nodes", "--selector", "coder.com/node-type=workspace"];
    let count = || count(&get(reader, &of_group), "items");
    for _ in 0..20 {
        if count() == 3 {
            break;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    assert_eq!(count(), 3, "{}", says(reader, &["get", "nodes"]));
}

fn the_cli_finds_nothing_left(cli: &Caller) {
    let said = refused(cli, &["eks", "describe-cluster", "--name", CLUSTER]);
    assert!(said.contains("ResourceNotFoundException"), "{said}");
    for (args, list) in [
        (["rds", "describe-db-clusters"], "DBClusters"),
        (["rds", "describe-db-instances"], "DBInstances"),
        (["rds", "describe-db-subnet-groups"], "DBSubnetGroups"),
        (["elbv2", "describe-load-balancers"], "LoadBalancers"),
        (["elbv2", "describe-target-groups"], "TargetGroups"),
        (["acm", "list-certificates"], "CertificateSummaryList"),
        (["autoscaling", "describe-auto-scaling-groups"], "AutoScalingGroups"),
        (["ec2", "describe-launch-templates"], "LaunchTemplates"),
    ] {
        let answer = aws(cli, &args);
        assert_eq!(count(&answer, list), 0, "{args:?}: {answer}");
    }
    // What was there before still is: the region's default VPC.
    let vpcs = aws(cli, &["ec2", "describe-vpcs"]);
    assert_eq!(count(&vpcs, "Vpcs"), 1, "{vpcs}");
    // What is kept, and was listed: the last state of the database.
    let snapshots = aws(cli, &["rds", "describe-db-cluster-snapshots"]);
    assert_eq!(count(&snapshots, "DBClusterSnapshots"), 1, "{snapshots}");
}
