//! The way in: load balancer, certificate, names. All of it is made beside the cluster; only the
//! door itself, the listener and the names, waits until Coder has an owner.

use super::cluster::{Made as Cluster, ids, subnets};
use super::network::Made as Network;
use super::{Draft, Unbuildable};
use crate::aws::acm::certificate::{Certificate, KeyKind};
use crate::aws::autoscaling::attachment::{self, Attachment};
use crate::aws::ec2::elastic_ip::ElasticIp;
use crate::aws::ec2::security_group::SecurityGroup;
use crate::aws::ec2::security_group_rule::{Direction, Peer, SecurityGroupRule, Traffic};
use crate::aws::elbv2::listener::{Listener, Tls};
use crate::aws::elbv2::load_balancer::{LoadBalancer, Scheme};
use crate::aws::elbv2::target_group::{HealthCheck, TargetGroup};
use crate::aws::route53::record::{Record, RecordType, Target};
use crate::graph::Handle;
use crate::kind::Kind;
use crate::name::Address;
use crate::spec::types::ingress::{Dns, Ingress, Scheme as WantedScheme};
use crate::value::{Id, In, Need};
use ipnet::Ipv4Net;

/// What of the way in is made before the door opens.
pub(super) struct Made {
    load_balancer: Handle<LoadBalancer>,
    target_group: Handle<TargetGroup>,
    certificate: In<Id<Certificate>>,
    zone: String,
}

/// Everything but the door.
///
/// # Errors
/// When the hosted zone is not among the facts.
pub(super) fn add(
    draft: &mut Draft<'_>,
    (ingress, dns): (&Ingress, &Dns),
    network: &Network<'_>,
    cluster: &Cluster<'_>,
    server_group: &str,
) -> Result<Made, Vec<Unbuildable>> {
    let zone = draft.facts.hosted_zone.clone().ok_or_else(|| {
        vec![Unbuildable {
            path: "dns.base_domain".to_owned(),
            why: format!("no hosted zone is known for {}", dns.base_domain),
            hint: "make a public hosted zone for it in Route 53, or set dns.zone_id".to_owned(),
        }]
    })?;
    let region = draft.region.clone();
    let group = security_group(draft, ingress, network, cluster);
    let name = draft.physical(&draft.here("ingress/load-balancer"), draft.deployment.to_string());
    let load_balancer = LoadBalancer {
        name: name.clone(),
        scheme: match ingress.scheme {
            WantedScheme::InternetFacing => Scheme::InternetFacing,
            WantedScheme::Internal => Scheme::Internal,
        },
        subnets: ids(&subnets(network, &ingress.tier, None)),
        security_groups: vec![group.id().ready()],
        cross_zone: ingress.cross_zone,
        deletion_protection: ingress.deletion_protection,
    };
    let address = draft.here("ingress/load-balancer");
    let load_balancer = draft.graph.add(&region, address, "ingress", load_balancer);
    // An internal one needs no way to the internet, and none needs the way out through a NAT gateway.
    if let (WantedScheme::InternetFacing, Some(way_in)) = (ingress.scheme, network.public) {
        let reason = "AWS refuses one that faces the internet while the internet has no way in";
        draft.graph.after(load_balancer, way_in, Need::Ready, reason);
    }
    let target_address = draft.here("ingress/target-group");
    let target_group = TargetGroup {
        name: draft.physical(&target_address, name),
        vpc: network.vpc.id().ready(),
        port: i32::from(ingress.node_port),
        health: HealthCheck {
            path: "/healthz".to_owned(),
            port: None,
            interval: 10,
            healthy: 2,
            unhealthy: 3,
        },
        deregistration_delay: u32::from(ingress.deregistration_delay_seconds),
        // A server calls its own address through the load balancer, and may be sent to itself.
        preserve_client_ip: false,
    };
    let target_group =
        draft.graph.add(&region, target_address.clone(), "ingress.node_port", target_group);
    if let Some(nodes) = cluster.groups.get(server_group) {
        let attached = Attachment {
            auto_scaling_group: nodes.auto_scaling_group().ready(),
            target_group: target_group.arn().map(|arn| arn.to_string()).ready(),
        };
        let node_group = draft.here(&format!("cluster/node-group/{server_group}"));
        let address = attachment::address(&node_group, &target_address);
        draft.graph.add(&region, address, "coder.node_group", attached);
    }
    let certificate = certificate(draft, dns, &zone);
    Ok(Made { load_balancer, target_group, certificate, zone })
}

