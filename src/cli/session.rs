//! What every command that talks to AWS needs: who we are, what the record says, what is wanted,
//! what is live.

use super::chosen;
use super::connect::Connected;
use super::exit::Exit;
use super::failure::{Failure, Result};
use super::preflight::{self, Preflight};
use super::zones;
use crate::aws::Clients;
use crate::aws::facts;
use crate::aws::record::{self, Bucket, Loaded as Recorded, Record};
use crate::aws::route53::record::SoughtIn;
use crate::aws::route53::zone;
use crate::graph::{AnyKind, Graph};
use crate::guest::Allowed;
use crate::kind::{Class, Cx, Deployment, Kind, Tags};
use crate::kube::{Cluster, ClusterExpected, ClusterTransport};
use crate::name::{AccountId, Address, DeploymentName, Partition, Region, Uid};
use crate::observe::{Snapshot, observe};
use crate::pattern::{self, Facts};
use crate::plan::{Applied, Input, Options, Plan, Refusal, plan};
use crate::registry;
use crate::spec::Loaded;
use std::collections::BTreeSet;

/// Which deployment a command is about.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: DeploymentName,
    /// The account it must be in; the caller's own, where a command needs no spec.
    pub account: Option<AccountId>,
    /// Where its record is.
    pub home_region: Region,
    /// `owner` and the user's tags.
    pub tags: Tags,
    /// The record's bucket, if the spec names one.
    pub bucket: Option<String>,
}

impl Target {
    /// The deployment that a spec describes.
    pub fn of(loaded: &Loaded) -> Self {
        let spec = &loaded.spec;
        let mut tags: Tags =
            spec.tags.iter().map(|(key, value)| (key.to_owned(), value.clone())).collect();
        tags.insert("owner".to_owned(), spec.owner.clone());
        Target {
            name: spec.deployment(),
            account: Some(spec.account.clone()),
            home_region: spec.home_region.clone(),
            tags,
            bucket: spec.record.as_ref().map(|record| record.bucket.clone()),
        }
    }
}

/// Consent to what is in a cluster that can't be read.
pub(super) const UNSEEN: &str = "unseen";

/// A command's view of a deployment.
pub struct Session {
    /// The spec, where there is one.
    pub loaded: Option<Loaded>,
    /// What kinds work with.
    pub cx: Cx,
    /// AWS; only reads pass until [`Session::allow_changes`].
    pub clients: Clients,
    /// Who is calling, an ARN.
    pub caller: String,
    /// What the graph was built with.
    pub facts: Facts,
    /// What is wanted.
    pub graph: Graph,
    /// The kinds that are read.
    pub kinds: Vec<&'static dyn AnyKind>,
    /// The record's bucket.
    pub bucket: String,
    /// Whose that is.
    pub whose: Bucket,
    /// What the record says; none before the first apply.
    pub record: Option<Recorded>,
    /// Why the record could not be read, where it could not.
    pub record_unread: Option<crate::kind::Error>,
    /// What is worth knowing besides.
    pub notes: Vec<String>,
    /// When the command began, on the wall's clock: how long reading took is shown.
    pub opened: std::time::Instant,
}

/// What was read, and the plan made of it.
pub struct Planned {
    /// What is live.
    pub snapshot: Snapshot,
    /// What would change.
    pub plan: Plan,
}

