//! A node group's Auto Scaling group, and the launch template that EKS makes for it.

use super::model::{Cluster, NodeGroup};
use super::words::{invalid, new_uuid};
use crate::sandbox::autoscaling::{Group, Source};
use crate::sandbox::ec2::compute::{LaunchTemplate, TemplateVersion};
use crate::sandbox::ec2::launch::Recipe;
use crate::sandbox::ec2::launch_template;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::Cx;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Smallest, largest and desired number of nodes.
pub(super) type Size = (i64, i64, i64);

/// A launch template by id, name and number of the version, and what is in that version.
pub(super) type Template = ((String, String, String), Value);

/// The launch template that a request names.
pub(super) fn template(cx: &mut Cx<'_>, params: &Params) -> Result<Option<Template>, Failure> {
    let Some(named) = params.get("launchTemplate") else { return Ok(None) };
    let (id, name) = (named["id"].as_str(), named["name"].as_str());
    if id.is_some() == name.is_some() {
        return Err(invalid("Either a launch template name or id must be specified"));
    }
    let found = launch_template::named(cx.ec2(), id, name).map_err(|_| {
        invalid(format!("Launch template {} does not exist", id.or(name).unwrap_or_default()))
    })?;
    let version = named["version"].as_str().unwrap_or("$Default");
    let data = found.resolve(version).and_then(|number| {
        found.versions.get(&number).map(|version| (number, version.data.clone()))
    });
    let Some((number, data)) = data else {
        return Err(invalid(format!("Launch template version {version} does not exist")));
    };
    for forbidden in ["IamInstanceProfile", "InstanceMarketOptions"] {
        if !data[forbidden].is_null() {
            return Err(invalid(format!(
                "Launch template {} should not specify {forbidden}.",
                found.id
            )));
        }
    }
    if !data["NetworkInterfaces"][0]["SubnetId"].is_null() {
        return Err(invalid("The launch template must not specify a subnet."));
    }
    Ok(Some(((found.id.clone(), found.name.clone(), number.to_string()), data)))
}

/// The sizes that a request asks for, over what there is.
pub(super) fn size(given: &Value, before: Option<Size>) -> Result<Size, Failure> {
    let (min, max, desired) = before.unwrap_or((1, 2, 2));
    let asked = |member: &str| given[member].as_i64();
    let (min, max) = (asked("minSize").unwrap_or(min), asked("maxSize").unwrap_or(max));
    let desired = asked("desiredSize").unwrap_or(desired);
    if min > max {
        return Err(invalid(format!(
            "Minimum capacity {min} can't be greater than max size {max}"
        )));
    }
    if min > desired {
        return Err(invalid(format!(
            "Minimum capacity {min} can't be greater than desired size {desired}"
        )));
    }
    if desired > max {
        return Err(invalid(format!(
            "desired capacity {desired} can't be greater than max size {max}"
        )));
    }
    Ok((min, max, desired))
}

/// The security groups of the nodes: the launch template's, or the cluster's own.
fn groups(cluster: &Cluster, data: &Value) -> Vec<String> {
    let listed = |list: &Value| -> Vec<String> {
        let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let direct = listed(&data["SecurityGroupIds"]);
    let of_interface = listed(&data["NetworkInterfaces"][0]["Groups"]);
    match (direct.is_empty(), of_interface.is_empty()) {
        (false, _) => direct,
        (true, false) => of_interface,
        (true, true) => vec![cluster.own_group.clone()],
    }
}

/// What nodes are made from.
fn recipe(cx: &Cx<'_>, cluster: &Cluster, group: &NodeGroup, data: &Value, name: &str) -> Recipe {
    let mut data = data.clone();
    if let (true, Some(size)) = (group.template.is_none(), group.disk_size) {
        data = json!({
            "BlockDeviceMappings": [
                {"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": size, "VolumeType": "gp3"}},
            ],
            "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 2},
        });
    }
    let image = data["ImageId"].as_str().map(str::to_owned);
    let number = crate::sandbox::store::number(&format!(
        "{}/{}/{}",
        cx.scope.region, group.ami_type, group.release
    ));
    let tags = json!({
        "aws:autoscaling:groupName": name,
        "aws:eks:cluster-name": cluster.name,
        "eks:cluster-name": cluster.name,
        "eks:nodegroup-name": group.name,
        "k8s.io/cluster-autoscaler/enabled": "true",
        format!("k8s.io/cluster-autoscaler/{}", cluster.name): "owned",
        format!("kubernetes.io/cluster/{}", cluster.name): "owned",
    });
    let (partition, account) = (cx.scope.partition(), &cx.scope.account);
    let profile = name.rsplit_once('/').map_or(name, |(_, last)| last);
    Recipe {
        image: image.unwrap_or_else(|| format!("ami-0{number:016x}")),
        instance_type: group.instance_types.first().cloned().unwrap_or_default(),
        groups: groups(cluster, &data),
        profile: Some(format!("arn:{partition}:iam::{account}:instance-profile/{profile}")),
        spot: group.capacity_type == "SPOT",
        data,
        tags: serde_json::from_value(tags).unwrap_or_default(),
    }
}

