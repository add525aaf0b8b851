//! EC2 Auto Scaling: what is attached to the groups that node groups make.

pub mod attachment;

use super::Clients;
use crate::kind::{Api, Cx, Error, Result};

/// Auto Scaling in the region of a context.
pub struct AutoScaling(pub(crate) aws_sdk_autoscaling::Client);

impl Api for AutoScaling {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(AutoScaling(clients.auto_scaling(&cx.region)))
    }
}
