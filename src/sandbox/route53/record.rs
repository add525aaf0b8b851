//! Record sets.

use super::model::{max_items, of};
use super::names::{normal, order};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::xml;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// A record set. Its members are kept as the request gave them, with the names normalised.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) identifier: Option<String>,
    pub(super) ttl: Option<i64>,
    pub(super) values: Vec<String>,
    pub(super) alias: Option<Alias>,
    /// `Weight`, `Region`, `Failover`, `MultiValueAnswer`, `HealthCheckId`, where they are given.
    pub(super) routing: Map<String, Value>,
    pub(super) changed: Millis,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Alias {
    pub(super) zone: String,
    pub(super) name: String,
    pub(super) evaluate: bool,
}

impl Record {
    /// A record set with values.
    pub(super) fn simple(
        name: &str,
        kind: &str,
        ttl: i64,
        values: Vec<String>,
        now: Millis,
    ) -> Self {
        Record {
            name: normal(name),
            kind: kind.to_owned(),
            identifier: None,
            ttl: Some(ttl),
            values,
            alias: None,
            routing: Map::new(),
            changed: now,
        }
    }

    /// Reads a `ResourceRecordSet` of a request.
    pub(super) fn read(tree: &Value, now: Millis) -> Result<Self, Failure> {
        let text = |member: &str| tree[member].as_str();
        let values: Vec<String> = tree["ResourceRecords"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|record| record["Value"].as_str().map(str::to_owned))
            .collect();
        let alias = tree["AliasTarget"].as_object().map(|target| {
            let text = |member: &str| target.get(member).and_then(Value::as_str);
            let evaluate = target.get("EvaluateTargetHealth").and_then(Value::as_bool);
            Alias {
                zone: text("HostedZoneId").unwrap_or_default().to_owned(),
                name: normal(text("DNSName").unwrap_or_default()),
                evaluate: evaluate.unwrap_or(false),
            }
        });
        let ttl = tree["TTL"].as_i64();
        let plain = ttl.is_some() && !values.is_empty();
        if plain == alias.is_some() || (alias.is_some() && (ttl.is_some() || !values.is_empty())) {
            let found = if plain { "more than one" } else { "none" };
            return Err(super::model::invalid(format!(
                "Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found {found} in Change with [Action, Name={}, Type={}, SetIdentifier={}]",
                text("Name").unwrap_or_default(),
                text("Type").unwrap_or_default(),
                text("SetIdentifier").unwrap_or("null"),
            )));
        }
        let routing: Map<String, Value> =
            ["Weight", "Region", "Failover", "MultiValueAnswer", "HealthCheckId"]
                .iter()
                .filter(|member| !tree[**member].is_null())
                .map(|member| ((*member).to_owned(), tree[*member].clone()))
                .collect();
        Ok(Record {
            name: normal(text("Name").unwrap_or_default()),
            kind: text("Type").unwrap_or_default().to_owned(),
            identifier: text("SetIdentifier").map(str::to_owned),
            ttl,
            values,
            alias,
            routing,
            changed: now,
        })
    }

    /// What it is kept and sorted by.
    pub(super) fn key(&self) -> String {
        key(&self.name, &self.kind, self.identifier.as_deref())
    }

    /// Whether it says the same as another, whatever the order of the values.
    pub(super) fn says_as(&self, other: &Record) -> bool {
        let sorted = |record: &Record| {
            let mut values = record.values.clone();
            values.sort_unstable();
            values
        };
        self.ttl == other.ttl
            && sorted(self) == sorted(other)
            && self.alias == other.alias
            && self.routing == other.routing
    }

    /// How messages name it.
    pub(super) fn spoken(&self) -> String {
        let identifier = match &self.identifier {
            Some(identifier) => format!(", set identifier='{identifier}'"),
            None => String::new(),
        };
        format!("[name='{}', type='{}'{identifier}]", self.name, self.kind)
    }

    fn write(&self) -> Value {
        let mut written = json!({
            "Name": self.name,
            "Type": self.kind,
            "SetIdentifier": self.identifier,
        });
        for (member, value) in &self.routing {
            written[member.as_str()] = value.clone();
        }
        written["TTL"] = self.ttl.into();
        if !self.values.is_empty() {
            let values = self.values.iter().map(|value| json!({ "Value": value }));
            written["ResourceRecords"] = xml::named("ResourceRecord", values.collect());
        }
        if let Some(alias) = &self.alias {
            written["AliasTarget"] = json!({
                "HostedZoneId": alias.zone,
                "DNSName": alias.name,
                "EvaluateTargetHealth": alias.evaluate,
            });
        }
        written
    }
}

/// Sorts as Route 53 lists: by name from the last label, type, identifier. A line feed is less
/// than any character of a name.
pub(super) fn key(name: &str, kind: &str, identifier: Option<&str>) -> String {
    format!("{}\n{kind}\n{}", order(name), identifier.unwrap_or_default())
}

pub(super) fn list(view: &View<'_>, params: &Params) -> Answer {
    let zone = of(view).zone(params.required("HostedZoneId"))?;
    let size = max_items(params.text("MaxItems"), 300, view.knobs.page_size)?;
    let (name, kind) = (params.text("StartRecordName"), params.text("StartRecordType"));
    let identifier = params.text("StartRecordIdentifier");
    if (kind.is_some() && name.is_none()) || (identifier.is_some() && kind.is_none()) {
        return Err(super::model::invalid(
            "The name must be given with the type, and the type with the identifier",
        ));
    }
    let start = name.map(|name| key(&normal(name), kind.unwrap_or_default(), identifier));
    let mut rest = zone
        .records
        .iter()
        .filter(|(key, _)| start.as_ref().is_none_or(|start| *key >= start))
        .map(|(_, record)| record);
    let page: Vec<Value> = rest.by_ref().take(size).map(Record::write).collect();
    let next = rest.next();
    let answer = json!({ "ListResourceRecordSetsResponse": {
        "ResourceRecordSets": xml::named("ResourceRecordSet", page),
        "IsTruncated": next.is_some(),
        "NextRecordName": next.map(|record| &record.name),
        "NextRecordType": next.map(|record| &record.kind),
        "NextRecordIdentifier": next.and_then(|record| record.identifier.as_ref()),
        "MaxItems": size.to_string(),
    } });
    Ok(answer.into())
}