/// Makes the group with its first instances, and gives its name.
pub(super) fn make(
    cx: &mut Cx<'_>,
    cluster: &Cluster,
    group: &NodeGroup,
    data: &Value,
    (min, max, desired): Size,
) -> Result<String, Failure> {
    let uuid = new_uuid(cx);
    let name = format!("eks-{}-{uuid}", group.name);
    let arn_id = new_uuid(cx);
    let recipe = recipe(cx, cluster, group, data, &name);
    let template = LaunchTemplate {
        id: cx.new_id("lt"),
        name: format!("eks-{uuid}"),
        created: cx.now,
        default: 1,
        latest: 1,
        versions: BTreeMap::from([(
            1,
            TemplateVersion { created: cx.now, description: None, data: recipe.data.clone() },
        )]),
        tags: [("eks:cluster-name", &cluster.name), ("eks:nodegroup-name", &group.name)]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect(),
    };
    let own: [(String, &str); 5] = [
        ("eks:cluster-name".to_owned(), &cluster.name),
        ("eks:nodegroup-name".to_owned(), &group.name),
        ("k8s.io/cluster-autoscaler/enabled".to_owned(), "true"),
        (format!("k8s.io/cluster-autoscaler/{}", cluster.name), "owned"),
        (format!("kubernetes.io/cluster/{}", cluster.name), "owned"),
    ];
    let (partition, scope) = (cx.scope.partition(), cx.scope);
    let mut made = Group {
        arn: format!(
            "arn:{partition}:autoscaling:{}:{}:autoScalingGroup:{arn_id}:autoScalingGroupName/{name}",
            scope.region, scope.account
        ),
        name: name.clone(),
        created: cx.now,
        min,
        max,
        desired,
        subnets: group.subnets.clone(),
        recipe,
        template: (template.id.clone(), template.name.clone(), "1".to_owned()),
        instance_types: group.instance_types.clone(),
        tags: own.into_iter().map(|(key, value)| (key, (value.to_owned(), true))).collect(),
        members: Vec::new(),
        started: 0,
        sources: Vec::<Source>::new(),
        actions: BTreeMap::new(),
        deleting: None,
        cluster: Some(cluster.name.clone()),
        leaves_interfaces: cx.knobs.nodes_leave_interfaces,
    };
    let now = cx.now;
    let regional = cx.store.regional_mut(cx.scope);
    regional.ec2.launch_templates.insert(template.id.clone(), template);
    made.settle(&mut regional.ec2, now);
    regional.autoscaling.groups.insert(name.clone(), made);
    Ok(name)
}

/// The sizes of a group.
pub(super) fn size_of(cx: &Cx<'_>, name: &str) -> Option<Size> {
    let group = cx.store.regional(cx.scope)?.autoscaling.groups.get(name)?;
    Some((group.min, group.max, group.desired))
}

/// Changes a group, and does at once what follows from that.
pub(super) fn change(cx: &mut Cx<'_>, name: &str, change: impl FnOnce(&mut Group)) {
    let now = cx.now;
    let regional = cx.store.regional_mut(cx.scope);
    if let Some(group) = regional.autoscaling.groups.get_mut(name) {
        change(group);
        group.settle(&mut regional.ec2, now);
    }
}

/// Has all nodes replaced by such as the node group now describes, until `then`.
pub(super) fn roll(
    cx: &mut Cx<'_>,
    cluster: &Cluster,
    group: &NodeGroup,
    data: &Value,
    then: crate::sandbox::store::Millis,
) {
    let recipe = recipe(cx, cluster, group, data, &group.scaling_group);
    let now = cx.now;
    let regional = cx.store.regional_mut(cx.scope);
    let Some(scaling) = regional.autoscaling.groups.get_mut(&group.scaling_group) else { return };
    if let Some(template) = regional.ec2.launch_templates.get_mut(&scaling.template.0) {
        template.latest += 1;
        template.default = template.latest;
        let version =
            TemplateVersion { created: now, description: None, data: recipe.data.clone() };
        template.versions.insert(template.latest, version);
        scaling.template.2 = template.latest.to_string();
    }
    scaling.recipe = recipe;
    scaling.replace_all(then);
    scaling.settle(&mut regional.ec2, now);
}

/// Ends all instances; the group itself goes with the node group.
pub(super) fn begin_delete(cx: &mut Cx<'_>, name: &str) {
    let now = cx.now;
    change(cx, name, |group| {
        group.deleting = Some(now);
        (group.min, group.desired) = (0, 0);
    });
}
