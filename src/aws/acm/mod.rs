//! AWS Certificate Manager: certificates.

pub mod certificate;

use super::Clients;
use crate::kind::{Api, Cx, Error, Result};

/// AWS Certificate Manager in the region of a context.
pub struct Acm(pub(crate) aws_sdk_acm::Client);

impl Api for Acm {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Acm(clients.acm(&cx.region)))
    }
}
