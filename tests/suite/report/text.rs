//! Errors as they are shown.

use super::plans::{NARROW, WIDE};
use coderctl::event::{StepName, Verb};
use coderctl::kind::{Class, Error};
use coderctl::name::Address;
use coderctl::report::error::{ErrorReport, human};
use coderctl::report::style::Style;
use insta::assert_snapshot;

fn report() -> ErrorReport {
    let step = StepName {
        verb: Verb::Create,
        kind: "aws.ec2.subnet".to_owned(),
        address: Address::parse("us-east-1/network/private-a").unwrap(),
    };
    let error = Error {
        class: Class::Refused,
        operation: Some("ec2:CreateSubnet".to_owned()),
        code: Some("InvalidSubnet.Conflict".to_owned()),
        message: "the CIDR 10.0.64.0/20 conflicts with another subnet".to_owned(),
        hint: Some(
            "subnet-0abc (not managed by coderctl) uses 10.0.64.0/18; choose another CIDR or \
             adopt it: coderctl adopt us-east-1/network/private-a subnet-0abc"
                .to_owned(),
        ),
        request_id: Some("6f0".to_owned()),
        attempts: 1,
    };
    ErrorReport {
        at: Some("coderctl.yaml:12".to_owned()),
        excerpt: vec!["private: 10.0.64.0/20".to_owned(), "         ^^^^^^^^^^^^".to_owned()],
        ..ErrorReport::of_step(&step, &error)
    }
}

#[test]
fn an_error_on_80_columns() {
    assert_snapshot!(human(&report(), &NARROW));
}

#[test]
fn an_error_on_140_columns() {
    assert_snapshot!(human(&report(), &WIDE));
}

#[test]
fn an_error_in_ascii() {
    let shown = human(&report(), &Style::PLAIN);
    assert!(shown.is_ascii());
    assert!(shown.contains("\n  at coderctl.yaml:12\n  |   private: 10.0.64.0/20\n"), "{shown}");
}

#[test]
fn an_error_with_sources() {
    #[derive(Debug, thiserror::Error)]
    #[error("reading plan.json")]
    struct Outer(#[source] std::io::Error);
    let error = Outer(std::io::Error::other("the disk is gone"));
    let report = ErrorReport { attempts: 4, ..ErrorReport::of(&error) };
    assert_eq!(
        human(&report, &NARROW),
        "error: reading plan.json\n  cause: the disk is gone\n  tried 4 times\n"
    );
}
