//! Which cluster objects are in, and how it is reached: the deployment's own, found by an earlier
//! wave, over a transport that brings no credentials.

use super::kube_object::{address, config_map, set_up};
use super::record_world::{clients, deployment};
use aws_credential_types::Credentials;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use coderctl::aws::eks::access::Access;
use coderctl::aws::eks::access_entry;
use coderctl::aws::eks::cluster::{Endpoint, Live, Phase};
use coderctl::aws::eks::token::token;
use coderctl::execute::{Execution, NoJournal, execute};
use coderctl::graph::{AnyKind, Graph, Of};
use coderctl::kind::{
    Change, Connectors, Cx, Diff, Error, Found, Kind, Listed, Nature, Result, Scope, Seen, Status,
    Tags, Wanted,
};
use coderctl::kube::{ClusterTransport, Object};
use coderctl::name::Region;
use coderctl::observe::{Snapshot, observe};
use coderctl::plan::{Action, Applied, Input, Options, Plan, plan};
use coderctl::sandbox::kube::{KubeSandbox, KubeService};
use coderctl::value::{Id, Need};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};
use tower::Service;

/// A cluster that is there when [`There`] says so.
#[derive(Clone, Debug, Serialize)]
struct Cluster;

/// A connector: how the cluster is reached, if it is there, and with which tags.
#[derive(Clone, Default)]
struct There(Arc<Mutex<Option<(Live, Tags)>>>);

impl Kind for Cluster {
    const NAME: &'static str = "aws.eks.cluster";
    const TITLE: &'static str = "cluster";
    const NATURE: Nature = Nature { scope: Scope::Regional, ..Nature::PLAIN };
    type Live = Live;

    fn diff(&self, _: &Live, _: &mut Diff<'_>) {}

    fn describe(_: &Live) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let there = cx.connector::<There>().unwrap().0.lock().unwrap().clone();
        let mut listed = Listed::default();
        if let Some((live, tags)) = there {
            listed.add(cx, "prod", tags, Status::Ready, Vec::new(), live);
        }
        Ok(listed)
    }

    async fn read(_: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Ok(Some(found.clone()))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        let live = live(Some(access()));
        *cx.connector::<There>().unwrap().0.lock().unwrap() = Some((live.clone(), cx.tags()?));
        Found::created(cx, "prod", Status::Ready, Vec::new(), live)
    }

    async fn update(&self, _: &Cx, _: &Found<Self>, _: &[Change]) -> Result<()> {
        Err(Error::local("nothing of it changes"))
    }

    async fn delete(cx: &Cx, _: &Found<Self>) -> Result<()> {
        *cx.connector::<There>().unwrap().0.lock().unwrap() = None;
        Ok(())
    }
}

/// Leave to use the cluster: without it, nobody is let in.
#[derive(Clone, Debug, Serialize)]
struct Leave;

/// A connector: the tags of the leave, if it is given, and the cluster that asks for it.
#[derive(Clone)]
struct Given(Arc<Mutex<Option<Tags>>>, KubeSandbox);

impl Given {
    fn set(&self, tags: Option<Tags>) {
        self.1.require_token(if tags.is_some() { None } else { Some("another") });
        *self.0.lock().unwrap() = tags;
    }
}

fn entry() -> access_entry::Live {
    access_entry::Live {
        cluster: Id::new("prod"),
        principal: String::new(),
        arn: String::new(),
        entry_type: "STANDARD".to_owned(),
        groups: BTreeSet::new(),
        policies: BTreeMap::new(),
    }
}

impl Kind for Leave {
    const NAME: &'static str = "aws.eks.access_entry";
    const TITLE: &'static str = "access entry";
    const NATURE: Nature = Nature { wave: 1, ..Nature::PLAIN };
    type Live = access_entry::Live;

