//! The parts of a deployment, each with how it is: what `status` shows beside the checks.

use super::Verdict;
use crate::aws::ec2::nat_gateway::NatGateway;
use crate::aws::ec2::vpc::Vpc;
use crate::aws::eks::access::Access;
use crate::aws::eks::cluster::Cluster;
use crate::aws::eks::node_group::NodeGroup;
use crate::aws::elbv2::load_balancer::LoadBalancer;
use crate::aws::rds;
use crate::coderd::license::License;
use crate::coderd::owner::Owner;
use crate::graph::{Graph, GraphNode};
use crate::kind::{Cx, Kind, Result, Status};
use crate::kube::client::{Call, Kube};
use crate::kube::object::{Object, Type};
use crate::kube::rollout;
use crate::observe::Snapshot;
use serde_json::Value;

/// A part, and how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is called: `cluster`, `nodes control`.
    pub name: String,
    /// How it is.
    pub verdict: Verdict,
}

/// All parts that the graph wants, in the order in which they are made.
pub async fn parts(cx: &Cx, graph: &Graph, snapshot: &Snapshot) -> Vec<Part> {
    let view = View { graph, snapshot };
    let mut parts = Vec::new();
    parts.extend(view.each::<Vpc>("network", |live| live.cidr.clone()));
    parts.extend(
        view.each::<NatGateway>("nat gateway", |live| live.public_ip.clone().unwrap_or_default()),
    );
    parts.extend(
        view.each::<Cluster>("cluster", |live| {
            format!("{}, Kubernetes {}", live.name, live.version)
        }),
    );
    parts.extend(nodes(cx, &view).await);
    parts.extend(view.each::<rds::cluster::Cluster>("database", |live| {
        let capacity = live.capacity.as_ref();
        let capacity =
            capacity.map(|capacity| format!(", {} to {} ACU", capacity.min, capacity.max));
        format!("PostgreSQL {}{}", live.version, capacity.unwrap_or_default())
    }));
    parts.extend(view.each::<rds::instance::Instance>("database instance", |live| {
        let zone = live.zone.as_ref().map(|zone| format!(" in {zone}")).unwrap_or_default();
        format!("{}{zone}", live.name)
    }));
    parts.extend(view.each::<LoadBalancer>("load balancer", |live| live.dns_name.clone()));
    parts.extend(servers(cx, &view).await);
    parts.extend(view.each::<Owner>("owner", |live| live.email.clone()));
    parts.extend(view.each::<License>("licence", |live| format!("until {}", live.ends)));
    parts
}

struct View<'a> {
    graph: &'a Graph,
    snapshot: &'a Snapshot,
}

impl View<'_> {
    fn wanted<K: Kind>(&self) -> Vec<&GraphNode> {
        let nodes = self.graph.nodes.iter();
        nodes.filter(|node| node.desired.kind().name() == K::NAME).collect()
    }

    /// How the resource at a node's address is: what is live of it, or why that is no good.
    fn live<'b, K: Kind>(
        &'b self,
        node: &'b GraphNode,
    ) -> std::result::Result<&'b K::Live, Verdict> {
        if let Some(unread) = self.snapshot.unreadable(K::NAME, &node.region) {
            return Err(Verdict::Unread(unread.error.to_string()));
        }
        let at = self.snapshot.at(K::NAME, &node.address);
        let Some(found) = at.last().map(|live| &live.found) else {
            return Err(Verdict::bad("is not there", "coderctl apply"));
        };
        match &found.status {
            Status::Ready => {}
            Status::Busy(status) => {
                return Err(Verdict::bad(status.clone(), "it is on its way: look again"));
            }
            Status::Failed(status) => {
                return Err(Verdict::bad(status.clone(), "coderctl plan says what can be done"));
            }
            Status::Leaving => return Err(Verdict::bad("is being deleted", "coderctl apply")),
        }
        let live = found.live_ref().downcast_ref::<K::Live>();
        live.ok_or_else(|| Verdict::Unread("it was taken for something else".to_owned()))
    }

    /// All resources of a kind; where there are several, with the end of their addresses.
    fn each<K: Kind>(&self, name: &str, show: impl Fn(&K::Live) -> String) -> Vec<Part> {
        let nodes = self.wanted::<K>();
        let one = nodes.len() == 1;
        let part = |node: &&GraphNode| Part {
            name: if one { name.to_owned() } else { format!("{name} {}", last(node)) },
            verdict: match self.live::<K>(node) {
                Ok(live) => Verdict::Good(show(live)),
                Err(verdict) => verdict,
            },
        };
        nodes.iter().map(part).collect()
    }

    /// How the deployment's own cluster is reached, where it is.
    fn access(&self) -> Option<&Access> {
        let node = self.wanted::<Cluster>().into_iter().next()?;
        let at = self.snapshot.at(Cluster::NAME, &node.address);
        let live = at.last()?.found.live_ref().downcast_ref::<<Cluster as Kind>::Live>()?;
        live.access.as_ref()
    }
}

