//! Starting instances for Auto Scaling groups. No request starts one here: `RunInstances` is not
//! modelled.

use super::compute::{Instance, Volume};
use super::model::{Ec2, NetworkInterface, Tags};
use super::subnet;
use crate::sandbox::store::{Millis, number};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What an instance is made from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    pub(crate) image: String,
    pub(crate) instance_type: String,
    pub(crate) groups: Vec<String>,
    pub(crate) profile: Option<String>,
    pub(crate) spot: bool,
    /// `LaunchTemplateData`, by the model's member names.
    pub(crate) data: Value,
    /// For the instance itself; the template's own come on top for each type of resource.
    pub(crate) tags: Tags,
}

/// Starts an instance in a subnet, unless the subnet is gone or full. What `seed` says decides
/// the ids, so that the same world gets the same ones.
pub(crate) fn start(
    ec2: &mut Ec2,
    recipe: &Recipe,
    subnet: &str,
    seed: &str,
    now: Millis,
) -> Option<String> {
    let subnet = ec2.subnets.get(subnet)?.clone();
    let private_ip = subnet::next_address(ec2, &subnet)?;
    let id_of = |prefix: &str| format!("{prefix}-0{:016x}", number(&format!("{seed}/{prefix}")));
    let (id, interface) = (id_of("i"), id_of("eni"));
    let mut tags = recipe.tags.clone();
    tags.extend(template_tags(&recipe.data, "instance"));
    let nic = NetworkInterface {
        id: interface.clone(),
        vpc: subnet.vpc.clone(),
        subnet: subnet.id.clone(),
        zone: subnet.zone.clone(),
        groups: recipe.groups.clone(),
        private_ip,
        description: String::new(),
        interface_type: "interface".to_owned(),
        requester: None,
        owner: Some(id.clone()),
        created: now,
        tags: template_tags(&recipe.data, "network-interface"),
    };
    let volume = root_volume(recipe, &id, id_of("vol"), &subnet.zone, now);
    let instance = Instance {
        id: id.clone(),
        image: recipe.image.clone(),
        instance_type: recipe.instance_type.clone(),
        vpc: subnet.vpc,
        subnet: subnet.id,
        zone: subnet.zone,
        groups: recipe.groups.clone(),
        private_ip,
        interface: interface.clone(),
        volume: volume.id.clone(),
        profile: recipe.profile.clone(),
        spot: recipe.spot,
        metadata_options: recipe.data["MetadataOptions"].clone(),
        launched: now,
        terminated: None,
        tags,
    };
    ec2.network_interfaces.insert(interface, nic);
    ec2.volumes.insert(volume.id.clone(), volume);
    ec2.instances.insert(id.clone(), instance);
    Some(id)
}

fn root_volume(recipe: &Recipe, instance: &str, id: String, zone: &str, now: Millis) -> Volume {
    let mapping = &recipe.data["BlockDeviceMappings"][0];
    let ebs = &mapping["Ebs"];
    let volume_type = ebs["VolumeType"].as_str().unwrap_or("gp3");
    let fast = volume_type == "gp3";
    Volume {
        id,
        zone: zone.to_owned(),
        size: ebs["VolumeSize"].as_i64().unwrap_or(20),
        volume_type: volume_type.to_owned(),
        iops: ebs["Iops"].as_i64().unwrap_or(if fast { 3000 } else { 100 }),
        throughput: ebs["Throughput"].as_i64().or_else(|| fast.then_some(125)),
        encrypted: ebs["Encrypted"].as_bool().unwrap_or(false),
        key: ebs["KmsKeyId"].as_str().map(str::to_owned),
        instance: Some(instance.to_owned()),
        outlives: false,
        device: mapping["DeviceName"].as_str().unwrap_or("/dev/xvda").to_owned(),
        created: now,
        tags: template_tags(&recipe.data, "volume"),
    }
}

/// The tags that a template gives to a type of resource.
fn template_tags(data: &Value, resource_type: &str) -> Tags {
    let specifications = data["TagSpecifications"].as_array().map(Vec::as_slice);
    let tags = specifications
        .unwrap_or_default()
        .iter()
        .filter(|specification| specification["ResourceType"] == resource_type)
        .filter_map(|specification| specification["Tags"].as_array())
        .flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    tags.map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect()
}

/// Ends an instance. Its interface and volume go when it is `terminated`.
pub(crate) fn terminate(ec2: &mut Ec2, id: &str, now: Millis) {
    if let Some(instance) = ec2.instances.get_mut(id) {
        instance.terminated.get_or_insert(now);
    }
}

/// Leaves behind what the VPC CNI sometimes leaves behind: an interface for pods that belongs to
/// nobody any more.
pub(crate) fn leave_pod_interface(ec2: &mut Ec2, instance: &str, cluster: &str, now: Millis) {
    let Some(gone) = ec2.instances.get(instance).cloned() else { return };
    let Some(subnet) = ec2.subnets.get(&gone.subnet).cloned() else { return };
    let Some(private_ip) = subnet::next_address(ec2, &subnet) else { return };
    let id = format!("eni-0{:016x}", number(&format!("{instance}/pods")));
    let tags = json!({
        "cluster.k8s.amazonaws.com/name": cluster,
        "node.k8s.amazonaws.com/instance_id": instance,
        "node.k8s.amazonaws.com/createdAt": gone.launched.iso(),
    });
    let nic = NetworkInterface {
        id: id.clone(),
        vpc: gone.vpc,
        subnet: gone.subnet,
        zone: gone.zone,
        groups: gone.groups,
        private_ip,
        description: format!("aws-K8S-{instance}"),
        interface_type: "interface".to_owned(),
        requester: None,
        owner: None,
        created: now,
        tags: serde_json::from_value(tags).unwrap_or_default(),
    };
    ec2.network_interfaces.insert(id, nic);
}
