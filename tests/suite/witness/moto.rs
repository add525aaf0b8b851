//! The lifecycle of every kind on moto, another implementation of AWS: made, unchanged, changed
//! in each field that can change, unchanged again, gone; and nobody else's resources touched.
//!
//! Every test has an account of its own in one server.

mod inventory;
mod kinds;

use super::program::{Caller, Keys};
use super::python;
use super::server::Server;
use coderctl::cli::PlanFile;
use coderctl::registry::KINDS;
use inventory::{inventory, sdk};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

/// A spec in `tests/witness/specs`, what it is made of, and what is changed about it.
struct Case {
    spec: &'static str,
    /// The deployment's name in it.
    name: &'static str,
    /// An account that no other case has.
    account: &'static str,
    /// The kinds that a first plan of it has.
    kinds: &'static [&'static str],
    /// Changes, each on top of those before it.
    changes: &'static [Edit],
}

/// One change of a spec.
struct Edit {
    /// Values for `--set`.
    set: &'static [&'static str],
    /// What must be allowed by address.
    allow: &'static [&'static str],
}

const fn edit(set: &'static [&'static str]) -> Edit {
    Edit { set, allow: &[] }
}

const VPC: Case = Case {
    spec: "vpc",
    name: "moto-vpc",
    account: "111111111101",
    kinds: &["aws.ec2.vpc", "aws.ec2.subnet", "aws.ec2.route_table"],
    changes: &[
        edit(&["tags.team=a"]),
        edit(&["tags.team=b", "owner=others@example.com"]),
        edit(&["tags.team=null"]),
        edit(&["network.default_security_group=closed"]),
        edit(&["network.tiers.more={prefix_length: 24, egress: none}"]),
        edit(&["network.az_count=3"]),
        edit(&["network.tiers.more=null"]),
    ],
};

const NAT: Case = Case {
    spec: "nat",
    name: "moto-nat",
    account: "111111111102",
    kinds: &["aws.ec2.vpc", "aws.ec2.subnet", "aws.ec2.route_table", "aws.ec2.internet_gateway"],
    changes: &[
        edit(&["network.nat.mode=single", "network.tiers.private.egress=nat"]),
        edit(&["network.nat.mode=per_az"]),
        edit(&["tags.team=a"]),
        edit(&["network.nat.mode=single"]),
    ],
};

const SECURITY_GROUPS: Case = Case {
    spec: "security_groups",
    name: "moto-groups",
    account: "111111111103",
    kinds: &[
        "aws.ec2.vpc",
        "aws.ec2.subnet",
        "aws.ec2.route_table",
        "aws.ec2.security_group",
        "aws.ec2.security_group_rule",
    ],
    changes: &[
        edit(&["network.security_groups.server.ingress.https.description=from all of the VPC"]),
        edit(&["network.security_groups.server.ingress.https.port=8443"]),
        edit(&["network.security_groups.server.ingress.each-other=null"]),
        edit(&[
            "network.security_groups.server.egress.dns={protocol: udp, port: 53, cidr: 10.22.0.2/32}",
        ]),
        edit(&["tags.team=a"]),
        edit(&["network.security_groups.database.description=what keeps"]),
    ],
};

const ENDPOINTS: Case = Case {
    spec: "endpoints",
    name: "moto-endpoints",
    account: "111111111104",
    kinds: &[
        "aws.ec2.vpc",
        "aws.ec2.subnet",
        "aws.ec2.route_table",
        "aws.ec2.security_group",
        "aws.ec2.security_group_rule",
        "aws.ec2.vpc_endpoint",
    ],
    changes: &[
        edit(&[
            "network.endpoints.s3.policy={Version: '2012-10-17', Statement: {Effect: Allow, Principal: '*', Action: 's3:GetObject', Resource: '*'}}",
        ]),
        edit(&["network.endpoints.sts.private_dns=false"]),
        edit(&["network.endpoints.kms={type: interface, tier: isolated}"]),
        edit(&["tags.team=a"]),
        edit(&["network.endpoints.kms=null"]),
    ],
};

