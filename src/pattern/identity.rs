//! Keys, log groups and roles.

use super::{Draft, dns_suffix};
use crate::aws::iam::role::Role;
use crate::aws::kms::key::Key;
use crate::aws::logs::log_group::{LogGroup, StorageClass};
use crate::graph::Handle;
use crate::name::Address;
use crate::spec::types::logs::LogClass;
use crate::spec::types::network::FlowLogs;
use crate::value::Text;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The deployment's keys by their name in the spec.
pub(super) fn keys<'a>(draft: &mut Draft<'a>) -> BTreeMap<&'a str, Handle<Key>> {
    let spec = draft.spec;
    let region = draft.region.clone();
    let mut keys = BTreeMap::new();
    for (name, wanted) in spec.keys.iter() {
        let address = draft.here(&format!("security/key/{name}"));
        let key = Key {
            alias: alias(draft, &address, name),
            description: described(&wanted.description, draft, name),
            rotation_days: wanted.rotation_days.map(i32::from),
            policy: wanted
                .policy
                .as_ref()
                .map(|policy| policy.to_json())
                .or_else(|| key_policy(draft, name))
                .map(Text::new),
            deletion_window_days: i32::from(wanted.deletion_window_days),
        };
        let handle = draft.graph.add(&region, address, format!("keys.{name}"), key);
        draft.graph.show(format!("key_arn_{}", name.replace('-', "_")), handle.arn());
        keys.insert(name, handle);
    }
    keys
}

/// The policy of a key that the spec gives none: what AWS itself would give it, unless log groups
/// are encrypted by it, which IAM alone can not allow.
fn key_policy(draft: &Draft<'_>, key: &str) -> Option<String> {
    let groups: Vec<String> = draft
        .spec
        .log_groups
        .iter()
        .filter(|(_, group)| group.key.as_deref() == Some(key))
        .map(|(name, group)| log_group_name(draft, name, &group.name))
        .collect();
    (!groups.is_empty()).then(|| logs_may_use(draft, &groups))
}

fn log_group_name(draft: &Draft<'_>, name: &str, wanted: &str) -> String {
    let address = draft.here(&format!("observability/log-group/{name}"));
    draft.physical(&address, wanted.to_owned())
}

fn described(description: &str, draft: &Draft<'_>, name: &str) -> String {
    if description.is_empty() {
        format!("{name} of {}", draft.deployment)
    } else {
        description.to_owned()
    }
}

pub(super) fn alias(draft: &Draft<'_>, address: &Address, name: &str) -> String {
    draft.physical(address, format!("alias/coderctl/{}/{name}", draft.deployment))
}

pub(super) fn log_groups(draft: &mut Draft<'_>, keys: &BTreeMap<&str, Handle<Key>>) {
    let spec = draft.spec;
    let region = draft.region.clone();
    for (name, wanted) in spec.log_groups.iter() {
        let address = draft.here(&format!("observability/log-group/{name}"));
        let group = LogGroup {
            name: log_group_name(draft, name, &wanted.name),
            retention_days: Some(i32::from(wanted.retention_days.0)),
            key: wanted.key.as_deref().and_then(|key| keys.get(key)).map(|key| key.arn().ready()),
            class: match wanted.class {
                LogClass::Standard => StorageClass::Standard,
                LogClass::InfrequentAccess => StorageClass::InfrequentAccess,
            },
        };
        draft.graph.add(&region, address, format!("log_groups.{name}"), group);
    }
}

pub(super) fn roles(draft: &mut Draft<'_>) {
    let spec = draft.spec;
    for (name, wanted) in spec.roles.iter() {
        let address = Address::global(&format!("identity/role/{name}"));
        let inline = wanted
            .inline
            .iter()
            .map(|(name, policy)| (name.to_owned(), Text::new(policy.to_json())))
            .collect();
        let role = Role {
            trust: Text::new(wanted.trust.document().to_json()),
            inline,
            managed: wanted.managed_policy_arns.iter().cloned().collect(),
            max_session: i32::try_from(wanted.max_session_seconds).unwrap_or(3600),
            description: wanted.description.clone(),
            ..bare_role(draft, &address, name)
        };
        let region = draft.region.clone();
        let handle = draft.graph.add(&region, address, format!("roles.{name}"), role);
        draft.graph.show(format!("role_arn_{}", name.replace('-', "_")), handle.arn());
    }
}

