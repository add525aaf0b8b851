//! Groups themselves.

use super::model::{Group, Member};
use super::words::{all, asked, asked_mut, invalid, paged};
use crate::sandbox::failure::Failure;
use crate::sandbox::service::{Answer, Cx, View};
use crate::sandbox::wire::params::Params;
use serde_json::{Value, json};
use std::collections::BTreeSet;

impl Group {
    fn write(&self, view: &View<'_>) -> Value {
        let ec2 = view.ec2();
        let zones: BTreeSet<&String> = self
            .subnets
            .iter()
            .filter_map(|id| ec2.subnets.get(id))
            .map(|subnet| &subnet.zone)
            .collect();
        let template = json!({
            "LaunchTemplateId": self.template.0,
            "LaunchTemplateName": self.template.1,
            "Version": self.template.2,
        });
        let overrides: Vec<Value> =
            self.instance_types.iter().map(|name| json!({"InstanceType": name})).collect();
        let members: Vec<Value> =
            self.members.iter().map(|member| self.write_member(view, member)).collect();
        let has_instances = !self.members.is_empty();
        let sources: Vec<Value> = self
            .sources
            .iter()
            .filter(|source| source.state(has_instances, view.now).is_some())
            .map(|source| json!({"Identifier": source.identifier, "Type": source.kind}))
            .collect();
        let target_groups: Vec<&String> = self
            .sources
            .iter()
            .filter(|s| s.kind == "elbv2" && s.state(has_instances, view.now).is_some())
            .map(|source| &source.identifier)
            .collect();
        json!({
            "AutoScalingGroupName": self.name,
            "AutoScalingGroupARN": self.arn,
            "MixedInstancesPolicy": {
                "LaunchTemplate": {
                    "LaunchTemplateSpecification": template,
                    "Overrides": overrides,
                },
            },
            "MinSize": self.min,
            "MaxSize": self.max,
            "DesiredCapacity": self.desired,
            "DefaultCooldown": 300,
            "AvailabilityZones": zones,
            "LoadBalancerNames": [],
            "TargetGroupARNs": target_groups,
            "TrafficSources": sources,
            "HealthCheckType": "EC2",
            "HealthCheckGracePeriod": 15,
            "Instances": members,
            "CreatedTime": self.created.iso(),
            "SuspendedProcesses": [],
            "VPCZoneIdentifier": self.subnets.join(","),
            "EnabledMetrics": [],
            "Status": self.deleting.map(|_| "Delete in progress"),
            "Tags": self.write_tags(),
            "TerminationPolicies":
                ["AllocationStrategy", "OldestLaunchTemplate", "OldestInstance"],
            "NewInstancesProtectedFromScaleIn": false,
            "CapacityRebalance": true,
            "ServiceLinkedRoleARN": format!(
                "arn:{}:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling",
                view.scope.partition(),
                view.scope.account
            ),
        })
    }

    /// Its tags, as answers list them.
    pub(super) fn write_tags(&self) -> Vec<Value> {
        let tag = |(key, (value, propagate)): (&String, &(String, bool))| {
            json!({
                "ResourceId": self.name,
                "ResourceType": "auto-scaling-group",
                "Key": key,
                "Value": value,
                "PropagateAtLaunch": propagate,
            })
        };
        self.tags.iter().map(tag).collect()
    }

    fn write_member(&self, view: &View<'_>, member: &Member) -> Value {
        let instance = view.ec2().instances.get(&member.instance);
        let state = match instance.map(|instance| instance.state(view.now).0) {
            Some("pending") => "Pending",
            Some("running") => "InService",
            _ => "Terminating",
        };
        json!({
            "InstanceId": member.instance,
            "InstanceType": instance.map(|instance| &instance.instance_type),
            "AvailabilityZone": instance.map(|instance| instance.zone.as_str()).unwrap_or_default(),
            "LifecycleState": state,
            "HealthStatus": if state == "Terminating" { "Unhealthy" } else { "Healthy" },
            "LaunchTemplate": {
                "LaunchTemplateId": self.template.0,
                "LaunchTemplateName": self.template.1,
                "Version": member.version,
            },
            "ProtectedFromScaleIn": false,
        })
    }

