//! Plans as they are shown.

use coderctl::plan::Plan;
use coderctl::report::plan::{Context, MAX_BYTES, human, json, markdown};
use coderctl::report::style::Style;
use insta::assert_snapshot;
use serde_json::{Value, json as value};
use std::time::Duration;

pub(super) const NARROW: Style = Style { width: 80, color: false, unicode: true };
pub(super) const WIDE: Style = Style { width: 140, color: false, unicode: true };

/// A plan with these items, and whatever else `more` says of it.
pub(super) fn plan(items: Value, more: Value) -> Plan {
    let mut plan = value!({
        "deployment": "coder-dev",
        "account": "123456789012",
        "home_region": "us-east-1",
        "options": {
            "destroy": false, "allow_delete": [], "overwrite_drift": false,
            "target": [], "exclude": [],
        },
        "items": items,
        "steps": [step("create", "aws.ec2.vpc", "us-east-1/network/vpc", 2, 842)],
        "estimate": 842,
        "critical_path": [
            ["us-east-1/network/vpc", 2],
            ["us-east-1/cluster/cluster", 590],
            ["us-east-1/cluster/node-group/control", 130],
            ["us-east-1/coder/deployment", 100],
        ],
    });
    for (key, more) in more.as_object().unwrap() {
        plan[key] = more.clone();
    }
    serde_json::from_value(plan).unwrap()
}

pub(super) fn step(verb: &str, kind: &str, address: &str, typical: u32, pole: u32) -> Value {
    value!({
        "verb": verb, "kind": kind, "address": address, "region": "us-east-1",
        "generation": 1, "typical": typical, "pole": pole,
    })
}

fn change(field: &str, from: Value, to: Value, effect: &str, cause: &str) -> Value {
    value!({ "field": field, "from": from, "to": to, "effect": effect, "cause": cause })
}

fn create(kind: &str, address: &str, summary: &str) -> Value {
    value!({ "address": address, "kind": kind, "action": "create", "summary": summary,
             "spec_path": "network" })
}

fn keep(kind: &str, address: &str) -> Value {
    value!({ "address": address, "kind": kind, "action": "keep", "summary": "as it was" })
}

fn context() -> Context<'static> {
    Context {
        pattern: Some("sr-simple"),
        reads: Some((61, Duration::from_millis(412))),
        origin: &|path| match path {
            "cluster.node_groups.workspace.max" => Some("coderctl.yaml:31".to_owned()),
            "cluster.node_groups.control" => Some("coderctl.yaml:22".to_owned()),
            "network" => Some("coderctl.yaml:8".to_owned()),
            _ => None,
        },
        verbose: false,
    }
}

/// All that a plan can hold.
fn everything() -> Plan {
    let mut items = vec![
        create("aws.ec2.vpc", "us-east-1/network/vpc", "10.0.0.0/16"),
        create("aws.ec2.subnet", "us-east-1/network/subnet/public-a", "10.0.0.0/20  us-east-1a"),
        create(
            "aws.ec2.nat_gateway",
            "us-east-1/network/nat/a",
            "in subnet/public-a, elastic ip (known after apply)",
        ),
        value!({ "address": "us-east-1/network/log-group/flow-logs", "kind": "aws.logs.log_group",
                 "action": "create", "summary": "/coder/coder-dev/vpc-flow-logs",
                 "reason": "it was there on 2026-11-20T10:00:00Z and is gone" }),
        value!({ "address": "us-east-1/cluster/node-group/workspace", "kind": "aws.eks.node_group",
                 "action": "update", "spec_path": "cluster.node_groups.workspace.max",
                 "changes": [change("max", value!(10), value!(20), "in_place", "spec"),
                             change("tags.owner", value!(null), value!("team-a"), "in_place", "drift")] }),
        value!({ "address": "us-east-1/cluster/node-group/control", "kind": "aws.eks.node_group",
                 "action": "replace", "spec_path": "cluster.node_groups.control",
                 "reason": "instance_type m5.large → m6i.large cannot change in place",
                 "changes": [change("instance_type", value!("m5.large"), value!("m6i.large"), "replace", "spec"),
                             change("max", value!(3), value!(4), "in_place", "spec")] }),
        value!({ "address": "us-east-1/cluster/cluster", "kind": "aws.eks.cluster",
                 "action": "wait", "reason": "it is CREATING" }),
        value!({ "address": "us-east-1/database/cluster", "kind": "aws.rds.cluster",
                 "action": "keep",
                 "drift": [change("backup_retention", value!(7), value!(35), "in_place", "drift"),
                           change("deletion_protection", value!(false), value!(true), "in_place", "drift")] }),
        value!({ "address": "us-east-1/database/instance", "kind": "aws.rds.instance",
                 "action": "withheld",
                 "reason": "it needs us-east-1/database/subnet-group, which can not be judged" }),
        value!({ "address": "us-east-1/database/old", "kind": "aws.rds.instance", "action": "delete",
                 "id": "coder-dev-old", "summary": "coder-dev-old", "destroys_data": true,
                 "reason": "the spec does not ask for it any more",
                 "notes": ["the final snapshot coder-dev-old-final is kept"] }),
        value!({ "address": "us-east-1/network/route-table/private", "kind": "aws.ec2.route_table",
                 "action": "keep", "notes": ["routes.10.9.0.0/16 (tgw-0abc) is not ours and stays"] }),
        keep("aws.iam.role", "global/iam/role/nodes"),
    ];
    for number in 0..9 {
        let group = if number < 6 { "nodes" } else { "load-balancer" };
        items.push(create(
            "aws.ec2.security_group_rule",
            &format!("us-east-1/network/security-group-rule/{group}/{number}"),
            "tcp 443 from load-balancer",
        ));
    }
    plan(value!(items), value!({ "left_out": 2 }))
}

