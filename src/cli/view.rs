//! What people and programs see of plans and runs.

use super::args::Global;
use super::drive::Carried;
use super::print;
use super::session::Session;
use crate::clock::Clock;
use crate::event::Sink;
use crate::plan::Plan;
use std::sync::Arc;

pub(super) fn plan(_global: &Global, _session: &Session, plan: &Plan) {
    print::out(&serde_json::to_string_pretty(plan).unwrap_or_default());
}

pub(super) struct Progress;
impl Progress {
    pub(super) fn new(_: &Global, _: Clock) -> Self {
        Progress
    }
    pub(super) fn sink(&self, _: &Plan) -> Sink {
        Arc::new(|e| print::note(&serde_json::to_string(&e).unwrap_or_default()))
    }
    pub(super) fn finish(&self) {}
}
pub(super) fn summary(
    _global: &Global,
    _session: &Session,
    carried: &Carried,
    outputs: &[(String, String)],
) {
    print::note(&format!("{:?} {outputs:?}", carried.outcome));
}
