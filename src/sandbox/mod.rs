//! An embedded AWS: for `--sandbox`, for `coderctl sandbox serve`, and for tests.
//!
//! Three layers: the *wire* (`wire`) reads requests into trees and writes answers, the *law*
//! (`law`) refuses what AWS's models refuse, and the *world* (one folder a service) does what
//! AWS does, over one `store`. Between the client and the world stand the faults. The
//! sandbox knows no kind of `coderctl` and shares no code with them, so that neither can hide the
//! other's mistakes. What is modelled, and what of it is not from AWS's documentation, stands in
//! `docs/sandbox.md`.

mod acm;
mod autoscaling;
mod clusters;
pub mod coderd;
mod connect;
mod disk;
mod doorkeeper;
mod ec2;
mod eks;
mod elbv2;
mod failure;
mod fault;
mod file;
mod gate;
mod iam;
mod kms;
mod knobs;
pub mod kube;
mod law;
mod logs;
mod page;
mod policy;
mod rds;
mod request;
mod route53;
mod running;
mod s3;
mod secretsmanager;
mod serve;
mod service;
mod store;
mod sts;
mod wire;
mod world;

pub use autoscaling::Attached;
pub use clusters::{Clusters, Unreachable};
pub use connect::SandboxHttp;
pub use disk::{OpenError, last_time, reset};
pub use eks::{Access, Endpoint, Node};
pub use fault::{Budget, Call, Effect, Fault, Faults, Matching, Outcome, Profile, Stop};
pub use gate::Observer;
pub use knobs::{Front, Knobs};
pub use serve::{serve, serve_kubernetes};
pub use world::{Lost, Sandbox};

use service::Service;

/// All services of the sandbox.
static SERVICES: &[&Service] = &[
    &autoscaling::SERVICE,
    &ec2::SERVICE,
    &eks::SERVICE,
    &acm::SERVICE,
    &elbv2::SERVICE,
    &iam::SERVICE,
    &kms::SERVICE,
    &logs::SERVICE,
    &rds::SERVICE,
    &route53::SERVICE,
    &s3::SERVICE,
    &secretsmanager::SERVICE,
    &sts::SERVICE,
];

/// Every operation that the sandbox models, as `ec2:CreateVpc`.
pub fn operations() -> Vec<String> {
    let of = |service: &&'static Service| {
        let name = service.name;
        service.operations.iter().map(move |operation| format!("{name}:{}", operation.name))
    };
    SERVICES.iter().flat_map(of).collect()
}

/// What is wrong with the law's tables: `(mistakes, patterns that can't be checked)`. The first
/// list is empty in a sound build.
pub fn law_problems() -> (Vec<String>, Vec<String>) {
    law::problems()
}
