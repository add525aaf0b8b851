//! Security groups; their rules are in `security_group_rule.rs`.

use super::model::{Ec2, Peer, SecurityGroup, SecurityGroupRule, Tags, Traffic, Vpc};
use super::resource::{
    self, Fields, Listing, Resource, dependency, dry_run, find, not_found, stored,
};
use super::{security_group_rule as rules, tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use ipnet::Ipv4Net;
use serde_json::{Value, json};
use std::net::Ipv4Addr;

impl Resource for SecurityGroup {
    const PREFIX: &'static str = "sg";
    const TYPE: &'static str = "security-group";
    const NOT_FOUND: &'static str = "InvalidGroup.NotFound";
    const NOUN: &'static str = "security group";
    const FIELDS: Fields<Self> = &[
        ("group-id", |_, group| vec![group.id.clone()]),
        ("group-name", |_, group| vec![group.name.clone()]),
        ("description", |_, group| vec![group.description.clone()]),
        ("vpc-id", |_, group| vec![group.vpc.clone()]),
        ("owner-id", |view, _| vec![view.scope.account.clone()]),
        ("ip-permission.cidr", |view, group| column(view, group, false, "cidrIpv4")),
        ("ip-permission.ipv6-cidr", |view, group| column(view, group, false, "cidrIpv6")),
        ("ip-permission.from-port", |view, group| column(view, group, false, "fromPort")),
        ("ip-permission.to-port", |view, group| column(view, group, false, "toPort")),
        ("ip-permission.protocol", |view, group| column(view, group, false, "ipProtocol")),
        ("ip-permission.prefix-list-id", |view, group| column(view, group, false, "prefixListId")),
        ("ip-permission.group-id", |view, group| peers(view.ec2(), group, false)),
        ("egress.ip-permission.cidr", |view, group| column(view, group, true, "cidrIpv4")),
        ("egress.ip-permission.ipv6-cidr", |view, group| column(view, group, true, "cidrIpv6")),
        ("egress.ip-permission.from-port", |view, group| column(view, group, true, "fromPort")),
        ("egress.ip-permission.to-port", |view, group| column(view, group, true, "toPort")),
        ("egress.ip-permission.protocol", |view, group| column(view, group, true, "ipProtocol")),
        ("egress.ip-permission.prefix-list-id", |view, group| {
            column(view, group, true, "prefixListId")
        }),
        ("egress.ip-permission.group-id", |view, group| peers(view.ec2(), group, true)),
    ];

    stored!(security_groups);

    fn write(&self, view: &View<'_>) -> Value {
        json!({
            "groupId": self.id,
            "groupName": self.name,
            "groupDescription": self.description,
            "vpcId": self.vpc,
            "ownerId": view.scope.account,
            "securityGroupArn": arn(view, &self.id),
            "ipPermissions": rules::permissions(view, &self.id, false),
            "ipPermissionsEgress": rules::permissions(view, &self.id, true),
            "tagSet": tags::write(&self.tags),
        })
    }
}

/// One member of all rules of a direction, for filters.
fn column(view: &View<'_>, group: &SecurityGroup, egress: bool, element: &str) -> Vec<String> {
    rules::of_group(view.ec2(), &group.id, egress)
        .filter_map(|rule| {
            let written = rule.write(view);
            match written.get(element)? {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }
        })
        .collect()
}

fn peers(ec2: &Ec2, group: &SecurityGroup, egress: bool) -> Vec<String> {
    rules::of_group(ec2, &group.id, egress)
        .filter_map(|rule| match &rule.traffic.peer {
            Peer::Group(id) => Some(id.clone()),
            _ => None,
        })
        .collect()
}

fn arn(view: &View<'_>, id: &str) -> String {
    let scope = view.scope;
    format!("arn:{}:ec2:{}:{}:security-group/{id}", scope.partition(), scope.region, scope.account)
}

/// A rule that lets everything out, which every new group has.
fn allow_all_out(id: String, group: &str) -> SecurityGroupRule {
    SecurityGroupRule {
        id,
        group: group.to_owned(),
        egress: true,
        traffic: Traffic {
            protocol: "-1".to_owned(),
            from: None,
            to: None,
            peer: Peer::Ipv4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
        },
        description: None,
        tags: Tags::new(),
    }
}

/// The group that comes with every VPC: its members may talk to each other and to everyone.
pub(crate) fn default_of(
    vpc: &str,
    mut new_id: impl FnMut(&str) -> String,
) -> (SecurityGroup, Vec<SecurityGroupRule>) {
    let group = SecurityGroup {
        id: new_id("sg"),
        name: "default".to_owned(),
        description: "default VPC security group".to_owned(),
        vpc: vpc.to_owned(),
        tags: Tags::new(),
    };
    let mut among = allow_all_out(new_id("sgr"), &group.id);
    among.egress = false;
    among.traffic.peer = Peer::Group(group.id.clone());
    let out = allow_all_out(new_id("sgr"), &group.id);
    (group, vec![among, out])
}

/// Whether a rule of another group names this one.
pub(crate) fn is_referenced(ec2: &Ec2, id: &str) -> bool {
    ec2.security_group_rules
        .values()
        .any(|rule| rule.group != id && rule.traffic.peer == Peer::Group(id.to_owned()))
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "GroupIds", filters: "Filters", set: "securityGroupInfo" };
    let names = params.texts("GroupNames");
    if names.is_empty() {
        return resource::describe::<SecurityGroup>(view, params, &LISTING);
    }
    // By name only groups of the default VPC are found.
    let ec2 = view.ec2();
    let default_vpc = ec2.vpcs.values().find(|vpc| vpc.is_default).map(|vpc| &vpc.id);
    let found = resource::selected::<SecurityGroup>(view, params, &LISTING)?;
    let named = |group: &&SecurityGroup| {
        Some(&group.vpc) == default_vpc && names.contains(&group.name.as_str())
    };
    let missing =
        names.iter().find(|name| !found.iter().any(|group| named(group) && group.name == **name));
    if let Some(name) = missing {
        return Err(not_found::<SecurityGroup>(name));
    }
    let items: Vec<Value> = found.into_iter().filter(named).map(|g| g.write(view)).collect();
    Ok(json!({ "securityGroupInfo": items }).into())
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let tags = tags::given(params, SecurityGroup::TYPE)?;
    let (name, description) = (params.required("GroupName"), params.required("Description"));
    check_name(name, description)?;
    let now = cx.now;
    let ec2 = cx.ec2();
    let vpc = match params.text("VpcId") {
        Some(id) => find::<Vpc>(ec2, id, now)?.id.clone(),
        None => match ec2.vpcs.values().find(|vpc| vpc.is_default) {
            Some(vpc) => vpc.id.clone(),
            None => {
                let message = "No default VPC for this user";
                return Err(Failure::new("VPCIdNotSpecified", message));
            }
        },
    };
    let taken = |group: &SecurityGroup| group.vpc == vpc && group.name.eq_ignore_ascii_case(name);
    if ec2.security_groups.values().any(taken) {
        let message = format!("The security group '{name}' already exists for VPC '{vpc}'");
        return Err(Failure::new("InvalidGroup.Duplicate", message));
    }
    dry_run(params)?;
    let group = SecurityGroup {
        id: cx.new_id("sg"),
        name: name.to_owned(),
        description: description.to_owned(),
        vpc,
        tags,
    };
    let out = allow_all_out(cx.new_id("sgr"), &group.id);
    let answer = json!({
        "return": true,
        "groupId": group.id,
        "securityGroupArn": arn(&cx.view(), &group.id),
        "tagSet": tags::write(&group.tags),
    });
    let ec2 = cx.ec2();
    ec2.security_group_rules.insert(out.id.clone(), out);
    ec2.security_groups.insert(group.id.clone(), group);
    Ok(answer.into())
}

