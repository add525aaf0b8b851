//! EKS: clusters, what runs in them, and who may use them.
//!
//! EKS has no filter by tag, but names what it has: one list call for the clusters, one for each
//! sort of thing in a cluster of ours, and one describe call for each thing, all at once. Ids of
//! ours are the resource part of EKS's ARNs (`nodegroup/coder-prod/control`): names alone are not
//! unique among all that a deployment has.
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelastickubernetesservice.html>

pub mod access;
pub mod access_entry;
pub mod addon;
pub mod cluster;
pub mod node_group;
pub mod pod_identity_association;
pub mod token;
mod update;

use super::Clients;
use super::call::{self, Passing, safe};
pub(crate) use super::tags::{tag_changes, touches};
use crate::kind::{Api, Change, Cx, Error, Kind, Result, Seen, Tags, Wanted, seen};
use crate::name::PhysicalId;
use crate::value::{Id, In};
use cluster::Cluster;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeSet, HashMap};
use std::future::Future;

/// EKS in the region of a context.
pub struct Eks(pub(crate) aws_sdk_eks::Client);

impl Api for Eks {
    fn connect(cx: &Cx) -> Result<Self> {
        let clients = cx
            .connector::<Clients>()
            .ok_or_else(|| Error::local("there is no connection to AWS"))?;
        Ok(Eks(clients.eks(&cx.region)))
    }
}

/// How many things are read at once.
const AT_ONCE: usize = 8;

/// Another update of the same cluster, node group or add-on: EKS takes one at a time. Where a call
/// changes or deletes, the code says nothing else.
const BUSY: Passing = Passing {
    code: "ResourceInUseException",
    message: "",
    seconds: 3600,
    waiting_for: "another update in the cluster",
};

/// The same where the code can say something else, too: that a name is taken, or that a cluster has
/// node groups.
const IN_PROGRESS: Passing = Passing { message: "in progress", ..BUSY };

/// A role or principal that was just made and that EKS does not know yet. EKS says so in many
/// ways, all of them with this code.
const fn fresh(message: &'static str) -> Passing {
    Passing {
        code: "InvalidParameterException",
        message,
        seconds: 120,
        waiting_for: "IAM to know the role everywhere",
    }
}

/// The id of something in a cluster: the resource part of its ARN.
fn id_of(sort: &str, cluster: &str, name: &str) -> PhysicalId {
    PhysicalId::new(format!("{sort}/{cluster}/{name}"))
}

/// The cluster and the name in an id of [`id_of`]; the sort may be left out by a user.
///
/// # Errors
/// When it does not name a cluster.
fn parts<'a>(sort: &str, id: &'a PhysicalId) -> Result<(&'a str, &'a str)> {
    let text = id.as_str();
    let text = text.strip_prefix(sort).and_then(|rest| rest.strip_prefix('/')).unwrap_or(text);
    text.split_once('/')
        .filter(|(cluster, name)| !cluster.is_empty() && !name.is_empty())
        .ok_or_else(|| {
            Error::local(format!("{text} does not say in which cluster it is"))
                .hint(format!("write it as {sort}/CLUSTER/NAME"))
        })
}

/// The part of a KMS key's or role's ARN that is its id.
fn last_part(arn: &str) -> PhysicalId {
    PhysicalId::new(arn.rsplit('/').next().unwrap_or(arn))
}

/// Turns "there is no such thing", in each of EKS's ways to say it, into `None`.
fn absent_is_fine<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        // <https://github.com/aws/containers-roadmap/issues/1389>: the older of the two answers.
        Err(error)
            if error.is_code("ClientException") && error.message.contains("No cluster found") =>
        {
            Ok(None)
        }
        other => call::gone_is_fine(other),
    }
}

