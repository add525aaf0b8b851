//! The DNS record. Records carry no tags: a TXT record beside each says whose it is (`owner.rs`),
//! written in the same batch, which Route 53 carries out whole or not at all. The first write is
//! a `CREATE`, so a record that somebody else has is refused and never overwritten.
//! <https://docs.aws.amazon.com/Route53/latest/APIReference/API_ChangeResourceRecordSets.html>
//!
//! Ours are found by reading the zones that are wanted or that records were applied to. Where none
//! is remembered, as when the deployment's record was lost, the zones are read as well that
//! [`SoughtIn`] names: what is wanted tells nothing in a destroy. A change
//! is on all of Route 53's servers within a minute (`INSYNC`). Two changes of one zone at the same
//! moment are refused with `PriorRequestNotComplete`, which is sent again; steps aren't lined up
//! for it, because each would wait for the minute of the one before.

mod change;
mod owner;
mod sets;

use super::{plain, zone};
use crate::aws::acm::certificate;
use crate::aws::tags::{foreign, made_before};
use crate::graph::Handle;
use crate::kind::{
    Change, Clash, Class, CreateIs, Cx, Diff, Error, Found, Kind, Listed, Nature, Result, Scope,
    Seen, Status, Typical, Wanted,
};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use aws_sdk_route53::types::{AliasTarget, ChangeAction, ResourceRecordSet, RrType};
use change::{in_sync, rewrite, send, unsendable, value_of};
use futures::{StreamExt, TryStreamExt, stream};
use owner::Owner;
use serde::{Deserialize, Serialize};
use sets::Pair;
use std::collections::BTreeSet;

/// A connector of [`Cx`]: where records of ours may stand although nothing wants or remembers them.
#[derive(Clone, Debug)]
pub enum SoughtIn {
    /// In the hosted zone of this id, which the spec names.
    Zone(String),
    /// In any public hosted zone of the account: there is no spec to name one.
    Account,
}

impl SoughtIn {
    /// The ids of the hosted zones to read besides those that are wanted or remembered.
    async fn zones(cx: &Cx) -> Result<Vec<String>> {
        if cx.remembers_all(Record::NAME) {
            return Ok(Vec::new());
        }
        match cx.connector::<SoughtIn>().as_deref() {
            None => Ok(Vec::new()),
            Some(SoughtIn::Zone(id)) => Ok(vec![id.clone()]),
            Some(SoughtIn::Account) => zone::all(cx).await,
        }
    }
}

/// How many hosted zones are read at a time.
const AT_ONCE: usize = 4;

/// A DNS record.
#[derive(Clone, Debug, Serialize)]
pub struct Record {
    /// The id of the hosted zone that it stands in; fixed.
    pub zone: String,
    /// Its name, `*.coder.example.com`; fixed.
    pub name: In<String>,
    /// Its type; fixed.
    pub kind: RecordType,
    /// What it says.
    pub target: Target,
    /// Whether others may have the same record: then it is joined where it is there already and
    /// says the same, and stays when it is deleted here while somebody else, or a certificate,
    /// needs it. For the CNAMEs that validate certificates.
    pub shared: bool,
}

/// What a record says.
#[derive(Clone, Debug, Serialize)]
pub enum Target {
    /// Values.
    Values {
        /// How long resolvers may remember them, in seconds.
        ttl: i64,
        /// The values; the text of a TXT record without quotes.
        values: Vec<In<String>>,
    },
    /// Whatever the name of an AWS resource says.
    Alias {
        /// That name.
        name: In<String>,
        /// The hosted zone of that resource, which AWS tells with its name.
        zone: In<String>,
        /// Whether an unhealthy target counts as no answer.
        evaluate_health: bool,
    },
}

/// The type of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RecordType {
    /// IPv4 addresses.
    A,
    /// IPv6 addresses.
    Aaaa,
    /// Another name.
    Cname,
    /// Text.
    Txt,
}

impl RecordType {
    const ALL: [RecordType; 4] =
        [RecordType::A, RecordType::Aaaa, RecordType::Cname, RecordType::Txt];