#[test]
fn everything_on_80_columns() {
    assert_snapshot!(human(&everything(), &context(), &NARROW));
}

#[test]
fn everything_on_140_columns() {
    assert_snapshot!(human(&everything(), &context(), &WIDE));
}

#[test]
fn verbose_unfolds_and_shows_what_is_kept() {
    let context = Context { verbose: true, ..context() };
    assert_snapshot!(human(&everything(), &context, &NARROW));
}

#[test]
fn ascii_where_nothing_else_can_be_shown() {
    let shown = human(&everything(), &context(), &Style { unicode: false, ..NARROW });
    assert!(shown.is_ascii(), "{shown}");
    assert!(shown.contains("max 10 -> 20"), "{shown}");
}

#[test]
fn colours_only_add() {
    let plan = everything();
    let coloured = human(&plan, &context(), &Style { color: true, ..NARROW });
    assert!(coloured.contains("\x1b["));
    assert_eq!(without_colours(&coloured), human(&plan, &context(), &NARROW));
}

fn without_colours(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((head, tail)) = rest.split_once("\x1b[") {
        out.push_str(head);
        rest = tail.split_once('m').unwrap().1;
    }
    out + rest
}

fn nothing() -> Plan {
    let items = value!([
        keep("aws.ec2.vpc", "us-east-1/network/vpc"),
        keep("aws.ec2.subnet", "us-east-1/network/subnet/a")
    ]);
    plan(items, value!({ "steps": [], "estimate": 0, "critical_path": [] }))
}

#[test]
fn nothing_to_do_is_one_line() {
    assert_eq!(
        human(&nothing(), &context(), &NARROW),
        "nothing to change: 2 resources are as the spec says\n"
    );
    let one = Plan { items: nothing().items[..1].to_vec(), left_out: 3, ..nothing() };
    assert_eq!(
        human(&one, &context(), &NARROW),
        "nothing to change: 1 resource is as the spec says; 3 left out by --target or --exclude\n"
            .replace("or --exclude", "or\n--exclude")
    );
}

#[test]
fn nothing_to_destroy_is_one_line() {
    let mut empty = Plan { items: Vec::new(), ..nothing() };
    empty.options.destroy = true;
    assert_eq!(
        human(&empty, &context(), &NARROW),
        "nothing to delete: no resource of coder-dev is live\n"
    );
}

#[test]
fn a_plan_with_nothing_but_drift_is_not_silent() {
    let drift = change("backup_retention", value!(7), value!(35), "in_place", "drift");
    let items = value!([{ "address": "us-east-1/database/cluster", "kind": "aws.rds.cluster",
                          "action": "keep", "drift": [drift] }]);
    let plan = plan(items, value!({ "steps": [], "estimate": 0, "critical_path": [] }));
    assert_snapshot!(human(&plan, &context(), &NARROW));
}

fn destroy() -> Plan {
    let gone = |kind: &str, address: &str, id: &str, data: bool| {
        value!({ "address": address, "kind": kind, "action": "delete", "summary": id, "id": id,
                 "reason": "everything goes", "destroys_data": data })
    };
    let items = value!([
        gone("aws.ec2.subnet", "us-east-1/network/subnet/public-a", "subnet-0a", false),
        gone("aws.ec2.subnet", "us-east-1/network/subnet/public-b", "subnet-0b", false),
        { "address": "us-east-1/network/nat/a", "kind": "aws.ec2.nat_gateway", "action": "delete",
          "summary": "nat-0a", "reason": "it is on its way out" },
        gone("aws.ec2.vpc", "us-east-1/network/vpc", "vpc-0a", true),
    ]);
    let mut plan =
        plan(items, value!({ "estimate": 75, "critical_path": [["us-east-1/network/nat/a", 70]] }));
    plan.options.destroy = true;
    plan
}

#[test]
fn destroying() {
    assert_snapshot!(human(&destroy(), &context(), &NARROW));
}

