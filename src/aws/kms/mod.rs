//! KMS's kinds.

pub mod key;

use super::Clients;
use crate::kind::{Api, Cx, Error, Result};

/// KMS in the region of a context.
pub struct Kms(pub(crate) aws_sdk_kms::Client);

impl Api for Kms {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Kms(clients.kms(&cx.region)))
    }
}
