//! AWS's own command line, as a reader.

use super::program::{Caller, ran};
use super::python;
use serde_json::Value;
use std::process::Command;

/// Asks the AWS CLI and reads its JSON; empty output is null.
pub(super) fn aws(caller: &Caller, args: &[&str]) -> Value {
    let ran = ran(&command(caller).args(args).args(["--output", "json"]).output().unwrap());
    assert_eq!(ran.code, 0, "aws {args:?}\n{}{}", ran.stdout, ran.stderr);
    match ran.stdout.trim() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or(Value::Null),
    }
}

/// The same for what must be refused; gives what the CLI said.
pub(super) fn refused(caller: &Caller, args: &[&str]) -> String {
    let ran = ran(&command(caller).args(args).output().unwrap());
    assert_ne!(ran.code, 0, "aws {args:?} was not refused\n{}", ran.stdout);
    ran.stderr
}

fn command(caller: &Caller) -> Command {
    let mut command = caller.command(&python::program("aws"));
    environment(&mut command, caller);
    // RDS in us-east-1 has an old name of its own, which goes before the variable.
    command.args(["--endpoint-url", caller.endpoint()]);
    command
}

/// What the AWS CLI reads from its environment, whoever starts it.
pub(super) fn environment(command: &mut Command, caller: &Caller) {
    command.env("AWS_ENDPOINT_URL", caller.endpoint()).env("AWS_PAGER", "");
    // The CLI's own name for what the SDKs call AWS_REGION.
    command.env("AWS_DEFAULT_REGION", "us-east-1");
}

/// How many entries a list in an answer has.
pub(super) fn count(answer: &Value, list: &str) -> usize {
    answer[list].as_array().unwrap_or_else(|| panic!("no list {list} in {answer}")).len()
}