    fn passes(&self, filter: &Value) -> Result<bool, Failure> {
        let name = filter["Name"].as_str().unwrap_or_default();
        let values = filter["Values"].as_array().map(Vec::as_slice).unwrap_or_default();
        let any = |text: &str| values.iter().any(|value| value == text);
        match name.strip_prefix("tag:") {
            Some(key) => Ok(self.tags.get(key).is_some_and(|(value, _)| any(value))),
            None if name == "tag-key" => Ok(self.tags.keys().any(|key| any(key))),
            None if name == "tag-value" => Ok(self.tags.values().any(|(value, _)| any(value))),
            None => Err(invalid(format!("Filter type {name} is not correct"))),
        }
    }
}

/// Names that no group has are passed over.
pub(super) fn describe(view: &View<'_>, params: &Params) -> Answer {
    let names = params.texts("AutoScalingGroupNames");
    let mut items = Vec::new();
    for group in all(view) {
        let mut wanted = names.is_empty() || names.contains(&group.name.as_str());
        for filter in params.list("Filters") {
            wanted = group.passes(filter)? && wanted;
        }
        if wanted {
            items.push((group.name.clone(), group.write(view)));
        }
    }
    Ok(paged(view, params, "AutoScalingGroups", items)?.into())
}

/// Only sizes can be changed here; all else belongs to EKS.
pub(super) fn update(cx: &mut Cx<'_>, params: &Params) -> Answer {
    const SIZES: &[&str] = &["AutoScalingGroupName", "MinSize", "MaxSize", "DesiredCapacity"];
    let members = params.tree().as_object();
    let other = members.into_iter().flatten().map(|(name, _)| name.as_str());
    if let Some(other) = other.into_iter().find(|name| !SIZES.contains(name)) {
        return Err(invalid(format!("The sandbox does not model updates of {other}.")));
    }
    let group = asked(&cx.view(), params)?;
    let min = params.number("MinSize").unwrap_or(group.min);
    let max = params.number("MaxSize").unwrap_or(group.max);
    if min > max {
        return Err(invalid(format!(
            "Max bound, {max}, must be greater than or equal to min bound, {min}"
        )));
    }
    // Without a desired capacity, the group keeps its own as far as the bounds let it.
    let desired = params.number("DesiredCapacity").unwrap_or(group.desired.clamp(min, max));
    if !(min..=max).contains(&desired) {
        return Err(invalid(format!(
            "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
        )));
    }
    resize(cx, params, min, max, desired)
}

pub(super) fn set_desired(cx: &mut Cx<'_>, params: &Params) -> Answer {
    let desired = params.number("DesiredCapacity").unwrap_or(0);
    let group = asked(&cx.view(), params)?;
    let (min, max) = (group.min, group.max);
    if desired > max {
        return Err(invalid(format!(
            "New SetDesiredCapacity value {desired} is above max value {max} for the AutoScalingGroup."
        )));
    }
    if desired < min {
        return Err(invalid(format!(
            "New SetDesiredCapacity value {desired} is below min value {min} for the AutoScalingGroup."
        )));
    }
    resize(cx, params, min, max, desired)
}

fn resize(cx: &mut Cx<'_>, params: &Params, min: i64, max: i64, desired: i64) -> Answer {
    let now = cx.now;
    let group = asked_mut(cx, params)?;
    (group.min, group.max, group.desired) = (min, max, desired);
    let mut group = group.clone();
    let regional = cx.store.regional_mut(cx.scope);
    group.settle(&mut regional.ec2, now);
    regional.autoscaling.groups.insert(group.name.clone(), group);
    Ok(json!({}).into())
}
