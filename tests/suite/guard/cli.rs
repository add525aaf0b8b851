//! What the program says to its caller: exit codes, JSON, completions, colours.

use super::binary::{Folder, run};
use serde_json::Value;

#[test]
fn exit_codes() {
    let folder = Folder::new();
    folder.tiny();
    folder.run(&["validate"]).exits(0);
    folder.run(&["plan"]).exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(2);
    folder.run(&["frobnicate"]).exits(10);
    folder.run(&["plan", "--set", "log_groups.app.retention_days=31"]).exits(11);
    folder.run(&["plan", "--set", "account='210987654321'"]).exits(12);
    folder.run(&["apply"]).exits(13).says("--yes");
    folder.run(&["apply", "--yes"]).exits(0);
    folder.run(&["plan", "--detailed-exitcode"]).exits(0);
    folder.run(&["destroy", "--yes", "--confirm", "coder-dev"]).exits(13).says("coder-dev");
    folder.run(&["destroy", "--yes"]).exits(10);
    folder.run(&["adopt", "us-east-1/nothing", "vpc-0", "--yes"]).exits(10);
    folder.run(&["lock"]).exits(0);
    folder.run(&["runs"]).exits(0);
    folder.run(&["outputs"]).exits(0);
    folder.run(&["destroy", "--yes", "--confirm", "coder-prod"]).exits(0);
}

#[test]
fn json_is_json() {
    let folder = Folder::new();
    folder.tiny();
    for args in [
        &["plan", "--output", "json"][..],
        &["apply", "--yes", "--output", "json"],
        &["outputs", "--output", "json"],
        &["plan", "--output", "json"],
        &["lock", "--output", "json"],
        &["runs", "--output", "json"],
    ] {
        let ran = folder.run(args).exits(0);
        for value in serde_json::Deserializer::from_str(&ran.out).into_iter::<Value>() {
            assert!(value.is_ok(), "{args:?}: {value:?} in\n{}", ran.out);
        }
        assert!(!ran.out.trim().is_empty(), "{args:?} says nothing");
    }
}

#[test]
fn completions_are_there_for_every_shell() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = folder.run(&["completions", shell]).exits(0);
        assert!(ran.out.contains("coderctl") && ran.out.contains("destroy"), "{shell}");
    }
}

#[test]
fn help_lists_exactly_the_commands() {
    let folder = Folder::new();
    let help = folder.run(&["--help"]).exits(0).out;
    let commands: Vec<&str> = help
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let expected = [
        "init",
        "validate",
        "plan",
        "apply",
        "destroy",
        "outputs",
        "status",
        "render",
        "kubeconfig",
        "explain",
        "adopt",
        "rotate",
        "lock",
        "runs",
        "pattern",
        "schema",
        "sandbox",
        "completions",
        "version",
    ];
    assert_eq!(commands, expected);
}

#[test]
fn a_pipe_gets_no_escapes() {
    let folder = Folder::new();
    folder.tiny();
    for args in [&["plan"][..], &["apply", "--yes"], &["plan", "--set", "nothing=1"]] {
        let ran = folder.run(args);
        assert!(!ran.out.contains('\x1b') && !ran.err.contains('\x1b'), "{args:?}: {ran:?}");
    }
    let ran =
        folder.run(&["plan", "--color", "always", "--set", "log_groups.app.retention_days=60"]);
    assert!(ran.exits(0).out.contains('\x1b'), "colour when it is asked for");
}

#[test]
fn the_version_is_the_package_s() {
    let folder = Folder::new();
    let ran = run(&folder.path(""), &["version"]).exits(0);
    assert!(ran.out.contains(env!("CARGO_PKG_VERSION")));
}
