//! DB subnet groups.

use super::model::{Rds, SubnetGroup, arn, invalid, of, of_mut, paged};
use super::tags::{self, read_tags};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use crate::sandbox::wire::xml;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Rds {
    pub(super) fn subnet_group(&self, name: &str) -> Result<&SubnetGroup, Failure> {
        self.subnet_groups.get(&name.to_lowercase()).ok_or_else(|| {
            let message = format!("DB subnet group '{name}' does not exist.");
            Failure::new("DBSubnetGroupNotFoundFault", message)
        })
    }
}

/// The VPC of the subnets, if they can be a group: of one VPC and in two zones.
fn check(view: &View<'_>, subnets: &[&str]) -> Result<String, Failure> {
    let known = &view.ec2().subnets;
    let missing: Vec<&str> =
        subnets.iter().copied().filter(|id| !known.contains_key(*id)).collect();
    if !missing.is_empty() {
        let message = format!("Some input subnets in :[{}] are invalid.", missing.join(", "));
        return Err(Failure::new("InvalidSubnet", message));
    }
    let found: Vec<_> = subnets.iter().filter_map(|id| known.get(*id)).collect();
    let vpcs: BTreeSet<&str> = found.iter().map(|subnet| subnet.vpc.as_str()).collect();
    let zones: BTreeSet<&str> = found.iter().map(|subnet| subnet.zone.as_str()).collect();
    if vpcs.len() > 1 {
        return Err(invalid("The subnets of a DB subnet group must be in one VPC."));
    }
    if zones.len() < 2 {
        let message = format!(
            "The DB subnet group doesn't meet Availability Zone (AZ) coverage requirement. Current AZ coverage: {}. Add subnets to cover at least 2 AZs.",
            zones.into_iter().collect::<Vec<_>>().join(", ")
        );
        return Err(Failure::new("DBSubnetGroupDoesNotCoverEnoughAZs", message));
    }
    Ok(vpcs.into_iter().next().unwrap_or_default().to_owned())
}

/// What answers say about it.
pub(super) fn write(view: &View<'_>, group: &SubnetGroup) -> Value {
    let subnets = group.subnets.iter().map(|id| {
        let zone = view.ec2().subnets.get(id).map(|subnet| subnet.zone.clone());
        json!({
            "SubnetIdentifier": id,
            "SubnetAvailabilityZone": { "Name": zone },
            "SubnetOutpost": {},
            "SubnetStatus": "Active",
        })
    });
    json!({
        "DBSubnetGroupName": group.name,
        "DBSubnetGroupDescription": group.description,
        "VpcId": group.vpc,
        "SubnetGroupStatus": "Complete",
        "Subnets": xml::named("Subnet", subnets.collect()),
        "DBSubnetGroupArn": arn(view.scope, "subgrp", &group.name),
        "SupportedNetworkTypes": ["IPV4"],
    })
}

pub(super) fn create(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let name = params.required("DBSubnetGroupName").to_lowercase();
    let sound = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" ._-".contains(&byte));
    if !sound || name.len() > 255 || name == "default" {
        return Err(invalid("The parameter DBSubnetGroupName is not a valid identifier."));
    }
    let subnets = params.texts("SubnetIds");
    let vpc = check(&cx.view(), &subnets)?;
    if of(&cx.view()).subnet_groups.contains_key(&name) {
        let message = format!("The DB subnet group '{name}' already exists.");
        return Err(Failure::new("DBSubnetGroupAlreadyExists", message));
    }
    let group = SubnetGroup {
        name: name.clone(),
        description: params.required("DBSubnetGroupDescription").to_owned(),
        vpc,
        subnets: subnets.into_iter().map(str::to_owned).collect(),
        tags: read_tags(params)?,
    };
    let answer = json!({ "DBSubnetGroup": write(&cx.view(), &group) });
    of_mut(cx).subnet_groups.insert(name, group);
    Ok(answer.into())
}

pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let rds = of(view);
    let found = match params.text("DBSubnetGroupName") {
        Some(name) => vec![rds.subnet_group(name)?],
        None => rds.subnet_groups.values().collect(),
    };
    let items = found.into_iter().map(|group| (group.name.clone(), write(view, group))).collect();
    Ok(paged(view, params, ("DBSubnetGroups", "DBSubnetGroup"), items)?.into())
}

pub(super) fn modify(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let view = cx.view();
    let mut group = of(&view).subnet_group(params.required("DBSubnetGroupName"))?.clone();
    let subnets = params.texts("SubnetIds");
    let vpc = check(&view, &subnets)?;
    if vpc != group.vpc {
        return Err(invalid("A DB subnet group can't move to another VPC."));
    }
    let used = of(&view).instances.values().filter(|instance| {
        of(&view).clusters.get(&instance.cluster).is_some_and(|c| c.subnet_group == group.name)
    });
    for instance in used {
        let owner = arn(view.scope, "db", &instance.id);
        let lost = view.ec2().network_interfaces.values().any(|nic| {
            nic.owner.as_deref() == Some(owner.as_str()) && !subnets.contains(&nic.subnet.as_str())
        });
        if lost {
            let message =
                format!("The DB instance {} uses a subnet that is left out.", instance.id);
            return Err(Failure::new("SubnetAlreadyInUse", message));
        }
    }
    group.subnets = subnets.into_iter().map(str::to_owned).collect();
    if let Some(description) = params.text("DBSubnetGroupDescription") {
        group.description = description.to_owned();
    }
    let answer = json!({ "DBSubnetGroup": write(&view, &group) });
    of_mut(cx).subnet_groups.insert(group.name.clone(), group);
    Ok(answer.into())
}

pub(super) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let rds = of_mut(cx);
    let name = rds.subnet_group(params.required("DBSubnetGroupName"))?.name.clone();
    if let Some(user) = rds.clusters.values().find(|cluster| cluster.subnet_group == name) {
        let message = format!(
            "Cannot delete the subnet group '{name}' because at least one database cluster: {} is still using it.",
            user.id
        );
        return Err(Failure::new("InvalidDBSubnetGroupStateFault", message));
    }
    rds.subnet_groups.remove(&name);
    Ok(tags::nothing())
}
