//! From a spec and facts to the graph of what is wanted. Pure: what has to be looked up first is
//! in [`Facts`], and nothing here knows the name of a pattern: patterns are data.

mod cluster;
mod coder;
mod database;
mod endpoints;
mod identity;
mod ingress;
mod network;
mod objects;
mod render;
mod security_groups;

pub use database::DatabasePassword;
pub use render::{Rendered, manifests};

use crate::graph::Graph;
use crate::name::{AccountId, Address, DeploymentName, Partition, Region};
use crate::spec::Spec;
use crate::spec::types::network::Zones;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What has to be known before there can be a graph. Chosen once: what is live keeps its zones,
/// whatever AWS would choose today.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The availability zones in use, in the order of the address plan.
    pub zones: Vec<String>,
    /// The id of the hosted zone that the deployment's names stand in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosted_zone: Option<String>,
}

impl Facts {
    /// Facts for a look without AWS: zones that the spec does not name are the first letters, and
    /// the hosted zone is any. What is shown must not depend on them.
    pub fn assumed(spec: &Spec) -> Facts {
        let zones = match spec.network.as_ref().map(|network| network.zones()) {
            Some(Zones::Named(names)) => names.to_vec(),
            Some(Zones::Count(count)) => ('a'..='z')
                .take(usize::from(count))
                .map(|letter| format!("{}{letter}", spec.home_region))
                .collect(),
            None => Vec::new(),
        };
        Facts { zones, hosted_zone: Some("Z".to_owned()) }
    }
}

/// Addresses that resources had in earlier versions of this program, to what they are now. Live
/// ones are retagged in place.
pub const MOVED: &[(&str, &str)] = &[];

/// A part of a spec that can not become resources, found only with the facts at hand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unbuildable {
    /// The part of the spec, `network.tiers`.
    pub path: String,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// What the parts of a pattern share.
struct Draft<'a> {
    spec: &'a Spec,
    facts: &'a Facts,
    graph: Graph,
    region: Region,
    deployment: DeploymentName,
    account: AccountId,
    partition: Partition,
    names: BTreeMap<&'a str, &'a str>,
}

impl Draft<'_> {
    /// `us-east-1/network/vpc`.
    fn here(&self, rest: &str) -> Address {
        Address::in_region(&self.region, rest)
    }

    /// The physical name of what is at `address`: as the spec says under `names`, else `default`.
    fn physical(&self, address: &Address, default: String) -> String {
        self.names.get(address.as_str()).map_or(default, |name| (*name).to_owned())
    }

    /// An ARN in the deployment's account and region.
    fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{}:{}:{resource}", self.partition, self.region, self.account)
    }
}

/// Builds the graph.
///
/// # Errors
/// Everything that only shows with the facts at hand: too few zones, say.
pub fn graph(spec: &Spec, facts: &Facts) -> Result<Graph, Vec<Unbuildable>> {
    let mut draft = Draft {
        spec,
        facts,
        graph: Graph::default(),
        region: spec.home_region.clone(),
        deployment: spec.deployment(),
        account: spec.account.clone(),
        partition: spec.partition(),
        names: spec.names.iter().map(|(address, name)| (address, name.as_str())).collect(),
    };
    draft.graph.moved = MOVED
        .iter()
        .filter_map(|(from, to)| {
            Some((
                Address::parse(&format!("{}/{from}", draft.region))?,
                Address::parse(&format!("{}/{to}", draft.region))?,
            ))
        })
        .collect();
    let keys = identity::keys(&mut draft);
    identity::log_groups(&mut draft, &keys);
    identity::roles(&mut draft);
    if let Some(network) = &spec.network {
        let network = network::add(&mut draft, network)?;
        above(&mut draft, &network)?;
    }
    objects::add(&mut draft);
    Ok(draft.graph)
}

/// What stands in the network: cluster, database, the way in, and Coder.
fn above(draft: &mut Draft<'_>, network: &network::Made<'_>) -> Result<(), Vec<Unbuildable>> {
    let spec = draft.spec;
    let cluster = spec.cluster.as_ref().map(|wanted| cluster::add(draft, wanted, network));
    let database = spec.database.as_ref().map(|wanted| {
        database::add(draft, wanted, network, cluster.as_ref().map(|made| made.cluster))
    });
    let (Some(wanted), Some(cluster), Some(database), Some(ingress), Some(dns)) =
        (&spec.coder, &cluster, &database, &spec.ingress, &spec.dns)
    else {
        return Ok(());
    };
    let way_in = (ingress, dns);
    let made = ingress::add(draft, way_in, network, cluster, &wanted.node_group)?;
    let owner = coder::add(draft, wanted, way_in, network, cluster, database)?;
    ingress::open(draft, way_in, &made, owner);
    Ok(())
}

/// The service's DNS suffix: China's services have one of their own.
fn dns_suffix(partition: Partition) -> &'static str {
    match partition {
        Partition::AwsCn => "amazonaws.com.cn",
        Partition::Aws | Partition::AwsUsGov => "amazonaws.com",
    }
}
