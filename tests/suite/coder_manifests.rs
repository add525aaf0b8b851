//! What Coder's Kubernetes objects are, whole, and that they keep clear of the twenty things that
//! break a Coder that is deployed without its Helm chart.

use super::deployment::spec;
use coderctl::aws::ec2::security_group_rule::{Peer, SecurityGroupRule};
use coderctl::aws::ec2::subnet::Subnet;
use coderctl::aws::eks::cluster::Cluster;
use coderctl::aws::elbv2::listener::Listener;
use coderctl::aws::elbv2::target_group::TargetGroup;
use coderctl::aws::rds::subnet_group::SubnetGroup;
use coderctl::aws::secretsmanager::secret::{Charset, Content, ManagedSecret};
use coderctl::graph::Graph;
use coderctl::kind::Kind;
use coderctl::name::Address;
use coderctl::pattern::{Facts, Rendered, graph, manifests};
use coderctl::report::yaml;
use coderctl::spec::{Input, load};
use coderctl::value::{Id, In};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::Path;

const SIMPLE: &str = "examples/sr-simple.yaml";

/// People sign in elsewhere, there is a licence, and the server is set up differently.
const MORE: &[&str] = &[
    "coder.license={env: CODER_LICENSE}",
    "coder.oidc={issuer_url: 'https://login.example.com', client_id: coder, client_secret: {env: OIDC}, email_domains: [example.com]}",
    "coder.github={client_id: coder, client_secret: {file: github.txt}, allowed_organizations: [example, other]}",
    "coder.settings={CODER_SESSION_DURATION: 12h, CODER_MAX_ADMIN_TOKEN_LIFETIME: 240h}",
];

/// Several servers, of which each gets its successor while the others go on.
const SEVERAL: &[&str] = &["coder.license={env: CODER_LICENSE}", "coder.replicas=3"];

/// Only the office is let in.
const NARROW: &[&str] = &["ingress.allowed_cidrs=[203.0.113.0/24]"];

/// A spec's graph, with its Kubernetes objects.
struct Made {
    graph: Graph,
    objects: Vec<Rendered>,
}

impl Made {
    fn of(set: &[&str]) -> Made {
        let loaded = spec(SIMPLE, set);
        let facts = Facts::assumed(&loaded.spec);
        let graph = graph(&loaded.spec, &facts).unwrap_or_else(|why| panic!("{why:?}"));
        let objects = manifests(&graph);
        Made { graph, objects }
    }

    /// All of a kind.
    fn all(&self, kind: &str) -> Vec<&Value> {
        self.objects.iter().map(|one| &one.manifest).filter(|one| one["kind"] == kind).collect()
    }

    /// `namespace/name` of all of a kind.
    fn names(&self, kind: &str) -> Vec<String> {
        let name = |one: &Value| {
            let text = |key: &str| one["metadata"][key].as_str().unwrap_or_default().to_owned();
            format!("{}/{}", text("namespace"), text("name"))
        };
        self.all(kind).into_iter().map(name).collect()
    }

    fn object(&self, kind: &str, name: &str) -> &Value {
        let mut these = self.all(kind);
        these.retain(|one| one["metadata"]["name"] == name);
        assert_eq!(these.len(), 1, "{kind} {name}");
        these[0]
    }

    fn deployment(&self) -> &Value {
        &self.object("Deployment", "coder")["spec"]
    }

    fn pod(&self) -> &Value {
        &self.deployment()["template"]["spec"]
    }

    fn container(&self) -> &Value {
        let [container] = self.pod()["containers"].as_array().unwrap().as_slice() else {
            panic!("the pod has not one container: {}", self.pod());
        };
        container
    }

    /// The names of the server's variables, in their order.
    fn variables(&self) -> Vec<&str> {
        let all = self.container()["env"].as_array().unwrap().iter();
        all.map(|variable| variable["name"].as_str().unwrap()).collect()
    }

    /// What a variable of the server is, or is taken from; null if there is none.
    fn variable(&self, name: &str) -> Value {
        let all = self.container()["env"].as_array().unwrap();
        let mut these = all.iter().filter(|variable| variable["name"] == name);
        let Some(variable) = these.next() else { return Value::Null };
        assert!(these.next().is_none(), "{name} is there twice");
        variable.get("value").or_else(|| variable.get("valueFrom")).unwrap().clone()
    }

