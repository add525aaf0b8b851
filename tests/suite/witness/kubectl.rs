//! kubectl, as a reader: its kubeconfig and its tokens come from the AWS CLI.

use super::aws_cli::environment;
use super::program::{Caller, Ran, ran};
use super::python;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Runs kubectl with the kubeconfig of `caller`, as `aws eks update-kubeconfig` writes it.
pub(super) fn kubectl(caller: &Caller, args: &[&str]) -> Ran {
    let mut command = caller.command(Path::new("kubectl"));
    environment(&mut command, caller);
    // The kubeconfig names the AWS CLI as what makes tokens.
    let own = python::program("aws");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = own.parent().unwrap().to_owned();
    let folders = std::iter::once(own).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(folders).unwrap()).args(args);
    let output = run(&mut command);
    ran(&output)
}

fn run(command: &mut Command) -> std::process::Output {
    command.output().unwrap_or_else(|error| {
        panic!("these tests need kubectl (Debian: apt-get install kubernetes-client): {error}")
    })
}

/// What kubectl says, which must be good news.
pub(super) fn says(caller: &Caller, args: &[&str]) -> String {
    let ran = kubectl(caller, args);
    assert_eq!(ran.code, 0, "kubectl {args:?}\n{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// The objects that kubectl gets.
pub(super) fn get(caller: &Caller, args: &[&str]) -> Value {
    let text = says(caller, &[&["get"], args, &["--output", "json"]].concat());
    serde_json::from_str(&text).unwrap()
}
