//! The VPC, its subnets and their ways out, flow logs.

use super::{Draft, Unbuildable, endpoints, identity, security_groups};
use crate::aws::ec2::elastic_ip::ElasticIp;
use crate::aws::ec2::flow_log::{FlowLog, Traffic as FlowTraffic};
use crate::aws::ec2::internet_gateway::InternetGateway;
use crate::aws::ec2::nat_gateway::NatGateway;
use crate::aws::ec2::route_table::{RouteTable, Target};
use crate::aws::ec2::subnet::Subnet;
use crate::aws::ec2::vpc::{DefaultSecurityGroup as ClosedOrLeft, Vpc};
use crate::graph::Handle;
use crate::spec::subnets::subnets;
use crate::spec::types::network::{DefaultSecurityGroup, Egress, NatMode, Network, TrafficType};
use crate::value::{Id, In, Need};
use std::collections::BTreeMap;

/// What of the network others refer to.
pub(super) struct Made<'a> {
    pub(super) network: &'a Network,
    pub(super) vpc: Handle<Vpc>,
    /// By tier, in the order of zones.
    pub(super) subnets: BTreeMap<&'a str, Vec<Handle<Subnet>>>,
    /// Every route table, for gateway endpoints.
    pub(super) tables: Vec<Handle<RouteTable>>,
    /// The one among them that leads to the internet gateway; none without one.
    pub(super) public: Option<Handle<RouteTable>>,
    /// What the NAT gateways call out from, by the letter of their zone.
    pub(super) nat_addresses: BTreeMap<String, Handle<ElasticIp>>,
}

/// The letter of a zone, `a` of `us-east-1a`: what its resources are called by.
fn letter(zone: &str) -> String {
    zone.chars().next_back().map(String::from).unwrap_or_default()
}

pub(super) fn add<'a>(
    draft: &mut Draft<'_>,
    network: &'a Network,
) -> Result<Made<'a>, Vec<Unbuildable>> {
    let zones = &draft.facts.zones;
    let planned = subnets(network, zones).map_err(|unplaced| {
        let unbuildable = |problem: crate::spec::subnets::Unplaced| Unbuildable {
            path: "network.tiers".to_owned(),
            why: problem.to_string(),
            hint: "give the VPC a larger range, the tier a smaller one, or its `cidrs`".to_owned(),
        };
        unplaced.into_iter().map(unbuildable).collect::<Vec<_>>()
    })?;
    let region = draft.region.clone();
    let vpc = draft.graph.add(
        &region,
        draft.here("network/vpc"),
        "network.vpc_cidr",
        Vpc {
            cidr: network.vpc_cidr.to_string(),
            // EKS and the private names of endpoints need both.
            dns_hostnames: true,
            dns_support: true,
            default_security_group: match network.default_security_group {
                DefaultSecurityGroup::Closed => ClosedOrLeft::Closed,
                DefaultSecurityGroup::Leave => ClosedOrLeft::Leave,
            },
        },
    );
    draft.graph.show("vpc_id", vpc.id().map(|id| id.to_string()));
    let mut made = Made {
        network,
        vpc,
        subnets: BTreeMap::new(),
        tables: Vec::new(),
        public: None,
        nat_addresses: BTreeMap::new(),
    };
    let mut by_zone: Vec<(&str, String, Handle<Subnet>)> = Vec::new();
    for subnet in &planned {
        let (tier_name, tier) = network
            .tiers
            .iter()
            .find(|(name, _)| **name == subnet.tier)
            .ok_or_else(|| lost(&subnet.tier))?;
        let letter = letter(&subnet.zone);
        let handle = draft.graph.add(
            &region,
            draft.here(&format!("network/subnet/{tier_name}-{letter}")),
            format!("network.tiers.{tier_name}"),
            Subnet {
                vpc: vpc.id().ready(),
                cidr: subnet.cidr.to_string(),
                zone: subnet.zone.clone(),
                public_ips: tier.public,
                extra_tags: crate::kind::Tags::new(),
            },
        );
        let name = format!("subnet_{}_{letter}", tier_name.replace('-', "_"));
        draft.graph.show(name, handle.id().map(|id| id.to_string()));
        made.subnets.entry(tier_name).or_default().push(handle);
        by_zone.push((tier_name, letter, handle));
    }
    ways_out(draft, &mut made, &by_zone);
    flow_logs(draft, &made);
    let groups = security_groups::add(draft, &made);
    endpoints::add(draft, &made, &groups);
    Ok(made)
}

fn lost(tier: &str) -> Vec<Unbuildable> {
    vec![Unbuildable {
        path: "network.tiers".to_owned(),
        why: format!("the address plan names a tier {tier} that the spec does not"),
        hint: "this is a fault in coderctl; please report it".to_owned(),
    }]
}