    /// The names of the server's variables with a word in them.
    fn about(&self, word: &str) -> Vec<&str> {
        self.variables().into_iter().filter(|name| name.contains(word)).collect()
    }

    fn desired<K: Kind>(&self, address: &str) -> &K {
        let node = self.graph.find(&Address::parse(address).unwrap()).unwrap();
        self.graph.node(node).desired.any().downcast_ref().unwrap()
    }

    /// Whether what is at one address waits for what is at the other.
    fn waits(&self, later: &str, earlier: &str) -> bool {
        let node = self.graph.find(&Address::parse(later).unwrap()).unwrap();
        let mut edges = self.graph.node(node).edges().iter();
        edges.any(|edge| self.graph.node(edge.node).address.as_str() == earlier)
    }

    /// What the load balancer lets in.
    fn let_in(&self) -> Vec<String> {
        let rules = self.graph.nodes.iter().filter_map(|node| {
            let is_one = node.address.as_str().contains("ingress/security-group-rule/in/");
            is_one.then(|| node.desired.any().downcast_ref::<SecurityGroupRule>().unwrap())
        });
        let one = |rule: &SecurityGroupRule| {
            let peer = match &rule.peer {
                Peer::Address(address) => {
                    let node = self.graph.node(address.node().unwrap());
                    node.address.as_str().trim_start_matches("us-east-1/").to_owned()
                }
                peer => peer.to_string(),
            };
            format!("{} from {peer}", rule.traffic)
        };
        rules.map(one).collect()
    }

    /// In how many zones subnets are.
    fn zones(&self, subnets: &[In<Id<Subnet>>]) -> usize {
        let zone = |subnet: &In<Id<Subnet>>| {
            let node = self.graph.node(subnet.node().unwrap());
            node.desired.any().downcast_ref::<Subnet>().unwrap().zone.clone()
        };
        subnets.iter().map(zone).collect::<BTreeSet<_>>().len()
    }

    /// Protocol and number of each port of each Service.
    fn ports(&self) -> Vec<String> {
        let services = self.all("Service").into_iter();
        let ports = services.flat_map(|one| one["spec"]["ports"].as_array().unwrap());
        ports
            .map(|port| format!("{} {}", port["protocol"].as_str().unwrap(), port["port"]))
            .collect()
    }

    /// As `coderctl render` writes it.
    fn documents(&self) -> String {
        let document =
            |one: &Rendered| format!("---\n# {}\n{}", one.address, yaml::document(&one.manifest));
        self.objects.iter().map(document).collect()
    }
}

/// One of the twenty: its number, what is so, and the look at it beside what it has to be.
struct Point {
    number: u8,
    says: &'static str,
    is: Value,
    should: Value,
}

fn point(number: u8, says: &'static str, is: Value, should: Value) -> Point {
    Point { number, says, is, should }
}