    fn as_str(self) -> &'static str {
        match self {
            RecordType::A => "A",
            RecordType::Aaaa => "AAAA",
            RecordType::Cname => "CNAME",
            RecordType::Txt => "TXT",
        }
    }

    fn to_route53(self) -> RrType {
        RrType::from(self.as_str())
    }

    fn of(kind: &RrType) -> Option<RecordType> {
        Self::ALL.into_iter().find(|one| one.as_str() == kind.as_str())
    }

    /// A value as it is compared.
    fn normal(self, value: &str) -> String {
        match self {
            RecordType::Cname => plain(value),
            RecordType::Txt => value.trim_matches('"').replace("\" \"", ""),
            RecordType::A | RecordType::Aaaa => value.to_lowercase(),
        }
    }

    /// A value as it is sent.
    fn sent(self, value: &str) -> String {
        match self {
            RecordType::Txt => format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")),
            _ => value.to_owned(),
        }
    }
}

/// A live record.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    /// The id of its hosted zone.
    pub zone: String,
    /// Its name, without a final dot.
    pub name: String,
    /// Its type.
    pub kind: RecordType,
    /// How long resolvers may remember it, in seconds.
    pub ttl: Option<i64>,
    /// Its values; empty for an alias, and when only what stands beside it is left.
    pub values: BTreeSet<String>,
    /// What it is an alias of.
    pub alias: Option<AliasOf>,
    /// The change that made it, while it may not be on all servers.
    pub change: Option<String>,
}

/// What a live record is an alias of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AliasOf {
    /// The name.
    pub name: String,
    /// The hosted zone of the resource.
    pub zone: String,
    /// Whether an unhealthy target counts as no answer.
    pub evaluate_health: bool,
}

impl Handle<Record> {
    /// The record's name, without a final dot.
    pub fn name(&self) -> In<String> {
        self.output("record name", |live| Some(live.name.clone()))
    }

    /// The record's id: zone, name and type.
    pub fn id(&self) -> In<Id<Record>> {
        self.output("record id", |live| Some(Id::new(id(&live.zone, &live.name, live.kind))))
    }
}

fn id(zone: &str, name: &str, kind: RecordType) -> String {
    format!("{zone}/{name}/{}", kind.as_str())
}

/// Zone, name and type of an id.
fn parts(id: &str) -> Option<(&str, &str, RecordType)> {
    let (zone, rest) = id.split_once('/')?;
    let (name, kind) = rest.rsplit_once('/')?;
    Some((zone, name, RecordType::of(&RrType::from(kind))?))
}

impl Kind for Record {
    const NAME: &'static str = "aws.route53.record";
    const TITLE: &'static str = "dns record";
    const NATURE: Nature = Nature {
        scope: Scope::Global,
        taggable: false,
        create_is: CreateIs::Named,
        typical: Typical { create: 40, update: 40, delete: 2 },
        actions: &[
            "route53:ChangeResourceRecordSets",
            "route53:ListResourceRecordSets",
            "route53:ListHostedZones",
            "route53:ListHostedZonesByName",
            "route53:GetHostedZone",
            "route53:GetChange",
            // Whether a certificate still needs a record that is shared.
            "acm:ListCertificates",
            "acm:DescribeCertificate",
        ],
        ..Nature::PLAIN
    };
    type Live = Live;

    fn diff(&self, live: &Live, diff: &mut Diff<'_>) {
        let Self { zone: _, name: _, kind, target, shared: _ } = self;
        // Called `name`, because it is what is remembered of a record that was applied.
        diff.replaces_input("name", &self.id(), &id(&live.zone, &live.name, live.kind));
        let has = live.alias.as_ref();
        match target {
            Target::Values { ttl, values } => {
                let kind = *kind;
                let values: Vec<In<String>> = values
                    .iter()
                    .map(|value| value.clone().map(move |value| kind.normal(&value)))
                    .collect();
                diff.in_place("ttl", &Some(*ttl), &live.ttl);
                diff.set("values", &values, &live.values);
                diff.in_place("alias", &None, &has.map(|alias| alias.name.clone()));
            }
            Target::Alias { name, zone, evaluate_health } => {
                let name = name.clone().map(|name| Some(sets::alias_name(&name)));
                diff.input("alias", &name, &has.map(|alias| alias.name.clone()));
                diff.input("alias_zone", &zone.clone().map(Some), &has.map(|one| one.zone.clone()));
                let evaluates = has.is_some_and(|alias| alias.evaluate_health);
                diff.in_place("evaluate_health", evaluate_health, &evaluates);
            }
        }
    }

    fn summary(&self) -> String {
        match &self.name {
            In::Literal(name) => format!("{name}  {}", self.kind.as_str()),
            In::Output(_) => self.kind.as_str().to_owned(),
        }
    }

