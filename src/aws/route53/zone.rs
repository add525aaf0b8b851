//! Hosted zones: which one a name belongs in, and whether the world looks there.
//!
//! Zones are looked up, never made. Two may have the same name; then the public DNS says which
//! one counts. <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZonesByName.html>

use super::dns::PublicDns;
use super::{Route53, plain};
use crate::aws::call::{pages, safe};
use crate::kind::{Class, Cx, Error, Result};
use aws_sdk_route53::types::HostedZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// A hosted zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zone {
    /// Its id, `Z0123`.
    pub id: String,
    /// Its name, without a final dot.
    pub name: String,
}

/// The public zone that `domain` belongs in: the longest name that `domain` ends with.
///
/// # Errors
/// When there is none, or when there are several of that name and DNS doesn't tell which counts.
pub async fn find(cx: &Cx, domain: &str) -> Result<Zone> {
    let domain = plain(domain);
    let mut rest = domain.trim_start_matches("*.");
    // A top-level domain is nobody's.
    while rest.contains('.') {
        let mut zones = named(cx, rest).await?;
        if zones.len() > 1 {
            return one_of(cx, zones).await;
        }
        if let Some(zone) = zones.pop() {
            return Ok(zone);
        }
        rest = rest.split_once('.').map_or("", |(_, parent)| parent);
    }
    Err(Error::of(
        Class::Refused,
        format!("no public hosted zone of account {} is for {domain}", cx.deployment.account),
    )
    .hint("make one and delegate it from its parent, or correct the domain"))
}

/// Of several zones of one name, the one whose name servers the public DNS names.
async fn one_of(cx: &Cx, zones: Vec<Zone>) -> Result<Zone> {
    let (mut counts, mut all) = (Vec::new(), Vec::new());
    for zone in zones {
        all.push(zone.id.clone());
        if delegation(cx, &zone).await?.is_whole() {
            counts.push(zone);
        }
    }
    match counts.pop() {
        Some(zone) if counts.is_empty() => Ok(zone),
        _ => Err(Error::of(
            Class::Refused,
            format!(
                "several hosted zones have the same name ({}), and DNS does not say which \
                     one counts",
                all.join(", ")
            ),
        )
        .hint("name the zone's id in the spec, or delete the one that is not used")),
    }
}

/// All public zones of exactly this name.
async fn named(cx: &Cx, name: &str) -> Result<Vec<Zone>> {
    let route53 = cx.api::<Route53>()?;
    // Zones of one name come one behind the other, from that name on.
    let answer = safe(cx, "route53:ListHostedZonesByName", || {
        route53.0.list_hosted_zones_by_name().dns_name(name).max_items(100).send()
    })
    .await?;
    Ok(answer
        .hosted_zones()
        .iter()
        .filter(|zone| plain(zone.name()) == name)
        .filter(is_public)
        .map(|zone| Zone { id: bare(zone.id()).to_owned(), name: plain(zone.name()) })
        .collect())
}

/// The ids of all public zones of the account.
/// <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ListHostedZones.html>
///
/// # Errors
/// What Route 53 says.
pub(super) async fn all(cx: &Cx) -> Result<Vec<String>> {
    let route53 = cx.api::<Route53>()?;
    let pages = pages(
        cx,
        "route53:ListHostedZones",
        |marker| route53.0.list_hosted_zones().set_marker(marker).send(),
        |page| page.next_marker(),
    )
    .await?;
    let zones = pages.iter().flat_map(|page| page.hosted_zones()).filter(is_public);
    Ok(zones.map(|zone| bare(zone.id()).to_owned()).collect())
}

fn is_public(zone: &&HostedZone) -> bool {
    !zone.config().is_some_and(|config| config.private_zone())
}

/// An id without `/hostedzone/`.
pub(super) fn bare(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Whether the world looks into a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    zone: Zone,
    /// The name servers that the zone has.
    pub own: BTreeSet<String>,
    /// The name servers that the public DNS names for it.
    pub public: BTreeSet<String>,
}

impl Delegation {
    /// Whether every server that the world asks is one of the zone's.
    pub fn is_whole(&self) -> bool {
        !self.public.is_empty() && self.public.is_subset(&self.own)
    }
}

impl fmt::Display for Delegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |servers: &BTreeSet<String>| match servers.is_empty() {
            true => "nobody".to_owned(),
            false => servers.iter().cloned().collect::<Vec<_>>().join(", "),
        };
        let Zone { id, name } = &self.zone;
        if self.is_whole() {
            return write!(f, "{name} is delegated to hosted zone {id}");
        }
        write!(
            f,
            "{name} is not delegated to hosted zone {id}: the public DNS names {}, and the zone's \
             servers are {}; set these as NS records in the parent domain",
            list(&self.public),
            list(&self.own)
        )
    }
}

/// A zone, and what else there is to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub zone: Zone,
    /// Whether only the VPCs see it that it is given to.
    pub is_private: bool,
    /// Its name servers.
    pub servers: BTreeSet<String>,
}

/// The zone of an id.
///
/// # Errors
/// When there is none in this account, or Route 53 does not answer.
pub async fn read(cx: &Cx, id: &str) -> Result<Known> {
    let route53 = cx.api::<Route53>()?;
    let answer =
        safe(cx, "route53:GetHostedZone", || route53.0.get_hosted_zone().id(id).send()).await?;
    let zone = answer
        .hosted_zone()
        .ok_or_else(|| Error::local("GetHostedZone answered without a hosted zone"))?;
    let servers = answer.delegation_set().map(|set| set.name_servers()).unwrap_or_default();
    Ok(Known {
        zone: Zone { id: bare(zone.id()).to_owned(), name: plain(zone.name()) },
        is_private: zone.config().is_some_and(|config| config.private_zone()),
        servers: servers.iter().map(|server| plain(server)).collect(),
    })
}

/// Compares a zone's name servers with those that the public DNS names.
///
/// # Errors
/// When Route 53 or the public DNS does not answer.
pub async fn delegation(cx: &Cx, zone: &Zone) -> Result<Delegation> {
    compared(cx, read(cx, &zone.id).await?).await
}

/// The same of a zone that has been read.
///
/// # Errors
/// When the public DNS does not answer.
pub async fn compared(cx: &Cx, known: Known) -> Result<Delegation> {
    let dns = cx
        .connector::<PublicDns>()
        .ok_or_else(|| Error::local("there is no way to ask the public DNS"))?;
    let Known { zone, servers: own, .. } = known;
    let public = dns.0.name_servers(&zone.name).await.map_err(|why| {
        Error::of(
            Class::Unavailable,
            format!("asking for the name servers of {}: {why}", zone.name),
        )
    })?;
    Ok(Delegation { zone, own, public })
}

/// A domain that has name servers for sure.
const KNOWN: &str = "amazonaws.com";

/// Whether this machine's resolver tells of name servers at all.
pub async fn sees_the_world(cx: &Cx) -> bool {
    let Some(dns) = cx.connector::<PublicDns>() else { return false };
    dns.0.name_servers(KNOWN).await.is_ok_and(|servers| !servers.is_empty())
}