#[test]
fn nothing_is_there_that_breaks_a_coder_without_its_chart() {
    let (plain, more, several) = (Made::of(&[]), Made::of(MORE), Made::of(SEVERAL));
    let points: Vec<Point> = [
        runs(&plain, &several),
        reached(&plain),
        signs_in(&plain, &more),
        stands(&plain, &several),
    ]
    .into_iter()
    .flatten()
    .collect();
    let numbers: BTreeSet<u8> = points.iter().map(|point| point.number).collect();
    assert_eq!(numbers, (1..=20).collect(), "each of the twenty is looked at");
    let broken: Vec<String> = points
        .iter()
        .filter(|point| point.is != point.should)
        .map(|Point { number, says, is, should }| {
            format!("{number}: {says}\n  is     {is}\n  should {should}")
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The server's process: with its like, with its builds, and how it begins and ends.
fn runs(plain: &Made, several: &Made) -> Vec<Point> {
    let place = |name: &str| plain.variables().iter().position(|one| *one == name);
    let before = |name: &str| place("KUBE_POD_IP").is_some() && place("KUBE_POD_IP") < place(name);
    let workloads = |made: &Made| -> Vec<String> {
        ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "Pod"]
            .iter()
            .flat_map(|kind| made.names(kind))
            .collect()
    };
    let relay = json!([
        plain.variable("KUBE_POD_IP"),
        plain.variable("CODER_DERP_SERVER_RELAY_URL"),
        plain.variable("CODER_CLUSTER_HOST"),
        before("CODER_DERP_SERVER_RELAY_URL") && before("CODER_CLUSTER_HOST"),
    ]);
    let pod_ip = json!({"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}});
    let ends = |made: &Made| {
        let pod = made.pod();
        let sleep = made.container()["lifecycle"]["preStop"]["sleep"]["seconds"].clone();
        json!([pod["terminationGracePeriodSeconds"], sleep])
    };
    let probes = json!([
        plain.container()["readinessProbe"]["httpGet"],
        plain.container()["livenessProbe"],
        plain.container()["startupProbe"],
    ]);
    let ready = json!({"path": "/healthz", "port": "http", "scheme": "HTTP"});
    let at_once = Made::of(&["ingress.deregistration_delay_seconds=0"]);
    let files = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(SIMPLE)];
    let asked = load(&Input { files, set: vec!["coder.replicas=2".to_owned()] });
    let refused = asked.err().map(|problems| problems.to_string()).unwrap_or_default();
    vec![
        point(
            1,
            "servers find each other by their pods' addresses, which stand before what names them",
            relay,
            json!([pod_ip, "http://$(KUBE_POD_IP):8080", "$(KUBE_POD_IP)", true]),
        ),
        point(
            2,
            "there is one server where there is no licence, and a spec that asks for more is refused",
            json!([
                plain.deployment()["replicas"],
                several.deployment()["replicas"],
                refused.contains("servers work together only with a Premium licence"),
            ]),
            json!([1, 3, true]),
        ),
        point(
            8,
            "the server is all that runs, and so nothing is probed that does not listen",
            json!([workloads(plain), plain.container()["args"], plain.container()["ports"][0]]),
            json!([
                ["coder/coder"],
                ["server"],
                {"name": "http", "containerPort": 8080, "protocol": "TCP"},
            ]),
        ),
        point(
            9,
            "the server builds by itself: no provisioner has a key, a shared secret or tags",
            json!(plain.about("PROVISIONER")),
            json!(["CODER_PROVISIONER_DAEMONS"]),
        ),
        point(
            10,
            "somebody takes jobs without tags: the server's own builds",
            json!([plain.variable("CODER_PROVISIONER_DAEMONS"), plain.about("TAGS")]),
            json!(["3", []]),
        ),
        point(
            13,
            "a server that changes its database is slow, and nobody kills it for that",
            probes,
            json!([ready, null, null]),
        ),
        point(
            14,
            "a server has 60 s to drain, once the load balancer has let go of its node",
            json!([ends(plain), ends(&at_once)]),
            json!([[90, 30], [60, null]]),
        ),
        point(
            15,
            "a single server stops before its successor changes the database; of several, none \
             stops before there is another",
            json!([plain.deployment()["strategy"], several.deployment()["strategy"]]),
            json!([
                {"type": "Recreate"},
                {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            ]),
        ),
    ]
}

/// How users, workspaces and the server itself reach the server.
fn reached(plain: &Made) -> Vec<Point> {
    let listener: &Listener = plain.desired("us-east-1/ingress/listener/https");
    let target: &TargetGroup = plain.desired("us-east-1/ingress/target-group");
    let service = &plain.object("Service", "coder")["spec"];
    let node_port = json!(service["ports"][0]["nodePort"]);
    let wildcard = plain.variable("CODER_WILDCARD_ACCESS_URL");
    let stars = wildcard.as_str().unwrap_or_default().matches('*').count();
    vec![
        point(
            4,
            "the load balancer ends TLS, so the server must not redirect what comes without",
            json!([
                listener.port,
                listener.tls.is_some(),
                plain.variable("CODER_ACCESS_URL"),
                plain.variable("CODER_REDIRECT_TO_ACCESS_URL"),
                plain.about("_TLS_"),
            ]),
            json!([443, true, "https://coder.example.com", "false", []]),
        ),
        point(
            5,
            "the names of apps have no scheme and one star, at the beginning",
            json!([wildcard, stars]),
            json!(["*.coder.example.com", 1]),
        ),
        point(
            6,
            "network load balancers refuse to tie a client to one server",
            json!([service["type"], service["sessionAffinity"], node_port]),
            json!(["NodePort", "None", target.port]),
        ),
        point(
            7,
            "no Service leads to a STUN server, for the server has none",
            json!(plain.ports()),
            json!(["TCP 80", "TCP 2112"]),
        ),
        point(
            19,
            "a server that calls its own address may be sent to itself",
            json!([target.preserve_client_ip, service["externalTrafficPolicy"]]),
            json!([false, "Cluster"]),
        ),
        point(
            19,
            "workspaces and the server reach its address, also where few others may",
            json!([
                plain.let_in(),
                Made::of(NARROW).let_in(),
                Made::of(&[NARROW, &["ingress.scheme=internal"]].concat()).let_in(),
                Made::of(&["ingress.scheme=internal"]).let_in(),
                Made::of(&[NARROW, &["network.nat.mode=per_az"]].concat()).let_in(),
            ]),
            json!([
                ["tcp 443 from 0.0.0.0/0"],
                ["tcp 443 from 203.0.113.0/24", "tcp 443 from network/elastic-ip/nat-a"],
                ["tcp 443 from 203.0.113.0/24", "tcp 443 from 10.0.0.0/16"],
                ["tcp 443 from 0.0.0.0/0"],
                [
                    "tcp 443 from 203.0.113.0/24",
                    "tcp 443 from network/elastic-ip/nat-a",
                    "tcp 443 from network/elastic-ip/nat-b",
                ],
            ]),
        ),
    ]
}

/// Secrets, tokens and the licence.
fn signs_in(plain: &Made, more: &Made) -> Vec<Point> {
    let url = &plain.object("Secret", "coder-db-url")["stringData"]["url"];
    let master: &ManagedSecret = plain.desired("us-east-1/database/secret/master");
    let harmless =
        matches!(master.content, Content::Generated { charset: Charset::Alphanumeric, .. });
    let token: &ManagedSecret = plain.desired("us-east-1/coder/secret/owner-token");
    let (owner, license) = ("us-east-1/coder/owner", "us-east-1/coder/license");
    let server = "us-east-1/kubernetes/deployment/server";
    let longest = "CODER_MAX_ADMIN_TOKEN_LIFETIME";
    vec![
        point(
            3,
            "the licence is uploaded once there is an owner; no variable and no Secret has it",
            json!([
                more.about("LICENSE"),
                more.names("Secret"),
                more.waits(license, owner),
                more.waits(owner, server),
            ]),
            json!([
                [],
                ["coder/coder-db-url", "coder/coder-github", "coder/coder-oidc"],
                true,
                true
            ]),
        ),
        point(
            11,
            "what is shown once is kept: the place for the owner's token is there before the owner",
            json!([
                matches!(token.content, Content::Empty),
                plain.waits(owner, "us-east-1/coder/secret/owner-token"),
            ]),
            json!([true, true]),
        ),
        point(
            12,
            "the database's password needs no encoding, and is in no variable but by reference",
            json!([harmless, url, plain.variable("CODER_PG_CONNECTION_URL")]),
            json!([
                true,
                "postgres://coder:<password in us-east-1/database/secret/master>\
                 @<database endpoint of us-east-1/database/cluster>:5432/coder?sslmode=require",
                {"secretKeyRef": {"name": "coder-db-url", "key": "url"}},
            ]),
        ),
        point(
            18,
            "an owner's token may live as long as it takes until it is renewed",
            json!([plain.variable(longest), more.variable(longest)]),
            json!(["720h", "240h"]),
        ),
    ]
}

/// What the chart makes or leaves out around the server, and where it all stands.
fn stands(plain: &Made, several: &Made) -> Vec<Point> {
    let cluster: &Cluster = plain.desired("us-east-1/cluster/cluster");
    let database: &SubnetGroup = plain.desired("us-east-1/database/subnet-group");
    let selected =
        json!({"app.kubernetes.io/name": "coder", "app.kubernetes.io/instance": "coder"});
    let labels = &plain.deployment()["template"]["metadata"]["labels"];
    let selects = |selector: &Value| {
        let mut pairs = selector.as_object().unwrap().iter();
        pairs.all(|(key, value)| labels[key] == *value)
    };
    let budget = &several.object("PodDisruptionBudget", "coder")["spec"];
    let metrics = &plain.object("Service", "coder-metrics")["spec"];
    let server = &plain.object("NetworkPolicy", "coder")["spec"];
    let workspaces = &plain.object("NetworkPolicy", "workspaces")["spec"];
    let role = plain.object("Role", "coder-workspace-perms");
    let rules: Vec<String> = role["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| format!("{} {}", rule["apiGroups"][0], rule["resources"][0]).replace('"', ""))
        .collect();
    let binding = plain.object("RoleBinding", "coder-workspace-perms");
    vec![
        point(
            16,
            "the server may make workspaces in their namespace, and has no role in the cluster",
            json!([
                plain.names("Role"),
                rules,
                plain.names("RoleBinding"),
                binding["roleRef"]["kind"],
                binding["subjects"],
                plain.names("ClusterRole"),
                plain.names("ClusterRoleBinding"),
                plain.names("ServiceAccount"),
                plain.pod()["serviceAccountName"],
            ]),
            json!([
                ["coder-ws/coder-workspace-perms"],
                [" pods", " persistentvolumeclaims", "apps deployments"],
                ["coder-ws/coder-workspace-perms"],
                "Role",
                [{"kind": "ServiceAccount", "name": "coder", "namespace": "coder"}],
                [],
                [],
                ["coder/coder"],
                "coder",
            ]),
        ),
        point(
            17,
            "one server may be away at a time",
            json!([budget["maxUnavailable"], budget["selector"]["matchLabels"]]),
            json!([1, selected]),
        ),
        point(
            17,
            "each server's metrics have an address",
            json!([
                metrics["clusterIP"],
                metrics["ports"][0]["port"],
                selects(&metrics["selector"])
            ]),
            json!(["None", 2112, true]),
        ),
        point(
            17,
            "the server is called from the VPC, its metrics from the cluster, and it calls all but \
             its node's credentials",
            json!([
                server["policyTypes"],
                server["podSelector"]["matchLabels"],
                server["egress"],
                server["ingress"],
            ]),
            json!([
                ["Ingress", "Egress"],
                selected,
                [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}]}],
                [
                    {
                        "from": [{"ipBlock": {"cidr": "10.0.0.0/16"}}],
                        "ports": [{"protocol": "TCP", "port": 8080}],
                    },
                    {
                        "from": [{"namespaceSelector": {}}],
                        "ports": [{"protocol": "TCP", "port": 2112}],
                    },
                ],
            ]),
        ),
        point(
            17,
            "nobody calls a workspace, which reaches names, the server, HTTPS and the internet",
            json!([
                workspaces["policyTypes"],
                workspaces["podSelector"],
                workspaces["ingress"],
                workspaces["egress"],
            ]),
            json!([
                ["Ingress", "Egress"],
                {},
                null,
                [
                    {
                        "to": [namespace("kube-system")],
                        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                    },
                    {
                        "to": [namespace("coder")],
                        "ports": [{"protocol": "TCP", "port": 8080}],
                    },
                    {
                        "to": [{"ipBlock": {"cidr": "10.0.0.0/16"}}],
                        "ports": [{"protocol": "TCP", "port": 443}],
                    },
                    {"to": [{"ipBlock": {
                        "cidr": "0.0.0.0/0",
                        "except": ["10.0.0.0/16", "169.254.169.254/32"],
                    }}]},
                ],
            ]),
        ),
        point(
            20,
            "the control plane and the database have subnets in two zones",
            json!([plain.zones(&cluster.subnets), plain.zones(&database.subnets)]),
            json!([2, 2]),
        ),
    ]
}

/// A peer of a network policy: the pods of a namespace.
fn namespace(name: &str) -> Value {
    json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}})
}

#[test]
fn a_setting_of_the_users_own_goes_before() {
    let names = ["CODER_UPDATE_CHECK", "CODER_DISABLE_PATH_APPS", "CODER_LOGGING_HUMAN"];
    let set = names.map(|name| format!("coder.settings.{name}=mine"));
    let made = Made::of(&set.each_ref().map(String::as_str));
    assert_eq!(names.map(|name| made.variable(name)), ["mine"; 3]);
}

#[test]
fn the_example_renders_as_it_did() {
    insta::assert_snapshot!("manifests_of_the_example", Made::of(&[]).documents());
}

#[test]
fn sign_in_and_settings_render_as_they_did() {
    insta::assert_snapshot!("manifests_with_sign_in_and_settings", Made::of(MORE).documents());
}
