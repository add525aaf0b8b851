//! The exit codes that only a run in trouble gives, from the program itself.

use super::binary::{Folder, Ran};
use super::deployment::path;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use coderctl::cli::exit::Exit;
use coderctl::clock::Clock;
use coderctl::sandbox::{Sandbox, SandboxHttp};
use serde_json::Value;
use std::process::Child;
use std::time::{Duration, Instant};

/// The account of a folder, for what others do in it.
fn others(folder: &Folder) -> SdkConfig {
    let clock = Clock::real();
    let sandbox = Sandbox::open(&folder.path("account.json"), clock, 1).unwrap();
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .http_client(SandboxHttp::new(sandbox))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
            "AKIDSANDBOX",
            "secret",
            None,
            None,
            "test",
        )))
        .build()
}

/// The example, applied by a process of its own that is still at it.
fn under_way(folder: &Folder) -> Child {
    std::fs::copy(path("examples/network.yaml"), folder.path("coderctl.yaml")).unwrap();
    let child = folder.start(&["apply", "--yes", "--progress", "lines"]);
    until_locked(folder);
    child
}

fn until_locked(folder: &Folder) {
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < Duration::from_secs(60), "the lock is never taken");
        let lock = folder.run(&["lock", "--output", "json"]);
        let lock: Value = serde_json::from_str(&lock.out).unwrap_or_default();
        if lock["holder"]["run"].is_string() {
            return;
        }
    }
}

fn finish(child: Child) -> Ran {
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn a_second_run_is_locked_out() {
    let folder = Folder::new();
    let first = under_way(&folder);
    folder.run(&["apply", "--yes"]).exits(14).says("is locked by").says("lock release --run");
    finish(first).exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(0);
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_lets_go_of_the_lock_and_the_next_goes_on() {
    for signal in ["-INT", "-TERM"] {
        let folder = Folder::new();
        let first = under_way(&folder);
        let pid = first.id().to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status().unwrap();
        assert!(sent.success());
        let began = Instant::now();
        finish(first).exits(16).says("interrupted");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        // Nobody has to be waited for.
        folder.run(&["apply", "--yes"]).exits(0);
        folder.run(&["plan", "--detailed-exitcode"]).exits(0);
    }
}

/// Nothing has to be waited for, and what the killed run was is not forgotten.
#[cfg(unix)]
#[test]
fn a_run_that_was_killed_goes_on_when_it_is_started_again() {
    let folder = Folder::new();
    let mut first = under_way(&folder);
    first.kill().unwrap();
    first.wait().unwrap();
    folder.run(&["apply", "--yes"]).exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(0);
    let runs = folder.run(&["runs", "--output", "json"]).exits(0);
    let runs: Value = serde_json::from_str(&runs.out).unwrap();
    let states: Vec<&str> =
        runs["runs"].as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["complete", "open"]);
}

#[test]
fn a_step_that_fails_takes_along_only_what_needs_it() {
    let folder = Folder::new();
    let tiny = std::fs::read_to_string(folder.tiny()).unwrap();
    let role = "roles:\n  app:\n    trust: {service: [ec2.amazonaws.com]}\n    \
                managed_policy_arns: [\"arn:aws:iam::aws:policy/NoSuchPolicy\"]\n";
    folder.write("coderctl.yaml", &format!("{tiny}{role}"));
    folder.run(&["apply", "--yes"]).exits(15).says("NoSuchEntity").says("global/identity/role/app");
    // The log groups stand; the role is there, and lacks what could not be attached.
    let plan = folder.run(&["plan", "--output", "json", "--detailed-exitcode"]).exits(2);
    let plan: Value = serde_json::from_str(&plan.out).unwrap();
    let acts: Vec<(&str, &str)> = plan["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| (item["address"].as_str().unwrap(), item["action"].as_str().unwrap()))
        .filter(|(_, action)| *action != "keep")
        .collect();
    assert_eq!(acts, [("global/identity/role/app", "update")]);
    folder.write("coderctl.yaml", &tiny);
    folder.run(&["apply", "--yes"]).exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(0);
}

#[test]
fn what_can_not_be_read_makes_a_plan_incomplete() {
    let folder = Folder::new();
    let kubeconfig = folder.write(
        "kubeconfig",
        "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
         clusters: [{name: c, cluster: {server: \"http://127.0.0.1:1\"}}]\n\
         contexts: [{name: c, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {}}]\n",
    );
    let tiny = std::fs::read_to_string(folder.tiny()).unwrap();
    let object = "kubernetes:\n  objects:\n    settings:\n      \
                  config_map: {namespace: default, name: settings, data: {a: b}}\n";
    folder.write("coderctl.yaml", &format!("{tiny}{object}"));
    let kubeconfig = kubeconfig.to_str().unwrap();
    let ran = folder.run(&["plan", "--kubeconfig", kubeconfig]).exits(17).says("incomplete");
    ran.says("kubectl get namespaces");
    folder.run(&["apply", "--yes", "--kubeconfig", kubeconfig]).exits(17);
    assert!(!folder.run(&["runs"]).exits(0).out.contains("apply"), "nothing was begun");
}

#[tokio::test]
async fn a_quota_that_is_used_up_has_a_code_of_its_own() {
    let folder = Folder::new();
    std::fs::copy(path("examples/network.yaml"), folder.path("coderctl.yaml")).unwrap();
    let ec2 = aws_sdk_ec2::Client::new(&others(&folder));
    while ec2.create_vpc().cidr_block("172.31.0.0/16").send().await.is_ok() {}
    let target = ["apply", "--yes", "--target", "us-east-1/network/vpc"];
    folder.run(&target).exits(18).says("VpcLimitExceeded").says("higher quota");
}

#[test]
fn the_table_of_exit_codes_is_the_program_s() {
    use Exit::{
        Changes, Credentials, Done, Drift, Failed, Incomplete, Interrupted, Locked, Moved, Partial,
        Quota, Refused, Spec, Unhealthy, Usage,
    };
    let all = [
        Done,
        Failed,
        Changes,
        Drift,
        Usage,
        Spec,
        Credentials,
        Refused,
        Locked,
        Partial,
        Interrupted,
        Incomplete,
        Quota,
        Moved,
        Unhealthy,
    ];
    let page = std::fs::read_to_string(path("docs/errors.md")).unwrap();
    let table = page.split("## Exit codes").nth(1).unwrap().split("\n## ").next().unwrap();
    let listed: Vec<i32> =
        table.lines().filter_map(|line| line.split('|').nth(1)?.trim().parse().ok()).collect();
    assert_eq!(listed, all.map(|exit| exit as i32));
}