/// The load balancer's group: HTTPS in from where the spec says and from our own side, the servers'
/// port out.
fn security_group(
    draft: &mut Draft<'_>,
    ingress: &Ingress,
    network: &Network<'_>,
    cluster: &Cluster<'_>,
) -> Handle<SecurityGroup> {
    let region = draft.region.clone();
    let address = draft.here("ingress/security-group");
    let group = SecurityGroup {
        vpc: network.vpc.id().ready(),
        name: draft.physical(&address, format!("{}-ingress", draft.deployment)),
        description: format!("load balancer of {}", draft.deployment),
    };
    let group = draft.graph.add(&region, address, "ingress", group);
    let nodes = cluster.cluster.cluster_security_group();
    let one = |port: u16| Traffic {
        protocol: "tcp".to_owned(),
        from: i32::from(port),
        to: i32::from(port),
    };
    let mut rule = |name: &str, path: &str, rule: SecurityGroupRule| {
        let address = draft.here(&format!("ingress/security-group-rule/{name}"));
        draft.graph.add(&region, address, path, rule);
    };
    for (number, cidr) in ingress.allowed_cidrs.iter().enumerate() {
        rule(
            &format!("in/https-{}", number + 1),
            "ingress.allowed_cidrs",
            SecurityGroupRule {
                group: group.id(),
                direction: Direction::Ingress,
                traffic: one(443),
                peer: Peer::Range(cidr.to_string()),
                description: "HTTPS".to_owned(),
            },
        );
    }
    for (name, peer, description) in own_ways(ingress, network) {
        rule(
            &name,
            "ingress.allowed_cidrs",
            SecurityGroupRule {
                group: group.id(),
                direction: Direction::Ingress,
                traffic: one(443),
                peer,
                description,
            },
        );
    }
    rule(
        "out/servers",
        "ingress.node_port",
        SecurityGroupRule {
            group: group.id(),
            direction: Direction::Egress,
            traffic: one(ingress.node_port),
            peer: Peer::Group(nodes.clone()),
            description: "the servers, on every node".to_owned(),
        },
    );
    rule(
        "nodes/in/servers",
        "ingress.node_port",
        SecurityGroupRule {
            group: nodes,
            direction: Direction::Ingress,
            traffic: one(ingress.node_port),
            peer: Peer::Group(group.id()),
            description: "the load balancer".to_owned(),
        },
    );
    group
}

/// From where the deployment itself calls its own address, where the spec does not let in everybody:
/// agents in workspaces, and the server. Names that lead to a load balancer that faces the internet
/// are public addresses, so such a call leaves by a NAT gateway and comes back with its address.
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-security-groups.html>
fn own_ways(ingress: &Ingress, network: &Network<'_>) -> Vec<(String, Peer, String)> {
    let vpc = network.network.vpc_cidr;
    let lets_in = |range: &Ipv4Net| ingress.allowed_cidrs.iter().any(|cidr| cidr.contains(range));
    match ingress.scheme {
        WantedScheme::Internal if lets_in(&vpc) => Vec::new(),
        WantedScheme::Internal => {
            let description = "the deployment's own network".to_owned();
            vec![("in/vpc".to_owned(), Peer::Range(vpc.to_string()), description)]
        }
        WantedScheme::InternetFacing if lets_in(&Ipv4Net::default()) => Vec::new(),
        WantedScheme::InternetFacing => {
            let one = |(letter, address): (&String, &Handle<ElasticIp>)| {
                let description = "workspaces and the server, through the NAT gateway".to_owned();
                (format!("in/nat-{letter}"), Peer::Address(address.public_ip()), description)
            };
            network.nat_addresses.iter().map(one).collect()
        }
    }
}

/// The certificate, and what proves to AWS that the names are ours.
fn certificate(draft: &mut Draft<'_>, dns: &Dns, zone: &str) -> In<Id<Certificate>> {
    if let Some(arn) = &dns.certificate_arn {
        return Id::new(arn.as_str()).into();
    }
    let region = draft.region.clone();
    let certificate = Certificate {
        domain: dns.host(),
        alternatives: dns.wildcard_host().into_iter().collect(),
        key: KeyKind::Rsa2048,
    };
    let address = draft.here("ingress/certificate");
    let certificate = draft.graph.add(&region, address, "dns", certificate);
    // The wildcard is proved by the same record.
    let record = certificate.validation_record(&dns.host());
    let validation = Record {
        zone: zone.to_owned(),
        name: record.clone().map(|record| record.name),
        kind: RecordType::Cname,
        target: Target::Values { ttl: 300, values: vec![record.map(|record| record.value)] },
        shared: true,
    };
    let address = Address::global("dns/record/validation");
    draft.graph.add(&region, address, "dns", validation);
    certificate.arn().ready()
}

/// The door: the listener, and the names that lead to it. `before` is what must be done first.
pub(super) fn open<K: Kind>(
    draft: &mut Draft<'_>,
    (ingress, dns): (&Ingress, &Dns),
    made: &Made,
    before: Option<Handle<K>>,
) {
    const REASON: &str = "whoever reaches a Coder without a first user becomes that";
    let region = draft.region.clone();
    let listener = Listener {
        load_balancer: made.load_balancer.arn().ready(),
        port: 443,
        tls: Some(Tls {
            certificate: made.certificate.clone(),
            policy: ingress.ssl_policy.clone(),
        }),
        target_group: made.target_group.arn().ready(),
    };
    let address = draft.here("ingress/listener/https");
    let listener = draft.graph.add(&region, address, "ingress.ssl_policy", listener);
    if let Some(before) = before {
        draft.graph.after(listener, before, Need::Ready, REASON);
    }
    let names = [("coder", Some(dns.host())), ("wildcard", dns.wildcard_host())];
    for (label, name) in names {
        let Some(name) = name else { continue };
        let record = Record {
            zone: made.zone.clone(),
            name: name.into(),
            kind: RecordType::A,
            target: Target::Alias {
                name: made.load_balancer.dns_name(),
                zone: made.load_balancer.zone(),
                evaluate_health: false,
            },
            shared: false,
        };
        let address = Address::global(&format!("dns/record/{label}"));
        let record = draft.graph.add(&region, address, "dns", record);
        if let Some(before) = before {
            draft.graph.after(record, before, Need::Ready, REASON);
        }
    }
    draft.graph.show("coder_access_url", In::Literal(format!("https://{}", dns.host())));
    draft.graph.show("load_balancer_dns_name", made.load_balancer.dns_name());
}