/// The clusters to look into: those of ours that were found, and those that are wanted by name.
/// One that is still being made has nothing in it, and some of its lists are refused.
fn clusters<'a, K: Kind>(
    found: &dyn Seen,
    wanted: &[Wanted<'a, K>],
    cluster: impl Fn(&'a K) -> &'a In<Id<Cluster>>,
) -> Vec<String> {
    let found = seen::<Cluster>(found);
    let creating: BTreeSet<&str> = found
        .iter()
        .filter(|(_, _, live)| live.phase == cluster::Phase::Creating)
        .map(|(_, _, live)| live.name.as_str())
        .collect();
    let named = wanted.iter().filter_map(|wanted| match cluster(wanted.desired) {
        In::Literal(name) => Some(name.as_str()),
        In::Output(_) => None,
    });
    let ours = found.iter().map(|(_, _, live)| live.name.as_str());
    let all: BTreeSet<&str> = ours.chain(named).filter(|name| !creating.contains(name)).collect();
    all.into_iter().map(str::to_owned).collect()
}

/// What to look for by name in `clusters`, as cluster and name, where these can be all that there
/// is of a kind; nothing where a list of all has to tell.
fn sought<'a>(
    cx: &'a Cx,
    kind: &str,
    clusters: &[String],
    wanted: impl Iterator<Item = &'a str>,
) -> Vec<(String, String)> {
    if !cx.remembers_all(kind) {
        return Vec::new();
    }
    let names: BTreeSet<String> = wanted.chain(cx.remembered(kind)).map(str::to_owned).collect();
    let in_each = |cluster: &String| {
        names.iter().map(|name| (cluster.clone(), name.clone())).collect::<Vec<_>>()
    };
    clusters.iter().flat_map(in_each).collect()
}

/// What `list` finds in each of `clusters`, with the cluster's name; nothing in one that is gone.
///
/// # Errors
/// The first of `list`.
async fn in_each<T, F, Sent>(clusters: Vec<String>, list: F) -> Result<Vec<(String, T)>>
where
    F: Fn(String) -> Sent,
    Sent: Future<Output = Result<Vec<T>>>,
{
    let all = each(clusters, |cluster: String| {
        let list = list(cluster.clone());
        async move {
            let all = absent_is_fine(list.await)?.unwrap_or_default().into_iter();
            Ok(Some(all.map(|one| (cluster.clone(), one)).collect::<Vec<_>>()))
        }
    });
    Ok(all.await?.into_iter().flatten().collect())
}

/// Whether what is wanted in `cluster` is wanted in another one than `live`, as far as that is
/// known.
fn is_elsewhere(cluster: &In<Id<Cluster>>, live: &Id<Cluster>) -> bool {
    matches!(cluster, In::Literal(wanted) if wanted != live)
}

/// Reads each of `items` with `read`, several at once; what is gone meanwhile is left out.
///
/// # Errors
/// The first of `read`.
async fn each<I, T, F, Sent>(items: Vec<I>, read: F) -> Result<Vec<T>>
where
    F: Fn(I) -> Sent,
    Sent: Future<Output = Result<Option<T>>>,
{
    let read: Vec<Option<T>> =
        stream::iter(items).map(read).buffered(AT_ONCE).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
}

fn from_eks(tags: Option<&HashMap<String, String>>) -> Tags {
    tags.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// The tags of the step at hand, for a create call.
fn tags_on_create(cx: &Cx) -> Result<HashMap<String, String>> {
    Ok(cx.tags()?.into_iter().collect())
}

/// A field that EKS documents as always there.
fn told<'a>(value: Option<&'a str>, what: &str) -> Result<&'a str> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Error::local(format!("eks answered without the {what}")))
}

/// Carries out the changes of fields `tags.KEY`.
async fn retag(cx: &Cx, arn: &str, changes: &[Change]) -> Result<()> {
    let eks = cx.api::<Eks>()?;
    let (set, removed) = tag_changes(changes);
    if !set.is_empty() {
        let set: HashMap<_, _> = set.into_iter().collect();
        safe(cx, "eks:TagResource", || {
            eks.0.tag_resource().resource_arn(arn).set_tags(Some(set.clone())).send()
        })
        .await?;
    }
    if !removed.is_empty() {
        safe(cx, "eks:UntagResource", || {
            eks.0.untag_resource().resource_arn(arn).set_tag_keys(Some(removed.clone())).send()
        })
        .await?;
    }
    Ok(())
}
