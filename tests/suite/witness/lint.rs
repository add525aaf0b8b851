//! The life of the example network before AWS's own models, and before AWS's own command line.

use super::aws_cli::{aws, count, refused};
use super::program::{Caller, Keys};
use super::python;
use super::server::Server;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

const SPEC: &str = "examples/network.yaml";
const OURS: &str = "Name=tag:coderctl:deployment,Values=coder-prod";

#[test]
fn every_request_in_the_life_of_the_example_is_as_aws_models_it() {
    let caller = Caller::new("", Keys::any());
    let at = |file: &str| caller.home().join(file);
    let sandbox = Server::start(&at("sandbox.log"), |port| {
        let mut command = caller.command(Path::new(env!("CARGO_BIN_EXE_coderctl")));
        command.args(["sandbox", "serve", "--kubernetes-port", "0", "--speed", "200"]);
        command.args(["--port", &port.to_string()]);
        command
    });
    let calls = at("calls.jsonl");
    let proxy = proxy(&sandbox.url(), &calls, &at("proxy.log"));
    // The program calls through the proxy; the CLI reads behind it, so that only the program's
    // own requests are judged.
    let program = Caller::new(&proxy.url(), Keys::any());
    let reader = Caller::new(&sandbox.url(), Keys::any());

    program.expect(0, &["validate", "-f", SPEC]);
    program.expect(2, &["plan", "-f", SPEC, "--detailed-exitcode"]);
    program.expect(0, &["apply", "-f", SPEC, "--yes"]);
    program.expect(0, &["plan", "-f", SPEC, "--detailed-exitcode"]);
    the_cli_reads_what_was_applied(&reader);

    let retention = ["-f", SPEC, "--set", "network.flow_logs.retention_days=30"];
    change(&program, &retention);
    let group = aws(&reader, &["logs", "describe-log-groups"]);
    assert_eq!(group["logGroups"][0]["retentionInDays"], 30);

    let single = [&retention[..], &["--set", "network.nat.mode=single"]].concat();
    change(&program, &single);
    let nats = aws(&reader, &["ec2", "describe-nat-gateways", "--filter", OURS]);
    let left = nats["NatGateways"].as_array().unwrap();
    let left = left.iter().filter(|nat| nat["State"] == "available").count();
    assert_eq!(left, 1, "{nats}");

    program.expect(0, &["destroy", "-f", SPEC, "--yes", "--confirm", "coder-prod"]);
    the_cli_finds_nothing_left(&reader);

    report(&calls, 150, &["ec2:CreateVpc", "ec2:DeleteVpc", "iam:CreateRole", "s3:PutObject"]);
}

/// Plans, applies, and plans again: something, done, nothing.
pub(super) fn change(program: &Caller, spec: &[&str]) {
    program.expect(2, &[&["plan", "--detailed-exitcode"], spec].concat());
    program.expect(0, &[&["apply", "--yes"], spec].concat());
    program.expect(0, &[&["plan", "--detailed-exitcode"], spec].concat());
}

