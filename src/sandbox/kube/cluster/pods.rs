//! What runs in a cluster: the coderd in a pod, and the ports that answer on a node.

use super::KubeSandbox;
use crate::sandbox::Lost;
use crate::sandbox::coderd;
use crate::sandbox::fault::Outcome;
use crate::sandbox::gate::{Refused, Served};
use crate::sandbox::kube::controllers::{
    coderd_version, databases, environment, is_ready, stopping,
};
use crate::sandbox::kube::forward::Target;
use crate::sandbox::kube::request::{Asked, Path};
use crate::sandbox::kube::status::{Answer, Named, Refusal};
use crate::sandbox::kube::store::milliseconds;
use serde_json::Value;
use std::collections::BTreeMap;

impl KubeSandbox {
    /// Lets a request to the coderd at `target` pass the gate.
    pub(in crate::sandbox::kube) async fn coder(
        &self,
        target: &Target,
        asked: coderd::Asked,
    ) -> Result<coderd::Reply, Lost> {
        let call = self.call("coder", coderd::operation(&asked), asked.method != "GET");
        let arrived = InPod { sandbox: self, target, asked };
        // A pod that has gone meanwhile breaks the connection.
        self.inner.gate.pass(self.inner.clock, call, &arrived).await?.ok_or(Lost)
    }

    pub(super) fn target(&self, asked: &Asked) -> Answer<Target> {
        let Path::Resource(place) = &asked.path else { return Err(Refusal::no_such_path()) };
        let (Some(namespace), Some(pod)) = (&place.namespace, &place.name) else {
            return Err(Refusal::no_such_path());
        };
        let port = asked
            .query("ports")
            .parse()
            .map_err(|_| Refusal::bad_request("one port must be named: ports=8080"))?;
        self.with_store(|store| match store.get("pods", namespace, pod) {
            None => {
                let named = Named { group: "", plural: "pods", name: pod };
                Err(Refusal::not_found(named))
            }
            Some(found) if found["status"]["phase"] != "Running" => {
                Err(Refusal::bad_request(format!(
                    "unable to forward port because pod is not running. Current status={}",
                    found["status"]["phase"].as_str().unwrap_or("Pending")
                )))
            }
            Some(_) => Ok(Target { namespace: namespace.clone(), pod: pod.clone(), port }),
        })
    }

    /// Version and environment of the coderd that answers at `target`, if one does.
    pub(in crate::sandbox::kube) fn coderd_in(
        &self,
        target: &Target,
    ) -> Option<(String, BTreeMap<String, String>)> {
        self.with_store(|store| {
            let pod = store.get("pods", &target.namespace, &target.pod)?;
            if target.port != 8080 || !is_ready(pod) || stopping(pod) {
                return None;
            }
            let mut all = pod["spec"]["containers"].as_array()?.iter();
            all.find_map(|container| {
                let version = coderd_version(container)?;
                Some((version, environment(store, pod, container).ok()?))
            })
        })
    }

    /// Lets the coderd at `target` answer; `None` when there is none any more.
    fn ask_coderd(&self, target: &Target, mut asked: coderd::Asked) -> Option<coderd::Reply> {
        let (version, environment) = self.coderd_in(target)?;
        asked.database = coderd::database_of(&environment)?;
        (asked.version, asked.environment) = (version, environment);
        let source = self.around().database.clone();
        let mut cluster = self.cluster();
        let cluster = &mut *cluster;
        let lock = match &mut cluster.disk {
            Some(disk) => Some(disk.lock(&mut cluster.store).ok()?),
            None => None,
        };
        asked.at = milliseconds(self.now(&cluster.store));
        let host = asked.database.split('/').next().unwrap_or_default();
        let own = &mut cluster.store.coder;
        let reply = coderd::in_databases(&*source, own, host, |databases| {
            coderd::answer(databases, &asked)
        })?;
        if asked.method != "GET" {
            cluster.store.builds = true;
        }
        if let (Some(disk), Some(lock)) = (&mut cluster.disk, &lock) {
            disk.write(&mut cluster.store, lock).ok()?;
        }
        Some(reply)
    }