/// CreateSecurityGroup's documentation gives the characters that both may have.
fn check_name(name: &str, description: &str) -> Result<(), Failure> {
    let refused = |what: &str, why: &str| {
        let message = format!("Value ({name}) for parameter {what} is invalid. {why}");
        Err(Failure::new("InvalidParameterValue", message))
    };
    let allowed =
        |letter: char| letter.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(letter);
    if name.to_ascii_lowercase().starts_with("sg-") {
        return refused("groupName", "Group names may not be in the format sg-*.");
    }
    if name.eq_ignore_ascii_case("default") {
        let message = "Cannot use reserved security group name: default";
        return Err(Failure::new("InvalidParameterValue", message));
    }
    if name.is_empty() || name.chars().count() > 255 || !name.chars().all(allowed) {
        return refused("groupName", "Character sets beyond ASCII are not supported.");
    }
    if description.chars().count() > 255 || !description.chars().all(allowed) {
        return refused("GroupDescription", "Character sets beyond ASCII are not supported.");
    }
    Ok(())
}

/// Makes a group for a service of AWS or a controller, and gives its id.
pub(crate) fn make(
    cx: &mut Cx<'_>,
    vpc: &str,
    name: &str,
    description: &str,
    tags: Tags,
) -> String {
    let known = cx.ec2().security_groups.values().find(|it| it.vpc == vpc && it.name == name);
    if let Some(known) = known {
        return known.id.clone();
    }
    let group = SecurityGroup {
        id: cx.new_id("sg"),
        name: name.to_owned(),
        description: description.to_owned(),
        vpc: vpc.to_owned(),
        tags,
    };
    let out = allow_all_out(cx.new_id("sgr"), &group.id);
    let id = group.id.clone();
    let ec2 = cx.ec2();
    ec2.security_group_rules.insert(out.id.clone(), out);
    ec2.security_groups.insert(id.clone(), group);
    id
}

pub(crate) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let ec2 = cx.ec2();
    let group = match (params.text("GroupId"), params.text("GroupName")) {
        (Some(id), _) => find::<SecurityGroup>(ec2, id, now)?,
        (None, Some(name)) => by_name(ec2, name)?,
        (None, None) => {
            let message = "The request must contain the parameter GroupName or GroupId";
            return Err(Failure::new("MissingParameter", message));
        }
    };
    let id = group.id.clone();
    if group.name == "default" {
        let message =
            format!("the specified group: \"{id}\" name: \"default\" cannot be deleted by a user");
        return Err(Failure::new("CannotDelete", message));
    }
    let used = ec2.network_interfaces.values().any(|nic| nic.groups.contains(&id))
        || ec2.vpc_endpoints.values().any(|endpoint| endpoint.groups.contains(&id))
        || is_referenced(ec2, &id);
    if used {
        return Err(dependency(format!("resource {id} has a dependent object")));
    }
    dry_run(params)?;
    ec2.security_group_rules.retain(|_, rule| rule.group != id);
    ec2.security_groups.remove(&id);
    Ok(json!({ "return": true, "groupId": id }).into())
}

/// A group of the default VPC.
pub(super) fn by_name<'a>(ec2: &'a Ec2, name: &str) -> Result<&'a SecurityGroup, Failure> {
    let default_vpc = ec2.vpcs.values().find(|vpc| vpc.is_default).map(|vpc| &vpc.id);
    ec2.security_groups
        .values()
        .find(|group| group.name == name && Some(&group.vpc) == default_vpc)
        .ok_or_else(|| not_found::<SecurityGroup>(name))
}
