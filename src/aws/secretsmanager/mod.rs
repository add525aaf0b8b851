//! Secrets Manager: secrets that coderctl makes and keeps.

pub mod secret;

use super::Clients;
use crate::kind::{Api, Cx, Error, Result};

/// Secrets Manager in the region of a context.
pub struct SecretsManager(pub(crate) aws_sdk_secretsmanager::Client);

impl Api for SecretsManager {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(SecretsManager(clients.secrets_manager(&cx.region)))
    }
}