fn the_cli_reads_what_was_applied(cli: &Caller) {
    let ec2 = |what: &str, list: &str, filter: &str| {
        let answer = aws(cli, &["ec2", what, filter, OURS]);
        (count(&answer, list), answer)
    };
    let (vpcs, answer) = ec2("describe-vpcs", "Vpcs", "--filters");
    assert_eq!((vpcs, &answer["Vpcs"][0]["CidrBlock"]), (1, &"10.0.0.0/16".into()));
    let vpc = answer["Vpcs"][0]["VpcId"].as_str().unwrap().to_owned();

    // Five tiers in three zones.
    let (subnets, answer) = ec2("describe-subnets", "Subnets", "--filters");
    assert_eq!(subnets, 15);
    let mut zones: BTreeMap<&str, usize> = BTreeMap::new();
    for subnet in answer["Subnets"].as_array().unwrap() {
        assert_eq!(subnet["VpcId"], *vpc);
        *zones.entry(subnet["AvailabilityZone"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(zones, BTreeMap::from([("us-east-1a", 5), ("us-east-1b", 5), ("us-east-1c", 5)]));

    // One for the public tier, one a zone for the private ones, one for the isolated one.
    let (tables, answer) = ec2("describe-route-tables", "RouteTables", "--filters");
    assert_eq!(tables, 5);
    let tables = answer["RouteTables"].as_array().unwrap().iter();
    let subnets_with_a_table: usize = tables
        .map(|table| {
            let associations = table["Associations"].as_array().unwrap();
            associations.iter().filter(|one| one["SubnetId"].is_string()).count()
        })
        .sum();
    assert_eq!(subnets_with_a_table, 15);

    let (nats, answer) = ec2("describe-nat-gateways", "NatGateways", "--filter");
    assert_eq!(nats, 3);
    for nat in answer["NatGateways"].as_array().unwrap() {
        assert_eq!(nat["State"], "available");
    }
    assert_eq!(ec2("describe-addresses", "Addresses", "--filters").0, 3);
    assert_eq!(ec2("describe-internet-gateways", "InternetGateways", "--filters").0, 1);

    let (endpoints, answer) = ec2("describe-vpc-endpoints", "VpcEndpoints", "--filters");
    let of_type = |wanted: &str| {
        let all = answer["VpcEndpoints"].as_array().unwrap().iter();
        all.filter(|endpoint| endpoint["VpcEndpointType"] == wanted).count()
    };
    assert_eq!((endpoints, of_type("Gateway"), of_type("Interface")), (12, 1, 11));

    let (flow_logs, answer) = ec2("describe-flow-logs", "FlowLogs", "--filter");
    assert_eq!((flow_logs, &answer["FlowLogs"][0]["ResourceId"]), (1, &vpc.as_str().into()));
    assert_eq!(answer["FlowLogs"][0]["LogGroupName"], "/coder/prod/vpc-flow-logs");

    let role = aws(cli, &["iam", "get-role", "--role-name", "coder-prod-flow-logs"]);
    assert_eq!(role["Role"]["Path"], "/coderctl/coder-prod/");
    assert_eq!(
        role["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"],
        "vpc-flow-logs.amazonaws.com"
    );

    let groups = aws(cli, &["logs", "describe-log-groups"]);
    assert_eq!(groups["logGroups"][0]["logGroupName"], "/coder/prod/vpc-flow-logs");
    assert_eq!(groups["logGroups"][0]["retentionInDays"], 90);

    let bucket = "coderctl-123456789012-us-east-1";
    let objects = aws(cli, &["s3api", "list-objects-v2", "--bucket", bucket]);
    let keys: Vec<&str> = objects["Contents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["Key"].as_str().unwrap())
        .collect();
    for wanted in ["coder-prod/record.json", "coder-prod/applied.json"] {
        assert!(keys.contains(&wanted), "{wanted} is not among {keys:?}");
    }
    assert!(!keys.contains(&"coder-prod/lock.json"), "the lock was not released: {keys:?}");
    let versioning = aws(cli, &["s3api", "get-bucket-versioning", "--bucket", bucket]);
    assert_eq!(versioning["Status"], "Enabled");
    let access = aws(cli, &["s3api", "get-public-access-block", "--bucket", bucket]);
    assert_eq!(access["PublicAccessBlockConfiguration"]["BlockPublicPolicy"], true);
}

fn the_cli_finds_nothing_left(cli: &Caller) {
    for (what, list) in [
        ("describe-vpcs", "Vpcs"),
        ("describe-subnets", "Subnets"),
        ("describe-route-tables", "RouteTables"),
        ("describe-addresses", "Addresses"),
        ("describe-internet-gateways", "InternetGateways"),
        ("describe-security-groups", "SecurityGroups"),
    ] {
        let answer = aws(cli, &["ec2", what, "--filters", OURS]);
        assert_eq!(count(&answer, list), 0, "{what}: {answer}");
    }
    let flow_logs = aws(cli, &["ec2", "describe-flow-logs", "--filter", OURS]);
    assert_eq!(count(&flow_logs, "FlowLogs"), 0);
    let endpoints = aws(cli, &["ec2", "describe-vpc-endpoints", "--filters", OURS]);
    assert_eq!(count(&endpoints, "VpcEndpoints"), 0);
    assert_eq!(count(&aws(cli, &["logs", "describe-log-groups"]), "logGroups"), 0);
    let said = refused(cli, &["iam", "get-role", "--role-name", "coder-prod-flow-logs"]);
    assert!(said.contains("NoSuchEntity"), "{said}");
    // What was there before still is: the region's default VPC.
    let vpcs = aws(cli, &["ec2", "describe-vpcs"]);
    assert_eq!(count(&vpcs, "Vpcs"), 1, "{vpcs}");
}

/// The proxy, in front of `upstream`; it writes down what it sees in `calls`.
pub(super) fn proxy(upstream: &str, calls: &Path, log: &Path) -> Server {
    let file = python::folder().join("lint_proxy.py").display().to_string();
    let args = |port: u16| {
        let args = ["--listen", &port.to_string(), "--upstream", upstream, "--log"];
        args.into_iter().map(str::to_owned).chain([calls.display().to_string()]).collect()
    };
    Server::python(&file, args, log)
}

/// The proxy's own report: no problem, and enough requests (`least`, and these operations among
/// them) for that to mean something.
pub(super) fn report(calls: &Path, least: usize, operations: &[&str]) {
    let output = Command::new(python::program("python"))
        .arg(python::folder().join("lint_proxy.py"))
        .arg("--report")
        .arg(calls)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let first = text.lines().next().unwrap_or_default();
    let calls: usize = first.split(' ').next().unwrap_or_default().parse().unwrap();
    assert!(calls > least, "only {first}");
    assert!(first.ends_with("0 problems (0 distinct)"), "{text}");
    for operation in operations {
        assert!(text.contains(operation), "{operation} never came by:\n{text}");
    }
}
