//! Names as the internet sees them: public zones of all accounts, aliases and CNAMEs followed.

use super::model::{Zone, bare};
use super::names::{is_in, normal};
use super::record::Record;
use crate::sandbox::elbv2;
use crate::sandbox::store::{Millis, Store};

/// How many CNAMEs and aliases are followed.
const DEPTH: u32 = 8;

/// The public zone that answers for a name.
fn zone_of<'a>(store: &'a Store, name: &str) -> Option<&'a Zone> {
    store
        .accounts
        .values()
        .flat_map(|account| account.route53.zones.values())
        .filter(|zone| !zone.private && is_in(name, &zone.name))
        .max_by_key(|zone| zone.name.len())
}

/// Record sets of a name, or of the wildcard that stands for it.
fn records<'a>(zone: &'a Zone, name: &str) -> Vec<&'a Record> {
    let of = |name: &str| -> Vec<&'a Record> {
        zone.records.values().filter(|record| record.name == name).collect()
    };
    let mut found = of(name);
    let mut rest = name;
    while found.is_empty() && rest != zone.name {
        let Some((_, parent)) = rest.split_once('.') else { break };
        found = of(&format!("\\052.{parent}"));
        rest = parent;
    }
    found
}

fn follow(store: &Store, name: &str, kind: &str, depth: u32) -> Vec<String> {
    let balancer = elbv2::addresses(store, name);
    if !balancer.is_empty() {
        return if kind == "A" { balancer } else { Vec::new() };
    }
    let Some(zone) = zone_of(store, name).filter(|_| depth > 0) else { return Vec::new() };
    let found = records(zone, name);
    let exact: Vec<&&Record> = found.iter().filter(|record| record.kind == kind).collect();
    if exact.is_empty() && kind != "CNAME" {
        let cname = found.iter().find(|record| record.kind == "CNAME");
        let target = cname.and_then(|record| record.values.first());
        return target
            .map(|target| follow(store, &normal(target), kind, depth - 1))
            .unwrap_or_default();
    }
    exact
        .into_iter()
        .flat_map(|record| match &record.alias {
            Some(alias) => follow(store, &alias_name(&alias.name), kind, depth - 1),
            None => record.values.clone(),
        })
        .collect()
}

/// Aliases may name a load balancer with `dualstack.` before its name.
fn alias_name(name: &str) -> String {
    name.strip_prefix("dualstack.").unwrap_or(name).to_owned()
}

/// What a resolver outside would answer for `name` and `kind` (`A`, `TXT`, `NS`): values as the
/// records have them, addresses of load balancers for aliases. Empty where there is nothing.
pub(crate) fn resolve(store: &Store, name: &str, kind: &str) -> Vec<String> {
    follow(store, &normal(name), kind, DEPTH)
}

/// Since when the public name `name` is a CNAME for `value`; `None` if it is not.
pub(crate) fn cname_since(store: &Store, name: &str, value: &str) -> Option<Millis> {
    let name = normal(name);
    let zone = zone_of(store, &name)?;
    let record = records(zone, &name).into_iter().find(|record| record.kind == "CNAME")?;
    let points = record.values.iter().any(|found| normal(bare(found)) == normal(value));
    points.then_some(record.changed)
}