    fn diff(&self, _: &Self::Live, _: &mut Diff<'_>) {}

    fn describe(_: &Self::Live) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    async fn list(cx: &Cx, _: &[Wanted<'_, Self>], _: &dyn Seen) -> Result<Listed<Self>> {
        let mut listed = Listed::default();
        if let Some(tags) = cx.connector::<Given>().unwrap().0.lock().unwrap().clone() {
            listed.add(cx, "entry", tags, Status::Ready, Vec::new(), entry());
        }
        Ok(listed)
    }

    async fn read(_: &Cx, found: &Found<Self>) -> Result<Option<Found<Self>>> {
        Ok(Some(found.clone()))
    }

    async fn create(&self, cx: &Cx) -> Result<Found<Self>> {
        cx.connector::<Given>().unwrap().set(Some(cx.tags()?));
        Found::created(cx, "entry", Status::Ready, Vec::new(), entry())
    }

    async fn update(&self, _: &Cx, _: &Found<Self>, _: &[Change]) -> Result<()> {
        Err(Error::local("nothing of it changes"))
    }

    async fn delete(cx: &Cx, _: &Found<Self>) -> Result<()> {
        cx.connector::<Given>().unwrap().set(None);
        Ok(())
    }
}

const KINDS: &[&dyn AnyKind] = &[&Of::<Cluster>::KIND, &Of::<Leave>::KIND, &Of::<Object>::KIND];

fn access() -> Access {
    Access {
        cluster: "prod".to_owned(),
        region: Region::new("us-east-1"),
        endpoint: "https://0123.gr7.us-east-1.eks.amazonaws.com".to_owned(),
        certificate_authority: "LS0=".to_owned(),
    }
}

fn live(access: Option<Access>) -> Live {
    Live {
        name: Id::new("prod"),
        arn: "arn:aws:eks:us-east-1:123456789012:cluster/prod".to_owned(),
        version: "1.34".to_owned(),
        role: String::new(),
        vpc: Id::new("vpc-1"),
        subnets: BTreeSet::new(),
        security_groups: BTreeSet::new(),
        cluster_security_group: None,
        endpoint: Endpoint { private: true, public: false, public_cidrs: BTreeSet::new() },
        log_types: BTreeSet::new(),
        secrets_key: None,
        service_cidr: None,
        authentication: "API".to_owned(),
        support: "STANDARD".to_owned(),
        deletion_protection: false,
        access,
        phase: Phase::Serving,
    }
}

struct World {
    kube: KubeSandbox,
    there: There,
    transport: ClusterTransport,
    /// The tokens that were sent.
    tokens: Arc<Mutex<Vec<String>>>,
    cx: Cx,
}

async fn world() -> World {
    let w = set_up().await;
    let (kube, tokens) = (w.kube.clone(), Arc::<Mutex<Vec<String>>>::default());
    let sent = tokens.clone();
    let transport = ClusterTransport::new(move |access| {
        assert_eq!(access.cluster, "prod");
        let (kube, sent) = (kube.clone(), sent.clone());
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let bearer = request.headers()["authorization"].to_str().unwrap();
            sent.lock().unwrap().push(bearer.strip_prefix("Bearer ").unwrap().to_owned());
            KubeService::new(kube.clone()).call(request)
        });
        Ok(kube::Client::new(service, "default"))
    });
    let there = There::default();
    let connectors = Connectors::default()
        .with(clients(&w.aws, w.cx.clock))
        .with(there.clone())
        .with(Given(Arc::default(), w.kube.clone()))
        .with(transport.clone());
    let cx = Cx::new(deployment("us-east-1", Some("uid-1")), w.cx.clock, connectors);
    World { kube: w.kube, there, transport, tokens, cx }
}

fn graph() -> Graph {
    let region = Region::new("us-east-1");
    let mut graph = Graph::default();
    let cluster = graph.add(&region, address("cluster"), "cluster", Cluster);
    let access = cluster.output("access", |live| live.access.clone()).ready();
    let object = Object { cluster: Some(access), ..config_map(&[("a", "1")]) };
    graph.add(&region, address("settings"), "settings", object);
    graph
}

