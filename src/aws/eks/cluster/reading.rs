//! What `DescribeCluster` says of one cluster.

use super::{Access, Cluster, Eks, Endpoint, Live, Phase, absent_is_fine, log_group, physical_id};
use crate::aws::call::safe;
use crate::aws::eks::{from_eks, last_part, told};
use crate::kind::{Cx, Found, Ownership, Result, Status, Tags};
use crate::name::{PhysicalId, Region};
use crate::value::Id;
use aws_sdk_eks::types::{Cluster as EksCluster, ClusterStatus};

/// A cluster, whoever owns it.
pub(super) struct Reading {
    pub(super) status: Status,
    pub(super) tags: Tags,
    pub(super) live: Live,
}

impl Reading {
    /// As something that `owner` names.
    pub(super) fn owned(self, owner: &Ownership) -> Found<Cluster> {
        let Reading { status, tags, live } = self;
        let id = physical_id(live.name.as_str());
        Found { id, owner: owner.clone(), status, parents: parents(&live), tags, live }
    }
}

/// One cluster by name; `None` when there is none.
pub(super) async fn read_one(cx: &Cx, name: &str) -> Result<Option<Reading>> {
    let eks = cx.api::<Eks>()?;
    let answer = absent_is_fine(
        safe(cx, "eks:DescribeCluster", || eks.0.describe_cluster().name(name).send()).await,
    )?;
    let cluster = answer.as_ref().and_then(|answer| answer.cluster());
    cluster.map(|cluster| reading(cx, cluster)).transpose()
}

/// The ids of what can not go while it is there.
pub(super) fn parents(live: &Live) -> Vec<PhysicalId> {
    let network = live.subnets.iter().map(|id| PhysicalId::new(id.as_str()));
    let groups = live.security_groups.iter().map(|id| PhysicalId::new(id.as_str()));
    let vpc = PhysicalId::new(live.vpc.as_str());
    let arns = [Some(&live.role), live.secrets_key.as_ref()].into_iter().flatten();
    // What it still writes to would come back if it went first.
    let writes = !live.log_types.is_empty();
    let logs = writes.then(|| PhysicalId::new(log_group(live.name.as_str())));
    let arns = arns.map(|arn| last_part(arn));
    network.chain(groups).chain([vpc]).chain(logs).chain(arns).collect()
}

pub(super) fn reading(cx: &Cx, cluster: &EksCluster) -> Result<Reading> {
    let name = told(cluster.name(), "name of a cluster")?;
    let network = cluster.resources_vpc_config();
    let strings = |list: &[String]| list.to_vec();
    let subnets = network.map(|it| strings(it.subnet_ids())).unwrap_or_default();
    let groups = network.map(|it| strings(it.security_group_ids())).unwrap_or_default();
    let cidrs = network.map(|it| strings(it.public_access_cidrs())).unwrap_or_default();
    let own_group = network.and_then(|it| it.cluster_security_group_id());
    let endpoint = Endpoint {
        private: network.is_some_and(|it| it.endpoint_private_access()),
        public: network.is_some_and(|it| it.endpoint_public_access()),
        public_cidrs: cidrs.into_iter().collect(),
    };
    let logs = cluster.logging().map(|logging| logging.cluster_logging()).unwrap_or_default();
    let on = logs.iter().filter(|setup| setup.enabled().unwrap_or(false));
    let log_types = on.flat_map(|setup| setup.types()).map(|kind| kind.as_str().to_owned());
    let key = cluster.encryption_config().iter().find_map(|config| config.provider()?.key_arn());
    let live = Live {
        name: Id::new(name),
        arn: told(cluster.arn(), "arn of a cluster")?.to_owned(),
        version: cluster.version().unwrap_or_default().to_owned(),
        role: cluster.role_arn().unwrap_or_default().to_owned(),
        vpc: Id::new(network.and_then(|it| it.vpc_id()).unwrap_or_default()),
        subnets: subnets.into_iter().map(Id::new).collect(),
        security_groups: groups.into_iter().map(Id::new).collect(),
        cluster_security_group: own_group.filter(|id| !id.is_empty()).map(Id::new),
        endpoint,
        log_types: log_types.collect(),
        secrets_key: key.map(str::to_owned),
        service_cidr: cluster
            .kubernetes_network_config()
            .and_then(|it| it.service_ipv4_cidr())
            .map(str::to_owned),
        authentication: cluster
            .access_config()
            .and_then(|it| it.authentication_mode())
            .map_or("CONFIG_MAP", |mode| mode.as_str())
            .to_owned(),
        support: cluster
            .upgrade_policy()
            .and_then(|it| it.support_type())
            .map_or("EXTENDED", |kind| kind.as_str())
            .to_owned(),
        deletion_protection: cluster.deletion_protection().unwrap_or(false),
        access: access(cx, cluster, name).filter(|_| answers(cluster)),
        phase: match cluster.status() {
            Some(ClusterStatus::Creating) => Phase::Creating,
            Some(ClusterStatus::Deleting) => Phase::Deleting,
            _ => Phase::Serving,
        },
    };
    Ok(Reading { status: status(cluster), tags: from_eks(cluster.tags()), live })
}

/// Whether its Kubernetes API can be counted on. What a cluster on its way out still holds goes with
/// it, so nobody looks into one.
fn answers(cluster: &EksCluster) -> bool {
    matches!(cluster.status(), Some(ClusterStatus::Active | ClusterStatus::Updating))
}

fn access(cx: &Cx, cluster: &EksCluster, name: &str) -> Option<Access> {
    // What the ARN says, for a cluster may be read for another region's sake.
    let region = cluster.arn().and_then(|arn| arn.split(':').nth(3)).map(Region::new);
    Some(Access {
        cluster: name.to_owned(),
        region: region.unwrap_or_else(|| cx.region.clone()),
        endpoint: cluster.endpoint().filter(|endpoint| !endpoint.is_empty())?.to_owned(),
        certificate_authority: cluster.certificate_authority()?.data()?.to_owned(),
    })
}

fn status(cluster: &EksCluster) -> Status {
    match cluster.status() {
        Some(ClusterStatus::Active) => Status::Ready,
        Some(ClusterStatus::Deleting) => Status::Leaving,
        Some(ClusterStatus::Failed) => Status::Failed(issues(cluster)),
        Some(status) => Status::Busy(status.as_str().to_owned()),
        None => Status::Busy("PENDING".to_owned()),
    }
}

fn issues(cluster: &EksCluster) -> String {
    let issues = cluster.health().map(|health| health.issues()).unwrap_or_default();
    let issues: Vec<String> = issues
        .iter()
        .map(|issue| {
            let code = issue.code().map_or("Unknown", |code| code.as_str());
            format!("{code}: {}", issue.message().unwrap_or("no reason was given"))
        })
        .collect();
    if issues.is_empty() { "no reason was given".to_owned() } else { issues.join("; ") }
}
