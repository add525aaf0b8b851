//! What AWS refuses by the model alone: unknown members, missing members, wrong types, values
//! outside an enumeration, a pattern, a length or a range.
//!
//! The tables in `law/<service>.json` are cut from AWS's public service models (the same that the
//! SDKs are generated from): per operation, members by path (`Filters[].Values[]`), with the name
//! that the form protocols give a member (`wire`) where it is another.

mod check;
mod pattern;
mod shape;

pub(crate) use shape::{Kind, Law, OperationLaw, Shape};

use super::service::Service;
use std::collections::BTreeMap;
use std::sync::LazyLock;

static LAWS: LazyLock<BTreeMap<&'static str, Law>> = LazyLock::new(|| {
    super::SERVICES
        .iter()
        .filter_map(|service| Law::read(service.law).ok().map(|law| (service.name, law)))
        .collect()
});

/// What the law says about an operation; `None` if it says nothing.
pub(crate) fn of(service: &Service, operation: &str) -> Option<&'static OperationLaw> {
    LAWS.get(service.name)?.operations.get(operation)
}

/// What is wrong with the law's tables: documents that can't be read, operations of the world
/// that the law does not have, operations of the law that the world does not have, and patterns
/// that can't be checked. All but the last are mistakes.
pub(crate) fn problems() -> (Vec<String>, Vec<String>) {
    let mut mistakes = Vec::new();
    let mut unchecked = Vec::new();
    for service in super::SERVICES {
        let law = match Law::read(service.law) {
            Ok(law) => law,
            Err(error) => {
                mistakes.push(format!("{}: reading the law: {error}", service.name));
                continue;
            }
        };
        for operation in service.operations {
            if !law.operations.contains_key(operation.name) {
                mistakes.push(format!("{}:{} has no law", service.name, operation.name));
            }
        }
        for (name, operation) in &law.operations {
            if !service.operations.iter().any(|known| known.name == name) {
                mistakes.push(format!("{}:{name} has a law but is not modelled", service.name));
            }
            operation.input.unchecked(&format!("{}:{name}", service.name), &mut unchecked);
        }
    }
    (mistakes, unchecked)
}
