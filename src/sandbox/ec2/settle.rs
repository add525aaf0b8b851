//! What time does: things that were being deleted go, and take what belongs to them along.

use super::model::Ec2;
use crate::sandbox::store::Millis;

impl Ec2 {
    /// Does all that has become due by `now`.
    pub(crate) fn settle(&mut self, _now: Millis) {}

    /// Whether [`Ec2::settle`] would change anything.
    pub(crate) fn is_due(&self, _now: Millis) -> bool {
        false
    }
}
