//! What Route 53 keeps.

use super::names::normal;
use super::record::Record;
use crate::sandbox::ec2::model::Tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Cx, View};
use crate::sandbox::store::{Millis, number};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

/// The account that a sandbox is for, and the public zone that it owns from the start.
const OWNER: (&str, &str) = ("123456789012", "example.com.");
/// How long a change is `PENDING`.
const PENDING: Duration = Duration::from_secs(45);

/// One account's zones and health checks, by id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Route53 {
    pub(super) zones: BTreeMap<String, Zone>,
    pub(super) checks: BTreeMap<String, Check>,
    /// When changes were asked for.
    pub(super) changes: BTreeMap<String, Millis>,
    /// Caller references of health checks that were deleted: they stay taken.
    pub(super) references: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Zone {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) reference: String,
    pub(super) comment: Option<String>,
    /// VPCs and their regions; a public zone has none.
    pub(super) vpcs: Vec<(String, String)>,
    pub(super) private: bool,
    /// By name (last label first), type and identifier.
    pub(super) records: BTreeMap<String, Record>,
    /// When records were last changed.
    pub(super) changed: Option<Millis>,
    pub(super) tags: Tags,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    pub(super) id: String,
    pub(super) reference: String,
    pub(super) config: Value,
    pub(super) tags: Tags,
}

impl Zone {
    /// A zone with the records that every zone has.
    pub(super) fn new(id: String, name: &str, reference: &str, now: Millis) -> Self {
        let servers = name_servers(&id);
        let mut zone = Zone {
            id,
            name: normal(name),
            reference: reference.to_owned(),
            comment: None,
            vpcs: Vec::new(),
            private: false,
            records: BTreeMap::new(),
            changed: None,
            tags: Tags::new(),
        };
        let soa = format!(
            "{}. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400",
            servers.first().map_or("ns-0.awsdns-00.com", String::as_str)
        );
        let servers = servers.iter().map(|server| format!("{server}.")).collect();
        for (kind, ttl, values) in [("NS", 172_800, servers), ("SOA", 900, vec![soa])] {
            let record = Record::simple(&zone.name, kind, ttl, values, now);
            zone.records.insert(record.key(), record);
        }
        zone
    }
}

/// The four name servers of a zone.
pub(super) fn name_servers(zone: &str) -> Vec<String> {
    let drawn = number(zone);
    ["com", "net", "org", "co.uk"]
        .iter()
        .zip(0_u64..)
        .map(|(end, place)| {
            let server = (drawn >> (11 * place)) & 0x1ff;
            format!("ns-{}.awsdns-{:02}.{end}", server + 512 * place, server % 64)
        })
        .collect()
}

impl Route53 {
    /// What an account has before anything was made. The sandbox's own has a domain to deploy to.
    pub(crate) fn of_new_account(account: &str) -> Self {
        let mut route53 = Route53::default();
        let (owner, name) = OWNER;
        if account == owner {
            let id = id('Z', number(&format!("{account}/{name}")));
            let zone = Zone::new(id.clone(), name, "registrar", Millis(0));
            route53.zones.insert(id, zone);
        }
        route53
    }

    /// Finds a zone by its id, with or without `/hostedzone/` before it.
    pub(super) fn zone(&self, id: &str) -> Result<&Zone, Failure> {
        self.zones.get(bare(id)).ok_or_else(|| no_zone(id))
    }

    pub(super) fn zone_mut(&mut self, id: &str) -> Result<&mut Zone, Failure> {
        self.zones.get_mut(bare(id)).ok_or_else(|| no_zone(id))
    }
}

fn no_zone(id: &str) -> Failure {
    let message = format!("No hosted zone found with ID: {}", bare(id));
    Failure::new("NoSuchHostedZone", message)
}

/// An id without the path before it.
pub(super) fn bare(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// An id in Route 53's form: `Z0123456789ABCDEF0123`.
pub(super) fn id(letter: char, drawn: u64) -> String {
    format!("{letter}{:0>20}", format!("{drawn:X}"))
}

static NOTHING: LazyLock<Route53> = LazyLock::new(Route53::default);

/// The account's zones.
pub(super) fn of<'a>(view: &View<'a>) -> &'a Route53 {
    let account = view.store.accounts.get(&view.scope.account);
    account.map_or(&*NOTHING, |account| &account.route53)
}

/// The same, to change them.
pub(super) fn of_mut<'a>(cx: &'a mut Cx<'_>) -> &'a mut Route53 {
    &mut cx.store.accounts.entry(cx.scope.account.clone()).or_default().route53
}

pub(super) fn invalid(message: impl Into<String>) -> Failure {
    Failure::new("InvalidInput", message)
}

/// Writes a change down and answers what is said about it.
pub(super) fn submitted(cx: &mut Cx<'_>) -> Value {
    let (id, now) = (id('C', cx.store.random()), cx.now);
    of_mut(cx).changes.insert(id.clone(), now);
    change_info(&id, now, now)
}

/// What answers say about a change.
pub(super) fn change_info(id: &str, submitted: Millis, now: Millis) -> Value {
    let status = if now < submitted.plus(PENDING) { "PENDING" } else { "INSYNC" };
    json!({ "Id": format!("/change/{id}"), "Status": status, "SubmittedAt": submitted.iso() })
}

/// `MaxItems` of a request, at most `most`.
pub(super) fn max_items(asked: Option<&str>, most: usize, page: usize) -> Result<usize, Failure> {
    match asked {
        None => Ok(most.min(page)),
        Some(text) => match text.parse::<usize>() {
            Ok(size) if size > 0 => Ok(size.min(most)),
            _ => Err(invalid("MaxItems must be a positive number")),
        },
    }
}