/// The last part of a node's address.
fn last(node: &GraphNode) -> String {
    node.address.as_str().rsplit('/').next().unwrap_or_default().to_owned()
}

/// The node groups, with how many of their nodes are ready.
async fn nodes(cx: &Cx, view: &View<'_>) -> Vec<Part> {
    let groups = view.wanted::<NodeGroup>();
    if groups.is_empty() {
        return Vec::new();
    }
    let nodes = match view.access() {
        Some(access) => Some(all_nodes(cx, access).await),
        None => None,
    };
    let part = |group: &&GraphNode| {
        let verdict = match (view.live::<NodeGroup>(group), &nodes) {
            (Err(verdict), _) => verdict,
            (Ok(_), None) => Verdict::bad("their cluster is not there", "coderctl apply"),
            (Ok(_), Some(Err(error))) => Verdict::Unread(error.to_string()),
            (Ok(live), Some(Ok(nodes))) => {
                let of_group = nodes.iter().filter(|node| {
                    let labels = &node["metadata"]["labels"];
                    labels["eks.amazonaws.com/nodegroup"] == live.name.as_str()
                });
                let ready = of_group.filter(|node| is_ready(node)).count();
                let count = format!("{ready} of {} ready", live.desired);
                if live.desired == 0 {
                    Verdict::bad("the group has no node", "coderctl plan shows who set its size")
                } else if usize::try_from(live.desired).is_ok_and(|desired| ready >= desired) {
                    Verdict::Good(count)
                } else {
                    Verdict::bad(count, "kubectl get nodes; nodes join about a minute after start")
                }
            }
        };
        Part { name: format!("nodes {}", last(group)), verdict }
    };
    groups.iter().map(part).collect()
}

async fn all_nodes(cx: &Cx, access: &Access) -> Result<Vec<Value>> {
    let kube = Kube::of(cx, Some(access))?;
    let mut call = Call::get("/api/v1/nodes".to_owned(), "nodes", false);
    call.operation = "list nodes".to_owned();
    kube.list(cx, &call).await
}

fn is_ready(node: &Value) -> bool {
    let mut conditions = node["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The Deployments, with what keeps their pods from being ready.
async fn servers(cx: &Cx, view: &View<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    for node in view.wanted::<Object>() {
        let Some(object) = node.desired.any().downcast_ref::<Object>() else { continue };
        if object.content.object_type() != Type::Deployment {
            continue;
        }
        let verdict = match Kube::of(cx, view.access()) {
            Err(_) if view.access().is_none() => {
                Verdict::bad("its cluster is not there", "coderctl apply")
            }
            Err(error) => Verdict::Unread(error.to_string()),
            Ok(kube) => match rollout::look(cx, &kube, &object.namespace, &object.name).await {
                Err(error) => Verdict::Unread(error.to_string()),
                Ok(None) => Verdict::bad("is not there", "coderctl apply"),
                Ok(Some(look)) => rolled_out(&look, &object.namespace),
            },
        };
        parts.push(Part { name: format!("server {}", object.name), verdict });
    }
    parts
}

fn rolled_out(look: &rollout::Look, namespace: &str) -> Verdict {
    let versions: Vec<&str> =
        look.images.iter().map(|image| image.rsplit(':').next().unwrap_or(image)).collect();
    let version = versions.join(", ");
    if look.replicas.are_ready() {
        return Verdict::Good(format!("{version}, {}", look.replicas));
    }
    let why = match &look.trouble {
        Some(trouble) => format!("{version}, {}: {trouble}", look.replicas),
        None => format!("{version}, {}", look.replicas),
    };
    Verdict::bad(why, format!("kubectl -n {namespace} get pods"))
}
