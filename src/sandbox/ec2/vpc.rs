//! VPCs.

use super::model::{RouteTable, RouteTableAssociation, SecurityGroup, Tags, Vpc};
use super::resource::{
    self, Fields, Listing, Resource, dependency, dry_run, find, find_mut, stored,
};
use super::{route_table, security_group, tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a VPC is `pending`.
const PENDING: Duration = Duration::from_secs(1);

impl Resource for Vpc {
    const PREFIX: &'static str = "vpc";
    const TYPE: &'static str = "vpc";
    const NOT_FOUND: &'static str = "InvalidVpcID.NotFound";
    const NOUN: &'static str = "vpc ID";
    const FIELDS: Fields<Self> = &[
        ("vpc-id", |_, vpc| vec![vpc.id.clone()]),
        ("cidr", |_, vpc| vec![vpc.cidr.to_string()]),
        ("cidr-block", |_, vpc| vec![vpc.cidr.to_string()]),
        ("cidr-block-association.cidr-block", |_, vpc| vec![vpc.cidr.to_string()]),
        ("cidr-block-association.association-id", |_, vpc| vec![vpc.association.clone()]),
        ("cidr-block-association.state", |_, _| vec!["associated".to_owned()]),
        ("dhcp-options-id", |view, _| vec![dhcp_options(view)]),
        ("is-default", |_, vpc| vec![vpc.is_default.to_string()]),
        ("isDefault", |_, vpc| vec![vpc.is_default.to_string()]),
        ("owner-id", |view, _| vec![view.scope.account.clone()]),
        ("state", |view, vpc| vec![state(view, vpc).to_owned()]),
    ];

    stored!(vpcs);

    fn write(&self, view: &View<'_>) -> Value {
        json!({
            "vpcId": self.id,
            "ownerId": view.scope.account,
            "state": state(view, self),
            "cidrBlock": self.cidr,
            "cidrBlockAssociationSet": [{
                "associationId": self.association,
                "cidrBlock": self.cidr,
                "cidrBlockState": { "state": "associated" },
            }],
            "dhcpOptionsId": dhcp_options(view),
            "instanceTenancy": self.tenancy,
            "isDefault": self.is_default,
            "tagSet": tags::write(&self.tags),
        })
    }
}

fn state(view: &View<'_>, vpc: &Vpc) -> &'static str {
    if view.now < vpc.available { "pending" } else { "available" }
}

/// The region's default set of DHCP options, which every VPC has.
fn dhcp_options(view: &View<'_>) -> String {
    let text = format!("dopt/{}/{}", view.scope.account, view.scope.region);
    format!("dopt-0{:016x}", crate::sandbox::store::number(&text))
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing = Listing { ids: "VpcIds", filters: "Filters", set: "vpcSet" };
    resource::describe::<Vpc>(view, params, &LISTING)
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let cidr = network(params.text("CidrBlock"), "InvalidVpc.Range")?;
    let tags = tags::given(params, Vpc::TYPE)?;
    let limit = cx.knobs.vpcs_per_region;
    if cx.ec2().vpcs.len() >= limit {
        let message = "The maximum number of VPCs has been reached.";
        return Err(Failure::new("VpcLimitExceeded", message));
    }
    dry_run(params)?;
    let vpc = Vpc {
        id: cx.new_id("vpc"),
        cidr,
        association: cx.new_id("vpc-cidr-assoc"),
        tenancy: params.text("InstanceTenancy").unwrap_or("default").to_owned(),
        dns_support: true,
        dns_hostnames: false,
        address_usage_metrics: false,
        is_default: false,
        available: cx.now.plus(PENDING),
        tags,
    };
    let answer = json!({ "vpc": vpc.write(&cx.view()) });
    let main = RouteTable {
        id: cx.new_id("rtb"),
        vpc: vpc.id.clone(),
        routes: vec![route_table::local(vpc.cidr)],
        associations: vec![RouteTableAssociation { id: cx.new_id("rtbassoc"), subnet: None }],
        tags: Tags::new(),
    };
    let (group, rules) = security_group::default_of(&vpc.id, |prefix| cx.new_id(prefix));
    let ec2 = cx.ec2();
    ec2.route_tables.insert(main.id.clone(), main);
    ec2.security_groups.insert(group.id.clone(), group);
    ec2.security_group_rules.extend(rules.into_iter().map(|rule| (rule.id.clone(), rule)));
    ec2.vpcs.insert(vpc.id.clone(), vpc);
    Ok(answer.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("VpcId").to_owned(), cx.now);
    let ec2 = cx.ec2();
    find::<Vpc>(ec2, &id, now)?;
    let own_table = |table: &&RouteTable| table.vpc == id && !route_table::is_main(table);
    let own_group = |group: &&SecurityGroup| group.vpc == id && group.name != "default";
    let default_groups: Vec<String> = ec2
        .security_groups
        .values()
        .filter(|group| group.vpc == id && group.name == "default")
        .map(|group| group.id.clone())
        .collect();
    let blocked = ec2.subnets.values().any(|subnet| subnet.vpc == id)
        || ec2.internet_gateways.values().any(|gateway| gateway.vpc.as_ref() == Some(&id))
        || ec2.nat_gateways.values().any(|gateway| gateway.vpc == id && gateway.is_there(now))
        || ec2.vpc_endpoints.values().any(|endpoint| endpoint.vpc == id)
        || ec2.network_interfaces.values().any(|interface| interface.vpc == id)
        || ec2.route_tables.values().any(|table| own_table(&table))
        || ec2.security_groups.values().any(|group| own_group(&group))
        || default_groups.iter().any(|group| security_group::is_referenced(ec2, group));
    if blocked {
        let message = format!("The vpc '{id}' has dependencies and cannot be deleted.");
        return Err(dependency(message));
    }
    dry_run(params)?;
    ec2.security_group_rules.retain(|_, rule| !default_groups.contains(&rule.group));
    ec2.security_groups.retain(|_, group| group.vpc != id);
    ec2.route_tables.retain(|_, table| table.vpc != id);
    ec2.vpcs.remove(&id);
    // Flow logs of what is gone go with it.
    ec2.flow_logs.retain(|_, log| log.resource != id);
    Ok(json!({ "return": true }).into())
}

pub(super) fn describe_attribute(view: &View<'_>, params: &Params) -> Answer {
    dry_run(params)?;
    let vpc = find::<Vpc>(view.ec2(), params.required("VpcId"), view.now)?;
    let attribute = params.required("Attribute");
    let value = match attribute {
        "enableDnsSupport" => vpc.dns_support,
        "enableDnsHostnames" => vpc.dns_hostnames,
        _ => vpc.address_usage_metrics,
    };
    let mut answer = json!({ "vpcId": vpc.id });
    answer[attribute] = json!({ "value": value });
    Ok(answer.into())
}

pub(super) fn modify_attribute(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let given = |member: &str| params.get(member)?.get("Value")?.as_bool();
    let support = given("EnableDnsSupport");
    let hostnames = given("EnableDnsHostnames");
    let metrics = given("EnableNetworkAddressUsageMetrics");
    let count = [support, hostnames, metrics].iter().flatten().count();
    if count == 0 {
        return Err(Failure::new("MissingParameter", "Missing attribute parameter"));
    }
    if count > 1 {
        let message = "Fields for multiple attribute types specified";
        return Err(Failure::new("InvalidParameterCombination", message));
    }
    let now = cx.now;
    let vpc = find_mut::<Vpc>(cx.ec2(), params.required("VpcId"), now)?;
    vpc.dns_support = support.unwrap_or(vpc.dns_support);
    vpc.dns_hostnames = hostnames.unwrap_or(vpc.dns_hostnames);
    vpc.address_usage_metrics = metrics.unwrap_or(vpc.address_usage_metrics);
    Ok(json!({ "return": true }).into())
}

/// Reads a block of a VPC or subnet: /16 to /28, host bits cut off as AWS does.
pub(super) fn network(text: Option<&str>, range_code: &str) -> Result<Ipv4Net, Failure> {
    let Some(text) = text else {
        let message = "The request must contain the parameter CidrBlock";
        return Err(Failure::new("MissingParameter", message));
    };
    let cidr: Ipv4Net = text.parse().map_err(|_| {
        let message = format!(
            "Value ({text}) for parameter cidrBlock is invalid. This is not a valid CIDR block."
        );
        Failure::new("InvalidParameterValue", message)
    })?;
    if !(16..=28).contains(&cidr.prefix_len()) {
        return Err(Failure::new(range_code, format!("The CIDR '{text}' is invalid.")));
    }
    Ok(cidr.trunc())
}