    fn describe(live: &Live) -> Vec<(&'static str, String)> {
        vec![("name", live.name.clone()), ("zone", live.zone.clone())]
    }

    async fn list(cx: &Cx, wanted: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let mut zones: BTreeSet<String> =
            wanted.iter().map(|wants| wants.desired.zone.clone()).collect();
        let remembered = cx.remembered(Self::NAME).filter_map(parts);
        zones.extend(remembered.map(|(zone, _, _)| zone.to_owned()));
        zones.extend(SoughtIn::zones(cx).await?);
        let read: Vec<_> = stream::iter(zones)
            .map(|zone| async move {
                let pairs = sets::of_zone(cx, &zone).await?;
                Ok::<_, Error>((zone, pairs))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut listed = Listed::default();
        for (zone, pairs) in read {
            let Some(pairs) = pairs else { continue };
            let zone = zone.as_str();
            for ((name, kind), pair) in &pairs {
                let owners = pair.owners();
                let ours = owners.iter().find(|owner| foreign(cx, &owner.tags).is_none());
                if let Some(owner) = ours {
                    let live = pair.live(zone, name, *kind);
                    let tags = owner.tags.clone();
                    listed.add(cx, id(zone, name, *kind), tags, Status::Ready, Vec::new(), live);
                    continue;
                }
                let wants = wanted.iter().find(|wants| wants.desired.is_at(zone, name, *kind));
                if let Some(wants) = wants.filter(|wants| !wants.desired.shared)
                    && pair.record.is_some()
                {
                    let owner = owners.first().and_then(|owner| foreign(cx, &owner.tags));
                    listed.clashes.push(Clash {
                        address: wants.address.clone(),
                        id: PhysicalId::new(id(zone, name, *kind)),
                        owner: owner.unwrap_or_else(|| "not managed by coderctl".to_owned()),
                    });
                }
            }
        }
        Ok(listed)
    }

    async fn read(cx: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        let Live { zone, name, kind, change, .. } = &found.live;
        let pair = sets::one(cx, zone, name, *kind).await?;
        let owners = pair.owners();
        let ours = owners.iter().find(|owner| owner.is(cx.deployment.name.as_str(), &found.owner));
        let Some(owner) = ours else { return Ok(None) };
        let live = Live { change: change.clone(), ..pair.live(zone, name, *kind) };
        Ok(Some(Found { live, tags: owner.tags.clone(), ..found.clone() }))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let name = plain(&cx.get(&self.name)?);
        let at = id(&self.zone, &name, self.kind);
        let before = sets::one(cx, &self.zone, &name, self.kind).await?;
        if before.record.is_some()
            && let Some(there) = self.joined_before(cx, &name, &before)?
        {
            return Ok(there);
        }
        let set = self.set(cx, &name)?;
        let joins = match &before.record {
            None => false,
            Some(there) if self.shared && says_the_same(there, &set) => true,
            Some(_) => return Err(taken(cx, &at, &before)),
        };
        let kept = joins && before.owners().iter().all(|owner| owner.kept);
        let mut owners = before.owners();
        // One of an earlier record of ours, which is gone.
        owners.retain(|owner| joins && foreign(cx, &owner.tags).is_some());
        owners.push(Owner::new(&cx.tags()?, self.shared, kept));
        let mut batch = Vec::new();
        if !joins {
            batch.push((ChangeAction::Create, set));
        }
        batch.extend(rewrite(&before, &name, self.kind, &owners)?);
        let change = match send(cx, &self.zone, &batch).await {
            Err(error) if error.is_code("InvalidChangeBatch") => {
                // An attempt whose answer was lost may have been carried out.
                let now = sets::one(cx, &self.zone, &name, self.kind).await?;
                return self.joined_before(cx, &name, &now)?.ok_or(error);
            }
            change => change?,
        };
        let record = batch.into_iter().next().map(|(_, set)| set).filter(|_| !joins);
        let pair = Pair { record: record.or(before.record), txt: None };
        let live = Live { change: Some(change), ..pair.live(&self.zone, &name, self.kind) };
        Found::created(cx, at, Status::Ready, Vec::new(), live)
    }

    async fn settle(cx: &Cx, found: Found<Self>) -> Result<Found<Self>> {
        if let Some(change) = &found.live.change {
            in_sync(cx, change).await?;
        }
        let live = Live { change: None, ..found.live };
        Ok(Found { live, ..found })
    }

    async fn update(&self, cx: &Cx, found: &Found<Self>, _: &[Change]) -> Result<()> {
        let set = self.set(cx, &found.live.name)?;
        let change = send(cx, &self.zone, &[(ChangeAction::Upsert, set)]).await?;
        in_sync(cx, &change).await
    }

    async fn delete(cx: &Cx, found: &Found<Self>) -> Result<()> {
        let Live { zone, name, kind, .. } = &found.live;
        let before = sets::one(cx, zone, name, *kind).await?;
        let (ours, others): (Vec<Owner>, Vec<Owner>) = before
            .owners()
            .into_iter()
            .partition(|owner| owner.is(cx.deployment.name.as_str(), &found.owner));
        let Some(ours) = ours.first() else { return Ok(()) };
        let stays = ours.kept
            || !others.is_empty()
            || (ours.shared && certificate::is_validated_by(cx, name).await?);
        let mut batch = Vec::new();
        if let Some(record) = before.record.clone().filter(|_| !stays) {
            batch.push((ChangeAction::Delete, record));
        }
        batch.extend(rewrite(&before, name, *kind, &others)?);
        match send(cx, zone, &batch).await {
            Err(error) if error.class == Class::NotFound => Ok(()),
            Err(error) if error.is_code("InvalidChangeBatch") => {
                // An attempt whose answer was lost may have been carried out.
                match Self::read(cx, found).await? {
                    None => Ok(()),
                    Some(_) => Err(error),
                }
            }
            sent => sent.map(drop),
        }
    }
}

impl Record {
    fn id(&self) -> In<String> {
        let (zone, kind) = (self.zone.clone(), self.kind);
        self.name.clone().map(move |name| id(&zone, &plain(&name), kind))
    }

    /// Whether it stands there, as far as its name is known.
    fn is_at(&self, zone: &str, name: &str, kind: RecordType) -> bool {
        self.zone == zone
            && self.kind == kind
            && matches!(&self.name, In::Literal(wanted) if plain(wanted) == name)
    }

    /// What is there already, if this step has made it; the refusal if another of ours has.
    fn joined_before(&self, cx: &Cx, name: &str, there: &Pair) -> Result<Option<Found<Self>>> {
        let owners = there.owners();
        let ours = owners.iter().find(|owner| foreign(cx, &owner.tags).is_none());
        let Some(ours) = ours else { return Ok(None) };
        let at = id(&self.zone, name, self.kind);
        let owner = made_before(cx, Self::TITLE, &at, &ours.tags)?;
        Ok(Some(Found {
            id: PhysicalId::new(at),
            owner,
            status: Status::Ready,
            parents: Vec::new(),
            tags: ours.tags.clone(),
            live: there.live(&self.zone, name, self.kind),
        }))
    }

    /// The record set, as it is sent.
    fn set(&self, cx: &Cx, name: &str) -> Result<ResourceRecordSet> {
        let set =
            ResourceRecordSet::builder().name(format!("{name}.")).r#type(self.kind.to_route53());
        let set = match &self.target {
            Target::Values { ttl, values } => {
                let values = cx.get_all(values)?;
                let values = values.iter().map(|value| value_of(&self.kind.sent(value)));
                set.ttl(*ttl).set_resource_records(Some(values.collect::<Result<_>>()?))
            }
            Target::Alias { name, zone, evaluate_health } => {
                let alias = AliasTarget::builder()
                    .dns_name(cx.get(name)?)
                    .hosted_zone_id(cx.get(zone)?)
                    .evaluate_target_health(*evaluate_health)
                    .build()
                    .map_err(unsendable)?;
                set.alias_target(alias)
            }
        };
        set.build().map_err(unsendable)
    }
}

fn says_the_same(there: &ResourceRecordSet, wanted: &ResourceRecordSet) -> bool {
    let values = |set: &ResourceRecordSet| -> BTreeSet<String> {
        set.resource_records().iter().map(|value| plain(value.value())).collect()
    };
    there.alias_target().is_none() && values(there) == values(wanted)
}

fn taken(cx: &Cx, at: &str, there: &Pair) -> Error {
    let owners = there.owners();
    let owner = owners.first().and_then(|owner| foreign(cx, &owner.tags));
    let owner = owner.unwrap_or_else(|| "not managed by coderctl".to_owned());
    Error::of(Class::Exists, format!("dns record {at} is there already and is {owner}"))
        .hint("choose another name, or delete the record if nobody needs it")
}
