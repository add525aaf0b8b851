//! CloudWatch Logs' kinds.

pub mod log_group;

use super::Clients;
use crate::kind::{Api, Cx, Error, Result};

/// CloudWatch Logs in the region of a context.
pub struct Logs(pub(crate) aws_sdk_cloudwatchlogs::Client);

impl Api for Logs {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Logs(clients.logs(&cx.region)))
    }
}