    /// Whether something answers on `port` of the node: a service has it, and a pod behind that is
    /// ready. With the traffic policy `Local`, one on this very node.
    pub(in crate::sandbox) fn answers_on(&self, node: &str, port: u16) -> bool {
        let has = |service: &&Value| {
            let mut ports = service["spec"]["ports"].as_array().into_iter().flatten();
            ports.any(|one| one["nodePort"] == port)
        };
        self.with_store(|store| {
            store.of("services").filter(has).any(|service| {
                let text = |at: &str| service["metadata"][at].as_str().unwrap_or_default();
                let endpoints = store.get("endpoints", text("namespace"), text("name"));
                let subsets = endpoints.and_then(|found| found["subsets"].as_array());
                let mut addresses = subsets
                    .into_iter()
                    .flatten()
                    .filter_map(|subset| subset["addresses"].as_array())
                    .flatten();
                let is_local = service["spec"]["externalTrafficPolicy"] == "Local";
                addresses.any(|address| !is_local || address["nodeName"] == node)
            })
        })
    }

    /// Lets `owner`, a user of a coderd that runs here, start a workspace of a template that puts it
    /// into `namespace`, or nowhere in the cluster if that is empty; the user is made if there is
    /// none of that name. Answers whether there is a coderd with users.
    pub fn start_workspace(&self, owner: &str, name: &str, namespace: &str) -> bool {
        let mut started = false;
        self.tell_coderd(|all, database, at| {
            started = started || all.start(database, (owner, name), namespace, at);
        });
        started
    }

    /// From now on no build can delete the workspaces of this name, or every one can.
    pub fn stick_workspace(&self, name: &str, is_stuck: bool) {
        self.tell_coderd(|all, database, _| all.stick(database, name, is_stuck));
    }

    /// Works on the databases of the coderds that run here, one after the other.
    fn tell_coderd(&self, mut tell: impl FnMut(&mut coderd::Databases, &str, u64)) {
        let source = self.around().database.clone();
        let mut cluster = self.cluster();
        let cluster = &mut *cluster;
        let lock = match &mut cluster.disk {
            Some(disk) => disk.lock(&mut cluster.store).ok(),
            None => None,
        };
        let at = milliseconds(self.now(&cluster.store));
        for database in databases(&cluster.store) {
            let host = database.split('/').next().unwrap_or_default();
            let own = &mut cluster.store.coder;
            coderd::in_databases(&*source, own, host, |all| tell(all, &database, at));
        }
        // Controllers look again, as after a write.
        cluster.store.builds = true;
        cluster.store.version += 1;
        if let (Some(disk), Some(lock)) = (&mut cluster.disk, &lock)
            && disk.write(&mut cluster.store, lock).is_err()
        {
            tracing::warn!("the cluster sandbox can't write its state");
        }
    }
}

/// A call to coderd, as far as it has come. There is no answer where the pod has gone.
struct InPod<'a> {
    sandbox: &'a KubeSandbox,
    target: &'a Target,
    asked: coderd::Asked,
}

impl Served for InPod<'_> {
    type Answer = Option<coderd::Reply>;

    fn act(&self, n: u64) -> Option<coderd::Reply> {
        let reply = self.sandbox.ask_coderd(self.target, self.asked.clone());
        let outcome = match &reply {
            None => Outcome::Lost { acted: false },
            Some((status, _)) if *status < 400 => Outcome::Done,
            Some((status, _)) => Outcome::Refused { status: *status, code: status.to_string() },
        };
        self.sandbox.inner.gate.outcome(n, outcome);
        reply
    }

    fn refuse(&self, n: u64, why: &Refused) -> Option<coderd::Reply> {
        let (status, message) = match why {
            Refused::Throttled => (429, "You've been rate limited for sending too many requests."),
            Refused::Internal => (500, "An internal server error occurred."),
            Refused::With { status, message, .. } => (*status, message.as_str()),
        };
        let outcome = Outcome::Refused { status, code: status.to_string() };
        self.sandbox.inner.gate.outcome(n, outcome);
        Some((status, serde_json::json!({ "message": message })))
    }

    fn content(&self) -> String {
        String::from_utf8_lossy(&self.asked.body).into_owned()
    }

    fn is_success(answer: &Option<coderd::Reply>) -> bool {
        answer.as_ref().is_some_and(|(status, _)| *status < 400)
    }
}
