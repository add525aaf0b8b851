//! What is in a version of a launch template: kept as it came, written in the answers' names.

use super::model::Ec2;
use crate::sandbox::failure::Failure;
use serde_json::{Map, Value, json};

/// Lists, and what answers call them. The names of all else only begin with a small letter.
const LISTS: &[(&str, &str)] = &[
    ("BlockDeviceMappings", "blockDeviceMappingSet"),
    ("Ipv4Prefixes", "ipv4PrefixSet"),
    ("Ipv6Addresses", "ipv6AddressesSet"),
    ("Ipv6Prefixes", "ipv6PrefixSet"),
    ("LicenseSpecifications", "licenseSet"),
    ("NetworkInterfaces", "networkInterfaceSet"),
    ("PrivateIpAddresses", "privateIpAddressesSet"),
    ("SecurityGroupIds", "securityGroupIdSet"),
    ("SecurityGroups", "securityGroupSet"),
    ("TagSpecifications", "tagSpecificationSet"),
    ("Tags", "tagSet"),
];

/// Types of resources that an instance brings with it and that a template may tag.
const TAGGED: &[&str] =
    &["instance", "volume", "network-interface", "spot-instances-request", "elastic-gpu"];

/// Refuses what a template can't hold.
pub(super) fn check(ec2: &Ec2, data: &Value) -> Result<(), Failure> {
    if data.as_object().is_none_or(Map::is_empty) {
        let message = "The request must contain the parameter LaunchTemplateData";
        return Err(Failure::new("MissingParameter", message));
    }
    let list = |member: &str| data[member].as_array().map(Vec::as_slice).unwrap_or_default();
    for specification in list("TagSpecifications") {
        let kind = specification["ResourceType"].as_str().unwrap_or_default();
        if !TAGGED.contains(&kind) {
            let message = format!("'{kind}' is not a valid taggable resource type.");
            return Err(Failure::new("InvalidParameterValue", message));
        }
    }
    for group in list("SecurityGroupIds") {
        let id = group.as_str().unwrap_or_default();
        if !ec2.security_groups.contains_key(id) {
            let message = format!("The security group '{id}' does not exist");
            return Err(Failure::new("InvalidGroup.NotFound", message));
        }
    }
    if !list("SecurityGroupIds").is_empty() && !list("NetworkInterfaces").is_empty() {
        let message = "Network interfaces and an instance-level security groups may not be specified on the same request";
        return Err(Failure::new("InvalidParameterCombination", message));
    }
    Ok(())
}

/// As answers write it.
pub(super) fn write(data: &Value) -> Value {
    match data {
        Value::Object(members) => {
            members.iter().map(|(name, value)| member(name, value)).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.iter().map(write).collect(),
        leaf => leaf.clone(),
    }
}

fn member(name: &str, value: &Value) -> (String, Value) {
    if let ("Groups", Value::Array(groups)) = (name, value) {
        return ("groupSet".to_owned(), json!({ "groupId[]": groups }));
    }
    if let Some((_, wire)) = LISTS.iter().find(|(known, _)| *known == name) {
        return ((*wire).to_owned(), write(value));
    }
    let mut letters = name.chars();
    let small = letters.next().map(|first| first.to_ascii_lowercase());
    (small.into_iter().chain(letters).collect(), write(value))
}