impl Session {
    /// Checks who we are, reads the record, looks up facts, and builds the graph. `facts` are
    /// those of a plan file.
    ///
    /// # Errors
    /// Wrong credentials or account; a record that a newer program wrote; a spec that can not be
    /// built with the facts at hand.
    pub async fn open(
        connected: Connected,
        loaded: Option<Loaded>,
        target: Target,
        facts: Option<Facts>,
    ) -> Result<Session> {
        let opened = std::time::Instant::now();
        let Connected { clock, clients, connectors } = connected;
        clients.set_planning(true);
        let Target { name, account, home_region, tags, bucket } = target;
        let deployment = Deployment {
            name,
            uid: None,
            account: account.clone().unwrap_or_else(|| AccountId::new("")),
            partition: Partition::of(&home_region),
            home_region: home_region.clone(),
            tags,
        };
        let cx = Cx::new(deployment.clone(), clock, connectors);
        crate::kube::set_planning(&cx, true);
        let caller = facts::caller(&cx)
            .await
            .map_err(|error| Failure::doing("checking the credentials", error))?;
        let account = account.unwrap_or_else(|| caller.account.clone());
        let deployment = Deployment { account, ..deployment };
        let cx = cx.with_deployment(deployment.clone());
        facts::check(&cx, &caller)
            .map_err(|error| Failure::doing("checking the credentials", error))?;
        let whose = if bucket.is_some() { Bucket::Given } else { Bucket::Ours };
        let bucket = bucket.unwrap_or_else(|| record::default_name(&deployment));
        let (record, zones, hosted_zone) = futures::join!(
            Record::load(&cx, &bucket),
            zones::fixed(&cx, loaded.as_ref(), facts.as_ref()),
            hosted_zone_of(&cx, loaded.as_ref(), facts.as_ref())
        );
        let (record, record_unread) = match record {
            Ok(record) => (record, None),
            Err(error) if error.class == crate::kind::Class::Denied => (None, Some(error)),
            Err(error) => return Err(Failure::doing("reading the record", error)),
        };
        let uid = record.as_ref().map(|read| read.record.uid.clone());
        let names = record.as_ref().map(Recorded::names).unwrap_or_default();
        let begun = record.as_ref().map(Recorded::begun).unwrap_or_default();
        let cx = cx.with_deployment(Deployment { uid, ..deployment });
        let cx = cx.remembering(names).with_begun(begun);
        let cx = match &record {
            // Made in a cluster that only the user can name.
            Some(read) if crate::kube::are_in_a_given_cluster(&read.applied) => {
                cx.with(ClusterExpected)
            }
            _ => cx,
        };
        let zones = match zones? {
            Some(zones) => zones,
            None => {
                zones::counted(&cx, loaded.as_ref(), record.as_ref().map(|it| &it.applied)).await?
            }
        };
        let facts = Facts { zones, hosted_zone: hosted_zone? };
        let cx = match (&loaded, &facts.hosted_zone) {
            (None, _) => cx.with(SoughtIn::Account),
            (Some(_), Some(zone)) => cx.with(SoughtIn::Zone(zone.clone())),
            (Some(_), None) => cx,
        };
        let graph = match &loaded {
            None => Graph::default(),
            Some(loaded) => build(loaded, &facts)?,
        };
        let wants_objects = loaded.as_ref().is_some_and(|l| !l.spec.kubernetes.is_empty());
        let has_cluster = cx.connector::<Cluster>().is_some()
            || cx.connector::<ClusterTransport>().is_some()
            || cx.connector::<ClusterExpected>().is_some();
        let kinds = registry::kinds(wants_objects || has_cluster);
        Ok(Session {
            loaded,
            cx,
            clients,
            caller: caller.arn,
            facts,
            graph,
            kinds,
            bucket,
            whose,
            record,
            record_unread,
            notes: Vec::new(),
            opened,
        })
    }

    /// Lets calls that change something pass.
    pub fn allow_changes(&self) {
        self.clients.set_planning(false);
        crate::kube::set_planning(&self.cx, false);
    }

    /// Every region that the deployment has, or had.
    pub fn regions(&self) -> BTreeSet<Region> {
        let mut regions = BTreeSet::from([self.cx.deployment.home_region.clone()]);
        regions.extend(self.graph.nodes.iter().map(|node| node.region.clone()));
        if let Some(record) = &self.record {
            regions.extend(record.record.regions.iter().cloned());
        }
        regions
    }

    /// What was last applied.
    pub fn applied(&self) -> Applied {
        self.record.as_ref().map(|record| record.applied.clone()).unwrap_or_default()
    }

    /// Reads everything that is live.
    pub async fn observe(&self) -> Snapshot {
        observe(&self.cx, &self.kinds, &self.graph, &self.regions()).await
    }

    /// Reads everything that is live, and makes the plan.
    pub async fn plan(&mut self, options: &Options) -> Planned {
        let empty = Graph::default();
        let graph = if options.destroy { &empty } else { &self.graph };
        if options.destroy && self.kinds.iter().all(|kind| !kind.nature().is_guest) {
            self.kinds.extend(registry::GUESTS);
        }
        if options.destroy {
            self.cx = self.cx.with(Allowed(options.allow_delete.clone()));
        }
        let mut snapshot = observe(&self.cx, &self.kinds, graph, &self.regions()).await;
        if options.destroy {
            self.without_unseen(&mut snapshot, &options.allow_delete);
        }
        // Without a record, what is live says which uid it is: losing the record costs
        // explanations, and no more.
        if self.cx.deployment.uid.is_none() {
            let uid = snapshot.uids().into_iter().next();
            self.set_uid(uid);
        }
        let mut plan = plan(&Input {
            deployment: &self.cx.deployment,
            graph: if options.destroy { &empty } else { &self.graph },
            snapshot: &snapshot,
            applied: &self.applied(),
            kinds: &self.kinds,
            options,
        });
        plan.refusals.extend(chosen::unknown(self, &snapshot, options));
        plan.refusals.extend(self.of_another_region(&snapshot));
        if !options.destroy {
            let Preflight { refusals, notes } = preflight::look(self, &plan).await;
            plan.refusals.extend(refusals);
            self.notes.extend(notes);
        }
        Planned { snapshot, plan }
    }

