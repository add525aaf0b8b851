//! Route 53: records, and the zones that they stand in.

pub mod dns;
pub mod record;
pub mod zone;

use super::Clients;
use crate::kind::{Api, Cx, Error, Result};

/// Route 53, which has one endpoint a partition.
pub struct Route53(pub(crate) aws_sdk_route53::Client);

impl Api for Route53 {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Route53(clients.route53(&cx.region)))
    }
}

/// A name as people write it: in lower case, without a final dot, and with `*` where Route 53
/// says `\052`.
/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DomainNameFormat.html>
pub(crate) fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, behind)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = behind.get(..3).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                plain.push('\\');
                rest = behind;
            }
        }
    }
    plain.push_str(rest);
    plain.trim_end_matches('.').to_lowercase()
}
