//! EBS volumes: the root volumes of instances, and those that a cluster's driver makes. No request
//! makes one here: `CreateVolume` is not modelled.

use super::compute::Volume;
use super::model::{Ec2, Tags};
use super::resource::{self, Fields, Listing, Resource, stored};
use super::tags;
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};

impl Resource for Volume {
    const PREFIX: &'static str = "vol";
    const TYPE: &'static str = "volume";
    const NOT_FOUND: &'static str = "InvalidVolume.NotFound";
    const NOUN: &'static str = "volume";
    const FIELDS: Fields<Self> = &[
        ("volume-id", |_, volume| vec![volume.id.clone()]),
        ("volume-type", |_, volume| vec![volume.volume_type.clone()]),
        ("availability-zone", |_, volume| vec![volume.zone.clone()]),
        ("attachment.instance-id", |_, volume| volume.instance.iter().cloned().collect()),
        ("attachment.status", |_, volume| {
            volume.instance.iter().map(|_| "attached".to_owned()).collect()
        }),
        ("encrypted", |_, volume| vec![volume.encrypted.to_string()]),
        ("size", |_, volume| vec![volume.size.to_string()]),
        ("status", |_, volume| vec![status(volume).to_owned()]),
    ];

    stored!(volumes);

    fn write(&self, _: &View<'_>) -> Value {
        let attachment = |instance: &String| {
            json!({
                "volumeId": self.id,
                "instanceId": instance,
                "device": self.device,
                "status": "attached",
                "attachTime": self.created.iso(),
                "deleteOnTermination": !self.outlives,
            })
        };
        let attachments: Vec<Value> = self.instance.iter().map(attachment).collect();
        json!({
            "volumeId": self.id,
            "size": self.size,
            "volumeType": self.volume_type,
            "iops": self.iops,
            "throughput": self.throughput,
            "encrypted": self.encrypted,
            "kmsKeyId": self.key,
            "availabilityZone": self.zone,
            "status": status(self),
            "createTime": self.created.iso(),
            "multiAttachEnabled": false,
            "attachmentSet": attachments,
            "tagSet": tags::write(&self.tags),
        })
    }
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing = Listing { ids: "VolumeIds", filters: "Filters", set: "volumeSet" };
    resource::describe::<Volume>(view, params, &LISTING)
}

fn status(volume: &Volume) -> &'static str {
    if volume.instance.is_some() { "in-use" } else { "available" }
}

/// Makes a volume of 1 GiB or more for a claim, and gives its id.
pub(crate) fn provision(cx: &mut Cx<'_>, zone: &str, size: i64, tags: Tags) -> String {
    let volume = Volume {
        id: cx.new_id("vol"),
        zone: zone.to_owned(),
        size: size.max(1),
        volume_type: "gp3".to_owned(),
        iops: 3000,
        throughput: Some(125),
        encrypted: true,
        key: None,
        instance: None,
        device: "/dev/xvdaa".to_owned(),
        outlives: true,
        created: cx.now,
        tags,
    };
    let id = volume.id.clone();
    cx.ec2().volumes.insert(id.clone(), volume);
    id
}

/// Attaches a volume to an instance, or detaches it.
pub(crate) fn attach(ec2: &mut Ec2, id: &str, instance: Option<&str>) {
    if let Some(volume) = ec2.volumes.get_mut(id) {
        volume.instance = instance.map(str::to_owned);
    }
}

/// Only what is attached to nothing can be deleted.
pub(crate) fn delete(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let (id, now) = (params.required("VolumeId"), cx.now);
    let volume = resource::find::<Volume>(cx.ec2(), id, now)?;
    if let Some(instance) = &volume.instance {
        let message = format!("Volume {id} is currently attached to {instance}");
        return Err(Failure::new("VolumeInUse", message));
    }
    resource::dry_run(params)?;
    cx.ec2().volumes.remove(id);
    Ok(json!({ "return": true }).into())
}
