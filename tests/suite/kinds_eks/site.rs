//! A network and roles, for clusters to be made in.

use super::super::harness::{Known, World};
use super::super::kinds_more::trust;
use coderctl::aws::ec2::internet_gateway::InternetGateway;
use coderctl::aws::ec2::launch_template::{Data, RootVolume};
use coderctl::aws::ec2::route_table::{RouteTable, Target};
use coderctl::aws::ec2::subnet::Subnet;
use coderctl::aws::ec2::vpc::{DefaultSecurityGroup, Vpc};
use coderctl::aws::eks::addon::Addon;
use coderctl::aws::eks::cluster::{AuthenticationMode, Cluster, Endpoint, LogType, SupportType};
use coderctl::aws::eks::node_group::{CapacityType, MaxUnavailable, NodeGroup, Taint, TaintEffect};
use coderctl::aws::iam::role::Role;
use coderctl::kind::{Change, Effect, Found, Kind, Tags, changes};
use coderctl::value::{Id, In};
use std::collections::{BTreeMap, BTreeSet};

/// A VPC with two public subnets, and the roles of a control plane and of nodes.
pub(super) struct Site {
    pub(super) vpc: Id<Vpc>,
    pub(super) subnets: Vec<Id<Subnet>>,
    pub(super) cluster_role: String,
    pub(super) node_role: String,
}

impl Site {
    pub(super) async fn new(world: &World) -> Site {
        let vpc = Vpc {
            cidr: "10.0.0.0/16".into(),
            dns_hostnames: true,
            dns_support: true,
            default_security_group: DefaultSecurityGroup::Closed,
        };
        let vpc = world.make("network/vpc", &vpc).await.live.id;
        let gateway = InternetGateway { vpc: vpc.clone().into() };
        let gateway = world.make("network/internet-gateway", &gateway).await.live.id;
        let mut subnets = Vec::new();
        for (zone, cidr) in [("us-east-1a", "10.0.0.0/20"), ("us-east-1b", "10.0.16.0/20")] {
            let subnet = Subnet {
                vpc: vpc.clone().into(),
                cidr: cidr.into(),
                zone: zone.into(),
                public_ips: true,
                extra_tags: Tags::new(),
            };
            let address = format!("network/subnet/{zone}");
            subnets.push(world.make(&address, &subnet).await.live.id);
        }
        let table = RouteTable {
            vpc: vpc.clone().into(),
            routes: BTreeMap::from([("0.0.0.0/0".to_owned(), Target::Gateway(gateway.into()))]),
            subnets: subnets.iter().cloned().map(In::Literal).collect(),
        };
        world.make("network/route-table/public", &table).await;
        let cluster = role(world, "cluster", "eks.amazonaws.com", &["AmazonEKSClusterPolicy"]);
        let cluster_role = cluster.await;
        let policies = [
            "AmazonEKSWorkerNodePolicy",
            "AmazonEC2ContainerRegistryPullOnly",
            "AmazonEKS_CNI_Policy",
        ];
        let node_role = role(world, "node", "ec2.amazonaws.com", &policies).await;
        // IAM spreads them in seconds; who uses fresh ones has tests of its own.
        world.pass(60).await;
        Site { vpc, subnets, cluster_role, node_role }
    }

    pub(super) fn subnets(&self) -> Vec<In<Id<Subnet>>> {
        self.subnets.iter().cloned().map(In::Literal).collect()
    }

    pub(super) fn cluster(&self) -> Cluster {
        Cluster {
            name: "coder-test".into(),
            version: Some("1.34".into()),
            role: self.cluster_role.clone().into(),
            vpc: self.vpc.clone().into(),
            subnets: self.subnets(),
            security_groups: Vec::new(),
            endpoint: Endpoint {
                private: true,
                public: true,
                public_cidrs: BTreeSet::from(["203.0.113.0/24".to_owned()]),
            },
            log_types: BTreeSet::from([LogType::Api, LogType::Audit]),
            secrets_key: None,
            service_cidr: Some("172.20.0.0/16".into()),
            authentication: AuthenticationMode::Api,
            support: SupportType::Standard,
            deletion_protection: false,
        }
    }

    /// A cluster that nodes can join: with what gives their pods addresses.
    pub(super) async fn ready_for_nodes(&self, world: &World) -> Found<Cluster> {
        let cluster = world.make("cluster/cluster", &self.cluster()).await;
        let network = Addon {
            cluster: cluster.live.name.clone().into(),
            name: "vpc-cni".into(),
            version: None,
            configuration: None,
        };
        world.make("cluster/addon/vpc-cni", &network).await;
        cluster
    }

    pub(super) fn node_group(&self, cluster: &Id<Cluster>) -> NodeGroup {
        NodeGroup {
            name: "control".into(),
            cluster: cluster.clone().into(),
            role: self.node_role.clone().into(),
            subnets: self.subnets(),
            instance_types: vec!["m5.large".into(), "m5a.large".into()],
            capacity: CapacityType::OnDemand,
            ami_type: "AL2023_x86_64_STANDARD".into(),
            min: 2,
            max: 4,
            labels: BTreeMap::from([("coder.com/node-type".to_owned(), "control".to_owned())]),
            taints: vec![Taint {
                key: "coder-control".into(),
                value: "true".into(),
                effect: TaintEffect::NoSchedule,
            }],
            max_unavailable: MaxUnavailable::Nodes(1),
            template: None,
            version: Some("1.34".into()),
        }
    }
}

pub(super) fn data() -> Data {
    Data {
        root_volume: RootVolume { device: "/dev/xvda".into(), size_gib: 50, key: None },
        metadata_hop_limit: 2,
        security_groups: Vec::new(),
        tags: Tags::from([("owner".to_owned(), "platform".to_owned())]),
    }
}

/// The ARN of a role.
pub(super) async fn role(world: &World, name: &str, service: &str, managed: &[&str]) -> String {
    let managed = managed.iter().map(|policy| format!("arn:aws:iam::aws:policy/{policy}"));
    let role = Role {
        name: format!("coder-test-{name}"),
        path: "/coderctl/coder-test/".into(),
        trust: trust(service),
        inline: BTreeMap::new(),
        managed: managed.collect(),
        boundary: None,
        max_session: 3600,
        description: String::new(),
    };
    world.make(&format!("identity/role/{name}"), &role).await.live.arn
}

/// The fields that differ, and what they take.
pub(super) fn effects<K: Kind>(desired: &K, found: &Found<K>) -> Vec<(String, Effect)> {
    let differs = changes(desired, &found.live, &Known::default());
    differs.into_iter().map(|change| (change.field, change.effect)).collect()
}

/// Asserts that `desired` differs from `found` in one fixed field.
pub(super) fn assert_replaces<K: Kind>(desired: &K, found: &Found<K>, field: &str) {
    assert_eq!(effects(desired, found), [(field.to_owned(), Effect::Replace)]);
}

/// The changes that make `found` what `desired` says.
pub(super) fn differs<K: Kind>(desired: &K, found: &Found<K>) -> Vec<Change> {
    changes(desired, &found.live, &Known::default())
}