    /// A deployment stays in the regions that its record names: what is live in another one belongs
    /// to one of the same name, or the spec names another home region than it has.
    fn of_another_region(&self, snapshot: &Snapshot) -> Option<Refusal> {
        let regions = self.regions();
        let addresses = snapshot.live.iter().map(|live| &live.found.owner.address);
        let stranger = addresses.into_iter().find(|address| {
            let scope = address.scope();
            scope != "global" && regions.iter().all(|region| region.as_str() != scope)
        })?;
        let (name, scope) = (&self.cx.deployment.name, stranger.scope());
        let home = &self.cx.deployment.home_region;
        Some(Refusal {
            address: Some(stranger.clone()),
            why: format!("{name} is in {scope}, and this is about {name} in {home}"),
            hint: format!(
                "a home region can not change: say {scope}, or give the new deployment a name of \
                 its own"
            ),
        })
    }

    /// What the spec wants at an address, if it is of that kind.
    pub fn desired<K: Kind>(&self, address: &Address) -> Option<&K> {
        let node = self.graph.find(address)?;
        self.graph.node(node).desired.any().downcast_ref()
    }

    /// What is in a cluster of ours goes with it. Where the cluster can't be read any more, the user
    /// may consent to that unseen.
    fn without_unseen(&self, snapshot: &mut Snapshot, allowed: &[String]) {
        let is_ours = self.cx.connector::<Cluster>().is_none()
            && self.cx.connector::<ClusterExpected>().is_none();
        let goes_along =
            |kind: &str| is_ours && (kind.starts_with("kube.") || kind.starts_with("coderd."));
        if allowed.iter().any(|allowed| allowed == UNSEEN) {
            snapshot.unreadable.retain(|unread| !goes_along(unread.kind));
        }
        for unread in snapshot.unreadable.iter_mut().filter(|unread| goes_along(unread.kind)) {
            let hint = format!(
                "let the cluster answer first; if it never will, consent to what can't be seen \
                 in it: --allow-delete {UNSEEN}"
            );
            unread.error.hint = Some(hint);
        }
    }

    /// From now on, the deployment has this uid.
    pub fn set_uid(&mut self, uid: Option<Uid>) {
        let deployment = Deployment { uid, ..self.cx.deployment.as_ref().clone() };
        self.cx = self.cx.with_deployment(deployment);
    }
}

/// The graph of a spec.
///
/// # Errors
/// What only shows with the facts at hand.
pub fn build(loaded: &Loaded, facts: &Facts) -> Result<Graph> {
    pattern::graph(&loaded.spec, facts).map_err(|problems| {
        let lines: Vec<String> = problems
            .iter()
            .map(|problem| match loaded.origin(&problem.path) {
                Some(origin) => format!("{origin}: {}", problem.why),
                None => format!("{}: {}", problem.path, problem.why),
            })
            .collect();
        let hint = problems.first().map(|problem| problem.hint.clone()).unwrap_or_default();
        Failure::new(Exit::Spec, lines.join("\n"), hint)
    })
}

/// The hosted zone that the deployment's names stand in: that of a plan file, the one the spec
/// names, or the public one that is nearest above them.
async fn hosted_zone_of(
    cx: &Cx,
    loaded: Option<&Loaded>,
    facts: Option<&Facts>,
) -> Result<Option<String>> {
    if let Some(facts) = facts {
        return Ok(facts.hosted_zone.clone());
    }
    let Some(dns) = loaded.and_then(|loaded| loaded.spec.dns.as_ref()) else { return Ok(None) };
    if let Some(id) = &dns.zone_id {
        return Ok(Some(id.clone()));
    }
    let zone = zone::find(cx, &dns.base_domain).await.map_err(|error| {
        let missing = error.class == Class::Refused;
        let failure = Failure::doing("finding the hosted zone of dns.base_domain", error);
        if missing { Failure { exit: Exit::Quota, ..failure } } else { failure }
    })?;
    Ok(Some(zone.id))
}
