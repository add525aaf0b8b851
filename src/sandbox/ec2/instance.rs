//! Instances.

use super::compute::Instance;
use super::launch;
use super::resource::{self, Fields, Listing, Resource, dry_run, find, stored};
use super::{instance_type, page, tags, zone};
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::store::Millis;
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::time::Duration;

/// How long one is `pending`.
const PENDING: Duration = Duration::from_secs(15);
/// How long one is `shutting-down`.
const SHUTTING_DOWN: Duration = Duration::from_secs(30);
/// How long one that is `terminated` stays listed.
const LISTED: Duration = Duration::from_secs(3600);

impl Instance {
    /// AWS's word for what it is doing, and the number for it.
    pub(crate) fn state(&self, now: Millis) -> (&'static str, u8) {
        match self.terminated {
            Some(at) if now < at.plus(SHUTTING_DOWN) => ("shutting-down", 32),
            Some(_) => ("terminated", 48),
            None if now < self.launched.plus(PENDING) => ("pending", 0),
            None => ("running", 16),
        }
    }

    /// When its interface and volume go.
    pub(super) fn ends(&self) -> Option<Millis> {
        self.terminated.map(|at| at.plus(SHUTTING_DOWN))
    }

    /// When it is listed no more.
    pub(super) fn listed_until(&self) -> Option<Millis> {
        self.ends().map(|at| at.plus(LISTED))
    }

    /// `ip-10-0-1-7.ec2.internal`.
    pub(crate) fn private_dns_name(&self, region: &str) -> String {
        let host = self.private_ip.to_string().replace('.', "-");
        match region {
            "us-east-1" => format!("ip-{host}.ec2.internal"),
            _ => format!("ip-{host}.{region}.compute.internal"),
        }
    }
}

impl Resource for Instance {
    const PREFIX: &'static str = "i";
    const TYPE: &'static str = "instance";
    const NOT_FOUND: &'static str = "InvalidInstanceID.NotFound";
    const NOUN: &'static str = "instance ID";
    const FIELDS: Fields<Self> = &[
        ("instance-id", |_, instance| vec![instance.id.clone()]),
        ("instance-type", |_, instance| vec![instance.instance_type.clone()]),
        ("instance-state-name", |view, instance| vec![instance.state(view.now).0.to_owned()]),
        ("instance-state-code", |view, instance| vec![instance.state(view.now).1.to_string()]),
        ("vpc-id", |_, instance| vec![instance.vpc.clone()]),
        ("subnet-id", |_, instance| vec![instance.subnet.clone()]),
        ("availability-zone", |_, instance| vec![instance.zone.clone()]),
        ("image-id", |_, instance| vec![instance.image.clone()]),
        ("private-ip-address", |_, instance| vec![instance.private_ip.to_string()]),
        ("private-dns-name", |view, instance| vec![instance.private_dns_name(&view.scope.region)]),
        ("instance.group-id", |_, instance| instance.groups.clone()),
        ("network-interface.group-id", |_, instance| instance.groups.clone()),
        ("owner-id", |view, _| vec![view.scope.account.clone()]),
    ];

    stored!(instances);

    fn write(&self, view: &View<'_>) -> Value {
        let (state, number) = self.state(view.now);
        let ec2 = view.ec2();
        let named = |id: &String| {
            let name = ec2.security_groups.get(id).map(|group| &group.name);
            json!({ "groupId": id, "groupName": name })
        };
        let groups: Vec<Value> = self.groups.iter().map(named).collect();
        let device = ec2.volumes.get(&self.volume).map(|volume| {
            json!([{
                "deviceName": volume.device,
                "ebs": {
                    "volumeId": volume.id,
                    "attachTime": self.launched.iso(),
                    "deleteOnTermination": true,
                    "status": "attached",
                },
            }])
        });
        let interface = ec2.network_interfaces.get(&self.interface).map(|nic| {
            json!([{
                "networkInterfaceId": nic.id,
                "subnetId": nic.subnet,
                "vpcId": nic.vpc,
                "privateIpAddress": nic.private_ip,
                "status": "in-use",
                "groupSet": groups,
            }])
        });
        let metadata = |member: &str| self.metadata_options[member].clone();
        json!({
            "instanceId": self.id,
            "imageId": self.image,
            "instanceState": { "name": state, "code": number },
            "instanceType": self.instance_type,
            "instanceLifecycle": self.spot.then_some("spot"),
            "architecture": instance_type::architecture(&self.instance_type),
            "launchTime": self.launched.iso(),
            "placement": {
                "availabilityZone": self.zone,
                "availabilityZoneId": zone::id_of(&view.scope.region, &self.zone),
                "tenancy": "default",
            },
            "vpcId": device.as_ref().map(|_| &self.vpc),
            "subnetId": device.as_ref().map(|_| &self.subnet),
            "privateIpAddress": device.as_ref().map(|_| self.private_ip),
            "privateDnsName": self.private_dns_name(&view.scope.region),
            "rootDeviceType": "ebs",
            "rootDeviceName": "/dev/xvda",
            "blockDeviceMapping": device,
            "networkInterfaceSet": interface,
            "groupSet": groups,
            "iamInstanceProfile": self.profile.as_ref().map(|arn| json!({ "arn": arn })),
            "metadataOptions": {
                "state": "applied",
                "httpTokens": metadata("HttpTokens").as_str().unwrap_or("optional"),
                "httpPutResponseHopLimit":
                    metadata("HttpPutResponseHopLimit").as_i64().unwrap_or(1),
                "httpEndpoint": metadata("HttpEndpoint").as_str().unwrap_or("enabled"),
            },
            "tagSet": tags::write(&self.tags),
        })
    }

    fn is_listed(&self, now: Millis) -> bool {
        self.listed_until().is_none_or(|until| now < until)
    }
}

/// Every instance is a reservation of its own.
pub(super) fn describe_all(view: &View<'_>, params: &Params) -> Answer {
    const LISTING: Listing =
        Listing { ids: "InstanceIds", filters: "Filters", set: "reservationSet" };
    let found = resource::selected::<Instance>(view, params, &LISTING)?;
    let page = page::of(view, params, found, |instance| instance.id.clone())?;
    let items: Vec<Value> = page
        .items
        .iter()
        .map(|instance| {
            json!({
                "reservationId": instance.id.replacen("i-", "r-", 1),
                "ownerId": view.scope.account,
                "instancesSet": [instance.write(view)],
            })
        })
        .collect();
    Ok(json!({ "reservationSet": items, "nextToken": page.next }).into())
}

pub(super) fn terminate(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let now = cx.now;
    let ids = params.texts("InstanceIds");
    for id in &ids {
        find::<Instance>(cx.ec2(), id, now)?;
    }
    dry_run(params)?;
    let mut changes = Vec::new();
    for id in ids {
        let state = |cx: &mut Cx<'_>| {
            let (name, code) =
                cx.ec2().instances.get(id).map_or(("terminated", 48), |i| i.state(now));
            json!({ "name": name, "code": code })
        };
        let before = state(cx);
        launch::terminate(cx.ec2(), id, now);
        let after = state(cx);
        changes.push(json!({ "instanceId": id, "currentState": after, "previousState": before }));
    }
    Ok(json!({ "instancesSet": changes }).into())
}
