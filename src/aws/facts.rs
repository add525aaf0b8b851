//! What is looked up before there is a graph: who calls, in which account, and the zones.

use super::Clients;
use super::call::{pages, safe};
use super::ec2::{Ec2, filter, ours};
use crate::kind::{Api, Class, Cx, Error, Result};
use crate::name::{AccountId, Partition, Region};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

struct Sts(aws_sdk_sts::Client);

impl Api for Sts {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Sts(clients.sts(&cx.region)))
    }
}

/// Who calls AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// The account that the credentials are for.
    pub account: AccountId,
    /// The caller's ARN: `arn:aws:sts::123456789012:assumed-role/ops/jane`.
    pub arn: String,
}

/// An availability zone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Zone {
    /// `us-east-1a`; which building that is differs from account to account.
    pub name: String,
    /// `use1-az4`, the same in every account.
    pub id: String,
}

/// What is looked up once, before there is a graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The account, as STS tells it.
    pub account: AccountId,
    /// The partition of the caller's ARN.
    pub partition: Partition,
    /// The caller's ARN.
    pub caller_arn: String,
    /// The zones of each region that are open to the account and available, by name.
    pub zones: BTreeMap<Region, Vec<Zone>>,
}

impl Facts {
    /// Looks them up; the account first, so that nothing at all is read in a wrong one.
    ///
    /// # Errors
    /// [`Class::Denied`] when the credentials are for another account than the deployment's;
    /// whatever AWS says.
    pub async fn load(cx: &Cx, regions: &BTreeSet<Region>) -> Result<Facts> {
        let caller = caller(cx).await?;
        let partition = check(cx, &caller)?;
        let zones = regions.iter().map(|region| async move {
            Ok::<_, Error>((region.clone(), zones(&cx.in_region(region)).await?))
        });
        let zones = try_join_all(zones).await?.into_iter().collect();
        Ok(Facts { account: caller.account, partition, caller_arn: caller.arn, zones })
    }
}

/// Who calls. Needs no permission.
///
/// # Errors
/// When there are no credentials, or STS does not take them.
pub async fn caller(cx: &Cx) -> Result<Caller> {
    let cx = &cx.in_region(&cx.deployment.home_region);
    let sts = cx.api::<Sts>()?;
    let answer = safe(cx, "sts:GetCallerIdentity", || sts.0.get_caller_identity().send()).await?;
    match (answer.account(), answer.arn()) {
        (Some(account), Some(arn)) => {
            Ok(Caller { account: AccountId::new(account), arn: arn.to_owned() })
        }
        _ => Err(Error::local("GetCallerIdentity answered without an account")),
    }
}

/// Checks that `caller` is in the account and partition of the deployment.
///
/// # Errors
/// [`Class::Denied`] when it is not.
pub fn check(cx: &Cx, caller: &Caller) -> Result<Partition> {
    let wanted = &cx.deployment.account;
    if caller.account != *wanted {
        let why = format!(
            "the credentials are those of {} in account {}, and the spec says {wanted}",
            caller.arn, caller.account
        );
        return Err(Error::of(Class::Denied, why)
            .hint("choose other credentials (--profile, --assume-role), or correct `account`"));
    }
    let partition = [Partition::Aws, Partition::AwsUsGov, Partition::AwsCn]
        .into_iter()
        .find(|partition| caller.arn.split(':').nth(1) == Some(partition.as_str()));
    match partition {
        Some(partition) if partition == cx.deployment.partition => Ok(partition),
        _ => {
            let why = format!(
                "the credentials are those of {}, and the home region {} is in the partition {}",
                caller.arn, cx.deployment.home_region, cx.deployment.partition
            );
            Err(Error::of(Class::Denied, why)
                .hint("choose other credentials (--profile), or correct `home_region`"))
        }
    }
}

/// The zones that the deployment's subnets are in, by name: what is live keeps its zones,
/// whatever AWS would choose today.
///
/// # Errors
/// Whatever EC2 says.
pub async fn zones_in_use(cx: &Cx) -> Result<Vec<String>> {
    let ec2 = cx.api::<Ec2>()?;
    let pages = pages(
        cx,
        "ec2:DescribeSubnets",
        |token| ec2.0.describe_subnets().filters(ours(cx)).set_next_token(token).send(),
        |page| page.next_token(),
    )
    .await?;
    let subnets = pages.iter().flat_map(|page| page.subnets());
    let zones: BTreeSet<String> =
        subnets.filter_map(|subnet| subnet.availability_zone().map(str::to_owned)).collect();
    Ok(zones.into_iter().collect())
}

/// Whether EKS makes clusters in the zone of this id.
/// <https://docs.aws.amazon.com/eks/latest/userguide/network-reqs.html>
pub fn takes_clusters(zone_id: &str) -> bool {
    !["use1-az3", "usw1-az2", "cac1-az3"].contains(&zone_id)
}

/// The availability zones of the region of `cx`: no local or wavelength zones.
///
/// # Errors
/// Whatever EC2 says; and when there is none.
pub async fn zones(cx: &Cx) -> Result<Vec<Zone>> {
    let ec2 = cx.api::<Ec2>()?;
    let answer = safe(cx, "ec2:DescribeAvailabilityZones", || {
        ec2.0
            .describe_availability_zones()
            .filters(filter("zone-type", ["availability-zone"]))
            .filters(filter("state", ["available"]))
            .send()
    })
    .await?;
    let mut zones: Vec<Zone> = answer
        .availability_zones()
        .iter()
        .filter_map(|zone| {
            Some(Zone {
                name: zone.zone_name()?.to_owned(),
                id: zone.zone_id().unwrap_or_default().to_owned(),
            })
        })
        .collect();
    zones.sort();
    if zones.is_empty() {
        let why = format!("no availability zone of {} is open to the account", cx.region);
        return Err(Error::of(Class::Refused, why)
            .hint("enable the region for the account, or choose another"));
    }
    Ok(zones)
}
