//! The address plan: which range each subnet gets.
//!
//! The VPC's range is cut into equal blocks, one a zone: `max_azs` of them, rounded up to a power
//! of two. The first zone has the first block, and so on. Within every block the tiers take, in
//! the order of the spec, the lowest free range of their size that is aligned to its size. So
//!
//! * a zone added at the end takes the next block and moves nothing,
//! * a tier added at the end takes what is still free and moves nothing,
//! * a tier whose ranges are given by `cidrs` still keeps its place, so giving one the ranges
//!   that it already has moves nothing either.

use super::types::network::{Network, Tier};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

/// One subnet of the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The name of its tier.
    pub tier: String,
    /// Its availability zone.
    pub zone: String,
    /// Its range.
    pub cidr: Ipv4Net,
}

/// Why a subnet has no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplaced {
    /// What is left of a zone's block is too small or too scattered.
    #[error("tier {tier}: no room for a /{prefix_length} in a zone's block of /{block}")]
    Full {
        /// The tier.
        tier: String,
        /// The size that it asks for.
        prefix_length: u8,
        /// The size of each zone's block.
        block: u8,
    },
    /// There are more zones than blocks.
    #[error("the address plan has room for {blocks} availability zones, and {zones} are asked for")]
    Zones {
        /// How many zones are wanted.
        zones: usize,
        /// How many blocks there are.
        blocks: usize,
    },
    /// A tier gives its ranges by zone, but not for this zone.
    #[error("tier {tier}: `cidrs` has no range for the zone {zone}")]
    Letter {
        /// The tier.
        tier: String,
        /// The zone.
        zone: String,
    },
}

/// The size of each zone's block, as a prefix length. It may be longer than 32.
pub(crate) fn block_prefix(network: &Network) -> u8 {
    let blocks = network.max_azs.max(1).next_power_of_two();
    network.vpc_cidr.prefix_len().saturating_add(u8::try_from(blocks.trailing_zeros()).unwrap_or(0))
}

/// The ranges of every tier in every one of `zones`, tier by tier; or everything that keeps a
/// subnet from having one.
///
/// # Errors
///
/// Every [`Unplaced`], in the order of tiers.
pub fn subnets(network: &Network, zones: &[String]) -> Result<Vec<Subnet>, Vec<Unplaced>> {
    let (planned, unplaced) = plan(network, zones);
    if unplaced.is_empty() { Ok(planned) } else { Err(unplaced) }
}

/// As [`subnets`], with what could be placed next to what could not.
pub(crate) fn plan(network: &Network, zones: &[String]) -> (Vec<Subnet>, Vec<Unplaced>) {
    let block = block_prefix(network);
    let blocks = usize::from(network.max_azs.max(1).next_power_of_two());
    let mut taken = Vec::new();
    let (mut planned, mut unplaced) = (Vec::new(), Vec::new());
    let mut has_too_many_zones = false;
    for (name, tier) in network.tiers.iter() {
        let offset = place(tier, block, &mut taken);
        if let Some(cidrs) = &tier.cidrs {
            for zone in zones {
                let letter = zone.chars().next_back().map(String::from).unwrap_or_default();
                match cidrs.get(&letter) {
                    Some(cidr) => planned.push(Subnet {
                        tier: name.to_owned(),
                        zone: zone.clone(),
                        cidr: *cidr,
                    }),
                    None => {
                        unplaced.push(Unplaced::Letter { tier: name.into(), zone: zone.clone() });
                    }
                }
            }
            continue;
        }
        has_too_many_zones |= zones.len() > blocks;
        let Some(offset) = offset else {
            let prefix_length = tier.prefix_length;
            unplaced.push(Unplaced::Full { tier: name.into(), prefix_length, block });
            continue;
        };
        for (index, zone) in (0_u64..).zip(zones).take(blocks) {
            let start = u64::from(u32::from(network.vpc_cidr.network()))
                + (index << 32_u8.saturating_sub(block))
                + offset;
            let cidr = u32::try_from(start)
                .ok()
                .and_then(|start| Ipv4Net::new(Ipv4Addr::from(start), tier.prefix_length).ok());
            planned.extend(cidr.map(|cidr| Subnet {
                tier: name.to_owned(),
                zone: zone.clone(),
                cidr,
            }));
        }
    }
    if has_too_many_zones {
        unplaced.push(Unplaced::Zones { zones: zones.len(), blocks });
    }
    (planned, unplaced)
}

/// Takes the lowest free range of a tier's size within a block, and gives its offset.
fn place(tier: &Tier, block: u8, taken: &mut Vec<(u64, u64)>) -> Option<u64> {
    let room = 1_u64 << 32_u8.checked_sub(block)?;
    let size = 1_u64 << 32_u8.checked_sub(tier.prefix_length)?;
    let mut starts: Vec<u64> =
        taken.iter().map(|(_, end): &(u64, u64)| end.next_multiple_of(size)).collect();
    starts.push(0);
    starts.sort_unstable();
    let start = starts.into_iter().find(|start| {
        start + size <= room && taken.iter().all(|(from, to)| start + size <= *from || to <= start)
    })?;
    taken.push((start, start + size));
    Some(start)
}
