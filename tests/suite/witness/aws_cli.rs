//! AWS's own command line, as a reader.

use super::program::{Caller, ran};
use super::python;
use serde_json::Value;

/// Asks the AWS CLI and reads its JSON; empty output is null.
pub(super) fn aws(caller: &Caller, args: &[&str]) -> Value {
    let mut command = caller.command(&python::program("aws"));
    command.env("AWS_ENDPOINT_URL", caller.endpoint()).env("AWS_PAGER", "");
    command.args(args).args(["--output", "json"]);
    let ran = ran(&command.output().unwrap());
    assert_eq!(ran.code, 0, "aws {args:?}\n{}{}", ran.stdout, ran.stderr);
    match ran.stdout.trim() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap(),
    }
}

/// The same for what must be refused; gives what the CLI said.
pub(super) fn refused(caller: &Caller, args: &[&str]) -> String {
    let mut command = caller.command(&python::program("aws"));
    command.env("AWS_ENDPOINT_URL", caller.endpoint()).env("AWS_PAGER", "");
    let ran = ran(&command.args(args).output().unwrap());
    assert_ne!(ran.code, 0, "aws {args:?} was not refused\n{}", ran.stdout);
    ran.stderr
}

/// How many entries a list in an answer has.
pub(super) fn count(answer: &Value, list: &str) -> usize {
    answer[list].as_array().unwrap_or_else(|| panic!("no list {list} in {answer}")).len()
}
