//! What `DescribeNodegroup` says of one node group, and waiting for it.

use super::settings::{MaxUnavailable, Taint, TaintEffect};
use super::{Eks, Live, NodeGroup, SORT, absent_is_fine, id_of};
use crate::aws::call::safe;
use crate::aws::ec2::launch_template::{LaunchTemplate, Settings, settings, version_of};
use crate::aws::eks::{from_eks, last_part, told};
use crate::kind::{
    Class, Cx, Error, Found, Kind, Ownership, Result, Status, TAG_GENERATION, Tags, seconds,
};
use crate::name::PhysicalId;
use crate::value::Id;
use aws_sdk_eks::types::{Nodegroup, NodegroupStatus};

/// A node group, whoever owns it.
pub(super) struct Reading {
    pub(super) status: Status,
    pub(super) tags: Tags,
    pub(super) live: Live,
}

impl Reading {
    /// As something that `owner` names.
    pub(super) fn owned(self, owner: &Ownership) -> Found<NodeGroup> {
        let Reading { status, tags, live } = self;
        let id = id_of(SORT, live.cluster.as_str(), live.name.as_str());
        Found { id, owner: owner.clone(), status, parents: parents(&live), tags, live }
    }
}

/// One group without its template's settings; `None` when there is none.
pub(super) async fn describe(cx: &Cx, cluster: &str, name: &str) -> Result<Option<Reading>> {
    let eks = cx.api::<Eks>()?;
    let answer = absent_is_fine(
        safe(cx, "eks:DescribeNodegroup", || {
            eks.0.describe_nodegroup().cluster_name(cluster).nodegroup_name(name).send()
        })
        .await,
    )?;
    answer.as_ref().and_then(|answer| answer.nodegroup()).map(reading).transpose()
}

/// One group; `None` when there is none.
pub(super) async fn read_one(cx: &Cx, cluster: &str, name: &str) -> Result<Option<Reading>> {
    let Some(mut reading) = describe(cx, cluster, name).await? else { return Ok(None) };
    reading.live.settings = settings_of(cx, reading.live.template.as_ref()).await?;
    Ok(Some(reading))
}

/// What a version of a launch template says; nothing when it is gone.
pub(super) async fn settings_of(
    cx: &Cx,
    template: Option<&(Id<LaunchTemplate>, i64)>,
) -> Result<Settings> {
    let Some((id, version)) = template else { return Ok(Settings::new()) };
    let version = version_of(cx, id.as_str(), &version.to_string()).await?;
    Ok(version.as_ref().and_then(|it| it.launch_template_data()).map(settings).unwrap_or_default())
}

/// Add-ons that a node needs to the end: without them, pods can not be taken down in order.
const NEEDED_BY_NODES: [&str; 3] = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"];

/// The ids of what can not go while it is there.
pub(super) fn parents(live: &Live) -> Vec<PhysicalId> {
    let cluster = live.cluster.as_str();
    let subnets = live.subnets.iter().map(|id| PhysicalId::new(id.as_str()));
    let template = live.template.iter().map(|(id, _)| PhysicalId::new(id.as_str()));
    let addons = NEEDED_BY_NODES.iter().map(|name| id_of("addon", cluster, name));
    let own = [crate::aws::eks::cluster::physical_id(cluster), last_part(&live.role)];
    own.into_iter().chain(subnets).chain(template).chain(addons).collect()
}

pub(super) fn reading(group: &Nodegroup) -> Result<Reading> {
    let tags = from_eks(group.tags());
    let name = told(group.nodegroup_name(), "name of a node group")?;
    let scaling = group.scaling_config();
    let template = group.launch_template().and_then(|it| {
        let version = it.version()?.parse().ok()?;
        Some((Id::new(it.id()?), version))
    });
    let taints = group.taints().iter().filter_map(|taint| {
        let effect = TaintEffect::from_eks(taint.effect()?)?;
        let value = taint.value().unwrap_or_default().to_owned();
        let taint = Taint { key: taint.key()?.to_owned(), value, effect };
        Some((taint.id(), taint.value))
    });
    let asg = group.resources().and_then(|it| it.auto_scaling_groups().first());
    let live = Live {
        name: Id::new(name),
        base_name: base_name(name, &tags),
        cluster: Id::new(told(group.cluster_name(), "cluster of a node group")?),
        arn: told(group.nodegroup_arn(), "arn of a node group")?.to_owned(),
        role: group.node_role().unwrap_or_default().to_owned(),
        subnets: group.subnets().iter().map(Id::new).collect(),
        instance_types: group.instance_types().to_vec(),
        capacity: group.capacity_type().map_or("ON_DEMAND", |kind| kind.as_str()).to_owned(),
        ami_type: group.ami_type().map(|kind| kind.as_str()).unwrap_or_default().to_owned(),
        min: scaling.and_then(|it| it.min_size()).unwrap_or(0),
        max: scaling.and_then(|it| it.max_size()).unwrap_or(0),
        desired: scaling.and_then(|it| it.desired_size()).unwrap_or(0),
        labels: from_eks(group.labels()),
        taints: taints.collect(),
        max_unavailable: group.update_config().and_then(MaxUnavailable::from_eks),
        template,
        settings: Settings::new(),
        version: group.version().unwrap_or_default().to_owned(),
        release: group.release_version().unwrap_or_default().to_owned(),
        auto_scaling_group: asg.and_then(|group| group.name()).map(str::to_owned),
    };
    Ok(Reading { status: status(group), tags, live })
}