/// Internet gateway, NAT gateways and route tables.
fn ways_out<'a>(
    draft: &mut Draft<'_>,
    made: &mut Made<'a>,
    by_zone: &[(&'a str, String, Handle<Subnet>)],
) {
    let network = made.network;
    let region = draft.region.clone();
    let egress = |tier: &str| network.tiers.get(tier).map_or(Egress::None, |tier| tier.egress());
    let with = |wanted: Egress| -> Vec<&(&'a str, String, Handle<Subnet>)> {
        by_zone.iter().filter(|(tier, ..)| egress(tier) == wanted).collect()
    };
    let uses_internet = !with(Egress::Internet).is_empty() || network.uses_nat();
    let gateway = uses_internet.then(|| {
        draft.graph.add(
            &region,
            draft.here("network/internet-gateway"),
            "network.tiers",
            InternetGateway { vpc: made.vpc.id().ready() },
        )
    });
    let ids = |subnets: &[&(&str, String, Handle<Subnet>)]| -> Vec<In<Id<Subnet>>> {
        subnets.iter().map(|(_, _, subnet)| subnet.id()).collect()
    };
    let everywhere = |target: Target| BTreeMap::from([("0.0.0.0/0".to_owned(), target)]);
    if let Some(gateway) = gateway {
        let subnets = with(Egress::Internet);
        let table = draft.graph.add(
            &region,
            draft.here("network/route-table/public"),
            "network.tiers",
            RouteTable {
                vpc: made.vpc.id().ready(),
                routes: everywhere(gateway.into()),
                subnets: ids(&subnets),
            },
        );
        made.tables.push(table);
        made.public = Some(table);
    }
    let nats = gateway.map(|gateway| nats(draft, made, by_zone, gateway)).unwrap_or_default();
    // One table a zone, also with a single NAT gateway: going to one gateway a zone later is then
    // a change of routes and moves no subnet.
    let private = with(Egress::Nat);
    let mut letters: Vec<&String> = private.iter().map(|(_, letter, _)| letter).collect();
    letters.sort();
    letters.dedup();
    for letter in letters {
        let subnets: Vec<_> = private.iter().copied().filter(|(_, l, _)| l == letter).collect();
        let nat = nats.get(letter).or_else(|| nats.values().next());
        let table = draft.graph.add(
            &region,
            draft.here(&format!("network/route-table/private-{letter}")),
            "network.tiers",
            RouteTable {
                vpc: made.vpc.id().ready(),
                routes: nat.map(|nat| everywhere((*nat).into())).unwrap_or_default(),
                subnets: ids(&subnets),
            },
        );
        made.tables.push(table);
    }
    let isolated = with(Egress::None);
    if !isolated.is_empty() {
        let table = draft.graph.add(
            &region,
            draft.here("network/route-table/isolated"),
            "network.tiers",
            RouteTable {
                vpc: made.vpc.id().ready(),
                routes: BTreeMap::new(),
                subnets: ids(&isolated),
            },
        );
        made.tables.push(table);
    }
}

/// The NAT gateways by zone letter, each in a public subnet with an address of its own.
fn nats(
    draft: &mut Draft<'_>,
    made: &mut Made<'_>,
    by_zone: &[(&str, String, Handle<Subnet>)],
    gateway: Handle<InternetGateway>,
) -> BTreeMap<String, Handle<NatGateway>> {
    let network = made.network;
    if !network.uses_nat() {
        return BTreeMap::new();
    }
    let region = draft.region.clone();
    let mut nats = BTreeMap::new();
    // The first public tier's subnets, in the order of zones.
    let first_public = network.tiers.iter().find(|(_, tier)| tier.public).map(|(name, _)| name);
    let homes = by_zone.iter().filter(|(tier, ..)| Some(*tier) == first_public);
    for (_, letter, subnet) in homes {
        if network.nat.mode == NatMode::Single && !nats.is_empty() {
            break;
        }
        let address = draft.graph.add(
            &region,
            draft.here(&format!("network/elastic-ip/nat-{letter}")),
            "network.nat",
            ElasticIp {},
        );
        let nat = draft.graph.add(
            &region,
            draft.here(&format!("network/nat/{letter}")),
            "network.nat",
            NatGateway { subnet: subnet.id().ready(), eip: address.id() },
        );
        draft.graph.after(
            nat,
            gateway,
            Need::Ready,
            "CreateNatGateway fails with Gateway.NotAttached while the VPC has no way out",
        );
        draft.graph.show(format!("nat_public_ip_{letter}"), nat.public_ip());
        made.nat_addresses.insert(letter.clone(), address);
        nats.insert(letter.clone(), nat);
    }
    nats
}

fn flow_logs(draft: &mut Draft<'_>, made: &Made<'_>) {
    let spec = draft.spec;
    let logs = &made.network.flow_logs;
    let Some(name) = spec.flow_log_group() else { return };
    let region = draft.region.clone();
    let group = identity::flow_log_group(draft, &name, logs);
    let role = identity::flow_log_role(draft, &name);
    draft.graph.add(
        &region,
        draft.here("network/flow-log"),
        "network.flow_logs",
        FlowLog {
            vpc: made.vpc.id().ready(),
            log_group: group.name(),
            role: role.arn().ready(),
            traffic: match logs.traffic_type {
                TrafficType::All => FlowTraffic::All,
                TrafficType::Accept => FlowTraffic::Accept,
                TrafficType::Reject => FlowTraffic::Reject,
            },
            aggregation_seconds: i32::from(logs.aggregation_seconds),
        },
    );
}