const FLOW_LOGS: Case = Case {
    spec: "flow_logs",
    name: "moto-flows",
    account: "111111111105",
    kinds: &[
        "aws.ec2.vpc",
        "aws.ec2.subnet",
        "aws.ec2.route_table",
        "aws.ec2.flow_log",
        "aws.iam.role",
        "aws.kms.key",
        "aws.logs.log_group",
    ],
    changes: &[
        edit(&["network.flow_logs.retention_days=60"]),
        edit(&["network.flow_logs.traffic_type=reject"]),
        edit(&["network.flow_logs.aggregation_seconds=60"]),
        edit(&["tags.team=a"]),
    ],
};

const ROLE: Case = Case {
    spec: "role",
    name: "moto-role",
    account: "111111111106",
    kinds: &["aws.iam.role"],
    changes: &[
        edit(&["roles.worker.description=works hard"]),
        edit(&["roles.worker.max_session_seconds=7200"]),
        edit(&["roles.worker.trust={service: [ec2.amazonaws.com, ecs-tasks.amazonaws.com]}"]),
        edit(&["roles.worker.inline.read.Statement.Action=s3:ListBucket"]),
        edit(&["roles.worker.inline.read=null"]),
        edit(&["roles.worker.managed_policy_arns=[arn:aws:iam::aws:policy/ReadOnlyAccess]"]),
        edit(&["permissions_boundary_arn=arn:aws:iam::aws:policy/PowerUserAccess"]),
        edit(&["permissions_boundary_arn=null"]),
        edit(&["tags.team=a"]),
    ],
};

const KEY: Case = Case {
    spec: "key",
    name: "moto-key",
    account: "111111111107",
    kinds: &["aws.kms.key"],
    changes: &[
        edit(&["keys.data.description=everything and more"]),
        edit(&["keys.data.rotation_days=180"]),
        edit(&["keys.data.rotation_days=365"]),
        edit(&["keys.data.rotation_days=null"]),
        edit(&[
            "keys.data.policy={Version: '2012-10-17', Statement: [{Effect: Allow, Principal: {AWS: '*'}, Action: 'kms:*', Resource: '*'}]}",
        ]),
        edit(&["tags.team=a"]),
    ],
};

const LOG_GROUP: Case = Case {
    spec: "log_group",
    name: "moto-logs",
    account: "111111111108",
    kinds: &["aws.kms.key", "aws.logs.log_group"],
    changes: &[
        edit(&["log_groups.audit.retention_days=60"]),
        edit(&["log_groups.audit.key=logs"]),
        edit(&["log_groups.server.key=null"]),
        edit(&["tags.team=a"]),
        edit(&["log_groups.audit=null"]),
    ],
};

const CASES: &[&Case] =
    &[&VPC, &NAT, &SECURITY_GROUPS, &ENDPOINTS, &FLOW_LOGS, &ROLE, &KEY, &LOG_GROUP];

#[test]
fn vpcs_subnets_and_route_tables() {
    live(&VPC);
}

#[test]
fn internet_and_nat_gateways_with_their_addresses() {
    live(&NAT);
}

#[test]
fn security_groups_and_their_rules() {
    live(&SECURITY_GROUPS);
}

#[test]
fn gateway_and_interface_endpoints() {
    live(&ENDPOINTS);
}

#[test]
fn flow_logs() {
    live(&FLOW_LOGS);
}

#[test]
fn roles() {
    live(&ROLE);
}

#[test]
fn keys() {
    live(&KEY);
}

#[test]
fn log_groups() {
    live(&LOG_GROUP);
}

