//! What would go wrong only late, after an hour of making things: it is looked at while nothing is
//! made yet, and only where the plan makes what it is about. A question that nobody answers holds
//! nothing up.

use super::session::Session;
use crate::aws::acm::certificate::Certificate;
use crate::aws::eks::cluster::versions as kubernetes;
use crate::aws::eks::cluster::{Cluster as Eks, SupportType};
use crate::aws::rds::cluster::Cluster as Database;
use crate::aws::rds::cluster::versions as postgresql;
use crate::aws::route53::dns::PublicDns;
use crate::aws::route53::record::Record;
use crate::aws::route53::zone;
use crate::kind::{Class, Cx, Error, Kind, Result};
use crate::name::Address;
use crate::plan::{Action, Item, Plan, Refusal};

/// What was found.
#[derive(Default)]
pub(super) struct Preflight {
    /// What can't go well.
    pub(super) refusals: Vec<Refusal>,
    /// What could not be looked at.
    pub(super) notes: Vec<String>,
}

/// Looks at all that `plan` makes.
pub(super) async fn look(session: &Session, plan: &Plan) -> Preflight {
    let home = session.cx.in_region(&session.cx.deployment.home_region);
    let asked = futures::join!(
        names(session, &home, plan),
        kubernetes_version(session, &home, plan),
        postgresql_version(session, &home, plan),
    );
    let mut all = Preflight::default();
    for (what, found) in [
        ("whether the hosted zone is delegated", asked.0),
        ("which Kubernetes versions EKS offers", asked.1),
        ("which PostgreSQL versions RDS offers", asked.2),
    ] {
        match found {
            Ok(refusal) => all.refusals.extend(refusal),
            Err(error) => all.notes.push(format!("{what} could not be read: {error}")),
        }
    }
    all
}

/// The first resource of a kind that is made, or whose `field` changes.
fn made<'a, K: Kind>(plan: &'a Plan, field: Option<&str>) -> Option<&'a Item> {
    plan.items.iter().filter(|item| item.kind == K::NAME).find(|item| match item.action {
        Action::Create | Action::Replace => true,
        Action::Update => item.changes.iter().any(|change| Some(change.field.as_str()) == field),
        _ => false,
    })
}

fn refusal(address: &Address, why: String, hint: String) -> Option<Refusal> {
    Some(Refusal { address: Some(address.clone()), why, hint })
}

/// The zone that names are written into is there, is public, and has the domain; and where a
/// certificate is to be proved by it, the world looks there. ACM gives up after 72 hours only.
async fn names(session: &Session, cx: &Cx, plan: &Plan) -> Result<Option<Refusal>> {
    let dns = session.loaded.as_ref().and_then(|loaded| loaded.spec.dns.as_ref());
    let (Some(dns), Some(id)) = (dns, &session.facts.hosted_zone) else { return Ok(None) };
    let certificate = made::<Certificate>(plan, None);
    let Some(item) = certificate.or_else(|| made::<Record>(plan, None)) else { return Ok(None) };
    let at = &item.address;
    let zone = match zone::read(cx, id).await {
        Err(error) if error.class == Class::NotFound => {
            let why = format!("there is no hosted zone {id} in account {}", plan.account);
            let hint = "correct dns.zone_id, or leave it out: the zone is found by its name";
            return Ok(refusal(at, why, hint.to_owned()));
        }
        Err(error) if error.class == Class::Refused => {
            let hint = "dns.zone_id is an id such as Z0123456789ABCDEFGHIJ";
            return Ok(refusal(at, error.to_string(), hint.to_owned()));
        }
        zone => zone?,
    };
    let host = dns.host();
    if host != zone.zone.name && !host.ends_with(&format!(".{}", zone.zone.name)) {
        let why = format!("hosted zone {id} is for {}, and {host} is not in it", zone.zone.name);
        return Ok(refusal(at, why, "correct dns.zone_id, or dns.base_domain".to_owned()));
    }
    if certificate.is_none() {
        return Ok(None);
    }
    if zone.is_private {
        let why = format!("hosted zone {id} is private, and ACM proves names by the public DNS");
        let hint = "name a public zone in dns.zone_id, or bring dns.certificate_arn";
        return Ok(refusal(at, why, hint.to_owned()));
    }
    if cx.connector::<PublicDns>().is_none() {
        return Ok(None);
    }
    let delegation = zone::compared(cx, zone).await?;
    if delegation.is_whole() {
        return Ok(None);
    }
    // Behind some firewalls nobody hears of any name server: that says nothing of the zone.
    if delegation.public.is_empty() && !zone::sees_the_world(cx).await {
        return Err(Error::local("this machine does not see the public DNS"));
    }
    let hint =
        "the certificate would be waited for in vain; plan again once the parent domain has \
                them"
            .to_owned();
    Ok(refusal(at, delegation.to_string(), hint))
}

/// A Kubernetes version that the spec names is one that EKS has, in the support that is asked for.
async fn kubernetes_version(session: &Session, cx: &Cx, plan: &Plan) -> Result<Option<Refusal>> {
    let Some(item) = made::<Eks>(plan, Some("version")) else { return Ok(None) };
    let Some(wanted) = session.desired::<Eks>(&item.address) else { return Ok(None) };
    let Some(version) = &wanted.version else { return Ok(None) };
    let offered = kubernetes::offered(cx).await?;
    let standard = offered.iter().filter(|one| one.is_standard).map(|one| one.version.as_str());
    let hint = format!("in standard support are {}", standard.collect::<Vec<_>>().join(", "));
    match offered.iter().find(|one| one.version == *version) {
        _ if offered.is_empty() => Err(Error::local("EKS names no version at all")),
        None => Ok(refusal(&item.address, format!("EKS has no Kubernetes {version}"), hint)),
        Some(found) if !found.is_standard && wanted.support == SupportType::Standard => {
            let why = format!(
                "Kubernetes {version} is in extended support only: EKS would upgrade it, or charge \
                 six times the price"
            );
            Ok(refusal(&item.address, why, hint))
        }
        Some(_) => Ok(None),
    }
}

/// A version of PostgreSQL that the spec names is one that RDS has.
async fn postgresql_version(session: &Session, cx: &Cx, plan: &Plan) -> Result<Option<Refusal>> {
    let Some(item) = made::<Database>(plan, Some("version")) else { return Ok(None) };
    let wanted = session.desired::<Database>(&item.address);
    let Some(version) = wanted.and_then(|wanted| wanted.version.as_ref()) else { return Ok(None) };
    let offered = postgresql::offered(cx).await?;
    // A major version alone stands for its newest.
    let is_meant = |one: &String| one == version || one.split('.').next() == Some(version);
    if offered.is_empty() {
        return Err(Error::local("RDS names no version at all"));
    }
    if offered.iter().any(is_meant) {
        return Ok(None);
    }
    let why = format!("RDS has no Aurora PostgreSQL {version}");
    Ok(refusal(&item.address, why, format!("it has {}", offered.join(", "))))
}
