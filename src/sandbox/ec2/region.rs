//! What AWS puts into every region of a new account: a default VPC with a public subnet in every
//! zone. To `coderctl` it is a stranger's network that must survive everything.

use super::model::{
    Destination, Ec2, InternetGateway, Origin, Route, RouteTable, RouteTableAssociation, Subnet,
    Tags, Target, Vpc,
};
use super::{route_table, security_group, zone};
use crate::sandbox::store::{Millis, Scope, number};
use ipnet::Ipv4Net;
use std::net::Ipv4Addr;

impl Ec2 {
    /// A region as a new account finds it. Depends on the scope alone, not on what was made
    /// before.
    pub(crate) fn of_new_account(scope: &Scope) -> Self {
        let mut made = 0;
        let mut new_id = |prefix: &str| {
            made += 1;
            let text = format!("default/{}/{}/{made}", scope.account, scope.region);
            format!("{prefix}-0{:016x}", number(&text))
        };
        let long_ago = Millis(0);
        let vpc = Vpc {
            id: new_id("vpc"),
            cidr: Ipv4Net::new_assert(Ipv4Addr::new(172, 31, 0, 0), 16),
            association: new_id("vpc-cidr-assoc"),
            tenancy: "default".to_owned(),
            dns_support: true,
            dns_hostnames: true,
            address_usage_metrics: false,
            is_default: true,
            available: long_ago,
            tags: Tags::new(),
        };
        let gateway =
            InternetGateway { id: new_id("igw"), vpc: Some(vpc.id.clone()), tags: Tags::new() };
        let out = Route {
            destination: Destination::Ipv4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
            target: Target::InternetGateway(gateway.id.clone()),
            origin: Origin::CreateRoute,
        };
        let table = RouteTable {
            id: new_id("rtb"),
            vpc: vpc.id.clone(),
            routes: vec![route_table::local(vpc.cidr), out],
            associations: vec![RouteTableAssociation { id: new_id("rtbassoc"), subnet: None }],
            tags: Tags::new(),
        };
        let (group, rules) = security_group::default_of(&vpc.id, &mut new_id);
        let mut ec2 = Ec2::empty();
        for (third, zone) in (0..=240_u8).step_by(16).zip(zone::of(&scope.region)) {
            let subnet = Subnet {
                id: new_id("subnet"),
                vpc: vpc.id.clone(),
                cidr: Ipv4Net::new_assert(Ipv4Addr::new(172, 31, third, 0), 20),
                zone: zone.name,
                is_default: true,
                map_public_ip: true,
                dns64: false,
                hostname_type: "ip-name".to_owned(),
                dns_a_record: false,
                dns_aaaa_record: false,
                available: long_ago,
                tags: Tags::new(),
            };
            ec2.subnets.insert(subnet.id.clone(), subnet);
        }
        ec2.internet_gateways.insert(gateway.id.clone(), gateway);
        ec2.route_tables.insert(table.id.clone(), table);
        ec2.security_groups.insert(group.id.clone(), group);
        ec2.security_group_rules.extend(rules.into_iter().map(|rule| (rule.id.clone(), rule)));
        ec2.vpcs.insert(vpc.id.clone(), vpc);
        ec2
    }
}