pub(super) fn bare_role(draft: &Draft<'_>, address: &Address, name: &str) -> Role {
    Role {
        name: draft.physical(address, format!("{}-{name}", draft.deployment)),
        path: format!("/coderctl/{}/", draft.deployment),
        trust: Text::default(),
        inline: BTreeMap::new(),
        managed: BTreeSet::new(),
        boundary: draft.spec.permissions_boundary_arn.clone(),
        max_session: 3600,
        description: String::new(),
    }
}

/// The log group of the flow logs, with a key of its own where the spec asks for one.
pub(super) fn flow_log_group(
    draft: &mut Draft<'_>,
    name: &str,
    logs: &FlowLogs,
) -> Handle<LogGroup> {
    let region = draft.region.clone();
    let address = draft.here("network/log-group/flow-logs");
    let name = draft.physical(&address, name.to_owned());
    let key = logs.encrypted.then(|| {
        let address = draft.here("network/key/flow-logs");
        let key = Key {
            alias: alias(draft, &address, "flow-logs"),
            description: format!("flow logs of {}", draft.deployment),
            rotation_days: Some(365),
            policy: Some(Text::new(logs_may_use(draft, std::slice::from_ref(&name)))),
            deletion_window_days: 30,
        };
        draft.graph.add(&region, address, "network.flow_logs.encrypted", key)
    });
    draft.graph.add(
        &region,
        address,
        "network.flow_logs",
        LogGroup {
            name,
            retention_days: Some(i32::from(logs.retention_days.0)),
            key: key.map(|key| key.arn().ready()),
            class: StorageClass::Standard,
        },
    )
}

/// A key policy that lets CloudWatch Logs encrypt these log groups and no other, and leaves the rest to IAM.
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html>
fn logs_may_use(draft: &Draft<'_>, groups: &[String]) -> String {
    let arns: Vec<String> =
        groups.iter().map(|group| draft.arn("logs", &format!("log-group:{group}"))).collect();
    let arns = match arns.as_slice() {
        [one] => json!(one),
        several => json!(several),
    };
    let root = format!("arn:{}:iam::{}:root", draft.partition, draft.account);
    let service = format!("logs.{}.{}", draft.region, dns_suffix(draft.partition));
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Account",
                "Effect": "Allow",
                "Principal": {"AWS": root},
                "Action": "kms:*",
                "Resource": "*"
            },
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": [
                    "kms:Encrypt*", "kms:Decrypt*", "kms:ReEncrypt*", "kms:GenerateDataKey*",
                    "kms:Describe*"
                ],
                "Resource": "*",
                "Condition": {"ArnEquals": {
                    "kms:EncryptionContext:aws:logs:arn": arns
                }}
            }
        ]
    })
    .to_string()
}

/// The role with which flow logs are delivered, to one log group only.
/// <https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html>
pub(super) fn flow_log_role(draft: &mut Draft<'_>, group: &str) -> Handle<Role> {
    let address = draft.here("network/role/flow-logs");
    let group = draft.physical(&draft.here("network/log-group/flow-logs"), group.to_owned());
    let group = draft.arn("logs", &format!("log-group:{group}"));
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
            "Action": "sts:AssumeRole",
            // Nobody else's flow logs may use it.
            "Condition": {"StringEquals": {"aws:SourceAccount": draft.account.as_str()}}
        }]
    });
    let deliver = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": [
                "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogGroups",
                "logs:DescribeLogStreams"
            ],
            "Resource": [group.clone(), format!("{group}:*")]
        }]
    });
    let role = Role {
        trust: Text::new(trust.to_string()),
        inline: BTreeMap::from([("deliver".to_owned(), Text::new(deliver.to_string()))]),
        description: format!("delivers the flow logs of {}", draft.deployment),
        ..bare_role(draft, &address, "flow-logs")
    };
    let region = draft.region.clone();
    draft.graph.add(&region, address, "network.flow_logs", role)
}
