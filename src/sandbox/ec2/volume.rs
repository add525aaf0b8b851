//! EBS volumes: only the root volumes of instances.

use super::compute::Volume;
use super::resource::{self, Fields, Listing, Resource, stored};
use super::tags;
use crate::sandbox::service::{Answer, View};
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
        ("attachment.instance-id", |_, volume| vec![volume.instance.clone()]),
        ("attachment.status", |_, _| vec!["attached".to_owned()]),
        ("encrypted", |_, volume| vec![volume.encrypted.to_string()]),
        ("size", |_, volume| vec![volume.size.to_string()]),
        ("status", |_, _| vec!["in-use".to_owned()]),
    ];

    stored!(volumes);

    fn write(&self, _: &View<'_>) -> Value {
        json!({
            "volumeId": self.id,
            "size": self.size,
            "volumeType": self.volume_type,
            "iops": self.iops,
            "throughput": self.throughput,
            "encrypted": self.encrypted,
            "kmsKeyId": self.key,
            "availabilityZone": self.zone,
            "status": "in-use",
            "createTime": self.created.iso(),
            "multiAttachEnabled": false,
            "attachmentSet": [{
                "volumeId": self.id,
                "instanceId": self.instance,
                "device": self.device,
                "status": "attached",
                "attachTime": self.created.iso(),
                "deleteOnTermination": true,
            }],
            "tagSet": tags::write(&self.tags),
        })
    }
}

pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing = Listing { ids: "VolumeIds", filters: "Filters", set: "volumeSet" };
    resource::describe::<Volume>(view, params, &LISTING)
}
