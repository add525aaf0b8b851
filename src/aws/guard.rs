//! What stands between every SDK call and the wire: the read-only guard, and the counter.

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How often each operation was sent, `ec2:DescribeVpcs` by name.
#[derive(Clone, Debug, Default)]
pub struct CallCounts(Arc<Mutex<BTreeMap<String, u32>>>);

impl CallCounts {
    /// The counts so far.
    pub fn by_operation(&self) -> BTreeMap<String, u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All calls so far.
    pub fn total(&self) -> u32 {
        self.by_operation().values().sum()
    }

    fn count(&self, operation: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(operation).or_default() += 1;
    }
}

/// Refuses what is not a read while planning, and counts what is sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard {
    pub(super) planning: Arc<AtomicBool>,
    pub(super) counts: CallCounts,
}

#[derive(Debug)]
pub(super) struct NotARead(String);

impl fmt::Display for NotARead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not a read, and a plan only reads", self.0)
    }
}
impl std::error::Error for NotARead {}

fn operation(metadata: &Metadata) -> String {
    format!("{}:{}", super::call::prefix(metadata.service()), metadata.name())
}

/// Whether an operation only reads. AWS names its operations by one convention; `Assume` is in
/// the list because credentials are got that way.
pub(super) fn is_read(name: &str) -> bool {
    ["Describe", "List", "Get", "Head", "BatchGet", "AssumeRole"]
        .iter()
        .any(|verb| name.starts_with(verb))
}

#[dyn_dispatch_hint]
impl Intercept for Guard {
    fn name(&self) -> &'static str {
        "Guard"
    }

    // The first hook that sees which operation it is, and before anything is serialised.
    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match bag.load::<Metadata>() {
            Some(metadata) if self.planning.load(Ordering::SeqCst) && !is_read(metadata.name()) => {
                Err(Box::new(NotARead(operation(metadata))))
            }
            _ => Ok(()),
        }
    }

    fn read_before_attempt(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(metadata) = bag.load::<Metadata>() {
            self.counts.count(operation(metadata));
        }
        Ok(())
    }
}