/// The name without what [`crate::kind::unique_name`] put behind it.
fn base_name(name: &str, tags: &Tags) -> String {
    tags.get(TAG_GENERATION)
        .and_then(|generation| name.strip_suffix(generation.as_str())?.strip_suffix('-'))
        .filter(|_| tags.get(TAG_GENERATION).is_some_and(|generation| generation != "1"))
        .unwrap_or(name)
        .to_owned()
}

fn status(group: &Nodegroup) -> Status {
    let issues = || {
        let issues = group.health().map(|health| health.issues()).unwrap_or_default();
        let issues: Vec<String> = issues
            .iter()
            .map(|issue| {
                let code = issue.code().map_or("Unknown", |code| code.as_str());
                format!("{code}: {}", issue.message().unwrap_or("no reason was given"))
            })
            .collect();
        if issues.is_empty() { "no reason was given".to_owned() } else { issues.join("; ") }
    };
    match group.status() {
        Some(NodegroupStatus::Active) => Status::Ready,
        Some(NodegroupStatus::Deleting) => Status::Leaving,
        Some(status @ (NodegroupStatus::CreateFailed | NodegroupStatus::DeleteFailed)) => {
            Status::Failed(format!("{}: {}", status.as_str(), issues()))
        }
        // It runs, but not as it should; it may recover, and may not.
        Some(NodegroupStatus::Degraded) => Status::Busy(format!("{DEGRADED}: {}", issues())),
        Some(status) => Status::Busy(status.as_str().to_owned()),
        None => Status::Busy("CREATING".to_owned()),
    }
}

const DEGRADED: &str = "DEGRADED";
/// How often to look, in seconds.
const EVERY: u32 = 10;
/// How long it may take until a group is ready: EKS itself gives up earlier. In seconds.
const AT_MOST: u32 = 3600;
/// How long a group may stay degraded before that counts, in seconds.
const RECOVERS_WITHIN: u32 = 300;
/// How long a fresh name may be unknown to the machine that answers, in seconds.
const FRESH: u32 = 120;

/// Waits until a group is active. Degraded is waited for only a little: nothing says that it ends.
pub(super) async fn settled(cx: &Cx, found: Found<NodeGroup>) -> Result<Found<NodeGroup>> {
    let started = cx.clock.now();
    let mut degraded_since = None;
    let named = format!("{} {}", NodeGroup::TITLE, found.id);
    loop {
        let now = NodeGroup::read(cx, &found).await?;
        let time = cx.clock.now();
        let since = |start| time.duration_since(start).unwrap_or_default();
        let (status, limit) = match now {
            None => ("not visible yet".to_owned(), FRESH),
            Some(now) => match now.status.clone() {
                Status::Ready => return Ok(now),
                Status::Failed(why) => {
                    return Err(Error::of(Class::Failed, format!("{named} failed: {why}")));
                }
                Status::Leaving => {
                    let message = format!("{named} is being deleted by somebody else");
                    return Err(Error::of(Class::Failed, message));
                }
                Status::Busy(status) => (status, AT_MOST),
            },
        };
        if status.starts_with(DEGRADED) {
            let start = *degraded_since.get_or_insert(time);
            if since(start) >= seconds(RECOVERS_WITHIN) {
                return Err(Error::of(Class::Failed, format!("{named} is {status}"))
                    .hint("mend what EKS names, then run the same command again"));
            }
        } else {
            degraded_since = None;
        }
        if since(started) >= seconds(limit) {
            let elapsed = since(started).as_secs();
            let message = format!("{named} is still {status} after {elapsed} seconds");
            return Err(Error::of(Class::TimedOut, message));
        }
        cx.progress(&status);
        cx.pause(seconds(EVERY)).await?;
    }
}