fn refused() -> Plan {
    let items = value!([
        { "address": "us-east-1/network/vpc", "kind": "aws.ec2.vpc", "action": "replace",
          "summary": "10.1.0.0/16", "spec_path": "network",
          "reason": "cidr 10.0.0.0/16 → 10.1.0.0/16 cannot change in place",
          "changes": [change("cidr", value!("10.0.0.0/16"), value!("10.1.0.0/16"), "replace", "unknown")] },
        { "address": "us-east-1/network/subnet/a", "kind": "aws.ec2.subnet", "action": "withheld",
          "reason": "subnets can not be read in us-east-1" },
    ]);
    plan(
        items,
        value!({
            "refusals": [
                { "address": "us-east-1/network/vpc",
                  "why": "this plan would replace us-east-1/network/vpc, and what it holds with it: cidr 10.0.0.0/16 → 10.1.0.0/16 cannot change in place",
                  "hint": "if that is meant, say so: --allow-delete us-east-1/network/vpc" },
                { "why": "what is live carries 2 uids for one deployment name: u-1, u-2",
                  "hint": "two deployments share this name" },
            ],
            "unread": [{ "kind": "aws.ec2.subnet", "region": "us-east-1",
                         "why": "ec2:DescribeSubnets was not allowed: UnauthorizedOperation: You are not authorized to perform this operation",
                         "hint": "coderctl needs the action ec2:DescribeSubnets" }],
        }),
    )
}

#[test]
fn refused_and_incomplete_on_80_columns() {
    assert_snapshot!(human(&refused(), &context(), &NARROW));
}

#[test]
fn refused_and_incomplete_on_140_columns() {
    assert_snapshot!(human(&refused(), &context(), &WIDE));
}

#[test]
fn long_values_show_where_they_differ() {
    let policy = |action: &str| {
        value!(format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}"#
        ))
    };
    let text = |end: &str| {
        value!(format!(
            "Everything that the control plane says of itself, and of {end}, for a year"
        ))
    };
    let peers = |port: u16, more: bool| {
        let mut rules = vec![value!({"port": port, "from": ["10.0.0.0/16"]}), value!({"port": 22})];
        rules.extend(more.then(|| value!({"port": 8443})));
        value!({"ingress": rules, "kind": "NetworkPolicy"})
    };
    let items = value!([{
        "address": "global/iam/role/nodes", "kind": "aws.iam.role", "action": "update",
        "changes": [change("spec", peers(80, false), peers(443, false), "in_place", "spec"),
                    change("rules", peers(80, false), peers(80, true), "in_place", "spec"),
                    change("text", text("its nodes"), text("nobody else"), "in_place", "spec"),
                    change("labels", value!({"a": "1", "b": "2", "c": "3", "d": "4"}),
                           value!({"a": "2", "b": "3", "c": "4", "e": "4"}), "in_place", "spec"),
                    change("policy", policy("s3:GetObject"), policy("s3:ListBucket"), "in_place", "spec"),
                    change("description", value!(""), value!("nodes\nof\u{1b}[31m it"), "in_place", "spec"),
                    change("arn", value!("arn:aws:iam::123456789012:role/x"), value!(null), "in_place", "spec")],
    }]);
    let mut plan = plan(items, value!({}));
    plan.items[0].changes.last_mut().unwrap().to = None;
    assert_snapshot!(human(&plan, &context(), &NARROW));
}

#[test]
fn a_pull_request() {
    assert_snapshot!(markdown(&everything(), &context(), MAX_BYTES));
}

#[test]
fn a_pull_request_that_is_refused() {
    assert_snapshot!(markdown(&refused(), &context(), MAX_BYTES));
}

#[test]
fn a_pull_request_without_changes() {
    assert_snapshot!(markdown(&nothing(), &context(), MAX_BYTES));
}

#[test]
fn markdown_fits_and_says_what_does_not() {
    let items: Vec<Value> = (0..900)
        .map(|n| create("aws.ec2.subnet", &format!("us-east-1/network/subnet/{n}"), "10.0.0.0/28"))
        .collect();
    let plan = plan(value!(items), value!({}));
    let shown = markdown(&plan, &context(), 5_000);
    assert!(shown.len() <= 5_000, "{}", shown.len());
    let rows = shown.lines().filter(|line| line.starts_with("| `+`")).count();
    assert!(rows > 10, "{rows}");
    assert!(shown.contains(&format!("{} more did not fit", 900 - rows)), "{shown}");
    assert!(shown.contains("</details>"));
}

#[test]
fn markdown_is_not_taken_over_by_what_others_wrote() {
    let items = value!([create(
        "aws.ec2.subnet",
        "us-east-1/network/a",
        "<img src=x> | @everyone [x](y) #1 -->"
    )]);
    let shown = markdown(&plan(items, value!({})), &context(), MAX_BYTES);
    let row = shown.lines().find(|line| line.starts_with("| `+`")).unwrap();
    assert_eq!(
        row,
        "| `+` | `network/a` | &lt;img src=x&gt; \\| @\u{2060}everyone \\[x\\](y) &#35;1 --&gt; |"
    );
}

#[test]
fn a_document_for_programs() {
    let mut document = json(&refused(), &context());
    assert_eq!(document["fingerprint"].as_str().unwrap().len(), 32);
    document["fingerprint"] = value!("(a digest)");
    assert_snapshot!(serde_json::to_string_pretty(&document).unwrap());
}