impl World {
    async fn plan(&self, graph: &Graph) -> (Plan, Snapshot) {
        self.transport.set_planning(true);
        let regions = BTreeSet::from([Region::new("us-east-1")]);
        let snapshot = observe(&self.cx, KINDS, graph, &regions).await;
        let plan = plan(&Input {
            deployment: &self.cx.deployment,
            graph,
            snapshot: &snapshot,
            applied: &Applied::default(),
            kinds: KINDS,
            options: &Options::default(),
        });
        self.transport.set_planning(false);
        (plan, snapshot)
    }

    async fn apply(&self, graph: &Graph) -> Plan {
        let (plan, snapshot) = self.plan(graph).await;
        let ran = execute(&Execution {
            plan: &plan,
            graph,
            kinds: KINDS,
            snapshot: &snapshot,
            cx: &self.cx,
            journal: &NoJournal,
            sink: &(Arc::new(|_| {}) as coderctl::event::Sink),
            run: "run-1",
            width: 4,
        })
        .await;
        assert!(ran.is_complete(), "{:?}", ran.failed);
        plan
    }
}

fn actions(plan: &Plan) -> Vec<Action> {
    plan.items.iter().map(|item| item.action).collect()
}

#[tokio::test(start_paused = true)]
async fn a_cluster_and_what_is_in_it_are_made_and_deleted_in_one_run() {
    let w = world().await;
    let (plan, _) = w.plan(&graph()).await;
    assert!(!plan.is_incomplete(), "a cluster that is not there holds nothing: {:?}", plan.unread);
    assert_eq!(actions(&plan), [Action::Create, Action::Create]);
    assert!(w.tokens.lock().unwrap().is_empty());
    w.apply(&graph()).await;
    assert!(w.plan(&graph()).await.0.is_empty());
    // The object goes before the cluster, which can not answer any more once it is gone.
    let plan = w.apply(&Graph::default()).await;
    assert_eq!(actions(&plan), [Action::Delete, Action::Delete]);
    let verbs: Vec<&str> = plan.steps.iter().map(|step| step.name.kind.as_str()).collect();
    assert_eq!(verbs, ["kube.object", "aws.eks.cluster"]);
    let (plan, _) = w.plan(&Graph::default()).await;
    assert!(plan.is_empty() && !plan.is_incomplete());
}

#[tokio::test(start_paused = true)]
async fn what_is_in_a_cluster_goes_before_the_leave_to_use_it() {
    let w = world().await;
    let region = Region::new("us-east-1");
    let mut graph = Graph::default();
    let cluster = graph.add(&region, address("cluster"), "cluster", Cluster);
    let leave = graph.add(&region, address("leave"), "cluster", Leave);
    let access = cluster.output("access", |live| live.access.clone()).ready();
    let object = Object { cluster: Some(access), ..config_map(&[("a", "1")]) };
    let object = graph.add(&region, address("settings"), "settings", object);
    graph.after(object, leave, Need::Ready, "nobody else is let in");
    w.kube.require_token(Some("another"));
    w.apply(&graph).await;
    assert!(w.plan(&graph).await.0.is_empty());
    let plan = w.apply(&Graph::default()).await;
    let kinds: Vec<&str> = plan.steps.iter().map(|step| step.name.kind.as_str()).collect();
    assert_eq!(kinds[0], "kube.object", "{kinds:?}");
    let waits = plan.steps.iter().find(|step| step.name.kind == Leave::NAME).unwrap();
    assert!(!waits.after.is_empty(), "the leave waits for the object");
}

