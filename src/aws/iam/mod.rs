//! IAM's kinds.

pub mod role;
pub mod service_linked_role;

use super::Clients;
use crate::kind::{Api, Cx, Error, Result};

/// IAM, through the region of a context; it is one for the account.
pub struct Iam(pub(crate) aws_sdk_iam::Client);

impl Api for Iam {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Iam(clients.iam(&cx.region)))
    }
}
