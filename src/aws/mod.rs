//! AWS: the kinds, and the only code that talks to it.
//!
//! [`call`] is the only retry layer and the only place that sees an SDK error; `rate` keeps it
//! below the request limits of [`limits`]; [`clients`] is the only factory of clients. Every kind is one file below its service.

pub mod acm;
pub mod autoscaling;
pub mod call;
pub mod clients;
mod credentials;
pub mod ec2;
pub mod eks;
pub mod elbv2;
pub mod facts;
mod guard;
pub mod iam;
pub mod kms;
pub mod limits;
pub mod logs;
pub mod policy;
mod rate;
pub mod rds;
pub mod record;
pub mod route53;
pub mod secrets;
pub mod secretsmanager;
pub(crate) mod settle;
pub(crate) mod tags;

pub use clients::Clients;
pub use guard::CallCounts;