#[tokio::test(start_paused = true)]
async fn tokens_are_used_for_fourteen_minutes_and_never_longer() {
    let w = world().await;
    w.apply(&graph()).await;
    let distinct = |w: &World| {
        let tokens: BTreeSet<String> = w.tokens.lock().unwrap().iter().cloned().collect();
        tokens.len()
    };
    let first = distinct(&w);
    assert_eq!(first, 1);
    w.cx.clock.sleep(Duration::from_secs(13 * 60)).await;
    w.plan(&graph()).await;
    assert_eq!(distinct(&w), 1);
    w.cx.clock.sleep(Duration::from_secs(60)).await;
    w.plan(&graph()).await;
    assert_eq!(distinct(&w), 2);
    for token in w.tokens.lock().unwrap().iter() {
        assert!(w.cx.masks.clean(token).contains("(secret)"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_let_us_in_is_unreadable_and_one_that_comes_or_goes_holds_nothing()
{
    let w = world().await;
    w.apply(&graph()).await;
    w.kube.require_token(Some("another"));
    let begin = w.cx.clock.unix();
    let (plan, _) = w.plan(&graph()).await;
    assert!(plan.is_incomplete() && plan.is_empty(), "{:#?}", plan.items);
    assert!(plan.unread[0].why.contains("was not allowed"), "{}", plan.unread[0].why);
    assert!(w.cx.clock.unix() - begin < 5, "a plan does not wait to be let in");
    // What can not be read stays, and so does what it may be in.
    let (plan, _) = w.plan(&Graph::default()).await;
    assert!(plan.steps.is_empty(), "{:#?}", plan.steps);
    // One that is being deleted has an endpoint, at which nobody may answer any more.
    w.there.0.lock().unwrap().as_mut().unwrap().0.phase = Phase::Deleting;
    let (plan, _) = w.plan(&graph()).await;
    assert!(!plan.is_incomplete(), "{:?}", plan.unread);
    // Without an endpoint there is nobody to ask, and nothing can be in it.
    w.there.0.lock().unwrap().as_mut().unwrap().0 = live(None);
    let (plan, _) = w.plan(&graph()).await;
    assert!(!plan.is_incomplete());
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_has_just_come_up_may_turn_us_away_for_a_while() {
    let w = world().await;
    w.kube.require_token(Some("another"));
    let (kube, clock) = (w.kube.clone(), w.cx.clock);
    let opens = tokio::spawn(async move {
        clock.sleep(Duration::from_secs(90)).await;
        kube.require_token(None);
    });
    w.apply(&graph()).await;
    opens.await.unwrap();
    let tokens: BTreeSet<String> = w.tokens.lock().unwrap().iter().cloned().collect();
    assert!(tokens.len() > 1, "a token that was not taken is not sent again");
}

/// Vectors that were computed with another implementation.
#[test]
fn tokens_are_signed_as_others_sign_them() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_735_787_045);
    let sign = |session: Option<&str>, region: &str| {
        let credentials = Credentials::new(
            "AKIDEXAMPLE",
            "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            session.map(str::to_owned),
            None,
            "test",
        );
        let token = token(&credentials, "coder-prod", &Region::new(region), at);
        let url = token.expose().strip_prefix("k8s-aws-v1.").unwrap();
        String::from_utf8(URL_SAFE_NO_PAD.decode(url).unwrap()).unwrap()
    };
    assert_eq!(
        sign(None, "us-east-1"),
        "https://sts.us-east-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
         &X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIDEXAMPLE%2F20250102%2Fus-east-1%2Fsts%2Faws4_request\
         &X-Amz-Date=20250102T030405Z&X-Amz-Expires=60\
         &X-Amz-SignedHeaders=host%3Bx-k8s-aws-id\
         &X-Amz-Signature=d59064e3881023e645692db1be3db1f3058a4cc9f6b385216e786748a6364b3f"
    );
    let url = sign(Some("TOKEN/EX+AMPLE=="), "us-gov-west-1");
    assert!(url.starts_with("https://sts.us-gov-west-1.amazonaws.com/?"));
    assert!(url.contains("&X-Amz-Security-Token=TOKEN%2FEX%2BAMPLE%3D%3D&"));
    assert!(url.ends_with("7a87e2cd94dac2e8b269ab686c49298cd5c9a0ed2e88498c67d8dcbea30b5633"));
}
