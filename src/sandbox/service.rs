//! What a service of the sandbox declares about itself, and what its operations get to act on.

use super::failure::Failure;
use super::knobs::Knobs;
use super::store::{Millis, Scope, Store};
use super::wire::Protocol;
use super::wire::params::Params;
use super::wire::reply::Reply;
use bytes::Bytes;
use serde_json::Value;

/// One AWS service.
#[derive(Debug)]
pub(crate) struct Service {
    /// The name that requests are signed for: `ec2`.
    pub(crate) name: &'static str,
    /// How it speaks.
    pub(crate) protocol: Protocol,
    /// The XML namespace of its answers; empty for JSON.
    pub(crate) xmlns: &'static str,
    /// The code with which it throttles.
    pub(crate) throttling: (u16, &'static str),
    /// Its part of the law: the text of `law/<service>.json`.
    pub(crate) law: &'static str,
    /// What it can do.
    pub(crate) operations: &'static [Operation],
    /// For protocols that name the operation in method and path: finds the operation's name and
    /// its input. `None` for all others.
    pub(crate) route: Option<Route>,
}

impl Service {
    /// What the service says when EC2 tells it that something is not there.
    pub(crate) fn about_ec2(&self, failure: Failure) -> Failure {
        match self.protocol {
            // EKS, the only service of this protocol, has one code for all that.
            Protocol::RestJson => Failure::new("InvalidParameterException", failure.message),
            _ => failure,
        }
    }
}

/// Finds the operation and its input in an HTTP request.
pub(crate) type Route = fn(&http::Request<Bytes>) -> Result<(&'static str, Value), Failure>;

/// What an operation answers.
pub(crate) type Answer = Result<Reply, Failure>;

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// AWS's name: `CreateVpc`.
    pub(crate) name: &'static str,
    /// What it does.
    pub(crate) act: Act,
}

/// A read sees the store (perhaps as it was a moment ago); a write changes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    /// Changes nothing.
    Read(fn(&View<'_>, &Params) -> Answer),
    /// Changes the store.
    Write(fn(&mut Cx<'_>, &Params) -> Answer),
}

impl Operation {
    /// An operation that changes nothing.
    pub(crate) const fn read(name: &'static str, act: fn(&View<'_>, &Params) -> Answer) -> Self {
        Operation { name, act: Act::Read(act) }
    }

    /// An operation that changes the store.
    pub(crate) const fn write(name: &'static str, act: fn(&mut Cx<'_>, &Params) -> Answer) -> Self {
        Operation { name, act: Act::Write(act) }
    }

    /// Whether it changes anything.
    pub(crate) fn is_mutating(&self) -> bool {
        matches!(self.act, Act::Write(_))
    }
}

/// What a read gets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    /// The world.
    pub(crate) store: &'a Store,
    /// Where and as whom the call came in.
    pub(crate) scope: &'a Scope,
    /// The world's time.
    pub(crate) now: Millis,
    /// What the tests may turn.
    pub(crate) knobs: &'a Knobs,
    /// Instances on which something answers where a target group asks; `None` where nobody can
    /// tell.
    pub(crate) answering: Option<&'a std::collections::BTreeSet<String>>,
}

/// What a write gets.
#[derive(Debug)]
pub(crate) struct Cx<'a> {
    /// The world.
    pub(crate) store: &'a mut Store,
    /// Where and as whom the call came in.
    pub(crate) scope: &'a Scope,
    /// The world's time.
    pub(crate) now: Millis,
    /// What the tests may turn.
    pub(crate) knobs: &'a Knobs,
}

impl Cx<'_> {
    /// The world as a read sees it.
    pub(crate) fn view(&self) -> View<'_> {
        View {
            store: self.store,
            scope: self.scope,
            now: self.now,
            knobs: self.knobs,
            answering: None,
        }
    }

    /// A new id in AWS's form, `vpc-0123456789abcdef0`. The same seed gives the same ids.
    pub(crate) fn new_id(&mut self, prefix: &str) -> String {
        format!("{prefix}-0{:016x}", self.store.random())
    }
}