#[test]
fn every_kind_of_aws_has_a_case() {
    // Those come with the change to a mode that has them.
    let later = ["aws.ec2.nat_gateway", "aws.ec2.elastic_ip"];
    // Moto's EKS has clusters and node groups that are there at once and never change: no update,
    // add-on, access entry or pod identity. What hangs on a node group, or is made for one only, can
    // not be had without one.
    let unknown = [
        "aws.eks.access_entry",
        "aws.eks.addon",
        "aws.eks.cluster",
        "aws.eks.node_group",
        "aws.eks.pod_identity_association",
        "aws.autoscaling.attachment",
    ];
    // Nothing may delete one, so no account is as before.
    let stays = ["aws.iam.service_linked_role"];
    let covered: BTreeSet<&str> = CASES
        .iter()
        .flat_map(|case| case.kinds)
        .copied()
        .chain(later)
        .chain(unknown)
        .chain(stays)
        .chain(kinds::NAMES)
        .collect();
    let known: BTreeSet<&str> =
        KINDS.iter().map(|kind| kind.name()).filter(|name| name.starts_with("aws.")).collect();
    assert_eq!(covered, known);
}

/// One server for all tests of this process; it ends with the process.
fn moto() -> &'static Server {
    static MOTO: OnceLock<Server> = OnceLock::new();
    MOTO.get_or_init(|| {
        let log = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto.log");
        let file = python::folder().join("moto_server.py").display().to_string();
        Server::python(&file, |port| vec![port.to_string()], &log)
    })
}

/// Somebody in `account`: moto keeps an account for each that a role was assumed in.
fn somebody_in(account: &str) -> Keys {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let sts = aws_sdk_sts::Client::new(&sdk(&moto().url(), &Keys::any()));
        let role = format!("arn:aws:iam::{account}:role/deployer");
        let assumed =
            sts.assume_role().role_arn(role).role_session_name("tests").send().await.unwrap();
        let keys = assumed.credentials().unwrap();
        Keys {
            id: keys.access_key_id().to_owned(),
            secret: keys.secret_access_key().to_owned(),
            session: Some(keys.session_token().to_owned()),
        }
    })
}

/// The whole life of a case.
fn live(case: &Case) {
    let keys = somebody_in(case.account);
    let caller = Caller::new(&moto().url(), keys.clone());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = sdk(&moto().url(), &keys);
    runtime.block_on(inventory::decoys(&config, case.name));
    let before = runtime.block_on(inventory(&config));

    let spec = format!("tests/witness/specs/{}.yaml", case.spec);
    let account = format!("account={}", case.account);
    let mut flags = vec!["-f", &spec, "--set", &account];
    let with = |command: &[&'static str], flags: &[&str]| -> Vec<String> {
        command.iter().chain(flags).map(|part| (*part).to_owned()).collect()
    };
    let expect = |code: i32, command: &[&'static str], flags: &[&str]| {
        let args = with(command, flags);
        caller.expect(code, &args.iter().map(String::as_str).collect::<Vec<_>>())
    };

    expect(0, &["validate"], &flags);
    let file = caller.home().join("plan.json");
    let shown = file.display().to_string();
    expect(2, &["plan", "--detailed-exitcode", "--out"], &[&[shown.as_str()], &flags[..]].concat());
    let plan = PlanFile::read(&file).unwrap_or_else(|failure| panic!("{}", failure.message)).plan;
    let kinds: BTreeSet<&str> = plan.items.iter().map(|item| item.kind.as_str()).collect();
    assert_eq!(kinds, case.kinds.iter().copied().collect());

    expect(0, &["apply", "--yes"], &flags);
    expect(0, &["plan", "--detailed-exitcode"], &flags);

    let mut allow: Vec<&str> = Vec::new();
    for edit in case.changes {
        flags.extend(edit.set.iter().flat_map(|value| ["--set", *value]));
        allow.extend(edit.allow.iter().flat_map(|address| ["--allow-delete", *address]));
        let changing = [&flags[..], &allow[..]].concat();
        expect(2, &["plan", "--detailed-exitcode"], &changing);
        expect(0, &["apply", "--yes"], &changing);
        expect(0, &["plan", "--detailed-exitcode"], &flags);
    }

    expect(0, &["destroy", "--yes", "--confirm", case.name], &flags);
    let after = runtime.block_on(inventory(&config));
    assert_eq!(after, before, "{} left something, or took what was not its own", case.name);
}
